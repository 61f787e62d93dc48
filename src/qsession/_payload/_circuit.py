"""A circuit as physics: what is done to which bits, in an order that depends on nothing else."""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from qsession._payload import _values
from qsession._payload._decode import Unreadable
from qsession._payload._form import Circuit, Node, Operation
from qsession._payload._values import Where

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Bit, CircuitInstruction, Instruction
    from qiskit.circuit.controlflow import ControlFlowOp

# Definitions that contain each other can be exponentially larger than their file.
_MOST_OPERATIONS = 5_000_000
_DEEPEST = 30
_LONGEST_RANGE = 10_000
# A circuit made into a gate without a name is numbered by its process.
_COUNTED = re.compile(r"circuit-\d+")


def read_circuit(circuit: QuantumCircuit) -> Circuit:
    """The canonical form of a circuit.

    Left out are names and metadata of circuits, quantum registers, identities of
    parameters and variables, where idle ancillas lie, and the order of operations
    that share no bit.

    Raises:
        Unreadable: If it holds something whose meaning is not known here.
    """
    return _Reader().circuit(circuit, range(circuit.num_qubits), range(circuit.num_clbits))


def read_instructions(circuit: QuantumCircuit) -> tuple[Circuit, ...]:
    """Each operation of a circuit as a circuit of its own, on the bits of the device.

    A noise learner's circuit is a list: its order counts, and its bits are listed in an
    order that differs from process to process (observed in client 0.51), so they are known by
    the registers that they were taken from.

    Raises:
        Unreadable: If it holds something whose meaning is not known here.
    """
    qubits, clbits = _home(circuit.qubits), _home(circuit.clbits)
    order = [circuit.copy_empty_like() for _ in circuit.data]
    for alone, entry in zip(order, circuit.data, strict=True):
        alone.append(entry)
    return tuple(_Reader().circuit(alone, qubits, clbits) for alone in order)


def _home(bits: Sequence[Bit]) -> list[int]:
    """Places of bits in their register, where all are of one; else in the circuit."""
    places = [getattr(bit, "_index", None) for bit in bits]
    registers = {getattr(bit, "_register", None) for bit in bits}
    if len(registers) == 1 and None not in registers and None not in places:
        return [int(str(place)) for place in places]
    return list(range(len(bits)))


