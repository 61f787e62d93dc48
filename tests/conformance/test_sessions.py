"""Sessions and batches: their documents, states, timers and usage."""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from qiskit_ibm_runtime import Batch, IBMRuntimeError, SamplerV2, Session


def moments(document: dict) -> dict[str, datetime]:
    return {s["status"]: datetime.fromisoformat(s["timestamp"]) for s in document["timestamps"]}


def until(call, ident: str, state: str, *, within: float) -> dict:
    """The session once it is in a state."""
    for _ in range(round(within * 2)):
        document = call.read(f"/sessions/{ident}")
        if document["state"] == state:
            return document
        time.sleep(0.5)
    raise AssertionError(f"not {state} within {within} s: {document}")


def test_new_session_is_open(call, batch):
    """State, reason, timers; nothing has happened yet, and what has not is left out or null."""
    document = call.read(f"/sessions/{batch.session_id}")
    assert (document["state"], document["state_reason"]) == ("open", "session_created")
    assert (document["accepting_jobs"], document["mode"]) == (True, "batch")
    assert document["interactive_ttl"] == 60
    assert [stamp["status"] for stamp in document["timestamps"]] == ["open"]
    later = (
        "started_at",
        "activated_at",
        "closed_at",
        "last_job_started",
        "last_job_completed",
        "elapsed_time",
    )
    assert {document.get(name) for name in later} == {None}


def test_moments_are_whole_milliseconds(call, batch):
    """As ISO 8601 with a Z."""
    (stamp,) = call.read(f"/sessions/{batch.session_id}")["timestamps"]
    assert stamp["timestamp"].endswith("Z")
    assert datetime.fromisoformat(stamp["timestamp"]).microsecond % 1000 == 0


def test_session_asked_for_less_time_gets_it(call, qsession_backend):
    """``max_time`` becomes the maximum and the active time."""
    with Batch(backend=qsession_backend, max_time="5m") as batch:
        document = call.read(f"/sessions/{batch.session_id}")
        batch.cancel()
    assert (document["max_ttl"], document["active_ttl"]) == (300, 300)


def test_unused_session_closes_early_when_told_to_stop(call, batch):
    """No job is there to wait for: it is closed at once, and used nothing."""
    assert call("PATCH", f"/sessions/{batch.session_id}", {"accepting_jobs": False}).status_code == 204
    document = call.read(f"/sessions/{batch.session_id}")
    assert (document["state"], document["state_reason"]) == ("closed", "session_closed_early")
    assert (document["accepting_jobs"], document["elapsed_time"]) == (False, 0)


def test_closed_session_accepts_again_and_stays_closed(call, batch):
    """The flag goes back, the state does not."""
    for wish in (False, True):
        call("PATCH", f"/sessions/{batch.session_id}", {"accepting_jobs": wish})
    document = call.read(f"/sessions/{batch.session_id}")
    assert (document["state"], document["accepting_jobs"]) == ("closed", True)


def test_closed_session_can_be_closed_and_cancelled_again(call, batch):
    """Both answer 204."""
    batch.close()
    again = call("PATCH", f"/sessions/{batch.session_id}", {"accepting_jobs": False})
    assert (again.status_code, again.content) == (204, b"")
    assert call("DELETE", f"/sessions/{batch.session_id}/close").status_code == 204


def test_closed_session_refuses_jobs(call, batch, bell):
    """With 1217, from the service: the client has not heard of the close."""
    call("DELETE", f"/sessions/{batch.session_id}/close")
    with pytest.raises(IBMRuntimeError, match=r"400 Client Error.*\"code\":1217,.*Session has been closed"):
        SamplerV2(mode=batch).run([bell], shots=16)


def test_unknown_session(call):
    """404, with the id."""
    assert call.error("GET", "/sessions/no-such") == (
        404,
        "not_found",
        "Session not found. Session ID: no-such",
    )


@pytest.mark.slow
def test_session_without_a_job_closes_after_30_minutes(call, batch):
    """Not a second earlier, and it costs nothing."""
    made = moments(call.read(f"/sessions/{batch.session_id}"))["open"]
    time.sleep(30 * 60 - 5)
    assert call.read(f"/sessions/{batch.session_id}")["state"] == "open"
    time.sleep(10)
    document = call.read(f"/sessions/{batch.session_id}")
    assert (document["state"], document["elapsed_time"]) == ("closed", 0)
    assert (moments(document)["closed"] - made).total_seconds() == pytest.approx(30 * 60, abs=2)
    assert document["state_reason"] == "session_closed_unused"


