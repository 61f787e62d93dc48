"""A run that is paused: a fixture of wide scope between its setup and its teardown."""

import datetime
import os
import random
import socket
import time

import pytest
import requests

import qsession
from qsession._run import active
from qsession.errors import QSessionError

URL = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {"Service-CRN": "crn", "IBM-API-Version": "2026-04-15", "Authorization": "Bearer a.b.c"}


def get(path):
    return requests.get(URL + path, headers=HEADERS, timeout=5)


def wait(seconds):
    time.sleep(seconds)  # noqa: TID251 - what the code under test does


def hooks():
    """What a run changes in the process."""
    return (
        socket.socket.connect,
        time.sleep,  # noqa: TID251 - looked at, not called
        datetime.datetime,
        dict(os.environ),
        random.getstate(),
    )


@pytest.fixture
def cassette(tmp_path):
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator"):
        assert get("/jobs").json()["jobs"] == []
        wait(60)
        assert get("/instances/usage").status_code == 200
    return path


@pytest.fixture(params=["record", "replay"])
def run(request, tmp_path, cassette):
    """A run of either kind, which is on."""
    if request.param == "record":
        made = qsession.record(tmp_path / "b.yaml", target="emulator")
    else:
        made = qsession.replay(cassette)
    with made:
        assert get("/jobs").status_code == 200
        yield made
        wait(60)
        assert get("/instances/usage").status_code == 200


def test_everything_is_put_back_in_between(tmp_path, cassette):
    """Tests of others find the process as it was."""
    before = hooks()
    for run in (qsession.replay(cassette), qsession.record(tmp_path / "b.yaml", target="emulator")):
        with run:
            run._pause()
            assert active() is None
            assert hooks() == before
            run._go_on()
            assert active() is run
            assert not any(now is then for now, then in zip(hooks()[:3], before, strict=False))
            get("/jobs")
            wait(60)
            get("/instances/usage")
        assert hooks() == before


def test_its_clock_stands_still(run):
    """However much real time passes, and whatever moment it is outside."""
    wait(7)
    moment, now = run._moment, run.clock.now()
    run._pause()
    assert run._moment == moment
    assert datetime.datetime.now(datetime.UTC) != now  # noqa: TID251 - what other tests do
    run._go_on()
    assert run._moment == moment
    assert run.clock.now() == now
    wait(5)
    assert run._moment == moment + 5_000_000


def test_other_run_may_be_on_meanwhile(run, cassette):
    """With a clock and answers of its own."""
    moment = run._moment
    run._pause()
    with qsession.replay(cassette) as other:
        assert active() is other
        get("/jobs")
        wait(3600)
    run._go_on()
    assert active() is run
    assert run._moment == moment


def test_it_does_not_go_on_while_another_is_on(run, cassette):
    """One at a time; it stays paused, and goes on later."""
    run._pause()
    with qsession.replay(cassette) as other:
        with pytest.raises(QSessionError, match="QS103"):
            run._go_on()
        assert active() is other
        get("/jobs")
        wait(60)
        get("/instances/usage")
    run._go_on()


def test_request_while_it_is_paused_is_not_its(run):
    """A session that is kept in a pool still leads to it."""
    with requests.Session() as kept:
        assert kept.get(URL + "/jobs", headers=HEADERS, timeout=5).status_code == 200
        before = run.requests
        run._pause()
        with pytest.raises(QSessionError, match="QS307"):
            kept.get(URL + "/jobs", headers=HEADERS, timeout=5)
        run._go_on()
        assert run.requests == before
        assert kept.get(URL + "/jobs", headers=HEADERS, timeout=5).status_code == 200


def drawn(run):
    """Numbers of before and after two pauses."""
    with run:
        numbers = [random.random()]
        for _ in range(2):
            run._pause()
            random.seed(5)
            random.random()
            run._go_on()
            numbers.append(random.random())
        get("/jobs")
        wait(60)
        get("/instances/usage")
    return numbers


def test_random_numbers_go_on(tmp_path, cassette):
    """They are others after a pause, and in a replay the same ones."""
    path = tmp_path / "b.yaml"
    recorded = drawn(qsession.record(path, target="emulator"))
    assert len(set(recorded)) == 3
    assert drawn(qsession.replay(path)) == recorded


def test_recording_with_pauses_is_the_same_to_the_byte(tmp_path, cassette):
    """A pause takes no time of it."""
    path = tmp_path / "paused" / "a.yaml"
    with qsession.record(path, target="emulator") as run:
        get("/jobs")
        run._pause()
        run._go_on()
        wait(60)
        run._pause()
        run._go_on()
        get("/instances/usage")
    assert path.read_bytes() == cassette.read_bytes()
