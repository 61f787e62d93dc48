"""What a run needs before it begins, and what to say when it is not there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from qsession import _wire
from qsession._clock import SystemClock
from qsession._config import Option, Settings
from qsession._discovery import STAND_IN_TOKEN, Discovery
from qsession._model import SECOND, InstanceShape, Instant, Place
from qsession._store import Store, display
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._money import MoneyGuard
    from qsession._redaction import Redactor
    from qsession.emulator import Emulator

EMULATED_START: Instant = 1_767_614_400 * SECOND
"""When runs on the emulator begin, 2026-01-05 12:00 UTC: two recordings are the same to the byte."""


def emulator(settings: Settings, before: Sequence[Emulator] = ()) -> Emulator:
    """The emulator of a run: the one that was given, or a fresh one.

    Args:
        settings: What the run is made of.
        before: Those of the runs that it builds on, as they were left.

    Raises:
        UsageError: If the extra ``emulator`` is not installed (QS120), there is no scenario of this
            name (QS125), or it has not the account of those before (QS144).
    """
    from qsession.emulator._programs import missing_extra

    if find_spec("qiskit_aer") is None:
        # Better now than when the first job runs.
        raise missing_extra("qiskit-aer")
    if settings.scenario:
        from qsession.emulator._scenarios import scenario

        own = scenario(settings.scenario, where=settings.test).emulator()
    elif settings.emulator is not None:
        return settings.emulator
    else:
        own = (settings.template or _root())._fork(settings.test)
    for each in before:
        own._adopt(each)
    return own


@lru_cache(maxsize=1)
def _root() -> Emulator:
    """What all emulators of this process begin as, so that one can adopt what was made in another."""
    from qsession.emulator import Emulator

    return Emulator()


def template(option: Option, root: Path) -> Emulator:
    """The emulator of a configuration, of which each run of this process has a fork.

    Args:
        option: Name of a configuration that comes along, or path of a YAML file.
        root: What the path is relative to.

    Raises:
        UsageError: QS141 where there is neither, QS142 where a field is wrong, QS140 for a past job
            of nobody, QS121 for a backend without a snapshot; each says who named it.
    """
    from qsession.emulator import Emulator
    from qsession.emulator._configuration import load

    ini = option.origin == "ini"
    told = "qsession_emulator = {}" if ini else "--qsession-emulator={}"
    try:
        return Emulator(**load(str(option.value), folder=root, told=told))
    except UsageError as wrong:
        named = f"named by {told.format(option.value)}"
        raise UsageError(
            wrong.code,
            wrong.what,
            evidence=[*wrong.evidence, named],
            fix=wrong.fix,
            intended=wrong.intended,
            where=wrong.where,
        ) from None


def discovery_of(emulator: Emulator) -> Discovery | None:
    """Makes an account fit whoever asks; None for an emulator that has an account of its own."""
    if emulator.has_own_account:
        return None
    return Discovery([InstanceShape(i.plan, i.pricing_type, i.region) for i in emulator.instances])


def account_of(emulator: Emulator) -> tuple[str, str | None]:
    """A key that opens an emulator, and its instance; None where it has several."""
    only = emulator.instances[0].crn if len(emulator.instances) == 1 else None
    return emulator.api_key or STAND_IN_TOKEN, only


def money_guard(settings: Settings) -> MoneyGuard:
    """What watches over QPU time in a run against the service."""
    # Only here: a replay has no use for it.
    from qsession._money import MoneyGuard, Purse

    return MoneyGuard(
        budget_seconds=settings.budget,
        purse=settings.purse or Purse(settings.scratch),
        folder=settings.scratch,
        clock=SystemClock(),
        send=_wire.send_directly,
    )


def redactor(settings: Settings) -> Redactor:
    """What keeps secrets out of a recording, and out of what is said while it is made."""
    from qsession._redaction import Redactor, rules

    if settings.screen is not None:
        return settings.screen.redactor()
    return Redactor(rules(settings.redact, origin="the argument redact"))


def store(settings: Settings) -> Store:
    """Where the cassette of a run lies."""
    assert settings.path is not None
    return Store(settings.folder or settings.path.parent, settings.scratch, settings.record_command)


def stable_seed(settings: Settings) -> int:
    """A seed that is the same whenever this is recorded."""
    from qsession import _payload

    return _payload.stable_seed(settings.test)


def place(settings: Settings, target: str) -> Place:
    """Where a run stands, for messages.

    Args:
        settings: What the run is made of.
        target: What the recording was made against.
    """
    name = display(settings.path) if settings.path else "live run"
    return Place(name, settings.test, settings.record_command.replace("{target}", target))


def refuse_ci(settings: Settings) -> None:
    """Keep continuous integration from spending QPU time by accident.

    Raises:
        UsageError: If ``CI`` is set and nobody allowed it (QS111).
    """
    if os.environ.get("CI") and not settings.allow_ci:
        raise UsageError(
            "QS111",
            "The service is not reached from continuous integration unless you say so.",
            evidence=["the environment variable CI is set"],
            fix="replay, the default, needs no account; or record with --qsession-target=emulator",
            intended="--qsession-allow-ci, in Python allow_ci=True",
            where=settings.test,
        )


def no_account(settings: Settings) -> UsageError:
    """The client finds no credentials on this machine."""
    named = f"no account named {settings.account!r} is saved" if settings.account else "no account is saved"
    return UsageError(
        "QS110",
        "To reach the service the client needs credentials, and it finds none. Nothing was sent.",
        evidence=["QISKIT_IBM_TOKEN is not set", named],
        fix="export QISKIT_IBM_TOKEN=<your API key> QISKIT_IBM_INSTANCE=<your instance>",
        intended="without an account, record against the emulator: --qsession-target=emulator",
        where=settings.test,
    )


def versions() -> dict[str, str]:
    """Versions of what a recording depends on, by distribution name."""
    found = {}
    for name in ("qiskit", "qiskit-ibm-runtime", "qsession"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


def nested(mode: str, path: object) -> UsageError:
    """A second run was begun inside a first."""
    return UsageError(
        "QS103",
        "A run is on already: one at a time in a process.",
        evidence=[f"{mode} of {path or 'no cassette'}"],
        fix="leave the outer run first, or use it: the fixture qsession_run is the run of the test",
    )


def not_active() -> UsageError:
    """A service was asked of a run that is not on."""
    return UsageError(
        "QS104",
        "The run has ended, or has not begun: it has no service.",
        fix="call run.service() inside `with qsession.replay(...) as run:`",
    )


def used_up() -> UsageError:
    """A run was entered a second time."""
    return UsageError(
        "QS117",
        "A run is entered once: this one has ended.",
        fix="make a new one: call qsession.record(...) or qsession.replay(...) in the `with` statement",
    )
