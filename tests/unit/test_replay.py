"""Which recorded answer belongs to a request, and if none, why."""

import json
import threading
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession import _explain
from qsession._discovery import Discovery
from qsession._model import Interaction, Place, Provenance, Recording, Request, Response
from qsession._replay import Replay
from qsession.errors import ReplayMismatch

BASE = "https://quantum.cloud.ibm.com/api/v1"
MS = 1000


def exchange(endpoint, method, path, at, answer, body=b"", status=200, seen=1):
    raw = json.dumps(body).encode() if body else b""
    return Interaction(
        endpoint,
        0,
        Request(method, BASE + path, {}, raw),
        Response(status, "OK", {}, json.dumps(answer).encode() if answer is not None else b""),
        at * MS,
        MS,
        seen,
        at * MS,
    )


def create_session(at=0):
    return exchange(
        "sessions.create", "POST", "/sessions", at, {"id": "s1"}, {"mode": "dedicated", "backend": "b"}
    )


def submit(at, job, tags=None, session="s1"):
    body = {"program_id": "other", "backend": "b", "session_id": session, "params": {"x": 1}}
    return exchange(
        "jobs.create",
        "POST",
        "/jobs",
        at,
        {"id": job, "backend": "b"},
        body | ({"tags": tags} if tags else {}),
    )


def job(at, status, name="j1", seen=1):
    return exchange(
        "jobs.get", "GET", f"/jobs/{name}?exclude_params=true", at, {"state": {"status": status}}, seen=seen
    )


def session(at, state, seen=1):
    return exchange("sessions.get", "GET", "/sessions/s1", at, {"id": "s1", "state": state}, seen=seen)


def close(at):
    return exchange(
        "sessions.update", "PATCH", "/sessions/s1", at, None, {"accepting_jobs": False}, status=204
    )


def replaying(*interactions, versions=None, **settings):
    recording = Recording(Provenance("emulator", 0), tuple(sorted(interactions, key=lambda i: i.at)))
    place = Place("bell.yaml", "test_bell.py::test_bell", "pytest -k bell --qsession-record", versions or {})
    return Replay(recording, Discovery(()), place, **settings)


def send(replay, interaction, at=None):
    """Answer at a moment in milliseconds; when it was recorded, if none is given."""
    return replay.answer(interaction.request, interaction.at if at is None else at * MS)


def state(replay, interaction, at=None):
    document = json.loads(send(replay, interaction, at).body)
    return document["state"] if "id" in document else document["state"]["status"]


def states(replay, interaction, *moments):
    return [state(replay, interaction, at) for at in moments]


def test_poll_shows_the_state_of_its_moment():
    """However often it comes, and one poll too many is no error."""
    polls = [job(2, "Queued", seen=40), job(500, "Running", seen=9), job(900, "Completed")]
    replay = replaying(create_session(), submit(1, "j1"), *polls)
    send(replay, create_session())
    send(replay, submit(1, "j1"))
    moments = (2, 499, 500, 700, 899, 900, 5000)
    assert states(replay, polls[0], *moments) == ["Queued"] * 2 + ["Running"] * 3 + ["Completed"] * 2


def test_polls_at_one_moment_show_one_state():
    """Time moves a job on, not looking."""
    polls = [job(1, "Queued"), job(500, "Running")]
    replay = replaying(submit(0, "j1"), *polls)
    send(replay, submit(0, "j1"))
    assert set(states(replay, polls[0], *[500] * 50)) == {"Running"}


def test_read_before_the_write_does_not_show_what_the_write_changed():
    """Asking later than recorded does not look into the future."""
    before, after = session(10, "active"), session(30, "closed")
    replay = replaying(create_session(), before, close(20), after)
    send(replay, create_session())
    assert states(replay, before, 10, 20, 30, 500) == ["active"] * 4
    send(replay, close(20), 600)
    assert state(replay, before, 601) == "closed"


def test_job_of_another_thread_does_not_hold_back_this_one():
    """Only writes that touch the resource are waited for."""
    one = [job(2, "Queued"), job(50, "Completed")]
    replay = replaying(create_session(), submit(1, "j1"), *one, submit(20, "j2", tags=["late"]))
    send(replay, create_session())
    send(replay, submit(1, "j1"))
    assert states(replay, one[0], 2, 50) == ["Queued", "Completed"]


