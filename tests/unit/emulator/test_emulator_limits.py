"""What the service refuses because it is too much, each in its own code."""

from __future__ import annotations

import json
import threading

import pytest
from emulator_caller import T0, Caller, bell_circuit, encoded

from qsession._model import SECOND
from qsession.emulator import Emulator, Instance
from qsession.emulator._instances import fake_crn

OPEN = Instance(fake_crn(1), plan="Open", pricing_type="free")


def plain_job(**more) -> bytes:
    """A job whose PUB is none: it fails when it has run, and nothing is simulated."""
    return encoded(
        {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [["x"]], "version": 2}, **more}
    )


TAGS = {
    ("t",) * 9: {
        "code": 1204,
        "message": "The maximum number of tags that a job can have was exceeded (9 > 8).",
        "solution": "Remove some tags and try again.",
    },
    ("a", "t" * 87): {
        "code": 1205,
        "message": "The maximum length that a job tag can have was exceeded (87 > 86).",
        "solution": "Shorten the tag and try again.",
    },
}


@pytest.mark.parametrize(("tags", "error"), TAGS.items(), ids=["many", "long"])
def test_tags_beyond_the_limits_have_their_own_codes(caller, tags, error):
    """Both when a job is posted and when its tags are replaced."""
    assert caller.refusal("POST", "/jobs", plain_job(tags=list(tags))) == (400, error)
    job = caller.json("POST", "/jobs", plain_job(tags=["t" * 86] * 8))["id"]
    assert caller.refusal("PUT", f"/jobs/{job}/tags", {"tags": list(tags)}) == (400, error)
    assert caller.json("GET", f"/jobs/{job}")["tags"] == ["t" * 86] * 8


def test_cost_above_the_maximum_is_cut_down_to_it(caller):
    """A limit of more than three hours is three hours (documented as capped)."""
    job = caller.json("POST", "/jobs", plain_job(cost=10_801))["id"]
    assert caller.json("GET", f"/jobs/{job}")["cost"] == 10_800


def test_oversized_input_is_413(caller, monkeypatch):
    """A body beyond the limit is refused before it is read."""
    monkeypatch.setattr("qsession.emulator._job_calls.MAX_BODY", 10)
    assert caller.refusal("POST", "/jobs", plain_job()) == (
        413,
        {"code": 5302, "message": "Request payload exceeded the maximum size."},
    )


def test_open_plan_has_three_pending_jobs(make_caller):
    """The fourth is refused until one of the three has ended or was cancelled."""
    caller = make_caller(instances=(OPEN,))
    jobs = [caller.json("POST", "/jobs", plain_job())["id"] for _ in range(3)]
    error = {
        "code": 3458,
        "message": "You have reached the limit of 3 pending jobs."
        " Please wait for a job to complete or cancel one before submitting anything new.",
    }
    assert caller.refusal("POST", "/jobs", plain_job()) == (400, error)
    assert caller.refusal("POST", "/jobs", plain_job(), at=0.4)[0] == 400
    caller.send("POST", f"/jobs/{jobs[0]}/cancel", at=0.4)
    assert caller.send("POST", "/jobs", plain_job(), at=0.4).status == 200
    assert caller.refusal("POST", "/jobs", plain_job(), at=0.4)[0] == 400
    assert caller.send("POST", "/jobs", plain_job(), at=0.5).status == 200


def test_pending_jobs_of_another_plan_are_not_counted(make_caller):
    """Only an instance with a cap has one, and counts its own jobs."""
    own = Instance(fake_crn(2), "second")
    caller = make_caller(instances=(Instance(fake_crn(1), pending_jobs=1), own))
    assert caller.send("POST", "/jobs", plain_job()).status == 200
    for _ in range(5):
        assert caller.send("POST", "/jobs", plain_job(), service_crn=own.crn).status == 200
    assert caller.refusal("POST", "/jobs", plain_job())[1]["code"] == 3458


def test_refused_submissions_change_nothing(make_caller):
    """A refused job is not listed, and the next id is as if it had not been."""

    def ids(refused: int) -> list[str]:
        caller = make_caller(instances=(Instance(fake_crn(1), pending_jobs=1),))
        first = caller.json("POST", "/jobs", plain_job())["id"]
        for _ in range(refused):
            assert caller.send("POST", "/jobs", plain_job()).status == 400
        assert caller.json("GET", "/jobs")["count"] == 1
        return [first, caller.json("POST", "/jobs", plain_job(), at=2)["id"]]

    assert ids(0) == ids(4)


def test_submissions_a_minute_are_limited_on_request(make_caller):
    """The sixth within a minute is 429 with code 1202; a minute after the first there is room again."""
    caller = make_caller(jobs_a_minute=5)
    for n in range(5):
        assert caller.send("POST", "/jobs", plain_job(), at=n).status == 200
    error = {
        "code": 1202,
        "message": "Too many job requests received: limit is 5 per minute.",
        "solution": "Lower the rate of requests and try again.",
    }
    assert caller.refusal("POST", "/jobs", plain_job(), at=59.9) == (429, error)
    assert caller.send("POST", "/jobs", plain_job(), at=60).status == 200
    assert caller.refusal("POST", "/jobs", plain_job(), at=60)[0] == 429


