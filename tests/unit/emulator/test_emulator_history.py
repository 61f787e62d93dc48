"""Jobs from before anybody asked."""

from __future__ import annotations

import threading

import pytest
from emulator_caller import Caller

from qsession.emulator import Backend, Emulator, Instance, PastJob
from qsession.emulator._instances import fake_crn
from qsession.errors import UsageError

PAST = (
    PastJob(ago_seconds=60, tags=("new",)),
    PastJob(program="estimator", ago_seconds=3600),
    PastJob(ago_seconds=7200, status="Failed"),
    PastJob(ago_seconds=600, status="Cancelled"),
)


@pytest.fixture
def past(make_caller) -> Caller:
    return make_caller(history=PAST)


def test_history_is_there_at_the_first_request(past):
    """Jobs count back from the first request, and are final in the way they were told."""
    jobs = past.json("GET", "/jobs")["jobs"]
    assert [(j["program"]["id"], j["status"], j["created"]) for j in jobs] == [
        ("sampler", "Completed", "2023-11-14T22:12:20.000Z"),
        ("sampler", "Cancelled", "2023-11-14T22:03:20.000Z"),
        ("estimator", "Completed", "2023-11-14T21:13:20.000Z"),
        ("sampler", "Failed", "2023-11-14T20:13:20.000Z"),
    ]
    assert jobs[0]["tags"] == ["new"]
    assert jobs[3]["state"]["reason_code"] == 1603


def test_past_results_are_simulated(past):
    """A past job has results like any other, one that was cancelled has none."""
    new, cancelled, estimator, _ = (j["id"] for j in past.json("GET", "/jobs")["jobs"])
    counts = past.result(new)[0].data.c.get_counts()
    assert set(counts) == {"0", "1"}
    assert sum(counts.values()) == 4096
    assert abs(past.result(estimator)[0].data.evs) < 0.1
    assert past.send("GET", f"/jobs/{cancelled}/results").status == 204
    assert past.json("GET", f"/jobs/{cancelled}/metrics")["timestamps"]["running"] is None
    assert past.json("GET", f"/jobs/{new}")["params"]["version"] == 2


def test_history_counts_for_the_usage(past):
    """What ran was used, before the first request too."""
    assert past.json("GET", "/instances/usage")["usage_consumed_seconds"] == pytest.approx(0.9)


def test_history_is_told_once(past):
    """Later requests do not move it."""
    first = past.json("GET", "/jobs", at=0)
    assert past.json("GET", "/jobs", at=5000) == first


def test_history_does_not_change_other_ids(make_caller, bell):
    """A new job has the id that it has without a past."""
    assert make_caller(history=PAST).job([[bell, None, 5]]) == make_caller().job([[bell, None, 5]])


def test_history_is_the_same_in_equal_emulators(make_caller):
    """Ids and results derive from the seed, and differ with it."""

    def told(seed: int) -> list[bytes]:
        caller = make_caller(history=PAST, seed=seed)
        ids = [j["id"] for j in caller.json("GET", "/jobs")["jobs"]]
        return [caller.send("GET", f"/jobs/{i}/results").body for i in ids] + [repr(ids).encode()]

    assert told(1) == told(1)
    assert told(1)[-1] != told(2)[-1]


def test_history_belongs_to_its_instance_and_backend():
    """A past job is where it was said to be."""
    two = (Instance(fake_crn(1), "a"), Instance(fake_crn(2), "b"))
    past = (PastJob(instance="b", backend="mock_fez"),)
    backends = ("ibm_fez", Backend("mock_fez", mock=True))
    caller = Caller(Emulator(backends=backends, instances=two, history=past))
    path = "/jobs?include_mocks=true"
    assert caller.json("GET", path, service_crn=two[0].crn)["count"] == 0
    (job,) = caller.json("GET", path, service_crn=two[1].crn)["jobs"]
    assert (job["backend"], job["usage"]["qpu_charge_time_seconds"]) == ("mock_fez", 0)


def test_short_past_is_over(make_caller):
    """A job of a moment ago has run its course, however long jobs take here."""
    caller = make_caller(history=(PastJob(ago_seconds=0.5),), queue_seconds=100, run_seconds=100)
    (job,) = caller.json("GET", "/jobs")["jobs"]
    assert job["status"] == "Completed"


def test_history_does_not_count_as_submissions(make_caller, bell):
    """The rate of submissions counts what was submitted here."""
    caller = make_caller(history=(PastJob(ago_seconds=1), PastJob(ago_seconds=2)), jobs_a_minute=1)
    caller.job([[bell, None, 5]])
    with pytest.raises(AssertionError, match="status=429"):
        caller.job([[bell, None, 5]])


def test_threads_tell_the_past_once(make_caller):
    """Many first requests at once give one history."""
    caller, gate = make_caller(history=PAST), threading.Barrier(6)
    found = []

    def look() -> None:
        gate.wait()
        found.append(caller.json("GET", "/jobs")["count"])

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [4] * 6


@pytest.mark.parametrize(
    ("job", "what"), [(PastJob(backend="x"), "a backend"), (PastJob(instance="x"), "an instance")]
)
def test_history_of_nobody_is_a_usage_error(make_caller, job, what):
    """A backend or instance that the emulator lacks is named."""
    with pytest.raises(
        UsageError, match=rf"^A job of the history names {what} that the emulator does not have"
    ):
        make_caller(history=(job,))
