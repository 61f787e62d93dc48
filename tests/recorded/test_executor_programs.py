"""A program on the ``executor``, which the client's primitives move to, replayed from ``cassettes/``.

In a file of its own: clients before 0.50 cannot import this.
Record anew with ``pytest tests/recorded --qsession-record --qsession-target=emulator``.
"""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Executor, QiskitRuntimeService, QuantumProgram, Session
from qiskit_ibm_runtime.executor_sampler import Sampler

RING = [(0, 1), (1, 2), (2, 3), (3, 0)]


def qaoa():
    """One layer for the largest cut of a ring of four."""
    beta, gamma = Parameter("beta"), Parameter("gamma")
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    for edge in RING:
        circuit.rzz(gamma, *edge)
    circuit.rx(2 * beta, range(4))
    circuit.measure_all()
    return circuit


def cut(bits):
    """How many edges lead from one side to the other; the last axis of ``bits`` are the nodes."""
    return sum(bits[..., one] != bits[..., other] for one, other in RING)


def sweep(executor, circuit, betas, gammas):
    """The mean cut at each point of a grid, of one job."""
    program = QuantumProgram(shots=100)
    points = np.stack(np.meshgrid(betas, gammas, indexing="ij"), axis=-1)
    program.append_circuit_item(circuit, circuit_arguments=points)
    (found,) = executor.run(program).result()
    means = cut(found["meas"]).mean(axis=-1)
    return points[np.unravel_index(means.argmax(), means.shape)], means.max()


@pytest.mark.qsession
def test_sweeps_on_the_executor_find_the_largest_cut():
    """Each sweep is one job and is finer round the best point of the one before; a sampler on the executor ends it."""
    backend = QiskitRuntimeService().backend("ibm_fez")
    circuit = generate_preset_pass_manager(1, backend=backend, seed_transpiler=11).run(qaoa())
    with Session(backend=backend) as session:
        executor = Executor(session)
        (beta, gamma), coarse = sweep(executor, circuit, np.linspace(0, 1.5, 5), np.linspace(0, 3, 5))
        near = np.linspace(-0.2, 0.2, 3)
        best, fine = sweep(executor, circuit, beta + near, gamma + near)
        job = Sampler(session).run([(circuit, best)], shots=200)
        bits = job.result()[0].data.meas.to_bool_array(order="little")
    # One layer on a ring cuts three edges of four on average, at best.
    assert (coarse, fine) == (pytest.approx(3, abs=0.4), pytest.approx(3, abs=0.4))
    assert cut(bits).max() == 4
    assert {tuple(row) for row in bits[cut(bits) == 4].tolist()} == {
        (True, False, True, False),
        (False, True, False, True),
    }
    assert job.metrics()["usage"]["status"] == "complete"
    assert session.usage() > 3 * 0.3
