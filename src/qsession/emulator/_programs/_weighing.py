"""Payloads measured before anything in them is decoded. Imports no qiskit.

What a client compresses can be a thousand times larger than its request, and the
client's own decoder imports modules and calls classes that a payload names. So a
submit is refused unless every type in it is one of a list and everything it holds
stays below the limits here. The limits are ours; the service's are not known, but
for the size of the whole body.
"""

from __future__ import annotations

import ast
import base64
import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from qsession._payload._decode import Unreadable, check_headers
from qsession._refusals import Refused
from qsession._session_document import Json

MAX_VALUE = 64 * 2**20
"""Bytes that one encoded value may hold once it is decompressed."""

MAX_JOB = 192 * 2**20
"""Bytes that all encoded values of a job may hold together."""

MAX_DEPTH = 64
"""Levels of lists and objects in the parameters of a job."""

MAX_PARTS = 10_000
"""PUBs, items or circuits of a job."""

_MAX_AXES = 32
_MAX_SIZE = 2**31
_CHUNK = 2**20
_NPY_HEAD = 16_384
_NPY = b"\x93NUMPY"

TYPES = frozenset(
    {"QuantumCircuit", "ndarray", "Parameter", "BindingsArray", "ObservablesArray", "complex", "datetime"}
)
"""Values of ``__type__`` that are decoded."""

_RESULTS = ("qiskit_ibm_runtime.results.noise_learner", "qiskit_ibm_runtime.utils.noise_learner_result")

CLASSES = frozenset(
    {("settings", "qiskit.quantum_info.operators.symplectic.pauli_list", "PauliList")}
    | {("_json", module, name) for module in _RESULTS for name in ("LayerError", "PauliLindbladError")}
)
"""Classes that a payload may name, each by its ``__type__``, module and name: learned noise."""

# Keys under which the client and IBM's schemas put base64, compressed or not.
_ENCODED = frozenset({"__value__", "data", "b64_data", "circuit_b64"})
_PARTS = frozenset({"pubs", "items", "circuits"})


def weigh(params: Mapping[str, Json]) -> None:
    """Measure the parameters of a job.

    Args:
        params: ``params`` of ``POST /jobs``.

    Raises:
        Refused: If they name an unknown type, or are larger, deeper or more than is taken.
    """
    left = MAX_JOB
    for document in _objects(params):
        kind = _checked_type(document)
        _check_shape(document)
        _check_count(document)
        for key in _ENCODED & document.keys():
            value = document[key]
            if isinstance(value, str):
                left -= _measured(kind, value)
        if left < 0:
            raise Refused("invalid", f"the values must not exceed {MAX_JOB} bytes when decompressed")


