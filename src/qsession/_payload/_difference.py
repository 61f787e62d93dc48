"""What sets two forms apart, in words."""

from __future__ import annotations

import cmath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from qsession._payload._form import Circuit, Formula, Node, Opaque, Operation, Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_ABSOLUTE = 1e-8
_RELATIVE = 1e-8
_LONGEST = 60
_LONGEST_LABEL = 16
# How qiskit names a register that is given no name.
_COUNTED = re.compile(r"c\d+")


@dataclass(frozen=True, slots=True)
class _Absent:
    """Stands for a part that one side does not have."""


ABSENT = _Absent()
_Pair: TypeAlias = tuple[Operation | None, Operation | None]
_Part: TypeAlias = "Node | _Absent"


def compare(path: str, ours: _Part, theirs: _Part) -> Iterator[str]:
    """Lines for everything that differs below a path, none if the forms are equal."""
    if isinstance(ours, Circuit) and isinstance(theirs, Circuit):
        yield from _circuits(path, ours, theirs)
    elif isinstance(ours, Tensor) and isinstance(theirs, Tensor):
        yield from _tensors(path, ours, theirs)
    elif isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for key in sorted({*ours, *theirs}):
            inner = f"{path}.{_label(key)}" if path else key
            yield from compare(inner, ours.get(key, ABSENT), theirs.get(key, ABSENT))
    elif isinstance(ours, tuple) and isinstance(theirs, tuple) and _aligned(ours, theirs):
        for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from compare(f"{path}[{i}]", mine, other)
    elif not _alike(ours, theirs):
        yield _line(path, ours, theirs)


def _label(key: str) -> str:
    """A key, or what a Pauli label of a whole device says about the few qubits it touches."""
    if len(key) <= _LONGEST_LABEL or set(key) - set("IXYZ"):
        return key
    touched = [f"{letter}{qubit}" for qubit, letter in enumerate(reversed(key)) if letter != "I"]
    return _cut(" ".join(touched) or "I")


def _aligned(ours: tuple[Node, ...], theirs: tuple[Node, ...]) -> bool:
    """Whether two tuples are best compared item by item.

    Those that start with a text are expressions, which read better whole.
    """
    if len(ours) != len(theirs):
        return False
    whole = bool(ours) and isinstance(ours[0], str) and show(ours) != show(theirs)
    return not whole or all(map(same, ours, theirs))


def same(ours: Node, theirs: Node) -> bool:
    """Whether two forms are equal within the tolerance."""
    return next(compare("", ours, theirs), None) is None


def _alike(ours: _Part, theirs: _Part) -> bool:
    match ours, theirs:
        case (bool(), _) | (_, bool()):
            return ours is theirs
        case int(), int():
            return ours == theirs
        case (int() | float() | complex()) as mine, (int() | float() | complex()) as other:
            return _close(mine, other)
        case Formula(), Formula():
            alike = (ours.names, ours.analytic) == (theirs.names, theirs.analytic)
            return alike and all(map(_close, ours.samples, theirs.samples))
    return type(ours) is type(theirs) and ours == theirs


