"""``qsession doctor``: what a killed run left open."""

import json
import subprocess
import sys

import pytest
from qiskit_ibm_runtime.exceptions import IBMError

from qsession._clock import SystemClock
from qsession._journal import Journal, new_head
from qsession._money import OpenNote, _notes, leftovers
from qsession._redaction import Redactor
from qsession.cli import main
from qsession.emulator import Emulator, EmulatorServer


@pytest.fixture
def dead():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


@pytest.fixture
def folder(tmp_path):
    _notes.prepare(tmp_path)
    return tmp_path


def note(folder, pid, session, kind="dedicated", parked=""):
    base = "https://quantum.cloud.ibm.com/api/v1"
    _notes.add(folder, OpenNote(session, kind, "ibm_fez", base, 7, pid, parked=parked))


@pytest.fixture
def served(monkeypatch):
    emulator = Emulator(strict=True)
    with EmulatorServer(emulator) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield emulator


def test_doctor_with_nothing_to_report_says_so(folder, capsys):
    """The usual case."""
    assert main(["doctor", "--folder", str(folder)]) == 0
    assert (
        capsys.readouterr().out == "nothing to report: the emulator can run, and no session was left open\n"
    )


def test_doctor_names_what_a_killed_run_left_open(folder, dead, capsys):
    """And what closes it."""
    note(folder, dead, "session-1")
    assert main(["doctor", "--folder", str(folder)]) == 1
    assert capsys.readouterr().out == (
        "a killed run left the dedicated session-1 open on ibm_fez\n  To fix: qsession doctor --close\n"
    )


def test_doctor_close_cancels_sessions_and_batches(served, folder, dead, capsys):
    """With the account of whoever asks."""
    from qiskit_ibm_runtime import Batch, QiskitRuntimeService, Session

    backend = QiskitRuntimeService().backend("ibm_fez")
    opened = [Session(backend=backend).session_id, Batch(backend=backend).session_id]
    for session, kind in zip(opened, ("dedicated", "batch"), strict=True):
        note(folder, dead, session, kind)
    assert main(["doctor", "--close", "--json", "--folder", str(folder)]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["closed"]) == sorted(opened)
    assert leftovers(folder) == ()
    assert served.open_sessions(SystemClock().now()) == ()


def test_doctor_close_of_an_unknown_session_says_why_and_keeps_the_note(served, folder, dead, capsys):
    """A session of another instance is not given up."""
    note(folder, dead, "11111111-2222-4333-8444-555555555555")
    assert main(["doctor", "--close", "--folder", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert "the dedicated 11111111-2222-4333-8444-555555555555 could not be closed: " in shown
    assert "To fix: qsession doctor --close --instance=NAME, with the instance it is in" in shown
    assert len(leftovers(folder)) == 1


def test_doctor_close_shows_no_instance_that_the_service_quotes(served, folder, dead, capsys, monkeypatch):
    """The client puts the body of an error into its text, and the service names the instance."""
    account = "0123456789abcdef0123456789abcdef"
    crn = (
        f"crn:v1:bluemix:public:quantum-computing:us-east:a/{account}:11111111-2222-4333-8444-555555555555::"
    )

    def refuse(*_: object) -> None:
        raise IBMError(f"404: Instance {crn} not found for IBMid-66600FAKE1")

    monkeypatch.setattr("qiskit_ibm_runtime.Session.from_id", refuse)
    note(folder, dead, "session-1")
    assert main(["doctor", "--close", "--folder", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert f"Instance crn:v1:bluemix:public:quantum-computing:us-east:a/{'0' * 32}:" in shown
    assert [secret for secret in (account, "11111111-2222", "66600FAKE1") if secret in shown] == []


def test_doctor_close_without_credentials_says_so(folder, dead, capsys, monkeypatch, tmp_path):
    """Closing needs an account."""
    monkeypatch.delenv("QISKIT_IBM_TOKEN", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(
        "qiskit_ibm_runtime.accounts.management._DEFAULT_ACCOUNT_CONFIG_JSON_FILE",
        str(tmp_path / "none.json"),
    )
    note(folder, dead, "session-1")
    assert main(["doctor", "--close", "--folder", str(folder)]) == 2
    assert capsys.readouterr().err.startswith(
        "qsession: To reach the service the client needs credentials, and it finds none. Nothing was sent. [QS110]\n"
    )


def test_doctor_names_a_freezegun_that_makes_the_clock_slow(folder, capsys, monkeypatch):
    """The clock is correct with it; whoever wonders where the time goes learns it here."""
    monkeypatch.setattr("qsession._clock.findings", lambda: ["freezegun 9.9: its search cannot be left out"])
    assert main(["doctor", "--folder", str(folder)]) == 1
    assert capsys.readouterr().out == (
        "freezegun 9.9: its search cannot be left out\n"
        "  To fix: pip install 'freezegun==1.5.5', with which qsession was tried\n"
    )


COLLECT = "pytest 'test_it.py::test_it' --qsession-resume"


def test_doctor_lists_what_is_parked_and_finds_nothing_wrong(folder, dead, capsys):
    """Somebody meant it: how to collect it is what there is to say."""
    note(folder, dead, "batch-1", "batch", COLLECT)
    assert main(["doctor", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out == (
        f"parked on ibm_fez, a batch\n  To collect it: {COLLECT}\n"
        "nothing to report: the emulator can run, and no session was left open\n"
    )
    assert main(["doctor", "--folder", str(folder), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "closed": [],
        "findings": [],
        "parked": [{"kind": "batch", "backend": "ibm_fez", "collect": COLLECT}],
    }


def test_doctor_close_leaves_what_is_parked_unless_told(served, folder, dead, capsys):
    """Then a batch and a job are cancelled, and their journals go: nothing is left to collect."""
    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
    from qiskit_ibm_runtime import Batch, QiskitRuntimeService, SamplerV2

    backend = QiskitRuntimeService().backend("ibm_fez")
    circuit = QuantumCircuit(QuantumRegister(156, "q"), ClassicalRegister(1, "meas"))
    circuit.measure(1, 0)
    batch = Batch(backend=backend)
    job = SamplerV2(mode=backend).run([circuit])
    note(folder, dead, batch.session_id, "batch", COLLECT)
    note(folder, dead, job.job_id(), "job", COLLECT)
    journal = Journal.begin(
        folder / "journal" / "a.jsonl", Redactor(), new_head(test="t", cassette="a.yaml", recorded_at=0)
    )
    journal.parked(COLLECT)
    journal.close()
    assert main(["doctor", "--close", "--folder", str(folder)]) == 0
    assert len(_notes.parked(folder)) == 2
    capsys.readouterr()
    assert main(["doctor", "--close", "--parked", "--json", "--folder", str(folder)]) == 0
    assert sorted(json.loads(capsys.readouterr().out)["closed"]) == sorted([batch.session_id, job.job_id()])
    assert _notes.parked(folder) == ()
    assert job.in_final_state()
    assert served.open_sessions(SystemClock().now()) == ()
    assert not journal.path.exists()


def test_doctor_parked_alone_is_a_usage_error(folder, capsys):
    """It would do nothing."""
    assert main(["doctor", "--parked", "--folder", str(folder)]) == 2
    assert capsys.readouterr().err == (
        "qsession: --parked says what --close cancels as well; alone it does nothing. [QS168]\n"
        "To fix: qsession doctor --close --parked\n"
        "If this is intended: qsession doctor lists what is parked\n"
    )
