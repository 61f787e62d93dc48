"""Programs outside of this process: no waiting for a recorded queue, and refusals that are answers."""

import base64
import json
import threading
from dataclasses import replace

import pytest

from qsession._clock import SystemClock
from qsession._discovery import Discovery
from qsession._model import SECOND, Interaction, Place, Provenance, Recording, Request, Response
from qsession._replay import Replay
from qsession._tally import Tally
from qsession._visitors import Visitors

BASE = "https://quantum.cloud.ibm.com/api/v1"
HOUR = 3600 * SECOND
JOB = {"program_id": "other", "backend": "b", "params": {"x": 1}}


def exchange(endpoint, method, path, at, answer, *, body=None, seen=1, last=None):
    raw = json.dumps(body).encode() if body else b""
    response = Response(200, "OK", {}, json.dumps(answer).encode())
    request = Request(method, BASE + path, {}, raw)
    return Interaction(endpoint, 0, request, response, at, 1000, seen, at if last is None else last)


SUBMIT = exchange("jobs.create", "POST", "/jobs", 0, {"id": "j1"}, body=JOB)
QUEUED = exchange("jobs.get", "GET", "/jobs/j1", SECOND, {"state": "Queued"}, seen=3600, last=HOUR)
RUNNING = exchange("jobs.get", "GET", "/jobs/j1", 2 * HOUR, {"state": "Running"})
DONE = exchange("jobs.get", "GET", "/jobs/j1", 3 * HOUR, {"state": "Completed"})


@pytest.fixture
def tally():
    return Tally()


@pytest.fixture
def visited(tally):
    made = []

    def visit(*interactions):
        recording = Recording(Provenance("emulator", 0), interactions)
        place = Place("bell.yaml", record="pytest --qsession-record")
        visitors = Visitors(Replay(recording, Discovery(()), place), tally.add)
        made.append(visitors)
        return visitors

    yield visit
    for visitors in made:
        visitors.close()


def state(visitors):
    return json.loads(visitors.answer(QUEUED.request, 0).body)["state"]


def test_poll_after_poll_sees_the_next_state(visited):
    """Three recorded hours, in as many looks as there are states."""
    visitors = visited(SUBMIT, QUEUED, RUNNING, DONE)
    visitors.answer(SUBMIT.request, 0)
    assert [state(visitors) for _ in range(6)] == ["Queued", "Running", *["Completed"] * 4]
    assert visitors.answered == 7


def test_first_look_does_not_leap(visited):
    """Who looks at many things once each sees one moment."""
    other = replace(QUEUED, request=replace(QUEUED.request, url=BASE + "/jobs/j2"))
    visitors = visited(SUBMIT, QUEUED, other, RUNNING, DONE)
    visitors.answer(SUBMIT.request, 0)
    visitors.answer(other.request, 0)
    assert state(visitors) == "Queued"


def test_wait_for_what_was_not_recorded_ends_in_a_refusal(visited, tally):
    """Not in polls for ever."""
    visitors = visited(SUBMIT, QUEUED)
    visitors.answer(SUBMIT.request, 0)
    assert state(visitors) == "Queued"
    answer = visitors.answer(QUEUED.request, 0)
    assert answer.status == 409
    assert tally.causes()[0].code == "QS304"


def test_refusal_is_an_answer_that_the_client_does_not_repeat(visited, tally):
    """In the form of the service's errors, with our words."""
    visitors = visited(SUBMIT)
    answer = visitors.answer(replace(SUBMIT.request, body=json.dumps(JOB | {"backend": "c"}).encode()), 0)
    error = json.loads(answer.body)["errors"][0]
    assert (answer.status, error["code"], error["solution"]) == (409, "QS302", "pytest --qsession-record")
    assert error["message"].startswith("qsession: The code under test submits a job that was not recorded.")
    assert (tally.count, tally.making, visitors.answered) == (1, 1, 0)


def test_request_to_somebody_else_is_refused(visited, tally):
    """Nothing that comes to the server leaves it."""
    answer = visited(SUBMIT).answer(Request("GET", "http://127.0.0.1/other"), 0)
    assert (answer.status, tally.causes()[0].code) == (409, "QS305")


def test_token_holds_on_the_clock_of_the_machine(visited):
    """Though the recording is years old: the program compares its end with its own clock."""
    form = b"grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=k"
    answer = visited(SUBMIT).answer(Request("POST", "https://iam.cloud.ibm.com/identity/token", {}, form), 0)
    token = json.loads(answer.body)["access_token"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    assert abs(claims["exp"] - SystemClock().now() / SECOND - 3600) < 60


def test_requests_of_many_connections_are_answered_one_by_one(visited):
    """One write for one answer, whoever sends it."""
    many = [replace(SUBMIT, response=Response(200, "OK", {}, b'{"id": "j%d"}' % n)) for n in range(40)]
    visitors = visited(*many)
    got = []
    threads = [
        threading.Thread(target=lambda: got.append(visitors.answer(SUBMIT.request, 0).body)) for _ in many
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(each.response.body for each in many)
