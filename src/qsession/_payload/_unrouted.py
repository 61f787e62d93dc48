"""Whether two circuits are one circuit that was laid out and routed in two ways.

Each is pulled back through its own layout: qubits of the device become those of the circuit
that was transpiled, at the start and at the end. What is left must be the same operation, up to
a global phase, on every state of those qubits, with the other qubits in 0 before and after.
Clifford circuits are compared by their tableaux, which decides. Others are compared by what
they do to two states drawn at random, which two unitaries that differ map to the same with
probability 0; symbolic angles stand at three points each, and agree everywhere if they agree
there, with the same certainty, since they are analytic. The states and points are fixed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from qsession._payload._form import Circuit, Formula, Node, Operation, Tensor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from qiskit.circuit import Gate
    from qiskit.quantum_info import Clifford

    Matrix = npt.NDArray[np.complex128]

MOST_QUBITS = 12
"""Qubits of the circuit that was transpiled and that something acts on, unless all gates are Clifford."""

TOLERANCE = 1e-6
"""By how much amplitudes may differ, in units of their mean: an angle that is off by 1e-5 is found."""

_MOST_PLACES = 18
_STATES = 2
_SEED = 20260415
_QUARTER_TURN = 1e-9


class Undecided(Exception):
    """What keeps two circuits from being compared; the message says it."""


@dataclass(frozen=True, slots=True)
class _Pulled:
    """A circuit with the layout through which it is pulled back.

    Attributes:
        gates: Its operations but for barriers and final measurements.
        measured: Classical bit by place on the device.
        first: Place of each qubit at the start.
        last: Place of each qubit at the end.
        busy: Places that something acts on.
    """

    gates: tuple[Operation, ...]
    measured: Mapping[int, int]
    first: tuple[int, ...]
    last: tuple[int, ...]
    busy: frozenset[int]

    def busy_qubits(self) -> set[int]:
        ends = enumerate(zip(self.first, self.last, strict=True))
        return {i for i, places in ends if not self.busy.isdisjoint(places) or places[0] != places[1]}


def apart(ours: Circuit, theirs: Circuit) -> str:
    """Why two circuits are not one circuit, laid out and routed in two ways.

    Args:
        ours: What was asked.
        theirs: What was recorded.

    Returns:
        Nothing if they are; else a few words.
    """
    try:
        return _apart(ours, theirs)
    except Undecided as reason:
        return f"cannot be decided: {reason}"


def pulled_back(label: str, circuit: Circuit) -> str:
    """A Pauli label of the device on the qubits of the circuit that was transpiled.

    The qubits beside them are in 0 when it is measured, as `apart` makes sure, each like the other:
    of what the label says of those only the letters count.

    Raises:
        Undecided: If there is no layout.
    """
    places = {last: i for i, (_, last) in enumerate(_layout(circuit))}
    touched = [(place, letter) for place, letter in enumerate(reversed(label)) if letter != "I"]
    named = sorted((places[place], letter) for place, letter in touched if place in places)
    beside = sorted(letter for place, letter in touched if place not in places)
    return " ".join([*(f"{letter}{qubit}" for qubit, letter in named), "".join(beside)]).strip() or "I"


def _apart(ours: Circuit, theirs: Circuit) -> str:
    mine, other = _pulled(ours), _pulled(theirs)
    if len(mine.first) != len(other.first):
        return f"asked {len(mine.first)} qubits before the layout, recorded {len(other.first)}"
    for what in ("registers", "register_order", "clbits", "parameters"):
        if getattr(ours, what) != getattr(theirs, what):
            return f"the {what.replace('_', ' ')} differ"
    if difference := _measurements(mine, other):
        return difference
    qubits = sorted(mine.busy_qubits() | other.busy_qubits())
    if _clifford(mine, qubits) and _clifford(other, qubits):
        same = _tableau(mine, qubits) == _tableau(other, qubits)
    else:
        same = _same_action(mine, other, qubits)
    return "" if same else "the gates do something else"


def _layout(circuit: Circuit) -> tuple[tuple[int, int], ...]:
    if circuit.layout is None:
        raise Undecided("a circuit came without the layout that the transpiler gives it")
    return circuit.layout


def _pulled(circuit: Circuit) -> _Pulled:
    layout = _layout(circuit)
    if circuit.variables:
        raise Undecided("classical variables")
    gates: list[Operation] = []
    measured: dict[int, int] = {}
    for each in circuit.operations:
        if each.name in ("barrier", "global_phase"):
            continue
        if not each.qubits:
            raise Undecided(f"the operation {each.name}")
        if busy := measured.keys() & set(each.qubits):
            raise Undecided(f"{each.name} on qubit {min(busy)} after its measurement")
        if each.name == "measure":
            if each.clbits[0] in measured.values():
                raise Undecided("two measurements into one bit")
            measured[each.qubits[0]] = each.clbits[0]
        else:
            gates.append(each)
    busy_places = frozenset(place for each in gates for place in each.qubits) | measured.keys()
    first, last = zip(*layout, strict=True) if layout else ((), ())
    return _Pulled(tuple(gates), measured, first, last, busy_places)


def _measurements(ours: _Pulled, theirs: _Pulled) -> str:
    mine, other = _bits(ours), _bits(theirs)
    for qubit in sorted(mine.keys() | other.keys()):
        if mine.get(qubit) != other.get(qubit):
            return f"the measurement of qubit {qubit} differs"
    return ""


def _bits(pulled: _Pulled) -> dict[int, int]:
    qubits = {place: i for i, place in enumerate(pulled.last)}
    if outside := sorted(pulled.measured.keys() - qubits.keys()):
        raise Undecided(f"a measurement of qubit {outside[0]}, which is none of the layout")
    return {qubits[place]: bit for place, bit in pulled.measured.items()}


def _places(pulled: _Pulled, qubits: Sequence[int]) -> list[int]:
    """Places on the device that a comparison has to hold."""
    ends = {place for i in qubits for place in (pulled.first[i], pulled.last[i])}
    return sorted(pulled.busy | ends)


# Clifford circuits


def _clifford(pulled: _Pulled, qubits: Sequence[int]) -> Clifford | None:
    """The tableau of a circuit on its places, None if a gate is not Clifford."""
    from qiskit import QuantumCircuit
    from qiskit.exceptions import QiskitError
    from qiskit.quantum_info import Clifford

    index = {place: i for i, place in enumerate(_places(pulled, qubits))}
    circuit = QuantumCircuit(len(index))
    for each in pulled.gates:
        if each.details or any(isinstance(param, Formula) for param in each.params):
            return None
        try:
            circuit.append(_gate(each, 0, _quarter_turns), [index[place] for place in each.qubits])
        except Undecided:
            return None
    try:
        return Clifford(circuit)
    except QiskitError:
        return None


def _quarter_turns(angle: float) -> float:
    # qiskit takes some gates for Clifford whose angle is off by 1e-5 (observed with 2.6).
    exact = round(angle / (math.pi / 2)) * math.pi / 2
    if abs(angle - exact) > _QUARTER_TURN:
        raise Undecided(f"an angle of {angle}")
    return exact


_Rows = list[tuple[tuple[bool, ...], tuple[bool, ...], bool]]


def _tableau(pulled: _Pulled, qubits: Sequence[int]) -> _Rows:
    """What becomes of X and Z of each qubit, on the qubits."""
    table = _clifford(pulled, qubits)
    assert table is not None
    places = _places(pulled, qubits)
    index = {place: i for i, place in enumerate(places)}
    first, last = ([index[ends[i]] for i in qubits] for ends in (pulled.first, pulled.last))
    beside = [i for i in range(len(places)) if i not in last]
    for start in (i for i in range(len(places)) if i not in first):
        touched = table.stab_x[start].any() or table.stab_z[start][last].any() or table.stab_phase[start]
        if touched:
            raise Undecided("a qubit beside the layout does not end in 0")
    rows: _Rows = []
    for x, z, sign in (
        (table.destab_x, table.destab_z, table.destab_phase),
        (table.stab_x, table.stab_z, table.stab_phase),
    ):
        for place in first:
            if x[place][beside].any():
                raise Undecided("a qubit beside the layout does not end in 0")
            # Z of a qubit in 0 changes nothing.
            rows.append((tuple(x[place][last].tolist()), tuple(z[place][last].tolist()), bool(sign[place])))
    return rows


# All others


def _same_action(ours: _Pulled, theirs: _Pulled, qubits: Sequence[int]) -> bool:
    import numpy as np

    places = max(len(_places(each, qubits)) for each in (ours, theirs))
    if len(qubits) > MOST_QUBITS or places > _MOST_PLACES:
        raise Undecided(
            f"{len(qubits)} qubits on {places} of the device are in use; up to {MOST_QUBITS} on "
            f"{_MOST_PLACES} are compared, more only where every gate is Clifford"
        )
    angles = (param for each in (*ours.gates, *theirs.gates) for param in each.params)
    turns = max((len(param.samples) for param in angles if isinstance(param, Formula)), default=1)
    for turn in range(turns):
        mine, other = (_acted(each, qubits, turn) for each in (ours, theirs))
        overlap = np.vdot(other, mine)
        if not abs(overlap):
            return False
        distance = np.abs(mine - other * (overlap / abs(overlap))).max()
        if distance * math.sqrt(mine.size / _STATES) > TOLERANCE:
            return False
    return True


def _acted(pulled: _Pulled, qubits: Sequence[int], turn: int) -> Matrix:
    """What a circuit makes of the fixed random states of its qubits."""
    import numpy as np

    places = _places(pulled, qubits)
    index = {place: i for i, place in enumerate(places)}
    draw = np.random.default_rng(_SEED)
    shape = (*[2] * len(qubits), _STATES)
    start = draw.standard_normal(shape) + 1j * draw.standard_normal(shape)
    start /= math.sqrt(np.vdot(start, start).real / _STATES)
    first, last = ([index[ends[i]] for i in qubits] for ends in (pulled.first, pulled.last))
    state = np.zeros((*[2] * len(places), _STATES), complex)
    state[_zero_beside(first, len(places))] = start.transpose(*_order(first), len(qubits))
    state = _run(state, pulled.gates, index, turn)
    end: Matrix = state[_zero_beside(last, len(places))]
    if abs(np.vdot(end, end).real / _STATES - 1) > TOLERANCE:
        raise Undecided("a qubit beside the layout does not end in 0")
    return end.transpose(*np.argsort(_order(last)).tolist(), len(qubits))


def _zero_beside(kept: Sequence[int], count: int) -> tuple[slice | int, ...]:
    return tuple(slice(None) if i in kept else 0 for i in range(count))


def _order(axes: Sequence[int]) -> list[int]:
    """Which qubit stands at each of some axes, in the order of the axes."""
    return sorted(range(len(axes)), key=lambda i: axes[i])


def _run(state: Matrix, gates: Sequence[Operation], index: Mapping[int, int], turn: int) -> Matrix:
    """Apply gates; those on one qubit wait for the next on two, which saves most of the time."""
    import numpy as np

    waiting: dict[int, Matrix] = {}
    for each in gates:
        axes = [index[place] for place in each.qubits]
        if "definition" in each.details:
            state = _flush(state, waiting)
            state = _defined(state, each, axes, turn)
            continue
        matrix = _matrix(each, turn)
        if len(axes) == 1:
            waiting[axes[0]] = matrix @ waiting.get(axes[0], np.eye(2, dtype=complex))
        elif axes:
            for i, axis in enumerate(axes):
                if (before := waiting.pop(axis, None)) is not None:
                    matrix = matrix @ _widened(before, i, len(axes))
            state = _applied(state, matrix, axes)
    return _flush(state, waiting)


def _flush(state: Matrix, waiting: dict[int, Matrix]) -> Matrix:
    for axis, matrix in waiting.items():
        state = _applied(state, matrix, [axis])
    waiting.clear()
    return state


def _defined(state: Matrix, operation: Operation, axes: Sequence[int], turn: int) -> Matrix:
    inner = operation.details["definition"]
    if not isinstance(inner, Circuit) or operation.details.keys() != {"definition"} or inner.variables:
        raise Undecided(f"the gate {operation.name}")
    return _run(state, inner.operations, dict(enumerate(axes)), turn)


def _widened(matrix: Matrix, position: int, count: int) -> Matrix:
    import numpy as np

    # The first qubit of a gate is the last factor of its matrix (qiskit's order).
    left, right = np.eye(2 ** (count - position - 1)), np.eye(2**position)
    return np.asarray(np.kron(np.kron(left, matrix), right), complex)


def _applied(state: Matrix, matrix: Matrix, axes: Sequence[int]) -> Matrix:
    import numpy as np

    count = len(axes)
    order = list(reversed(axes))
    turned = np.tensordot(matrix.reshape([2] * 2 * count), state, axes=(range(count, 2 * count), order))
    moved: Matrix = np.moveaxis(turned, range(count), order)
    return moved


def _matrix(operation: Operation, turn: int) -> Matrix:
    if operation.name == "unitary" and not operation.details:
        (content,) = operation.params
        if isinstance(content, Tensor):
            return content.values.astype(complex)
    matrix: Matrix = _gate(operation, turn, float).to_matrix()
    return matrix


def _gate(operation: Operation, turn: int, angle: Callable[[float], float]) -> Gate:
    """A gate of qiskit's library with numbers for angles.

    Raises:
        Undecided: If it is none.
    """
    kind = _standard_gates().get(operation.name)
    if kind is None or operation.details or operation.clbits:
        raise Undecided(f"the operation {operation.name}")
    return kind(*(angle(_number(each, turn, operation.name)) for each in operation.params))


def _number(param: Node, turn: int, name: str) -> float:
    if isinstance(param, Formula) and not param.analytic:
        raise Undecided(f"a parameter of {name} that is no analytic function")
    value = param.samples[turn] if isinstance(param, Formula) else param
    if isinstance(value, complex) and not value.imag:
        value = value.real
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Undecided(f"a parameter of {name}")
    return float(value)


@lru_cache(maxsize=1)
def _standard_gates() -> Mapping[str, type[Gate]]:
    from qiskit.circuit import Gate
    from qiskit.circuit.library import get_standard_gate_name_mapping

    return {
        name: type(each) for name, each in get_standard_gate_name_mapping().items() if isinstance(each, Gate)
    }
