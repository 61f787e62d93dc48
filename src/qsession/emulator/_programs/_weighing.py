"""Payloads measured before anything in them is decoded. Imports no qiskit.

What a client compresses can be a thousand times larger than its request, and the
client's own decoder imports modules and calls classes that a payload names. So a
submit is refused unless every type in it is one of a list and everything it holds
stays below the limits here. The limits are ours; the service's are not known, but
for the size of the whole body.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping

from qsession._payload._decode import Unreadable
from qsession._payload._measure import measured
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
    try:
        return measured(kind, text, MAX_VALUE, MAX_PARTS)
    except Unreadable as problem:
        raise Refused("invalid", str(problem)) from problem
