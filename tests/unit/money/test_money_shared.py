"""One session for several tests: its run pauses while theirs submit into it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from money_fakes import START, Recorder, reply, runtime

from qsession._endpoints import identify
from qsession._model import SECOND
from qsession._money import Purse
from qsession._money._pace import Pace
from qsession.errors import BudgetError


@pytest.fixture
def purse(tmp_path: Path) -> Purse:
    return Purse(tmp_path, pace=Pace())


@pytest.fixture
def opener(tmp_path: Path, purse: Purse) -> Iterator[Recorder]:
    """The run that opens the session; it pauses from then on."""
    run = Recorder(tmp_path, purse=purse)
    with run:
        yield run


def a_test(opener: Recorder, purse: Purse) -> Recorder:
    return Recorder(opener.folder, purse=purse, beside=opener)


def test_job_in_a_session_of_a_paused_run_is_counted_once(opener: Recorder, purse: Purse) -> None:
    """By the wall clock of its session, where that is counted anyway."""
    session = opener.open_session()
    with a_test(opener, purse) as run:
        job = run.submit(session)
        run.run_job(job)
        run.ask_about(job)
        run.clock.advance(20.0)
        assert (run.spent(), opener.spent(), run.total(), opener.total()) == (0.0, 20.0, 20.0, 20.0)
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 20.0 s",
            "20.0 s  session session-1 (ibm_fez): wall clock, not running at 2026-01-01T00:00:00.000Z",
        )
    assert opener.total() == 20.0


def test_job_in_a_session_of_a_paused_run_is_no_job_outside_of_one(opener: Recorder, purse: Purse) -> None:
    """With 5 s left it fits, as it does in the run that opened the session; alone it does not."""
    session = opener.open_session()
    opener.submit(cost=55)
    with a_test(opener, purse) as run:
        assert run.submit(session)
        with pytest.raises(BudgetError, match="is counted with 10 s, more than the 5 s of QPU time"):
            run.submit()


def test_job_in_a_batch_of_a_paused_run_is_held_against_the_default(opener: Recorder, purse: Purse) -> None:
    """A batch costs what its jobs cost."""
    batch = opener.open_session("batch")
    opener.submit(cost=55)
    with a_test(opener, purse) as run:
        with pytest.raises(BudgetError, match="is counted with 10 s, more than the 5 s of QPU time"):
            run.submit(batch)
        run.submit(batch, cost=5)
        assert (run.spent(), run.total()) == (0.0, 60.0)


def test_polls_of_a_test_keep_the_queue_of_a_paused_run_free_of_charge(
    opener: Recorder, purse: Purse
) -> None:
    """What one run sees is known to both, so the thread of the other has nothing to ask."""
    session = opener.open_session()
    with a_test(opener, purse) as run:
        job = run.submit(session)
        for _ in range(600):
            run.clock.advance(5.0)
            run.ask_about(job)
        run.ask(runtime("GET", f"/sessions/{session}"))
        asked = len(run.service.asked)
        opener.guard.look()
        assert run.service.asked[asked:] == []
        assert run.total() == 0.0
        assert opener.guard.exceeded is None


def test_limit_seen_in_a_test_cancels_the_session_of_the_paused_run(opener: Recorder, purse: Purse) -> None:
    """Both runs say so, and nothing is open when the error arrives."""
    session = opener.open_session()
    with a_test(opener, purse) as run:
        job = run.submit(session)
        run.run_job(job)
        run.ask_about(job)
        run.clock.advance(61.0)
        with pytest.raises(BudgetError) as caught:
            run.ask_about(job)
        assert str(caught.value) == (
            "This run may have used 61 s of QPU time, its budget is 60 s. "
            "Its sessions were cancelled. [QS603]\n"
            "  budget 60 s, counted 61.0 s\n"
            "  61.0 s  session session-1 (ibm_fez): wall clock, not running at 2026-01-01T00:00:00.000Z\n"
            "To fix: pytest --qsession-record --qsession-budget=122\n"
            "If this is intended: the budget is an upper bound on purpose; give the run a larger one"
        )
        assert run.service.asked[-2:] == [f"DELETE /sessions/{session}/close", f"POST /jobs/{job}/cancel"]
        assert str(opener.guard.exceeded) == str(caught.value)
        assert run.notes() == []


def test_session_of_a_paused_run_outlives_the_tests(opener: Recorder, purse: Purse) -> None:
    """Only the run that opened it cancels it."""
    session = opener.open_session()
    for _ in range(2):
        with a_test(opener, purse) as run:
            run.submit(session)
        assert run.service.deletes() == []
        assert run.notes() == [session]
    opener.guard.close_all("teardown")
    assert opener.service.deletes() == [f"DELETE /sessions/{session}/close"]


def test_refused_job_in_a_session_of_a_paused_run_frees_what_was_reserved(
    opener: Recorder, purse: Purse
) -> None:
    """It is dropped where it was entered."""
    session = opener.open_session()
    with a_test(opener, purse) as run:
        run.service.broken["POST /jobs"] = 400
        run.ask(runtime("POST", "/jobs", {"backend": "ibm_fez", "session_id": session, "cost": 30}))
        assert opener.guard.ledger(START) == (
            "budget 60 s, counted 0.0 s",
            "0.0 s  session session-1 (ibm_fez): no job submitted",
        )


def test_closing_by_a_test_is_known_to_the_paused_run(opener: Recorder, purse: Purse) -> None:
    """It does not cancel a second time."""
    session = opener.open_session()
    with a_test(opener, purse) as run:
        run.ask(runtime("DELETE", f"/sessions/{session}/close"))
    opener.guard.close_all("teardown")
    assert opener.service.deletes() == [f"DELETE /sessions/{session}/close"]
    assert opener.notes() == []


def test_session_that_a_test_opens_is_its_own(opener: Recorder, purse: Purse) -> None:
    """The paused run neither counts nor cancels it."""
    with a_test(opener, purse) as run:
        run.submit(run.open_session())
        run.clock.advance(10.0)
        assert (run.spent(), opener.spent(), opener.total()) == (10.0, 0.0, 10.0)
        opener.guard.close_all("teardown")
        assert run.service.deletes() == []


def test_resumed_job_in_a_session_of_a_paused_run_is_entered_there(opener: Recorder, purse: Purse) -> None:
    """And asked about when the test catches up, so that one that is gone is found out."""
    session = opener.open_session()
    with a_test(opener, purse) as run:
        request = runtime("POST", "/jobs", {"backend": "ibm_fez", "session_id": session})
        call = identify(request)
        assert call is not None
        sent = run.clock.now()
        run.guard.resumed(call, request, reply(200, {"id": "job-of-yesterday"}), sent, sent + SECOND)
        assert run.guard.catch_up() == ("job job-of-yesterday: the service answered 404 Bad",)
        assert run.spent() == 0.0


def test_earlier_tests_are_counted_against_the_later_ones(tmp_path: Path, purse: Purse) -> None:
    """One budget for all runs of a process, and the message says what they used."""
    first = Recorder(tmp_path, purse=purse)
    with first:
        first.submit(cost=40)
    with Recorder(tmp_path, purse=purse) as run:
        with pytest.raises(BudgetError) as caught:
            run.submit(cost=30)
        assert str(caught.value) == (
            "This job asks for up to 30 s, more than the 20 s of QPU time that are left. "
            "Nothing was sent. [QS602]\n"
            "  budget 60 s, counted 40.0 s\n"
            "  40.0 s  earlier tests of this process: counted at their end\n"
            "To fix: pytest --qsession-record --qsession-budget=70\n"
            "If this is intended: a job with a smaller options.max_execution_time fits"
        )


def test_run_that_ended_counts_once(tmp_path: Path, purse: Purse) -> None:
    """A look of its thread that comes late sees no more than there was."""
    run = Recorder(tmp_path, purse=purse)
    with run:
        run.submit(cost=40)
    assert (run.spent(), run.total()) == (40.0, 40.0)
    run.guard.look()
    assert run.guard.exceeded is None


def test_threads_of_one_process_reserve_one_after_the_other(tmp_path: Path, purse: Purse) -> None:
    """Between counting and reserving nobody else reserves."""
    with Recorder(tmp_path, purse=purse) as run:
        submitted = threading.Event()

        def submit() -> None:
            run.submit(cost=40)
            submitted.set()

        thread = threading.Thread(target=submit)
        with purse.turn(run.clock.now()):
            thread.start()
            assert not submitted.wait(0.05)
            assert run.spent() == 0.0
        thread.join()
        assert run.spent() == 40.0


def test_who_waits_for_the_purse_holds_nothing_that_a_handler_of_signals_needs(
    tmp_path: Path, purse: Purse
) -> None:
    """SIGTERM may interrupt whoever has the purse; its handler then enters what it cancelled."""
    with Recorder(tmp_path, purse=purse) as run:
        run.submit(run.open_session())
        asks = [
            run.guard.look,
            lambda: run.submit(cost=1),
            lambda: run.ask(runtime("GET", "/jobs/job-1")),
        ]
        threads = [threading.Thread(target=each) for each in asks]
        with purse._lock:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(0.02)
            assert all(thread.is_alive() for thread in threads)
            assert run.guard._book.lock.acquire(timeout=1.0)
            run.guard._book.lock.release()
        for thread in threads:
            thread.join()


def test_session_is_refused_when_earlier_tests_used_up_the_budget(tmp_path: Path, purse: Purse) -> None:
    """Nothing is sent for it, whether it has a max_time or not."""
    first = Recorder(tmp_path, purse=purse)
    with first:
        first.run_job(first.submit(first.open_session()))
        first.clock.advance(70.0)
    with Recorder(tmp_path, purse=purse) as run:
        with pytest.raises(BudgetError, match=r"may have used 70 s of QPU time, its budget is 60 s"):
            run.open_session()
        assert run.service.asked == []


def test_purses_of_their_own_know_nothing_of_each_other(tmp_path: Path) -> None:
    """Two recordings from Python have a budget each."""
    for _ in range(2):
        with Recorder(tmp_path, purse=Purse(tmp_path, pace=Pace())) as run:
            run.submit(cost=40)
            assert run.total() == 40.0
