"""A recording of the service that was cut off goes on from its journal."""

from __future__ import annotations

import json
import os
import threading

import pytest
import requests
from served_run import OTHER_CRN, Killed, cut, killed

import qsession
from qsession import _answers, _store
from qsession.errors import CassetteError, ReplayMismatch, UsageError


def test_submitted_job_is_not_submitted_again(service):
    """The one that was submitted before the kill gives the result, under the same id."""
    with killed(service), service.record():
        first = service.submit()
        cut(service)
    with service.record(resume=True) as run:
        assert service.submit() == first
        assert service.until_done(first) == "Completed"
    assert service.platform.count("jobs.create") == 1
    assert run.summary().written == "cassettes/a.yaml"
    with qsession.replay(service.cassette):
        assert service.submit() == first
        assert service.until_done(first) == "Completed"


def test_resumed_recording_may_be_cut_off_again(service):
    """As often as need be: each time it goes on where it was."""

    def code(stop: int) -> str:
        ids = []
        for shots in range(3):
            ids.append(service.submit(100 + shots))
            if shots == stop:
                cut(service)
        return ",".join(ids)

    for stop in range(3):
        with killed(service), service.record(resume=True):
            code(stop)
    with service.record(resume=True):
        ids = code(-1)
    assert service.platform.count("jobs.create") == 3
    with qsession.replay(service.cassette):
        assert code(-1) == ids


def test_without_a_journal_resuming_is_recording(service):
    """So that a script can always say it."""
    with service.record(resume=True):
        service.submit()
    assert service.cassette.exists()


def test_journal_is_gone_when_the_cassette_is_written(service):
    """There is nothing to go on with."""
    with service.record():
        service.submit()
        assert service.journal.exists()
    assert [path.name for path in service.scratch.glob("journal/[!.]*")] == []


def test_journal_of_a_run_that_submitted_nothing_is_gone(service):
    """It is worth nothing: whoever fails before the first submission starts over."""
    with pytest.raises(Killed), service.record():
        service.send("GET", "/backends")
        raise Killed
    assert list(service.scratch.glob("journal/*.jsonl")) == []


def test_failed_test_goes_on_from_its_journal_without_the_service(service):
    """A wrong assertion is put right, and the same answers are given again."""
    with pytest.raises(AssertionError), service.record():
        first = service.submit()
        service.until_done(first)
        raise AssertionError
    asked = len(service.platform.asked)
    with service.record(resume=True) as run:
        assert service.until_done(service.submit()) == "Completed"
    assert (len(service.platform.asked), run.live_requests) == (asked, 0)
    assert service.cassette.exists()


def test_answers_come_again_in_their_order(make_service):
    """Each state that was seen is seen again; of many equal ones three."""
    service = make_service(queue_seconds=0.3, run_seconds=0.3)
    seen: list[str] = []
    with killed(service), service.record():
        first = service.submit()
        while (state := service.state(first)) != "Completed":
            seen.append(state)
        cut(service)
    assert seen.count("Queued") > 3
    with service.record(resume=True) as run:
        again = [service.state(service.submit())]
        while again[-1] != "Completed":
            again.append(service.state(first))
    assert again == ["Queued"] * 3 + ["Running"] * 3 + ["Completed"]
    assert run.live_requests == 0


def test_what_was_read_before_a_write_is_not_read_after_it_too_soon(service):
    """An answer that came after the second submission is not given before it is sent again."""
    with killed(service), service.record():
        service.submit(100)
        before = service.send("GET", "/jobs").json()["count"]
        service.submit(101)
        after = service.send("GET", "/jobs").json()["count"]
        cut(service)
    with service.record(resume=True):
        service.submit(100)
        assert [service.send("GET", "/jobs").json()["count"] for _ in range(3)] == [before] * 3
        service.submit(101)
        assert service.send("GET", "/jobs").json()["count"] == after == before + 1


