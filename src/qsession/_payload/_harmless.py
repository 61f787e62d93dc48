"""What a recorded answer may make the client's decoders do.

The client reads results and parameters of jobs with a decoder that imports modules and calls
classes which the answer names, and that decompresses whatever it is given
(``qiskit_ibm_runtime/json.py``). A recording comes from a file that somebody else may have written. So
what is in it is looked at before the client sees it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from qsession._payload._decode import LIMIT, Unreadable
from qsession._payload._measure import measured

_MOST = 2 * LIMIT
_DEEPEST = 200
_MOST_CIRCUITS = 100_000
_MAX_SIZE = 2**31

# As base64, what zlib compressed begins so; its window and level make the rest.
_ZLIB = ("eA", "eF", "eJ", "eN")
_QPY = "UUlTS0lU"

_OPERATORS = "qiskit.quantum_info.operators."
_NOISE = ("qiskit_ibm_runtime.results.noise_learner", "qiskit_ibm_runtime.utils.noise_learner_result")
_CLASSES: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "settings": ((_OPERATORS,), frozenset({"Pauli", "PauliList", "SparsePauliOp", "Operator", "ScalarOp"})),
    "_json": (_NOISE, frozenset({"LayerError", "PauliLindbladError"})),
}
"""Classes that an answer may name: where they must come from, and which they are."""

# An archive, compressed in ways of its own. No program of the service answers with one.
_REFUSED = frozenset({"spmatrix"})


def check_answer(body: bytes) -> None:
    """Make sure that an answer does no harm to whoever decodes it.

    Args:
        body: As the client would get it. What is no JSON is not decoded by the client.

    Raises:
        Unreadable: If it names a class that is not on our list, stands for more than
            512 MiB, claims an array or circuit larger than itself, or is nested too deeply.
    """
    # Names may be written with escapes, and values are compressed where a key says nothing.
    if not any(sign in body for sign in (b"__type__", b"\\u", b'"eJ', b'"eN', b'"eA', b'"eF', b'"shape"')):
        return
    try:
        document = json.loads(body)
    except RecursionError:
        raise Unreadable(f"it is nested deeper than {_DEEPEST} levels") from None
    except ValueError:
        return
    left = _MOST
    for kind, value in _values(document):
        if isinstance(value, dict):
            _check_class(value)
            _check_shape(value)
        elif isinstance(value, str) and (kind or value.startswith((*_ZLIB, _QPY))):
            left -= measured(kind, value, min(left, LIMIT), _MOST_CIRCUITS)


def _values(document: Any) -> Iterator[tuple[str, Any]]:
    """All objects and texts, each with the type that it is said to be the value of."""
    level: list[tuple[str, Any]] = [("", document)]
    for _ in range(_DEEPEST):
        yield from level
        level = [inner for kind, item in level for inner in _inside(item)]
        if not level:
            return
    raise Unreadable(f"it is nested deeper than {_DEEPEST} levels")


def _inside(item: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(item, list):
        return (("", each) for each in item if isinstance(each, str | list | dict))
    return _fields(item) if isinstance(item, dict) else ()


def _fields(item: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    kind = str(item.get("__type__", ""))
    for name, each in item.items():
        if isinstance(each, str | list | dict):
            yield kind if name == "__value__" else "", each
        if name.startswith("["):
            # The names of bindings are JSON themselves, and the client's decoder reads them too.
            with suppress(ValueError, RecursionError):
                yield "", json.loads(name)


def _check_class(value: Mapping[str, Any]) -> None:
    kind = value.get("__type__")
    if kind in _REFUSED:
        raise Unreadable(f"it holds a value of the type {kind}, which nothing bounds")
    if not isinstance(kind, str) or ("__module__" not in value and kind not in _CLASSES):
        return
    places, names = _CLASSES.get(kind, ((), frozenset()))
    module, name = str(value.get("__module__")), str(value.get("__class__"))
    if name not in names or not module.startswith(places):
        raise Unreadable(
            f"it names the class {f'{module}.{name}'[:120]}, which is not loaded from a recording"
        )


def _check_shape(value: Mapping[str, Any]) -> None:
    shape = value.get("shape")
    sizes = [size for size in shape if isinstance(size, int)] if isinstance(shape, list) else []
    if abs(math.prod(sizes)) >= _MAX_SIZE or len(sizes) > 32:
        raise Unreadable(f"a shape must hold less than {_MAX_SIZE} elements")
