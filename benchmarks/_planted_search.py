"""Looks for planted values in files and output: written apart from the package's own search.

Whatever can be undone is undone, in every order, up to six times: gzip and zlib wherever
they begin, base64 at each of its four beginnings, hexadecimal, percent, backslashes, YAML.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote_to_bytes

import yaml

_DEEP = 6
_PIECE = 16
_B64 = re.compile(rb"[A-Za-z0-9+/=_-]{12,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{16,}")
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\(.)")
_TEXT = re.compile(rb"[\x20-\x7e]{8,}")
_ANSI = re.compile(rb"\x1b\[[0-9;]*m")


def found_in(data: bytes, values: Mapping[str, str]) -> set[str]:
    """Names of the values that stand in bytes, whole or with a piece of 16 characters."""
    pieces: dict[bytes, str] = {}
    for name, value in values.items():
        low = _own(value)
        # A piece tells only where it is this value's alone.
        pieces.update({low[i : i + _PIECE]: name for i in range(max(1, len(low) - _PIECE + 1))})
    shared = _shared(values.values())
    hits = set()
    for layer in _every(data):
        low = layer.lower()
        for i in range(len(low) - 7):
            name = pieces.get(low[i : i + _PIECE])
            if name is not None and low[i : i + _PIECE] not in shared:
                hits.add(name)
    return hits


def found_below(folder: Path, values: Mapping[str, str], *, but: Iterable[str]) -> dict[str, set[str]]:
    """The same for every file below a folder, by its path; its name counts too."""
    left_out = set(but)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in left_out]
    found = {}
    for path in (path for path in files if path.suffix not in {".py", ".pyc"}):
        name = path.relative_to(folder).as_posix()
        data = path.read_bytes()
        hits = found_in(name.encode(), values) | found_in(data, values)
        if path.suffix in {".yaml", ".yml"}:
            hits |= found_in(b"\n".join(_texts(yaml.load(data, Loader=yaml.CSafeLoader))), values)
        found[name] = hits
    return found


def _own(value: str) -> bytes:
    # What all cloud resource names begin with tells nothing.
    return value.lower().encode().rpartition(b":a/")[2]


def _shared(values: Iterable[str]) -> set[bytes]:
    seen: dict[bytes, int] = {}
    for value in values:
        low = _own(value)
        for piece in {low[i : i + _PIECE] for i in range(max(1, len(low) - _PIECE + 1))}:
            seen[piece] = seen.get(piece, 0) + 1
    return {piece for piece, times in seen.items() if times > 1}


def _texts(node: object) -> Iterator[bytes]:
    if isinstance(node, dict):
        for key, each in node.items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(node, list):
        for each in node:
            yield from _texts(each)
    elif isinstance(node, str):
        yield node.encode("utf-8", "surrogatepass")
    elif isinstance(node, bytes):
        yield node


def _every(data: bytes) -> Iterator[bytes]:
    data = _ANSI.sub(b"", data)
    seen, todo = set(), [(data, 0)]
    while todo:
        layer, depth = todo.pop()
        mark = hashlib.blake2b(layer).digest()
        if mark in seen:
            continue
        seen.add(mark)
        yield layer
        if depth < _DEEP:
            todo += ((inner, depth + 1) for inner in _opened(layer))


def _opened(data: bytes) -> Iterator[bytes]:
    yield from _inflated(data)
    if b"%" in data:
        yield unquote_to_bytes(data)
    if b"\\" in data:
        yield _ESCAPE.sub(_unescaped, data)
    for run in _B64.findall(data):
        yield from _decoded(run)
    joined = re.sub(rb"[\s\\n]+", b"", data) if len(data) < 4096 else b""
    if joined and joined != data and _B64.fullmatch(joined):
        yield from _decoded(joined)
    for run in _HEX.findall(data):
        for shift in (0, 1):
            part = run[shift:]
            yield binascii.unhexlify(part[: len(part) // 2 * 2])


def _inflated(data: bytes) -> Iterator[bytes]:
    for start in range(len(data) - 2):
        if data[start : start + 2] in {b"\x1f\x8b", b"\x78\x9c", b"\x78\xda", b"\x78\x01", b"\x78\x5e"}:
            try:
                inner = zlib.decompressobj(wbits=47).decompress(data[start:])
            except zlib.error:
                continue
            if len(inner) > 8:
                yield inner


def _decoded(run: bytes) -> Iterator[bytes]:
    plain = run.replace(b"-", b"+").replace(b"_", b"/").replace(b"=", b"")
    for shift in range(4):
        part = plain[shift:]
        inner = base64.b64decode(part[: len(part) // 4 * 4] or b"")
        if _TEXT.search(inner) or b"\x1f\x8b" in inner or inner[:1] == b"\x78":
            yield inner


def _unescaped(found: re.Match[bytes]) -> bytes:
    if found[1] or found[2]:
        return chr(int(found[1] or found[2], 16)).encode("utf-8", "surrogatepass")
    return {b"n": b"\n", b"t": b"\t", b"r": b"\r"}.get(found[3], found[3])
