"""Values that were seen as secrets: remembered, found in other spellings, replaced."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote

from qsession._discovery import STAND_IN_TOKEN

SHORTEST = 8
"""Shorter values are not looked for: they would be found by chance."""

SHORTEST_NAME = 12
"""The same for names that somebody chose, which may be ordinary words."""

REDACTED = "REDACTED"
"""What is written where nothing better is known."""

USER = "IBMid-0000000000"
"""The user id that is written in the place of every other."""

_OURS = frozenset({STAND_IN_TOKEN, USER, REDACTED, "not_supported"})
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_HEX = re.compile(rb"[0-9a-f]+")
_SHORT = 512


@dataclass(frozen=True, slots=True)
class Value:
    """One secret.

    Attributes:
        kind: What it is, for messages.
        substitute: What is written in its place.
        word: Whether it counts only where it stands alone.
        plain: Spellings in which case does not matter, in lower case.
        packed: Spellings in base64, where case does.
    """

    kind: str
    substitute: str = field(repr=False)
    word: bool = field(repr=False)
    plain: tuple[bytes, ...] = field(repr=False)
    packed: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Index:
    """Spellings, the longest first, and how each begins."""

    forms: tuple[tuple[bytes, Value], ...] = ()
    begins: frozenset[bytes] = frozenset()

    @classmethod
    def of(cls, forms: Iterable[tuple[bytes, Value]]) -> Self:
        ordered = tuple(sorted(forms, key=lambda each: -len(each[0])))
        return cls(ordered, frozenset(form[:SHORTEST] for form, _ in ordered))

    def there(self, data: bytes) -> list[tuple[bytes, Value]]:
        """Those that stand in bytes."""
        starts = range(len(data) - SHORTEST + 1)
        if len(data) < _SHORT and self.begins.isdisjoint(data[at : at + SHORTEST] for at in starts):
            return []
        return [each for each in self.forms if each[0] in data]


class Values:
    """The secrets that one recording has seen. Safe for concurrent use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Value] = {}
        self._plain = self._packed = _Index()
        self.generation = 0
        """Grows with each new value: what was cleaned before may have to be cleaned again."""

    def learn(self, kind: str, value: str, *, substitute: str = REDACTED, word: bool = False) -> None:
        """Remember a value; one that is too short, or our own, is none."""
        shortest = SHORTEST_NAME if word else SHORTEST
        if len(value) < shortest or value in _OURS or set(value) <= {"0", "-"} or not _is_text(value):
            return
        with self._lock:
            known = self._known.get(value)
            if known is not None and known.substitute == substitute:
                return
            plain, packed = tuple(dict.fromkeys(_plain(value))), tuple(dict.fromkeys(_packed(value)))
            kept = kind if known is None else known.kind
            self._known[value] = Value(kept, substitute, word, plain, () if word else packed)
            self._index()

    def _index(self) -> None:
        known = self._known.values()
        self._plain = _Index.of((form, value) for value in known for form in value.plain)
        self._packed = _Index.of((form, value) for value in known for form in value.packed)
        self.generation += 1

    def each(self) -> Iterator[tuple[str, bytes]]:
        """Kind and plain spelling, in lower case, of each value."""
        yield from ((value.kind, value.plain[0]) for value in tuple(self._known.values()))

    def forms(self) -> Iterator[tuple[str, bytes]]:
        """Kind and each spelling of each value that counts wherever it stands, the longest of each first."""
        for value in tuple(self._known.values()):
            if not value.word:
                ordered = sorted((*value.plain, *value.packed), key=len, reverse=True)
                yield from ((value.kind, form) for form in ordered)

    def take_over(self, other: Values) -> None:
        """Remember what another has seen."""
        with self._lock:
            self._known |= other._known
            self._index()

    def kinds_in(self, data: bytes, low: bytes) -> set[str]:
        """Kinds of the values that stand in bytes.

        Args:
            data: The bytes.
            low: The same in lower case.
        """
        plain = self._plain.there(low)
        kinds = {value.kind for form, value in plain if not value.word or _alone(form, low)}
        return kinds | {value.kind for _, value in self._packed.there(data)}

    def replace(self, text: str) -> str:
        """A text with each value in it replaced, in whichever spelling but base64."""
        raw = text.encode("utf-8", "surrogatepass")
        for form, value in self._plain.there(raw.lower()):
            raw = _replaced(raw, form, value)
        return raw.decode("utf-8", "surrogatepass")


def _replaced(raw: bytes, form: bytes, value: Value) -> bytes:
    # In bytes only ASCII letters change with their case, so places stay the same.
    low, start = raw.lower(), 0
    # The first spelling is the plain one; a hexadecimal one stays hexadecimal.
    is_hex = form != value.plain[0] and _HEX.fullmatch(form) and len(form) == 2 * len(value.plain[0])
    new = value.substitute.encode().hex().encode() if is_hex else value.substitute.encode()
    pieces: list[bytes] = []
    for place in _places(form, low, word=value.word):
        pieces += raw[start:place], new
        start = place + len(form)
    return b"".join([*pieces, raw[start:]])


def _places(form: bytes, low: bytes, *, word: bool) -> Iterator[int]:
    place = low.find(form)
    while place >= 0:
        if not word or not (_is_inner(low[place - 1 : place]) or _is_inner(low[place + len(form) :][:1])):
            yield place
        place = low.find(form, place + len(form))


def _alone(form: bytes, low: bytes) -> bool:
    return next(_places(form, low, word=True), None) is not None


def _is_inner(character: bytes) -> bool:
    return character.isalnum() or character in {b"_", b"-"}


def _is_text(value: str) -> bool:
    # JSON may hold halves of characters, which no file and no header can.
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _plain(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw.lower()
    yield raw.lower().hex().encode()
    yield raw.hex().encode()
    yield quote(value, safe="").encode().lower()
    once = json.dumps(value)[1:-1]
    yield once.encode().lower()
    yield once.replace("/", "\\/").encode().lower()
    yield json.dumps(once)[1:-1].encode().lower()


def _packed(value: str) -> Iterator[bytes]:
    raw = value.encode()
    for shift in range(3):
        # At each alignment the characters that also hold neighbours are cut off.
        coded = base64.b64encode(b"\0" * shift + raw)
        start, end = (0, 2, 3)[shift], len(coded) - (4 if (shift + len(raw)) % 3 else 0)
        if end - start >= SHORTEST:
            yield coded[start:end]
            yield coded[start:end].translate(_URL_SAFE)
