"""The layer of a folder of cassettes: what all tests of it read in common, recorded once.

A test's cassette holds such a read only where its answer was another one. So a test replays alone, in any
order, and is the same file in whatever order it was recorded.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from qsession._discovery import Discovery
from qsession._endpoints import Call
from qsession._lock import waited_for
from qsession._meaning import Key, key_of
from qsession._model import InstanceShape, Instant, Interaction, Provenance, Recording, Request
from qsession._noted import Noted
from qsession._sharing import all_alike, common_key, is_common, same_answer, tells_of_an_account
from qsession._store import Store
from qsession.errors import CassetteError

if TYPE_CHECKING:
    from qsession._redaction import Redactor

_Name = tuple[str, str, tuple[tuple[str, str], ...], str]
"""A key with the alias of its instance in the place of a number, which is one recording's."""

_ACCOUNT = "account"
"""In the place of an alias, for what belongs to no instance."""

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
    _table: Mapping[Key, Interaction] = field(default_factory=dict)
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

    def read(self, call: Call, request: Request, *, at_import: bool = False) -> Interaction | None:
        """What was recorded of a read that tests have in common.

        Args:
            call: The request, understood.
            request: The request.
            at_import: Whether a module that is imported asks.
        """
        if not is_common(call, at_import=at_import):
            return None
        with self._lock:
            self._look()
            key = key_of(call, self._discovery.index_of(request.headers.get("service-crn", "")))
            found = self._table.get(key)
        if found is not None:
            self.read_here.add(str(key))
        return found

    def recorded(self) -> Sequence[Interaction]:
        """All exchanges in it."""
        return self.store.load(self.path).interactions if self.path.exists() else ()

    def contents(self) -> Sequence[str]:
        """What is in it, in words."""
        with self._lock:
            self._look()
            return [str(key) for key, each in self._table.items() if not tells_of_an_account(each)]

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
            known, former = self._known()
            table = dict(known)
            for key, answers in common.items():
                name = _named(key, answers[0], recording.provenance.instances)
                if self._takes(table, name, answers) or name[0][-1] == _ACCOUNT:
                    taken.update(map(id, answers))
            if table != known:
                layer = _layer(table, recording.provenance, former, self.begins)
                self.store.save(self.path, redactor.clean_recording(layer), redactor)
        return _without(recording, taken)

    def _takes(
        self,
        table: dict[_Name, tuple[Interaction, InstanceShape]],
        name: tuple[_Name, InstanceShape],
        answers: Sequence[Interaction],
    ) -> bool:
        if not all_alike(answers):
            return False
        first, (title, shape) = answers[0], name
        known = table.get(title)
        is_due = self.renewed is not None and self.renewed.first(json.dumps((self.target, title)))
        if known is not None and same_answer(known[0], first):
            return True
        if known is not None and not is_due:
            return False
        table[title] = _timeless(first), shape
        return True

    def _known(self) -> tuple[dict[_Name, tuple[Interaction, InstanceShape]], Provenance | None]:
        if not self.path.exists():
            return {}, None
        recording = self.store.load(self.path)
        shapes, table = recording.provenance.instances, {}
        for each in recording.interactions:
            if (key := common_key(each, at_import=True)) is not None:
                name, shape = _named(key, each, shapes)
                table[name] = each, shape
        return table, recording.provenance

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
        keyed = ((common_key(each, at_import=True), each) for each in recording.interactions)
        self._table = {key: each for key, each in keyed if key is not None}


def _in_common(
    interactions: Sequence[Interaction], *, at_import: bool
) -> Mapping[Key, Sequence[Interaction]]:
    found: dict[Key, list[Interaction]] = {}
    for each in interactions:
        if (key := common_key(each, at_import=at_import)) is not None:
            found.setdefault(key, []).append(each)
    return found


def _without(recording: Recording, taken: set[int]) -> Sequence[Interaction]:
    return tuple(each for each in recording.interactions if id(each) not in taken)


def _named(
    key: Key, interaction: Interaction, shapes: Sequence[InstanceShape]
) -> tuple[_Name, InstanceShape]:
    if tells_of_an_account(interaction):
        return (key.method, key.path, key.query, _ACCOUNT), InstanceShape()
    shape = shapes[key.instance] if key.instance < len(shapes) else InstanceShape()
    return (key.method, key.path, key.query, shape.alias), shape


def _timeless(interaction: Interaction) -> Interaction:
    return replace(interaction, at=0, last=0, seen=1)


def _layer(
    table: Mapping[_Name, tuple[Interaction, InstanceShape]],
    told: Provenance,
    former: Provenance | None,
    begins: Instant | None,
) -> Recording:
    """A recording of all that is read in common, the same for the same content."""
    shapes = {name[3]: replace(shape, used=True) for name, (_, shape) in table.items() if name[3] != _ACCOUNT}
    aliases = sorted(shapes)
    interactions = [
        replace(each, instance=aliases.index(name[3]) if name[3] in shapes else 0)
        for name, (each, _) in sorted(table.items(), key=lambda entry: entry[0])
    ]
    known = former or told
    provenance = Provenance(
        target=told.target,
        recorded_at=told.recorded_at if begins is None else begins,
        api_version=told.api_version or known.api_version,
        versions=told.versions,
        seed=told.seed,
        instances=tuple(shapes[alias] for alias in aliases),
    )
    return Recording(provenance, tuple(interactions))
