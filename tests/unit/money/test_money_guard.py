"""The guard in one process, against a fake service and a fake clock."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest
from money_fakes import BASE, CRN, KEY, TOKEN, FakeClock, Recorder, runtime

from qsession._endpoints import identify
from qsession._model import SECOND, Request, Response
from qsession._money import MoneyGuard, Purse, leftovers
from qsession._money._pace import Pace
from qsession.errors import BudgetError


def refusal(run: Recorder, request: Request) -> str:
    with pytest.raises(BudgetError) as caught:
        run.ask(request)
    return str(caught.value)


def test_session_with_a_max_time_above_the_budget_is_refused(tmp_path: Path) -> None:
    """Nothing is sent, and the message names the budget that would do."""
    with Recorder(tmp_path) as run:
        body = {"mode": "dedicated", "backend": "ibm_fez", "max_ttl": 3600}
        assert refusal(run, runtime("POST", "/sessions", body)) == (
            "This session may run for 3600 s, more than the 60 s of QPU time that are left. "
            "Nothing was sent. [QS601]\n"
            "  budget 60 s, counted 0.0 s\n"
            "To fix: pytest --qsession-record --qsession-budget=3600\n"
            "If this is intended: a session with a smaller max_time fits; "
            "one without max_time is stopped at the limit"
        )
        assert run.service.asked == []


def test_job_with_a_cost_above_what_is_left_is_refused(tmp_path: Path) -> None:
    """What other jobs may still need is no longer there for this one."""
    with Recorder(tmp_path) as run:
        run.submit(cost=40)
        body = {"backend": "ibm_fez", "cost": 30}
        assert refusal(run, runtime("POST", "/jobs", body)) == (
            "This job asks for up to 30 s, more than the 20 s of QPU time that are left. "
            "Nothing was sent. [QS602]\n"
            "  budget 60 s, counted 40.0 s\n"
            "  40.0 s  job job-1 (ibm_fez): cost\n"
            "To fix: pytest --qsession-record --qsession-budget=70\n"
            "If this is intended: a job with a smaller options.max_execution_time fits"
        )


def test_job_without_a_cost_is_held_against_the_default(tmp_path: Path) -> None:
    """A job that says nothing must still fit."""
    with Recorder(tmp_path, budget=9.5) as run:
        assert refusal(run, runtime("POST", "/jobs", {"backend": "ibm_fez"})) == (
            "This job gives no max_execution_time and is counted with 10 s, "
            "more than the 9.5 s of QPU time that are left. Nothing was sent. [QS602]\n"
            "  budget 9.5 s, counted 0.0 s\n"
            "To fix: pytest --qsession-record --qsession-budget=10\n"
            "If this is intended: a job with a smaller options.max_execution_time fits"
        )


def test_jobs_that_together_exceed_the_budget_do_not_both_pass(tmp_path: Path) -> None:
    """Of two threads that ask at once, only one gets the rest of the budget."""
    with Recorder(tmp_path) as run:
        start, outcomes = threading.Barrier(2), []

        def submit() -> None:
            start.wait()
            try:
                outcomes.append(run.submit(cost=40))
            except BudgetError as error:
                outcomes.append(error.code)

        threads = [threading.Thread(target=submit) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["QS602", "job-1"]


def test_session_in_the_queue_costs_nothing(tmp_path: Path) -> None:
    """Two hours of polling a queued job leave the budget as it was."""
    with Recorder(tmp_path) as run:
        job = run.submit(run.open_session())
        for _ in range(7200):
            run.clock.advance(1.0)
            run.ask(runtime("GET", f"/jobs/{job}?exclude_params=true"))
        assert run.spent() == 0.0


def test_session_that_runs_costs_its_wall_clock(tmp_path: Path) -> None:
    """The count starts at the last moment at which it is known to have waited."""
    with Recorder(tmp_path) as run:
        session = run.open_session()
        job = run.submit(session)
        run.clock.advance(100.0)
        run.ask(runtime("GET", f"/jobs/{job}"))
        run.clock.advance(2.0)
        run.run_job(job)
        run.ask(runtime("GET", f"/jobs/{job}"))
        run.clock.advance(30.0)
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 32.0 s",
            "32.0 s  session session-1 (ibm_fez): wall clock, not running at 2026-01-01T00:01:40.000Z",
        )


def test_closed_session_costs_its_final_usage(tmp_path: Path) -> None:
    """What the service says at the end takes the place of the bound."""
    with Recorder(tmp_path) as run:
        session = run.open_session()
        job = run.submit(session)
        run.clock.advance(20.0)
        run.service.jobs[job].update(state={"status": "Completed"})
        run.ask(runtime("GET", f"/jobs/{job}"))
        run.service.sessions[session].update(state="closed", elapsed_time=3.5)
        run.clock.advance(1.0)
        run.ask(runtime("GET", f"/sessions/{session}"))
        run.clock.advance(500.0)
        assert run.spent() == 3.5


def test_usage_of_a_closed_session_with_a_running_job_is_not_final(tmp_path: Path) -> None:
    """A closed session lets its running jobs finish, and they are charged."""
    with Recorder(tmp_path) as run:
        session = run.open_session()
        job = run.submit(session)
        run.run_job(job)
        run.service.sessions[session].update(state="closed", elapsed_time=1.0)
        run.ask(runtime("GET", f"/sessions/{session}"))
        run.clock.advance(30.0)
        assert run.spent() == 30.0


def test_finished_job_costs_its_final_charge(tmp_path: Path) -> None:
    """Metrics that are complete take the place of the estimate."""
    with Recorder(tmp_path) as run:
        job = run.submit(cost=40)
        run.service.jobs[job].update(
            state={"status": "Completed"}, usage={"qpu_charge_time_seconds": 2, "status": "complete"}
        )
        run.ask(runtime("GET", f"/jobs/{job}"))
        assert run.spent() == 2.0


def test_pending_usage_keeps_the_estimate(tmp_path: Path) -> None:
    """A charge of 0 that is still pending is not believed."""
    with Recorder(tmp_path) as run:
        job = run.submit(cost=40)
        run.service.jobs[job].update(
            state={"status": "Completed"},
            estimated_running_time_seconds=4.5,
            usage={"qpu_charge_time_seconds": 0, "status": "pending"},
        )
        run.ask(runtime("GET", f"/jobs/{job}"))
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 4.5 s",
            "4.5 s  job job-1 (ibm_fez): estimate, final usage not seen",
        )


def test_limit_seen_in_an_answer_cancels_and_raises(tmp_path: Path) -> None:
    """The sessions are gone when the error arrives, and the ledger is in it."""
    with Recorder(tmp_path) as run:
        job = run.submit(run.open_session())
        run.run_job(job)
        run.ask(runtime("GET", f"/jobs/{job}"))
        run.clock.advance(61.0)
        assert refusal(run, runtime("GET", f"/jobs/{job}")) == (
            "This run may have used 61 s of QPU time, its budget is 60 s. "
            "Its sessions were cancelled. [QS603]\n"
            "  budget 60 s, counted 61.0 s\n"
            "  61.0 s  session session-1 (ibm_fez): wall clock, not running at 2026-01-01T00:00:00.000Z\n"
            "To fix: pytest --qsession-record --qsession-budget=122\n"
            "If this is intended: the budget is an upper bound on purpose; give the run a larger one"
        )
        assert run.service.asked[-2:] == ["DELETE /sessions/session-1/close", "POST /jobs/job-1/cancel"]
        assert run.notes() == []


def test_limit_seen_by_the_thread_is_raised_at_the_next_request(tmp_path: Path) -> None:
    """Code that sleeps through its budget is stopped without asking for anything."""
    with Recorder(tmp_path) as run:
        job = run.submit(run.open_session())
        run.run_job(job)
        run.guard.look()
        run.clock.advance(61.0)
        run.guard.look()
        assert run.service.deletes() == ["DELETE /sessions/session-1/close"]
        assert run.guard.exceeded is not None
        assert refusal(run, runtime("GET", f"/jobs/{job}")) == str(run.guard.exceeded)


def test_closing_passes_after_the_limit(tmp_path: Path) -> None:
    """The end of a with block must not hide the error that ended it."""
    with Recorder(tmp_path) as run:
        session = run.open_session()
        run.run_job(run.submit(session))
        run.clock.advance(61.0)
        run.guard.look()
        assert run.guard.exceeded is not None
        close = runtime("DELETE", f"/sessions/{session}/close")
        assert run.ask(close).status == 204


def test_look_asks_only_about_what_nobody_asked_about(tmp_path: Path) -> None:
    """Polling by the code under test makes the guard's own questions needless."""
    with Recorder(tmp_path) as run:
        session = run.open_session()
        run.submit(session)
        run.guard.look()
        run.clock.advance(9.0)
        run.ask(runtime("GET", f"/sessions/{session}"))
        run.clock.advance(9.0)
        before = len(run.service.asked)
        run.guard.look()
        assert run.service.asked[before:] == []
        run.clock.advance(1.0)
        run.guard.look()
        assert run.service.asked[before:] == ["GET /sessions/session-1"]


