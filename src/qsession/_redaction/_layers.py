"""What lies inside of bytes: undone escapes, base64, hexadecimal, zlib and gzip, layer by layer."""

from __future__ import annotations

import binascii
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

DEEPEST = 8
"""How many layers are opened."""

MOST = 256 * 1024 * 1024
"""Bytes that are looked through in all layers of one body together."""

QPY = b"QISKIT"
"""How a file of circuits begins (qiskit's format)."""

BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
"""What may be base64."""

_LETTER = rb"[A-Za-z0-9+/_-]"
LINES = re.compile(rb"(?<!%s)(?:(?:%s{76}\r?\n)+%s{1,76}|(?:%s{64}\r?\n)+%s{1,64})={0,2}" % ((_LETTER,) * 5))
"""What may be base64 in lines, as it is written in mails and certificates."""

HEX = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{24,}")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPED = re.compile(rb"(?<!\\)\\+(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\"'/\\nrtbf]))")
_SIGNS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_GZIP, _ZLIB = b"\x1f\x8b\x08", re.compile(rb"\x78[\x9c\xda\x01\x5e]")
_NEAR = 64
_READABLE = re.compile(rb"[\t\n\r\x20-\x7e]{12,}")
_PACKED = re.compile(rb"\x1f\x8b\x08|\x1f\xc2\x8b\x08|x(?:\xc2\x9c|\xc3\x9a)|QISKIT")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"


class TooLarge(Exception):
    """What is packed in a body is more than is looked through."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Bytes, and what was undone to see them.

    Attributes:
        data: The bytes.
        how: Names of what was undone, the outermost first.
        text: The text that they are; None if they are none.
        pieces: The pieces of text among other bytes; empty if all of it is text.
    """

    data: bytes
    how: tuple[str, ...]
    text: str | None
    pieces: bytes


@dataclass(slots=True)
class Layers:
    """The layers of one body.

    Attributes:
        left: How many bytes may still be looked through.
    """

    left: int = MOST

    def of(self, data: bytes, *, depth: int = DEEPEST, how: tuple[str, ...] = ()) -> Iterator[Layer]:
        """Each layer, the body itself first.

        Raises:
            TooLarge: If there is more than is looked through.
        """
        self.left -= len(data)
        if self.left < 0:
            raise TooLarge
        text = as_text(data)
        layer = Layer(data, how, text, b"" if text is not None else printed(data))
        yield layer
        if depth:
            for name, inner in self._inside(layer):
                yield from self.of(inner, depth=depth - 1, how=(*how, name))

    def _inside(self, layer: Layer) -> Iterator[tuple[str, bytes]]:
        data = layer.data
        for at, kind in packed_at(data):
            if (unpacked := inflate(data[at:], self.left)) is not None:
                yield kind, unpacked[0]
        if (narrow := as_characters(data)) is not None:
            yield "characters", narrow
        # Among other bytes only what is printed can be a spelling of anything.
        text = data if layer.text is not None else layer.pieces
        if b"\\" in text and (undone := unescaped(text)) != text:
            yield "escapes", undone
        if _PERCENT.search(text):
            yield "percent", unquote_to_bytes(text)
        yield from _decoded(text)


def _decoded(data: bytes) -> Iterator[tuple[str, bytes]]:
    for found in BASE64.finditer(data):
        yield from _shifted("base64", found[0], 4, unbase64)
        # Its letters are some of those of base64, so there is none elsewhere.
        for run in HEX.finditer(found[0]):
            yield from _shifted("hexadecimal", run[0], 2, unhex)
    if b"\n" in data:
        for found in LINES.finditer(data):
            yield from _shifted("base64 in lines", found[0], 1, unbase64)


def _shifted(
    name: str, run: bytes, shifts: int, decode: Callable[[bytes], bytes]
) -> Iterator[tuple[str, bytes]]:
    for shift in range(shifts):
        decoded = decode(run[shift:])
        # Most words are base64 of noise, and so is base64 begun at a wrong place. What was
        # seen and is shorter than what counts as readable is looked for in its coding.
        if is_readable(decoded):
            yield name, decoded if shift == 0 or _is_packed(decoded) else printed(decoded)


def packed_at(data: bytes) -> Iterator[tuple[int, str]]:
    """Where something compressed may begin, and its kind."""
    # Two bytes occur by chance: further in they are not tried.
    yield from ((found.start(), "zlib") for found in _ZLIB.finditer(data, 0, _NEAR))
    at = data.find(_GZIP)
    while at >= 0:
        yield at, "gzip"
        at = data.find(_GZIP, at + 1)


def as_text(data: bytes) -> str | None:
    """The text that bytes are; None if they are none."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def printed(data: bytes) -> bytes:
    """The pieces of text among other bytes, from eight characters on, on lines of their own."""
    # Names in files of circuits may have letters beyond ASCII.
    letters = rb"[\x20-\x7e\x80-\xf4]" if data.startswith(QPY) else rb"[\x20-\x7e]"
    return b"\n".join(re.findall(letters + rb"{8,}", data))


def as_characters(data: bytes) -> bytes | None:
    """The bytes that the characters of a text up to 255 stand for; None if it has only such of ASCII."""
    if b"\xc2" not in data and b"\xc3" not in data:
        return None
    try:
        return data.decode("utf-8").encode("latin-1", "replace")
    except UnicodeDecodeError:
        return None


def inflate(data: bytes, most: int) -> tuple[bytes, bytes] | None:
    """A stream decompressed, cut or not, and what follows it; None if it is none.

    Raises:
        TooLarge: If it is larger than so many bytes.
    """
    stream = zlib.decompressobj(wbits=47)
    try:
        raw = stream.decompress(data, most + 1)
    except zlib.error:
        return None
    if len(raw) > most:
        raise TooLarge
    return raw, stream.unused_data


def unbase64(text: bytes) -> bytes:
    """Base64 of either alphabet undone, line ends and a missing end ignored."""
    plain = text.translate(_TO_STANDARD, _SPACE).rstrip(b"=")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return binascii.a2b_base64(plain + b"=" * (-len(plain) % 4))
    except binascii.Error:
        return b""


def unhex(text: bytes) -> bytes:
    """Hexadecimal undone, half a byte at the end ignored."""
    return binascii.unhexlify(text[: len(text) & ~1])


def unescaped(data: bytes) -> bytes:
    """Backslashes of JSON and of Python's reprs undone, however often they were doubled."""
    return _ESCAPED.sub(_sign, data)


def _sign(found: re.Match[bytes]) -> bytes:
    if found[1] or found[2]:
        return chr(int(found[1] or found[2], 16)).encode("utf-8", "surrogatepass")
    return _SIGNS.get(found[3], found[3])


def is_readable(data: bytes) -> bool:
    """Whether bytes have text in them, or near their beginning something compressed or circuits."""
    return _READABLE.search(data) is not None or _is_packed(data)


def _is_packed(data: bytes) -> bool:
    return _PACKED.search(data) is not None or _ZLIB.search(data, 0, _NEAR) is not None
