"""Jobs: submission, states, results, metrics, limits and refusals."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import EstimatorV2, RuntimeEncoder, RuntimeJobFailureError

NO_CIRCUIT = {"pubs": [["no circuit"]], "options": {}, "version": 2, "support_qiskit": True}


@pytest.fixture
def body(qsession_backend):
    """A submission without a circuit, which costs nothing whether it is refused or fails."""
    return {"program_id": "sampler", "backend": qsession_backend.name, "params": NO_CIRCUIT}


def payload(circuit: QuantumCircuit) -> dict:
    pub = json.loads(json.dumps([circuit], cls=RuntimeEncoder))
    return {"pubs": [pub], "options": {}, "version": 2, "support_qiskit": True}


@pytest.mark.qpu
def test_job_goes_from_queued_over_running_to_completed(call, submit):
    """Its document has both spellings of the status, and its usage is pending until the end."""
    job = submit()
    seen = []
    while (document := call.read(f"/jobs/{job.job_id()}"))["status"] not in {"Completed", "Failed"}:
        assert document["status"] == document["state"]["status"]
        assert document["usage"] == {"qpu_charge_time_seconds": 0, "status": "pending"}
        seen += [document["status"]] if document["status"] not in seen else []
    assert seen == ["Queued", "Running"]
    assert (document["status"], document["usage"]["status"]) == ("Completed", "complete")
    assert document["usage"]["qpu_charge_time_seconds"] > 0


@pytest.mark.qpu
def test_metrics_of_a_job(call, submit):
    """Three moments in order, the QPU time between the later two, who called."""
    job = submit()
    job.result()
    metrics = call.read(f"/jobs/{job.job_id()}/metrics")
    created, running, finished = (
        datetime.fromisoformat(metrics["timestamps"][name]) for name in ("created", "running", "finished")
    )
    assert created < running < finished
    assert set(metrics) == {
        "timestamps",
        "usage",
        "circuits_execution_time_ns",
        "qiskit_version",
        "caller",
    }
    used = metrics["usage"]["qpu_charge_time_seconds"]
    assert 0 < used <= (finished - running).total_seconds() + 0.01


@pytest.mark.qpu
def test_metrics_without_a_version_are_those_of_the_first_api(call, submit):
    """Whoever names no version reads the QPU time under its older names too."""
    job = submit()
    job.result()
    path = f"/jobs/{job.job_id()}/metrics"
    old = call("GET", path, IBM_API_Version=None).json()
    assert set(old) >= {"usage", "bss"}
    assert set(old["usage"]) >= {"quantum_seconds", "seconds"}
    assert "bss" not in call.read(path)


@pytest.mark.qpu
def test_cancelled_job_has_no_results(call, batch, submit):
    """204 for its cancel and for its results; 409 for a second cancel."""
    jobs = [submit() for _ in range(2)]
    assert call("POST", f"/jobs/{jobs[1].job_id()}/cancel").status_code == 204
    answer = call("GET", f"/jobs/{jobs[1].job_id()}/results")
    assert (answer.status_code, answer.content) == (204, b"")
    document = call.read(f"/jobs/{jobs[1].job_id()}")
    assert document["state"] == {"status": "Cancelled"}
    status, _, message = call.error("POST", f"/jobs/{jobs[1].job_id()}/cancel")
    assert (status, "cancel" in message) == (409, True)


@pytest.mark.qpu
def test_job_that_waits_cannot_be_deleted(call, submit):
    """The API's document has it so; the client's own tests expect otherwise (`Rules.deletes_open_jobs`)."""
    submit()
    job = submit()
    assert call("DELETE", f"/jobs/{job.job_id()}").status_code == 409


@pytest.mark.qpu
def test_ended_job_can_be_deleted(call, submit):
    """204, and then nobody knows it."""
    job = submit()
    job.result()
    assert call("DELETE", f"/jobs/{job.job_id()}").status_code == 204
    assert call("GET", f"/jobs/{job.job_id()}").status_code == 404


@pytest.mark.qpu
def test_private_job_keeps_its_parameters(call, submit):
    """They are not handed back; its results are, once."""
    job = submit(environment={"private": True, "job_tags": ["qsession"]})
    job.wait_for_final_state()
    document = call.read(f"/jobs/{job.job_id()}")
    assert (document["params"], document["private"], document["tags"]) == ({}, True, ["qsession"])
    path = f"/jobs/{job.job_id()}/results"
    assert [call("GET", path).status_code for _ in range(2)] == [200, 204]


@pytest.mark.qpu
def test_metadata_repeats_what_an_estimator_was_asked(batch, bell):
    """Precision and shots of the PUB stand in its result."""
    from qiskit.quantum_info import SparsePauliOp

    circuit = bell.remove_final_measurements(inplace=False)
    observable = SparsePauliOp("ZZ").apply_layout(circuit.layout)
    (pub,) = EstimatorV2(mode=batch).run([(circuit, observable)], precision=0.1).result()
    assert (pub.metadata["target_precision"], pub.metadata["shots"]) == (0.1, 100)


def test_foreign_instruction_fails_the_job(qsession_service, call, body):
    """A gate that the backend does not have: the job is taken, and fails with 1517."""
    circuit = QuantumCircuit(1, name="foreign")
    circuit.h(0)
    circuit.measure_all()
    job = qsession_service.job(call("POST", "/jobs", body | {"params": payload(circuit)}).json()["id"])
    with pytest.raises(RuntimeJobFailureError):
        job.result()
    assert call.read(f"/jobs/{job.job_id()}")["state"]["reason_code"] == 1517


def test_circuit_that_cannot_be_read_fails_the_job(qsession_service, call, body):
    """Base64 without its wrapper: 1603."""
    params = NO_CIRCUIT | {"pubs": [["bm8gUVBZ"]]}
    job = qsession_service.job(call("POST", "/jobs", body | {"params": params}).json()["id"])
    with pytest.raises(RuntimeJobFailureError):
        job.result()
    assert call.read(f"/jobs/{job.job_id()}")["state"]["reason_code"] == 1603


@pytest.mark.parametrize(
    ("tags", "code"), [(["t"] * 9, 1204), (["t" * 87], 1205)], ids=["too many", "too long"]
)
def test_tags_beyond_the_limits_are_refused(call, body, tags, code):
    """Eight of 86 characters are the most."""
    status, found, _ = call.error("POST", "/jobs", body | {"tags": tags})
    assert (status, found) == (400, code)


def test_cost_is_cut_to_three_hours(call, body):
    """More may be asked for, and is not given. The job fails, so it costs nothing."""
    job = call("POST", "/jobs", body | {"cost": 20_000}).json()["id"]
    assert call.read(f"/jobs/{job}")["cost"] == 10_800


def test_unknown_program_is_refused(call, body):
    """With 400, before a job is made."""
    assert call("POST", "/jobs", body | {"program_id": "no-such"}).status_code in {400, 404}


def test_unknown_session_takes_no_job(call, body):
    """A job for a session that nobody opened."""
    assert call("POST", "/jobs", body | {"session_id": "no-such"}).status_code == 404


def test_unknown_backend_takes_no_job(call, body):
    """Code 1007."""
    assert call.error("POST", "/jobs", body | {"backend": "ibm_no_such"})[1] == 1007


@pytest.mark.parametrize("part", ["", "/results", "/metrics", "/logs"])
def test_unknown_job(call, part):
    """404 for each of its parts."""
    assert call("GET", f"/jobs/no-such{part}").status_code == 404


def test_list_of_an_unknown_session_is_empty(call):
    """Not an error."""
    listed = call.read("/jobs?session_id=no-such")
    assert (listed["jobs"], listed["count"]) == ([], 0)


def test_list_takes_any_limit(call):
    """Out of range means the default, 200."""
    assert [call.read(f"/jobs?limit={limit}")["limit"] for limit in (0, 1, 201)] == [200, 1, 200]
