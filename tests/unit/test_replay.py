"""Which recorded answer belongs to a request, and if none, why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._discovery import Discovery
from qsession._model import Interaction, Place, Provenance, Recording, Request, Response
from qsession._replay import Replay
from qsession._timeline import Timeline
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


def session(at, state):
    return exchange("sessions.get", "GET", "/sessions/s1", at, {"id": "s1", "state": state})


def close(at):
    return exchange(
        "sessions.update", "PATCH", "/sessions/s1", at, None, {"accepting_jobs": False}, status=204
    )


def replaying(*interactions):
    recording = Recording(Provenance("emulator", 0), tuple(sorted(interactions, key=lambda i: i.at)))
    return Replay(
        recording,
        Discovery(()),
        Place("bell.yaml", "test_bell.py::test_bell", "pytest -k bell --qsession-record"),
    )


def send(replay, interaction):
    return replay.answer(interaction.request, 0)


def state(replay, interaction):
    document = json.loads(send(replay, interaction).body)
    return document["state"] if "id" in document else document["state"]["status"]


def test_polls_show_every_state_once_and_then_the_last():
    """No state is skipped, and one poll too many is no error."""
    states = [job(1, "Queued", seen=40), job(500, "Running", seen=9), job(900, "Completed")]
    replay = replaying(create_session(), submit(1, "j1"), *states)
    send(replay, create_session())
    send(replay, submit(1, "j1"))
    assert [state(replay, states[0]) for _ in range(6)] == ["Queued", "Running", "Completed"] + [
        "Completed"
    ] * 3


def test_read_before_the_write_does_not_show_what_the_write_changed():
    """Asking once more than recorded does not look into the future."""
    before, after = session(10, "active"), session(30, "closed")
    replay = replaying(create_session(), before, close(20), after)
    send(replay, create_session())
    assert [state(replay, before) for _ in range(5)] == ["active"] * 5
    send(replay, close(20))
    assert state(replay, before) == "closed"


def test_job_of_another_thread_does_not_hold_back_this_one():
    """Only writes that touch the resource are waited for."""
    one = [job(1, "Queued"), job(50, "Completed")]
    replay = replaying(create_session(), submit(1, "j1"), *one, submit(20, "j2", tags=["late"]))
    send(replay, create_session())
    send(replay, submit(1, "j1"))
    assert [state(replay, one[0]) for _ in range(2)] == ["Queued", "Completed"]


def test_session_read_before_its_job_is_submitted_stays_open():
    """A job touches its session."""
    opened, active = session(2, "open"), session(40, "active")
    replay = replaying(create_session(), opened, submit(20, "j1"), active)
    send(replay, create_session())
    assert [state(replay, opened) for _ in range(3)] == ["open"] * 3
    send(replay, submit(20, "j1"))
    assert state(replay, opened) == "active"


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


def test_unknown_read_of_a_known_thing_names_what_is_known_of_it():
    """A session that was only closed is not forgotten."""
    replay = replaying(create_session(), close(9))
    with pytest.raises(ReplayMismatch) as caught:
        send(replay, session(1, "open"))
    assert caught.value.evidence == ("asked: GET /sessions/s1", "recorded: PATCH /sessions/s1")


def test_read_that_never_changes_ends_with_a_message():
    """Waiting for what was not recorded does not hang."""
    queued = job(1, "Queued")
    replay = replaying(create_session(), submit(1, "j1"), queued)
    for sent in (create_session(), submit(1, "j1")):
        send(replay, sent)

    def poll_for_ever():
        while True:
            send(replay, queued)

    with pytest.raises(ReplayMismatch) as caught:
        poll_for_ever()
    assert str(caught.value) == (
        "The code under test waits for what the recording does not hold. [QS304]\n"
        "  asked: GET /jobs/j1?exclude_params=true, 10002 times in the same state\n"
        "  the recording ends in this state\n"
        "To fix: pytest -k bell --qsession-record\n"
        "If this is intended: the command above records the new behaviour; review the difference before you commit it\n"
        "Where: bell.yaml, test_bell.py::test_bell"
    )


def test_final_state_may_be_read_for_ever():
    """A finished job stays finished."""
    done = job(1, "Completed")
    replay = replaying(create_session(), submit(1, "j1"), done)
    send(replay, submit(1, "j1"))
    assert {state(replay, done) for _ in range(10_100)} == {"Completed"}


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


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(0, 60), max_size=20),
    st.data(),
)
def test_timeline_never_goes_back_and_never_passes_a_barrier(moments, nows, data):
    """Whatever is asked when, states only move on, and not past an unsent write."""
    states = [job(at, f"state {at}") for at in sorted(moments)]
    timeline, last = Timeline(states), -1
    barrier = None
    for now in sorted(nows):
        candidate = data.draw(st.one_of(st.none(), st.integers(0, 60)))
        # A write that was sent is never unsent again: barriers only move on.
        barrier = None if barrier is None and last >= 0 else candidate
        shown = timeline.read(now * MS, None if barrier is None else barrier * MS)
        index = states.index(shown)
        assert index >= last
        assert index == max(last, 0) or barrier is None or shown.at <= barrier * MS
        last = index
