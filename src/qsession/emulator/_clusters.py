"""A circuit taken apart into clusters of qubits that never meet, and lone qubits solved at once.

A circuit that twirls or measures all qubits of a device acts on each of them, and
entangles few. Clusters are simulated one by one; a qubit that sees nothing but
rotations and its measurement needs no simulator at all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qiskit.circuit import CircuitInstruction, ControlFlowOp, Parameter, ParameterExpression, QuantumCircuit

from qsession.emulator._circuits import Reduced
from qsession.emulator._devices import Device
from qsession.emulator._errors import errors

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]

_WHOLE_QUBITS = 10
_TURNS = {"sx": math.pi / 2, "sxdg": -math.pi / 2, "x": math.pi, "z": math.pi}
_ABOUT_Z = frozenset({"rz", "z"})
_ROTATIONS = frozenset({"rz", "rx", "id", *_TURNS})


@dataclass(frozen=True, slots=True)
class Cluster:
    """Qubits that meet each other, and what happens to them.

    Attributes:
        small: Their part of the circuit.
        clbits: Index in the whole circuit of each of its classical bits.
    """

    small: Reduced
    clbits: tuple[int, ...]

    @property
    def is_lone(self) -> bool:
        """Whether it is one qubit under rotations, measured once and last."""
        *before, last = self.small.circuit.data
        return (
            self.small.circuit.num_qubits == 1
            and last.operation.name == "measure"
            and all(_is_rotation(item) for item in before)
        )


def _is_rotation(item: CircuitInstruction) -> bool:
    return item.operation.name in _ROTATIONS and all(
        isinstance(angle, Parameter) or not isinstance(angle, ParameterExpression)
        for angle in item.operation.params
    )


def clusters(small: Reduced) -> list[Cluster]:
    """The clusters of a reduced circuit that hold classical bits.

    A small circuit stays whole, and so does one whose course depends on its bits.
    """
    circuit = small.circuit
    whole = [Cluster(small, tuple(range(circuit.num_clbits)))]
    if circuit.num_qubits <= _WHOLE_QUBITS or circuit.num_vars or any(map(_is_classical, circuit.data)):
        return whole
    groups = _groups(circuit)
    if len(groups) == 1:
        return whole
    physical = {n: qubit for qubit, n in small.positions.items()}
    return [_cluster(circuit, group, physical) for group in groups if any(i.clbits for i in group)]


def _is_classical(item: CircuitInstruction) -> bool:
    return isinstance(item.operation, ControlFlowOp) or item.operation.name == "store"


def _groups(circuit: QuantumCircuit) -> list[list[CircuitInstruction]]:
    # Union by bits: classical ones too, since two writes to a bit belong in one order.
    leader: dict[object, object] = {}

    def find(bit: object) -> object:
        while leader.setdefault(bit, bit) is not bit:
            leader[bit] = bit = leader[leader[bit]]
        return bit

    for item in circuit.data:
        bits = [*item.qubits, *item.clbits]
        for other in bits[1:]:
            leader[find(other)] = find(bits[0])
    found: dict[object, list[CircuitInstruction]] = {}
    for item in circuit.data:
        found.setdefault(find(item.qubits[0]), []).append(item)
    return list(found.values())


def _cluster(
    circuit: QuantumCircuit, group: Sequence[CircuitInstruction], physical: Mapping[int, int]
) -> Cluster:
    qubits = _places(circuit, (bit for item in group for bit in item.qubits))
    clbits = _places(circuit, (bit for item in group for bit in item.clbits))
    part = QuantumCircuit([circuit.qubits[i] for i in qubits], [circuit.clbits[i] for i in clbits])
    for item in group:
        part.append(item)
    positions = {physical[place]: n for n, place in enumerate(qubits)}
    return Cluster(Reduced(part, positions), tuple(clbits))


def _places(circuit: QuantumCircuit, bits: Iterable[object]) -> list[int]:
    return sorted({circuit.find_bit(bit).index for bit in bits})


def lone_bits(
    cluster: Cluster,
    columns: Mapping[Parameter, Floats],
    size: tuple[int, int],
    seed: int,
    noisy: Device | None,
) -> Bits:
    """Measured bits of a lone qubit.

    Its state is a vector in the Bloch ball, which rotations turn and depolarizing
    errors shrink, so the chance of a 1 is known for all parameter values at once.

    Args:
        cluster: A lone qubit.
        columns: Values of each parameter.
        size: Number of parameter values, and shots of each.
        seed: Decides every shot.
        noisy: The backend whose errors count; None for none.
    """
    x, y, z = (np.full(size[0], start) for start in (0.0, 0.0, 1.0))
    (qubit,) = cluster.small.positions
    for item in cluster.small.circuit.data[:-1]:
        name = item.operation.name
        angle = _angle(item, columns)
        turn, lean = np.cos(angle), np.sin(angle)
        if name in _ABOUT_Z:
            x, y = x * turn - y * lean, x * lean + y * turn
            continue
        y, z = y * turn - z * lean, y * lean + z * turn
        if noisy is not None:
            kept = 1 - 2 * errors(noisy).of(name, (qubit,))
            x, y, z = kept * x, kept * y, kept * z
    chance = (1 - z) / 2
    if noisy is not None:
        up, down = errors(noisy).readout[qubit]
        chance = (1 - chance) * up + chance * (1 - down)
    draws = np.random.default_rng(seed).random(size)
    found: Bits = draws < chance[:, None]
    return found


def _angle(item: CircuitInstruction, columns: Mapping[Parameter, Floats]) -> Floats:
    if not item.operation.params:
        return np.asarray(_TURNS.get(item.operation.name, 0.0))
    (given,) = item.operation.params
    return columns[given] if isinstance(given, Parameter) else np.asarray(float(given))
