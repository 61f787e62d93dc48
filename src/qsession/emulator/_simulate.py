"""Runs circuits on Aer: ideal, seeded, on the qubits that matter.

Imports qiskit and qiskit-aer; only rooms that run a job import this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qiskit.circuit import ControlFlowOp, QuantumCircuit
from qiskit.primitives.containers import BitArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Pauli, SparseObservable
from qiskit.result import Result
from qiskit_aer import AerSimulator

from qsession.emulator._circuits import Reduced, instructions, reduced

DENSE_QUBITS = 22
"""A state vector of 22 qubits takes 64 MiB and some 20 ms a gate on one core."""

BOND_BITS = 9
"""A matrix product state of bond dimension 2**9 stays exact and takes seconds."""

_DYNAMIC_SHOTS = 4096

Floats = npt.NDArray[np.float64]


class CannotSimulate(Exception):
    """The circuit is too large and too entangled for a simulator to be exact."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expectation values of a PUB.

    Attributes:
        evs: Estimated values, of the PUB's shape.
        stds: Their standard errors.
    """

    evs: Floats
    stds: Floats


def sample(pub: SamplerPub, seed: int) -> dict[str, BitArray]:
    """Counts of a sampler PUB.

    Args:
        pub: Circuit, parameter values of any shape, shots.
        seed: Decides every shot.

    Returns:
        For each classical register its bits, of shape ``pub.shape``.

    Raises:
        CannotSimulate: If no exact method is fast enough.
    """
    small = reduced(pub.circuit).circuit
    bits = [_bits(memory, small) for memory in _memories(pub, small, seed)]
    stacked = np.array(bits, dtype=bool).reshape(*pub.shape, pub.shots, small.num_clbits)
    position = {bit: i for i, bit in enumerate(small.clbits)}
    return {
        register.name: _packed(stacked[..., [position[bit] for bit in register]]) for register in small.cregs
    }


def _memories(pub: SamplerPub, small: QuantumCircuit, seed: int) -> list[list[str]]:
    if not small.num_clbits or not _measures(small):
        return [["0x0"] * pub.shots] * pub.parameter_values.size
    if not (circuits := _bound(pub, small)):
        return []
    result = _run(circuits, seed, shots=pub.shots, memory=True)
    return [result.data(i)["memory"] for i in range(len(circuits))]


def _measures(circuit: QuantumCircuit) -> bool:
    # Registers may be written by control flow alone, and by store.
    return any(item.clbits or item.operation.name == "store" for item in circuit.data)


def _bound(pub: SamplerPub | EstimatorPub, small: QuantumCircuit) -> list[QuantumCircuit]:
    # Values go by the names and order of the submitted circuit; the reduced one may
    # have lost a parameter with the qubit or instruction that carried it.
    names = list(pub.circuit.parameters)
    rows = pub.parameter_values.as_array(names).reshape(pub.parameter_values.size, len(names))
    return [
        small.assign_parameters({p: v for p, v in zip(names, row, strict=True) if p in small.parameters})
        for row in rows
    ]


def _bits(memory: Sequence[str], circuit: QuantumCircuit) -> npt.NDArray[np.bool_]:
    size = -(-circuit.num_clbits // 8) or 1
    raw = b"".join(int(shot, 16).to_bytes(size, "little") for shot in memory)
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(len(memory), size)
    unpacked = np.unpackbits(rows, axis=1, bitorder="little")
    return unpacked[:, : circuit.num_clbits].astype(bool)


def _packed(bits: npt.NDArray[np.bool_]) -> BitArray:
    return BitArray.from_bool_array(bits, order="little")


def estimate(pub: EstimatorPub, seed: int, shots: int) -> Estimate:
    """Expectation values of an estimator PUB, with the spread that its shots give.

    Each Pauli term is measured ``shots`` times on its own: the exact expectation
    decides a binomial draw.

    Args:
        pub: Circuit, observables and parameter values of shapes that broadcast.
        seed: Decides every draw.
        shots: Number of measurements of each term.

    Raises:
        CannotSimulate: If no exact method is fast enough.
    """
    small = reduced(pub.circuit)
    paulis = _paulis(pub)
    terms = sorted({term for terms in paulis.ravel() for term, _ in terms})
    exact = [_expectations(circuit, small, terms, seed) for circuit in _bound(pub, small.circuit)]
    points = np.arange(len(exact)).reshape(pub.parameter_values.shape)
    at, of = np.broadcast_arrays(points, paulis)
    draw = np.random.default_rng(seed)
    pairs = [_measured(exact[int(p)], list(o), shots, draw) for p, o in zip(at.flat, of.flat, strict=True)]
    evs, stds = np.array(pairs, dtype=float).reshape(*pub.shape, 2).transpose(-1, *range(len(pub.shape)))
    return Estimate(np.array(evs), np.array(stds))


Term = tuple[tuple[str, int], ...]


def _paulis(pub: EstimatorPub) -> npt.NDArray[np.object_]:
    found = np.empty(pub.observables.shape, dtype=object)
    for index in np.ndindex(pub.observables.shape):
        found[index] = _terms(pub.observables[index])
    return found


def _terms(observable: dict[str, float]) -> tuple[tuple[Term, float], ...]:
    # Projectors such as "0" and "+" become sums of Paulis.
    sparse = SparseObservable.from_list(list(observable.items())).as_paulis().simplify()
    return tuple(
        (tuple(sorted(zip(label, map(int, places), strict=True))), float(factor.real))
        for label, places, factor in sparse.to_sparse_list()
    )


def _expectations(
    circuit: QuantumCircuit, small: Reduced, terms: Sequence[Term], seed: int
) -> dict[Term, float]:
    values = {term: _without_circuit(term, small) for term in terms}
    asked = [term for term, value in values.items() if value is None]
    probe = circuit.copy()
    for number, term in enumerate(asked):
        letters = [(letter, small.positions[q]) for letter, q in term if q in small.positions]
        label = "".join(letter for letter, _ in reversed(letters))
        probe.save_expectation_value(Pauli(label), [q for _, q in letters], label=f"term-{number}")
    # One shot is exact unless the circuit itself draws lots on its way.
    shots = _DYNAMIC_SHOTS if _measures(probe) or probe.count_ops().get("reset") else 1
    data = _run([probe], seed, shots=shots).data(0) if asked else {}
    found = {term: float(data[f"term-{number}"]) for number, term in enumerate(asked)}
    return {term: found[term] if value is None else value for term, value in values.items()}


def _without_circuit(term: Term, small: Reduced) -> float | None:
    # A qubit in its ground state gives 1 for Z and 0 for X and Y.
    outside = [letter for letter, qubit in term if qubit not in small.positions]
    if any(letter != "Z" for letter in outside):
        return 0.0
    return 1.0 if len(outside) == len(term) else None


def _measured(
    exact: dict[Term, float],
    terms: Sequence[tuple[Term, float]],
    shots: int,
    draw: np.random.Generator,
) -> tuple[float, float]:
    value = variance = 0.0
    for term, factor in terms:
        if not term:
            value += factor
            continue
        chance = min(1.0, max(0.0, (1 + exact[term]) / 2))
        mean = 2 * draw.binomial(shots, chance) / shots - 1
        value += factor * mean
        variance += factor**2 * (1 - mean**2) / shots
    return value, math.sqrt(variance)


def _run(circuits: list[QuantumCircuit], seed: int, *, shots: int, memory: bool = False) -> Result:
    # One thread: with several, Aer deals shots out by their number, and results
    # would depend on the machine.
    simulator = AerSimulator(method=_method(circuits[0]), max_parallel_threads=1)
    result = simulator.run(circuits, shots=shots, memory=memory, seed_simulator=seed).result()
    if not result.success:
        raise CannotSimulate(str(result.status))
    return result


def _method(circuit: QuantumCircuit) -> str:
    if circuit.num_qubits <= DENSE_QUBITS:
        return "automatic"
    if _is_clifford(circuit):
        return "stabilizer"
    if _bond_bits(circuit) <= BOND_BITS:
        return "matrix_product_state"
    raise CannotSimulate(
        f"The circuit uses {circuit.num_qubits} qubits, is no Clifford circuit, and may entangle"
        f" them beyond what an exact simulation on this machine can hold."
    )


def _is_clifford(circuit: QuantumCircuit) -> bool:
    for item in circuit.data:
        operation = item.operation
        if operation.name in {"measure", "reset"} or operation.name.startswith("save_"):
            continue
        if operation.name == "rz":
            turns = float(operation.params[0]) / (math.pi / 2)
            if not math.isclose(turns, round(turns), abs_tol=1e-9):
                return False
        elif operation.name not in _CLIFFORD_GATES:
            return False
    return True


_CLIFFORD_GATES = frozenset(
    {"id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap", "ecr"}
)


# Schmidt rank 2: one bit of entanglement at most.
_ONE_BIT_GATES = frozenset({"cx", "cy", "cz", "ecr"})


def _bond_bits(circuit: QuantumCircuit) -> int:
    """Bound on the entanglement over any cut of the qubits in line, in bits."""
    size: int = circuit.num_qubits
    load = np.zeros(size + 1, dtype=int)
    for item, places in instructions(circuit, range(size)):
        # Block contents are counted themselves, each once: a loop may repeat them.
        if isinstance(item.operation, ControlFlowOp):
            if item.operation.name != "if_else":
                return size
        elif len(places) > 1 and not item.operation.name.startswith("save_"):
            load[min(places) : max(places)] += 1 if item.operation.name in _ONE_BIT_GATES else 2
    cut = np.arange(size + 1) + 1
    bounds: list[int] = np.minimum(load, np.minimum(cut, np.maximum(size - cut, 0))).tolist()
    return max(bounds)
