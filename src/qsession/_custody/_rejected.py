"""What failed runs recorded: it can become the cassette without QPU time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from qsession._again import in_former_bytes
from qsession._clock import SystemClock, isoformat
from qsession._custody._aside import FOLDER, Aside, kept_at, place_of
from qsession._files import write_whole
from qsession._model import Recording
from qsession._redaction import Redactor
from qsession._store import Store
from qsession.errors import CassetteError

_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Note(Aside):
    """What is known of a recording that was kept aside.

    Attributes:
        test: Test id, or empty.
        failed: What failed, in one line.
        at: When, UTC.
    """

    test: str
    failed: str
    at: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A recording that was kept aside.

    Attributes:
        path: Where it lies.
        scratch: The folder of notes, such as ``.qsession``.
        note: What is known of it.
    """

    path: Path
    scratch: Path
    note: Note

    @property
    def cassette(self) -> Path:
        """The cassette that it would become."""
        return self.note.path(self.scratch)

    @property
    def is_outdated(self) -> bool:
        """Whether the cassette is another one than when the run failed."""
        return self.note.is_outdated(self.scratch)

    def recording(self) -> Recording:
        """What was recorded, verified.

        Raises:
            CassetteError: If the file is damaged.
        """
        return _store(self.scratch).load(self.path)

    def accept(self) -> None:
        """Make it the cassette, and drop what was kept aside.

        Raises:
            CassetteError: If it is damaged, or the disk refuses: the old cassette stays.
        """
        recording = self.recording()
        with suppress(CassetteError):
            recording = in_former_bytes(recording, self.note.store(self.scratch).load(self.cassette))
        # Proven when it was kept aside; nothing was added.
        self.note.fill(self.scratch, recording, Redactor())
        self.path.unlink()
        _note_path(self.path).unlink(missing_ok=True)


def keep(
    store: Store, path: Path, recording: Recording, redactor: Redactor, *, test: str, failed: str
) -> None:
    """Keep what a failed run recorded.

    Args:
        store: Where its cassette would lie.
        path: The cassette that it would become.
        recording: Cleaned.
        redactor: Proves that no secret is in what is written.
        test: Test id, or empty.
        failed: What failed.

    Raises:
        CassetteError: If a secret would be written (QS207), or the disk refuses (QS208).
    """
    kept = _store(store.scratch).save(kept_at(store, path), recording, redactor)
    why, at = _one_line(redactor, failed), isoformat(SystemClock().now())
    note = Note(**asdict(place_of(store, path)), test=test, failed=why, at=at)
    write_whole(_note_path(kept), (json.dumps(asdict(note), indent=1) + "\n").encode())


def _store(scratch: Path) -> Store:
    return Store(scratch / FOLDER, scratch)


def listed(scratch: Path) -> Iterator[Rejected]:
    """All recordings that were kept aside; those of which nothing is known are left out."""
    for path in sorted((scratch / FOLDER).rglob("*.yaml")):
        with suppress(OSError, ValueError, TypeError):
            yield Rejected(path, scratch, Note(**json.loads(_note_path(path).read_text("utf-8"))))


def _note_path(kept: Path) -> Path:
    return kept.with_suffix(".json")


def _one_line(redactor: Redactor, failed: str) -> str:
    first = next(iter(redactor.clean_text(failed).strip().splitlines()), "")
    line = " ".join(first.split())[:_LONGEST]
    return "(not shown: it holds a secret)" if redactor.find(line.encode()) else line
