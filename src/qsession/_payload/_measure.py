"""Encoded values measured before anybody decodes them. Loads no qiskit but for circuits.

What is compressed can be a thousand times larger than its text, an array can claim any size, and a
reader of circuits reserves memory for what a header claims.
"""

from __future__ import annotations

import ast
import base64
import math
import struct
import zlib
from dataclasses import dataclass

from qsession._payload._decode import Unreadable, check_headers

_MAX_AXES = 32
_CHUNK = 2**20
_NPY_HEAD = 16_384
_NPY = b"\x93NUMPY"


@dataclass(frozen=True, slots=True)
class Content:
    """A decompressed value: how it starts (all of it if it is a circuit), and its size."""

    head: bytes
    size: int


def measured(kind: str, text: str, most: int, most_circuits: int) -> int:
    """Bytes that a text stands for; it is as long as it looks unless it is compressed.

    Args:
        kind: What it is said to be, such as ``ndarray``.
        text: The text.
        most: Bytes that it may stand for.
        most_circuits: Circuits that a file of circuits may hold.

    Raises:
        Unreadable: If it stands for more, or claims to.
    """
    try:
        raw = base64.b64decode(text)
    except ValueError:
        return len(text)
    content = _inflated(raw, most)
    if content is None:
        _check_qpy(raw, most_circuits)
        return len(raw)
    if kind == "ndarray":
        _check_npy(content.head, content.size)
    _check_qpy(content.head, most_circuits)
    return content.size


def _inflated(raw: bytes, most: int) -> Content | None:
    stream, head, size = zlib.decompressobj(), b"", 0
    try:
        while not stream.eof:
            piece = stream.decompress(raw, _CHUNK)
            raw = stream.unconsumed_tail
            size += len(piece)
            if size > most:
                raise Unreadable(f"a value must not exceed {most} bytes when decompressed")
            if len(head) < _NPY_HEAD or head.startswith(b"QISKIT"):
                head += piece
            if not piece and not raw:
                break
    except zlib.error:
        return None
    # What decodes a damaged one will say so; it was small until there.
    return Content(head, size) if stream.eof else None


def _check_npy(head: bytes, size: int) -> None:
    # A pickle or an archive, which numpy would open as well, is not what a client sends.
    if not head.startswith(_NPY):
        raise Unreadable("an ndarray must be written in numpy's npy format")
    try:
        facts, start = _npy_header(head)
        shape, kind = facts["shape"], str(facts["descr"])
        elements = math.prod(shape)
        width = int(kind.lstrip("<>|=")[1:])
    except (ValueError, TypeError, LookupError, SyntaxError, MemoryError, struct.error) as problem:
        raise Unreadable("the header of an ndarray is not readable") from problem
    if kind.lstrip("<>|=")[0] not in "biufc":
        raise Unreadable("an ndarray must hold numbers")
    if len(shape) > _MAX_AXES or elements < 0 or elements * width != size - start:
        raise Unreadable("an ndarray must be as large as its header says")


def _npy_header(head: bytes) -> tuple[dict[str, tuple[int, ...]], int]:
    wide = head[6] > 1
    start = 12 if wide else 10
    length: int = struct.unpack_from("<I" if wide else "<H", head, 8)[0]
    if start + length > len(head):
        raise ValueError("too long a header")
    facts = ast.literal_eval(head[start : start + length].decode("latin1").strip())
    return facts, start + length


def _check_qpy(content: bytes, most: int) -> None:
    # The reader reserves memory for as many bits as a header claims.
    if not content.startswith(b"QISKIT"):
        return
    try:
        programs = check_headers(content)
    except Unreadable as problem:
        raise Unreadable(f"a circuit cannot be taken: {problem}") from problem
    if programs > most:
        raise Unreadable(f"a QPY file must hold at most {most} circuits")
