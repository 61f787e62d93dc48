"""The journal itself: lines, large bodies, full disks, secrets."""

from __future__ import annotations

import base64
import io
import os
import stat
import zlib
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import ClassicalRegister
from served_run import TOKEN, Killed, cut, killed

import qsession
from qsession._journal import _lines, read
from qsession._journal._journal import Journal, new_head
from qsession._model import Interaction, Request, Response
from qsession._redaction import Redactor
from qsession._run import Run
from qsession.errors import CassetteError

RECORDS = st.lists(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=9)), max_size=6)


def written(records):
    data, chain = b"", ""
    for record in records:
        line, chain = _lines.line(record, chain)
        data += line
    return data


@given(RECORDS)
def test_lines_are_read_as_they_were_written(records):
    """Whatever they hold."""
    assert [line.record for line in _lines.lines(written(records))] == records


@given(RECORDS.filter(bool), st.data())
def test_torn_line_is_dropped_and_all_before_it_is_there(records, data):
    """Wherever the process died."""
    whole = written(records)
    torn = whole[: data.draw(st.integers(0, len(whole) - 1))]
    found = list(_lines.lines(torn))
    assert [line.record for line in found] == records[: torn.count(b"\n")]
    assert (found[-1].end if found else 0) == torn.rfind(b"\n") + 1


@given(RECORDS.filter(lambda records: len(records) > 1), st.data())
def test_changed_byte_is_found(records, data):
    """It is an error that names the line; but where the very end is gone, the last line is a torn one."""
    whole = bytearray(written(records))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    if place == len(whole) - 1:
        assert [line.record for line in _lines.lines(bytes(whole))] == records[:-1]
        return
    number = bytes(whole[:place]).count(b"\n") + 1
    with pytest.raises(_lines.Damaged) as caught:
        list(_lines.lines(bytes(whole)))
    assert caught.value.number == number


def interaction(number=0, body=b"{}", answer=b"{}"):
    request = Request("GET", f"https://quantum.cloud.ibm.com/api/v1/jobs/{number}", {"accept": "x"}, body)
    return Interaction(
        "jobs.get", 0, request, Response(200, "OK", {"content-type": "x"}, answer), number, 5, last=number
    )


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal" / "a.jsonl"
    journal = Journal.begin(path, Redactor(), new_head(test="t", cassette="a.yaml", recorded_at=1_000))
    journal._open()
    yield journal
    journal.close()


@pytest.mark.parametrize(
    "body", [b"", b"text \xc3\xa9", b"\xff\x00binary", b"x" * 16_384, os.urandom(70_000)]
)
def test_exchange_is_read_as_it_was_written(journal, body):
    """Small, large, text or not."""
    journal.said(interaction(3, body, body[::-1]))
    past = read(journal.path)
    assert past.interactions == [interaction(3, body, body[::-1])]
    assert (past.head.test, past.head.cassette, past.head.recorded_at) == ("t", "a.yaml", 1_000)


def test_journal_is_begun_with_the_first_exchange(tmp_path):
    """A run that fails before it asks anything leaves the journal of an earlier one as it was."""
    path = tmp_path / "a.jsonl"
    path.write_text("of an earlier run")
    journal = Journal.begin(path, Redactor(), new_head(test="t", cassette="a.yaml", recorded_at=1_000))
    journal.told("random_seed", 5)
    journal.remove()
    assert path.read_text() == "of an earlier run"
    journal = Journal.begin(path, Redactor(), new_head(test="t", cassette="a.yaml", recorded_at=1_000))
    journal.told("random_seed", 5)
    journal.said(interaction())
    journal.told("backend", "ibm_fez")
    journal.close()
    assert read(path).told == {"random_seed": 5, "backend": "ibm_fez"}


def test_equal_answers_are_counted(journal):
    """As in a cassette."""
    journal.said(interaction(3))
    journal.again(0, 7)
    (found,) = read(journal.path).interactions
    assert (found.seen, found.last) == (2, 7)


def test_journal_is_its_owners_only(journal):
    """It is no cassette: nobody else has to read it."""
    journal.said(interaction(body=b"x" * 20_000))
    files = [journal.path, *journal.path.with_suffix(".bodies").iterdir()]
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(journal.path.parent.stat().st_mode) & 0o077 == 0


def test_large_body_stands_once(journal):
    """However often it was answered."""
    for number in range(3):
        journal.said(interaction(number, answer=b"y" * 20_000))
    assert len(list(journal.path.with_suffix(".bodies").iterdir())) == 1
    assert journal.path.stat().st_size < 3_000


@pytest.mark.parametrize(
    "damage", [lambda p: p.unlink(), lambda p: p.write_bytes(b"z" * 20_000)], ids=["gone", "other"]
)
def test_damaged_large_body_is_an_error(journal, damage):
    """It names the line that refers to it."""
    journal.said(interaction(answer=b"y" * 20_000))
    (body,) = journal.path.with_suffix(".bodies").iterdir()
    damage(body)
    with pytest.raises(CassetteError) as caught:
        read(journal.path)
    assert (caught.value.code, caught.value.where) == ("QS211", f"{journal.path}, line 2")
    assert caught.value.evidence[0].startswith(f"line 2: the body beside it, {body.name}: ")