def test_session_read_before_its_job_is_submitted_stays_open():
    """A job touches its session."""
    opened, active = session(2, "open"), session(40, "active")
    replay = replaying(create_session(), opened, submit(20, "j1"), active)
    send(replay, create_session())
    assert states(replay, opened, 2, 40, 300) == ["open"] * 3
    send(replay, submit(20, "j1"), 400)
    assert state(replay, opened, 420) == "active"


def test_what_follows_a_late_write_comes_later_by_as_much():
    """A job that was submitted a minute later is queued for as long as it was."""
    polls = [job(11, "Queued"), job(500, "Running"), job(900, "Completed")]
    replay = replaying(submit(10, "j1"), *polls)
    send(replay, submit(10, "j1"), 60_010)
    moments = (60_011, 60_499, 60_500, 60_899, 60_900)
    assert states(replay, polls[0], *moments) == ["Queued"] * 2 + ["Running"] * 2 + ["Completed"]


def test_late_job_of_another_thread_does_not_delay_this_one():
    """A job is queued from its own submission on."""
    polls = [job(1, "Queued"), job(50, "Completed")]
    replay = replaying(submit(0, "j1"), *polls, submit(20, "j2", tags=["late"]), job(30, "Queued", "j2"))
    send(replay, submit(0, "j1"))
    send(replay, submit(20, "j2", tags=["late"]), 45)
    assert states(replay, polls[0], 49, 50) == ["Queued", "Completed"]


def test_job_on_time_does_not_hurry_a_late_one():
    """Nor is it ready earlier because another one was recorded after it."""
    polls = [job(1, "Queued"), job(50, "Completed")]
    replay = replaying(submit(0, "j1"), submit(20, "j2", tags=["late"]), *polls)
    send(replay, submit(20, "j2", tags=["late"]))
    send(replay, submit(0, "j1"), 40)
    assert states(replay, polls[0], 41, 89, 90) == ["Queued", "Queued", "Completed"]


def test_session_follows_the_last_write_that_was_sent_to_it():
    """Threads that came in another order do not make it go ahead."""
    opened, active, done = session(2, "open"), session(40, "active"), session(60, "inactive")
    replay = replaying(submit(10, "j1"), opened, submit(20, "j2", tags=["b"]), active, done)
    send(replay, submit(20, "j2", tags=["b"]))
    send(replay, submit(10, "j1"), 110)
    assert states(replay, opened, 111, 159, 160) == ["active", "active", "inactive"]


def test_read_of_what_no_write_changes_comes_as_late_as_the_last_write():
    """What else happened is counted from there, too."""
    first, second = (
        exchange("backends.status", "GET", "/backends/b/status", at, {"id": "b", "state": at})
        for at in (5, 30)
    )
    replay = replaying(submit(10, "j1"), first, second)
    send(replay, submit(10, "j1"), 1010)
    assert states(replay, first, 1029, 1030) == [5, 30]


def test_write_is_answered_no_earlier_than_it_was_recorded():
    """What the program computed before it took time then."""
    replay = replaying(create_session(5), submit(100, "j1"))
    replies = [
        replay.reply(create_session().request, 20 * MS),
        replay.reply(submit(100, "j1").request, 21 * MS),
    ]
    assert [reply.until for reply in replies] == [21 * MS, 101 * MS]


def test_read_is_answered_after_as_long_as_it_took():
    """And after a millisecond at least, so that a loop that does not wait ends."""
    slow = replace(job(1, "Queued"), took=250 * MS)
    quick = replace(job(10_000, "Running"), took=0)
    replay = replaying(submit(0, "j1"), slow, quick)
    send(replay, submit(0, "j1"))
    assert replay.reply(slow.request, 700 * MS).until == 950 * MS
    assert replay.reply(slow.request, 10_000 * MS).until == 10_001 * MS


