"""Values that were seen as secrets: remembered, found in other spellings, replaced."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
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


class Values:
    """The secrets that one recording has seen. Safe for concurrent use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Value] = {}
        self._pattern: re.Pattern[str] | None = None
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
            self._pattern = None
            self.generation += 1

    def spellings(self) -> Iterator[bytes]:
        """Every spelling that counts wherever it stands, the longest of each value first."""
        for value in tuple(self._known.values()):
            if not value.word:
                yield from sorted((*value.plain, *value.packed), key=len, reverse=True)

    def each(self) -> Iterator[tuple[str, bytes]]:
        """Kind and plain spelling, in lower case, of each value."""
        yield from ((value.kind, value.plain[0]) for value in tuple(self._known.values()))

    def kinds_in(self, data: bytes, low: bytes) -> set[str]:
        """Kinds of the values that stand in bytes.

        Args:
            data: The bytes.
            low: The same in lower case.
        """
        return {
            value.kind
            for value in tuple(self._known.values())
            if any(form in low and (not value.word or _stands_alone(form, low)) for form in value.plain)
            or any(form in data for form in value.packed)
        }

    def replace(self, text: str) -> str:
        """A text with each value in it replaced, in whichever spelling but base64."""
        pattern = self._compiled()
        if pattern is None:
            return text
        spelled = {form: value for value in self._known.values() for form in value.plain}
        return pattern.sub(lambda found: _as_spelled(found[0], spelled), text)

    def _compiled(self) -> re.Pattern[str] | None:
        with self._lock:
            if self._pattern is None and self._known:
                forms = {form: value.word for value in self._known.values() for form in value.plain}
                ordered = sorted(forms, key=len, reverse=True)
                parts = (_as_pattern(form.decode(), word=forms[form]) for form in ordered)
                self._pattern = re.compile("|".join(parts), re.IGNORECASE | re.ASCII)
            return self._pattern


def _is_text(value: str) -> bool:
    # JSON may hold halves of characters, which no file and no header can.
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _as_pattern(form: str, *, word: bool) -> str:
    return rf"(?<![\w-]){re.escape(form)}(?![\w-])" if word else re.escape(form)


def _as_spelled(found: str, spelled: dict[bytes, Value]) -> str:
    form = found.encode().lower()
    value = spelled[form]
    # The first spelling is the plain one; a hexadecimal one stays hexadecimal.
    is_hex = form != value.plain[0] and _HEX.fullmatch(form) and len(form) == 2 * len(value.plain[0])
    return value.substitute.encode().hex() if is_hex else value.substitute


def _stands_alone(form: bytes, low: bytes) -> bool:
    return re.search(rb"(?<![\w-])" + re.escape(form) + rb"(?![\w-])", low) is not None


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