def _close(ours: complex, theirs: complex) -> bool:
    try:
        if ours != ours or theirs != theirs:  # noqa: PLR0124 - the test for a NaN of either kind
            return str(ours) == str(theirs)
        return cmath.isclose(ours, theirs, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    except OverflowError:
        return False  # an integer beyond any float, beside a float


def _line(path: str, ours: _Part, theirs: _Part) -> str:
    mine, other = show(ours), show(theirs)
    if mine == other:
        mine, other = repr(ours), repr(theirs)
    return f"{path}: asked {mine}, recorded {other}"


def show(node: _Part) -> str:
    """A form in a few words."""
    if isinstance(node, Mapping):
        return _cut("{" + ", ".join(f"{key}: {show(each)}" for key, each in node.items()) + "}")
    if isinstance(node, tuple):
        return _cut("(" + ", ".join(map(show, node)) + ")")
    return _cut(_shown(node))


def _shown(node: object) -> str:
    texts = {_Absent: "nothing", type(None): "none", bool: str(node).lower()}
    match node:
        case Formula():
            return node.text
        case Opaque():
            return f"undecoded {node.kind} {node.digest[:12]}"
        case Tensor():
            return f"array of shape {node.values.shape}"
        case Circuit():
            return f"circuit of {_count(len(node.operations), 'operation')}"
        case float() | complex():
            return f"{node:.12g}"
    return texts.get(type(node), str(node))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _tensors(path: str, ours: Tensor, theirs: Tensor) -> Iterator[str]:
    import numpy as np

    mine, other = ours.values, theirs.values
    if mine.shape != other.shape:
        yield f"{path}: asked shape {mine.shape}, recorded {other.shape}"
        return
    for index in map(tuple, np.argwhere(_apart(mine, other))[:3].tolist()):
        place = f"{path}{_place(index, ours.names)}"
        yield f"{place}: asked {mine[index]:.12g}, recorded {other[index]:.12g}"


def _apart(ours: npt.NDArray[np.generic], theirs: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    import numpy as np

    wide = np.complex128 if "c" in (ours.dtype.kind, theirs.dtype.kind) else np.float64
    mine, other = ours.astype(wide), theirs.astype(wide)
    with np.errstate(invalid="ignore"):
        larger = np.maximum(np.abs(mine), np.abs(other))
        near = np.abs(mine - other) <= np.maximum(_ABSOLUTE, _RELATIVE * larger)
    near &= np.isfinite(larger)
    both_nan = np.isnan(mine) & np.isnan(other)
    apart: npt.NDArray[np.bool_] = ~(near | (mine == other) | both_nan)
    return apart


def _place(index: tuple[int, ...], names: tuple[str, ...]) -> str:
    if not names:
        return f"[{', '.join(map(str, index))}]"
    rest = f"[{', '.join(map(str, index[:-1]))}]" if index[:-1] else ""
    return f" of {names[index[-1]]}{rest}"


def _circuits(path: str, ours: Circuit, theirs: Circuit) -> Iterator[str]:
    if ours.digest == theirs.digest:
        return
    before = f"{path}: " if path else ""
    yield from compare(f"{before}qubits", ours.qubits, theirs.qubits)
    yield from _registers(before, ours.registers, theirs.registers)
    if ours.registers == theirs.registers and ours.register_order != theirs.register_order:
        mine, other = (", ".join(each.registers) for each in (ours, theirs))
        yield f"{before}order of classical registers: asked {mine}, recorded {other}"
    yield from compare(f"{before}classical bits", ours.clbits, theirs.clbits)
    yield from _operations(before, ours, theirs)
    yield from compare(f"{before}global phase", ours.phase, theirs.phase)
    yield from compare(f"{before}parameters", ours.parameters, theirs.parameters)
    yield from compare(f"{before}variables", ours.variables, theirs.variables)
    yield from _layouts(before, ours.layout, theirs.layout)


def _registers(
    before: str, ours: Mapping[str, tuple[int, ...]], theirs: Mapping[str, tuple[int, ...]]
) -> Iterator[str]:
    for name in sorted({*ours, *theirs}):
        mine, other = ours.get(name), theirs.get(name)
        if mine != other:
            line = f"{before}classical register {name}: asked {_bits(mine)}, recorded {_bits(other)}"
            counted = _COUNTED.fullmatch(name) and None in (mine, other)
            yield f"{line} (the process numbers registers without a name)" if counted else line


def _bits(bits: tuple[int, ...] | None) -> str:
    return "nothing" if bits is None else f"bits {_list(bits)}"


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


def _layouts(
    before: str, ours: tuple[tuple[int, int], ...] | None, theirs: tuple[tuple[int, int], ...] | None
) -> Iterator[str]:
    if ours is None or theirs is None or len(ours) != len(theirs):
        if ours != theirs:
            yield f"{before}layout: asked {_layout(ours)}, recorded {_layout(theirs)}"
        return
    for i, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        if mine != other:
            yield f"{before}layout of qubit {i}: asked {_moved(mine)}, recorded {_moved(other)}"


def _layout(layout: tuple[tuple[int, int], ...] | None) -> str:
    return "none" if layout is None else _count(len(layout), "qubit")


def _moved(places: tuple[int, int]) -> str:
    return f"{places[0]}, at the end {places[1]}"


def _operations(before: str, ours: Circuit, theirs: Circuit) -> Iterator[str]:
    pairs = zip(ours.operations, theirs.operations, strict=False)
    even = len(ours.operations) == len(theirs.operations)
    if even and all(_same_operation(mine, other) for mine, other in pairs):
        return
    mine, other = _replaced(ours, theirs) or _parting(ours, theirs)
    position = mine.position if mine else other.position if other else 0
    asked, recorded = _described(mine, ours), _described(other, theirs)
    where = f"{before}operation {position}"
    if mine and other and asked == recorded:
        yield from _inside(where, mine, other)
    else:
        yield f"{where}: asked {asked}, recorded {recorded}"
    if not even:
        yield from compare(f"{before}operations", len(ours.operations), len(theirs.operations))


def _inside(where: str, ours: Operation, theirs: Operation) -> Iterator[str]:
    """What differs in two operations that look the same at a glance."""
    where = f"{where} ({ours.name} on {_list(ours.qubits)})" if ours.qubits else f"{where} ({ours.name})"
    yield from compare(f"{where} parameter", ours.params, theirs.params)
    for key in sorted({*ours.details, *theirs.details}):
        mine, other = ours.details.get(key, ABSENT), theirs.details.get(key, ABSENT)
        yield from compare(f"{where} {key}", mine, other)


def _same_operation(ours: Operation, theirs: Operation) -> bool:
    return (
        (ours.name, ours.qubits, ours.clbits) == (theirs.name, theirs.qubits, theirs.clbits)
        and same(ours.params, theirs.params)
        and same(ours.details, theirs.details)
    )


def _parting(ours: Circuit, theirs: Circuit) -> _Pair:
    """The first operation that has another counterpart, or none, on one of its wires.

    Compared wire by wire, since one gate more or less shifts the order of all others.
    """
    found = []
    mine, other = _by_wire(ours), _by_wire(theirs)
    for wire in mine.keys() | other.keys():
        one, two = mine.get(wire, []), other.get(wire, [])
        for i in range(max(len(one), len(two))):
            pair = one[i] if i < len(one) else None, two[i] if i < len(two) else None
            if pair[0] is None or pair[1] is None or not _same_operation(pair[0], pair[1]):
                at = min(each.position for each in pair if each)
                found.append((at, pair[0] is None or pair[1] is None, wire, pair))
                break
    if not found:
        return _first_unequal(ours, theirs)
    return min(found, key=lambda each: each[:3])[3]


def _replaced(ours: Circuit, theirs: Circuit) -> _Pair | None:
    """The one place, in the order of submission, where two circuits differ, if there is one."""
    if len(ours.operations) != len(theirs.operations):
        return None
    mine, other = (sorted(each.operations, key=_position) for each in (ours, theirs))
    apart = [pair for pair in zip(mine, other, strict=True) if not _same_operation(*pair)]
    return apart[0] if len(apart) == 1 else None


def _position(operation: Operation) -> int:
    return operation.position


def _first_unequal(ours: Circuit, theirs: Circuit) -> _Pair:
    # Reached by circuits that differ in the order between wires of their conditions only.
    for mine, other in zip(ours.operations, theirs.operations, strict=True):
        if not _same_operation(mine, other):
            return mine, other
    return None, None


def _by_wire(circuit: Circuit) -> dict[str, list[Operation]]:
    wires: dict[str, list[Operation]] = {}
    for each in circuit.operations:
        names = [f"q{bit}" for bit in each.qubits] + [f"c{bit}" for bit in each.clbits]
        for wire in names or ["none"]:
            wires.setdefault(wire, []).append(each)
    return wires


def _described(operation: Operation | None, circuit: Circuit) -> str:
    if operation is None:
        return "nothing"
    angles = f"({', '.join(map(show, operation.params))})" if operation.params else ""
    text = f"{operation.name}{angles}"
    if operation.qubits:
        text += f" on {_list(operation.qubits)}"
    if operation.clbits:
        names = {
            bit: f"{name}[{i}]" for name, bits in circuit.registers.items() for i, bit in enumerate(bits)
        }
        text += " -> " + ", ".join(names.get(bit, f"clbit {bit}") for bit in operation.clbits)
    return text
