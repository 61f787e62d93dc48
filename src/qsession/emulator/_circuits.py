"""Circuits as the emulator needs them: small, checked against a device, and named.

Imports qiskit; only rooms that run a job import this.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from qiskit.circuit import (
    CircuitInstruction,
    Clbit,
    ControlFlowOp,
    ParameterExpression,
    QuantumCircuit,
    Qubit,
)
from qiskit.converters import circuit_to_dag

from qsession.emulator._devices import ANYWHERE, Device

_WITHOUT_EFFECT = frozenset({"barrier", "delay"})


@dataclass(frozen=True, slots=True)
class Reduced:
    """A circuit on the qubits that matter.

    Attributes:
        circuit: Does the same to the classical bits.
        positions: Index of each kept qubit in it, by index in the circuit submitted.
        idle: Classical bit and qubit, by index in the circuit submitted, of each
            measurement of a qubit that was not kept.
    """

    circuit: QuantumCircuit
    positions: dict[int, int]
    idle: tuple[tuple[int, int], ...] = ()


def reduced(circuit: QuantumCircuit) -> Reduced:
    """Drop the qubits that stay in their ground state, and what only takes time.

    A qubit that is measured and nothing else gives 0, which its classical bit holds
    already, so a measurement of all 156 qubits of a device costs no more than the
    circuit before it.

    Args:
        circuit: The circuit as submitted.
    """
    index = {qubit: i for i, qubit in enumerate(circuit.qubits)}
    kept = sorted({index[q] for q in _active(circuit)})
    qubits = {circuit.qubits[i]: Qubit() for i in kept}
    small = QuantumCircuit(list(qubits.values()), circuit.clbits, global_phase=circuit.global_phase)
    for register in circuit.cregs:
        small.add_register(register)
    for variable in circuit.iter_declared_vars():
        small.add_uninitialized_var(variable)
    for instruction in _effective(circuit):
        if all(qubit in qubits for qubit in instruction.qubits):
            places = [qubits[qubit] for qubit in instruction.qubits]
            small.append(CircuitInstruction(instruction.operation, places, instruction.clbits))
    clbits = {clbit: i for i, clbit in enumerate(circuit.clbits)}
    idle = tuple(
        (clbits[item.clbits[0]], index[item.qubits[0]])
        for item in _effective(circuit)
        if item.operation.name == "measure" and item.qubits[0] not in qubits
    )
    return Reduced(small, {i: n for n, i in enumerate(kept)}, idle)


def _effective(circuit: QuantumCircuit) -> Iterator[CircuitInstruction]:
    return (item for item in circuit.data if item.operation.name not in _WITHOUT_EFFECT)


def _active(circuit: QuantumCircuit) -> Iterator[Qubit]:
    written = Counter(bit for item in _effective(circuit) for bit in item.clbits)
    for item in _effective(circuit):
        # A second write to a bit must happen, even of a sure 0.
        again = any(written[bit] > 1 for bit in item.clbits)
        if item.operation.name != "measure" or again:
            yield from item.qubits


def instructions(
    circuit: QuantumCircuit, places: Sequence[int]
) -> Iterator[tuple[CircuitInstruction, tuple[int, ...]]]:
    """Every instruction, those in blocks of control flow included, with its qubits.

    Args:
        circuit: A circuit or a block.
        places: Index on the device of each of its qubits.
    """
    index = {qubit: places[i] for i, qubit in enumerate(circuit.qubits)}
    for item in circuit.data:
        at = tuple(index[qubit] for qubit in item.qubits)
        yield item, at
        if isinstance(item.operation, ControlFlowOp):
            for block in item.operation.blocks:
                yield from instructions(block, at)


def foreign_instruction(circuit: QuantumCircuit, device: Device) -> str | None:
    """What the device would not take, in words; None if it takes the whole circuit."""
    if circuit.num_qubits > device.n_qubits:
        return f"The circuit has {circuit.num_qubits} qubits, {device.name} has {device.n_qubits}."
    for item, places in instructions(circuit, range(circuit.num_qubits)):
        if isinstance(item.operation, ControlFlowOp) and item.operation.name in device.supported:
            continue
        if reason := foreign_place(item.operation.name, places, device):
            return reason
    return None


def foreign_place(name: str, places: tuple[int, ...], device: Device) -> str | None:
    """Why the device would not take one instruction there, in words; None if it would."""
    allowed = device.places.get(name, frozenset())
    if name in ANYWHERE or (name in device.supported and (not allowed or places in allowed)):
        return None
    if name in {"store", "break_loop", "continue_loop"}:
        return None
    where = ", ".join(map(str, places))
    return f"The instruction {name} on qubits ({where}) is not supported by {device.name}."


def canonical(circuit: QuantumCircuit) -> str:
    """What the circuit does, as a digest.

    Two transpilations of one circuit differ in the bytes of their layout and in the
    ids of their parameters; this does not.
    """
    return hashlib.sha256("\n".join(_lines(circuit)).encode()).hexdigest()


def _lines(circuit: QuantumCircuit) -> Iterator[str]:
    qubits = {bit: i for i, bit in enumerate(circuit.qubits)}
    clbits: dict[Clbit, int] = {bit: i for i, bit in enumerate(circuit.clbits)}
    yield f"{circuit.num_qubits} {circuit.num_clbits}"
    yield from (f"{r.name} {[clbits[bit] for bit in r]}" for r in circuit.cregs)
    for node in circuit_to_dag(circuit).topological_op_nodes():
        at = [qubits[q] for q in node.qargs], [clbits[c] for c in node.cargs]
        yield f"{node.op.name} {at} {[_value(p) for p in _parameters(node.op.params)]}"
        if isinstance(node.op, ControlFlowOp):
            for block in node.op.blocks:
                yield from (f"  {line}" for line in _lines(block))


def _parameters(parameters: Iterable[object]) -> Iterator[object]:
    return (p for p in parameters if not isinstance(p, QuantumCircuit))


def _value(parameter: object) -> str:
    if isinstance(parameter, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(parameter).tobytes()).hexdigest()
    if isinstance(parameter, int | float | ParameterExpression):
        return str(parameter)
    return type(parameter).__name__
