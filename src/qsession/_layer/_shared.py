"""The layer of a folder of cassettes: what all tests of it read in common, recorded once.

A test's cassette holds such a read only where its answer was another one. So a test replays alone, in any
order, and is the same file in whatever order it was recorded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qsession._discovery import Discovery
from qsession._endpoints import Call
from qsession._layer._table import ACCOUNT, Name, Table, by_key, named
from qsession._lock import waited_for
from qsession._meaning import Key, key_of
from qsession._model import InstanceShape, Instant, Interaction, Provenance, Recording, Request
from qsession._noted import Noted
from qsession._sharing import common_key, is_common, tells_of_an_account
from qsession._store import Store
from qsession.errors import CassetteError

if TYPE_CHECKING:
    from qsession._redaction import Redactor

_HIGHEST = 12  # folders that are searched upwards for a layer


def layer_path(folder: Path, target: str) -> Path:
    """Where the layer of a folder lies.

    Args:
        folder: The cassette folder.
        target: ``ibm`` or ``emulator``: what one says is nothing to recordings of the other.
    """
    return folder / f"@{target}.yaml"


def found_above(path: Path, target: str, scratch: Path) -> Shared | None:
    """The layer of the folder that a cassette lies in, or of one above it; None where there is none.

    Args:
        path: The cassette.
        target: What it is made against.
        scratch: The folder of notes.
    """
    for folder in list(path.absolute().parents)[:_HIGHEST]:
        if layer_path(folder, target).exists():
            return Shared(Store(folder, scratch), target)
    return None


@dataclass(slots=True)
class Shared:
    """The layer of a folder, for one target. Safe for concurrent use, of several processes too.

    Attributes:
        store: The folder.
        target: ``ibm`` or ``emulator``.
        renewed: What all processes of a run that records the whole folder anew have renewed so far;
            None where a layer is only added to.
        begins: When it is said to be recorded; None for the moment of what it was taken from last.
        read_here: Keys of what was read from it in this process.
    """

    store: Store
    target: str
    renewed: Noted | None = None
    begins: Instant | None = None
    read_here: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _seen: tuple[int, int] | None = None
    _table: Mapping[Key, Sequence[tuple[Instant, Interaction]]] = field(default_factory=dict)
    _discovery: Discovery = field(default_factory=lambda: Discovery(()))
    _provenance: Provenance | None = None

    @property
    def path(self) -> Path:
        """The file."""
        return layer_path(self.store.folder, self.target)

    @property
    def provenance(self) -> Provenance | None:
        """Where the layer comes from; None while there is none."""
        with self._lock:
            self._look()
            return self._provenance

    def read(
        self, call: Call, request: Request, *, of: Instant | None = None, at_import: bool = False
    ) -> Interaction | None:
        """What was recorded of a read that tests have in common.

        Args:
            call: The request, understood.
            request: The request.
            of: When the recording began that it is for: it is answered as it was then. None for the latest.
            at_import: Whether a module that is imported asks.
        """
        if not is_common(call, at_import=at_import):
            return None
        with self._lock:
            self._look()
            key = key_of(call, self._discovery.index_of(request.headers.get("service-crn", "")))
            states = self._table.get(key, ())
        if not states:
            return None
        self.read_here.add(str(key))
        known = [each for since, each in states if of is None or since <= of]
        return known[-1] if known else states[0][1]

    def recorded(self) -> Sequence[Interaction]:
        """All exchanges in it."""
        return self.store.load(self.path).interactions if self.path.exists() else ()

    def contents(self) -> Sequence[str]:
        """What is in it, in words."""
        with self._lock:
            self._look()
            return [str(key) for key, states in self._table.items() if not tells_of_an_account(states[0][1])]

    def settle(
        self, recording: Recording, redactor: Redactor, *, at_import: bool = False
    ) -> Sequence[Interaction]:
        """Take over what a recording read in common.

        Args:
            recording: A recording, cleaned.
            redactor: Proves that no secret is in what is written.
            at_import: Whether it is of modules that were imported.

        Returns:
            What stays its own.

        Raises:
            CassetteError: If the layer cannot be read, or not be written.
        """
        common = _in_common(recording.interactions, at_import=at_import)
        if not common:
            return recording.interactions
        taken = set[int]()
        with waited_for(self.store.scratch / "locks", self.path):
            former = self.store.load(self.path) if self.path.exists() else None
            table, known = (Table() if former is None else Table.of(former) for _ in range(2))
            for key, answers in common.items():
                name, shape = named(key, answers[0], recording.provenance.instances)
                if self._takes(table, name, shape, answers, recording.provenance) or name[-1] == ACCOUNT:
                    taken.update(map(id, answers))
            if table.states != known.states:
                layer = table.recording(recording.provenance, None if former is None else former.provenance)
                self.store.save(self.path, redactor.clean_recording(layer), redactor)
        return tuple(each for each in recording.interactions if id(each) not in taken)

    def _takes(
        self,
        table: Table,
        name: Name,
        shape: InstanceShape,
        answers: Sequence[Interaction],
        told: Provenance,
    ) -> bool:
        return table.take(
            name,
            shape,
            answers,
            since=told.recorded_at if self.begins is None else self.begins,
            renews=self.renewed is not None and self.renewed.first(json.dumps((self.target, name))),
            # All recordings of the emulator begin at one moment: nobody could tell which are older.
            keeps=self.begins is None,
        )

    def _look(self) -> None:
        try:
            told = self.path.stat()
        except OSError:
            return
        if self._seen == (told.st_mtime_ns, told.st_size):
            return
        try:
            recording = self.store.load(self.path)
        except CassetteError:
            self._seen = None
            raise
        self._seen = (told.st_mtime_ns, told.st_size)
        self._provenance = recording.provenance
        self._discovery = Discovery.of(recording.provenance)
        self._table = by_key(recording)


def _in_common(
    interactions: Sequence[Interaction], *, at_import: bool
) -> Mapping[Key, Sequence[Interaction]]:
    found: dict[Key, list[Interaction]] = {}
    for each in interactions:
        if (key := common_key(each, at_import=at_import)) is not None:
            found.setdefault(key, []).append(each)
    return found
