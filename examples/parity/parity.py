"""How well a device keeps the parity of a GHZ state, as users write it: nothing here knows of qsession."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit import QuantumCircuit
from qiskit.primitives import PrimitiveResult
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Batch, IBMBackend, SamplerV2, Session


@dataclass(frozen=True)
class Parity:
    """What was measured.

    Attributes:
        qubits: How many qubits the state has.
        shots: How often it was measured.
        alike: Share of the shots in which all qubits were found alike, from 0 to 1.
    """

    qubits: int
    shots: int
    alike: float


def ghz(qubits: int) -> QuantumCircuit:
    """A state in which all qubits are alike."""
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(1, qubits):
        circuit.cx(qubit - 1, qubit)
    circuit.measure_all()
    return circuit


def prepared(qubits: int, backend: IBMBackend) -> QuantumCircuit:
    """The circuit as a backend takes it."""
    return generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(ghz(qubits))


def measure(session: Session | Batch, circuit: QuantumCircuit, *, shots: int) -> Parity:
    """Run one circuit in a session that somebody else opened."""
    result = SamplerV2(mode=session).run([circuit], shots=shots).result()
    return _parity(result)


def _parity(result: PrimitiveResult) -> Parity:
    measured = result[0].data.meas
    counts = measured.get_counts()
    alike = counts.get("0" * measured.num_bits, 0) + counts.get("1" * measured.num_bits, 0)
    return Parity(measured.num_bits, measured.num_shots, alike / measured.num_shots)
