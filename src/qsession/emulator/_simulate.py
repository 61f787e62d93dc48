"""Runs circuits on Aer: seeded, on the qubits that matter, without noise unless asked.

Imports qiskit and qiskit-aer; only rooms that run a job import this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from qiskit.circuit import ControlFlowOp, Parameter, QuantumCircuit
from qiskit.primitives.containers import BitArray
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.quantum_info import Pauli, SparseObservable
from qiskit.result import Result
from qiskit_aer import AerSimulator

from qsession.emulator import _noise
from qsession.emulator._circuits import Reduced, reduced
from qsession.emulator._clusters import clusters, lone_bits
from qsession.emulator._devices import Device
from qsession.emulator._methods import CannotSimulate, bond_bits, is_small, method
from qsession.emulator._replies import derived_seed

__all__ = ["CannotSimulate", "Estimate", "EstimatorNoise", "estimate", "sample", "shots_of"]

_DYNAMIC_SHOTS = 4096
_DENSITY_QUBITS = 9

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
Columns = Mapping[Parameter, Floats]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Expectation values of a PUB.

    Attributes:
        evs: Estimated values, of the PUB's shape.
        stds: Their standard errors.
    """

    evs: Floats
    stds: Floats


@dataclass(frozen=True, slots=True)
class EstimatorNoise:
    """The noise of an estimator job.

    Attributes:
        device: The backend whose errors are simulated.
        mitigated: Whether readout errors are taken out again, here all of them.
    """

    device: Device
    mitigated: bool


def sample(pub: SamplerPub, seed: int, *, noisy: Device | None = None) -> dict[str, BitArray]:
    """Counts of a sampler PUB.

    Args:
        pub: Circuit, parameter values of any shape, shots.
        seed: Decides every shot.
        noisy: The backend whose errors are simulated; None for none.

    Returns:
        For each classical register its bits, of shape ``pub.shape``.

    Raises:
        CannotSimulate: If no exact method is fast enough.
    """
    found = shots_of(pub.circuit, _rows(pub), pub.shots, seed, noisy=noisy)
    return {
        name: BitArray.from_bool_array(bits.reshape(*pub.shape, *bits.shape[1:]), order="little")
        for name, bits in found.items()
    }


def shots_of(
    circuit: QuantumCircuit, rows: Floats, shots: int, seed: int, *, noisy: Device | None = None
) -> dict[str, Bits]:
    """Measured bits of a circuit at many parameter values.

    Args:
        circuit: The circuit as submitted.
        rows: Values of ``circuit.parameters`` along the last of two axes.
        shots: How often each is run.
        seed: Decides every shot.
        noisy: The backend whose errors are simulated; None for none.

    Returns:
        For each classical register its bits: rows, shots, bits of the register.

    Raises:
        CannotSimulate: If no exact method is fast enough.
    """
    small, size = reduced(circuit), (len(rows), shots)
    columns = dict(zip(circuit.parameters, rows.T, strict=True))
    bits = np.zeros((*size, circuit.num_clbits), dtype=bool)
    parts = clusters(small)
    for number, part in enumerate(parts):
        own = seed if len(parts) == 1 else derived_seed(seed, number)
        if len(parts) > 1 and part.is_lone:
            bits[..., part.clbits[0]] = lone_bits(part, columns, size, own, noisy)
        else:
            bits[..., list(part.clbits)] = _simulated(part.small, columns, size, own, noisy)
    if noisy is not None:
        bits = _noise.misread(noisy, small, bits, derived_seed(seed, "idle"))
    position = {bit: i for i, bit in enumerate(small.circuit.clbits)}
    return {register.name: bits[..., [position[bit] for bit in register]] for register in circuit.cregs}


def _simulated(
    small: Reduced, columns: Columns, size: tuple[int, int], seed: int, noisy: Device | None
) -> Bits:
    circuit, (rows, shots) = small.circuit, size
    if not circuit.num_clbits or not _measures(circuit) or not rows:
        return np.zeros((*size, circuit.num_clbits), dtype=bool)
    noise = None if noisy is None else _noise.model(noisy, small, readout=True)
    run = _Run(seed, shots=shots, memory=True, noise=noise)
    if _binds_late(circuit):
        result = run.bound(circuit, {p: columns[p].tolist() for p in circuit.parameters})
    else:
        result = run.each(_bound(circuit, columns, rows))
    return np.array([_bits(result.data(i)["memory"], circuit) for i in range(rows)])


def _binds_late(small: QuantumCircuit) -> bool:
    # Aer binds values itself much faster, with the same results; but a wide circuit's
    # values decide by which method it can be run, and blocks are out of its reach.
    if not small.parameters or any(isinstance(item.operation, ControlFlowOp) for item in small.data):
        return False
    return is_small(small) or not bond_bits(small)


