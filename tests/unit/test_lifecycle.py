from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession import _lifecycle as lifecycle
from qsession._lifecycle import Life, Limits, Rules
from qsession._model import SECOND

T0 = 1_700_000_000 * SECOND
MINUTE = 60 * SECOND


def at(seconds: float) -> int:
    return T0 + round(seconds * SECOND)


def ran_one_job(*, mode="dedicated", limits=None, rules=None) -> Life:
    """A session whose only job ran from second 10 to second 15."""
    life = lifecycle.begin(mode, T0, limits=limits, rules=rules)
    life = lifecycle.submit(life, at(5))
    life = lifecycle.start(life, at(10))
    return lifecycle.finish(life, at(15), ran=5 * SECOND)


def test_begin_is_open_and_accepting():
    """A new session is open, takes jobs and has no moments but its creation."""
    life = lifecycle.begin("dedicated", T0)
    assert (life.state, life.state_reason, life.accepting_jobs) == ("open", "session_created", True)
    assert life.timestamps == (("open", T0),)
    assert (life.started_at, life.activated_at, life.closed_at) == (None, None, None)


def test_start_of_first_job_activates():
    """The first job's start makes a session active and sets three moments."""
    life = lifecycle.start(lifecycle.submit(lifecycle.begin("batch", T0), at(1)), at(2))
    assert (life.state, life.started_at, life.activated_at, life.last_job_started) == (
        "active",
        at(2),
        at(2),
        at(2),
    )


def test_interactive_ttl_inactivates_after_exactly_its_length():
    """A minute after its last job a session turns inactive, and not before."""
    life = ran_one_job()
    assert lifecycle.advance(life, at(75) - 1).state == "active"
    idle = lifecycle.advance(life, at(75))
    assert (idle.state, idle.state_reason) == ("inactive", "session_inactivated_by_interactive_ttl")
    assert idle.timestamps[-1] == ("inactive", at(75))


def test_interactive_ttl_waits_for_a_queued_job():
    """A job that is ready keeps a session active beyond the interactive TTL."""
    life = lifecycle.submit(ran_one_job(), at(20))
    assert lifecycle.advance(life, at(500)).state == "active"


def test_start_reactivates_an_inactive_session():
    """A job in an inactive session makes it active again; the first start stays."""
    life = lifecycle.submit(ran_one_job(), at(100))
    life = lifecycle.start(life, at(110))
    assert (life.state, life.started_at, life.activated_at) == ("active", at(10), at(110))


def test_max_ttl_counts_from_the_first_start():
    """The maximum TTL closes a session counted from the first job, not from creation."""
    life = ran_one_job(limits=Limits(max_ttl=900 * SECOND, active_ttl=900 * SECOND))
    assert lifecycle.advance(life, at(910) - 1).state == "inactive"
    closed = lifecycle.advance(life, at(910))
    assert (closed.state, closed.state_reason, closed.closed_at) == (
        "closed",
        "session_closed_by_max_ttl",
        at(910),
    )


def test_max_ttl_lets_a_running_job_finish():
    """A job that runs when the maximum TTL ends is finished and counted."""
    limits = Limits(max_ttl=20 * SECOND, active_ttl=20 * SECOND)
    life = lifecycle.start(lifecycle.submit(lifecycle.begin("dedicated", T0, limits=limits), at(1)), at(2))
    closed = lifecycle.advance(life, at(30))
    assert (closed.closed_at, lifecycle.elapsed_time(closed)) == (at(22), None)
    done = lifecycle.finish(closed, at(32), ran=30 * SECOND)
    assert lifecycle.elapsed_time(done) == 30 * SECOND


def test_unused_session_closes_after_thirty_minutes():
    """A session without any job closes itself after half an hour and used nothing."""
    life = lifecycle.begin("dedicated", T0)
    assert lifecycle.advance(life, at(1800) - 1).state == "open"
    closed = lifecycle.advance(life, at(1800))
    assert (closed.state, closed.state_reason, lifecycle.elapsed_time(closed)) == (
        "closed",
        "session_closed_unused",
        0,
    )


