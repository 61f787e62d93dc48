from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from emulator_caller import T0, Caller, bell_circuit, encoded

from qsession._lifecycle import Rules
from qsession.emulator import Emulator, _programs


def body_of(pubs, **more) -> dict:
    return {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": pubs}, **more}


def test_submit_answers_with_id_and_backend(caller, bell):
    """The answer to a submit is small, and its id has the service's shape."""
    answer = caller.json("POST", "/jobs", encoded(body_of([[bell, None, 5]])))
    assert sorted(answer) == ["backend", "id"]
    assert answer["backend"] == "ibm_fez"
    assert len(answer["id"]) == 20
    assert answer["id"].isalnum()


def test_submit_of_a_private_session_job_says_both(caller, bell):
    """Session and privacy are echoed when given."""
    session = caller.session()
    answer = caller.json(
        "POST", "/jobs", encoded(body_of([[bell, None, 5]], session_id=session, private=True))
    )
    assert (answer["session_id"], answer["private"]) == (session, True)


def test_job_passes_queued_and_running(caller, bell):
    """No state is skipped, and each is a function of the moment alone."""
    job = caller.job([[bell, None, 5]])
    moments = (0, 0.199, 0.2, 0.499, 0.5)
    states = [caller.status(job, at=at) for at in moments]
    assert states == ["Queued", "Queued", "Running", "Running", "Completed"]
    assert [caller.status(job, at=at) for at in reversed(moments)] == states[::-1]


def test_job_document_is_complete(caller, bell):
    """A finished job shows what was asked and what it used."""
    job = caller.job([[bell, None, 100]], tags=["a"], cost=60, runtime="image:1", log_level="WARNING")
    document = caller.json("GET", f"/jobs/{job}?exclude_params=true", at=1)
    assert document == {
        "id": job,
        "backend": "ibm_fez",
        "state": {"status": "Completed"},
        "status": "Completed",
        "program": {"id": "sampler"},
        "created": "2023-11-14T22:13:20.000Z",
        "cost": 60,
        "tags": ["a"],
        "user_id": "IBMid-0000000000",
        "usage": {"qpu_charge_time_seconds": 0.3, "status": "complete"},
        "estimated_running_time_seconds": 2.035,
        "runtime": "image:1",
    }


def test_job_shows_its_parameters_unless_excluded(caller, bell):
    """GET gives the parameters as they were posted."""
    body = encoded(body_of([[bell, None, 5]]))
    job = caller.json("POST", "/jobs", body)["id"]
    assert caller.json("GET", f"/jobs/{job}")["params"] == json.loads(body)["params"]


def test_private_job_withholds_parameters_and_serves_results_once(caller, bell):
    """A private job shows no parameters; its results are gone after the first look."""
    job = caller.job([[bell, None, 5]], private=True)
    assert caller.json("GET", f"/jobs/{job}", at=1)["params"] == {}
    assert [caller.send("GET", f"/jobs/{job}/results", at=1).status for _ in range(3)] == [200, 204, 204]


def test_sampler_result_is_encoded_as_the_services(caller, bell):
    """Bell counts come as a BitArray in a DataBin in a PrimitiveResult, with metadata."""
    job = caller.job([[bell, None, 1000]])
    result = caller.result(job)
    counts = result[0].data.meas.get_counts()
    assert set(counts) == {"00", "11"}
    assert 400 < counts["00"] < 600
    assert sum(counts.values()) == 1000
    assert result.metadata["version"] == 2
    (span,) = result.metadata["execution"]["execution_spans"]
    assert (span.stop - span.start).total_seconds() == 0.3
    assert span.size == 1000


def test_shots_come_from_pub_then_options_then_default(caller, bell):
    """The PUB's shots win over the options', and 4096 is the default."""
    asked = [
        ([[bell, None, 7]], {"options": {"default_shots": 9}}),
        ([[bell]], {"options": {"default_shots": 9}}),
    ]
    shots = [
        caller.result(caller.job(p, params=o))[0].data.meas.num_shots for p, o in [*asked, ([[bell]], {})]
    ]
    assert shots == [7, 9, 4096]


def test_results_before_the_end_are_204(caller, bell):
    """There is nothing to fetch while a job is queued or runs."""
    job = caller.job([[bell, None, 5]])
    assert [caller.send("GET", f"/jobs/{job}/results", at=at).status for at in (0, 0.3)] == [204, 204]


def test_logs_before_the_end_are_404(caller, bell):
    """Logs exist once the job ended."""
    job = caller.job([[bell, None, 5]])
    assert caller.refusal("GET", f"/jobs/{job}/logs") == (
        404,
        {"code": "not_found", "message": "logs not found"},
    )
    assert caller.send("GET", f"/jobs/{job}/logs", at=1).body == b"sampler: completed\n"


def test_metrics_of_a_finished_job(caller, bell):
    """Metrics carry moments, usage, version and caller."""
    import qiskit

    metrics = caller.json("GET", f"/jobs/{caller.job([[bell, None, 5]])}/metrics", at=1)
    assert metrics == {
        "timestamps": {
            "created": "2023-11-14T22:13:20.000Z",
            "running": "2023-11-14T22:13:20.200Z",
            "finished": "2023-11-14T22:13:20.500Z",
        },
        "usage": {"qpu_charge_time_seconds": 0.3, "status": "complete"},
        "qiskit_version": qiskit.__version__,
        "caller": "someone",
        "circuits_execution_time_ns": 300000000,
    }


def test_metrics_of_an_older_version_have_more(caller, bell):
    """API version 2025-05-01 has the fields that client 0.41 reads."""
    job = caller.job([[bell, None, 5]])
    metrics = caller.json("GET", f"/jobs/{job}/metrics", at=1, ibm_api_version="2025-05-01")
    assert metrics["bss"] == {"seconds": 0.3}
    assert metrics["usage"] == {
        "qpu_charge_time_seconds": 0.3,
        "status": "complete",
        "quantum_seconds": 0.3,
        "seconds": 0.3,
        "circuits_execution_time_ns": 300000000,
    }
    assert "circuits_execution_time_ns" not in metrics


def test_usage_is_nothing_while_it_is_pending(caller, bell):
    """Nothing is charged before a job ended, so its polls look the same while it runs."""
    job = caller.job([[bell, None, 5]])
    usages = [caller.json("GET", f"/jobs/{job}/metrics", at=at)["usage"] for at in (0.1, 0.3, 0.5)]
    assert usages == [
        {"qpu_charge_time_seconds": 0, "status": "pending"},
        {"qpu_charge_time_seconds": 0, "status": "pending"},
        {"qpu_charge_time_seconds": 0.3, "status": "complete"},
    ]


def test_cancel_of_a_queued_job(caller, bell):
    """A job cancelled in the queue never ran: running stays null, results are 204."""
    job = caller.job([[bell, None, 5]])
    assert caller.send("POST", f"/jobs/{job}/cancel", at=0.1).status == 204
    document = caller.json("GET", f"/jobs/{job}", at=1)
    assert document["state"] == {"status": "Cancelled"}
    stamps = caller.json("GET", f"/jobs/{job}/metrics", at=1)["timestamps"]
    assert (stamps["running"], stamps["finished"]) == (None, "2023-11-14T22:13:20.100Z")
    assert caller.send("GET", f"/jobs/{job}/results", at=1).status == 204


def test_cancel_of_a_running_job_is_charged(caller, bell):
    """A job cancelled while it runs pays for its time."""
    job = caller.job([[bell, None, 5]])
    caller.send("POST", f"/jobs/{job}/cancel", at=0.3)
    assert caller.json("GET", f"/jobs/{job}", at=1)["usage"]["qpu_charge_time_seconds"] == 0.1


@pytest.mark.parametrize("when", [1, 0.1])
def test_cancel_of_a_final_job_is_409(caller, bell, when):
    """A job that ended or was cancelled cannot be cancelled."""
    job = caller.job([[bell, None, 5]])
    caller.send("POST", f"/jobs/{job}/cancel", at=when)
    assert caller.refusal("POST", f"/jobs/{job}/cancel", at=2) == (
        409,
        {"code": "conflict", "message": "Job is in non cancellable status."},
    )


def test_cancel_in_a_session_frees_the_qpu(caller, bell):
    """The next job of the session starts when the cancelled one stops."""
    session = caller.session()
    first = caller.job([[bell, None, 1]], session_id=session)
    second = caller.job([[bell, None, 2]], session_id=session)
    caller.send("POST", f"/jobs/{first}/cancel", at=0.25)
    assert caller.status(second, at=0.25) == "Running"


def test_delete_needs_a_final_status(caller, bell):
    """A job is deleted once it ended, and is gone then."""
    job = caller.job([[bell, None, 5]])
    assert caller.refusal("DELETE", f"/jobs/{job}")[0] == 409
    assert caller.send("DELETE", f"/jobs/{job}", at=1).status == 204
    assert caller.refusal("GET", f"/jobs/{job}", at=1)[0] == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/results"),
        ("GET", "/logs"),
        ("GET", "/metrics"),
        ("POST", "/cancel"),
    ],
)
def test_unknown_job_is_404(caller, method, path):
    """Every call on a job names the id that it does not know."""
    assert caller.refusal(method, f"/jobs/nope{path}") == (
        404,
        {
            "code": "not_found",
            "message": "Job not found. Job ID: nope",
            "solution": "Verify the job ID is correct.",
        },
    )


