"""Past the end of a recording: the emulator is the oracle."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsession._beyond import Beyond
from qsession._endpoints import identify
from qsession._lifecycle import Rules
from qsession._model import SECOND, Interaction, Provenance, Recording, Request
from qsession._session_document import read_moment
from qsession.emulator import Emulator

T0 = 1_700_000_000 * SECOND
MS = SECOND // 1000
BASE = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {
    "authorization": "Bearer planted-token",
    "service-crn": "crn:v1:x",
    "ibm-api-version": "2026-04-15",
}


class Recorded:
    """An emulator that is recorded for a while, and asked on."""

    def __init__(self, start: int = T0, **options):
        self.emulator = Emulator(backends=("ibm_fez",), **options)
        self.start, self.at = start, 0
        self.interactions: list[Interaction] = []
        self.rules = options.get("rules")

    def wait(self, seconds: float):
        self.at += round(seconds * SECOND)

    def request(self, method: str, path: str, body: object = None) -> Request:
        return Request(method, BASE + path, HEADERS, b"" if body is None else json.dumps(body).encode())

    def ask(self, method: str, path: str, body: object = None, *, note=True):
        request = self.request(method, path, body)
        response = self.emulator.answer(request, self.start + self.at)
        call = identify(request)
        if note:
            made = Interaction(call.endpoint.name, 0, request, response, self.at, MS, last=self.at)
            self.note(made)
            self.at += MS
        return response

    def note(self, made: Interaction):
        former = next((i for i in reversed(self.interactions) if i.request == made.request), None)
        if made.request.method == "GET" and former is not None and former.response == made.response:
            index = self.interactions.index(former)
            self.interactions[index] = replace(former, seen=former.seen + 1, last=made.at)
        else:
            self.interactions.append(made)

    def session(self, mode="dedicated", **limits) -> str:
        body = {"mode": mode, "backend": "ibm_fez", **limits}
        return json.loads(self.ask("POST", "/sessions", body).body)["id"]

    def job(self, session=None):
        answer = self.ask("POST", "/jobs", job_body(session))
        return json.loads(answer.body)["id"] if answer.status == 200 else None

    def recording(self) -> Recording:
        return Recording(Provenance("emulator", self.start), tuple(self.interactions))

    def beyond(self) -> Beyond:
        # Only moments that are told exactly can be compared with those that were.
        return Beyond(self.recording(), rules=self.rules, close=0)

    def truth(self, method, path, body=None, *, at):
        return self.emulator.answer(self.request(method, path, body), self.start + at)


def job_body(session):
    inputs = {"pubs": [["no circuit"]], "options": {}, "version": 2}
    more = {"session_id": session} if session else {}
    return {"program_id": "sampler", "backend": "ibm_fez", "params": inputs, **more}


def told(beyond: Beyond, story: Recorded, method: str, path: str, body=None, *, at: int):
    request = story.request(method, path, body)
    return beyond.answer(identify(request), request, 0, at)


def document(response):
    return None if response is None else (response.status, json.loads(response.body or b"null"))


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["job", "job", "jobs", "loose job", "stop", "accept", "cancel", "cancel job", "list"]
            + ["read session", "read job", "read jobs", "metrics"] * 2
        ),
        st.integers(0, 3),
        st.sampled_from([0, 0.0004, 0.5, 1, 2.5, 9, 61]),
    ),
    min_size=3,
    max_size=14,
)


def step(story: Recorded, session: str, jobs: list[str], what: str, which: int) -> None:
    one = jobs[which : which + 1]
    asked = {
        "cancel": [("DELETE", f"/sessions/{session}/close")] * (which == 0),
        "stop": [("PATCH", f"/sessions/{session}", {"accepting_jobs": False})],
        "accept": [("PATCH", f"/sessions/{session}", {"accepting_jobs": True})],
        "read session": [("GET", f"/sessions/{session}")],
        "list": [("GET", "/jobs")],
        "cancel job": [("POST", f"/jobs/{job}/cancel") for job in one],
        "metrics": [("GET", f"/jobs/{job}/metrics") for job in one],
        "read job": [("GET", f"/jobs/{job}?exclude_params=true") for job in one],
        "read jobs": [("GET", f"/jobs/{job}?exclude_params=true") for job in jobs],
    }
    for request in asked.get(what, ()):
        story.ask(*request)
    for _ in range({"job": 1, "loose job": 1, "jobs": 3}.get(what, 0)):
        job = story.job(None if what == "loose job" else session)
        jobs += [job] if job else []


@st.composite
def stories(draw):
    """A recorded history of one session, with or without a last look at everything."""
    rules = Rules(
        at_active_ttl=draw(st.sampled_from(["closed", "inactive"])),
        usage_spans_gaps=draw(st.booleans()),
        queued_jobs_end=draw(st.sampled_from(["Cancelled", "Failed"])),
    )
    story = Recorded(
        T0 + draw(st.sampled_from([0, 417])),
        queue_seconds=draw(st.sampled_from([0, 1, 2.5, 300])),
        run_seconds=draw(st.sampled_from([0.001, 1, 2.5, 30, 300])),
        rules=rules,
    )
    limits = st.sampled_from([{}, {"max_ttl": 20}, {"max_ttl": 40, "active_ttl": 4}, {"interactive_ttl": 1}])
    session, jobs = story.session(draw(st.sampled_from(["dedicated", "batch"])), **draw(limits)), []
    for what, which, wait in draw(STEPS):
        story.wait(wait)
        step(story, session, jobs, what, which)
    last_look = draw(st.sampled_from([(), ("read jobs", "read session"), ("read session", "read jobs")]))
    for what in last_look:
        step(story, session, jobs, what, 0)
    return story, session, jobs


def known_phases(story: Recorded, jobs: list[str]) -> dict[str, str]:
    """The last phase of each job that was recorded."""
    known = dict.fromkeys(jobs, "Queued")
    for made in sorted(story.interactions, key=lambda i: max(i.at, i.last)):
        if made.response.status >= 300:
            continue
        found, ident = json.loads(made.response.body or b"{}"), identify(made.request).ids.get("job", "")
        if made.endpoint == "jobs.get":
            known[ident] = found["status"]
        elif made.endpoint == "jobs.list":
            known |= {job["id"]: job["status"] for job in found["jobs"]}
        elif made.endpoint == "jobs.cancel":
            known[ident] = "Cancelled"
        elif made.endpoint == "jobs.metrics" and known[ident] in {"Queued", "Running"}:
            ran = "Running" if found["timestamps"]["running"] else known[ident]
            known[ident] = "ended" if found["timestamps"]["finished"] else ran
    return known


def moved_unseen(story: Recorded, job: str, known: str, at: int, looked: int) -> bool:
    """Whether a job started or ended at a moment that leaves no trace in what was recorded."""
    answer = story.truth("GET", f"/jobs/{job}/metrics", at=at)
    stamps = json.loads(answer.body)["timestamps"]
    started, ended = (read_moment(stamps[name]) or 0 for name in ("running", "finished"))
    # What happened before its session was last read shows there.
    return (known == "Queued" and started > looked) or (known == "Running" and ended > looked)


@settings(max_examples=200, deadline=None)
@given(stories(), st.data())
def test_beyond_says_what_the_emulator_says(recorded, data):
    """Where it answers at all, session and jobs are what they would have been, in every field."""
    story, session, jobs = recorded
    beyond, known, at = story.beyond(), known_phases(story, jobs), story.at
    reads = (i for i in story.interactions if i.endpoint in {"sessions.create", "sessions.get"})
    looked = story.start + max(max(i.at, i.last) for i in reads)
    homes = {
        job: json.loads(story.truth("GET", f"/jobs/{job}", at=at).body).get("session_id") for job in jobs
    }

    def unseen(at):
        return {job for job in jobs if moved_unseen(story, job, known[job], at, looked if homes[job] else 0)}

    for _ in range(6):
        hidden = unseen(at)
        if not any(homes[job] for job in hidden):
            shown = [f"/jobs/{job}?exclude_params=true" for job in jobs if job not in hidden]
            for path in [f"/sessions/{session}", *shown]:
                said = told(beyond, story, "GET", path, at=at)
                assert document(said) in (
                    None,
                    but_for_an_untold_charge(said, story.truth("GET", path, at=at)),
                )
        due = beyond.next_change(at)
        assert due is None or due > at
        near = st.sampled_from([-MS, 0, MS]) if due else st.sampled_from([MS, SECOND, 3600 * SECOND])
        at = max(at, (due or at) + data.draw(near)) + MS
        written = data.draw(st.sampled_from([None, None, *writes(session, jobs)]))
        if written and not unseen(at) and (said := told(beyond, story, *written, at=at)):
            truth = story.truth(*written, at=at)
            assert (said.status, code(said)) == (truth.status, code(truth))
            if said.status == 204 and "/jobs" in written[1]:
                known[written[1][6:26]] = "Cancelled"


def writes(session: str, jobs: list[str]):
    path = f"/sessions/{session}"
    changes = [("PATCH", path, {"accepting_jobs": False}), ("PATCH", path, {"accepting_jobs": True})]
    return [*changes, ("DELETE", path + "/close"), *(("POST", f"/jobs/{job}/cancel") for job in jobs)]


def code(response):
    return json.loads(response.body)["errors"][0]["code"] if response.body else None


def but_for_an_untold_charge(said, truth):
    """What a job was charged that was cancelled while it ran is not told by all recordings."""
    ours, theirs = document(said), document(truth)
    if ours and ours[1].get("status") == "Cancelled" and ours[1]["usage"]["status"] == "pending":
        theirs[1]["usage"] = ours[1]["usage"]
    return theirs


def used(mode="dedicated", **limits):
    """A session whose only job ran from 0.2 s to 0.5 s, read at 1 s."""
    story = Recorded(queue_seconds=0.2, run_seconds=0.3)
    session = story.session(mode, **limits)
    job = story.job(session)
    story.at = SECOND
    story.ask("GET", f"/jobs/{job}?exclude_params=true")
    story.ask("GET", f"/sessions/{session}")
    return story, session, job


TIMERS = [
    ("interactive", 60_501, "active", "inactive"),
    ("max", 600_201, "inactive", "closed"),
]


@pytest.mark.parametrize("mode", ["dedicated", "batch"])
@pytest.mark.parametrize(("timer", "due", "before", "after"), TIMERS)
def test_timer_ends_on_its_millisecond(mode, timer, due, before, after):
    """A millisecond before it runs out nothing has changed, at it and after it everything has."""
    story, session, _ = used(mode, max_ttl=600)
    beyond, path = story.beyond(), f"/sessions/{session}"
    for at, state in ((due - 1, before), (due, after), (due + 1, after)):
        said = told(beyond, story, "GET", path, at=at * MS)
        assert document(said) == document(story.truth("GET", path, at=at * MS))
        assert document(said)[1]["state"] == state


def test_unused_session_closes_after_thirty_minutes():
    """What was only created closes itself half an hour later."""
    story = Recorded()
    path = f"/sessions/{story.session()}"
    beyond = story.beyond()
    states = [
        document(told(beyond, story, "GET", path, at=at * MS))[1]["state"] for at in (1_799_999, 1_800_000)
    ]
    assert states == ["open", "closed"]


def test_next_change_goes_from_timer_to_timer():
    """The moments at which something changes are those of the emulator."""
    story, _, _ = used(max_ttl=600)
    beyond = story.beyond()
    moments = [beyond.next_change(at) for at in (story.at, 60_501 * MS, 600_201 * MS)]
    assert moments == [60_501 * MS, 600_201 * MS, None]
    assert moments[0] == story.emulator.next_change(T0 + story.at) - T0


def test_queued_job_is_dropped_when_its_session_closes():
    """The second job, in the queue when the maximum time ends, is Cancelled; the running one runs on."""
    story = Recorded(queue_seconds=0, run_seconds=1_000)
    session = story.session(max_ttl=600)
    jobs = [story.job(session), story.job(session)]
    story.wait(1)
    step(story, session, jobs, "read jobs", 0)
    step(story, session, jobs, "read session", 0)
    beyond, due = story.beyond(), 600_001 * MS

    def statuses(at):
        read = (told(beyond, story, "GET", f"/jobs/{job}?exclude_params=true", at=at) for job in jobs)
        return [document(said)[1]["status"] for said in read]

    assert beyond.next_change(story.at) == due
    assert statuses(due - MS) == ["Running", "Queued"]
    assert statuses(due) == ["Running", "Cancelled"]


def test_close_past_the_end_is_seen_afterwards():
    """What the code under test does there is answered by 204 and holds from then on."""
    story, session, _ = used()
    beyond, path = story.beyond(), f"/sessions/{session}"
    said = told(beyond, story, "PATCH", path, {"accepting_jobs": False}, at=30 * SECOND)
    assert (said.status, said.body) == (204, b"")
    story.truth("PATCH", path, {"accepting_jobs": False}, at=30 * SECOND)
    after = told(beyond, story, "GET", path, at=40 * SECOND)
    assert document(after) == document(story.truth("GET", path, at=40 * SECOND))
    assert document(after)[1]["closed_at"] == "2023-11-14T22:13:50.000Z"


def test_job_into_a_closed_session_is_refused_as_the_emulator_does():
    """Until the session closes nobody knows what a new job would do; then it is 1217."""
    story, session, _ = used(max_ttl=600)
    beyond, body = story.beyond(), job_body(session)
    assert told(beyond, story, "POST", "/jobs", body, at=600_200 * MS) is None
    said = told(beyond, story, "POST", "/jobs", body, at=600_201 * MS)
    ours, truth = document(said), document(story.truth("POST", "/jobs", body, at=600_201 * MS))
    assert said.headers == {"content-type": "application/json"}
    assert len(ours[1].pop("trace")) == len(truth[1].pop("trace"))
    assert ours == truth


def test_cancel_of_a_queued_job_past_the_end_is_seen_afterwards():
    """It is Cancelled at once, and a second cancel is refused."""
    story = Recorded(queue_seconds=9_000)
    job = story.job()
    story.ask("GET", f"/jobs/{job}?exclude_params=true")
    beyond, at = story.beyond(), 100 * SECOND
    assert told(beyond, story, "POST", f"/jobs/{job}/cancel", at=at).status == 204
    path = f"/jobs/{job}?exclude_params=true"
    story.truth("POST", f"/jobs/{job}/cancel", at=at)
    assert document(told(beyond, story, "GET", path, at=at)) == document(story.truth("GET", path, at=at))
    assert told(beyond, story, "POST", f"/jobs/{job}/cancel", at=at + MS).status == 409


def test_fields_that_nobody_knows_stay_as_recorded():
    """What the service has more than we know is answered on, in a session and in a job."""
    story, session, job = used(max_ttl=600)
    story.interactions = [
        replace(
            i,
            response=replace(
                i.response, body=json.dumps(json.loads(i.response.body) | {"new": [1]}).encode()
            ),
        )
        if i.endpoint in {"sessions.get", "jobs.get"}
        else i
        for i in story.interactions
    ]
    beyond = story.beyond()
    for path in (f"/sessions/{session}", f"/jobs/{job}?exclude_params=true"):
        assert document(told(beyond, story, "GET", path, at=900 * SECOND))[1]["new"] == [1]


def test_job_with_parameters_is_known_only_if_they_were_recorded():
    """The shorter form follows from the longer one, not the other way round."""
    story, _, job = used()
    assert told(story.beyond(), story, "GET", f"/jobs/{job}", at=2 * SECOND) is None
    story.ask("GET", f"/jobs/{job}")
    for path in (f"/jobs/{job}", f"/jobs/{job}?exclude_params=true"):
        said = told(story.beyond(), story, "GET", path, at=2 * SECOND)
        assert document(said) == document(story.truth("GET", path, at=2 * SECOND))


def test_session_that_was_not_read_after_its_job_is_not_made_up():
    """Without metrics, or polls that saw it to a second, nobody knows when the job started: no answer, no timer."""
    story = Recorded(queue_seconds=0.2, run_seconds=0.3)
    session = story.session()
    job = story.job(session)
    story.at = 2 * SECOND
    story.ask("GET", f"/jobs/{job}?exclude_params=true")
    assert told(story.beyond(), story, "GET", f"/sessions/{session}", at=3 * SECOND) is None
    assert story.beyond().next_change(3 * SECOND) is None
    story.ask("GET", f"/jobs/{job}/metrics")
    said = told(story.beyond(), story, "GET", f"/sessions/{session}", at=3 * SECOND)
    assert document(said) == document(story.truth("GET", f"/sessions/{session}", at=3 * SECOND))


def test_session_whose_job_was_polled_starts_when_it_was_first_seen_running():
    """A start that polls saw to a second is near enough for timers of whole seconds."""
    story = Recorded(queue_seconds=0.2, run_seconds=0.3)
    session = story.session()
    job = story.job(session)
    for story.at in range(0, SECOND, SECOND // 10):
        story.ask("GET", f"/jobs/{job}?exclude_params=true")
    beyond = Beyond(story.recording(), rules=story.rules)
    _, said = document(told(beyond, story, "GET", f"/sessions/{session}", at=100_000 * SECOND))
    _, truth = document(story.truth("GET", f"/sessions/{session}", at=100_000 * SECOND))
    assert said["state"] == truth["state"] == "closed"
    late = [_lateness(said[name], truth[name]) for name in ("started_at", "closed_at", "last_job_completed")]
    assert all(0 <= seconds <= 0.1 for seconds in late), late


def _lateness(said, truth):
    return (datetime.fromisoformat(said) - datetime.fromisoformat(truth)).total_seconds()


def cancelled_unseen(*, look_at: int | None = None):
    """A job that started at 0.2 s and was cancelled at 5 s; read at a millisecond, if at all."""
    story = Recorded(queue_seconds=0.2, run_seconds=300)
    session = story.session()
    job = story.job(session)
    if look_at is not None:
        story.at = look_at * MS
        story.ask("GET", f"/jobs/{job}?exclude_params=true")
    story.at = 5 * SECOND
    story.ask("POST", f"/jobs/{job}/cancel")
    return story, f"/sessions/{session}", job


@pytest.mark.parametrize("look_at", [None, 100])
def test_session_whose_job_may_have_started_before_its_cancel_is_not_made_up(look_at):
    """Nobody saw whether it was still in the queue then: neither its session nor a timer is told."""
    story, path, _ = cancelled_unseen(look_at=look_at)
    beyond = Beyond(story.recording(), rules=story.rules)
    assert told(beyond, story, "GET", path, at=6 * SECOND) is None
    assert beyond.next_change(6 * SECOND) is None


@pytest.mark.parametrize("look", ["session", "metrics", "running"])
def test_session_whose_job_was_looked_at_around_its_cancel_is_told(look):
    """A read of the session or of the metrics afterwards, or of the job running before, tells it."""
    story, path, job = cancelled_unseen(look_at=201 if look == "running" else None)
    if look != "running":
        story.ask("GET", path if look == "session" else f"/jobs/{job}/metrics")
    beyond = Beyond(story.recording(), rules=story.rules)
    for at in (6, 66, 1800, 30_000):
        said = told(beyond, story, "GET", path, at=at * SECOND)
        truth = story.truth("GET", path, at=at * SECOND)
        assert document(said)[1]["state"] == document(truth)[1]["state"]


def test_session_whose_job_started_as_it_was_submitted_is_not_made_up():
    """The session tells of a job that started in the millisecond of its only job's creation: it may be that one."""
    story = Recorded(queue_seconds=0, run_seconds=0.001)
    path = f"/sessions/{story.session()}"
    assert story.job(path[10:])
    story.wait(1)
    story.ask("GET", path)
    assert told(story.beyond(), story, "GET", path, at=30_000 * SECOND) is None


