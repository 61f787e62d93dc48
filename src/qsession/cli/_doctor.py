"""``qsession doctor``: what would go wrong here, and what a killed run left open."""

from __future__ import annotations

import argparse
import importlib.util
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from qsession._money import OpenNote, forget, leftovers


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
    closed: list[str] = []
    if arguments.close:
        closed = _close(arguments)
    findings = [*_extras(), *_open_sessions(leftovers(arguments.folder))]
    if arguments.json:
        print(json.dumps({"closed": closed, "findings": [asdict(finding) for finding in findings]}))
        return 1 if findings else 0
    for session in closed:
        print(f"closed: {session}")
    for finding in findings:
        print(f"{finding.what}\n  To fix: {finding.fix}")
    if not findings:
        print("nothing to report: the emulator can run, and no session was left open")
    return 1 if findings else 0


def _extras() -> list[_Finding]:
    missing = [name for name in ("qiskit_aer", "werkzeug") if importlib.util.find_spec(name) is None]
    if not missing:
        return []
    return [
        _Finding(f"the emulator cannot run: {', '.join(missing)} missing", "pip install 'qsession[emulator]'")
    ]


def _open_sessions(notes: tuple[OpenNote, ...]) -> list[_Finding]:
    return [
        _Finding(
            f"a killed run left the {note.kind} {note.id} open on {note.backend}", "qsession doctor --close"
        )
        for note in notes
    ]


def _close(arguments: argparse.Namespace) -> list[str]:
    notes = leftovers(arguments.folder)
    if not notes:
        return []
    from qiskit_ibm_runtime import Batch, QiskitRuntimeService, Session

    given = {"name": arguments.account, "instance": arguments.instance}
    service = QiskitRuntimeService(**{key: value for key, value in given.items() if value})
    for note in notes:
        kind = Batch if note.kind == "batch" else Session
        kind.from_id(note.id, service).cancel()
        forget(arguments.folder, note.id)
    return [note.id for note in notes]