def test_tags_are_replaced_and_found(caller, bell):
    """PUT replaces the tags; the tag search finds the new ones only."""
    job = caller.job([[bell, None, 5]], tags=["before"])
    assert caller.send("PUT", f"/jobs/{job}/tags", {"tags": ["after", "more"]}).status == 204
    assert caller.json("GET", f"/jobs/{job}")["tags"] == ["after", "more"]
    assert caller.json("GET", "/tags?type=job&search=aft") == {"tags": ["after"]}
    assert caller.json("GET", "/tags?type=job&search=before") == {"tags": []}
    assert caller.refusal("PUT", "/jobs/nope/tags", {"tags": []})[0] == 404


@pytest.mark.parametrize("body", [{}, {"tag": ["b"]}, {"tags": None}, {"tags": "b"}])
def test_tags_stay_where_a_body_has_none(caller, body):
    """A slip in the name of the field clears no tags."""
    job = caller.job(["x"], tags=["a"])
    assert caller.refusal("PUT", f"/jobs/{job}/tags", body)[0] == 400
    assert caller.json("GET", f"/jobs/{job}")["tags"] == ["a"]


@pytest.mark.parametrize("query", ["", "?type=job", "?type=job&search=ab", "?type=x&search=abc"])
def test_tag_search_needs_three_characters(caller, query):
    """The documented limits of the search hold."""
    assert caller.refusal("GET", f"/tags{query}")[0] == 400


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"tags": "t"}, "tags must be a list of strings"),
        ({"tags": [1]}, "tags must be a list of strings"),
        ({"cost": -1}, "cost must be a whole number from 0 to 2147483647"),
        ({"cost": 1.5}, "cost must be a whole number from 0 to 2147483647"),
        ({"private": "yes"}, "private must be true or false"),
        ({"log_level": "loud"}, "log_level must be one of critical, debug, error, info, warning"),
        ({"session_id": "s" * 37}, "session_id must be a string of 1 to 36 characters"),
        ({"program_id": None}, "program_id must be a string of 1 to 10000 characters"),
        ({"backend": ""}, "backend must be a string of 1 to 10000 characters"),
        ({"params": []}, "params must be an object"),
        ({"params": {}}, "pubs must be a list of at least one PUB"),
        ({"params": {"pubs": []}}, "pubs must be a list of at least one PUB"),
        ({"params": {"pubs": [1], "options": 3}}, "options must be an object"),
        (
            {"params": {"pubs": [{"__type__": "settings", "__module__": "os"}]}},
            "the type settings is not one of BindingsArray, ObservablesArray, Parameter, QuantumCircuit,"
            " complex, datetime, ndarray",
        ),
    ],
)
def test_malformed_job_is_400(caller, more, reason):
    """A submit that breaks the documented form is refused with its reason."""
    assert caller.refusal("POST", "/jobs", body_of([["x"]]) | more) == (
        400,
        {"code": 1208, "message": f"Request validation of body failed, because: {reason}"},
    )