def test_queued_job_holds_off_the_unused_timer():
    """A long queue before the first job does not close a session."""
    life = lifecycle.submit(lifecycle.begin("dedicated", T0), at(10))
    assert lifecycle.advance(life, at(7200)).state == "open"


def test_stop_accepting_closes_an_idle_session_at_once():
    """close() on a session without jobs in flight closes it."""
    life = lifecycle.stop_accepting(lifecycle.begin("batch", T0), at(3))
    assert (life.state, life.state_reason, life.closed_at) == ("closed", "session_closed_early", at(3))


def test_stop_accepting_waits_for_queued_and_running_jobs():
    """close() lets what was submitted run, and closes with the last end."""
    life = lifecycle.submit(lifecycle.submit(lifecycle.begin("dedicated", T0), at(1)), at(1))
    life = lifecycle.stop_accepting(lifecycle.start(life, at(2)), at(3))
    assert (life.state, life.accepting_jobs) == ("active", False)
    life = lifecycle.start(lifecycle.finish(life, at(4), ran=2 * SECOND), at(4))
    assert life.state == "active"
    life = lifecycle.finish(life, at(6), ran=2 * SECOND)
    assert (life.state, life.closed_at, lifecycle.elapsed_time(life)) == ("closed", at(6), 4 * SECOND)


def test_accept_again_does_not_reopen():
    """PATCH true after closing brings the flag back and nothing else."""
    life = lifecycle.stop_accepting(lifecycle.begin("batch", T0), at(3))
    again = lifecycle.accept_again(life, at(4))
    assert (again.state, again.accepting_jobs, again.closed_at) == ("closed", True, at(3))
    assert not lifecycle.takes_jobs(again)


def test_cancel_drops_queued_jobs():
    """cancel() closes at once; a queued job cannot start any more."""
    life = lifecycle.cancel(lifecycle.submit(lifecycle.begin("dedicated", T0), at(1)), at(2))
    assert (life.state, life.queued) == ("closed", 0)
    with pytest.raises(ValueError, match=r"^a session that is closed has no queued job to start$"):
        lifecycle.start(life, at(3))


def test_cancel_of_a_closed_session_changes_nothing():
    """A second cancel leaves the first one's moment."""
    life = lifecycle.cancel(lifecycle.begin("dedicated", T0), at(2))
    assert lifecycle.cancel(life, at(9)) == life


def test_submit_to_a_session_told_to_stop_is_refused():
    """A session that stopped accepting takes no job."""
    life = lifecycle.stop_accepting(lifecycle.submit(lifecycle.begin("dedicated", T0), at(1)), at(2))
    with pytest.raises(ValueError, match=r"^a session that is open and not accepting jobs takes no job$"):
        lifecycle.submit(life, at(3))


def test_withdraw_of_the_last_job_closes_a_stopped_session():
    """The last queued job's cancellation ends a session that takes no more."""
    life = lifecycle.stop_accepting(lifecycle.submit(lifecycle.begin("dedicated", T0), at(1)), at(2))
    assert lifecycle.withdraw(life, at(3)).closed_at == at(3)


def test_finish_without_running_job_is_refused():
    """A job that did not start cannot end."""
    with pytest.raises(ValueError, match=r"^a session that is open has no running job to finish$"):
        lifecycle.finish(lifecycle.begin("batch", T0), at(1), ran=1)


def test_withdraw_without_queued_job_is_refused():
    """A job that was not submitted cannot be withdrawn."""
    with pytest.raises(ValueError, match=r"^a session that is open has no queued job to withdraw$"):
        lifecycle.withdraw(lifecycle.begin("batch", T0), at(1))