def test_journal_of_another_format_is_refused(journal):
    """It is not guessed at."""
    line, _ = _lines.line({"k": "head", "format": 1}, "")
    journal.path.write_bytes(line)
    with pytest.raises(CassetteError) as caught:
        read(journal.path)
    assert str(caught.value) == (
        "The journal has format 1, which this version of qsession does not read. Nothing was sent. [QS211]\n"
        "To fix: resume with the version of qsession that wrote it\n"
        "If this is intended: record it anew with --qsession-record, which submits everything once more and "
        "removes the journal\n"
        f"Where: {journal.path}, line 1"
    )


@pytest.mark.parametrize(
    "record",
    [
        {"k": "head"},
        {"k": "something else"},
        {},
        {"k": "again", "i": 5, "at": 1},
        {"k": "again", "i": True, "at": 1},
        {"k": "made", "n": 1, "kind": "job", "real": "x", "meaning": "y"},
        {"k": "said", "n": None, "exchange": 5},
        {"k": "said", "n": None, "exchange": {"request": {}, "response": {}, "qsession": {}}},
        {"k": "asking", "n": "1", "exchange": {}},
    ],
)
def test_line_that_makes_no_sense_is_an_error(journal, record):
    """Although its digest fits: it was written by somebody else."""
    past = read(journal.path)
    line, _ = _lines.line(record, past.chain)
    journal.path.write_bytes(journal.path.read_bytes() + line)
    with pytest.raises(CassetteError, match=r"line 2: a field is missing or wrong"):
        read(journal.path)


def test_empty_journal_is_an_error(journal):
    """Its process died before its first line was whole."""
    journal.path.write_bytes(b"")
    with pytest.raises(CassetteError, match=r"line 1: there is no whole first line"):
        read(journal.path)


def full(monkeypatch, *, after=0):
    """A disk that takes no more, or no more after some writes; half a line goes through."""
    real, left = os.pwrite, [after]

    def pwrite(file, data, at):
        left[0] -= 1
        if left[0] >= 0:
            return real(file, data, at)
        if left[0] == -1 and len(data) > 20:
            return real(file, data[:20], at)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)


def test_full_disk_keeps_from_submitting(service, monkeypatch):
    """What could not be kept is not paid for."""
    with pytest.raises(CassetteError) as caught, service.record():
        service.send("GET", "/backends")
        path = service.journal
        full(monkeypatch)
        service.submit()
    assert str(caught.value) == (
        "The journal cannot be written, so nothing is submitted that could be lost. [QS214]\n"
        f"  {path}: No space left on device\n"
        "To fix: make room, or give this user the right to write there, then go on with --qsession-resume\n"
        f"Where: {path}"
    )
    assert service.platform.count("jobs.create") == 0


def test_disk_that_fills_up_loses_nothing_that_was_paid_for(service, monkeypatch):
    """The journal ends, the run goes on; cut off then, it finds its job again."""
    with killed(service), service.record():
        first = service.submit(100)
        with monkeypatch.context() as patch:
            full(patch)
            service.until_done(first)
            with pytest.raises(CassetteError, match="QS214"):
                service.submit(64)
        cut(service)
    with service.record(resume=True):
        assert service.submit(100) == first
        assert service.until_done(first) == "Completed"
    assert service.platform.count("jobs.create") == 1


def test_disk_that_is_full_when_the_answer_comes_loses_no_job(service, monkeypatch):
    """The submission is on the disk, its answer is not: it is looked for."""
    with monkeypatch.context() as patch, killed(service), service.record():
        full(patch, after=4)  # the head, what was told, the instance and the submission are there
        service.submit(100)
        cut(service)
    with service.record(resume=True):
        assert service.until_done(service.submit(100)) == "Completed"
    assert service.platform.count("jobs.create") == 1


