"""The bound against an independent model of what the service truly charges."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from types import MappingProxyType

from hypothesis import given, settings
from hypothesis import strategies as st

from qsession._endpoints import BY_NAME, Call
from qsession._model import SECOND, Response
from qsession._money._ledger import Job, Ledger, Session
from qsession._money._observe import Sighting, observe

NEVER = math.inf


@dataclass(frozen=True)
class TrueJob:
    """One job as it really went, in seconds: one QPU, one job at a time."""

    name: str
    place: str
    sent: float
    start: float
    end: float


@dataclass(frozen=True)
class World:
    """Everything that really happened."""

    jobs: tuple[TrueJob, ...]
    modes: dict[str, str]
    closings: dict[str, float]

    def jobs_in(self, place: str) -> list[TrueJob]:
        return [job for job in self.jobs if job.place == place]

    def charge(self, job: TrueJob, at: float) -> float:
        if job.end <= at:
            return math.ceil(job.end - job.start)
        return max(0.0, at - job.start)

    def session_usage(self, place: str, at: float) -> float:
        if self.modes[place] == "batch":
            return sum(self.charge(job, at) for job in self.jobs_in(place))
        began = min((job.start for job in self.jobs_in(place)), default=NEVER)
        ends = [job.end for job in self.jobs_in(place) if job.start < NEVER]
        over = max([self.closings[place], *ends])
        return max(0.0, min(at, over) - began)

    def usage(self, at: float) -> float:
        loose = sum(self.charge(job, at) for job in self.jobs_in(""))
        return loose + sum(self.session_usage(place, at) for place in self.modes)

    def session_body(self, place: str, at: float) -> dict[str, object]:
        began = any(job.start <= at for job in self.jobs_in(place))
        state = "closed" if self.closings[place] <= at else "active" if began else "open"
        body: dict[str, object] = {
            "id": place,
            "state": state,
            "mode": self.modes[place],
            "elapsed_time": None,
        }
        if state == "closed":
            body["elapsed_time"] = self.session_usage(place, at)
        return body

    def job_body(self, job: TrueJob, at: float, estimate: float | None) -> dict[str, object]:
        closing = self.closings.get(job.place, NEVER)
        if job.start == NEVER and closing <= at:
            status = "Cancelled"
        else:
            status = "Completed" if job.end <= at else "Running" if job.start <= at else "Queued"
        body: dict[str, object] = {"id": job.name, "state": {"status": status}}
        body["usage"] = {"qpu_charge_time_seconds": 0, "status": "pending"}
        if status == "Completed" and at >= job.end + 2:
            body["usage"] = {"qpu_charge_time_seconds": self.charge(job, at), "status": "complete"}
        if estimate is not None:
            body["estimated_running_time_seconds"] = estimate
        return body


seconds = st.integers(0, 400).map(lambda tenths: tenths / 10)
places = st.sampled_from(["", "dedicated-1", "dedicated-2", "batch-1"])
submissions = st.lists(st.tuples(places, seconds, seconds, seconds), min_size=1, max_size=6)
questions = st.lists(st.tuples(seconds, seconds, st.integers(0, 6), st.floats(0, 1)), max_size=30)


def make_world(plan: list[tuple[str, float, float, float]], shares: dict[str, float]) -> World:
    """Let the jobs run; a session closes at a share of the run of its first job."""
    jobs, free, now = [], 0.0, 0.0
    closings: dict[str, float] = {}
    for number, (place, gap, wait, drawn) in enumerate(plan):
        now += gap
        start = max(free, now + 0.1 + wait)
        length = max(drawn, 0.1)
        closings.setdefault(place, start + 0.05 + shares.get(place, NEVER) * length)
        if closings.get(place, NEVER) <= start:
            start, end = NEVER, NEVER
        else:
            end = free = start + length
        jobs.append(TrueJob(f"job-{number}", place, now, start, end))
    modes = {"dedicated-1": "dedicated", "dedicated-2": "dedicated", "batch-1": "batch"}
    return World(tuple(jobs), modes, {place: closings.get(place, NEVER) for place in modes})


def micros(moment: float) -> int:
    return round(moment * SECOND)


def enter(ledger: Ledger, endpoint: str, ids: dict[str, str], body: object, sent: float, at: float) -> Ledger:
    call = Call(BY_NAME[endpoint], MappingProxyType(ids), "", (), "")
    answer = Response(200, body=json.dumps(body).encode())
    return observe(ledger, call, answer, Sighting(micros(sent), micros(at)))


def ask(
    ledger: Ledger, world: World, what: int, when: tuple[float, float, float], estimate: float | None
) -> Ledger:
    """One question, answered from the truth at a moment between its two ends."""
    sent, held, at = when
    known = [job for job in world.jobs if job.name in ledger.jobs]
    names = list(world.modes)
    if what < len(names):
        place = names[what]
        return enter(ledger, "sessions.get", {"session": place}, world.session_body(place, held), sent, at)
    if what == len(names):
        listed = {"jobs": [world.job_body(job, held, estimate) for job in known]}
        return enter(ledger, "jobs.list", {}, listed, sent, at)
    if not known:
        return ledger
    job = known[what % len(known)]
    return enter(ledger, "jobs.get", {"job": job.name}, world.job_body(job, held, estimate), sent, at)


@settings(max_examples=400, deadline=None)
@given(
    plan=submissions,
    asked=questions,
    closings=st.tuples(*[st.one_of(st.just(NEVER), st.floats(0, 3))] * 3),
    estimate=st.one_of(st.none(), st.floats(0, 20)),
)
def test_bound_of_a_random_history_is_never_below_the_truth(
    plan: list[tuple[str, float, float, float]],
    asked: list[tuple[float, float, int, float]],
    closings: tuple[float, float, float],
    estimate: float | None,
) -> None:
    """Whatever is asked, when, how slowly and in which order, the count covers the cost.

    Answers reach the ledger in the order of their arrival, so that slow ones overlap
    and tell of an older state than what is known already.
    """
    world = make_world(plan, dict(zip(["dedicated-1", "dedicated-2", "batch-1"], closings, strict=True)))
    ledger, now, events = Ledger(), 0.0, []
    for place, mode in world.modes.items():
        ledger = ledger.with_session(Session(place, mode, "ibm_fez", 0, 0))
    for job in world.jobs:
        events.append((job.sent, 0, job, (0.0, 0.0, 0.0)))
    for gap, latency, what, share in asked:
        now += gap / 2
        when = (now, now + latency * share, now + latency)
        events.append((now + latency, 1, what, when))
    for at, _, what, when in sorted(events, key=lambda event: event[:2]):
        if isinstance(what, TrueJob):
            ledger = ledger.with_job(Job(what.name, "ibm_fez", what.place, micros(at), micros(at)))
        else:
            ledger = ask(ledger, world, what, when, estimate)
        for moment in (at, at + 0.05, at + 7):
            later = [job for job in world.jobs if job.sent <= at]
            seen = World(tuple(later), world.modes, world.closings)
            assert ledger.spent(micros(moment)) >= seen.usage(moment) - 1e-5


@given(plan=submissions)
def test_bound_of_a_polled_history_ends_at_the_true_charge(
    plan: list[tuple[str, float, float, float]],
) -> None:
    """Once everything is over and was asked about, nothing is counted twice."""
    world = make_world(plan, {"dedicated-1": 3.0, "dedicated-2": 3.0, "batch-1": 3.0})
    ledger = Ledger()
    for place, mode in world.modes.items():
        ledger = ledger.with_session(Session(place, mode, "ibm_fez", 0, 0))
    for job in world.jobs:
        ledger = ledger.with_job(Job(job.name, "ibm_fez", job.place, micros(job.sent), micros(job.sent)))
    for what in (3, 0, 1, 2):
        ledger = ask(ledger, world, what, (1000.0 + what, 1000.0 + what, 1003.0), None)
        ledger = ask(ledger, world, what, (1010.0, 1010.0, 1011.0), None)
    assert math.isclose(ledger.spent(micros(9999.0)), world.usage(9999.0), abs_tol=1e-9)


@given(
    body=st.binary(max_size=60) | st.sampled_from([b"[]", b"null", b'{"state": 7}', b'{"jobs": [1, null]}'])
)
def test_answer_that_cannot_be_read_changes_nothing(body: bytes) -> None:
    """Nonsense never lowers the bound."""
    ledger = Ledger().with_session(Session("s", "dedicated", "b", 0, 0)).with_job(Job("j", "b", "s", 0, 0))
    for endpoint, ids in (("sessions.get", {"session": "s"}), ("jobs.get", {"job": "j"}), ("jobs.list", {})):
        call = Call(BY_NAME[endpoint], MappingProxyType(ids), "", (), "")
        assert observe(ledger, call, Response(200, body=body), Sighting(5, 6)) == ledger


def test_unfinished_jobs_of_one_backend_share_their_wall_clock() -> None:
    """One QPU runs one job at a time, so a batch of twenty is not counted twenty times."""
    ledger = Ledger().with_session(Session("b", "batch", "ibm_fez", 0, 0))
    for number in range(20):
        ledger = ledger.with_job(Job(f"job-{number}", "ibm_fez", "b", 0, 0, estimate=1.0))
    assert ledger.spent(10 * SECOND) == 10.0 + 19
    assert ledger.spent(1 * SECOND) == 20.0


def test_usage_that_overlaps_with_the_end_of_a_job_is_not_final() -> None:
    """A session answer that was under way when a job was seen final may be older than its end."""
    ledger = Ledger().with_session(Session("s", "dedicated", "ibm_fez", 0, 0))
    ledger = ledger.with_job(Job("j", "ibm_fez", "s", 0, 0))
    ledger = enter(ledger, "jobs.get", {"job": "j"}, {"state": {"status": "Completed"}}, 19, 20)
    closed = {"state": "closed", "elapsed_time": 3}
    overlapping = enter(ledger, "sessions.get", {"session": "s"}, closed, 15, 21)
    assert overlapping.spent(micros(30)) == 21.0
    assert enter(overlapping, "sessions.get", {"session": "s"}, closed, 22, 23).spent(micros(30)) == 3.0


def test_closed_session_counts_on_while_a_job_runs() -> None:
    """Closing a session does not end the job that runs in it."""
    ledger = Ledger().with_session(Session("s", "dedicated", "ibm_fez", 0, 0))
    ledger = ledger.with_job(Job("j", "ibm_fez", "s", 0, 0))
    ledger = enter(ledger, "sessions.cancel", {"session": "s"}, {}, 4, 5)
    assert ledger.spent(micros(30)) == 30.0
