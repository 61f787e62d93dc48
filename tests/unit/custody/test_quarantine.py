"""Recordings that hold what nothing takes out."""

from __future__ import annotations

import base64
import gzip
import io
import json
import stat
import zlib
from dataclasses import replace

import pytest
import requests
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import ClassicalRegister

import qsession
from qsession._custody import quarantine
from qsession._discovery import fake_crn
from qsession._journal import Journal, new_head
from qsession._naming import journal_path
from qsession._redaction import Redactor, Rules, rules
from qsession.cli import main
from qsession.emulator import Emulator
from qsession.errors import CassetteError

URL = "https://quantum.cloud.ibm.com/api/v1"
KEY = "FAKE_0123456789_abcdef"
HEADERS = {
    "Service-CRN": fake_crn(0, "us-east"),
    "IBM-API-Version": "2026-04-15",
    "Authorization": "Bearer a.b.c",
}
FILE = ".qsession/rejected/a.quarantine"


def registered():
    """A circuit with a register that is named like the key: no name that can be changed."""
    circuit = QuantumCircuit(1)
    circuit.add_register(ClassicalRegister(1, f"c{KEY}"))
    circuit.measure(0, 0)
    stream = io.BytesIO()
    qpy.dump(circuit, stream)
    return base64.b64encode(zlib.compress(stream.getvalue())).decode()


class Telling(Emulator):
    """Answers with such a circuit where the client asks for a session."""

    def answer(self, request, at):
        response = super().answer(request, at)
        if request.method == "GET" and "/sessions/" in request.url:
            document = json.loads(response.body) | {"note": "ordinary", "circuit": registered()}
            return type(response)(200, "OK", response.headers, json.dumps(document).encode())
        return response


def log_in():
    form = f"grant_type=urn&apikey={KEY}"
    assert requests.post("https://iam.cloud.ibm.com/identity/token", data=form, timeout=5).status_code == 200


def post(body):
    return requests.post(f"{URL}/sessions", json=body, headers=HEADERS, timeout=5)


def record(tmp_path, monkeypatch, **more):
    """A recording whose answer, after QPU time was used, holds what cannot be taken out."""
    monkeypatch.chdir(tmp_path)
    with qsession.record("c/a.yaml", target="emulator", emulator=Telling(), **more):
        log_in()
        session = post({"mode": "batch", "backend": "ibm_fez"}).json()["id"]
        requests.get(f"{URL}/sessions/{session}", headers=HEADERS, timeout=5)
        assert post({"mode": "dedicated", "backend": "ibm_fez"}).status_code == 200


@pytest.fixture
def held(tmp_path, monkeypatch):
    with pytest.raises(CassetteError) as caught:
        record(tmp_path, monkeypatch)
    return caught.value


