"""A reduced noise model of a backend: its own reported errors, on the qubits in use.

Imports qiskit-aer. Ours, not the service's: each gate is followed by a depolarizing
channel of the average infidelity that is reported for it, each measurement reads wrong
as often as reported. What happens to idle qubits (T1, T2, crosstalk) is left out; what
it does during a gate is in that gate's reported error.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from qiskit.circuit import QuantumCircuit
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

from qsession.emulator._circuits import Reduced, instructions
from qsession.emulator._devices import Device
from qsession.emulator._errors import errors

_FREE = frozenset({"measure", "reset", "barrier", "delay", "rz"})


def model(device: Device, small: Reduced, *, readout: bool) -> NoiseModel:
    """The noise of a reduced circuit.

    Args:
        device: The backend.
        small: The circuit; the model is about its qubits by their index in it.
        readout: Whether measurements read wrong.
    """
    reported, physical = errors(device), {n: qubit for qubit, n in small.positions.items()}
    noise = NoiseModel()
    for name, places in sorted(_gates(small.circuit)):
        infidelity = reported.of(name, tuple(physical[place] for place in places))
        if infidelity:
            size = 2 ** len(places)
            channel = depolarizing_error(infidelity * size / (size - 1), len(places))
            noise.add_quantum_error(channel, [name], list(places))
    for place, qubit in physical.items() if readout else ():
        up, down = reported.readout[qubit]
        noise.add_readout_error(ReadoutError([[1 - up, up], [down, 1 - down]]), [place])
    return noise


def _gates(circuit: QuantumCircuit) -> set[tuple[str, tuple[int, ...]]]:
    found = instructions(circuit, range(circuit.num_qubits))
    return {
        (item.operation.name, places)
        for item, places in found
        if item.operation.name not in _FREE and len(places) in {1, 2}
    }


def misread(device: Device, small: Reduced, bits: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
    """Bits with those of qubits that were left out of the simulation read wrong at times.

    Args:
        device: The backend.
        small: Names the qubits that stay in their ground state and are measured.
        bits: Classical bits along the last axis.
        seed: Decides every flip.
    """
    draw, reported = np.random.default_rng(seed), errors(device).readout
    found = bits.copy()
    for clbit, qubit in small.idle:
        found[..., clbit] = draw.random(bits.shape[:-1]) < reported[qubit][0]
    return found


def contrast(device: Device, qubits: list[int]) -> float:
    """By what factor readout errors shrink the expectation of a Pauli product.

    That of measurements that are twirled and not mitigated, so that errors of 0 and 1 count alike.
    """
    reported = errors(device).readout
    return float(np.prod([1 - sum(reported[qubit]) for qubit in qubits]))