def test_look_keeps_a_sleeping_queue_free_of_charge(tmp_path: Path) -> None:
    """Code that waits without polling for hours of queue is not cancelled."""
    with Recorder(tmp_path) as run:
        run.submit(run.open_session())
        for _ in range(3600):
            run.clock.advance(2.0)
            run.guard.look()
        assert run.guard.exceeded is None
        assert run.spent() <= 10.0
        assert len(run.service.asked) < 800


def test_bound_grows_when_the_service_does_not_answer(tmp_path: Path) -> None:
    """No answer is not a free one."""
    with Recorder(tmp_path) as run:
        run.submit(run.open_session())
        run.service.broken["GET /sessions/session-1"] = OSError("no route")
        run.clock.advance(30.0)
        run.guard.look()
        assert run.spent() == 30.0


def test_sixth_submission_in_a_minute_waits(tmp_path: Path) -> None:
    """Five go out at once, the sixth when the first is a minute and a second old."""
    with Recorder(tmp_path, budget=600.0) as run:
        for _ in range(5):
            run.submit(cost=1)
        assert run.clock.waits == []
        run.clock.advance(20.0)
        run.submit(cost=1)
        assert run.clock.waits == [41 * SECOND]


def test_submission_is_not_counted_while_it_waits_its_turn(tmp_path: Path) -> None:
    """A job cannot run before it is sent."""
    with Recorder(tmp_path, budget=600.0) as run:
        session = run.open_session()
        for _ in range(5):
            run.submit()
        job = run.submit(session)
        run.run_job(job)
        entry = run.guard.ledger(run.clock.now())[1]
        assert (
            entry == "0.0 s  session session-1 (ibm_fez): wall clock, not running at 2026-01-01T00:01:01.000Z"
        )