def test_cost_is_capped_at_three_hours(caller, bell):
    """More than the documented limit counts as the limit, which is the default too."""
    for cost in ({"cost": 20_000}, {}):
        assert caller.json("GET", f"/jobs/{caller.job([[bell]], **cost)}")["cost"] == 10_800


def test_too_large_a_body_is_413(caller):
    """The documented 50 MB are the limit of a job's input."""
    assert caller.refusal("POST", "/jobs", b" " * 50_000_001)[0] == 413


def test_calibrate_is_refused(caller):
    """A real program that has nothing to calibrate here is refused at submit, by name."""
    assert caller.refusal("POST", "/jobs", body_of([1], program_id="calibrate")) == (
        400,
        {
            "code": 1208,
            "message": "This emulator does not run the program calibrate.",
            "solution": "Use the programs sampler, estimator, executor and noise-learner.",
        },
    )


def test_unknown_program_is_404(caller):
    """A program that the service does not have is not found."""
    assert caller.refusal("POST", "/jobs", body_of([1], program_id="hello"))[0] == 404


def test_job_on_an_unknown_backend_is_400(caller):
    """Code 1007, as for sessions."""
    status, error = caller.refusal("POST", "/jobs", body_of([1], backend="ibm_none"))
    assert (status, error["code"]) == (400, 1007)


