"""Emulators whose jobs and sessions take a course that somebody needs to test."""

from __future__ import annotations

import json

import pytest
from emulator_caller import Caller, encoded

from qsession.emulator._scenarios import NAMES, scenario
from qsession.errors import UsageError

HOUR = 3600


def caller_of(name: str) -> Caller:
    return Caller(scenario(name).emulator())


def submit(caller: Caller, *, at: float = 0, **more):
    inputs = {"pubs": [["no circuit"]], "options": {}, "version": 2}
    body = {"program_id": "sampler", "backend": "ibm_fez", "params": inputs, **more}
    return caller.send("POST", "/jobs", encoded(body), at=at)


def job(caller: Caller, *, at: float = 0, **more) -> str:
    return json.loads(submit(caller, at=at, **more).body)["id"]


@pytest.mark.parametrize("name", NAMES)
def test_scenario_says_what_happens_and_who_says_so(name):
    """Each is one sentence with its source."""
    found = scenario(name)
    assert (found.name, found.story.count(". "), found.story[-1]) == (name, 0, ".")
    assert found.mark in {"documented", "observed", "inferred"}
    assert found.source


@pytest.mark.parametrize("name", NAMES)
def test_scenario_gives_a_fresh_emulator_each_time(name):
    """What one test did is not seen by the next."""
    assert scenario(name).emulator() is not scenario(name).emulator()


@pytest.mark.parametrize("mode", [None, "dedicated", "batch"])
def test_pending_for_hours_starts_after_three_hours_to_the_millisecond(mode):
    """A job is Queued until 10,800 s have passed, in a session or not, then runs and ends."""
    caller = caller_of("pending_for_hours")
    made = job(caller, at=5, **({"session_id": caller.session(mode)} if mode else {}))
    moments = (5, 5 + 3 * HOUR - 0.001, 5 + 3 * HOUR, 5 + 3 * HOUR + 0.299, 5 + 3 * HOUR + 0.3)
    assert [caller.status(made, at=at) for at in moments] == [
        "Queued",
        "Queued",
        "Running",
        "Running",
        "Failed",
    ]


def test_pending_for_hours_keeps_its_session_open():
    """The unused session's 30 minutes do not count while a job waits."""
    caller = caller_of("pending_for_hours")
    session = caller.session()
    job(caller, session_id=session)
    states = [caller.json("GET", f"/sessions/{session}", at=at)["state"] for at in (10_799.999, 10_800)]
    assert states == ["open", "active"]


TIMES = [({}, 28_800), ({"max_ttl": 600}, 600), ({"max_ttl": 1}, 1)]


@pytest.mark.parametrize(("limits", "most"), TIMES)
@pytest.mark.parametrize("mode", ["dedicated", "batch"])
def test_max_time_expires_closes_under_the_third_job(mode, limits, most):
    """The session closes at its maximum time while the third job runs, which it does to its end."""
    caller = caller_of("max_time_expires")
    session = caller.session(mode, **limits)
    jobs = [job(caller, session_id=session) for _ in range(4)]
    begun = 0.2

    def seen(at):
        return caller.json("GET", f"/sessions/{session}", at=at)["state"], [
            caller.status(made, at=at) for made in jobs
        ]

    assert seen(begun + 0.8 * most) == ("active", ["Failed", "Failed", "Running", "Queued"])
    assert seen(begun + most - 0.001) == ("active", ["Failed", "Failed", "Running", "Queued"])
    assert seen(begun + most) == ("closed", ["Failed", "Failed", "Running", "Cancelled"])
    assert seen(begun + 1.2 * most - 0.001) == ("closed", ["Failed", "Failed", "Running", "Cancelled"])
    assert seen(begun + 1.2 * most) == ("closed", ["Failed", "Failed", "Failed", "Cancelled"])


@pytest.mark.parametrize(("limits", "most"), TIMES)
def test_max_time_expires_refuses_the_next_job_from_that_moment(limits, most):
    """A millisecond before the end a job is taken, at the end it is refused with 1217."""
    caller = caller_of("max_time_expires")
    session = caller.session(**limits)
    for _ in range(3):
        job(caller, session_id=session)
    assert submit(caller, at=0.2 + most - 0.001, session_id=session).status == 200
    refused = submit(caller, at=0.2 + most, session_id=session)
    assert (refused.status, json.loads(refused.body)["errors"][0]["code"]) == (400, 1217)


def test_max_time_expires_leaves_a_job_outside_of_sessions_alone():
    """It waits for 0.2 s and runs for 0.3 s as ever."""
    caller = caller_of("max_time_expires")
    made = job(caller)
    assert [caller.status(made, at=at) for at in (0.199, 0.2, 0.499, 0.5)] == [
        "Queued",
        "Running",
        "Running",
        "Failed",
    ]


def test_unknown_scenario_names_the_nearest():
    """The message has what was meant and a line to paste."""
    with pytest.raises(UsageError) as caught:
        scenario("max_time_expire", where="tests/test_bell.py::test_bell")
    assert str(caught.value) == (
        "There is no scenario of this name. [QS125]\n"
        "  'max_time_expire'; did you mean 'max_time_expires'?\n"
        'To fix: @pytest.mark.qsession(scenario="max_time_expires")\n'
        "If this is intended: a course of your own: qsession.Emulator(queue_seconds=..., run_seconds=...)\n"
        "Where: tests/test_bell.py::test_bell"
    )


def test_unknown_scenario_far_from_all_lists_them():
    """Where nothing is near, all are named."""
    with pytest.raises(UsageError) as caught:
        scenario("xyzzy")
    assert caught.value.evidence == ("'xyzzy'; known: max_time_expires, pending_for_hours",)
