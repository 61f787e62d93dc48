"""Backends and sessions for the fixtures; sessions that several tests share, and which of them do."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qsession._plan import Item, Plan, no_backend, unknown_backend
from qsession._run import Run
from qsession._shelf import head_of
from qsession._suite._wide import Wide
from qsession.errors import BudgetError, Parked, ReplayMismatch
from qsession.session import Batch, Session, open_session

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService


@dataclass(frozen=True, slots=True)
class Opened:
    """A session, and what it was opened with.

    Attributes:
        service: The service.
        backend: The backend.
        session: The session or batch.
    """

    service: QiskitRuntimeService
    backend: IBMBackend
    session: Session | Batch


def backend_for(plan: Plan, test: Item, run: Run, service: QiskitRuntimeService) -> IBMBackend:
    """The configured backend of a test.

    Args:
        plan: The options.
        test: The test.
        run: Its run, or that of the session that it shares.
        service: Knows the backends.

    Raises:
        UsageError: If none was named (QS112), or there is none of this name (QS115).
    """
    from qiskit.providers.exceptions import QiskitBackendNotFoundError

    name = plan.backend(test, run)
    if name is None:
        raise no_backend([each.name for each in service.backends()], test.nodeid)
    try:
        return service.backend(name)
    except QiskitBackendNotFoundError:
        # The client finds none either where its question had no answer.
        run.check()
        names = [] if run.mode == "replay" else [each.name for each in service.backends()]
        raise unknown_backend(name, names, test.nodeid, run.mode) from None


def session_for(test: Item, backend: IBMBackend) -> Session | Batch:
    """An open session, or batch, as the marker of a test has it.

    Args:
        test: The test.
        backend: The backend.
    """
    return open_session(backend, mode=test.session_mode, max_time=test.max_time, where=test.nodeid)


def close(session: Session | Batch) -> None:
    """Close it, unless somebody did."""
    session.is_shared = False
    if not session.ended:
        # What is refused here the run raises at its end, once, unless the test failed already.
        with suppress(ReplayMismatch, BudgetError, Parked):
            session.close()


def opened(plan: Plan, test: Item, run: Run) -> Opened:
    """Open a session that tests share.

    Args:
        plan: The options.
        test: The first of them.
        run: The run of the session.
    """
    service = run.service()
    backend = backend_for(plan, test, run, service)
    session = session_for(test, backend)
    session.is_shared = True
    return Opened(service, backend, session)


def ident_of(plan: Plan, test: Item) -> str:
    """What a session that tests share is called: the same for those that share it, and no others."""
    place = "" if test.scope == "session" else Path(os.path.relpath(test.file, plan.root)).as_posix() + "::"
    told = {"backend": test.marks.get("backend"), "mode": test.session_mode, "max_time": test.max_time}
    words = ", ".join(f"{name}={value}" for name, value in told.items() if value is not None)
    return f"{place}@{test.scope}({words})"


def numbered(plan: Plan, tests: Iterable[Item]) -> Mapping[str, Path]:
    """Where each session that tests share is recorded, by its name.

    A file that is there keeps its session, whatever tests are selected; new ones get the next free number.

    Args:
        plan: The options.
        tests: The tests, in the order of their definition.
    """
    found: dict[str, Path] = {}
    for test in tests:
        ident = ident_of(plan, test)
        if test.scope != "function" and ident not in found:
            found[ident] = _file_for(plan, test, ident, set(found.values()))
    return found


def _file_for(plan: Plan, test: Item, ident: str, taken: set[Path]) -> Path:
    folder = plan.folder if test.scope == "session" else plan.folder_of(test)
    there = {path: head_of(path) for path in folder.glob(f"@{test.scope}-*.yaml")}
    for path, head in there.items():
        if head is not None and head.test == ident:
            return path
    number = 1
    while (path := folder / f"@{test.scope}-{number}.yaml") in taken or path in there:
        number += 1
    return path


def wide_for(plan: Plan, test: Item, ident: str, path: Path, *, records: bool) -> Wide:
    """What stands for a session that tests share."""
    name = Path(os.path.relpath(path, plan.folder)).as_posix()
    title = f"the session that tests of scope {test.scope!r} share"
    return Wide(ident, title, ident, path, name, test.nodeid, records)