def test_changed_test_is_refused_and_nothing_is_sent(service):
    """Another job than the one in the journal: which is right, nobody can know."""
    with killed(service), service.record():
        service.submit(100)
        cut(service)
    text = service.journal.read_bytes()
    asked = len(service.platform.asked)
    with pytest.raises(ReplayMismatch) as caught, service.record(resume=True):
        service.submit(64)
    assert str(caught.value) == (
        "The test runs from its journal, and sends something that it did not send. Nothing was sent. [QS210]\n"
        "  asked: POST /jobs (sampler, 1 PUB: 1 qubit used of 156, 2 operations, shots 64)\n"
        "    PUB 0: shots: asked 64, recorded 100\n"
        "  the journal goes on with POST /jobs\n"
        "To fix: make the test do what it did when it was recorded, and resume again: the journal is as it was\n"
        "If this is intended: record it anew with --qsession-record, which submits everything once more and "
        "removes the journal\n"
        f"Where: {service.cassette}"
    )
    assert len(service.platform.asked) == asked
    assert service.journal.read_bytes() == text


def test_read_that_was_not_there_is_refused_while_writes_are_left(service):
    """The test is another one; what it reads could be anything."""
    with killed(service), service.record():
        service.submit(100)
        cut(service)
    with pytest.raises(ReplayMismatch) as caught, service.record(resume=True):
        service.send("GET", "/backends")
    assert caught.value.evidence == ("asked: GET /backends", "the journal goes on with POST /jobs")


def test_new_work_after_the_journal_goes_to_the_service(service):
    """A test may have been made longer at its end."""
    with killed(service), service.record():
        service.submit(100)
        cut(service)
    with service.record(resume=True):
        first, second = service.submit(100), service.submit(64)
        assert service.until_done(second) == service.until_done(first) == "Completed"
    assert service.platform.count("jobs.create") == 2


@pytest.mark.parametrize("mode", ["batch", "dedicated"])
def test_session_that_was_cancelled_meanwhile_is_an_error(make_service, mode):
    """Its job will never give a result, so the test cannot go on."""
    service = make_service(queue_seconds=60.0)
    with killed(service), service.record():
        service.submit(session_id=service.open(mode))
        cut(service)
    with pytest.raises(CassetteError) as caught, service.record(resume=True):
        service.state(service.submit(session_id=service.open(mode)))
    evidence = caught.value.evidence
    assert len(evidence) == 1
    assert evidence[0].endswith(": cancelled")
    assert str(caught.value).splitlines()[0] == (
        "The recording cannot go on: the service has closed, cancelled or lost what it waits for. "
        "Nothing was submitted. [QS213]"
    )
    assert f"To fix: qsession.record('{service.cassette}', target='ibm')" in str(caught.value)
    assert service.platform.count("jobs.create") == service.platform.count("sessions.create") == 1


def test_session_whose_jobs_are_done_may_be_closed_meanwhile(service):
    """Their results are there all the same."""
    with killed(service), service.record():
        first = service.submit(session_id=service.open("dedicated"))
        service.until_done(first)
        cut(service)
    with service.record(resume=True):
        first = service.submit(session_id=service.open("dedicated"))
        service.until_done(first)
        assert service.send("GET", f"/jobs/{first}/results").status_code == 200
    assert service.platform.count("jobs.create") == 1


def test_job_that_the_test_cancelled_is_no_surprise(make_service):
    """It did so itself, before it was cut off."""
    service = make_service(queue_seconds=60.0)
    with killed(service), service.record():
        service.send("POST", f"/jobs/{service.submit()}/cancel")
        cut(service)
    with service.record(resume=True):
        first = service.submit()
        service.send("POST", f"/jobs/{first}/cancel")
        assert service.state(first).startswith("Cancelled")


def test_other_instance_is_refused(service):
    """The job is in another one: it would not be found."""
    with killed(service), service.record():
        service.submit()
        cut(service)
    asked = len(service.platform.asked)
    service.crn = OTHER_CRN
    with pytest.raises(CassetteError, match="QS216"), service.record(resume=True):
        service.submit()
    assert len(service.platform.asked) == asked