@dataclass(slots=True)
class _Reader:
    """One reading, with what it has spent so far."""

    left: int = _MOST_OPERATIONS
    depth: int = 0
    known: dict[int, tuple[QuantumCircuit, Circuit]] = field(default_factory=dict)

    def circuit(self, circuit: QuantumCircuit, qubits: Sequence[int], clbits: Sequence[int]) -> Circuit:
        """A circuit whose bits are these of the outermost one."""
        where: dict[object, int] = dict(zip(circuit.qubits, qubits, strict=True))
        where.update(zip(circuit.clbits, clbits, strict=True))
        self.left -= len(circuit.data)
        if self.left < 0:
            raise Unreadable(f"more than {_MOST_OPERATIONS} operations")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise Unreadable(f"blocks or definitions nested deeper than {_DEEPEST} levels")
        operations = [self._operation(each, i, where) for i, each in enumerate(circuit.data)]
        self.depth -= 1
        return Circuit(
            qubits=circuit.num_qubits,
            clbits=circuit.num_clbits,
            registers={each.name: tuple(where[bit] for bit in each) for each in circuit.cregs},
            phase=_values.phase(circuit.global_phase),
            parameters=tuple(each.name for each in circuit.parameters),
            variables=_variables(circuit),
            layout=_layout(circuit),
            operations=_ordered(operations),
        )

    def _operation(self, entry: CircuitInstruction, position: int, where: Where) -> _Placed:
        qubits = tuple([where[bit] for bit in entry.qubits])
        clbits = tuple([where[bit] for bit in entry.clbits])
        if entry.is_standard_gate():
            params = tuple([_values.parameter(each, where) for each in entry.params])
            details: dict[str, Node] = {"label": entry.label} if entry.label else {}
            return _Placed(Operation(entry.name, params, details, qubits, clbits, position))
        return self._special(entry, Operation("", (), {}, qubits, clbits, position), where)

    def _special(self, entry: CircuitInstruction, place: Operation, where: Where) -> _Placed:
        from qiskit.circuit import Barrier, Delay, Store
        from qiskit.circuit.controlflow import BreakLoopOp, ContinueLoopOp, ControlFlowOp

        operation = _built(entry)
        if operation is None:
            # Its unit is lost. Counted as seconds, since the tolerance for numbers near 0
            # would make 1 ns and 9 ns one.
            return _Placed(_filled(place, "delay", (_values.duration(entry.params[0], "s", where),)))
        if isinstance(operation, ControlFlowOp):
            return self._control_flow(operation, place, where)
        if isinstance(operation, Barrier | BreakLoopOp | ContinueLoopOp):
            return _Placed(_unordered(place, operation.name))
        if isinstance(operation, Delay):
            length = _values.duration(operation.params[0], operation.unit, where)
            return _Placed(_filled(place, "delay", (length,)))
        if isinstance(operation, Store):
            sides = tuple(_values.expression(each, where) for each in operation.params)
            touched = frozenset[object]().union(*(_values.reads(each) for each in operation.params))
            return _Placed(_filled(place, "store", sides), _wires(touched, where))
        return _Placed(self._gate(operation, place, where))

    def _gate(self, operation: Instruction, place: Operation, where: Where) -> Operation:
        name = _COUNTED.sub("circuit", operation.name)
        details: dict[str, Node] = {"label": operation.label} if operation.label else {}
        base = getattr(operation, "base_gate", None) or getattr(operation, "base_op", None)
        if base is not None:
            details["base"] = self._nested(base, where)
            details["controls"] = getattr(operation, "num_ctrl_qubits", None)
            details["control state"] = getattr(operation, "ctrl_state", None)
            details["modifiers"] = tuple(repr(each) for each in getattr(operation, "modifiers", ()))
            return _filled(place, name, (), details)
        if operation.name == "PauliEvolution":
            parts = operation.operator if isinstance(operation.operator, list) else [operation.operator]
            details["operators"] = tuple(_values.parameter(each, where) for each in parts)
        elif _is_custom(operation) and operation.definition is not None:
            details["definition"] = self._definition(operation.definition)
        params = tuple(_values.parameter(each, where) for each in operation.params)
        return _filled(place, name, params, details)

    def _nested(self, operation: Instruction, where: Where) -> Node:
        place = Operation("", (), {}, (), (), 0)
        inner = self._gate(operation, place, where)
        return (inner.name, inner.params, inner.details)

    def _definition(self, circuit: QuantumCircuit) -> Circuit:
        # The circuit is kept with its form: an address is only unique while its object lives.
        if id(circuit) not in self.known:
            form = self.circuit(circuit, range(circuit.num_qubits), range(circuit.num_clbits))
            self.known[id(circuit)] = (circuit, form)
        return self.known[id(circuit)][1]

    def _control_flow(self, operation: ControlFlowOp, place: Operation, where: Where) -> _Placed:
        details, touched = _header(operation, where)
        for number, block in enumerate(operation.blocks):
            # Blocks list their bits in an order of their own, so they are read with
            # the bits of the outermost circuit.
            details[f"block {number}"] = self.circuit(block, place.qubits, place.clbits)
            touched |= {each.name for each in block.iter_captured_vars()}
        placed = _unordered(place, operation.name)
        return _Placed(_filled(placed, operation.name, (), details), _wires(touched, where))


@dataclass(frozen=True, slots=True)
class _Placed:
    """An operation with the wires it touches beside the bits it lists."""

    operation: Operation
    wires: frozenset[str] = frozenset()


def _built(entry: CircuitInstruction) -> Instruction | None:
    """The operation of an entry; None for a delay of a fraction.

    QPY does not keep the unit of a delay, and qiskit then refuses to build one of,
    say, 1e-7 of the unit ``dt`` that it assumes (observed with qiskit 2.6).
    """
    from qiskit.circuit import CircuitError

    try:
        return entry.operation
    except CircuitError:
        if entry.name != "delay":
            raise
        return None


def _filled(
    place: Operation, name: str, params: tuple[Node, ...], details: Mapping[str, Node] | None = None
) -> Operation:
    return Operation(name, params, details or {}, place.qubits, place.clbits, place.position)


def _unordered(place: Operation, name: str) -> Operation:
    qubits, clbits = tuple(sorted(place.qubits)), tuple(sorted(place.clbits))
    return Operation(name, (), {}, qubits, clbits, place.position)


def _is_custom(operation: Instruction) -> bool:
    # Classes of qiskit's library are described by name and parameters; their
    # definitions change from release to release.
    from qiskit.circuit import ControlledGate, Gate, Instruction

    return type(operation) in (Instruction, Gate, ControlledGate)