def test_submission_without_an_answer_stays_reserved(tmp_path: Path) -> None:
    """A job that may exist is counted, because it may cost."""
    with Recorder(tmp_path) as run:
        request = runtime("POST", "/jobs", {"backend": "ibm_fez", "cost": 7})
        call = identify(request)
        assert call is not None
        run.guard.before(call, request, run.clock.now())
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 7.0 s",
            "7.0 s  job submitted at 2026-01-01T00:00:00.000Z (no. 1) (ibm_fez): cost",
        )


@pytest.mark.parametrize(("status", "counted"), [(400, 0.0), (429, 0.0), (503, 0.0), (500, 7.0), (520, 7.0)])
def test_submission_that_failed_is_counted_if_it_may_exist(
    tmp_path: Path, status: int, counted: float
) -> None:
    """A refusal frees the reservation, a failure that hides the outcome does not."""
    with Recorder(tmp_path) as run:
        run.service.broken["POST /jobs"] = status
        run.ask(runtime("POST", "/jobs", {"backend": "ibm_fez", "cost": 7}))
        assert run.spent() == counted


def test_session_is_noted_before_its_creation_returns(tmp_path: Path) -> None:
    """The note is there, ignored by git, and holds no secret."""
    with Recorder(tmp_path) as run:
        run.open_session("batch")
        note = json.loads((tmp_path / "open" / "session-1.json").read_text())
        assert {name: note[name] for name in ("id", "kind", "backend", "base")} == {
            "id": "session-1",
            "kind": "batch",
            "backend": "ibm_fez",
            "base": BASE,
        }
        written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
        assert not [secret for secret in (TOKEN, CRN, "plantedaccount0001", KEY) if secret in written]
        assert (tmp_path / ".gitignore").read_text() == "*\n"
        assert leftovers(tmp_path) == ()


