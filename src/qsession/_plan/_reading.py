"""The options of a test run, read once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qsession._config import (
    Options,
    Settings,
    check_budget,
    check_park,
    check_word,
    not_emulated,
    nothing_recorded,
    nothing_to_resume,
)
from qsession._model import Micros
from qsession._options import BUDGET_SECONDS, CASSETTES, Told
from qsession._plan._plan import Plan
from qsession._staleness import expiry
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._money import Purse
    from qsession._redaction import Screen
    from qsession.emulator import Emulator


def plan(told: Told, *, purse: str = "") -> Plan:
    """Read the options of a test run.

    Args:
        told: What was set.
        purse: In a worker of pytest-xdist, what the workers share a budget by.

    Raises:
        UsageError: If a value is wrong (QS101, QS102, QS105, QS121, QS140 to QS142, QS167, QS170,
            QS178, QS179) or two contradict (QS108, QS143, QS165).
    """
    options = Options((("command line", told.command_line), ("ini", told.ini)))
    mode, target = _mode_of(options, told), check_word("target", options.get("target", "ibm"))
    resume = bool(told.command_line.get("resume"))
    redact = _listed(told.ini.get("redact"))
    settings = Settings(
        mode="replay",
        target=target,
        folder=told.root / str(options.get("cassettes", CASSETTES).value),
        scratch=told.root / ".qsession",
        account=options.get("account").value,
        instance=options.get("instance").value,
        budget=check_budget(options.get("budget", str(BUDGET_SECONDS))),
        purse=_purse(told.root / ".qsession", purse)
        if target == "ibm" and (mode != "replay" or resume)
        else None,
        allow_ci=options.get("allow_ci").value is not None,
        template=_template(options, told.root, target, replays=mode == "replay" and not resume),
        allowed_hosts=frozenset(host.lower() for host in _listed(told.ini.get("allowed_hosts"))),
        resume=resume,
        park=_park(options, mode, target, resume=resume),
        redact=redact,
        screen=_screen(redact, "record" if resume else mode),
        expiry=expiry(told.ini.get("expire"), told.ini.get("on_stale")),
    )
    return Plan(options, mode, told.root, settings)


def _mode_of(options: Options, told: Told) -> str:
    mode: str = check_word("mode", options.get("mode", "replay"))
    if not told.command_line.get("record"):
        return mode
    asked = told.command_line.get("mode")
    if asked in (None, "record"):
        return "record"
    raise UsageError(
        "QS108",
        "--qsession-record and --qsession-mode contradict each other.",
        evidence=[f"--qsession-record is short for --qsession-mode=record, but the mode is {asked!r}"],
        fix="leave one of them out",
    )


def _park(options: Options, mode: str, target: str, *, resume: bool) -> Micros | None:
    """How long a job may be queued, where there is a queue; refuses who insists where there is none."""
    asked = options.get("park")
    park = check_park(asked)
    insists = resume or asked.origin == "command line"
    if insists and mode == "live":
        raise nothing_recorded()
    if insists and target == "emulator":
        raise nothing_to_resume()
    # The ini file speaks of runs against the service.
    return None if target == "emulator" else park


def _template(options: Options, root: Path, target: str, *, replays: bool) -> Emulator | None:
    """The emulator that was named, where this run goes to one; refuses who insists where it does not."""
    asked = options.get("emulator")
    if asked.value is None or replays:
        return None
    if target == "ibm":
        # The ini file speaks of runs on the emulator.
        if asked.origin == "command line":
            raise not_emulated(asked)
        return None
    # Only here: a replay has no use for it.
    from qsession._setup import template

    return template(asked, root)


def _listed(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else ()


def _purse(scratch: Path, name: str) -> Purse:
    # Only here: most runs of pytest spend nothing.
    from qsession._money import Purse

    return Purse(scratch, name=name)


def _screen(redact: tuple[str, ...], mode: str) -> Screen | None:
    if mode == "replay" and not redact:
        return None
    from qsession._redaction import Screen, rules

    known = rules(redact, origin="the ini key qsession_redact")
    return None if mode == "replay" else Screen(known)