def test_submissions_a_minute_count_the_whole_account(make_caller):
    """The limit is a user's, whichever instance is used; deleted jobs count too."""
    own = Instance(fake_crn(2), "second")
    caller = make_caller(jobs_a_minute=2, instances=(Instance(fake_crn(1)), own))
    job = caller.json("POST", "/jobs", plain_job())["id"]
    assert caller.send("DELETE", f"/jobs/{job}", at=2).status == 204
    assert caller.send("POST", "/jobs", plain_job(), at=2, service_crn=own.crn).status == 200
    assert caller.refusal("POST", "/jobs", plain_job(), at=3)[0] == 429


def test_any_number_of_submissions_unless_limited(caller):
    """Without the option the emulator counts nothing."""
    assert {caller.send("POST", "/jobs", plain_job()).status for _ in range(30)} == {200}


def test_concurrent_submissions_do_not_pass_a_cap(make_caller):
    """Of many threads exactly as many get in as there is room for."""
    caller = make_caller(instances=(Instance(fake_crn(1), pending_jobs=4),))
    caller.send("POST", "/jobs", plain_job())
    results, gate = [], threading.Barrier(8)

    def submit() -> None:
        gate.wait()
        results.extend(caller.send("POST", "/jobs", plain_job()).status for _ in range(5))

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [200] * 3 + [400] * 37


def test_used_up_limit_refuses_jobs(make_caller):
    """Once what was used reaches the limit, jobs are refused with 409, and the usage says so."""
    caller = make_caller(instances=(Instance(fake_crn(1), usage_limit_seconds=2),))
    caller.json("POST", "/jobs", plain_job())
    usage = caller.json("GET", "/instances/usage", at=1)
    # 0.3 s are charged as a whole second.
    assert (usage["usage_consumed_seconds"], usage["usage_limit_reached"]) == (1, False)
    assert isinstance(usage["usage_consumed_seconds"], int)
    caller.json("POST", "/jobs", plain_job(), at=1)
    usage = caller.json("GET", "/instances/usage", at=2)
    assert (usage["usage_consumed_seconds"], usage["usage_limit_reached"]) == (2, True)
    assert caller.refusal("POST", "/jobs", plain_job(), at=2) == (
        409,
        {
            "code": 4317,
            "message": "Usage exceeds instance limit.",
            "solution": "Raise the limit of the instance, or use another one.",
        },
    )


def test_reached_limit_ends_a_session(make_caller):
    """A session's wall clock counts while it goes on: at the limit it ends, as if it was cancelled."""
    caller = make_caller(instances=(Instance(fake_crn(1), usage_limit_seconds=10),))
    session = caller.session(at=0)
    caller.json("POST", "/jobs", plain_job(session_id=session), at=0)
    before = caller.json("GET", f"/sessions/{session}", at=10.199)
    assert (before["state"], before["accepting_jobs"]) == ("active", True)
    after = caller.json("GET", f"/sessions/{session}", at=100)
    # Its first job started at 0.2 s.
    assert (after["state"], after["accepting_jobs"], after["elapsed_time"]) == ("closed", False, 10)
    assert after["closed_at"] == "2023-11-14T22:13:30.200Z"
    usage = caller.json("GET", "/instances/usage", at=100)
    assert (usage["usage_consumed_seconds"], usage["usage_limit_reached"]) == (10, True)


def test_reached_limit_drops_what_waits(make_caller):
    """The job that runs at the limit of a batch ends as ever; those behind it do not run."""
    caller = make_caller(instances=(Instance(fake_crn(1), usage_limit_seconds=7),), run_seconds=5)
    batch = caller.session("batch")
    jobs = [caller.json("POST", "/jobs", plain_job(session_id=batch))["id"] for _ in range(3)]
    assert [caller.status(job, at=7.1) for job in jobs] == ["Failed", "Running", "Queued"]
    assert [caller.status(job, at=7.2) for job in jobs] == ["Failed", "Running", "Cancelled"]
    assert [caller.status(job, at=11) for job in jobs] == ["Failed", "Failed", "Cancelled"]
    assert caller.json("GET", f"/sessions/{batch}", at=11)["elapsed_time"] == 10


def test_reached_limit_spares_other_instances(make_caller):
    """Jobs outside of sessions use a limit up too, and only the sessions of their instance end."""
    limited, free = Instance(fake_crn(1), usage_limit_seconds=3), Instance(fake_crn(2))
    caller = make_caller(instances=(limited, free), run_seconds=2)
    own = caller.session()
    caller.headers["service-crn"] = free.crn
    other = caller.session()
    caller.headers["service-crn"] = limited.crn
    for at in (0, 1.5):
        caller.json("POST", "/jobs", plain_job(), at=at)
    assert caller.emulator.open_sessions(T0 + 2_699_000) == tuple(sorted((own, other)))
    assert caller.emulator.open_sessions(T0 + 5 * SECOND) == (other,)
    # The second job started at 1.7 s and was in its 1,000th millisecond of 2,000.
    closed = caller.json("GET", f"/sessions/{own}", at=5)["closed_at"]
    assert closed == "2023-11-14T22:13:22.700Z"


