"""What the client's own unit tests expect of a server, beyond what its integration tests ask for."""

from __future__ import annotations

import json

import pytest
from emulator_caller import Caller, bell_circuit, encoded

from qsession.emulator import Backend, Emulator, Instance
from qsession.emulator._instances import fake_crn
from qsession.errors import UsageError

FOO = {"program_id": "foo", "backend": "ibm_fez", "params": {"anything": [1]}}


def bell_job(**more) -> bytes:
    params = {"pubs": [[bell_circuit(), None, 5]], "options": {}, "version": 2, "support_qiskit": True}
    return encoded({"program_id": "sampler", "backend": "ibm_fez", "params": params, **more})


@pytest.mark.parametrize("program", ["foo", "sampler", "calibrate"])
def test_unread_job_comes_to_the_given_results(make_caller, program):
    """Its program or its parameters are none that the emulator knows; its course is that of any job."""
    caller = make_caller(unread_results='{"given":1}')
    job = caller.json("POST", "/jobs", FOO | {"program_id": program})["id"]
    assert [caller.status(job, at=at) for at in (0.1, 0.3, 0.6)] == ["Queued", "Running", "Completed"]
    assert caller.send("GET", f"/jobs/{job}/results", at=0.3).status == 204
    assert caller.json("GET", f"/jobs/{job}/results", at=1) == {"given": 1}
    document = caller.json("GET", f"/jobs/{job}", at=1)
    assert (document["program"], document["params"]) == ({"id": program}, {"anything": [1]})


def test_unread_jobs_are_told_apart_by_what_was_asked(make_caller):
    """The ids of jobs of other programs or parameters differ, and so do those of equal jobs."""
    caller = make_caller(unread_results="{}")
    bodies = [FOO, FOO, FOO | {"program_id": "bar"}, FOO | {"params": {}}]
    assert len({caller.json("POST", "/jobs", body)["id"] for body in bodies}) == 4


def test_job_that_can_be_read_is_simulated_all_the_same(make_caller):
    """Given results are for the others only."""
    caller = make_caller(unread_results="{}")
    job = caller.json("POST", "/jobs", bell_job())["id"]
    assert caller.result(job)[0].data.meas.num_shots == 5


def test_what_is_no_matter_of_the_program_is_still_refused(make_caller):
    """Backend, session and tags are checked for an unread job too."""
    caller = make_caller(unread_results="{}")
    assert caller.refusal("POST", "/jobs", FOO | {"backend": "ibm_nowhere"})[1]["code"] == 1007
    assert caller.refusal("POST", "/jobs", FOO | {"session_id": "none"})[0] == 404
    assert caller.refusal("POST", "/jobs", FOO | {"tags": ["t"] * 9})[1]["code"] == 1204


def test_job_that_runs_longer_than_it_may_is_cancelled_with_1305(make_caller):
    """At its limit, which the client sends as cost; status says so in words, state by its code."""
    caller = make_caller(queue_seconds=1, run_seconds=60)
    job = caller.json("POST", "/jobs", bell_job(cost=10))["id"]
    assert caller.status(job, at=10.9) == "Running"
    document = caller.json("GET", f"/jobs/{job}", at=11)
    assert document["status"] == "Cancelled - Ran too long"
    assert document["state"] == {
        "status": "Cancelled",
        "reason": "The job ran longer than its maximum execution time.",
        "reason_code": 1305,
    }
    assert document["usage"] == {"qpu_charge_time_seconds": 10, "status": "complete"}
    (workload,) = caller.json("GET", "/workloads", at=11)["workloads"]
    assert workload["status"] == "canceled"


@pytest.mark.parametrize("cost", [60, 0, None])
def test_job_within_its_limit_runs_to_its_end(make_caller, cost):
    """A limit that is not exceeded, of 0 or none at all cancels nothing."""
    caller = make_caller(queue_seconds=0, run_seconds=60)
    job = caller.json("POST", "/jobs", bell_job(**({} if cost is None else {"cost": cost})))["id"]
    assert caller.status(job, at=60) == "Completed"


def test_client_names_a_job_that_ran_too_long(tmp_path, monkeypatch):
    """With max_execution_time the client raises its own exception for it."""
    from qiskit_ibm_runtime import SamplerV2
    from qiskit_ibm_runtime.exceptions import RuntimeJobMaxTimeoutError

    import qsession

    monkeypatch.chdir(tmp_path)
    emulator = Emulator(backends=("ibm_fez",), run_seconds=60)
    with qsession.record(tmp_path / "x.yaml", target="emulator", emulator=emulator) as run:
        sampler = SamplerV2(mode=run.service().backend("ibm_fez"))
        sampler.options.max_execution_time = 10
        with pytest.raises(RuntimeJobMaxTimeoutError, match="longer than its maximum execution time"):
            sampler.run([bell_circuit()]).result()


@pytest.fixture
def pair() -> Caller:
    return Caller(Emulator(backends=("ibm_fez", Backend("mock_fez", mock=True), "ibm_torino")))