def _header(operation: ControlFlowOp, where: Where) -> tuple[dict[str, Node], set[object]]:
    """What steers a control-flow operation, and what that reads."""
    from qiskit.circuit.controlflow import BoxOp, ForLoopOp, SwitchCaseOp

    if isinstance(operation, SwitchCaseOp):
        cases = tuple(tuple(map(_label, labels)) for labels, _ in operation.cases_specifier())
        steer: dict[str, Node] = {"target": _values.condition(operation.target, where), "cases": cases}
        return steer, set(_values.reads(operation.target))
    if isinstance(operation, ForLoopOp):
        indices, variable, _ = operation.params
        return {"indices": _indices(indices, where), "loop parameter": getattr(variable, "name", None)}, set()
    if isinstance(operation, BoxOp):
        kept = tuple((each.namespace, each.payload.hex()) for each in operation.annotations)
        length = _values.duration(operation.duration, operation.unit, where)
        return {"duration": length, "annotations": kept}, set()
    if not hasattr(operation, "condition"):
        raise Unreadable(f"control flow of kind {operation.name}")
    steer = {"condition": _values.condition(operation.condition, where)}
    return steer, set(_values.reads(operation.condition))


def _label(value: object) -> Node:
    return value if isinstance(value, bool | int) else "default"


def _indices(indices: object, where: Where) -> Node:
    if isinstance(indices, range) and len(indices) > _LONGEST_RANGE:
        return ("range", indices.start, indices.stop, indices.step)
    if isinstance(indices, range | list | tuple):
        return tuple(_values.parameter(each, where) for each in indices)
    return _values.parameter(indices, where)


def _wires(touched: frozenset[object] | set[object], where: Where) -> frozenset[str]:
    return frozenset(f"c{where[each]}" if each in where else f"v{each}" for each in touched)


def _variables(circuit: QuantumCircuit) -> dict[str, Node]:
    kinds = {
        "input": circuit.iter_input_vars(),
        "captured": circuit.iter_captured_vars(),
        "declared": circuit.iter_declared_vars(),
        "captured stretch": circuit.iter_captured_stretches(),
        "stretch": circuit.iter_declared_stretches(),
    }
    return {each.name: (kind, repr(each.type)) for kind, found in kinds.items() for each in found}


def _layout(circuit: QuantumCircuit) -> tuple[tuple[int, int], ...] | None:
    """Physical qubit at the start and at the end of each virtual qubit of the user's circuit.

    Ancillas are left out: they are listed in no fixed order and hold nothing.
    """
    layout = circuit.layout
    if layout is None or layout.initial_layout is None:
        return None
    virtual = layout.initial_layout.get_virtual_bits()
    count = getattr(layout, "_input_qubit_count", None)
    first = {layout.input_qubit_mapping[bit]: physical for bit, physical in virtual.items()}
    used = sorted(first) if count is None else range(count)
    last: dict[int, int] = {}
    if layout.final_layout is not None:
        moved = layout.final_layout.get_virtual_bits()
        last = {i: moved[bit] for i, bit in enumerate(circuit.qubits) if bit in moved}
    return tuple((first[i], last.get(first[i], first[i])) for i in used)


def _ordered(placed: Sequence[_Placed]) -> tuple[Operation, ...]:
    """The topological order that takes the operation on the lowest bits first.

    Operations that are free to go at the same moment share no wire, so their bits
    alone order them and the outcome does not depend on where they stood.
    """
    followers, waiting = _edges(placed)
    ready = [(_key(each), i) for i, each in enumerate(placed) if not waiting[i]]
    heapq.heapify(ready)
    order: list[Operation] = []
    while ready:
        _, i = heapq.heappop(ready)
        order.append(placed[i].operation)
        for after in followers[i]:
            waiting[after] -= 1
            if not waiting[after]:
                heapq.heappush(ready, (_key(placed[after]), after))
    return tuple(order)


def _edges(placed: Sequence[_Placed]) -> tuple[list[list[int]], list[int]]:
    last: dict[str | int, int] = {}
    followers: list[list[int]] = [[] for _ in placed]
    waiting = [0] * len(placed)
    for i, each in enumerate(placed):
        operation = each.operation
        wires: set[str | int] = {*operation.qubits, *(f"c{bit}" for bit in operation.clbits), *each.wires}
        before = {last[wire] for wire in wires if wire in last}
        for one in before:
            followers[one].append(i)
        waiting[i] = len(before)
        last.update(dict.fromkeys(wires, i))
    return followers, waiting


_Key = tuple[tuple[int, ...], tuple[int, ...], tuple[str, ...], str, str]


def _key(placed: _Placed) -> _Key:
    operation = placed.operation
    wireless = not (operation.qubits or operation.clbits or placed.wires)
    # Only operations on nothing at all, such as a global phase, can stand equal here.
    tie = repr(operation.params) if wireless else ""
    return operation.qubits, operation.clbits, tuple(sorted(placed.wires)), operation.name, tie
