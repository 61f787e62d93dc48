"""The layers of two-qubit gates in circuits, as a noise learner collects them. Imports qiskit.

By the client's documentation: gates are collected into independent layers, barriers
are obeyed, each layer is twirled on the qubits that the strategy says, and layers are
learned in the order of how often they occur, those with more gates first. How gates
that could belong to two layers are dealt out is not documented: here each goes into
the earliest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from qiskit.circuit import ControlFlowOp, Operation, QuantumCircuit

Strategy = Literal["active", "active-circuit", "active-accum", "all"]
STRATEGIES: tuple[Strategy, ...] = ("active", "active-circuit", "active-accum", "all")

# Two-qubit gates that Pauli twirling goes through.
_CLIFFORD_PAIRS = frozenset({"cx", "cz", "ecr"})

Place = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Layer:
    """Two-qubit gates at one time.

    Attributes:
        gates: Name and qubits of each, sorted.
        qubits: The qubits that are twirled, sorted.
        operations: The gates themselves, in the order of ``gates``.
    """

    gates: tuple[Place, ...]
    qubits: tuple[int, ...]
    operations: tuple[Operation, ...] = field(compare=False, repr=False)

    def circuit(self) -> QuantumCircuit:
        """The layer as a circuit on its twirled qubits alone."""
        # A name of its own: the default one counts the circuits of the process.
        found = QuantumCircuit(len(self.qubits), name="layer")
        for (_, places), operation in zip(self.gates, self.operations, strict=True):
            found.append(operation, [self.qubits.index(place) for place in places])
        return found


def unique_layers(circuits: Iterable[QuantumCircuit], strategy: Strategy, most: int | None) -> list[Layer]:
    """The layers to learn, the most frequent first.

    Args:
        circuits: Circuits on physical qubits.
        strategy: Which qubits are twirled in a layer.
        most: How many layers at most; None for all.
    """
    counts: dict[Layer, int] = {}
    for circuit in circuits:
        for layer in _layers(circuit, strategy):
            counts[layer] = counts.get(layer, 0) + 1
    # Sorting is stable, so that equals stay in the order of the circuits.
    found = sorted(counts, key=lambda layer: (-counts[layer], -len(layer.gates)))
    return found if most is None else found[:most]


def _layers(circuit: QuantumCircuit, strategy: Strategy) -> Iterator[Layer]:
    collected = _collected(circuit)
    active = [{place for (_, places), _ in gates for place in places} for gates in collected]
    for number, gates in enumerate(collected):
        ordered = sorted(gates, key=lambda gate: gate[0])
        places, operations = [gate[0] for gate in ordered], [gate[1] for gate in ordered]
        qubits = _twirled(strategy, active, number, circuit.num_qubits)
        yield Layer(tuple(places), tuple(sorted(qubits)), tuple(operations))


def _twirled(strategy: Strategy, active: Sequence[set[int]], number: int, width: int) -> set[int]:
    if strategy == "all":
        return set(range(width))
    first = {"active": number, "active-accum": 0, "active-circuit": 0}[strategy]
    last = len(active) if strategy == "active-circuit" else number + 1
    return set().union(*active[first:last])


def _collected(circuit: QuantumCircuit) -> list[list[tuple[Place, Operation]]]:
    layers: list[list[tuple[Place, Operation]]] = []
    free = [0] * circuit.num_qubits
    for item in circuit.data:
        places = tuple(circuit.find_bit(qubit).index for qubit in item.qubits)
        if not places:
            continue
        earliest, name = max(free[place] for place in places), item.operation.name
        if len(places) == 1 and name != "barrier":
            continue
        if name in _CLIFFORD_PAIRS and not isinstance(item.operation, ControlFlowOp):
            if earliest == len(layers):
                layers.append([])
            layers[earliest].append(((name, places), item.operation))
            earliest += 1
        for place in places:
            free[place] = earliest
    return layers
