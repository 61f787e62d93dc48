"""One run: what it lets through, what it keeps, what it says at its end."""

import base64
import io
import json
import os
import threading
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import requests
from qiskit import QuantumCircuit, qpy

import qsession
from qsession._run import active
from qsession.emulator import Emulator
from qsession.errors import CassetteError, ReplayMismatch, UsageError

URL = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {"Service-CRN": "crn", "IBM-API-Version": "2026-04-15", "Authorization": "Bearer a.b.c"}


def get(path):
    return requests.get(URL + path, headers=HEADERS, timeout=5)


def send(method, path, document):
    return requests.request(method, URL + path, data=json.dumps(document), headers=HEADERS, timeout=5)


def pause(seconds):
    time.sleep(seconds)  # noqa: TID251 - what the code under test does


@pytest.fixture
def cassette(tmp_path):
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator"):
        assert get("/backends").json()["devices"]
    return path


def test_run_is_on_only_inside_its_block(cassette):
    """One slot, set and cleared."""
    assert active() is None
    with qsession.replay(cassette) as run:
        assert active() is run
    assert active() is None


def test_run_inside_a_run_is_refused(cassette):
    """One at a time in a process; the outer one goes on."""
    with qsession.replay(cassette) as run:
        with pytest.raises(UsageError) as caught, qsession.replay(cassette):
            pass
        assert get("/backends").status_code == 200
        assert active() is run
    assert str(caught.value) == (
        "A run is on already: one at a time in a process. [QS103]\n"
        f"  replay of {cassette}\n"
        "To fix: leave the outer run first, or use it: the fixture qsession_run is the run of the test"
    )


def test_run_entered_twice_is_refused(cassette):
    """What it knew is over."""
    run = qsession.replay(cassette)
    with run:
        pass
    with pytest.raises(UsageError) as caught, run:
        pass
    assert str(caught.value) == (
        "A run is entered once: this one has ended. [QS117]\n"
        "To fix: make a new one: call qsession.record(...) or qsession.replay(...) in the `with` statement"
    )


def test_refusal_stands_beside_what_became_of_it(cassette):
    """The client says that a backend does not exist where its configuration was not recorded."""
    with pytest.raises(LookupError) as caught, qsession.replay(cassette):
        with suppress(ReplayMismatch):
            get("/backends/ibm_fez/configuration")
        raise LookupError("No backend matches the criteria.")
    (note,) = caught.value.__notes__
    assert note.splitlines()[:2] == [
        "the first refusal of this run: The code under test reads something that was not recorded. Nothing was sent. [QS301]",
        "  asked: GET /backends/ibm_fez/configuration",
    ]


def test_refusal_does_not_stand_beside_itself(cassette):
    """Nor beside what it is the cause of, which shows it."""
    with pytest.raises(LookupError) as caught, qsession.replay(cassette):
        try:
            get("/backends/ibm_fez/configuration")
        except ReplayMismatch as refusal:
            raise LookupError from refusal
    assert not hasattr(caught.value, "__notes__")
    with pytest.raises(ReplayMismatch) as refused, qsession.replay(cassette):
        get("/backends/ibm_fez/configuration")
    assert refused.value.__notes__ == []


def test_service_of_a_run_that_is_over_is_refused(cassette):
    """There is nobody to answer it."""
    with qsession.replay(cassette) as run:
        pass
    with pytest.raises(UsageError) as caught:
        run.service()
    assert str(caught.value) == (
        "The run has ended, or has not begun: it has no service. [QS104]\n"
        "To fix: call run.service() inside `with qsession.replay(...) as run:`"
    )


def test_replay_that_cannot_begin_leaves_nothing_behind(tmp_path):
    """The next run is not refused because of it."""
    before = dict(os.environ)
    with pytest.raises(CassetteError, match="QS201"), qsession.replay(tmp_path / "none.yaml"):
        pass
    assert active() is None
    assert dict(os.environ) == before


def test_refusal_that_was_swallowed_is_raised_at_the_end(cassette):
    """A program that goes on regardless does not succeed."""
    with pytest.raises(ReplayMismatch, match=r"GET /workloads"), qsession.replay(cassette) as run:
        with pytest.raises(ReplayMismatch):
            get("/workloads")
        assert [refusal.code for refusal in run.refusals()] == ["QS301"]


def test_error_of_the_program_comes_before_what_it_left_out(tmp_path):
    """Not sending the rest is a consequence, not the cause."""
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator"):
        body = json.dumps({"mode": "batch", "backend": "ibm_fez"})
        requests.post(URL + "/sessions", data=body, headers=HEADERS, timeout=5)
    with pytest.raises(ZeroDivisionError), qsession.replay(path):
        raise ZeroDivisionError
    with pytest.raises(ReplayMismatch, match="QS306"), qsession.replay(path):
        pass
    with qsession.replay(path, allow_unused=True):
        pass