def test_write_that_is_early_does_not_show_before_its_moment():
    """Another thread that reads meanwhile sees what was there then."""
    opened, closed = session(2, "open"), session(30, "closed")
    replay = replaying(opened, close(20), closed)
    send(replay, close(20), 1)
    assert states(replay, opened, 2, 19, 21, 30) == ["open", "open", "closed", "closed"]


def test_two_jobs_in_the_other_order_each_get_their_own_answer():
    """Order does not matter, meaning does."""
    first, second = submit(1, "j1", tags=["a"]), submit(2, "j2", tags=["b"])
    replay = replaying(create_session(), first, second)
    assert json.loads(send(replay, second).body)["id"] == "j2"
    assert json.loads(send(replay, first).body)["id"] == "j1"


def test_equal_writes_are_answered_in_their_recorded_order():
    """The same job twice gives two jobs."""
    replay = replaying(create_session(), submit(1, "j1"), submit(2, "j2"))
    assert [json.loads(send(replay, submit(1, "j1")).body)["id"] for _ in range(2)] == ["j1", "j2"]


def test_write_once_too_often_is_refused():
    """A job more than recorded would have cost money."""
    replay = replaying(create_session())
    send(replay, create_session())
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, create_session())
    assert str(caught.value) == (
        "The code under test sends a request once more than it was recorded (once). Nothing was sent. [QS303]\n"
        '  asked: POST /sessions (backend="b", mode="dedicated")\n'
        "  recorded: once\n"
        "To fix: pytest -k bell --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: bell.yaml, test_bell.py::test_bell"
    )


def test_write_with_another_body_names_the_difference():
    """Whoever changed the test sees what changed."""
    replay = replaying(create_session(12))
    other = exchange(
        "sessions.create", "POST", "/sessions", 0, {}, {"mode": "batch", "backend": "b", "max_ttl": 60}
    )
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, other)
    assert str(caught.value) == (
        "The code under test asks for something that was not recorded. Nothing was sent. [QS302]\n"
        '  asked: POST /sessions (backend="b", max_ttl=60, mode="batch")\n'
        "  recorded at 0.012 s, but:\n"
        "    max_ttl: asked 60, recorded nothing\n"
        '    mode: asked "batch", recorded "dedicated"\n'
        "To fix: pytest -k bell --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: bell.yaml, test_bell.py::test_bell"
    )


def opened(ttl, at=0):
    body = {"mode": "dedicated", "backend": "b", "max_ttl": ttl}
    return exchange("sessions.create", "POST", "/sessions", at, {"id": f"s{ttl}"}, body)


def test_write_that_is_still_due_counts_as_nearer():
    """A loop that takes another turn is held against the turn it should have taken."""
    replay = replaying(opened(60, 1), opened(70, 2))
    send(replay, opened(60, 1))
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, opened(71, 2))
    lines = str(caught.value).splitlines()[2:6]
    assert lines == [
        "  recorded at 0.002 s, but:",
        "    max_ttl: asked 71, recorded 70",
        "  recorded at 0.001 s, answered already, but:",
        "    max_ttl: asked 71, recorded 60",
    ]


def test_write_after_all_that_were_recorded_says_so():
    """A loop that goes on for longer than it was recorded."""
    replay = replaying(opened(60, 1), opened(70, 2))
    send(replay, opened(60, 1))
    send(replay, opened(70, 2))
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, opened(80, 3))
    assert str(caught.value).splitlines()[1:4] == [
        '  asked: POST /sessions (backend="b", max_ttl=80, mode="dedicated")',
        "  each of the 2 that were recorded was answered already",
        "  recorded at 0.001 s, answered already, but:",
    ]


def test_instance_in_a_session_request_does_not_matter():
    """Another account replays the same recording."""
    replay = replaying(create_session())
    theirs = exchange(
        "sessions.create",
        "POST",
        "/sessions",
        0,
        {},
        {"mode": "dedicated", "backend": "b", "instance": "crn"},
    )
    assert json.loads(send(replay, theirs).body) == {"id": "s1"}


@pytest.mark.parametrize(("recorded", "asked"), [("?include_mocks=True", ""), ("", "?include_mocks=True")])
def test_list_of_backends_is_found_by_clients_of_another_version(recorded, asked):
    """Whether the client asks for mock backends is a matter of its version."""
    replay = replaying(exchange("backends.list", "GET", f"/backends{recorded}", 0, {"devices": []}))
    theirs = exchange("backends.list", "GET", f"/backends{asked}", 0, {})
    assert json.loads(send(replay, theirs).body) == {"devices": []}


