from __future__ import annotations

import pytest
from emulator_caller import T0, encoded

from qsession._lifecycle import Rules
from qsession._model import SECOND
from qsession.emulator import Instance
from qsession.emulator._instances import fake_crn

OPEN_PLAN = (Instance(fake_crn(3), "open", "Open", "free"),)


def test_session_is_created_open(caller):
    """A new session has every field of the service but the moments to come."""
    body = {"mode": "dedicated", "backend": "ibm_fez", "instance": "crn", "max_ttl": 3600}
    assert caller.json("POST", "/sessions", body) == {
        "id": caller.emulator.open_sessions(T0)[0],
        "backend_name": "ibm_fez",
        "interactive_ttl": 60,
        "max_ttl": 3600,
        "active_ttl": 3600,
        "state": "open",
        "state_reason": "session_created",
        "accepting_jobs": True,
        "mode": "dedicated",
        "timestamps": [{"status": "open", "timestamp": "2023-11-14T22:13:20.000Z"}],
        "user_id": "IBMid-0000000000",
    }


def test_session_defaults_to_eight_hours(caller):
    """Without max_ttl a session has the documented 28800 seconds."""
    assert caller.json("GET", f"/sessions/{caller.session()}")["max_ttl"] == 28800


def test_session_takes_backend_name_as_fallback(caller):
    """The documented fallback key names the backend too."""
    made = caller.json("POST", "/sessions", {"mode": "batch", "backend_name": "ibm_torino"})
    assert (made["backend_name"], made["mode"]) == ("ibm_torino", "batch")


def test_session_ids_have_the_shape_of_the_services(caller):
    """Ids are UUIDs of version 4 and differ for equal requests."""
    one, two = caller.session(), caller.session()
    assert one != two
    assert [len(part) for part in one.split("-")] == [8, 4, 4, 4, 12]
    assert one[14] == "4"
    assert one[19] in "89ab"


def test_session_ids_do_not_depend_on_order(make_caller):
    """Two sessions asked for in another order get the same ids."""
    first, second = make_caller(), make_caller()
    a1, b1 = first.session(max_ttl=10), first.session(max_ttl=20)
    b2, a2 = second.session(max_ttl=20), second.session(max_ttl=10)
    assert (a1, b1) == (a2, b2)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"backend": "ibm_fez"}, "mode must be dedicated or batch"),
        ({"mode": "other", "backend": "ibm_fez"}, "mode must be dedicated or batch"),
        ({"mode": ["batch"], "backend": "ibm_fez"}, "mode must be dedicated or batch"),
        ({"mode": "batch"}, "backend_name must be a string of 1 to 10000 characters"),
        (
            {"mode": "batch", "backend": "ibm_fez", "backend_name": 5},
            "backend_name must be a string of 1 to 10000 characters",
        ),
        ({"mode": "batch", "backend": None}, "backend must be a string of 1 to 10000 characters"),
        ({"mode": "batch", "backend": 5}, "backend must be a string of 1 to 10000 characters"),
        (
            {"mode": "batch", "backend": "ibm_fez", "max_ttl": 0},
            "max_ttl must be a whole number from 1 to 2147483647",
        ),
        (
            {"mode": "batch", "backend": "ibm_fez", "max_ttl": True},
            "max_ttl must be a whole number from 1 to 2147483647",
        ),
        (
            {"mode": "batch", "backend": "ibm_fez", "max_ttl": 5, "active_ttl": 6},
            "active_ttl must not exceed max_ttl",
        ),
        (
            {"mode": "batch", "backend": "ibm_fez", "max_ttl": 5, "interactive_ttl": 6},
            "interactive_ttl must not exceed active_ttl",
        ),
    ],
)
def test_malformed_session_is_400(caller, body, reason):
    """A session request that breaks the documented form is refused with its reason."""
    assert caller.refusal("POST", "/sessions", body) == (
        400,
        {"code": 1208, "message": f"Request validation of body failed, because: {reason}"},
    )


def test_session_on_an_unknown_backend_is_400(caller):
    """Code 1007 for a backend that there is none of."""
    assert caller.refusal("POST", "/sessions", {"mode": "batch", "backend": "ibm_none"}) == (
        400,
        {
            "code": 1007,
            "message": "Backend not found.",
            "solution": "Check the backend name, maybe it is wrong.",
        },
    )


