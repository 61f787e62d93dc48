"""Two ways to use qsession: a marker on a plain test, and the fixtures."""

import pytest
from bell import bell_circuit, run_bell
from qiskit_ibm_runtime import SamplerV2


@pytest.mark.qsession
def test_program_runs_one_session():
    """The program makes its own service and session; the marker is all it takes."""
    outcome = run_bell("ibm_fez", shots=1000)
    assert sum(outcome.counts.values()) == 1000
    assert outcome.counts["00"] + outcome.counts["11"] > 800
    assert outcome.state == "closed"
    assert outcome.usage is not None


@pytest.mark.qsession(max_time="20m")
def test_job_in_an_open_session(qsession, qsession_isa):
    """The fixture is an open session; qsession_isa transpiles with a stable seed."""
    job = SamplerV2(mode=qsession).run([qsession_isa(bell_circuit())], shots=500)
    counts = job.result()[0].data.meas.get_counts()
    assert sum(counts.values()) == 500
    assert qsession.details()["max_time"] == 1200
    assert qsession.status() == "In progress, accepting new jobs"
