"""What users do with sessions, replayed from ``cassettes/`` (recorded against the emulator).

Record anew with ``pytest tests/recorded --qsession-record --qsession-target=emulator``.
"""

import pytest
import qiskit_ibm_runtime
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit_ibm_runtime import EstimatorV2, QiskitRuntimeService, SamplerV2
from qiskit_ibm_runtime.exceptions import IBMInputValueError, IBMRuntimeError, RuntimeInvalidStateError


def bell():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def test_sampler_in_a_session(qsession, qsession_isa):
    """The first thing that anybody writes."""
    assert qsession.status() == "Pending"
    job = SamplerV2(mode=qsession).run([qsession_isa(bell())], shots=500)
    counts = job.result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 500
    assert set(counts) <= {"00", "01", "10", "11"}
    assert counts["00"] + counts["11"] > 450
    assert qsession.details()["state"] == "active"
    assert job.metrics()["usage"]["status"] == "complete"
    assert job.session_id == qsession.session_id


@pytest.mark.qsession(mode="batch", max_time="20m")
def test_estimator_in_a_batch(qsession, qsession_isa):
    """Expectation values of a parametrised circuit, in a batch."""
    theta = Parameter("theta")
    circuit = QuantumCircuit(1)
    circuit.ry(theta, 0)
    isa = qsession_isa(circuit)
    observable = SparsePauliOp("Z").apply_layout(isa.layout)
    values = (
        EstimatorV2(mode=qsession).run([(isa, observable, [0.0, 3.141592653589793])]).result()[0].data.evs
    )
    assert values[0] == pytest.approx(1, abs=0.2)
    assert values[1] == pytest.approx(-1, abs=0.2)
    assert qsession.details()["mode"] == "batch"
    assert qsession.details()["max_time"] == 1200


def test_cancelled_job_has_no_result(qsession, qsession_isa):
    """A job that is cancelled while it is queued."""
    job = SamplerV2(mode=qsession).run([qsession_isa(bell())])
    job.cancel()
    assert job.status() == "CANCELLED"
    with pytest.raises(RuntimeInvalidStateError, match="Job was cancelled"):
        job.result()


def test_closed_session_takes_no_job(qsession, qsession_isa):
    """The client itself refuses, without asking the service."""
    isa = qsession_isa(bell())
    qsession.close()
    with pytest.raises(IBMRuntimeError, match="The session is closed"):
        SamplerV2(mode=qsession).run([isa])
    assert qsession.details()["accepting_jobs"] is False


@pytest.mark.qsession
def test_plain_client_finds_its_session_again():
    """Nothing of ours in the code under test."""
    service = QiskitRuntimeService()
    backend = service.backend("ibm_fez")
    with qiskit_ibm_runtime.Session(backend=backend, max_time="1h 30m") as session:
        again = qiskit_ibm_runtime.Session.from_id(session.session_id, service)
        assert again.session_id == session.session_id
        assert again.details()["max_time"] == 5400
    with pytest.raises(IBMInputValueError, match="Session not found"):
        qiskit_ibm_runtime.Session.from_id("11111111-2222-4333-8444-555555555555", service)


@pytest.mark.qsession
def test_two_jobs_outside_of_a_session():
    """Job mode, and the list of one's own jobs."""
    service = QiskitRuntimeService()
    backend = service.backend("ibm_fez")
    physical = QuantumCircuit(2, name="two")
    physical.x(1)
    physical.measure_all()
    jobs = [SamplerV2(mode=backend).run([physical], shots=shots) for shots in (10, 20)]
    assert [job.result()[0].data.meas.get_counts() for job in jobs] == [{"10": 10}, {"10": 20}]
    assert {job.job_id() for job in service.jobs(limit=2)} == {job.job_id() for job in jobs}
    assert service.job(jobs[0].job_id()).inputs["pubs"][0][2] == 10