def test_emulator_of_the_process_cannot_be_resumed(tmp_path):
    """Its jobs died with the process that had them."""
    with (
        pytest.raises(UsageError) as caught,
        qsession.record(tmp_path / "a.yaml", target="emulator", resume=True),
    ):
        pass
    assert str(caught.value) == (
        "On the emulator there is nothing to resume and nothing to park: its jobs end with the process. [QS165]\n"
        "To fix: leave out --qsession-resume and --qsession-park; recording on the emulator again costs nothing\n"
        "If this is intended: a run against the service, or a served emulator, needs --qsession-target=ibm"
    )


def test_damaged_journal_is_refused_and_left_as_it_is(service):
    """A line in the middle that is not as it was written: nothing is sent."""
    with killed(service), service.record():
        service.submit(100)
        service.submit(101)
        cut(service)
    lines = service.journal.read_bytes().split(b"\n")
    damaged = next(i for i, line in enumerate(lines) if b"jobs" in line)
    lines[damaged] = lines[damaged].replace(b"jobs", b"jibs")
    service.journal.write_bytes(b"\n".join(lines))
    before = service.journal.read_bytes()
    with pytest.raises(CassetteError) as caught, service.record(resume=True):
        pass
    assert str(caught.value) == (
        "The journal of a recording is damaged. Nothing was sent, and it was left as it is. [QS211]\n"
        f"  line {damaged + 1}: its digest does not fit\n"
        "To fix: restore the file, or look for the job on the service's workloads page\n"
        "If this is intended: record it anew with --qsession-record, which submits everything once more and "
        "removes the journal\n"
        f"Where: {service.journal}, line {damaged + 1}"
    )
    assert service.journal.read_bytes() == before


def test_times_leave_the_pause_out(make_service):
    """A night between two runs is no night in the replay; the head says how long it was."""
    service = make_service()
    with killed(service), service.record():
        service.submit()
        cut(service)
    threading.Event().wait(1.2)
    with service.record(resume=True):
        service.until_done(service.submit())
    head = service.cassette.read_text()
    paused = int(head.split("paused_us: ")[1].split()[0])
    assert paused > 1_000_000
    with qsession.replay(service.cassette) as run:
        service.until_done(service.submit())
        assert run.clock.monotonic() < 1.0


def test_token_of_a_resumed_run_belongs_to_its_time(service):
    """It is asked for before the journal is at its end, long after what stands there."""
    grant = "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=FAKE-api-key-0000000001"

    def code():
        requests.post(f"{service.server.url}/identity/token", data=grant, timeout=5)
        return service.submit()

    with killed(service), service.record():
        code()
        cut(service)
    for _ in range(2):
        threading.Event().wait(0.7)
        with killed(service), service.record(resume=True):
            service.state(code())
            cut(service)
    with service.record(resume=True):
        service.until_done(code())
    recording = _store.Store(service.cassette.parent, service.scratch).load(service.cassette)
    assert recording.provenance.paused > 1_400_000
    assert max(i.last for i in recording.interactions) < 1_000_000


@pytest.mark.parametrize("arrives", [True, False])
def test_submission_that_failed_on_its_way_is_looked_for(service, arrives):
    """The code was told that it failed, and was killed before it tried again: it may have arrived."""
    real = _answers.Service.answer

    def answer(self, request, at):
        if not request.url.endswith("/jobs") or arrives:
            real(self, request, at)
        raise ConnectionError("cut off")

    with killed(service), service.record():
        service.send("GET", "/backends")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_answers.Service, "answer", answer)
            with pytest.raises(requests.ConnectionError):
                service.submit()
        cut(service)
    with service.record(resume=True):
        service.send("GET", "/backends")
        assert service.until_done(service.submit()) == "Completed"
    assert service.platform.count("jobs.create") == 1


