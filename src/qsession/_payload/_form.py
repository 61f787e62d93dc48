"""The canonical form of a payload: plain values that mean the same wherever they were built.

A form is a tree of the kinds below. Its fingerprint is taken over numbers rounded
to a grid, so that the last bits of a float do not reach it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_GRID_BITS = 30

Bytes: TypeAlias = Callable[[bytes], object]


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """An array of numbers, row by row.

    Attributes:
        values: Booleans, integers, floats or complex numbers.
        names: What the entries of the last axis stand for, if they have names.
    """

    values: npt.NDArray[np.generic]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Formula:
    """A symbolic angle, known by its values at fixed points.

    Attributes:
        names: Its free parameters, sorted.
        samples: Its value where each parameter has a value derived from its own name.
        text: How qiskit writes it. Not part of the meaning.
        analytic: Whether a few points tell it from every other such formula.
    """

    names: tuple[str, ...]
    samples: tuple[complex, ...]
    text: str = field(compare=False)
    analytic: bool = True


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that could not be decoded, known by a digest of what it was.

    Attributes:
        kind: What it claimed to be.
        digest: SHA-256 of its JSON, hexadecimal.
    """

    kind: str
    digest: str


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One operation of a circuit on bits of the outermost circuit it stands in.

    Attributes:
        name: Name of the gate, without what a process counts.
        params: Its angles, matrices and other parameters.
        details: What else decides what it does, by name; blocks and definitions included.
        qubits: Qubit indices; sorted where their order means nothing.
        clbits: Classical bit indices; sorted where their order means nothing.
        position: Where it stood in ``circuit.data``. Not part of the meaning.
    """

    name: str
    params: tuple[Node, ...]
    details: Mapping[str, Node]
    qubits: tuple[int, ...]
    clbits: tuple[int, ...]
    position: int


@dataclass(frozen=True, slots=True, eq=False)
class Circuit:
    """A circuit with its operations in their canonical order.

    Attributes:
        qubits: How many it has.
        clbits: How many it has.
        registers: Classical bits by register name, in the order in which they were added.
        phase: Global phase in radians.
        parameters: Names of the free parameters, in the order of their values.
        variables: Kind and type of each classical variable, by name.
        layout: Physical qubit of each virtual one, first and last; None without a layout.
        operations: In the first topological order by bits.
        digest: Fingerprint of all this.
    """

    qubits: int
    clbits: int
    registers: Mapping[str, tuple[int, ...]]
    phase: Node
    parameters: tuple[str, ...]
    variables: Mapping[str, Node]
    layout: tuple[tuple[int, int], ...] | None
    operations: tuple[Operation, ...]
    digest: str = field(init=False)

    def __post_init__(self) -> None:
        """Take the fingerprint once; definitions and blocks are shared."""
        content = (
            self.qubits,
            self.clbits,
            dict(self.registers),
            *self.register_order,
            self.phase,
            self.parameters,
            dict(self.variables),
            self.layout,
            tuple(
                # One text for the bits is much faster than a tuple of numbers.
                (f"{each.name} {each.qubits} {each.clbits}", each.params, each.details)
                for each in self.operations
            ),
        )
        object.__setattr__(self, "digest", fingerprint(content))

    @property
    def register_order(self) -> tuple[str, ...]:
        """Names of the classical registers as results list them; nothing if their bits tell that order."""
        names = tuple(self.registers)
        return () if names == tuple(sorted(names, key=lambda name: self.registers[name])) else names


Node: TypeAlias = (
    "bool | int | float | complex | str | tuple[Node, ...] | Mapping[str, Node]"
    " | Tensor | Formula | Opaque | Circuit | None"
)


def fingerprint(node: Node) -> str:
    """SHA-256 of a form, hexadecimal, the same in every process and on every machine."""
    digest = hashlib.sha256()
    _feed(node, digest.update)
    return digest.hexdigest()


def _feed(node: Node, sink: Bytes) -> None:
    match node:
        case tuple():
            sink(b"(%d" % len(node))
            for each in node:
                _feed(each, sink)
        case Mapping():
            sink(b"{%d" % len(node))
            for key in sorted(node):
                _text(key, sink)
                _feed(node[key], sink)
        case Tensor():
            _feed(node.values.shape, sink)
            _feed(node.names, sink)
            sink(b"A" + _array_bytes(node.values))
        case Formula():
            _text("formula", sink)
            _feed((node.names, node.samples), sink)
        case Opaque():
            _text("opaque", sink)
            _feed((node.kind, node.digest), sink)
        case Circuit():
            sink(b"C" + node.digest.encode())
        case _:
            _scalar(node, sink)


def _scalar(node: bool | int | float | complex | str | None, sink: Bytes) -> None:
    if isinstance(node, str):
        _text(node, sink)
    elif node is None or isinstance(node, bool):
        sink(f"={node};".encode())
    else:
        sink(f"#{_number(node)};".encode())


def _text(text: str, sink: Bytes) -> None:
    # JSON may hold lone surrogates, which plain UTF-8 refuses.
    raw = text.encode("utf-8", "surrogatepass")
    sink(b"s%d:" % len(raw) + raw)


def _number(value: complex) -> str:
    if isinstance(value, int):
        return hex(value)
    if isinstance(value, float):
        return _rounded(value)
    real, imaginary = _rounded(value.real), _rounded(value.imag)
    return real if imaginary == hex(0) else f"{real},{imaginary}"


def _rounded(value: float) -> str:
    """The nearest point of a grid of 2**-30, relative above 1; whole numbers as integers.

    Grid points are dyadic, and so far from the decimals and multiples of pi that
    circuits hold: the last bits of such a number do not carry it over an edge.
    """
    if not math.isfinite(value):
        return repr(value)
    if not value.is_integer():
        mantissa, exponent = math.frexp(value)
        shift = _GRID_BITS - max(exponent, 0)
        value = math.ldexp(round(math.ldexp(mantissa, exponent + shift)), -shift)
    return hex(int(value)) if value.is_integer() else value.hex()


def _array_bytes(values: npt.NDArray[np.generic]) -> bytes:
    import numpy as np

    if values.dtype.kind != "c":
        return b"f" + _grid(values.astype("<f8"))
    real, imaginary = _grid(values.real.astype("<f8")), _grid(values.imag.astype("<f8"))
    # Complex numbers that are all real are the real ones.
    return b"c" + real + imaginary if np.frombuffer(imaginary).any() else b"f" + real


def _grid(values: npt.NDArray[np.float64]) -> bytes:
    import numpy as np

    mantissa, exponent = np.frexp(values)
    shift = _GRID_BITS - np.maximum(exponent, 0)
    rounded = np.ldexp(np.rint(np.ldexp(mantissa, exponent + shift)), -shift)
    # Adding zero turns -0.0 into 0.0.
    return np.ascontiguousarray(rounded + 0.0).astype("<f8").tobytes()


def raw_digest(value: object) -> str:
    """SHA-256 of plain JSON values of any depth, object keys sorted, numbers exact."""
    digest = hashlib.sha256()
    todo = [value]
    while todo:
        todo += reversed(_raw_token(todo.pop(), digest.update))
    return digest.hexdigest()


def _raw_token(value: object, sink: Bytes) -> list[object]:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (type(key).__name__, str(key)))
        sink(b"{%d" % len(keys))
        return [part for key in keys for part in (key, value[key])]
    if isinstance(value, list | tuple):
        sink(b"[%d" % len(value))
        return list(value)
    if isinstance(value, int) and not isinstance(value, bool):
        sink(f"#{value:x};".encode())
    else:
        _text(f"{type(value).__name__}:{value!r}", sink)
    return []