def test_dry_run_in_a_session_leaves_its_qpu_alone(pair):
    """It goes to the mock backend under the session's id, and the session stays open and free of charge."""
    session = pair.session()
    job = pair.json("POST", "/jobs", bell_job(backend="mock_fez", session_id=session))["id"]
    assert pair.json("GET", f"/jobs/{job}", at=0.3)["session_id"] == session
    assert pair.status(job, at=0.6) == "Completed"
    assert pair.json("GET", f"/sessions/{session}", at=0.3)["state"] == "open"
    pair.send("DELETE", f"/sessions/{session}/close", at=2)
    assert pair.json("GET", f"/sessions/{session}", at=3)["elapsed_time"] == 0
    assert (
        pair.refusal("POST", "/jobs", bell_job(backend="mock_fez", session_id=session), at=3)[1]["code"]
        == 1217
    )


def test_dry_run_of_a_session_can_be_cancelled(pair):
    """As a job of its own, whatever the session does."""
    session = pair.session()
    job = pair.json("POST", "/jobs", bell_job(backend="mock_fez", session_id=session))["id"]
    assert pair.send("POST", f"/jobs/{job}/cancel", at=0.1).status == 204
    assert pair.status(job, at=1) == "Cancelled"


def test_session_takes_no_job_of_another_device(pair):
    """Only a dry run may go elsewhere."""
    session = pair.session()
    error = pair.refusal("POST", "/jobs", bell_job(backend="ibm_torino", session_id=session))[1]
    assert error["message"] == "Request validation of body failed, because: the session runs on ibm_fez"


def test_calibration_of_a_backend_changes_its_configuration():
    """What it says otherwise is served under its id, in the rest and elsewhere the snapshot."""
    backend = Backend("ibm_fez", calibrations={"mine": {"supported_instructions": ["while_loop"]}})
    caller = Caller(Emulator(backends=(backend,)))
    path = "/backends/ibm_fez"
    plain = caller.json("GET", f"{path}/configuration")
    assert "while_loop" not in plain["supported_instructions"]
    expected = plain | {"supported_instructions": ["while_loop"]}
    assert caller.json("GET", f"{path}/configuration?calibration_id=mine") == expected
    assert caller.json("GET", f"{path}/properties?calibration_id=mine") == caller.json(
        "GET", f"{path}/properties"
    )
    assert caller.refusal("GET", f"{path}/configuration?calibration_id=other")[0] == 404
    assert caller.json("POST", "/jobs", bell_job(calibration_id="mine"))["calibration_id"] == "mine"


def test_workloads_are_those_of_every_instance_of_the_region():
    """Each says which instance it belongs to; another region has a server of its own."""
    own, other = (Instance(fake_crn(n), f"i{n}") for n in (1, 2))
    far = Instance(fake_crn(3, region="eu-de"), "far", region="eu-de")
    caller = Caller(Emulator(backends=("ibm_fez",), instances=(own, other, far)))
    hosts = {own: "", other: "", far: "https://eu-de.quantum.cloud.ibm.com/api/v1"}
    for at, (instance, host) in enumerate(hosts.items()):
        caller.json("POST", f"{host}/jobs", bell_job(), at=at, service_crn=instance.crn)
    for instance, expected in {own: [own, other], other: [own, other], far: [far]}.items():
        listed = caller.json("GET", f"{hosts[instance]}/workloads", at=9, service_crn=instance.crn)
        assert [workload["instance"] for workload in listed["workloads"]] == [i.crn for i in expected]


def test_usage_stays_pending_after_the_end_of_a_job(make_caller):
    """As long as was asked for; what was used can be read before it is final."""
    caller = make_caller(queue_seconds=0, run_seconds=2, usage_after_seconds=3)
    job = caller.json("POST", "/jobs", bell_job())["id"]
    for at, seconds, status in [
        (1, 0, "pending"),
        (2, 2, "pending"),
        (4.999, 2, "pending"),
        (5, 2, "complete"),
    ]:
        expected = {"qpu_charge_time_seconds": seconds, "status": status}
        assert caller.json("GET", f"/jobs/{job}", at=at)["usage"] == expected
        assert caller.json("GET", f"/jobs/{job}/metrics", at=at)["usage"] == expected
        (workload,) = caller.json("GET", "/workloads", at=at)["workloads"]
        assert workload["usage"] == expected


def test_end_of_pending_usage_is_a_change(make_caller):
    """Nothing is read twice for what may differ: the last change of a job is that of its usage."""
    from emulator_caller import T0

    from qsession._model import SECOND

    caller = make_caller(queue_seconds=0, run_seconds=2, usage_after_seconds=3)
    session = caller.session()
    for more in ({}, {"session_id": session}):
        caller.json("POST", "/jobs", bell_job(**more))
    changes, moment = [], T0
    while (moment := caller.emulator.next_change(moment)) is not None and len(changes) < 3:
        changes.append((moment - T0) / SECOND)
    assert changes[:2] == [2, 5]


def test_negative_delay_of_usage_is_refused():
    """With the value that is wrong."""
    with pytest.raises(UsageError) as caught:
        Emulator(usage_after_seconds=-1)
    assert str(caught.value) == "\n".join(
        (
            "A job cannot wait or run for a negative time. [QS123]",
            "  queue_seconds: 0.2, run_seconds: 0.3, usage_after_seconds: -1",
            "To fix: Emulator(queue_seconds=0.2, run_seconds=0.3)",
        )
    )


def test_given_results_are_what_a_client_decodes(make_caller):
    """They are the text that was given, byte for byte."""
    text = json.dumps({"quasi_dists": [{"0": 1.0}], "metadata": []})
    caller = make_caller(unread_results=text)
    job = caller.json("POST", "/jobs", FOO)["id"]
    assert caller.send("GET", f"/jobs/{job}/results", at=1).body == text.encode()