def _objects(params: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    level: list[Json | Mapping[str, Json]] = [params]
    for _ in range(MAX_DEPTH):
        found = [item for item in level if isinstance(item, Mapping)]
        yield from found
        level = [
            inner
            for item in level
            for inner in _inside(item)
            if isinstance(inner, list | dict)  # nothing else holds anything
        ]
        if not level:
            return
    raise Refused("invalid", f"the parameters must not be nested deeper than {MAX_DEPTH} levels")


def _inside(item: Json | Mapping[str, Json]) -> Iterable[Json]:
    if isinstance(item, list):
        return item
    if not isinstance(item, Mapping):
        return ()
    return [*item.values(), *_keys(item)]


def _keys(item: Mapping[str, Json]) -> Iterator[Json]:
    # The names of bindings are JSON themselves, and the client's decoder reads them too.
    if item.get("__type__") != "BindingsArray":
        return
    value = item.get("__value__")
    names = value.get("data") if isinstance(value, dict) else None
    for name in names if isinstance(names, dict) else ():
        try:
            yield json.loads(name)
        except (ValueError, RecursionError) as problem:
            raise Refused("invalid", "a name in a BindingsArray is not JSON") from problem


def _checked_type(document: Mapping[str, Json]) -> str:
    if "__type__" not in document:
        return ""
    kind = document["__type__"]
    named = (kind, document.get("__module__"), document.get("__class__"))
    if isinstance(kind, str) and (kind in TYPES or named in CLASSES):
        return kind
    raise Refused("invalid", f"the type {str(kind)[:40]} is not one of {', '.join(sorted(TYPES))}")


def _check_count(document: Mapping[str, Json]) -> None:
    for key in sorted(_PARTS & document.keys()):
        parts = document[key]
        if isinstance(parts, list) and len(parts) > MAX_PARTS:
            raise Refused("invalid", f"{key} must hold at most {MAX_PARTS} entries")


def _check_shape(document: Mapping[str, Json]) -> None:
    shape = document.get("shape")
    if not isinstance(shape, list):
        return
    sizes = [size for size in shape if isinstance(size, int)]
    if len(shape) > _MAX_AXES or any(abs(size) >= _MAX_SIZE for size in sizes):
        raise Refused("invalid", f"a shape must have at most {_MAX_AXES} axes below {_MAX_SIZE}")
    if abs(math.prod(sizes)) >= _MAX_SIZE:
        raise Refused("invalid", f"a shape must hold less than {_MAX_SIZE} elements")


def _measured(kind: str, text: str) -> int:
    """Bytes that a text stands for; it is as long as it looks unless it is compressed."""
    try:
        raw = base64.b64decode(text)
    except ValueError:
        return len(text)
    content = _inflated(raw)
    if content is None:
        _check_qpy(raw)
        return len(raw)
    if kind == "ndarray":
        _check_npy(content.head, content.size)
    _check_qpy(content.head)
    return content.size


@dataclass(frozen=True, slots=True)
class _Content:
    """A decompressed value: how it starts (all of it if it is a circuit), and its size."""

    head: bytes
    size: int


def _inflated(raw: bytes) -> _Content | None:
    stream, head, size = zlib.decompressobj(), b"", 0
    try:
        while not stream.eof:
            piece = stream.decompress(raw, _CHUNK)
            raw = stream.unconsumed_tail
            size += len(piece)
            if size > MAX_VALUE:
                raise Refused("invalid", f"a value must not exceed {MAX_VALUE} bytes when decompressed")
            if len(head) < _NPY_HEAD or head.startswith(b"QISKIT"):
                head += piece
            if not piece and not raw:
                break
    except zlib.error:
        return None
    # What decodes a damaged one will say so; it was small until there.
    return _Content(head, size) if stream.eof else None


def _check_npy(head: bytes, size: int) -> None:
    # A pickle or an archive, which numpy would open as well, is not what a client sends.
    if not head.startswith(_NPY):
        raise Refused("invalid", "an ndarray must be written in numpy's npy format")
    try:
        facts, start = _npy_header(head)
        shape, kind = facts["shape"], str(facts["descr"])
        elements = math.prod(shape)
        width = int(kind.lstrip("<>|=")[1:])
    except (ValueError, TypeError, LookupError, SyntaxError, MemoryError, struct.error) as problem:
        raise Refused("invalid", "the header of an ndarray is not readable") from problem
    if kind.lstrip("<>|=")[0] not in "biufc":
        raise Refused("invalid", "an ndarray must hold numbers")
    if len(shape) > _MAX_AXES or elements < 0 or elements * width != size - start:
        raise Refused("invalid", "an ndarray must be as large as its header says")


def _npy_header(head: bytes) -> tuple[dict[str, tuple[int, ...]], int]:
    wide = head[6] > 1
    start = 12 if wide else 10
    length: int = struct.unpack_from("<I" if wide else "<H", head, 8)[0]
    if start + length > len(head):
        raise ValueError("too long a header")
    facts = ast.literal_eval(head[start : start + length].decode("latin1").strip())
    return facts, start + length


def _check_qpy(content: bytes) -> None:
    # The reader reserves memory for as many bits as a header claims.
    if not content.startswith(b"QISKIT"):
        return
    try:
        programs = check_headers(content)
    except Unreadable as problem:
        raise Refused("invalid", f"a circuit cannot be taken: {problem}") from problem
    if programs > MAX_PARTS:
        raise Refused("invalid", f"a QPY file must hold at most {MAX_PARTS} circuits")