def test_list_of_jobs_with_mocks_is_another_list():
    """There a user of the client asks for mocks."""
    replay = replaying(exchange("jobs.list", "GET", "/jobs", 0, {"jobs": []}))
    with pytest.raises(ReplayMismatch, match="asked: GET /jobs\\?include_mocks=True"):
        send(replay, exchange("jobs.list", "GET", "/jobs?include_mocks=True", 0, {}))


def test_read_on_another_instance_says_so():
    """It reads the same, and only the instance tells it apart."""
    replay = replaying(create_session(), replace(job(1, "Queued"), instance=1))
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, job(1, "Queued"))
    assert str(caught.value).splitlines()[1:3] == [
        "  asked: GET /jobs/j1?exclude_params=true",
        "  recorded: GET /jobs/j1?exclude_params=true, on another instance",
    ]


def test_refusal_names_the_versions_that_changed_since(monkeypatch):
    """After an update the client may read what the older one never asked for."""
    monkeypatch.setattr(_explain, "version", {"qiskit": "2.6.2", "qiskit-ibm-runtime": "0.51.0"}.__getitem__)
    recorded = {"qiskit": "2.6.2", "qiskit-ibm-runtime": "0.41.1", "qsession": "0.0.9"}
    replay = replaying(create_session(), versions=recorded)
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, exchange("instances.usage", "GET", "/instances/usage", 1, {}))
    assert str(caught.value) == (
        "The code under test reads something that was not recorded. Nothing was sent. [QS301]\n"
        "  asked: GET /instances/usage\n"
        "  recorded: nothing like it\n"
        "  recorded with qiskit-ibm-runtime 0.41.1, installed is 0.51.0\n"
        "To fix: pytest -k bell --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: bell.yaml, test_bell.py::test_bell"
    )


def test_unknown_read_names_the_nearest():
    """A typo in an id is seen at a glance."""
    replay = replaying(create_session(), job(1, "Queued", name="job-number-1"))
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, job(1, "Queued", name="job-number-2"))
    assert str(caught.value) == (
        "The code under test reads something that was not recorded. Nothing was sent. [QS301]\n"
        "  asked: GET /jobs/job-number-2?exclude_params=true\n"
        "  recorded: GET /jobs/job-number-1?exclude_params=true\n"
        "To fix: pytest -k bell --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: bell.yaml, test_bell.py::test_bell"
    )


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("2025-12-31T11:00:00+00:00", ", 13 h apart: a datetime without a time zone is of the machine's own"),
        ("2026-01-01T05:45:00Z", ", 5.75 h apart: a datetime without a time zone is of the machine's own"),
        ("2026-02-01T00:00:00+00:00", ""),
        ("2026-01-01T00:00:07+00:00", ""),
        ("yesterday", ""),
    ],
)
def test_unknown_read_of_a_moment_in_another_zone_names_the_zone(asked, told):
    """The client takes a datetime without a zone for local time, which differs from machine to machine."""
    path = "/backends/b/properties?updated_before="
    recorded = exchange("backends.properties", "GET", path + "2026-01-01T00:00:00%2B00:00", 1, {})
    with pytest.raises(ReplayMismatch) as caught:
        send(
            replaying(recorded),
            exchange("backends.properties", "GET", path + asked.replace("+", "%2B"), 1, {}),
        )
    assert caught.value.evidence[1] == f"recorded: GET {path}2026-01-01T00:00:00+00:00{told}"


def test_unknown_read_of_a_known_thing_names_what_is_known_of_it():
    """A session that was only closed is not forgotten."""
    replay = replaying(create_session(), close(9))
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, session(1, "open"))
    assert caught.value.evidence == ("asked: GET /sessions/s1", "recorded: PATCH /sessions/s1")