def test_failed_recording_replaces_nothing_and_is_kept_aside(cassette, monkeypatch):
    """A flaky assertion does not cost the recording that was there."""
    monkeypatch.chdir(cassette.parent)
    before = cassette.read_bytes()
    with pytest.raises(ZeroDivisionError), qsession.record(cassette, target="emulator"):
        get("/backends")
        raise ZeroDivisionError
    assert cassette.read_bytes() == before
    assert (cassette.parent / ".qsession" / "rejected" / "a.yaml").exists()


def test_secret_in_a_failed_program_is_taken_out(tmp_path, monkeypatch):
    """What was recorded until then is kept, without it."""
    monkeypatch.chdir(tmp_path)
    key = "FAKE-api-key-0000000001"
    form = f"grant_type=urn&apikey={key}"
    with pytest.raises(ZeroDivisionError), qsession.record("a.yaml", target="emulator"):
        requests.post("https://iam.cloud.ibm.com/identity/token", data=form, timeout=5)
        body = json.dumps({"mode": "batch", "backend": "ibm_fez", "note": "x" + key.encode().hex()})
        requests.post(URL + "/sessions", data=body, headers=HEADERS, timeout=5)
        raise ZeroDivisionError
    written = (tmp_path / ".qsession" / "rejected" / "a.yaml").read_text()
    assert "x" + b"REDACTED".hex() in written
    assert key.encode().hex() not in written


def test_emulator_of_ones_own_is_used(tmp_path):
    """Another seed, other devices."""
    emulator = Emulator(backends=["ibm_torino"], seed=5)
    with qsession.record(tmp_path / "a.yaml", target="emulator", emulator=emulator):
        assert [device["name"] for device in get("/backends").json()["devices"]] == ["ibm_torino"]
    assert "seed: 5" in (tmp_path / "a.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"target": "emulater"},
            "There is no target of this name. [QS102]\n"
            "  'emulater' (from the argument target); did you mean 'emulator'?\n"
            'To fix: target="emulator"',
        ),
        (
            {"budget": -1},
            "The budget is a number of QPU seconds, more than 0. [QS105]\n"
            "  '-1' (from the argument budget)\n"
            "To fix: --qsession-budget=60",
        ),
    ],
)
def test_record_wrong_argument_is_refused_before_anything_happens(arguments, message):
    """A typo is found at the call."""
    with pytest.raises(UsageError) as caught:
        qsession.record("a.yaml", **arguments)
    assert str(caught.value) == message


def test_record_against_the_service_in_continuous_integration_is_refused(tmp_path, monkeypatch):
    """Nobody meant to spend QPU time in a pipeline."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(UsageError) as caught, qsession.record(tmp_path / "a.yaml"):
        pass
    assert str(caught.value) == (
        "The service is not reached from continuous integration unless you say so. [QS111]\n"
        "  the environment variable CI is set\n"
        "To fix: replay, the default, needs no account; or record with --qsession-target=emulator\n"
        "If this is intended: --qsession-allow-ci, in Python allow_ci=True"
    )


def test_usage_is_that_of_the_recording(tmp_path):
    """A limit on QPU time can be asserted in a replay, too."""
    from qiskit import QuantumCircuit
    from qiskit_ibm_runtime import SamplerV2

    def program(run):
        circuit = QuantumCircuit(1, name="one")
        circuit.x(0)
        circuit.measure_all()
        job = SamplerV2(mode=run.service().backend("ibm_fez")).run([circuit], shots=10)
        assert job.result()[0].data.meas.get_counts() == {"1": 10}
        assert job.usage() == 0.3

    with qsession.record(tmp_path / "a.yaml", target="emulator") as run:
        program(run)
        recorded = run.usage
    with qsession.replay(tmp_path / "a.yaml") as run:
        program(run)
        assert run.usage == recorded
    assert recorded.qpu_seconds == 0.3


def test_variable_that_the_program_sets_stays(cassette, monkeypatch):
    """Only what was changed for the run is put back."""
    monkeypatch.delenv("SOMEBODYS_OWN", raising=False)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    before = dict(os.environ)
    with qsession.replay(cassette):
        assert "https_proxy" not in os.environ
        os.environ["SOMEBODYS_OWN"] = "kept"
    assert dict(os.environ) == before | {"SOMEBODYS_OWN": "kept"}
    monkeypatch.delenv("SOMEBODYS_OWN")


def test_time_of_a_replay_begins_when_the_recording_began(cassette):
    """Wherever and whenever it runs; afterwards the machine's time is back."""
    with qsession.replay(cassette) as run:
        assert run.clock.now() == datetime.now(UTC) == datetime(2026, 1, 5, 12, tzinfo=UTC)  # noqa: TID251
    assert abs(time.time() - cassette.stat().st_mtime) < 3600  # noqa: TID251


