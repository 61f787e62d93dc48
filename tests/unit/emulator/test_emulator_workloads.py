"""Workloads: sessions, batches and jobs in one list."""

from __future__ import annotations

import base64

import pytest
from emulator_caller import Caller, encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from qsession._refusals import MORE_INFO
from qsession.emulator import Emulator


def plain_job(**more) -> bytes:
    """A job whose PUB is none: it fails when it has run, and nothing is simulated."""
    return encoded(
        {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [["x"]], "version": 2}, **more}
    )


def submit(caller: Caller, *, at: float = 0.0, **more) -> str:
    return caller.json("POST", "/jobs", plain_job(**more), at=at)["id"]


@pytest.fixture
def filled(caller):
    """A session with a job, a batch, and three jobs outside, each a second after the one before."""
    session = caller.session()
    submit(caller, session_id=session)
    batch = caller.session("batch", at=1)
    jobs = [
        submit(caller, at=2, tags=["alpha", "beta"]),
        submit(caller, at=3, tags=["alpha"], backend="ibm_torino"),
        submit(caller, at=4),
    ]
    caller.send("POST", f"/jobs/{jobs[2]}/cancel", at=4)
    return caller, [session, batch, *jobs]


def idents(caller, query: str = "", *, at: float = 10) -> list[str]:
    return [w["id"] for w in caller.json("GET", f"/workloads{query}", at=at)["workloads"]]


def test_list_has_sessions_batches_and_jobs_outside(filled):
    """Oldest first; the job of a session is part of it."""
    caller, ids = filled
    answer = caller.json("GET", "/workloads", at=10)
    assert [w["id"] for w in answer["workloads"]] == ids
    assert (answer["total_count"], answer["limit"]) == (5, 10)
    assert "next" not in answer
    assert "previous" not in answer
    assert [w["mode"] for w in answer["workloads"]] == ["session", "batch", "job", "job", "job"]
    assert [w["accepting_jobs"] for w in answer["workloads"]] == [True, True, None, None, None]


def test_job_says_what_became_of_it(filled):
    """Moments, tags, usage and why it failed."""
    caller, ids = filled
    failed = caller.json("GET", "/workloads", at=10)["workloads"][2]
    assert failed == {
        "id": ids[2],
        "created": "2023-11-14T22:13:22.000Z",
        "backend": "ibm_fez",
        "instance": caller.emulator.instances[0].crn,
        "user_id": "IBMid-0000000000",
        "mode": "job",
        "status": "failed",
        "tags": ["alpha", "beta"],
        "accepting_jobs": None,
        "usage_seconds": 0.3,
        "usage": {"qpu_charge_time_seconds": 0.3, "status": "complete"},
        "estimated_running_time_seconds": 2.0,
        "ended": "2023-11-14T22:13:22.500Z",
        "status_reason": "The circuit of a PUB could not be loaded.",
    }


def test_session_says_how_far_it_is(filled):
    """A session is pending, in progress and completed; its usage comes with its end."""
    caller, (session, *_) = filled

    def seen(at: float):
        found = caller.json("GET", "/workloads?mode=session", at=at)["workloads"][0]
        return found["status"], found["status_reason"], found["usage"], found.get("ended")

    pending = {"qpu_charge_time_seconds": 0.0, "status": "pending"}
    assert seen(0.1) == ("pending", "session_created", pending, None)
    assert seen(0.3) == ("in_progress", "session_activated", pending, None)
    assert seen(100)[:3] == ("in_progress", "session_inactivated_by_interactive_ttl", pending)
    caller.send("DELETE", f"/sessions/{session}/close", at=200)
    ended = {"qpu_charge_time_seconds": 199.8, "status": "complete"}
    assert seen(200) == ("completed", "session_closed_early", ended, "2023-11-14T22:16:40.000Z")


@pytest.mark.parametrize(
    ("query", "picked"),
    [
        ("?mode=job", [2, 3, 4]),
        ("?mode=session", [0]),
        ("?mode=batch", [1]),
        ("?status=failed", [2, 3]),
        ("?status=canceled&status=pending", [1, 4]),
        ("?backend=ibm_torino", [3]),
        ("?tags=alpha", [2, 3]),
        ("?tags=alpha&tags=beta", [2]),
        ("?search=alph", [2, 3]),
        ("?search=nothing", []),
        ("?sort=createdAt", [0, 1, 2, 3, 4]),
        ("?sort=-createdAt", [4, 3, 2, 1, 0]),
        ("?created_after=2023-11-14T22:13:22Z", [2, 3, 4]),
        ("?created_before=2023-11-14T22:13:21.000Z", [0, 1]),
        ("?user=me", [0, 1, 2, 3, 4]),
        ("?user=somebody", []),
        ("?limit=2", [0, 1]),
        ("?limit=0", [0, 1, 2, 3, 4]),
        ("?limit=51", [0, 1, 2, 3, 4]),
        ("?limit=x", [0, 1, 2, 3, 4]),
    ],
)
def test_filters_select_what_they_say(filled, query, picked):
    """Each documented filter, alone."""
    caller, ids = filled
    assert idents(caller, query) == [ids[i] for i in picked]