def test_job_for_an_unknown_session_is_404(caller, bell):
    """A session id that nobody has is not found."""
    assert caller.refusal("POST", "/jobs", encoded(body_of([[bell]], session_id="nope")))[0] == 404


def test_job_on_another_backend_than_its_session_is_400(caller):
    """A session runs on its one backend."""
    session = caller.session()
    body = body_of([1], session_id=session, backend="ibm_torino")
    assert caller.refusal("POST", "/jobs", body) == (
        400,
        {
            "code": 1208,
            "message": "Request validation of body failed, because: the session runs on ibm_fez",
        },
    )


def failed(caller, pubs, **more) -> dict:
    """The state of a job that passed Queued and Running before it failed."""
    job = caller.job(pubs, **more)
    assert [caller.status(job, at=at) for at in (0, 0.3)] == ["Queued", "Running"]
    state = caller.json("GET", f"/jobs/{job}", at=1)["state"]
    results = caller.send("GET", f"/jobs/{job}/results", at=1)
    assert results.body.decode() == state["reason"]
    assert state["status"] == "Failed"
    return state


def test_non_isa_instruction_fails_the_job(caller):
    """An instruction that the device lacks fails with 1517 and names itself."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(3, 1)
    circuit.h(2)
    circuit.measure(2, 0)
    assert failed(caller, [[circuit]]) == {
        "status": "Failed",
        "reason": "The instruction h on qubits (2) is not supported by ibm_fez.",
        "reason_code": 1517,
        "reason_solution": "Transpile the circuit for the backend.",
    }


def test_gate_off_the_coupling_map_fails_the_job(caller):
    """A two-qubit gate between qubits that are not neighbours fails with 1517."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(156)
    circuit.cz(0, 100)
    reason = failed(caller, [[circuit]])["reason"]
    assert reason == "The instruction cz on qubits (0, 100) is not supported by ibm_fez."


def test_circuit_wider_than_the_device_fails_the_job(caller):
    """A circuit with more qubits than the device fails with 1517."""
    from qiskit import QuantumCircuit

    assert failed(caller, [[QuantumCircuit(157)]])["reason"] == (
        "The circuit has 157 qubits, ibm_fez has 156."
    )


@pytest.mark.parametrize(
    "pub", ["OPENQASM", 5, None, [], [None], [{"__type__": "QuantumCircuit", "__value__": "AAAA"}]]
)
def test_unreadable_circuit_fails_the_job(caller, pub):
    """A circuit that does not load fails with 1603."""
    assert failed(caller, [pub])["reason_code"] == 1603