def test_answer_takes_the_time_that_it_took(cassette):
    """A millisecond on the emulator, recorded and replayed."""
    with qsession.replay(cassette) as run:
        get("/backends")
        assert run.clock.monotonic() == 0.001
        get("/backends")
        assert run.clock.monotonic() == 0.002


def test_program_that_no_longer_waits_is_answered_when_it_was(tmp_path):
    """What it waited for, or computed, took time when it was recorded."""

    def program(run, wait):
        pause(wait)
        send("POST", "/sessions", {"mode": "batch", "backend": "ibm_fez"})
        return run.clock.monotonic()

    with qsession.record(tmp_path / "a.yaml", target="emulator") as run:
        assert program(run, 90) == 90.001
    for wait, end in ((0, 90.001), (90, 90.001), (100, 100.001)):
        with qsession.replay(tmp_path / "a.yaml") as run:
            assert program(run, wait) == end


def session_of_an_hour():
    made = send("POST", "/sessions", {"mode": "dedicated", "backend": "ibm_fez", "max_ttl": 3600})
    return f"/sessions/{made.json()['id']}"


@pytest.fixture
def opened(tmp_path):
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator"):
        assert get(session_of_an_hour()).json()["state"] == "open"
    return path


def test_time_moved_past_the_end_of_the_recording_is_the_models(opened):
    """The report says how often it was asked."""
    with qsession.replay(opened) as run:
        session = session_of_an_hour()
        run.clock.advance("2h")
        assert get(session).json()["state"] == "closed"
    assert run.summary().modelled == 1


def test_time_waited_past_the_end_of_the_recording_is_a_mismatch(opened):
    """Nobody asked for an answer that was not recorded."""
    with pytest.raises(ReplayMismatch) as caught, qsession.replay(opened) as run:
        session = session_of_an_hour()
        pause(7200)
        get(session)
    assert str(caught.value) == (
        "The code under test waits for what the recording does not hold. [QS304]\n"
        f"  asked: GET {session}, 7199.999 s after the recording ended\n"
        "  the recording ends with this in a state that is not final\n"
        f"To fix: qsession.record('{opened}', target='emulator')\n"
        "If this is intended: to let a model of the service answer: "
        'beyond="model" in @pytest.mark.qsession(...)\n'
        f"Where: {opened}"
    )
    assert run.summary().modelled == 0


def test_time_waited_past_the_end_of_the_recording_is_the_models_if_told_so(opened):
    """With beyond="model"."""
    with qsession.replay(opened, beyond="model") as run:
        session = session_of_an_hour()
        pause(7200)
        assert get(session).json()["state"] == "closed"
    assert run.summary().modelled == 1


def test_threads_of_a_replay_share_one_time(opened):
    """Two that wait at once wait together."""
    with qsession.replay(opened, allow_unused=True) as run:
        threads = [threading.Thread(target=pause, args=(seconds,)) for seconds in (30, 60)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert run.clock.monotonic() == 60


def test_secret_of_a_former_recording_does_not_come_back(tmp_path, monkeypatch):
    """What means the same is written in its former bytes, unless these are what must go."""
    path, body = tmp_path / "a.yaml", job("bell of planted.person@team.example.com")

    def record():
        with qsession.record(path, target="emulator"):
            assert requests.post(URL + "/jobs", data=body, headers=HEADERS, timeout=5).status_code == 200

    with monkeypatch.context() as before:
        before.setattr("qsession._redaction._search.Search.found", lambda self, data: ())
        before.setattr("qsession._redaction._edit.Editor.data", lambda self, data, depth=0: data)
        record()
    coded = json.loads(body)["params"]["pubs"][0][0]["__value__"]
    assert coded in path.read_text()
    record()
    assert coded not in path.read_text()


def test_recording_made_again_says_the_same_in_the_same_bytes(tmp_path):
    """A circuit has another name each time, in what is sent and in what the job tells of itself."""
    path, files = tmp_path / "a.yaml", []
    for name in ("circuit-1", "circuit-22"):
        with qsession.record(path, target="emulator"):
            body = job(name)
            made = requests.post(URL + "/jobs", data=body, headers=HEADERS, timeout=5).json()["id"]
            told = get(f"/jobs/{made}").json()["params"]
            assert told["pubs"] == json.loads(body)["params"]["pubs"]
        files.append(path.read_bytes())
    assert files[0] == files[1]


def job(name):
    circuit = QuantumCircuit(1, name=name)
    circuit.measure_all()
    stream = io.BytesIO()
    qpy.dump(circuit, stream)
    value = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    pub = [{"__type__": "QuantumCircuit", "__value__": value}, None, 10]
    return json.dumps(
        {
            "program_id": "sampler",
            "backend": "ibm_fez",
            "params": {"pubs": [pub], "version": 2, "options": {}},
        }
    )