def test_search_finds_ids_too(filled):
    """A part of an id is enough."""
    caller, ids = filled
    assert idents(caller, f"?search={ids[3][2:12]}") == [ids[3]]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("?mode=sessions", "mode must be one of job, session, batch"),
        ("?status=done", "status done is not one of pending, in_progress, completed, failed, canceled"),
        ("?sort=created", "sort must be one of createdAt, -createdAt"),
        ("?next=x", "next is no cursor that a list gave"),
        ("?previous=%C3%A4", "previous is no cursor that a list gave"),
        ("?next=MXxh&previous=MXxh", "next and previous exclude each other"),
        ("?next=MXxh", "the workload of the cursor is not in the list"),
        ("?created_after=now", "created_after must be a date and time with its zone"),
    ],
)
def test_malformed_queries_are_400(filled, query, reason):
    """What the list does not understand it refuses, in the form that workloads document."""
    caller, _ = filled
    response = caller.send("GET", f"/workloads{query}", at=10)
    status, error = caller.refusal("GET", f"/workloads{query}", at=10)
    assert (status, response.status) == (400, 400)
    assert error == {
        "code": 1208,
        "message": f"Request validation of query failed, because: {reason}",
        "solution": "Correct the query parameters.",
    }
    assert MORE_INFO.encode() in response.body


def test_pages_lead_to_each_other(filled):
    """next and previous are whole addresses that keep the other parameters."""
    caller, ids = filled
    first = caller.json("GET", "/workloads?limit=2&sort=-createdAt", at=10)
    assert "previous" not in first
    assert first["next"]["href"].startswith("https://quantum.cloud.ibm.com/api/v1/workloads?limit=2&sort=")
    second = caller.json("GET", first["next"]["href"], at=10)
    third = caller.json("GET", second["next"]["href"], at=10)
    assert "next" not in third
    found = [[w["id"] for w in page["workloads"]] for page in (first, second, third)]
    assert found == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert {page["total_count"] for page in (first, second, third)} == {5}
    back = caller.json("GET", third["previous"]["href"], at=10)
    assert [w["id"] for w in back["workloads"]] == found[1]
    assert caller.json("GET", back["previous"]["href"], at=10)["workloads"] == first["workloads"]


def test_cursor_begins_with_a_moment(filled):
    """The cursor is a moment in base64; the id behind it tells apart what was created at once."""
    caller, ids = filled
    cursor = caller.json("GET", "/workloads?limit=1", at=10)["next"]["href"].partition("next=")[2]
    plain = base64.urlsafe_b64decode(cursor.replace("%3D", "=")).decode()
    assert plain == f"1700000000000000|{ids[0]}"


@settings(max_examples=25, deadline=None)
@given(
    jobs=st.lists(st.sampled_from([0, 0, 1, 5]), max_size=12),
    limit=st.integers(1, 5),
    sort=st.sampled_from(["createdAt", "-createdAt"]),
)
def test_pages_together_are_the_list(jobs, limit, sort):
    """Forwards and backwards, the pages hold each workload once, in order, ties included."""
    caller, at = Caller(Emulator(backends=("ibm_fez",))), 0
    for wait in jobs:
        at += wait
        submit(caller, at=at)
    whole = idents(caller, f"?limit=50&sort={sort}", at=at)
    assert len(whole) == len(jobs)
    href, seen, page = f"/workloads?limit={limit}&sort={sort}", [], None
    while href:
        page = caller.json("GET", href, at=at)
        seen += [w["id"] for w in page["workloads"]]
        href = page.get("next", {}).get("href")
    assert seen == whole
    backwards = [w["id"] for w in page["workloads"]]
    while "previous" in page:
        page = caller.json("GET", page["previous"]["href"], at=at)
        backwards = [w["id"] for w in page["workloads"]] + backwards
    # The first page may overlap, as its neighbour's beginning is not a multiple of the limit.
    assert backwards[-len(whole) :] == whole if whole else backwards == []


def test_deleted_jobs_are_no_workloads(filled):
    """What was deleted is not listed."""
    caller, ids = filled
    assert caller.send("DELETE", f"/jobs/{ids[2]}", at=10).status == 204
    assert ids[2] not in idents(caller)


def test_dropped_job_is_not_listed_beside_its_session(caller):
    """A queued job of a cancelled session belongs to the session."""
    session = caller.session()
    submit(caller, session_id=session)
    caller.send("DELETE", f"/sessions/{session}/close", at=0.1)
    assert idents(caller) == [session]
