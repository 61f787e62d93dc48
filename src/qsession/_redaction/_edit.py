"""Secrets taken out of bytes and texts, in whichever layer they lie; all else stays as it is."""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, unquote

from qsession._redaction import _circuits, _json, _layers
from qsession._redaction._search import LONG, Search, is_nobodys
from qsession._redaction._shapes import CRN, FIELD, private, replace_field

_BASE64 = re.compile(_layers.BASE64.pattern.decode())
_PRINTED = re.compile(rf"[\x20-\x7e]{{{LONG},}}")
_LINES = re.compile(_layers.LINES.pattern.decode())
_HEX = re.compile(_layers.HEX.pattern.decode())
# Whole words: what begins at every letter of a long one would take the square of it in time.
_QUOTED = re.compile(r"[A-Za-z0-9._~!$'()*+,;:@/%-]+")
_ESCAPED = re.compile(r"[^\s\"']+")
_HELD = "surrogateescape"


@dataclass(frozen=True, slots=True)
class Editor:
    """Takes out what a search finds.

    Attributes:
        search: Says what is a secret.
        stand_in: Gives the name that stands for a cloud resource name.
        seen: Is told each value of a private field, by the field's name.
        tag: Gives what is written in the place of a tag; None where tags are kept.
        circuit_names: Whether names and metadata of circuits are taken out too.
    """

    search: Search
    stand_in: Callable[[str], str]
    seen: Callable[[str, str], None]
    tag: Callable[[str], str] | None = None
    circuit_names: bool = False

    def data(self, data: bytes, depth: int = _layers.DEEPEST) -> bytes:
        """Bytes without secrets; the same object where there are none."""
        if depth < 0 or not self._worth_it(data):
            return data
        if data.startswith(_layers.QPY):
            return _circuits.edited(data, partial(self.text, depth=depth - 1), wipe=self.circuit_names)
        packed = self._packed(data, depth)
        if packed is not None:
            return packed
        if (text := _layers.as_text(data)) is None:
            characters = self._as_characters(data, depth)
            return self._filled(data) if characters is None else characters
        new = self.text(text, depth)
        return data if new == text else new.encode("utf-8", "surrogatepass")

    def text(self, text: str, depth: int = _layers.DEEPEST) -> str:
        """A text without secrets; the same where there are none."""
        raw = text.encode("utf-8", "surrogatepass")
        if depth < 0 or not self._worth_it(raw):
            return text
        if _json.document(text):
            return _json.rewrite(text, partial(self._field, depth), partial(self.text, depth=depth - 1))
        if (packed := self._as_characters(raw, depth)) is not None:
            return packed.decode()
        return self.plain(self._runs(text, depth))

    def plain(self, text: str) -> str:
        """A text without what stands in it as it is."""
        text = CRN.sub(lambda found: found[0] if is_nobodys(found[0]) else self.stand_in(found[0]), text)
        text = FIELD.sub(self._in_repr, text)
        low = text.encode("utf-8", "surrogatepass").lower()
        for shape in self.search.shapes:
            if shape.hint in low:
                text = shape.pattern.sub(shape.replace, text)
        text = self.search.values.replace(text)
        for rule in self.search.rules:
            text = rule.replace(text)
        return text

    def _worth_it(self, data: bytes) -> bool:
        if self.tag is not None and b'"tags"' in data:
            return True
        return (self.circuit_names and _holds_circuits(data)) or bool(self.search.kinds(data))

    def _in_repr(self, found: re.Match[str]) -> str:
        if found["value"]:
            self.seen(found["name"], found["value"])
        return replace_field(found)

    def _field(self, depth: int, path: _json.Path, value: _json.Scalar) -> _json.Scalar:
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        new = private(name, value)
        if isinstance(value, str) and new != value:
            self.seen(name, value)
        if new is not value or not isinstance(value, str):
            return new
        if self.tag is not None and name == "tags":
            return self.tag(value)
        return self.text(value, depth - 1)

    def _packed(self, data: bytes, depth: int) -> bytes | None:
        """Bytes in which something compressed is without secrets, compressed again; None if there is none."""
        for at, kind in _layers.packed_at(data):
            found = _layers.inflate(data[at:], _layers.MOST)
            if found is None:
                continue
            inner, rest = found
            new = self.data(inner, depth - 1)
            if new != inner:
                packed = gzip.compress(new, mtime=0) if kind == "gzip" else zlib.compress(new)
                return data[:at] + packed + (self.data(rest, depth - 1) if rest else b"")
        return None

    def _as_characters(self, data: bytes, depth: int) -> bytes | None:
        """A text whose characters stand for the bytes of something compressed; None if it is none."""
        try:
            raw = data.decode("utf-8").encode("latin-1")
        except UnicodeError:
            return None
        new = self._packed(raw, depth)
        return None if new is None else new.decode("latin-1").encode()

    def _filled(self, data: bytes) -> bytes:
        """Neither text nor anything known: what is found is overwritten, so that nothing moves."""
        text = data.decode("latin-1")
        for pattern in (CRN, *(shape.pattern for shape in self.search.shapes if not shape.text)):
            text = pattern.sub(_over, text)
        for pattern in (shape.pattern for shape in self.search.shapes if shape.text):
            text = _PRINTED.sub(partial(_over_in_run, pattern), text)
        new = text.encode("latin-1")
        for _, form in self.search.values.forms():
            new = re.sub(re.escape(form), b"X" * len(form), new, flags=re.IGNORECASE)
        return new

    def _runs(self, text: str, depth: int) -> str:
        """A text without what stands in parts of it in a coding."""
        codings: Sequence[tuple[str, re.Pattern[str], Callable[[str, int], str]]] = (
            ("\\", _ESCAPED, self._escaped),
            ("%", _QUOTED, self._percent),
            ("\n", _LINES, self._base64),
            ("", _HEX, self._hex),
            ("", _BASE64, self._base64),
        )
        for sign, pattern, edit in codings:
            if sign in text:
                text = pattern.sub(lambda found, edit=edit: edit(found[0], depth), text)  # type: ignore[misc]
        return text

    def _escaped(self, word: str, depth: int) -> str:
        run = word.rstrip("\\")
        if "\\" not in run:
            return word
        plain = _layers.unescaped(run.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")
        new = self.text(plain, depth - 1) if plain != run else plain
        return word if new == plain else json.dumps(new)[1:-1] + word[len(run) :]

    def _percent(self, word: str, depth: int) -> str:
        plain = unquote(word, errors=_HELD) if "%" in word else word
        new = self.text(plain, depth - 1) if plain != word else plain
        safe = "".join(set(word) & set("~!$'()*+,;:@/"))
        return word if new == plain else quote(new, safe=safe, errors="replace")

    def _hex(self, run: str, depth: int) -> str:
        for shift in range(2):
            part = run[shift : len(run) - (len(run) - shift) % 2]
            decoded = _layers.unhex(part.encode())
            new = self.data(decoded, depth - 1)
            if new != decoded:
                return run[:shift] + new.hex() + run[shift + len(part) :]
        return run

    def _base64(self, run: str, depth: int) -> str:
        plain = run.rstrip("=")
        for shift in range(4):
            part = plain[shift:]
            decoded = _layers.unbase64(part.encode())
            new = self.data(decoded, depth - 1) if decoded else decoded
            if new != decoded:
                return plain[:shift] + _encoded(new, like=run)
        return run


def _over_in_run(pattern: re.Pattern[str], run: re.Match[str]) -> str:
    return pattern.sub(_over, run[0])


def _over(found: re.Match[str]) -> str:
    return found[0] if is_nobodys(found[0]) else "X" * len(found[0])


def _encoded(data: bytes, *, like: str) -> str:
    coded = base64.b64encode(data).decode()
    if "-" in like or "_" in like:
        coded = coded.replace("+", "-").replace("/", "_")
    # Without its padding where the former had none though it needed it.
    needed = len("".join(like.rstrip("=").split())) % 4
    return coded.rstrip("=") if needed and not like.endswith("=") else coded


def _holds_circuits(data: bytes) -> bool:
    return any(layer.data.startswith(_layers.QPY) for layer in _layers.Layers().of(data))