def test_next_change_knows_of_the_limit(make_caller):
    """The moment at which a limit ends a session is a change by itself, foretold to the millisecond."""
    caller = make_caller(instances=(Instance(fake_crn(1), usage_limit_seconds=10),))
    session = caller.session()
    caller.json("POST", "/jobs", plain_job(session_id=session))
    moments, at = [], T0
    while (found := caller.emulator.next_change(at)) is not None:
        moments.append((found - T0) / SECOND)
        at = found
        caller.json("GET", f"/sessions/{session}", at=moments[-1])
    assert moments == [0.2, 0.5, 10.2]


def test_reached_limit_moves_with_what_is_done_before_it(make_caller):
    """A look ahead at an end by the limit binds nobody: a job that is submitted before it brings it forward."""
    caller = make_caller(instances=(Instance(fake_crn(1), usage_limit_seconds=10),), run_seconds=3)
    session = caller.session()
    caller.json("POST", "/jobs", plain_job(session_id=session))
    assert caller.json("GET", f"/sessions/{session}", at=60)["closed_at"] == "2023-11-14T22:13:30.200Z"
    caller.json("POST", "/jobs", plain_job(), at=1)
    assert caller.json("GET", f"/sessions/{session}", at=60)["closed_at"] == "2023-11-14T22:13:27.200Z"


def test_session_opened_past_the_limit_stays_open(make_caller):
    """Only reaching the limit ends sessions: one that was opened later gets no job, and its own timers."""
    caller = make_caller(instances=(Instance(fake_crn(1), usage_limit_seconds=1),))
    caller.json("POST", "/jobs", plain_job())
    session = caller.session(at=1)
    assert caller.refusal("POST", "/jobs", plain_job(session_id=session), at=2)[0] == 409
    assert caller.json("GET", f"/sessions/{session}", at=3)["state"] == "open"


def test_deleted_jobs_keep_their_usage(caller):
    """Deleting a job gives no time back."""
    job = caller.json("POST", "/jobs", plain_job())["id"]
    before = caller.json("GET", "/instances/usage", at=2)
    assert caller.send("DELETE", f"/jobs/{job}", at=2).status == 204
    assert caller.json("GET", "/instances/usage", at=2) == before
    assert before["usage_consumed_seconds"] == 0.3
    assert caller.refusal("GET", f"/jobs/{job}", at=2)[0] == 404
    assert caller.refusal("DELETE", f"/jobs/{job}", at=2)[0] == 404
    assert caller.json("GET", "/jobs", at=2)["count"] == 0


def test_open_plan_counts_28_days(make_caller):
    """What was used longer ago than the period does not count on the open plan."""
    caller = make_caller(instances=(OPEN,), run_seconds=700)
    caller.json("POST", "/jobs", plain_job())
    assert caller.refusal("POST", "/jobs", plain_job(), at=701)[0] == 409
    after = 701 + 28 * 86_400
    assert caller.json("GET", "/instances/usage", at=after)["usage_consumed_seconds"] == 0
    assert caller.send("POST", "/jobs", plain_job(), at=after).status == 200


@pytest.mark.parametrize("path", ["/jobs", "/sessions"])
def test_backend_of_another_instance_is_unknown(make_caller, path):
    """An instance sees its own backends only, in every call."""
    own = Instance(fake_crn(1), backends=("ibm_torino",))
    caller = make_caller(backends=("ibm_fez", "ibm_torino"), instances=(own,))
    assert [d["name"] for d in caller.json("GET", "/backends")["devices"]] == ["ibm_torino"]
    body = plain_job() if path == "/jobs" else {"mode": "batch", "backend": "ibm_fez"}
    assert caller.refusal("POST", path, body)[1]["code"] == 1007
    for part in ("configuration", "properties", "status", "defaults"):
        assert caller.refusal("GET", f"/backends/ibm_fez/{part}")[0] == 404
        assert caller.send("GET", f"/backends/ibm_torino/{part}").status == 200


def test_limit_of_nothing_is_reached_at_once():
    """An instance that may use no second at all has used up its limit."""
    usage = Caller(
        Emulator(backends=("ibm_fez",), instances=(Instance(fake_crn(1), usage_limit_seconds=0),))
    ).json("GET", "/instances/usage")
    assert (usage["usage_limit_seconds"], usage["usage_limit_reached"]) == (0, True)


def test_simulated_jobs_are_limited_alike(make_caller):
    """A job with a circuit counts as one without."""
    caller = make_caller(instances=(Instance(fake_crn(1), pending_jobs=1),))
    job = caller.job([[bell_circuit(), None, 5]])
    assert caller.refusal("POST", "/jobs", plain_job())[0] == 400
    assert json.loads(caller.send("GET", f"/jobs/{job}", at=1).body)["status"] == "Completed"