def test_read_while_a_write_is_on_its_way_shows_the_state_of_its_moment():
    """Another thread that asks meanwhile may be told what was before."""
    opened, closed = replace(session(2, "open", seen=2), last=22 * MS), session(40, "closed")
    replay = replaying(opened, replace(close(20), took=5 * MS), closed)
    send(replay, close(20))
    assert states(replay, opened, 22, 24, 25) == ["open", "open", "closed"]


RECORD = "To fix: pytest -k bell --qsession-record\n"
MODEL = (
    "If this is intended: to let a model of the service answer: "
    'beyond="model" in @pytest.mark.qsession(...)\n'
)
WHERE = "Where: bell.yaml, test_bell.py::test_bell"


def queued(**settings):
    """A job that is Queued where the recording ends, at 1.001 s."""
    replay = replaying(submit(0, "j1"), job(1000, "Queued"), **settings)
    send(replay, submit(0, "j1"))
    return replay


def test_wait_past_the_end_of_the_recording_is_refused():
    """Waiting for what was not recorded does not hang, and nothing is made up."""
    replay = queued()
    assert state(replay, job(1, ""), 2001) == "Queued"
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, job(1, ""), 2003)
    assert str(caught.value) == (
        "The code under test waits for what the recording does not hold. [QS304]\n"
        "  asked: GET /jobs/j1?exclude_params=true, 1.002 s after the recording ended\n"
        "  the recording ends with this in a state that is not final\n" + RECORD + MODEL + WHERE
    )


def test_wait_for_what_an_unsent_write_changed_names_it():
    """A program that no longer closes its session waits for ever."""
    opened = session(10, "open")
    replay = replaying(create_session(), opened, close(20), session(30, "closed"))
    send(replay, create_session())
    with pytest.raises(ReplayMismatch) as caught:
        states(replay, opened, *range(10, 9000, 100))
    assert str(caught.value) == (
        "The code under test waits for what the recording does not hold. [QS304]\n"
        "  asked: GET /sessions/s1, 1.079 s after the recording ended\n"
        "  the recording goes on with PATCH /sessions/s1, which was not sent\n" + RECORD + MODEL + WHERE
    )


def test_patience_follows_the_interval_of_the_recorded_polls():
    """Code that looks once a minute may look a minute later than it did."""
    slow = replace(job(1000, "Queued", seen=11), last=601_000 * MS)
    replay = replaying(submit(0, "j1"), slow)
    send(replay, submit(0, "j1"))
    assert state(replay, slow, 721_002) == "Queued"
    with pytest.raises(ReplayMismatch, match=r"120\.003 s after the recording ended"):
        send(replay, slow, 721_004)


def test_late_write_makes_the_recording_end_later():
    """Its end is counted as everything else that followed."""
    replay = replaying(submit(0, "j1"), job(1000, "Queued"))
    send(replay, submit(0, "j1"), 50_000)
    assert state(replay, job(1, ""), 52_001) == "Queued"
    with pytest.raises(ReplayMismatch, match=r"1\.002 s after the recording ended"):
        send(replay, job(1, ""), 52_003)


@pytest.mark.parametrize(
    "last",
    [job(1, "Completed"), job(1, "Failed"), job(1, "Cancelled"), session(1, "closed")],
    ids=["completed", "failed", "cancelled", "closed"],
)
def test_final_state_may_be_read_for_ever(last):
    """What is finished stays finished."""
    assert state(replaying(last), last, 10**9) == state(replaying(last), last)


def test_what_does_not_change_by_itself_may_be_read_for_ever():
    """A backend's configuration is the same in an hour."""
    device = exchange(
        "backends.configuration", "GET", "/backends/b/configuration", 1, {"id": "b", "state": 1}
    )
    assert state(replaying(device), device, 10**7) == 1


def test_write_past_the_end_of_the_recording_is_answered_as_recorded():
    """A slow program is no other program: only time went by."""
    replay = replaying(submit(0, "j1"))
    assert json.loads(send(replay, submit(0, "j1"), 10**7).body)["id"] == "j1"