def test_session_on_the_open_plan_is_refused(make_caller):
    """The open plan's refusal is the service's, word for word."""
    caller = make_caller(instances=OPEN_PLAN)
    assert caller.refusal("POST", "/sessions", {"mode": "dedicated", "backend": "ibm_fez"}) == (
        400,
        {
            "code": 1352,
            "message": "You are not authorized to run a session when using the open plan.",
            "solution": "Create an instance of a different plan type or use a different execution mode.",
        },
    )


def test_batch_on_the_open_plan_is_ten_minutes_at_most(make_caller):
    """A batch is allowed on the open plan, up to its documented limit."""
    caller = make_caller(instances=OPEN_PLAN)
    batch = caller.session("batch", max_ttl=3600)
    assert caller.json("GET", f"/sessions/{batch}")["max_ttl"] == 600


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "", None), ("PATCH", "", {"accepting_jobs": False}), ("DELETE", "/close", None)],
)
def test_unknown_session_is_404(caller, method, path, body):
    """Every call on a session names the id that it does not know."""
    assert caller.refusal(method, f"/sessions/nope{path}", body) == (
        404,
        {
            "code": "not_found",
            "message": "Session not found. Session ID: nope",
            "solution": "Verify the session ID is correct.",
        },
    )


@pytest.mark.parametrize("body", [{}, {"accepting_jobs": "no"}, {"accepting_jobs": None}])
def test_update_without_boolean_is_400(caller, body):
    """PATCH needs its one boolean."""
    status, error = caller.refusal("PATCH", f"/sessions/{caller.session()}", body)
    assert (status, error["message"]) == (
        400,
        "Request validation of body failed, because: accepting_jobs must be true or false",
    )


def test_session_lives_through_its_states(caller, bell):
    """A session with one job: open, active, then inactive, with every moment stamped."""
    session = caller.session()
    caller.job([[bell, None, 1]], session_id=session, at=1)
    states = [
        caller.json("GET", f"/sessions/{session}", at=at)["state"] for at in (1.1, 1.2, 1.5, 61.4, 61.5)
    ]
    assert states == ["open", "active", "active", "active", "inactive"]
    seen = caller.json("GET", f"/sessions/{session}", at=70)
    assert (
        seen["started_at"] == seen["activated_at"] == seen["last_job_started"] == "2023-11-14T22:13:21.200Z"
    )
    assert seen["last_job_completed"] == "2023-11-14T22:13:21.500Z"
    assert [t["status"] for t in seen["timestamps"]] == ["open", "active", "inactive"]
    assert "closed_at" not in seen
    assert "elapsed_time" not in seen


def test_close_waits_for_the_submitted_job(caller, bell):
    """close() with a job in flight: still active, not accepting, closed with the job's end."""
    session = caller.session()
    job = caller.job([[bell, None, 1]], session_id=session)
    assert caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=0.1).status == 204
    during = caller.json("GET", f"/sessions/{session}", at=0.3)
    assert (during["state"], during["accepting_jobs"]) == ("active", False)
    after = caller.json("GET", f"/sessions/{session}", at=9)
    assert (after["state"], after["closed_at"], after["elapsed_time"]) == (
        "closed",
        "2023-11-14T22:13:20.500Z",
        0.3,
    )
    assert caller.status(job, at=9) == "Completed"


def test_close_of_an_unused_session_used_nothing(caller):
    """An empty session closes at once with elapsed_time 0."""
    session = caller.session("batch")
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=1)
    seen = caller.json("GET", f"/sessions/{session}", at=1)
    assert (seen["state"], seen["state_reason"], seen["elapsed_time"]) == (
        "closed",
        "session_closed_early",
        0,
    )
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": True}, at=2)
    again = caller.json("GET", f"/sessions/{session}", at=2)
    assert (again["state"], again["accepting_jobs"]) == ("closed", True)


