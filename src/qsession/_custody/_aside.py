"""Where a recording that was kept aside belongs, and how it gets there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from qsession._files import ignored_by_git
from qsession._journal import discard
from qsession._model import Recording
from qsession._naming import journal_path, relative
from qsession._redaction import Redactor
from qsession._store import Store

FOLDER = "rejected"
"""What is kept aside lies here, in the folder of notes."""


@dataclass(frozen=True, slots=True)
class Aside:
    """The place of a recording that was kept aside.

    Attributes:
        cassette: The cassette that it would become, relative to the folder of the notes' folder.
        folder: Where large bodies of that cassette lie, relative likewise.
        replaces: SHA-256 of the cassette as it was then; empty if there was none.
    """

    cassette: str
    folder: str
    replaces: str

    def path(self, scratch: Path) -> Path:
        """The cassette that it would become."""
        return scratch.absolute().parent / self.cassette

    def store(self, scratch: Path) -> Store:
        """The folder of cassettes there."""
        return Store(scratch.absolute().parent / self.folder, scratch)

    def is_outdated(self, scratch: Path) -> bool:
        """Whether the cassette is another one than when it was kept aside."""
        return _digest(self.path(scratch)) != self.replaces

    def fill(self, scratch: Path, recording: Recording, redactor: Redactor) -> Path:
        """Make a recording the cassette.

        Args:
            scratch: The folder of notes, such as ``.qsession``.
            recording: What was kept aside, as it may be written.
            redactor: Proves that no secret is in what is written.

        Returns:
            The cassette.

        Raises:
            CassetteError: If a secret would be written (QS207), or the disk refuses (QS208).
        """
        cassette = self.store(scratch).save(self.path(scratch), recording, redactor)
        if recording.provenance.target == "ibm":
            # Else --qsession-resume would go on with it, on the service, in the place of a replay.
            discard(journal_path(scratch, cassette))
        return cassette


def place_of(store: Store, path: Path) -> Aside:
    """The place of what would become a cassette, as that is now."""
    scratch = store.scratch
    return Aside(relative(scratch, path), relative(scratch, store.folder), _digest(path))


def kept_at(store: Store, path: Path) -> Path:
    """Where what must not become a cassette is kept, in a folder that git ignores."""
    ignored_by_git(store.scratch)
    below = path.relative_to(store.folder) if path.is_relative_to(store.folder) else Path(path.name)
    return store.scratch / FOLDER / below


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