def _measures(circuit: QuantumCircuit) -> bool:
    # Registers may be written by control flow alone, and by store.
    return any(item.clbits or item.operation.name == "store" for item in circuit.data)


def _rows(pub: SamplerPub | EstimatorPub) -> Floats:
    # Values go by the names and order of the submitted circuit.
    names = list(pub.circuit.parameters)
    values: Floats = pub.parameter_values.as_array(names)
    return values.reshape(pub.parameter_values.size, len(names))


def _bound(small: QuantumCircuit, columns: Columns, rows: int) -> list[QuantumCircuit]:
    # The reduced circuit may have lost a parameter with the qubit or instruction that carried it.
    names = list(small.parameters)
    return [small.assign_parameters({p: columns[p][row] for p in names}) for row in range(rows)]


def _bits(memory: Sequence[str], circuit: QuantumCircuit) -> Bits:
    size = -(-circuit.num_clbits // 8) or 1
    raw = b"".join(int(shot, 16).to_bytes(size, "little") for shot in memory)
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(len(memory), size)
    unpacked = np.unpackbits(rows, axis=1, bitorder="little")
    return unpacked[:, : circuit.num_clbits].astype(bool)


def estimate(pub: EstimatorPub, seed: int, shots: int, *, noise: EstimatorNoise | None = None) -> Estimate:
    """Expectation values of an estimator PUB, with the spread that its shots give.

    Each Pauli term is measured ``shots`` times on its own: the exact expectation
    decides a binomial draw.

    Args:
        pub: Circuit, observables and parameter values of shapes that broadcast.
        seed: Decides every draw.
        shots: Number of measurements of each term.
        noise: The errors that are simulated; None for none.

    Raises:
        CannotSimulate: If no exact method is fast enough.
    """
    small = reduced(pub.circuit)
    paulis = _paulis(pub)
    terms = sorted({term for terms in paulis.ravel() for term, _ in terms})
    rows = _rows(pub)
    bound = _bound(small.circuit, dict(zip(pub.circuit.parameters, rows.T, strict=True)), len(rows))
    exact = [_expectations(circuit, small, terms, seed, noise) for circuit in bound]
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
    circuit: QuantumCircuit,
    small: Reduced,
    terms: Sequence[Term],
    seed: int,
    noise: EstimatorNoise | None,
) -> dict[Term, float]:
    values = {term: _without_circuit(term, small) for term in terms}
    asked = [term for term, value in values.items() if value is None]
    probe = circuit.copy()
    for number, term in enumerate(asked):
        letters = [(letter, small.positions[q]) for letter, q in term if q in small.positions]
        label = "".join(letter for letter, _ in reversed(letters))
        probe.save_expectation_value(Pauli(label), [q for _, q in letters], label=f"term-{number}")
    data = _probed(probe, small, seed, noise) if asked else {}
    found = {term: float(data[f"term-{number}"]) for number, term in enumerate(asked)}
    exact = {term: found[term] if value is None else value for term, value in values.items()}
    if noise is None or noise.mitigated:
        return exact
    return {
        term: value * _noise.contrast(noise.device, [q for _, q in term]) for term, value in exact.items()
    }


def _probed(
    probe: QuantumCircuit, small: Reduced, seed: int, noise: EstimatorNoise | None
) -> dict[str, float]:
    model = None if noise is None else _noise.model(noise.device, small, readout=False)
    dense = model is not None and probe.num_qubits <= _DENSITY_QUBITS
    # One shot is exact unless the circuit itself draws lots on its way, or its errors do.
    lots = _measures(probe) or probe.count_ops().get("reset") or (model is not None and not dense)
    run = _Run(seed, shots=_DYNAMIC_SHOTS if lots else 1, noise=model)
    data: dict[str, float] = run.each([probe], chosen="density_matrix" if dense else None).data(0)
    return data


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


@dataclass(frozen=True, slots=True)
class _Run:
    """How Aer is asked."""

    seed: int
    shots: int
    memory: bool = False
    noise: object = None

    def each(self, circuits: list[QuantumCircuit], *, chosen: str | None = None) -> Result:
        """Circuits without parameters, which are all of one size."""
        return self._run(circuits, chosen or method(circuits[0]))

    def bound(self, circuit: QuantumCircuit, values: dict[object, list[float]]) -> Result:
        """One circuit at many values of its parameters."""
        return self._run([circuit], method(circuit), parameter_binds=[values])

    def _run(self, circuits: list[QuantumCircuit], chosen: str, **more: object) -> Result:
        # One thread: with several, Aer deals shots out by their number, and results
        # would depend on the machine.
        simulator = AerSimulator(method=chosen, max_parallel_threads=1, noise_model=self.noise)
        result = simulator.run(
            circuits, shots=self.shots, memory=self.memory, seed_simulator=self.seed, **more
        ).result()
        if not result.success:
            raise CannotSimulate(str(result.status))
        return result
