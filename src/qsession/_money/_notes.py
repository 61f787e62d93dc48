"""Notes of open sessions on disk: what is left to close when everything else died.

One small file for each session in ``.qsession/open``, so that adding and dropping one
is a single atomic step and no two processes ever write the same file. A note holds no
token, key, instance CRN or account id.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from qsession._files import ignored_by_git, write_whole
from qsession._model import Instant
from qsession._money import _messages
from qsession._money._lives import born, is_alive

__all__ = ["OpenNote", "add", "born", "forget", "leftovers", "parked", "prepare", "read"]

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_NUMBERS = frozenset({"created", "pid"})


@dataclass(frozen=True, slots=True)
class OpenNote:
    """A session or batch that was open when the note was written, or a job that was parked.

    Attributes:
        id: Id of the service.
        kind: ``dedicated``, ``batch`` or ``job``.
        backend: Name of the backend.
        base: Base URL of the API that it was created at.
        created: When it was created, microseconds since the epoch.
        pid: The process that created it.
        born: Start time of that process in the system's own count, to tell it from
            a later one with the same number; empty where the system does not say.
        parked: The command that collects it, if it is meant to be left; else empty.
    """

    id: str
    kind: str
    backend: str
    base: str
    created: Instant
    pid: int
    born: str = ""
    parked: str = ""


def prepare(folder: Path) -> None:
    """Make the folder for notes, ignored by git.

    Raises:
        BudgetError: QS606 if it cannot be made or written to.
    """
    try:
        (folder / "open").mkdir(parents=True, exist_ok=True)
        ignored_by_git(folder)
        # Found out before a session is paid for, not after.
        with tempfile.TemporaryFile(dir=folder / "open"):
            pass
    except OSError as error:
        raise _messages.no_notes(folder, error) from error


def add(folder: Path, note: OpenNote) -> None:
    """Write a note; it survives the death of this process and a power cut.

    Raises:
        OSError: If it cannot be written.
    """
    path, text = _path(folder, note.id), json.dumps(asdict(note), indent=1, sort_keys=True) + "\n"
    write_whole(path, text.encode(), private=True)
    _sync_folder(path.parent)


def forget(folder: Path, session_id: str) -> None:
    """Drop the note of a session; nothing happens when there is none."""
    _path(folder, session_id).unlink(missing_ok=True)


def read(folder: Path) -> tuple[OpenNote, ...]:
    """All notes, the oldest first.

    Raises:
        BudgetError: QS607 if a note cannot be understood.
    """
    found = [_load(path) for path in sorted((folder / "open").glob("*.json"))]
    return tuple(sorted(found, key=lambda note: (note.created, note.id)))


def leftovers(folder: Path) -> tuple[OpenNote, ...]:
    """The notes whose process is gone: sessions that nobody here will close.

    On Windows a process cannot be asked about without harm, so there every note of
    another process is returned.

    Raises:
        BudgetError: QS607 if a note cannot be understood.
    """
    return tuple(note for note in read(folder) if not note.parked and not _is_alive(note))


def parked(folder: Path) -> tuple[OpenNote, ...]:
    """The notes of what was left on purpose, to be collected later.

    Raises:
        BudgetError: QS607 if a note cannot be understood.
    """
    return tuple(note for note in read(folder) if note.parked)


def _is_alive(note: OpenNote) -> bool:
    return is_alive(note.pid, note.born)


def _path(folder: Path, session_id: str) -> Path:
    if _PLAIN_NAME.fullmatch(session_id):
        return folder / "open" / f"{session_id}.json"
    return folder / "open" / f"{hashlib.sha256(session_id.encode()).hexdigest()}.json"


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _load(path: Path) -> OpenNote:
    try:
        told: dict[str, object] = {"parked": "", **json.loads(path.read_text(encoding="utf-8"))}
        note = {field.name: told[field.name] for field in fields(OpenNote)}
        if any(not isinstance(note[name], int if name in _NUMBERS else str) for name in note):
            raise TypeError
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _messages.unreadable_note(path) from error
    return OpenNote(**note)  # type: ignore[arg-type]
