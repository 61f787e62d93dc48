"""Arrays in a payload: parameter values in each of their spellings, and tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from qsession._payload._decode import Unreadable, array, foreign, inflate, plain
from qsession._payload._form import Node, Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# Names of number types in the tensors of quantum programs (observed in client 0.51).
_TYPES = {
    "bool": "|u1",
    **{f"{kind}{bits}": f"<{kind}{bits // 8}" for kind in "iu" for bits in (8, 16, 32, 64)},
    **{f"f{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    **{f"c{bits}": f"<c{bits // 8}" for bits in (64, 128)},
}
_ZLIB = b"\x78"


def bindings(value: object, names: tuple[str, ...], decode: Callable[[object], Node]) -> Tensor:
    """Parameter values as one array whose last axis runs over the circuit's parameters.

    Args:
        value: None, nested lists, an array, an object of values by parameter name, or
            the client's ``BindingsArray``.
        names: Names of the circuit's parameters, in its own order.
        decode: Reads the JSON of a part.

    Raises:
        Unreadable: If they are none of these, or for other parameters.
    """
    with foreign("parameter values"):
        if isinstance(value, dict) and value.get("__type__") == "BindingsArray":
            return _bindings_array(value.get("__value__"), names, decode)
        if isinstance(value, dict) and "__type__" not in value:
            columns = {}
            for key, each in value.items():
                columns.update(_named(key, _numbers(decode(each)), names))
            return _table(columns, names, None)
        values = _numbers(decode([] if value is None else value))
        return Tensor(values, names if values.shape[-1:] == (len(names),) else ())


def _bindings_array(content: object, names: tuple[str, ...], decode: Callable[[object], Node]) -> Tensor:
    if not isinstance(content, dict) or not isinstance(content.get("data"), dict):
        raise Unreadable("no BindingsArray")
    columns = {}
    for key, each in content["data"].items():
        labels = json.loads(key)
        values = _numbers(decode(each))
        for i, label in enumerate([labels] if isinstance(labels, str) else labels):
            columns[str(label)] = values[..., i]
    return _table(columns, names, tuple(content["shape"]))


def _named(key: str, values: npt.NDArray[np.generic], names: tuple[str, ...]) -> _Columns:
    if key in names:
        return {key: values}
    # A key that is no parameter may name a vector of them.
    length = values.shape[-1] if f"{key}[0]" in names and values.ndim else 0
    return {f"{key}[{i}]": values[..., i] for i in range(length)} or {key: values}


def _table(columns: _Columns, names: tuple[str, ...], shape: tuple[int, ...] | None) -> Tensor:
    import numpy as np

    if set(columns) != set(names):
        raise Unreadable(f"values for {sorted(columns)}, the circuit has {list(names)}")
    if shape is None:
        shape = np.broadcast_shapes(*(each.shape for each in columns.values()))
    table = np.empty((*shape, len(names)))
    for i, name in enumerate(names):
        table[..., i] = columns[name]
    return Tensor(table, names)


def _numbers(values: Node) -> npt.NDArray[np.generic]:
    import numpy as np

    numbers = values.values if isinstance(values, Tensor) else np.asarray(values)
    if numbers.dtype.kind not in "biufc":
        raise Unreadable(f"values of kind {numbers.dtype}")
    return numbers


def tensor(encoded: Mapping[str, object]) -> Tensor:
    """A tensor of a quantum program, compressed (schema 2.0) or not (older).

    Raises:
        Unreadable: If its type is unknown or its data has another size than its shape.
    """
    shape, dtype, raw = encoded["shape"], str(encoded["dtype"]), plain(encoded["data"])
    if not isinstance(shape, list) or not all(isinstance(each, int) and each >= 0 for each in shape):
        raise Unreadable("the shape is no list of sizes")
    if dtype not in _TYPES:
        raise Unreadable(f"numbers of type {dtype!r}")
    if raw[:1] == _ZLIB:
        raw = _inflated(raw)
    if dtype == "bool":
        return Tensor(_bits(raw, tuple(shape)))
    return Tensor(array(raw, _TYPES[dtype], tuple(shape)))


def _inflated(raw: bytes) -> bytes:
    # Uncompressed numbers may happen to start like a zlib stream.
    try:
        return inflate(raw)
    except Unreadable:
        return raw


def _bits(raw: bytes, shape: tuple[int, ...]) -> npt.NDArray[np.generic]:
    import numpy as np

    size = math.prod(shape)
    if len(raw) != (size + 7) // 8:
        raise Unreadable(f"{len(raw)} bytes for {size} bits")
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little", count=size)
    return bits.astype(np.bool_).reshape(shape)


_Columns = dict[str, "npt.NDArray[np.generic]"]