@pytest.mark.parametrize(
    "rest",
    [[[1.0, 2.0]], [None, -1], [None, "many"], [None, 1, 2, 3], [{"__type__": "ndarray", "__value__": "!"}]],
)
def test_malformed_pub_fails_the_job(caller, bell, rest):
    """Values that do not fit the circuit, or shots that are none, fail with 1002."""
    state = failed(caller, [[bell, *rest]])
    assert state["reason_code"] == 1002
    assert state["reason"].startswith("A PUB is malformed: ")


def test_too_many_executions_fail_the_job(caller, bell):
    """Ten million executions are the documented limit of a sampler job."""
    assert failed(caller, [[bell, None, 10_000_001]])["reason"] == (
        "The job asks for 10000001 circuit executions, more than 10000000."
    )


def test_estimator_without_observables_fails_the_job(caller, bell):
    """An estimator PUB needs something to estimate."""
    assert failed(caller, [[bell]], program="estimator")["reason"] == (
        "A PUB is malformed: an estimator PUB needs observables"
    )


@pytest.mark.parametrize("precision", [0, -0.1, 1e-9, "fine"])
def test_estimator_with_impossible_precision_fails_the_job(caller, bell, precision):
    """A precision must be positive and reachable."""
    pub = [bell, {"Z" * 156: 1.0}, None, precision]
    assert failed(caller, [pub], program="estimator")["reason_code"] == 1002


def test_list_is_newest_first_and_counts(caller, bell):
    """The list pages from the newest; count is the number of all that match."""
    jobs = [caller.job([[bell, None, n]], at=n) for n in range(1, 5)]
    page = caller.json("GET", "/jobs?exclude_params=true&limit=2&offset=1", at=9)
    assert [j["id"] for j in page["jobs"]] == [jobs[2], jobs[1]]
    assert (page["count"], page["limit"], page["offset"]) == (4, 2, 1)
    ascending = caller.json("GET", "/jobs?sort=ASC", at=9)["jobs"]
    assert [j["id"] for j in ascending] == jobs
    assert "params" not in ascending[0]
    assert "params" in caller.json("GET", "/jobs?exclude_params=false", at=9)["jobs"][0]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "9" * 30, "²"])
def test_list_limit_out_of_range_is_the_default(caller, limit):
    """A limit outside 1 to 200 is no error."""
    assert caller.json("GET", f"/jobs?limit={limit}")["limit"] == 200


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("backend=ibm_torino", "b"),
        ("backend=ibm_none", ""),
        ("program=sampler", "ab"),
        ("program=estimator", ""),
        ("tags=x", "ab"),
        ("tags=x&tags=y", "b"),
        ("tags=z", ""),
        ("pending=true", "b"),
        ("pending=false", "a"),
        ("session_id=unknown", ""),
        ("created_after=2023-11-14T22:13:21%2B00:00", "b"),
        ("created_before=2023-11-14T22:13:21+00:00", "a"),
        ("created_before=2023-11-14T22:13:20Z", "a"),
    ],
)
def test_list_filters(caller, bell, query, found):
    """Each documented filter selects what it says; tags must all be there."""
    names = {caller.job([[bell, None, 5]], tags=["x"]): "a"}
    body = encoded(body_of([[bell, None, 5]], tags=["x", "y"]) | {"backend": "ibm_torino"})
    names[caller.json("POST", "/jobs", body, at=2)["id"]] = "b"
    jobs = caller.json("GET", f"/jobs?sort=ASC&{query}", at=2.1)["jobs"]
    assert "".join(names[j["id"]] for j in jobs) == found


def test_list_of_a_session(caller, bell):
    """A session's jobs are found by its id."""
    session = caller.session()
    job = caller.job([[bell]], session_id=session)
    caller.job([[bell]])
    assert [j["id"] for j in caller.json("GET", f"/jobs?session_id={session}")["jobs"]] == [job]


@pytest.mark.parametrize("value", ["yesterday", "2023-11-14T22:13:21"])
def test_list_with_an_unreadable_date_is_400(caller, value):
    """A date without zone or meaning is refused."""
    assert caller.refusal("GET", f"/jobs?created_after={value}")[0] == 400