def test_folder_that_cannot_be_written_refuses_the_session(tmp_path: Path) -> None:
    """It is found out before the session is paid for."""
    (tmp_path / "open").write_text("a file in the way")
    with Recorder(tmp_path) as run:
        assert refusal(run, runtime("POST", "/sessions", {"mode": "batch", "backend": "ibm_fez"})) == (
            "Open sessions cannot be noted on disk, so none is left open. [QS606]\n"
            f"  {tmp_path / 'open'}: File exists\n"
            f"To fix: make {tmp_path} a folder that this user may write to"
        )
        assert run.service.asked == []


def test_note_that_fails_cancels_the_new_session(tmp_path: Path) -> None:
    """A session that cannot be noted is not left to luck."""
    with Recorder(tmp_path) as run:
        request = runtime("POST", "/sessions", {"mode": "batch", "backend": "ibm_fez"})
        call = identify(request)
        assert call is not None
        run.guard.before(call, request, run.clock.now())
        response = run.service(request)
        (tmp_path / "open").rmdir()
        (tmp_path / "open").touch()
        with pytest.raises(BudgetError, match="QS606"):
            run.guard.after(call, request, response, run.clock.now())
        assert run.service.deletes() == ["DELETE /sessions/session-1/close"]
        (tmp_path / "open").unlink()


def test_leaving_cancels_what_is_open_and_nothing_else(tmp_path: Path) -> None:
    """A session that the code closed itself is not asked about again."""
    with Recorder(tmp_path) as run:
        run.ask(runtime("DELETE", f"/sessions/{run.open_session()}/close"))
        run.open_session("batch")
        assert run.notes() == ["session-2"]
    assert run.service.deletes() == ["DELETE /sessions/session-1/close", "DELETE /sessions/session-2/close"]
    assert run.notes() == []


def test_session_of_somebody_else_is_not_cancelled(tmp_path: Path) -> None:
    """A job in it is counted by the wall clock, the session stays."""
    with Recorder(tmp_path) as run:
        run.service.sessions["theirs"] = {"id": "theirs", "state": "active", "mode": "dedicated"}
        run.submit("theirs")
        run.clock.advance(5.0)
        assert run.spent() == 5.0
    assert run.service.deletes() == []


def test_one_session_that_resists_does_not_keep_the_others_open(tmp_path: Path) -> None:
    """All are tried three times, and only then the failures are reported."""
    run = Recorder(tmp_path)
    with pytest.raises(BudgetError) as caught, run:
        run.open_session()
        run.open_session()
        run.open_session()
        run.service.broken["DELETE /sessions/session-1/close"] = OSError("secret-proxy-password")
        run.service.broken["DELETE /sessions/session-2/close"] = 500
    assert str(caught.value) == (
        "Could not cancel 2 sessions, which may still cost QPU time. [QS604]\n"
        "  session-1 may still be open (teardown): OSError\n"
        "  session-2 may still be open (teardown): the service answered 500 Bad\n"
        "To fix: qsession doctor --close\n"
        "If this is intended: a session closes by itself at its max_time, counted from its first job"
    )
    assert run.service.sessions["session-3"]["state"] == "closed"
    assert len(run.service.deletes()) == 3 + 2 + 2
    assert run.notes() == ["session-1", "session-2"]


def test_failed_cancelling_does_not_replace_the_error_under_way(tmp_path: Path) -> None:
    """Ctrl-C stays Ctrl-C, with the open session as a note to it."""
    run = Recorder(tmp_path)
    with pytest.raises(KeyboardInterrupt) as caught, run:
        run.open_session()
        run.service.broken["DELETE /sessions/session-1/close"] = 500
        raise KeyboardInterrupt
    assert "QS604" in caught.value.__notes__[0]


@pytest.mark.parametrize("status", [409, 400])
def test_doubtful_answer_to_a_cancel_is_checked(tmp_path: Path, status: int) -> None:
    """Already closed is fine, whatever the service says to a second closing."""
    with Recorder(tmp_path) as run:
        session = run.open_session()
        run.service.sessions[session]["state"] = "closed"
        run.service.broken[f"DELETE /sessions/{session}/close"] = status
    assert run.notes() == []


def test_expired_token_is_renewed_for_the_cancelling(tmp_path: Path) -> None:
    """The guard asks for a token the way the client did."""
    with Recorder(tmp_path) as run:
        body = f"grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey={KEY}".encode()
        grant = Request("POST", "https://iam.cloud.ibm.com/identity/token", {}, body)
        run.service.tokens.clear()
        answer = run.ask(grant)
        token = json.loads(answer.body)["access_token"]
        request = runtime("POST", "/sessions", {"mode": "batch", "backend": "ibm_fez"}, token=token)
        run.ask(request)
        run.service.tokens.clear()
    assert run.service.sessions["session-1"]["state"] == "closed"