class Model:
    """Stands in for what the life of sessions comes to."""

    made = 0

    def __init__(self, recording):
        Model.made += 1
        self.recording = recording

    def answer(self, call, request, instance, now):
        names = [interaction.endpoint for interaction in self.recording.interactions]
        body = {"endpoint": call.endpoint.name, "instance": instance, "now": now, "from": names}
        return Response(200, "OK", {}, json.dumps(body).encode())

    def next_change(self, now):
        return now + 7 * MS


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setattr("qsession._beyond.Beyond", Model)
    monkeypatch.setattr(Model, "made", 0)
    return Model


def test_model_answers_where_it_is_told_to(model):
    """With beyond="model", also where the code only waited."""
    replay = queued(beyond=True)
    assert state(replay, job(1, ""), 2001) == "Queued"
    assert (replay.modelled, model.made) == (0, 0)
    reply = replay.reply(job(1, "").request, 3000 * MS)
    assert json.loads(reply.response.body) == {
        "endpoint": "jobs.get",
        "instance": 0,
        "now": 3000 * MS,
        "from": ["jobs.create", "jobs.get"],
    }
    assert (reply.until, replay.modelled) == (3001 * MS, 1)


@pytest.mark.parametrize(("moved", "answers"), [(1001, True), (1000, False), (0, False)])
def test_model_answers_where_the_test_moved_the_clock(model, moved, answers):
    """To the end of the recording or past it; what it only waited for is a mismatch."""
    replay = queued(moved_to=lambda: moved * MS)
    if answers:
        assert json.loads(send(replay, job(1, ""), 3000).body)["endpoint"] == "jobs.get"
    else:
        with pytest.raises(ReplayMismatch, match="QS304"):
            send(replay, job(1, ""), 3000)
    assert replay.modelled == answers


def test_model_knows_only_what_was_sent(model):
    """What followed from a write that was left out did not happen."""
    replay = replaying(submit(0, "j1"), job(10, "Queued"), close(20), session(30, "closed"), beyond=True)
    send(replay, submit(0, "j1"))
    assert json.loads(send(replay, job(1, ""), 3000).body)["from"] == ["jobs.create", "jobs.get"]


def test_model_is_asked_at_the_moment_of_the_recording(model):
    """After a late write, that is as much earlier."""
    replay = replaying(submit(0, "j1"), job(10, "Queued"), beyond=True)
    send(replay, submit(0, "j1"), 500)
    assert json.loads(send(replay, job(1, ""), 3000).body)["now"] == 2500 * MS


def test_model_that_cannot_tell_is_said(model, monkeypatch):
    """The clock was moved there, and still nothing is made up."""
    monkeypatch.setattr(Model, "answer", lambda *_: None)
    replay = queued(moved_to=lambda: 5000 * MS)
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, job(1, ""), 5000)
    assert str(caught.value) == (
        "The code under test waits for what the recording does not hold. [QS304]\n"
        "  asked: GET /jobs/j1?exclude_params=true, 3.999 s after the recording ended\n"
        "  the recording ends with this in a state that is not final\n"
        "  the model of a session's life cannot tell what became of it\n" + RECORD + MODEL + WHERE
    )


def test_next_change_is_none_for_who_looked_at_nothing():
    """A leap needs to know where to."""
    assert replaying(submit(0, "j1")).next_change(0) == (None, MS)


def test_next_change_is_when_the_state_changes_on_the_clock_of_the_run():
    """It follows a late write as what is read does."""
    polls = [job(1, "Queued"), replace(job(500, "Running"), took=9 * MS), job(900, "Completed")]
    replay = replaying(submit(0, "j1"), *polls)
    send(replay, submit(0, "j1"), 60_000)
    seen = []
    for at in (60_001, 60_500, 60_900):
        state(replay, polls[0], at)
        seen.append(replay.next_change(at * MS))
    assert seen == [(60_500 * MS, MS), (60_900 * MS, 9 * MS), (None, MS)]


