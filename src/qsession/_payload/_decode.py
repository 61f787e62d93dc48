"""From the text in a payload to circuits and arrays, within bounds and without running anything.

Only what is named here is decoded. The client's own decoder imports modules that the
payload names, which a recording from somewhere else must not be able to ask for.
"""

from __future__ import annotations

import base64
import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from qiskit import QuantumCircuit

LIMIT = 256 * 2**20
"""Largest decompressed item that is read, in bytes."""

_MOST_BITS = 100_000
_MOST_CIRCUITS = 100_000
# Up to QPY 12 symbolic parameters were read by evaluating text. Client 0.41 with
# qiskit 2.0 already writes 13 or newer.
_OLDEST_QPY = 13
_TABLE_QPY = 16
_FILE_HEADER = struct.Struct("!6sBBBBQcc")
_CIRCUIT_HEADER = struct.Struct("!H1cHIIQIQ")
# Within such a header: a phase that is a float of eight bytes, and the counts of
# qubits, of clbits and of bytes of metadata.
_NESTED_HEADER = re.compile(rb"(?=f\0\x08(.{4})(.{4})(.{8}))", re.DOTALL)


class Unreadable(Exception):
    """A part of a payload cannot be decoded; the message says why."""


def unpack(text: object) -> bytes:
    """Base64 and zlib undone.

    Raises:
        Unreadable: If the text is no base64, or what it holds is no zlib stream,
            is cut short, has something behind it, or is larger than `LIMIT`.
    """
    return inflate(plain(text))


def plain(text: object) -> bytes:
    """Base64 undone.

    Raises:
        Unreadable: If the text is no base64.
    """
    if not isinstance(text, str):
        raise Unreadable(f"expected base64 text, found {type(text).__name__}")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise Unreadable(f"no base64: {problem}") from problem


def inflate(packed: bytes) -> bytes:
    """A zlib stream decompressed, up to `LIMIT` bytes.

    Raises:
        Unreadable: If it is none, incomplete, too large or followed by something.
    """
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(packed, LIMIT + 1)
    except zlib.error as problem:
        raise Unreadable(f"no zlib stream: {problem}") from problem
    if len(raw) > LIMIT:
        raise Unreadable(f"larger than {LIMIT // 2**20} MiB when decompressed")
    if not stream.eof:
        raise Unreadable("the zlib stream is cut short")
    if stream.unused_data:
        raise Unreadable("something follows the zlib stream")
    return raw


def load_circuits(raw: bytes) -> list[QuantumCircuit]:
    """The circuits of a QPY file.

    Raises:
        Unreadable: If the file is damaged, holds no circuits, or is of a version
            that this qiskit cannot read or that would have to be evaluated.
    """
    with foreign("QPY"):
        from qiskit import QuantumCircuit, qpy

        raw = _checked(raw)
        circuits = qpy.load(io.BytesIO(raw), annotation_factories={"": _annotation_reader()})
    if not all(isinstance(each, QuantumCircuit) for each in circuits):
        raise Unreadable("the QPY file holds something else than circuits")
    return list(circuits)


def check_headers(raw: bytes) -> int:
    """How many circuits a QPY file holds, its headers plausible.

    Raises:
        Unreadable: If it is none, of a version that this qiskit cannot read or would
            have to evaluate, or claims more bits and operations than it can hold.
    """
    from qiskit.qpy import QPY_VERSION

    with foreign("QPY"):
        magic, version, *_, programs, _encoding, _kind = _FILE_HEADER.unpack_from(raw)
        if magic != b"QISKIT":
            raise Unreadable("no QPY file")
        if not _OLDEST_QPY <= version <= QPY_VERSION:
            raise Unreadable(f"QPY version {version}, this qiskit reads {_OLDEST_QPY} to {QPY_VERSION}")
        if not 0 < programs <= min(_MOST_CIRCUITS, len(raw)):
            raise Unreadable(f"a QPY file of {programs} circuits")
        _check_sizes(raw, version, programs)
    return int(programs)