def test_usage_of_a_session_is_wall_clock():
    """A closed session's usage runs from its first start to its closing, idle time included."""
    life = lifecycle.stop_accepting(ran_one_job(), at(40))
    assert lifecycle.elapsed_time(life) == 30 * SECOND


def test_usage_of_a_batch_is_qpu_time():
    """A closed batch's usage is what its jobs ran."""
    life = lifecycle.stop_accepting(ran_one_job(mode="batch"), at(40))
    assert lifecycle.elapsed_time(life) == 5 * SECOND


def test_usage_without_gaps_counts_active_time_only():
    """With the setting off, time in inactive is not counted."""
    life = ran_one_job(rules=Rules(usage_spans_gaps=False))
    assert lifecycle.elapsed_time(lifecycle.stop_accepting(life, at(200))) == 65 * SECOND


@pytest.mark.parametrize(("choice", "state"), [("closed", "closed"), ("inactive", "inactive")])
def test_active_ttl_ends_as_the_rules_say(choice, state):
    """A used-up active time closes or inactivates, as set."""
    limits = Limits(active_ttl=20 * SECOND)
    life = ran_one_job(limits=limits, rules=Rules(at_active_ttl=choice))
    assert lifecycle.advance(life, at(30) - 1).state == "active"
    used = lifecycle.advance(life, at(30))
    assert (used.state, used.state_reason) == (state, "session_closed_by_active_ttl")


def test_next_timer_names_what_comes_first():
    """The timer to come is the interactive one after a job, and none once closed."""
    life = ran_one_job()
    assert lifecycle.next_timer(life) == (at(75), "interactive")
    assert lifecycle.next_timer(lifecycle.cancel(life, at(20))) is None


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["submit", "start", "finish", "withdraw", "stop", "accept", "cancel", "wait"]),
        st.integers(0, 4000 * SECOND),
    ),
    max_size=40,
)


def _play(life: Life, move: str, moment: int) -> Life:
    here = lifecycle.advance(life, moment)
    if move == "submit" and lifecycle.takes_jobs(here):
        return lifecycle.submit(life, moment)
    if move == "start" and here.queued:
        return lifecycle.start(life, moment)
    if move == "finish" and here.running:
        return lifecycle.finish(life, moment, ran=0)
    if move == "withdraw" and here.queued:
        return lifecycle.withdraw(life, moment)
    moves = {"stop": lifecycle.stop_accepting, "accept": lifecycle.accept_again, "cancel": lifecycle.cancel}
    return moves.get(move, lifecycle.advance)(life, moment)


@given(MOVES, st.sampled_from(["dedicated", "batch"]))
def test_any_life_keeps_its_promises(moves, mode):
    """Whatever happens: closed is final, moments are in order, usage fits its span."""
    life, moment = lifecycle.begin(mode, T0), T0
    for move, wait in moves:
        moment += wait
        before, life = life, _play(life, move, moment)
        assert before.state != "closed" or life.state == "closed"
        assert before.closed_at in {None, life.closed_at}
    states, moments = zip(*life.timestamps, strict=True)
    assert list(moments) == sorted(moments)
    assert states[-1] == life.state
    assert (life.state == "closed") == (life.closed_at is not None)
    if life.activated_at is not None:
        assert life.started_at <= life.activated_at
    used = lifecycle.elapsed_time(life)
    if used:
        assert 0 < used <= max(life.closed_at, life.last_job_completed or 0) - life.started_at


@given(MOVES, st.lists(st.integers(0, 9000 * SECOND), max_size=5))
def test_looking_does_not_change_a_life(moves, looks):
    """A life advanced in several steps equals one advanced at once."""
    life, moment = lifecycle.begin("dedicated", T0), T0
    for move, wait in moves:
        moment += wait
        life = _play(life, move, moment)
    stepped, end = life, moment
    for look in looks:
        end += look
        stepped = lifecycle.advance(stepped, end)
    assert stepped == lifecycle.advance(life, end)
