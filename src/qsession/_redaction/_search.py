"""Whether bytes hold a secret, and under which layers: nothing is changed here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

from qsession._redaction._layers import QPY, Layer, Layers, TooLarge
from qsession._redaction._rules import Rule
from qsession._redaction._shapes import CRN, FIELD, PRIVATE, SHAPES, Shape, replace_field
from qsession._redaction._values import Values

LONG = 24
"""Length of a piece of text among other bytes that random ones do not come to."""

# Also where a slash is escaped in some way, at which a pattern may end.
_NOBODYS = re.compile(r"(?i):a(?:(?:/|%(?:25)*2f)0{32}:(?:0{8}-|:|$)|$)")

UNSEARCHED = "more than can be looked through"
"""The kind of a body whose absence of secrets cannot be proven."""


_FIELDS = tuple(name.encode() for name in PRIVATE)
_QUOTES = (b'"', b"'", b"\\")
_REMEMBERED = 256
_FOR_REPORTS = tuple(shape for shape in SHAPES if shape.only != "recording")
_FOR_RECORDINGS = tuple(shape for shape in SHAPES if shape.only != "report")

_Found: TypeAlias = tuple[str, tuple[str, ...]]


class Search:
    """What is looked for.

    Args:
        values: What was seen.
        rules: The user's own.
        report: Whether it is a report that is searched, not a recording.

    Attributes:
        shapes: What is looked for by its shape.
    """

    def __init__(self, values: Values, rules: Sequence[Rule] = (), *, report: bool = False) -> None:
        self.values = values
        self.rules = rules
        self.report = report
        self.shapes: tuple[Shape, ...] = _FOR_REPORTS if report else _FOR_RECORDINGS
        # A body is looked through when it comes, when it is cleaned, proven and written.
        self._remembered = lru_cache(_REMEMBERED)(lambda _generation, data: tuple(self._look(data)))

    def kinds(self, data: bytes) -> set[str]:
        """Kinds of secrets in bytes, in whichever layer."""
        return {kind for kind, _ in self.found(data)}

    def found(self, data: bytes) -> tuple[_Found, ...]:
        """Each kind of secret in bytes, with what was undone to see it."""
        return self._remembered(self.values.generation, data)

    def _look(self, data: bytes) -> Iterator[_Found]:
        try:
            for layer in Layers().of(data):
                yield from ((kind, layer.how) for kind in sorted(self._in_layer(layer)))
        except TooLarge:
            yield UNSEARCHED, ()

    def _in_layer(self, layer: Layer) -> set[str]:
        low = layer.data.lower()
        kinds = self.values.kinds_in(layer.data, low)
        if layer.text is not None:
            return kinds | self._shapes(layer.text, low, text_only=True) | self._fields(layer.text, low)
        pieces = layer.pieces
        kinds |= self._shapes(pieces.decode("latin-1"), pieces.lower(), text_only=False)
        # What is searched in text alone could stand in random bytes, but for long pieces, and for
        # files of circuits, in which names and metadata stand as they are.
        if not layer.data.startswith(QPY):
            pieces = b"\n".join(piece for piece in pieces.split(b"\n") if len(piece) >= LONG)
        return kinds | self._shapes(pieces.decode("latin-1"), pieces.lower(), text_only=True)

    def _shapes(self, text: str, low: bytes, *, text_only: bool) -> set[str]:
        kinds = {
            shape.kind
            for shape in self.shapes
            if shape.hint in low and (text_only or not shape.text) and shape.pattern.search(text)
        }
        if b"crn:v1:" in low and any(not is_nobodys(found[0]) for found in CRN.finditer(text)):
            kinds.add("CRN")
        if text_only:
            kinds |= {f"rule {rule.number}" for rule in self.rules if rule.finds(text)}
        return kinds

    def _fields(self, text: str, low: bytes) -> set[str]:
        named = [name for name in _FIELDS if name in low]
        if not any(name + quote in low for name in named for quote in _QUOTES):
            return set()
        changed = any(replace_field(found) != found[0] for found in FIELD.finditer(text))
        return {"private field"} if changed else set()


def is_nobodys(crn: str) -> bool:
    """Whether a cloud resource name belongs to nobody: it is made up, by us or by the emulator."""
    return _NOBODYS.search(crn) is not None