def test_request_that_could_not_be_written_is_not_sent(tmp_path, monkeypatch):
    """The recording would be refused: it is known before anything is paid for."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CassetteError) as caught, qsession.record("a.yaml", target="emulator") as run:
        log_in()
        post({"mode": "batch", "backend": "ibm_fez", "note": [registered()]})
    assert str(caught.value) == (
        "A secret would have been recorded that nothing takes out. Nothing was sent. [QS220]\n"
        "  POST sessions.create, request note[0] (in base64, in zlib): API key (the value is not shown)\n"
        "To fix: keep the value out of what the test sends: names of registers and variables cannot be changed"
    )
    assert run.summary().sessions == 0


def test_recording_that_was_paid_for_goes_into_quarantine(tmp_path, held):
    """Nothing that was paid for is lost, the rest of the test runs, and the place is named, not the value."""
    assert str(held) == (
        "The recording holds a secret that nothing takes out. It is in quarantine, and no result is lost. [QS221]\n"
        "  interaction 3, GET sessions.get, response circuit (in base64, in zlib): API key (the value is not shown)\n"
        f"To fix: qsession redact {FILE} --cut\n"
        "If this is intended: --rule instead of --cut where a regular expression can name what must go\n"
        f"Where: {FILE}"
    )
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert not list(tmp_path.rglob("*.yaml"))
    raw = gzip.decompress((tmp_path / FILE).read_bytes())
    assert KEY.encode() not in raw
    assert (tmp_path / ".qsession" / ".gitignore").read_text() == "*\n"


def test_cut_takes_out_the_text_and_puts_the_recording_in_place(tmp_path, held, capsys):
    """The rest of the recording replays."""
    assert main(["redact", FILE, "--cut"]) == 0
    assert capsys.readouterr().out == "written: c/a.yaml\n"
    assert not (tmp_path / FILE).exists()
    with qsession.replay("c/a.yaml"):
        session = post({"mode": "batch", "backend": "ibm_fez"}).json()["id"]
        told = requests.get(f"{URL}/sessions/{session}", headers=HEADERS, timeout=5).json()
        post({"mode": "dedicated", "backend": "ibm_fez"})
    assert (told["circuit"], told["note"], told["id"]) == ("REDACTED", "ordinary", session)


@pytest.mark.parametrize("target", ["ibm", "emulator"])
def test_released_recording_has_no_journal_any_more(tmp_path, held, target):
    """Resuming would go on with it on the service; a journal of the service beside one of the emulator stays."""
    kept = quarantine.read(tmp_path / FILE)
    head = replace(kept.recording.provenance, target=target)
    kept = replace(kept, recording=replace(kept.recording, provenance=head))
    (tmp_path / FILE).write_bytes(quarantine._packed(kept))
    path = journal_path(tmp_path / ".qsession", tmp_path / "c" / "a.yaml")
    journal = Journal.begin(path, Redactor(), new_head(test="", cassette="c/a.yaml", recorded_at=0))
    journal.taken_up()
    journal.close()
    with pytest.raises(CassetteError, match="QS223"):
        quarantine.release(tmp_path / FILE, rules(["re:ordinary"], origin="a test"), cut=False)
    assert path.exists()
    assert main(["redact", FILE, "--cut"]) == 0
    assert path.exists() == (target == "emulator")


def test_rule_that_names_it_is_enough(tmp_path, held):
    """A regular expression over the text that it lies in."""
    quarantine.release(tmp_path / FILE, rules(["eJ[A-Za-z0-9+/=]{40,}"], origin="a test"), cut=False)
    assert (tmp_path / "c" / "a.yaml").exists()


def test_rule_that_names_something_else_is_not(tmp_path, held):
    """The quarantine stays as it is."""
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(CassetteError) as caught:
        quarantine.release(tmp_path / FILE, rules(["re:ordinary"], origin="a test"), cut=False)
    assert str(caught.value) == (
        "The recording still holds a secret. It stays in quarantine. [QS223]\n"
        "  interaction 3, GET sessions.get, response circuit (in base64, in zlib): API key (the value is not shown)\n"
        f"To fix: qsession redact {FILE} --cut\n"
        f"Where: {FILE}"
    )
    assert (tmp_path / FILE).read_bytes() == before
    assert not (tmp_path / "c").exists()


def test_redact_alone_says_what_is_there(held, capsys):
    """Text, and JSON; nothing is changed."""
    assert main(["redact", FILE]) == 1
    told = capsys.readouterr().out
    assert told == (
        "c/a.yaml would hold:\n"
        "  interaction 3, GET sessions.get, response circuit (in base64, in zlib): API key (the value is not shown)\n"
        "To fix: --cut takes out the whole texts, --rule what a regular expression names\n"
    )
    assert main(["redact", FILE, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["cassette"] == "c/a.yaml"


def test_cassette_that_changed_meanwhile_is_not_replaced(tmp_path, held, capsys):
    """Unless one says so."""
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.yaml").write_text("newer")
    assert main(["redact", FILE, "--cut"]) == 1
    assert capsys.readouterr().err == (
        "qsession: The cassette is not the one that was there when the recording was made. Nothing was changed. [QS224]\n"
        "  c/a.yaml was written, changed or removed since\n"
        f"To fix: delete {FILE} if the cassette is the better one\n"
        "If this is intended: --force replaces it\n"
        f"Where: {FILE}\n"
    )
    assert main(["redact", FILE, "--cut", "--force"]) == 0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"no gzip", "Not a gzipped file (b'no')"),
        (gzip.compress(b"{}")[:-9], "Compressed file ended before the end-of-stream marker was reached"),
        (gzip.compress(b"[]"), "list indices must be integers or slices, not str"),
        (gzip.compress(b"{}"), "KeyError"),
        (gzip.compress(b'{"quarantine": 9}'), "its format is 9, this version reads 1"),
        (
            gzip.compress(b'{"quarantine":1,"bodies":[],"findings":[],"marks":[]}'),
            "a field is of the wrong type",
        ),
        (
            gzip.compress(b"[" * 200_000),
            "maximum recursion depth exceeded while decoding a JSON array from a unicode string",
        ),
    ],
    ids=["no gzip", "cut", "list", "empty", "future", "types", "deep"],
)
def test_file_that_is_none_is_named(tmp_path, content, why):
    """It is left as it was."""
    path = tmp_path / "x.quarantine"
    path.write_bytes(content)
    with pytest.raises(CassetteError) as caught:
        quarantine.release(path, Rules(), cut=True)
    assert (caught.value.code, caught.value.evidence) == ("QS222", (why,))
    assert path.read_bytes() == content


def test_file_elsewhere_is_not_released(tmp_path, held):
    """Where its cassette belongs follows from where it lies."""
    moved = tmp_path / "moved.quarantine"
    (tmp_path / FILE).rename(moved)
    with pytest.raises(CassetteError) as caught:
        quarantine.release(moved, Rules(), cut=True)
    assert caught.value.evidence == ("it does not lie below .qsession/rejected",)


def test_recording_of_a_program_that_failed_goes_there_too(tmp_path, monkeypatch):
    """What it raised stays the error; the quarantine is said beside it."""
    monkeypatch.chdir(tmp_path)
    with (
        pytest.raises(ZeroDivisionError) as caught,
        qsession.record("c/a.yaml", target="emulator", emulator=Telling()),
    ):
        log_in()
        session = post({"mode": "batch", "backend": "ibm_fez"}).json()["id"]
        requests.get(f"{URL}/sessions/{session}", headers=HEADERS, timeout=5)
        raise ZeroDivisionError
    assert "[QS221]" in caught.value.__notes__[0]
    assert (tmp_path / FILE).exists()
    assert not list(tmp_path.rglob("*.yaml"))