def test_full_disk_at_the_end_costs_no_second_run(service, monkeypatch):
    """The cassette cannot be written; the journal is there, and has it all."""
    from qsession import _store

    def refuse(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(CassetteError, match="QS208"):
        patch.setattr(_store, "write_whole", refuse)
        with service.record():
            service.until_done(service.submit())
    asked = len(service.platform.asked)
    with service.record(resume=True):
        service.until_done(service.submit())
    assert len(service.platform.asked) == asked
    assert service.cassette.exists()


def test_interrupt_costs_no_second_run(service):
    """Ctrl-C after the result: resumed, nothing is asked."""
    with pytest.raises(KeyboardInterrupt), service.record():
        service.until_done(service.submit())
        raise KeyboardInterrupt
    asked = len(service.platform.asked)
    with service.record(resume=True):
        service.until_done(service.submit())
    assert len(service.platform.asked) == asked


def circuit_with(secret: str) -> str:
    """A circuit whose register is named like a secret: no name that redaction can change."""
    circuit = QuantumCircuit(ClassicalRegister(1, f"c{secret}"))
    stream = io.BytesIO()
    qpy.dump(circuit, stream)
    return base64.b64encode(zlib.compress(stream.getvalue())).decode()


def test_secret_in_a_submission_is_refused_before_it_is_sent(service):
    """It could never become a cassette: no QPU time for it."""
    with pytest.raises(CassetteError) as caught, service.record():
        service.send("GET", "/backends")
        service.submit(tags=[circuit_with(TOKEN)])
    assert caught.value.code == "QS220"
    assert caught.value.evidence == (
        "POST jobs.create, request tags[0] (in base64, in zlib): token (the value is not shown)",
    )
    assert service.platform.count("jobs.create") == 0
    assert not list(service.scratch.glob("journal/*.jsonl"))


def test_what_turns_out_to_be_a_secret_later_is_removed(tmp_path):
    """It was written when nobody knew: the journal goes."""
    redactor = Redactor()
    path = tmp_path / "a.jsonl"
    journal = Journal.begin(path, redactor, new_head(test="", cassette="a.yaml", recorded_at=0))
    journal.said(interaction(answer=b"see-planted-0123456789"))
    redactor.learn("API key", "planted-0123456789")
    journal.said(interaction(1))
    assert not path.exists()
    with pytest.raises(CassetteError, match="QS207"):
        journal.asking("jobs.create", 0, Request("POST", "https://quantum.cloud.ibm.com/api/v1/jobs"), 0)
    journal.close()


def test_secret_beside_one_that_turned_out_to_be_one_ends_the_journal(tmp_path):
    """The recording goes on without it; nothing but the next submission says so."""
    redactor = Redactor()
    path = tmp_path / "a.jsonl"
    journal = Journal.begin(path, redactor, new_head(test="", cassette="a.yaml", recorded_at=0))
    journal.said(interaction(answer=b"see-planted-0123456789"))
    redactor.learn("API key", "planted-0123456789")
    journal.said(interaction(1, answer=b"see-planted-0123456789"))
    assert not path.exists()
    with pytest.raises(CassetteError, match="QS207"):
        journal.asking("jobs.create", 0, Request("POST", "https://quantum.cloud.ibm.com/api/v1/jobs"), 0)
    journal.close()


def test_answer_that_a_replay_would_refuse_can_be_gone_on_with(journal):
    """It came from the service, and the client has read it."""
    harmful = b'{"__type__": "object", "__module__": "subprocess", "__class__": "Popen", "__value__": {}}'
    journal.said(interaction(answer=harmful))
    (found,) = read(journal.path).interactions
    assert found.response.body == harmful


def test_journal_that_stopped_at_a_secret_cannot_be_gone_on_with(service):
    """What came after it is not known."""
    with killed(service), service.record():
        service.submit(100)
        service.send("GET", f"/jobs?tags={quote(circuit_with(TOKEN), safe='')}")
        cut(service)
    with pytest.raises(CassetteError) as caught, service.record(resume=True):
        pass
    assert str(caught.value) == (
        "The journal is not whole: it stopped where a secret would have been written. Nothing was sent. [QS218]\n"
        "  kinds: token (the values are not shown)\n"
        "To fix: keep the value out of what the test sends, and record it anew with --qsession-record\n"
        f"Where: {service.journal}"
    )


def test_journal_of_another_test_is_refused(service):
    """A renamed test does not take over what another one paid for."""
    with killed(service), service.record():
        service.submit()
        cut(service)
    run = Run(replace(service.record(resume=True)._settings, test="test_it.py::test_other"))
    with pytest.raises(CassetteError) as caught, run:
        pass
    assert caught.value.code == "QS216"
    assert caught.value.evidence == (
        "it is of a recording without a test, resumed is test_it.py::test_other",
    )


def test_replay_and_emulator_have_no_journal(tmp_path, monkeypatch):
    """There is nothing that could be lost."""
    monkeypatch.chdir(tmp_path)
    with qsession.record("a.yaml", target="emulator"):
        pass
    with qsession.replay("a.yaml"):
        pass
    assert not (tmp_path / ".qsession" / "journal").exists()


def test_killed_is_no_error_that_anybody_catches():
    """So that the tests above are cut off where they say."""
    assert not issubclass(Killed, Exception)


def test_run_that_cannot_begin_leaves_an_older_journal(tmp_path):
    """What a run is told before it asks anybody is written with what it asks first."""
    path = tmp_path / "journal" / "a.jsonl"
    head = new_head(test="t", cassette="a.yaml", recorded_at=0)
    older = Journal.begin(path, Redactor(), head)
    older.said(interaction())
    older.close()
    before = path.read_bytes()

    newer = Journal.begin(path, Redactor(), head)
    newer.told("random_seed", 7)
    assert path.read_bytes() == before
    newer.said(interaction(1))
    newer.close()
    assert read(path).told == {"random_seed": 7}
    assert len(read(path).interactions) == 1


def test_run_that_asks_nobody_writes_no_journal(tmp_path):
    """Such as one without credentials."""
    path = tmp_path / "journal" / "a.jsonl"
    journal = Journal.begin(path, Redactor(), new_head(test="t", cassette="a.yaml", recorded_at=0))
    journal.told("random_seed", 7)
    journal.remove()
    assert list(tmp_path.iterdir()) == []