def test_next_change_of_what_does_not_change_is_where_the_wait_is_refused():
    """A leap over hours ends there with the message, too."""
    replay = queued()
    state(replay, job(1, ""), 1000)
    change, _ = replay.next_change(1000 * MS)
    assert state(replay, job(1, ""), change // MS - 1) == "Queued"
    with pytest.raises(ReplayMismatch, match="QS304"):
        replay.reply(job(1, "").request, change)


def test_next_change_past_the_end_is_the_models(model):
    """It knows the timers."""
    replay = queued(beyond=True)
    state(replay, job(1, ""), 1000)
    send(replay, job(1, ""), 3000)
    assert replay.next_change(3000 * MS) == (3007 * MS, MS)


def test_next_change_is_that_of_the_first_of_all_that_was_looked_at():
    """A loop over two jobs leaps past a change of neither, until it looks at one alone."""
    mine = [job(2, "Queued"), job(50, "Completed")]
    other = [job(2, "Queued", "j2"), job(70, "Completed", "j2")]
    replay = replaying(submit(0, "j1"), submit(0, "j2", tags=["b"]), *mine, *other)
    send(replay, submit(0, "j1"))
    send(replay, submit(0, "j2", tags=["b"]))
    changes = []
    for looked in ((mine, other), (other, mine), (other,), (mine,)):
        for thing in looked:
            state(replay, thing[0])
        changes.append(replay.next_change(2 * MS)[0])
    assert changes == [50 * MS, 50 * MS, 70 * MS, 50 * MS]


def test_next_change_is_of_what_the_calling_thread_looked_at():
    """Two threads leap each to its own job's end."""
    mine, other = (
        [job(1, "Queued"), job(50, "Completed")],
        [job(1, "Queued", "j2"), job(70, "Completed", "j2")],
    )
    replay = replaying(submit(0, "j1"), submit(0, "j2", tags=["b"]), *mine, *other)
    send(replay, submit(0, "j1"))
    send(replay, submit(0, "j2", tags=["b"]))
    state(replay, mine[0])
    found = []
    thread = threading.Thread(
        target=lambda: (state(replay, other[0]), found.append(replay.next_change(1 * MS)))
    )
    thread.start()
    thread.join()
    assert (found, replay.next_change(1 * MS)) == ([(70 * MS, MS)], (50 * MS, MS))


def test_stranger_is_refused():
    """A replay sends nothing to anybody."""
    with pytest.raises(ReplayMismatch) as caught:
        replaying(create_session()).answer(Request("GET", "https://example.com/x?token=FAKE"), 0)
    assert str(caught.value) == (
        "A request to another host than IBM's was refused: a replay sends nothing. [QS305]\n"
        "  GET https://example.com/x\n"
        "To fix: keep the request out of the test, or serve it from this machine (localhost is allowed)\n"
        "If this is intended: name the host in the ini option qsession_allowed_hosts\n"
        "Where: bell.yaml, test_bell.py::test_bell"
    )


def test_unused_lists_writes_that_were_not_sent():
    """A test that stopped submitting a job must not stay green."""
    replay = replaying(create_session(), submit(1, "j1"), close(9))
    send(replay, create_session())
    assert [interaction.endpoint for interaction in replay.unused()] == ["jobs.create", "sessions.update"]


def test_recorded_refusal_of_the_key_is_replayed():
    """What IAM said no to, it says no to again."""
    url = "https://iam.cloud.ibm.com/identity/token"
    refused = Interaction(
        "iam.token", 0, Request("POST", url), Response(400, "Bad Request", {}, b'{"errorCode":"X"}'), 0, 1
    )
    replay = Replay(Recording(Provenance("ibm", 0), (refused,)), Discovery(()), Place("x.yaml"))
    answer = replay.answer(Request("POST", url, {}, b"grant_type=urn&apikey=anything"), 0)
    assert (answer.status, answer.body) == (400, b'{"errorCode":"X"}')


THINGS = {"j1": "/jobs/j1?exclude_params=true", "j2": "/jobs/j2?exclude_params=true", "s1": "/sessions/s1"}


def read_of(thing, at, text, took):
    answer = {"id": "s1", "state": text} if thing == "s1" else {"state": {"status": text}}
    name = "sessions.get" if thing == "s1" else "jobs.get"
    return replace(exchange(name, "GET", THINGS[thing], at, answer), took=took * MS)


def write_of(index, what, at, took):
    made = {
        "tag": lambda: exchange("jobs.tags", "PUT", "/jobs/j1/tags", at, None, {"tags": [str(index)]}, 204),
        "job": lambda: submit(at, f"more-{index}", tags=[str(index)]),
        "close": lambda: exchange(
            "sessions.update", "PATCH", "/sessions/s1", at, None, {"accepting_jobs": False, "n": index}, 204
        ),
    }[what]()
    return replace(made, took=took * MS)


@st.composite
def schedules(draw):
    """What a program sent, in its order; a read may come while another thread's write is on its way."""
    begin = [create_session(0), submit(10, "j1"), submit(20, "j2", tags=["b"])]
    at, done = 30, list(begin)
    steps = st.tuples(
        st.integers(1, 400),
        st.sampled_from([*THINGS, *THINGS, "tag", "job", "close"]),
        st.sampled_from(["Queued", "Running", "Waiting"]),
        st.integers(1, 30),
    )
    for gap, what, text, took in draw(st.lists(steps, max_size=20)):
        at += gap
        done.append(read_of(what, at, text, took) if what in THINGS else write_of(len(done), what, at, took))
    return done


def recorded(schedule):
    """Equal answers to one read that follow each other stand as one, as the recorder keeps them."""
    kept, latest = [], {}
    for each in schedule:
        index = latest.get(each.request.url) if each.request.method == "GET" else None
        if index is not None and kept[index].response == each.response:
            kept[index] = replace(kept[index], seen=kept[index].seen + 1, last=each.at)
            continue
        if each.request.method == "GET":
            latest[each.request.url] = len(kept)
        kept.append(each)
    return replaying(*kept)


@given(schedules())
def test_schedule_that_was_recorded_gives_every_answer_exactly(schedule):
    """Whatever a program did: done again at the same moments, it sees the same."""
    replay = recorded(schedule)
    assert [replay.answer(each.request, each.at) for each in schedule] == [each.response for each in schedule]


@given(schedules(), st.integers(0, 10**9))
def test_schedule_that_begins_late_gives_every_answer_as_late(schedule, late):
    """A program that came to its first request an hour later sees everything an hour later."""
    replay = recorded(schedule)
    replies = [replay.reply(each.request, each.at + late) for each in schedule]
    assert [reply.response for reply in replies] == [each.response for each in schedule]
    writes = [(r, w) for r, w in zip(replies, schedule, strict=True) if w.request.method != "GET"]
    assert all(reply.until == write.at + late + write.took for reply, write in writes)


def polled(replay, thing, moments):
    """Places in the timeline of a thing of what is shown, moment by moment; None for a refusal."""
    url = BASE + THINGS[thing]
    known = [i for i in replay.recording.interactions if (i.request.method, i.request.url) == ("GET", url)]
    responses, refused = [i.response for i in known], []
    for at in moments if known else ():
        try:
            shown = replay.answer(known[0].request, at)
        except ReplayMismatch as refusal:
            refused.append(refusal.code)
        else:
            yield next(i for i, response in enumerate(responses) if response is shown)
    assert set(refused) <= {"QS301", "QS304"}


@given(schedules(), st.sampled_from(sorted(THINGS)), st.lists(st.integers(0, 900 * MS), max_size=30))
def test_polls_at_any_moment_never_go_back(schedule, thing, gaps):
    """Also for a program that polls at other moments, more or less often."""
    replay = recorded(schedule)
    for each in schedule:
        if each.request.method != "GET":
            replay.answer(each.request, each.at)
    places = list(polled(replay, thing, accumulate(gaps, initial=schedule[-1].at)))
    assert places == sorted(places)


@given(schedules(), st.integers(3, 23), st.lists(st.integers(0, 10**6 * MS), min_size=1, max_size=4))
def test_polls_never_show_what_follows_an_unsent_write(schedule, stop, gaps):
    """However long the program waits before it sets the tags of its job."""
    replay = recorded(schedule)
    for each in schedule[:stop]:
        replay.answer(each.request, each.at)
    unsent = min((w.at for w in schedule[stop:] if w.request.url == BASE + "/jobs/j1/tags"), default=None)
    begun = [i.at for i in replay.recording.interactions if i.request.url == BASE + THINGS["j1"]]
    for place in polled(replay, "j1", accumulate(gaps, initial=schedule[:stop][-1].at)):
        assert unsent is None or begun[place] <= unsent
