"""``qsession doctor``: what would go wrong here, and what a killed run left open."""

from __future__ import annotations

import argparse
import importlib.util
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from qsession._config import Settings
from qsession._custody import abandon
from qsession._money import OpenNote, forget, leftovers, parked
from qsession.cli._say import say, say_json
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService, RuntimeJobV2


_OTHER_INSTANCE = "qsession doctor --close --instance=NAME, with the instance it is in"


@dataclass(frozen=True, slots=True)
class _Finding:
    what: str
    fix: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession doctor --close"
    parser.add_argument(
        "--close", action="store_true", help="cancel sessions that a killed recording left open"
    )
    parser.add_argument(
        "--parked",
        action="store_true",
        help="with --close: cancel what was parked, too",
    )
    parser.add_argument("--folder", type=Path, default=Path(".qsession"), help="where runs keep their notes")
    parser.add_argument("--account", help="saved account to close them with (default: the client's default)")
    parser.add_argument("--instance", help="instance to close them with (default: the account's)")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Look, and close when asked to.

    Returns:
        0 when nothing was found, 1 else.
    """
    if arguments.parked and not arguments.close:
        raise _parked_alone()
    closed, findings = _close(arguments) if arguments.close else ([], [])
    waiting = parked(arguments.folder)
    findings += [*_extras(), *_freezing(), *_open_sessions(leftovers(arguments.folder))]
    if arguments.json:
        told = {"closed": closed, "findings": [asdict(finding) for finding in findings]}
        told["parked"] = [{"kind": n.kind, "backend": n.backend, "collect": n.parked} for n in waiting]
        say_json(told)
        return 1 if findings else 0
    for session in closed:
        say(f"closed: {session}")
    for finding in findings:
        say(finding.what)
        say(f"  To fix: {finding.fix}")
    for note in waiting:
        # No finding: somebody meant it.
        say(f"parked on {note.backend}, a {note.kind}")
        say(f"  To collect it: {note.parked}")
    if not findings:
        say("nothing to report: the emulator can run, and no session was left open")
    return 1 if findings else 0


def _extras() -> list[_Finding]:
    needed = ("qiskit_aer", "h11", "cryptography")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if not missing:
        return []
    return [
        _Finding(f"the emulator cannot run: {', '.join(missing)} missing", "pip install 'qsession[emulator]'")
    ]


def _freezing() -> list[_Finding]:
    from qsession._clock import findings

    fix = "pip install 'freezegun==1.5.5', with which qsession was tried"
    return [_Finding(found, fix) for found in findings()]


def _open_sessions(notes: tuple[OpenNote, ...]) -> list[_Finding]:
    return [
        _Finding(
            f"a killed run left the {note.kind} {note.id} open on {note.backend}", "qsession doctor --close"
        )
        for note in notes
    ]


def _close(arguments: argparse.Namespace) -> tuple[list[str], list[_Finding]]:
    notes = leftovers(arguments.folder) + (parked(arguments.folder) if arguments.parked else ())
    if not notes:
        return [], []
    service = _service(arguments)
    closed, findings = [], []
    for note in notes:
        if problem := _cancel(service, note):
            what = f"the {note.kind} {note.id} could not be closed: {problem}"
            findings.append(_Finding(what, _OTHER_INSTANCE))
        else:
            forget(arguments.folder, note.id)
            if note.parked:
                abandon(arguments.folder, note.parked)
            closed.append(note.id)
    return closed, findings


def _service(arguments: argparse.Namespace) -> QiskitRuntimeService:
    from qiskit_ibm_runtime import QiskitRuntimeService

    from qsession import _setup, _wire

    def no_account() -> NoReturn:
        raise _setup.no_account(Settings(mode="live", account=arguments.account))

    given = {"name": arguments.account, "instance": arguments.instance}
    with _wire.hooked(lambda _asked: None, stand_in=no_account, sharing=False):
        return QiskitRuntimeService(**{key: value for key, value in given.items() if value})


def _parked_alone() -> UsageError:
    return UsageError(
        "QS168",
        "--parked says what --close cancels as well; alone it does nothing.",
        fix="qsession doctor --close --parked",
        intended="qsession doctor lists what is parked",
    )


def _cancel(service: QiskitRuntimeService, note: OpenNote) -> str:
    """Close a session, or cancel a job; say what stood in the way, or nothing."""
    from qiskit_ibm_runtime import Batch, Session
    from qiskit_ibm_runtime.exceptions import IBMError

    from qsession._redaction import Rules, Screen

    kind = Batch if note.kind == "batch" else Session
    try:
        if note.kind == "job":
            _cancel_job(service.job(note.id))
            return ""
        session = kind.from_id(note.id, service)
        # What a closed session answers to a cancel is not documented.
        if session.status() != "Closed":
            session.cancel()
    except IBMError as problem:
        # The client quotes the service, and the service the instance.
        return Screen(Rules()).clean(str(problem))
    return ""


def _cancel_job(job: RuntimeJobV2) -> None:
    from qiskit_ibm_runtime.exceptions import IBMError

    if job.in_final_state():
        return
    try:
        job.cancel()
    except IBMError:
        # It may have ended in the meantime.
        if not job.in_final_state():
            raise
