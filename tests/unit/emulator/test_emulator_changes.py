"""When something changes by itself next."""

from __future__ import annotations

import functools
import json

import pytest
from emulator_caller import T0, Caller, bell_circuit, encoded
from hypothesis import given, settings
from hypothesis import strategies as st

from qsession._lifecycle import Rules
from qsession._model import SECOND
from qsession.emulator import Backend, Emulator

MS = SECOND // 1000


@functools.cache
def body(session: str | None, backend: str = "ibm_fez") -> bytes:
    """A job; its PUB is none, so it fails when it has run and is not simulated."""
    inputs = {"pubs": [["no circuit"]], "options": {}, "version": 2}
    more = {"session_id": session} if session else {}
    return encoded({"program_id": "sampler", "backend": backend, "params": inputs, **more})


def every_body(caller: Caller, things: list[str], at: int) -> list[bytes]:
    seconds = (at - T0) / SECOND
    return [caller.send("GET", thing, at=seconds).body for thing in things]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["job", "job", "job", "loose job", "dry job", "stop", "accept", "cancel", "cancel job"]
        ),
        st.integers(0, 3),
        st.sampled_from([0, 1, 7, 900, 1_000, 2_500, 9_000, 61_000]),
    ),
    max_size=8,
)


@st.composite
def histories(draw):
    """An emulator after a few legal requests, what can be read of it, and the moment of the last request."""
    rules = Rules(
        at_active_ttl=draw(st.sampled_from(["closed", "inactive"])),
        queued_jobs_end=draw(st.sampled_from(["Cancelled", "Failed"])),
    )
    lengths = st.sampled_from([0, 0.001, 1, 2.5, 30])
    times = {name: draw(lengths) for name in ("queue_seconds", "run_seconds", "usage_after_seconds")}
    backends = ("ibm_fez", Backend("mock_fez", mock=True))
    caller = Caller(Emulator(backends=backends, rules=rules, **times))
    limits = draw(
        st.sampled_from([{}, {"max_ttl": 9}, {"max_ttl": 20, "active_ttl": 4}, {"interactive_ttl": 1}])
    )
    sessions = [caller.session(mode, **limits) for mode in ("dedicated", "batch")]
    jobs, at = [], 0
    for what, which, wait in draw(STEPS):
        at += wait
        session, seconds = sessions[which % 2], at / 1000
        if what.endswith(" job") and what.startswith("cancel"):
            for job in jobs[which : which + 1]:
                caller.send("POST", f"/jobs/{job}/cancel", at=seconds)
        elif what.endswith("job"):
            home = None if what == "loose job" else session
            backend = "mock_fez" if what == "dry job" else "ibm_fez"
            answer = caller.send("POST", "/jobs", body(home, backend), at=seconds)
            jobs += [json.loads(answer.body)["id"]] if answer.status == 200 else []
        elif what == "cancel":
            caller.send("DELETE", f"/sessions/{session}/close", at=seconds)
        else:
            caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": what == "accept"}, at=seconds)
    things = [f"/sessions/{s}" for s in sessions] + [f"/jobs/{j}?exclude_params=true" for j in jobs]
    return caller, things, T0 + at * MS


@settings(max_examples=150, deadline=None)
@given(histories(), st.data())
def test_next_change_is_the_first_moment_at_which_a_body_differs(history, data):
    """Up to the moment before it every body is the same, and at it one is not; the last change comes."""
    caller, things, at = history
    at = data.draw(st.sampled_from([T0, at]))
    for _ in range(60):
        due = caller.emulator.next_change(at)
        bodies = every_body(caller, things, at)
        if due is None:
            break
        assert due > at
        assert due % MS == 0
        between = {due - MS, due - 1, at + MS, data.draw(st.integers(at, due - 1))}
        for moment in between:
            assert at > moment or moment >= due or every_body(caller, things, moment) == bodies
        assert every_body(caller, things, due) != bodies
        at = due
    assert due is None
    assert every_body(caller, things, at + 100_000 * SECOND) == bodies


def test_next_change_of_an_empty_emulator_never_comes():
    """Where nothing was submitted nothing happens."""
    assert Emulator(backends=("ibm_fez",)).next_change(T0) is None


@pytest.mark.parametrize("fraction", [0, 1, 999])
def test_next_change_between_milliseconds_is_on_the_next_one(caller, fraction):
    """A job queued for 0.2 s starts at 200 ms, wherever in the millisecond before one asks."""
    caller.job([[bell_circuit(), None, 5]])
    assert caller.emulator.next_change(T0 + 199 * MS + fraction) == T0 + 200 * MS


def test_next_change_of_many_jobs_is_looked_up(caller, monkeypatch):
    """Of 300 jobs the course is worked out once, not each time somebody asks."""
    from qsession.emulator import _course

    session = caller.session("batch")
    for _ in range(300):
        caller.send("POST", "/jobs", body(session))
    moments = []
    while (due := caller.emulator.next_change(moments[-1] if moments else T0)) is not None:
        moments.append(due)
    assert len(moments) == 303  # the first start, every end, then inactive, then closed

    monkeypatch.setattr(_course._lifecycle, "advance", None)
    assert [caller.emulator.next_change(moment) for moment in moments[:-1]] == moments[1:]


@pytest.mark.parametrize("mode", [None, "dedicated"])
def test_withdrawal_of_a_queued_job_is_a_change(caller, mode):
    """Seen from an earlier moment, a cancel in the queue is the next change, in a session or not."""
    home = caller.session(mode) if mode else None
    job = json.loads(caller.send("POST", "/jobs", body(home)).body)["id"]
    caller.send("POST", f"/jobs/{job}/cancel", at=0.1)
    assert caller.emulator.next_change(T0) == T0 + 100 * MS
