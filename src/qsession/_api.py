"""``record`` and ``replay``: the two ways into a run from Python."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from qsession._config import (
    Option,
    Settings,
    check_budget,
    check_match,
    check_park,
    check_word,
)
from qsession._layer import found_above
from qsession._options import BUDGET_SECONDS
from qsession._run import Ground, Run
from qsession.emulator import Emulator


def record(
    path: str | os.PathLike[str],
    *,
    target: str = "ibm",
    backend: str | None = None,
    account: str | None = None,
    instance: str | None = None,
    budget: float = BUDGET_SECONDS,
    allow_ci: bool = False,
    emulator: Emulator | None = None,
    polls: str = "default",
    resume: bool = False,
    park: str | float | None = None,
    redact: Sequence[str] = (),
) -> Run:
    """Record what the client does, while it does it.

    The cassette is written when the ``with`` block ends without an error; an
    existing one is replaced then, whole. The recording of a block that failed is
    kept in ``.qsession/rejected``.

    Args:
        path: The cassette to write, such as ``cassettes/bell.yaml``.
        target: ``"ibm"`` for the service, which costs QPU time, or ``"emulator"``.
        backend: Name of a backend for the provenance; found out when None.
        account: Name of a saved account to use with ``run.service()``.
        instance: Instance name or CRN to use with ``run.service()``.
        budget: QPU seconds that may be used on the service.
        allow_ci: Whether the service may be reached where ``CI`` is set.
        emulator: The emulator to record against, instead of a fresh one.
        polls: On the emulator, where time is virtual: ``"leap"`` lets every wait between
            two polls go on to the next known event, ``"exact"`` none; by default those
            in the client's own ``result`` and ``wait_for_final_state`` do.
        resume: Go on with a recording of the service that was cut off or parked, if
            there is one: what it has is answered from its journal, nothing is
            submitted twice.
        park: How long a batch or a job without a session may be queued, in seconds or
            as a text such as ``"10m"``; then the block ends with `Parked`, and
            ``resume`` collects it later. None waits on.
        redact: What to take out besides what always is: names of kinds such as ``"tags"``,
            and regular expressions.

    Returns:
        The run, to be used in a ``with`` statement.

    Raises:
        UsageError: If an argument is wrong, or, on entering, if a run is on already,
            credentials or the ``emulator`` extra are missing.
        CassetteError: On entering, if another process records this cassette (QS219)
            or the journal cannot be gone on with; on leaving, if the cassette cannot
            be written.
        Parked: If a job is queued for longer than ``park``.
        BudgetError: If the budget would be exceeded.
    """
    settings = Settings(
        mode="record",
        target=check_word("target", Option(target, "the argument target")),
        path=Path(path),
        backend=backend,
        account=account,
        instance=instance,
        budget=check_budget(Option(str(budget), "the argument budget")),
        allow_ci=allow_ci,
        emulator=emulator,
        polls=check_word("polls", Option(polls, "the argument polls")),
        resume=resume,
        park=check_park(Option(None if park is None else str(park), "the argument park")),
        redact=_checked(redact),
        record_command=f"qsession.record({os.fspath(path)!r}, target='{{target}}')",
    )
    return Run(settings)


def replay(
    path: str | os.PathLike[str],
    *,
    allow_unused: bool = False,
    allowed_hosts: Collection[str] = (),
    match: str | tuple[str, ...] = "meaning",
    polls: str = "default",
    beyond: str = "error",
    redact: Sequence[str] = (),
) -> Run:
    """Replay a cassette: the same code, no network, no account.

    Args:
        path: The cassette to read.
        allow_unused: Whether recorded requests that change something may be left out.
        allowed_hosts: Hosts besides this machine that the code may reach.
        match: How alike a job must be to a recorded one: ``"meaning"``; ``"routed"``, which takes
            another layout and routing of the same circuit too; ``"strict"``, the same JSON; or a
            tuple of what of a job is compared, of ``circuits`` (or ``routed``), ``values``,
            ``observables``, ``shots``, ``options``, ``tags`` and ``job``.
        polls: ``"leap"`` lets every wait between two polls go on to the next known event,
            ``"exact"`` none; by default those in the client's own ``result`` and
            ``wait_for_final_state`` do.
        beyond: What happens where the code waits past the end of the recording:
            ``"error"``, or a ``"model"`` of the service answers.
        redact: The rules that it was recorded with, so that the code may still ask with what
            they took out.

    Returns:
        The run, to be used in a ``with`` statement.

    Raises:
        CassetteError: On entering, if the cassette is missing, cut, edited or no cassette.
        UsageError: If an argument is wrong (QS118, QS119, QS160), or, on entering, if a run is on
            already.
        ReplayMismatch: When the recording has no answer, and again on leaving if the
            code swallowed that; on leaving, if recorded writes were not sent.
    """
    settings = Settings(
        mode="replay",
        path=Path(path),
        allow_unused=allow_unused,
        allowed_hosts=frozenset(host.lower() for host in allowed_hosts),
        match=check_match(match),
        polls=check_word("polls", Option(polls, "the argument polls")),
        beyond=check_word("beyond", Option(beyond, "the argument beyond")),
        redact=_checked(redact),
        record_command=f"qsession.record({os.fspath(path)!r}, target='{{target}}')",
    )
    # Recorded by pytest, it does not hold what all tests of its folder read.
    shared = partial(found_above, Path(path).absolute(), scratch=settings.scratch.absolute())
    return Run(settings, Ground(shared=shared))


def _checked(redact: Sequence[str]) -> tuple[str, ...]:
    if redact:
        from qsession._redaction import rules

        # One text would be taken for its letters.
        redact = [redact] if isinstance(redact, str) else redact
        rules(redact, origin="the argument redact")
    return tuple(redact)