def _checked(raw: bytes) -> bytes:
    """The file, its headers plausible, and written by no newer qiskit than ours."""
    from qiskit import __version__

    check_headers(raw)
    wrote = list(raw[7:10])
    ours = [int(part) for part in __version__.split(".")[:2]]
    if wrote[:2] > ours:
        # Reading a newer release's file warns, which `-W error` makes an exception.
        # Changing the warning filters instead would reach other threads.
        return raw[:7] + bytes([*ours, 0]) + raw[10:]
    return raw


def _check_sizes(raw: bytes, version: int, programs: int) -> None:
    # The reader reserves memory for as many bits and operations as a header claims.
    start = _FILE_HEADER.size
    starts = [start]
    if version >= _TABLE_QPY:
        starts = list(struct.unpack_from(f"!{programs}Q", raw, start))
    for offset in starts:
        _, _, _, qubits, clbits, metadata, registers, operations = _CIRCUIT_HEADER.unpack_from(raw, offset)
        if max(qubits, clbits) > _MOST_BITS or max(metadata, registers, operations) > len(raw):
            raise Unreadable("a circuit in the QPY file claims to be larger than the file")
    # Blocks and definitions have headers of their own, at places that only a reader
    # finds. What looks like one must not claim more either.
    for found in _NESTED_HEADER.finditer(raw):
        qubits, clbits, metadata = (int.from_bytes(part) for part in found.groups())
        if max(qubits, clbits) > _MOST_BITS and metadata <= len(raw):
            raise Unreadable("a block in the QPY file claims to be larger than the file")


def _annotation_reader() -> type:
    """A reader that keeps any annotation as the bytes it was written as."""
    from qiskit.circuit.annotation import Annotation, QPYSerializer

    class Kept(Annotation):  # type: ignore[misc]
        def __init__(self, namespace: str, payload: bytes) -> None:
            self.namespace = namespace
            self.payload = payload

    class Reader(QPYSerializer):  # type: ignore[misc]
        namespace = ""

        def dump_annotation(self, namespace: str, annotation: object) -> object:
            return NotImplemented

        def load_state(self, namespace: str, payload: bytes) -> None:
            self.namespace = f"{namespace}:{payload.hex()}" if payload else namespace

        def load_annotation(self, payload: bytes) -> object:
            return Kept(self.namespace, payload)

    return Reader


def load_array(raw: bytes) -> npt.NDArray[np.generic]:
    """The numbers of a ``.npy`` file.

    Raises:
        Unreadable: If it is damaged, or holds objects, text or records.
    """
    with foreign("array"):
        from numpy.lib import format as npy

        stream = io.BytesIO(raw)
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_column, dtype = header(stream)
        return array(raw[stream.tell() :], dtype, shape, order="F" if by_column else "C")


def array(
    raw: bytes, dtype: str | np.dtype[np.generic], shape: tuple[int, ...], *, order: str = "C"
) -> npt.NDArray[np.generic]:
    """Numbers from their bytes.

    Raises:
        Unreadable: If there are more or fewer than the shape asks for, or no numbers.
    """
    import numpy as np

    with foreign("array"):
        kind = np.dtype(dtype)
        if kind.kind not in "biufc":
            raise Unreadable(f"an array of {kind}")
        values = np.frombuffer(raw, kind) if raw else np.empty(0, kind)
        return values.reshape(shape, order="F" if order == "F" else "C")


@contextmanager
def foreign(what: str) -> Iterator[None]:
    """Turn whatever other people's readers raise on damaged input into `Unreadable`.

    They promise no exception types: qiskit's reader raises its own, the standard
    library's and, when its Rust part panics, one that derives from BaseException.
    """
    try:
        yield
    except Unreadable:
        raise
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        reason = (str(problem).splitlines() or [""])[0].strip("'\"")
        raise Unreadable(f"{what}: {type(problem).__name__}: {reason[:200]}") from problem