def test_start_that_may_be_that_of_either_of_two_jobs_is_not_taken_for_the_first_ones():
    """Nobody saw when the first started; the last start that the session tells may be the second's."""
    story = Recorded(queue_seconds=0, run_seconds=0.001)
    session = story.session()
    first, _ = story.job(session), story.job(session)
    story.ask("GET", f"/jobs/{first}?exclude_params=true")
    story.ask("GET", f"/sessions/{session}")
    path = f"/sessions/{session}"
    assert told(story.beyond(), story, "GET", path, at=30_000 * SECOND) is None


def test_session_of_somebody_else_is_known_only_when_closed():
    """Who did not make it does not know all of its jobs."""
    story, session, _ = used()
    path = f"/sessions/{session}"
    story.interactions = [i for i in story.interactions if i.endpoint == "sessions.get"]
    assert told(story.beyond(), story, "GET", path, at=2 * SECOND) is None
    story.ask("DELETE", path + "/close")
    story.ask("GET", path)
    said = told(story.beyond(), story, "GET", path, at=9_000 * SECOND)
    assert document(said) == document(story.truth("GET", path, at=9_000 * SECOND))


@pytest.mark.parametrize("path", ["/sessions/none", "/jobs/none", "/jobs", "/backends", "/jobs/none/results"])
def test_what_the_model_cannot_tell_has_no_answer(path):
    """What was never recorded, lists and what does not change with time are the caller's."""
    story, _, _ = used()
    assert told(story.beyond(), story, "GET", path, at=2 * SECOND) is None


def test_nothing_is_read_before_the_first_question(monkeypatch):
    """A replay that stays within its recording pays nothing."""
    from qsession._beyond import _answers

    story, session, _ = used()
    monkeypatch.setattr(_answers, "History", None)
    beyond = story.beyond()
    with pytest.raises(TypeError):
        told(beyond, story, "GET", f"/sessions/{session}", at=2 * SECOND)