@pytest.mark.qpu
def test_session_turns_active_when_its_first_job_starts(call, batch, submit):
    """With the moment of it in ``started_at``, ``activated_at`` and ``last_job_started``."""
    submit().result()
    document = call.read(f"/sessions/{batch.session_id}")
    assert (document["state"], document["state_reason"]) == ("active", "session_activated")
    started = moments(document)["active"]
    for name in ("started_at", "activated_at", "last_job_started"):
        assert datetime.fromisoformat(document[name]) == started
    assert datetime.fromisoformat(document["last_job_completed"]) > started


@pytest.mark.qpu
@pytest.mark.slow
def test_session_turns_inactive_a_minute_after_its_last_job(call, batch, submit):
    """Its jobs are over, none came: the interactive time. A further job makes it active again."""
    submit().result()
    ended = datetime.fromisoformat(call.read(f"/sessions/{batch.session_id}")["last_job_completed"])
    time.sleep(50)
    assert call.read(f"/sessions/{batch.session_id}")["state"] == "active"
    document = until(call, batch.session_id, "inactive", within=30)
    assert document["state_reason"] == "session_inactivated_by_interactive_ttl"
    assert (moments(document)["inactive"] - ended).total_seconds() == pytest.approx(60, abs=2)
    submit().result()
    states = [stamp["status"] for stamp in call.read(f"/sessions/{batch.session_id}")["timestamps"]]
    assert states == ["open", "active", "inactive", "active"]


@pytest.mark.qpu
@pytest.mark.slow
def test_session_closes_at_its_maximum(call, qsession_backend, bell):
    """Counted from the start of its first job, whatever it does."""
    with Batch(backend=qsession_backend, max_time=90) as batch:
        SamplerV2(mode=batch).run([bell], shots=16).result()
        document = until(call, batch.session_id, "closed", within=120)
    started = datetime.fromisoformat(document["started_at"])
    assert (moments(document)["closed"] - started).total_seconds() == pytest.approx(90, abs=2)
    assert document["state_reason"] == "session_closed_by_max_ttl"


@pytest.mark.qpu
def test_closed_batch_used_what_its_jobs_used(call, batch, submit):
    """A batch costs the QPU time of its jobs, and says so when it is closed."""
    jobs = [submit() for _ in range(2)]
    assert call.read(f"/sessions/{batch.session_id}").get("elapsed_time") is None
    for job in jobs:
        job.result()
    batch.close()
    document = until(call, batch.session_id, "closed", within=60)
    assert document["elapsed_time"] == pytest.approx(sum(job.usage() for job in jobs), abs=0.01)


@pytest.mark.qpu
def test_closed_session_used_the_wall_clock(call, qsession_backend, bell):
    """A session costs the time from its first job to its end. Not on an open plan."""
    with Session(backend=qsession_backend) as session:
        SamplerV2(mode=session).run([bell], shots=16).result()
        time.sleep(3)
    document = until(call, session.session_id, "closed", within=60)
    stamps = moments(document)
    wall = (stamps["closed"] - stamps["active"]).total_seconds()
    assert document["elapsed_time"] == pytest.approx(wall, abs=0.01)
    assert wall > 3


@pytest.mark.qpu
def test_closed_session_finishes_what_was_taken(call, batch, submit):
    """A close lets queued and running jobs run."""
    jobs = [submit() for _ in range(3)]
    batch.close()
    assert call.read(f"/sessions/{batch.session_id}")["accepting_jobs"] is False
    assert [job.wait_for_final_state() or job.status() for job in jobs] == ["DONE"] * 3


@pytest.mark.qpu
def test_cancelled_session_drops_what_waits(call, batch, submit):
    """A cancel lets the running job finish, and cancels those behind it."""
    jobs = [submit() for _ in range(4)]
    while jobs[0].status() == "QUEUED":
        time.sleep(0.1)
    batch.cancel()
    assert call.read(f"/sessions/{batch.session_id}")["state"] == "closed"
    for job in jobs:
        job.wait_for_final_state()
    assert jobs[0].status() == "DONE"
    assert jobs[-1].status() == "CANCELLED"