def test_session_request_without_an_answer_stands_in_the_ledger(tmp_path: Path) -> None:
    """Nobody knows its id, so all that can be done is to say so."""
    with Recorder(tmp_path) as run:
        request = runtime("POST", "/sessions", {"mode": "dedicated", "backend": "ibm_fez"})
        call = identify(request)
        assert call is not None
        run.guard.before(call, request, run.clock.now())
        assert run.guard.ledger(run.clock.now()) == (
            "budget 60 s, counted 0.0 s",
            "session asked for at 2026-01-01T00:00:00.000Z (no. 1): no answer; "
            "if it exists it costs nothing and closes after 30 minutes without a job",
        )


def test_session_that_arrives_after_the_stop_is_cancelled(tmp_path: Path) -> None:
    """A creation that was under way when the limit was reached is not forgotten."""
    with Recorder(tmp_path) as run:
        job = run.submit(run.open_session())
        run.run_job(job)
        request = runtime("POST", "/sessions", {"mode": "batch", "backend": "ibm_fez"})
        call = identify(request)
        assert call is not None
        run.guard.before(call, request, run.clock.now())
        response = run.service(request)
        run.clock.advance(61.0)
        run.guard.look()
        with pytest.raises(BudgetError, match="QS603"):
            run.guard.after(call, request, response, run.clock.now())
        assert run.service.sessions["session-2"]["state"] == "closed"


def test_secrets_are_not_in_the_repr_of_what_the_guard_holds(tmp_path: Path) -> None:
    """Reports of failing tests print local variables."""
    with Recorder(tmp_path) as run:
        run.open_session()
        held = repr(run.guard._book.targets()) + repr(run.guard._book._where)
        assert TOKEN not in held
        assert CRN not in held


def test_thread_looks_by_itself(tmp_path: Path) -> None:
    """Nobody has to ask for the limit to be found."""
    run = Recorder(tmp_path)
    cancelled = threading.Event()

    def send(request: Request) -> Response:
        response = run.service(request)
        if request.method == "DELETE":
            cancelled.set()
        return response

    run.guard = MoneyGuard(
        pace=Pace(),
        budget_seconds=60.0,
        folder=tmp_path,
        clock=run.clock,
        send=send,
        reaper=False,
        look_seconds=0.01,
    )
    with run:
        job = run.submit(run.open_session())
        run.run_job(job)
        run.ask(runtime("GET", f"/jobs/{job}"))
        run.clock.advance(61.0)
        assert cancelled.wait(60.0)


def test_handler_of_sigterm_is_put_back(tmp_path: Path) -> None:
    """Outside a run nothing of ours listens."""
    before = signal.getsignal(signal.SIGTERM)
    with Recorder(tmp_path):
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before


def test_guard_in_another_thread_installs_no_handler(tmp_path: Path) -> None:
    """Python allows handlers in the main thread only; the watcher covers the rest."""
    before, inside = signal.getsignal(signal.SIGTERM), []

    def run() -> None:
        with Recorder(tmp_path):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert inside == [before]


def test_guards_of_one_process_share_their_pace(tmp_path: Path) -> None:
    """The service counts a user's submissions, whatever run they belong to, and whatever its folder."""
    clock, waited, pace = FakeClock(), [], Pace()
    for name in ("one", "two"):
        run = Recorder(tmp_path / name, budget=600.0, clock=clock, purse=Purse(tmp_path / name, pace=pace))
        with run:
            for _ in range(3):
                before = clock.now()
                run.submit()
                waited.append((clock.now() - before) // SECOND)
    assert waited == [0, 0, 0, 0, 0, 61]


def test_spent_stands_still_after_the_run(tmp_path: Path) -> None:
    """What was never seen to end is not counted for ever."""
    with Recorder(tmp_path) as run:
        job = run.submit(run.open_session())
        run.run_job(job)
        run.ask(runtime("GET", f"/jobs/{job}"))
        run.clock.advance(5.0)
    spent = run.spent()
    run.clock.advance(3600.0)
    assert run.spent() == spent
    assert spent >= 5.0