def test_job_for_a_closed_session_is_refused(caller, bell):
    """Code 1217, word for word."""
    session = caller.session()
    caller.send("DELETE", f"/sessions/{session}/close")
    body = {
        "program_id": "sampler",
        "backend": "ibm_fez",
        "session_id": session,
        "params": {"pubs": [[bell]]},
    }
    assert caller.refusal("POST", "/jobs", encoded(body), at=1) == (
        400,
        {
            "code": 1217,
            "message": "Session has been closed.",
            "solution": "Increase the session `max_time` if possible, or keep session active by reducing"
            " the time between jobs. For details, see the Session length guide.",
        },
    )


def test_cancel_drops_the_queued_and_finishes_the_running_job(caller, bell):
    """cancel(): the running job ends as planned, the queued one never runs."""
    session = caller.session()
    running = caller.job([[bell, None, 1]], session_id=session)
    queued = caller.job([[bell, None, 2]], session_id=session)
    caller.send("DELETE", f"/sessions/{session}/close", at=0.3)
    assert [caller.status(job, at=0.4) for job in (running, queued)] == ["Running", "Cancelled"]
    assert caller.status(running, at=1) == "Completed"
    seen = caller.json("GET", f"/sessions/{session}", at=1)
    assert (seen["closed_at"], seen["elapsed_time"]) == ("2023-11-14T22:13:20.300Z", 0.3)


def test_dropped_job_fails_if_the_rules_say_so(make_caller, bell):
    """The setting turns jobs of a closed session into failures with code 4001."""
    caller = make_caller(rules=Rules(queued_jobs_end="Failed"))
    session = caller.session()
    job = caller.job([[bell, None, 1]], session_id=session)
    caller.send("DELETE", f"/sessions/{session}/close", at=0.1)
    assert caller.json("GET", f"/jobs/{job}", at=1)["state"] == {
        "status": "Failed",
        "reason": "Job is part of a session that's been closed",
        "reason_code": 4001,
        "reason_solution": "Ensure session is not closed before all jobs in session have run",
    }


def test_jobs_of_a_session_run_one_at_a_time(caller, bell):
    """Three jobs at once share the QPU in their order; a batch used the sum."""
    session = caller.session("batch")
    jobs = [caller.job([[bell, None, n]], session_id=session) for n in (1, 2, 3)]
    assert [caller.status(job, at=0.6) for job in jobs] == ["Completed", "Running", "Queued"]
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=5)
    assert caller.json("GET", f"/sessions/{session}", at=6)["elapsed_time"] == 0.9


def test_open_sessions_lists_what_is_not_closed(caller):
    """The money guard's question: which sessions would go on costing."""
    one, two = caller.session(), caller.session("batch")
    assert caller.emulator.open_sessions(T0) == tuple(sorted((one, two)))
    caller.send("DELETE", f"/sessions/{one}/close", at=1)
    assert caller.emulator.open_sessions(T0 + 2 * SECOND) == (two,)


def test_acts_of_one_moment_keep_their_order(caller, bell):
    """Accepting again and submitting in one millisecond works, however close the two are."""
    session = caller.session()
    caller.job([[bell, None, 5]], session_id=session)
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False})
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": True}, at=0.001)
    job = caller.job([[bell, None, 5]], session_id=session, at=0.001)
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=0.001)
    assert caller.status(job, at=0.001) == "Queued"
    assert caller.json("GET", f"/sessions/{session}", at=0.001)["state"] == "open"
    assert caller.status(job, at=5) == "Completed"
    assert caller.json("GET", f"/sessions/{session}", at=5)["state"] == "closed"


def test_withdrawal_after_accepting_again_closes_nothing(caller, bell):
    """Stop, accept, and then a cancel of the only job, all in one moment: the session stays open."""
    session = caller.session()
    job = caller.job([[bell, None, 5]], session_id=session)
    for accepting in (False, True):
        caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": accepting})
    caller.send("POST", f"/jobs/{job}/cancel")
    document = caller.json("GET", f"/sessions/{session}")
    assert (document["state"], document["accepting_jobs"]) == ("open", True)


def test_withdrawal_before_accepting_again_closes(caller, bell):
    """Stop, then the cancel of the only job closes; accepting again does not reopen."""
    session = caller.session()
    job = caller.job([[bell, None, 5]], session_id=session)
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False})
    caller.send("POST", f"/jobs/{job}/cancel")
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": True})
    document = caller.json("GET", f"/sessions/{session}")
    assert (document["state"], document["accepting_jobs"]) == ("closed", True)
