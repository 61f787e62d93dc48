"""A test whose job is still queued is left, and collected later."""

from __future__ import annotations

import contextlib

import pytest
from served_run import cut, killed

import qsession
from qsession._money import leftovers, parked
from qsession.errors import BudgetError, Parked, UsageError


def _poll(service, **more: object) -> str:
    first = service.submit(**more)
    return service.until_done(first)


def _park(service, mode: str, act=_poll) -> None:
    with pytest.raises(Parked) as caught, service.record(park=0.1):
        more = {} if mode == "job" else {"session_id": service.open(mode)}
        act(service, **more)
    assert str(caught.value) == (
        "parked: a job is still queued. Collect it later with "
        f"qsession.record('{service.cassette}', resume=True)"
    )


@pytest.mark.parametrize("mode", ["job", "batch"])
def test_queued_job_is_left_and_collected(make_service, mode):
    """Nothing is cancelled, nothing is submitted twice, and the cassette holds it all."""
    service = make_service(queue_seconds=1.0)
    _park(service, mode)
    assert not service.cassette.exists()
    assert service.platform.count("sessions.cancel") == 0
    with service.record(resume=True) as run:
        more = {} if mode == "job" else {"session_id": service.open(mode)}
        assert _poll(service, **more) == "Completed"
    assert service.platform.count("jobs.create") == 1
    assert run.summary().parked == ""
    assert parked(service.scratch) == ()
    with qsession.replay(service.cassette):
        more = {} if mode == "job" else {"session_id": service.open(mode)}
        assert _poll(service, **more) == "Completed"


@pytest.mark.parametrize(("mode", "kind"), [("job", "job"), ("batch", "batch")])
def test_parked_work_is_noted_and_not_taken_for_a_leftover(make_service, mode, kind):
    """Who looks for what a killed run left open does not close it."""
    service = make_service(queue_seconds=60.0)
    _park(service, mode)
    (note,) = parked(service.scratch)
    assert (note.kind, note.id, note.backend) == (kind, service.platform.made[0], "ibm_fez")
    assert note.parked == f"qsession.record('{service.cassette}', resume=True)"
    assert leftovers(service.scratch) == ()


def test_job_that_is_still_queued_is_parked_again(make_service):
    """It waits as long as before, from now on."""
    service = make_service(queue_seconds=60.0)
    _park(service, "batch")
    with pytest.raises(Parked), service.record(resume=True, park=0.1):
        _poll(service, session_id=service.open("batch"))
    assert len(parked(service.scratch)) == 1
    assert service.platform.count("jobs.create") == service.platform.count("sessions.create") == 1


def test_job_in_a_dedicated_session_is_not_parked(make_service):
    """Its session would cost QPU time with nobody there."""
    service = make_service(queue_seconds=0.3)
    with service.record(park=0.0):
        assert _poll(service, session_id=service.open("dedicated")) == "Completed"


def test_job_beside_an_open_dedicated_session_is_not_parked(make_service):
    """The same, if the job itself is not in it."""
    service = make_service(queue_seconds=0.3)
    with service.record(park=0.0):
        service.open("dedicated")
        assert _poll(service) == "Completed"


def test_job_that_runs_in_time_is_not_parked(service):
    """Parking is for queues."""
    with service.record(park=30):
        assert _poll(service) == "Completed"


def test_parked_run_sends_nothing_more(make_service):
    """What the code does on its way out, such as closing its batch, would end what is left."""

    def close(service, session_id: str) -> None:
        try:
            _poll(service, session_id=session_id)
        finally:
            service.send("PATCH", f"/sessions/{session_id}", {"accepting_jobs": False})

    service = make_service(queue_seconds=60.0)
    _park(service, "batch", close)
    assert service.platform.count("sessions.update") == 0


def test_code_that_swallows_its_end_is_ended_all_the_same(make_service):
    """At the end of the block at the latest."""
    service = make_service(queue_seconds=60.0)
    with pytest.raises(Parked), service.record(park=0.1), contextlib.suppress(BaseException):
        _poll(service)


def test_parked_recording_is_not_made_anew_by_mistake(make_service):
    """It would submit the job a second time."""
    service = make_service(queue_seconds=60.0)
    _park(service, "job")
    with pytest.raises(UsageError) as caught, service.record():
        pass
    assert str(caught.value) == (
        "This recording is parked: its job waits on the service. Recording anew would submit it again. [QS166]\n"
        f"To fix: qsession.record('{service.cassette}', resume=True)\n"
        "If this is intended: qsession doctor --close --parked cancels what is parked, and forgets it\n"
        f"Where: {service.cassette}"
    )


def test_parked_batch_that_was_closed_meanwhile_is_an_error(make_service):
    """Somebody cancelled it: there is nothing to collect."""
    service = make_service(queue_seconds=60.0)
    _park(service, "batch")
    service.send("DELETE", f"/sessions/{service.platform.made[0]}/close")
    with pytest.raises(qsession.errors.CassetteError, match="QS213"), service.record(resume=True):
        _poll(service, session_id=service.open("batch"))
    assert service.platform.count("jobs.create") == 1
    with service.record():  # what is gone does not hold up a new recording
        service.open("batch")


def test_killed_while_it_collects_leaves_no_batch_open(make_service):
    """From the moment at which it is taken up it is this run's, as if it had opened it."""
    service = make_service(queue_seconds=60.0)
    _park(service, "batch")
    with killed(service), service.record(resume=True):
        service.state(service.submit(session_id=service.open("batch")))
        cut(service)
    assert service.platform.count("sessions.cancel") == 1


def test_what_cannot_be_noted_as_parked_is_cancelled(make_service, monkeypatch):
    """Nobody would find it again."""
    from qsession._money import _notes

    service = make_service(queue_seconds=60.0)
    real = _notes.add

    def add(folder, note):
        if note.parked:
            raise OSError(28, "No space left on device")
        real(folder, note)

    monkeypatch.setattr(_notes, "add", add)
    with pytest.raises(BudgetError, match="QS606"), service.record(park=0.1):
        _poll(service, session_id=service.open("batch"))
    assert service.platform.count("sessions.cancel") == 1


@pytest.mark.parametrize("value", ["a while", "-3", "", "1 h 5"])
def test_park_that_is_no_length_of_time_is_refused(tmp_path, value):
    """Before anything is opened."""
    with pytest.raises(UsageError) as caught:
        qsession.record(tmp_path / "a.yaml", park=value)
    assert str(caught.value) == (
        "This is no length of time after which a test can be parked. [QS167]\n"
        f"  {value!r} (from the argument park)\n"
        "To fix: --qsession-park=60s, or 10m, or a number of seconds"
    )