def test_submission_that_failed_and_was_sent_again_is_answered(service):
    """The answer is that of the second try."""
    real = _answers.Service.answer
    with killed(service), service.record():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_answers.Service, "answer", lambda *_: (_ for _ in ()).throw(ConnectionError()))
            with pytest.raises(requests.ConnectionError):
                service.submit()
        assert _answers.Service.answer is real
        first = service.submit()
        cut(service)
    with service.record(resume=True):
        assert service.submit() == first
        service.state(first)
    assert service.platform.count("jobs.create") == 1


def test_forked_child_does_not_write_into_the_journal(service):
    """It has a copy of the recording, and must not write where its parent does."""
    with killed(service), service.record():
        first = service.submit()
        if (child := os.fork()) == 0:
            try:
                for _ in range(5):
                    service.state(first)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        service.state(first)
        cut(service)
    with service.record(resume=True):
        assert service.submit() == first
        service.until_done(first)


def test_submission_without_an_answer_is_looked_for_in_its_session(service):
    """The request arrived, the process died before the answer was written: it is not sent again."""
    _unanswered(service, lambda: service.submit(session_id=service.open("batch")))
    with service.record(resume=True):
        first = service.submit(session_id=service.open("batch"))
        assert service.send("GET", f"/jobs/{first}").status_code == 200
    assert service.platform.count("jobs.create") == 1


def test_submission_without_an_answer_is_looked_for_among_all_jobs(service):
    """Outside of a session it is found by what it asks for, not by who asked."""
    with service.record():
        service.submit(7)
        service.submit(100, tags=["of another test"])
    service.cassette.unlink()
    _unanswered(service, lambda: service.submit(100))
    with service.record(resume=True):
        assert service.until_done(service.submit(100)) == "Completed"
    assert service.platform.count("jobs.create") == 3


def test_submission_that_never_arrived_is_sent(service):
    """The process died between its journal and the wire."""
    _unanswered(service, lambda: service.submit(100), arrives=False)
    with service.record(resume=True):
        assert service.until_done(service.submit(100)) == "Completed"
    assert service.platform.count("jobs.create") == 1


def test_submission_that_may_be_one_of_two_is_refused(service):
    """Two equal jobs since then: nobody can say which one it is."""
    _unanswered(service, lambda: service.submit(100))
    service.submit(100)
    with pytest.raises(CassetteError) as caught, service.record(resume=True):
        service.submit(100)
    assert caught.value.code == "QS215"
    assert str(caught.value).splitlines()[0] == (
        "Nobody knows whether a sampler job on ibm_fez was submitted: the process died before the answer was "
        "there. Nothing was sent. [QS215]"
    )
    assert service.platform.count("jobs.create") == 2


def _unanswered(service, act, *, arrives: bool = True) -> None:
    """Be killed after a submission was sent, before its answer was written down."""
    real = _answers.Service.answer

    def answer(self, request, at):
        creates = request.method == "POST" and request.url.endswith("/jobs")
        if creates:
            service.save()
        given = real(self, request, at) if arrives or not creates else None
        if creates:
            threading.Event().wait(0.1)  # by now the job is done
            raise Killed
        return given

    with pytest.MonkeyPatch.context() as patch, killed(service):
        patch.setattr(_answers.Service, "answer", answer)
        with service.record():
            act()


def test_journal_holds_no_secret(service):
    """Neither token nor instance nor account; the real ids stand in lines of their own."""
    with service.record():
        first = service.submit(session_id=service.open())
        text = service.journal.read_text()
    real = service.platform.made
    lines = [json.loads(line.partition(" ")[2]) for line in text.splitlines()]
    assert "FAKE-token" not in text
    assert "f00dface" not in text
    assert "1eaf1eaf" not in text
    for line in lines:
        found = [name for name in real if name in json.dumps(line)]
        assert (line["k"] == "made") == bool(found), line
    assert first in text
