"""Whole programs that decide by their results what they ask next, replayed from ``cassettes/``.

Record anew with ``pytest tests/recorded --qsession-record --qsession-target=emulator``.
"""

from itertools import pairwise, product

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Batch, EstimatorV2, QiskitRuntimeService, SamplerV2, Session

# Hydrogen at 0.735 angstrom in a minimal basis, on two qubits; electronic energy in hartree.
HYDROGEN = SparsePauliOp.from_list(
    [
        ("II", -1.052373245772859),
        ("IZ", 0.39793742484318045),
        ("ZI", -0.39793742484318045),
        ("ZZ", -0.01128010425623538),
        ("XX", 0.18093119978423156),
    ]
)


def ansatz():
    angles = ParameterVector("angle", 2)
    circuit = QuantumCircuit(2)
    circuit.ry(angles[0], 0)
    circuit.ry(angles[1], 1)
    circuit.cx(0, 1)
    return circuit


THIRDS = np.array([0, 2 * np.pi / 3, -2 * np.pi / 3])


def lowest(energies):
    """Where a cosine is lowest, and how low: from its values at 0 and a third of a turn either way."""
    wave = 2 / 3 * np.dot(energies, np.exp(1j * THIRDS))
    return np.angle(-wave), np.mean(energies) - abs(wave)


def vqe(estimator, circuit, observable, *, rounds):
    """Minimise one angle after the other: the energy is a cosine in each. Three points of it make a job."""
    angles, energies = np.full(circuit.num_parameters, 0.5), []
    for _, turned in product(range(rounds), range(len(angles))):
        points = np.tile(angles, (3, 1))
        points[:, turned] = THIRDS
        job = estimator.run([(circuit, observable, points)], precision=0.01)
        angles[turned], energy = lowest(job.result()[0].data.evs)
        energies.append(energy)
    return energies


@pytest.mark.qsession
def test_vqe_in_a_session_finds_the_ground_state():
    """The energy falls from job to job and ends near the exact one; each job follows from the one before."""
    backend = QiskitRuntimeService().backend("ibm_fez")
    manager = generate_preset_pass_manager(1, backend=backend, seed_transpiler=11)
    circuit = manager.run(ansatz())
    with Session(backend=backend, max_time="30m") as session:
        estimator = EstimatorV2(mode=session)
        energies = vqe(estimator, circuit, HYDROGEN.apply_layout(circuit.layout), rounds=2)
        running = session.details()
    exact = np.linalg.eigvalsh(HYDROGEN.to_matrix())[0]
    assert all(later < earlier + 0.03 for earlier, later in pairwise(energies))
    assert energies[-1] < energies[0] - 0.5
    assert energies[-1] == pytest.approx(exact, abs=0.03)
    assert (running["state"], running["mode"]) == ("active", "dedicated")
    # The clock of the session runs between jobs too.
    assert session.usage() > 4 * 0.3
    assert session.usage() == session.details()["usage_time"]
    assert session.status() == "Closed"


def pair(angle):
    """A pair whose correlation is the cosine of the angle."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(angle, 1)
    circuit.measure_all()
    return circuit


def correlation(counts):
    return sum(count if bits in {"00", "11"} else -count for bits, count in counts.items()) / sum(
        counts.values()
    )


@pytest.mark.qsession
def test_batch_of_partitioned_jobs_is_put_together_in_order():
    """Eleven circuits in jobs of four: all are submitted before any is waited for, and each finds its place."""
    backend = QiskitRuntimeService().backend("ibm_fez")
    angles = np.linspace(0, np.pi, 11)
    circuits = generate_preset_pass_manager(1, backend=backend, seed_transpiler=11).run(
        [pair(a) for a in angles]
    )
    with Batch(backend=backend) as batch:
        sampler = SamplerV2(mode=batch)
        jobs = [sampler.run(circuits[first : first + 4], shots=500) for first in range(0, len(circuits), 4)]
    results = [pub for job in jobs for pub in job.result()]
    curve = [correlation(pub.data.meas.get_counts()) for pub in results]
    assert [len(job.result()) for job in jobs] == [4, 4, 3]
    assert curve == pytest.approx(np.cos(angles), abs=0.15)
    # A batch is charged for its jobs only, not for the time between them.
    assert batch.usage() == pytest.approx(sum(job.usage() for job in jobs))
    assert batch.details()["mode"] == "batch"
    assert batch.status() == "Closed"
