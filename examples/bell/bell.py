"""Code as users write it: nothing here knows of qsession."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one Bell session came to.

    Attributes:
        counts: Counts by bit string.
        state: State of the session after it was closed.
        usage: QPU seconds of the session, as the service counts them.
    """

    counts: dict[str, int]
    state: str
    usage: float | None


def bell_circuit() -> QuantumCircuit:
    """Two entangled qubits, measured."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def run_bell(backend_name: str, *, shots: int = 1000, max_time: str | int = "1h") -> Outcome:
    """Run one Bell job in a session of its own.

    Args:
        backend_name: Name of the backend.
        shots: Number of shots.
        max_time: Longest life of the session.
    """
    service = QiskitRuntimeService()
    backend = service.backend(backend_name)
    manager = generate_preset_pass_manager(optimization_level=1, backend=backend, seed_transpiler=7)
    with Session(backend=backend, max_time=max_time) as session:
        job = SamplerV2(mode=session).run([manager.run(bell_circuit())], shots=shots)
        counts = job.result()[0].data.meas.get_counts()
    return Outcome(counts, session.details()["state"], session.usage())
