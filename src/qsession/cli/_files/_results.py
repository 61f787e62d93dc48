"""What jobs ask for and give, decoded as far as a reader needs it: circuits, counts, numbers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qsession._payload._arrays import tensor
from qsession._payload._decode import Unreadable, load_array, load_circuits, plain, unpack

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_DEEPEST = 60
_MOST_NUMBERS = 8


@dataclass(frozen=True, slots=True)
class Measured:
    """The outcomes of one register of one PUB.

    Attributes:
        place: Which one, such as ``PUB 0: meas``.
        counts: How often each outcome was seen, over all parameter sets.
        sets: Over how many parameter sets.
    """

    place: str
    counts: Mapping[str, int]
    sets: int = 1


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array of one PUB, such as expectation values.

    Attributes:
        place: Which one, such as ``PUB 0: evs``.
        shape: Its shape.
        values: Its first values.
    """

    place: str
    shape: tuple[int, ...]
    values: tuple[complex | float, ...]


def circuits_of(body: bytes) -> Iterator[QuantumCircuit | str]:
    """The circuits in the body of a submitted job, in their order; or why one cannot be read."""
    for encoded in _encoded_circuits(_json(body), 0):
        try:
            yield from load_circuits(_qpy(encoded))
        except Unreadable as why:
            yield str(why)


def results_of(body: bytes) -> list[Measured | Numbers]:
    """The outcomes and numbers in the results of a job; nothing of what is no result."""
    document = _json(body)
    found: list[Measured | Numbers] = []
    if isinstance(document, dict):
        value = document.get("__value__")
        if isinstance(value, dict) and isinstance(value.get("pub_results"), list):
            for number, pub in enumerate(value["pub_results"]):
                found += _fields(f"PUB {number}", _data(pub))
        elif isinstance(document.get("data"), list):
            for number, item in enumerate(document["data"]):
                results = item.get("results") if isinstance(item, dict) else None
                found += _fields(f"item {number}", results)
    return found


def _data(pub: Any) -> Any:
    inner = pub.get("__value__") if isinstance(pub, dict) else None
    data = inner.get("data") if isinstance(inner, dict) else None
    bins = data.get("__value__") if isinstance(data, dict) else None
    return bins.get("fields") if isinstance(bins, dict) else None


def _fields(place: str, fields: Any) -> Iterator[Measured | Numbers]:
    for name, value in fields.items() if isinstance(fields, dict) else ():
        try:
            read = _field(f"{place}: {name}", value)
        except (Unreadable, ValueError, TypeError, KeyError):
            continue
        if read is not None:
            yield read


def _field(place: str, value: Any) -> Measured | Numbers | None:
    if not isinstance(value, dict):
        return None
    if value.get("__type__") == "BitArray":
        inner = value["__value__"]
        return _counted(place, load_array(unpack(inner["array"]["__value__"])), int(inner["num_bits"]))
    if value.get("__type__") == "ndarray":
        content = value["__value__"]
        if not isinstance(content, str):
            return None
        values = load_array(unpack(content))
    elif "shape" in value:
        read = tensor(value)
        values = read.values
        if values.ndim >= 2 and str(value.get("dtype")) == "bool":
            import numpy as np

            # One byte a bit, the first bit first; counts are written the other way round.
            packed = np.packbits(values[..., ::-1].astype(bool), axis=-1)
            spare = -values.shape[-1] % 8
            return _counted(place, packed, values.shape[-1], spare=spare)
    else:
        return None
    flat = values.ravel()[:_MOST_NUMBERS].tolist()
    return Numbers(place, tuple(values.shape), tuple(flat))


def _counted(place: str, packed: Any, bits: int, *, spare: int = 0) -> Measured:
    import numpy as np

    rows = np.ascontiguousarray(packed, dtype=np.uint8).reshape(-1, packed.shape[-1])
    seen, times = np.unique(rows, axis=0, return_counts=True)
    counts: Counter[str] = Counter()
    for row, number in zip(seen, times, strict=True):
        outcome = int.from_bytes(row.tobytes()) >> spare
        counts[format(outcome, f"0{max(bits, 1)}b")] += int(number)
    return Measured(place, dict(sorted(counts.items())), math.prod(map(int, packed.shape[:-2])))


def _encoded_circuits(value: Any, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for each in value:
            yield from _encoded_circuits(each, depth + 1)
    elif isinstance(value, dict):
        if value.get("__type__") == "QuantumCircuit":
            yield str(value.get("__value__"))
            return
        for name, each in value.items():
            if name == "circuit_b64" and isinstance(each, str):
                yield each
            elif name == "circuits" and isinstance(each, dict) and isinstance(each.get("b64_data"), str):
                yield each["b64_data"]
            else:
                yield from _encoded_circuits(each, depth + 1)


def _qpy(encoded: str) -> bytes:
    raw = plain(encoded)
    return raw if raw.startswith(b"QISKIT") else unpack(encoded)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