def test_results_depend_on_content_and_occurrence_only(make_caller, bell):
    """Two different jobs swap their order, and each keeps its id and its counts."""
    other = bell_circuit()
    other.rz(0.5, 1)

    def run(*circuits):
        caller = make_caller()
        jobs = [caller.job([[circuit, None, 200]]) for circuit in circuits]
        return {job: caller.result(job)[0].data.meas.get_bitstrings() for job in jobs}

    assert run(bell, other, bell) == run(bell, bell, other)


def test_equal_jobs_give_different_shots(caller, bell):
    """Submitting a job again draws again."""
    first, second = (caller.result(caller.job([[bell, None, 200]]))[0].data.meas for _ in range(2))
    assert first.get_bitstrings() != second.get_bitstrings()


def test_two_transpilations_are_one_job(make_caller):
    """Ids of parameters and order of layout registers do not enter a job's id."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    def submitted() -> str:
        circuit = QuantumCircuit(156, 1)
        circuit.rz(Parameter("angle"), 3)
        circuit.measure(3, 0)
        return make_caller().job([[circuit, np.array([0.5]), 10]])

    assert submitted() == submitted()


def test_a_job_is_simulated_once_however_many_ask(caller, bell, monkeypatch):
    """Eight threads that poll a finished job share one simulation."""
    calls = []
    real = _programs.run
    monkeypatch.setattr(_programs, "run", lambda *arguments: calls.append(1) or real(*arguments))
    job = caller.job([[bell, None, 50]])
    bodies = []
    threads = [
        threading.Thread(target=lambda: bodies.append(caller.send("GET", f"/jobs/{job}/results", at=1).body))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert len(set(bodies)) == 1


def test_a_simulation_blocks_nobody_else(caller, bell, monkeypatch):
    """While one job is simulated, other requests are answered."""
    entered, release = threading.Event(), threading.Event()
    real = _programs.run

    def slow(*arguments):
        entered.set()
        assert release.wait(30)
        return real(*arguments)

    monkeypatch.setattr(_programs, "run", slow)
    job = caller.job([[bell, None, 5]])
    thread = threading.Thread(target=lambda: caller.send("GET", f"/jobs/{job}", at=1))
    thread.start()
    assert entered.wait(30)
    session = caller.session()
    assert caller.json("GET", f"/sessions/{session}", at=1)["state"] == "open"
    release.set()
    thread.join()


def test_fifty_jobs_from_eight_threads_in_one_session():
    """Every job of a busy session ends, one after the other, whatever the threads do."""
    caller = Caller(Emulator(backends=("ibm_fez",)))
    session = caller.session()
    body = encoded(body_of([[bell_circuit(), None, 10]], session_id=session))
    jobs: list[str] = []

    def submit():
        jobs.extend(caller.json("POST", "/jobs", body, at=1)["id"] for _ in range(7))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(jobs)) == 56
    assert {caller.status(job, at=60) for job in jobs} == {"Completed"}
    last = caller.json("GET", f"/sessions/{session}", at=60)["last_job_completed"]
    assert last == "2023-11-14T22:13:38.000Z"
    assert caller.emulator.open_sessions(T0) == (session,)


@pytest.mark.parametrize("session", [True, False])
@pytest.mark.parametrize("at", [0.1, 0.3])
def test_open_job_is_deleted_where_the_rules_say_so(make_caller, bell, session, at):
    """Deleting a queued or running job cancels it: it is gone, and what it used until then remains."""
    caller = make_caller(rules=Rules(deletes_open_jobs=True))
    home = {"session_id": caller.session()} if session else {}
    job = caller.job([[bell, None, 5]], **home)
    assert caller.send("DELETE", f"/jobs/{job}", at=at).status == 204
    assert caller.refusal("GET", f"/jobs/{job}", at=at)[0] == 404
    assert caller.refusal("DELETE", f"/jobs/{job}", at=at)[0] == 404
    assert caller.json("GET", "/jobs?pending=true", at=at)["count"] == 0
    if not session:
        usage = caller.json("GET", "/instances/usage", at=9)["usage_consumed_seconds"]
        assert usage == pytest.approx(max(0, at - 0.2))
