"""The life of a session under any order of legal and illegal moves."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qsession import _lifecycle as lifecycle
from qsession._lifecycle import Life, Limits, Rules
from qsession._model import SECOND

T0 = 1_700_000_000 * SECOND
WAITS = st.one_of(
    st.integers(0, 5 * SECOND),
    st.integers(1, 2 * SECOND),
    st.sampled_from([60, 61, 600, 1800, 1801, 28_800]).map(SECOND.__mul__),
)
LEGAL = {
    ("open", "active"),
    ("open", "closed"),
    ("active", "inactive"),
    ("active", "closed"),
    ("inactive", "active"),
    ("inactive", "closed"),
}


class LifeMachine(RuleBasedStateMachine):
    """One session: moves are made at moments that never go back."""

    @initialize(
        mode=st.sampled_from(["dedicated", "batch"]),
        maximum=st.sampled_from([9, 100, 28_800]),
        active=st.sampled_from([4, 9, 28_800]),
        interactive=st.sampled_from([1, 60]),
        choice=st.sampled_from(["closed", "inactive"]),
        gaps=st.booleans(),
        jobs=st.sampled_from([0, 1, 2, 3]),
    )
    def begin(self, mode, maximum, active, interactive, choice, gaps, jobs):
        limits = Limits(interactive * SECOND, maximum * SECOND, min(active, maximum) * SECOND)
        rules = Rules(at_active_ttl=choice, usage_spans_gaps=gaps)
        self.now = T0
        self.life = lifecycle.begin(mode, T0, limits=limits, rules=rules)
        self.before = self.life
        self.started: list[int] = []
        self.ran = self.so_far = 0
        self.overlapped = False
        self.told_to_stop = False
        # Left to chance alone, most lives would end before a job ever ran.
        for _ in range(jobs):
            self.submit()
        if jobs:
            self.start()

    def become(self, life: Life) -> None:
        self.before, self.life = self.life, life

    @rule(wait=WAITS)
    def pass_time(self, wait):
        self.now += wait
        self.become(lifecycle.advance(self.life, self.now))

    @rule()
    def pass_time_to_the_next_timer(self):
        """Up to the moment before it nothing changes, and at it something does."""
        timer = lifecycle.next_timer(self.life)
        if timer is None:
            # Nothing but its job's start can change an open session that waits for one.
            assert self.life.state == "closed" or (self.life.state == "open" and self.life.queued)
            return
        moment, _ = timer
        if moment - 1 >= self.now:
            assert lifecycle.advance(self.life, moment - 1) == self.life
        self.now = max(self.now, moment)
        self.become(lifecycle.advance(self.life, self.now))
        assert self.life.timestamps != self.before.timestamps
        assert self.life.timestamps[len(self.before.timestamps)][1] == moment

    @rule()
    def submit(self):
        here = lifecycle.advance(self.life, self.now)
        if lifecycle.takes_jobs(here):
            self.become(lifecycle.submit(self.life, self.now))
            assert self.life.queued == here.queued + 1
        else:
            assert here.state == "closed" or self.told_to_stop
            with pytest.raises(ValueError, match="takes no job"):
                lifecycle.submit(self.life, self.now)

    @rule()
    def start(self):
        if lifecycle.advance(self.life, self.now).queued:
            self.become(lifecycle.start(self.life, self.now))
            self.started.append(self.now)
            assert (self.life.state, self.life.last_job_started) == ("active", self.now)
        else:
            with pytest.raises(ValueError, match="has no queued job to start"):
                lifecycle.start(self.life, self.now)

    @rule()
    def finish(self):
        if self.started:
            ran = self.now - self.started.pop(0)
            self.ran += ran
            self.become(lifecycle.finish(self.life, self.now, ran=ran))
            assert (self.life.last_job_completed, self.life.qpu_time) == (self.now, self.ran)
        else:
            with pytest.raises(ValueError, match="has no running job to finish"):
                lifecycle.finish(self.life, self.now, ran=0)

    @rule()
    def withdraw(self):
        if lifecycle.advance(self.life, self.now).queued:
            self.become(lifecycle.withdraw(self.life, self.now))
        else:
            with pytest.raises(ValueError, match="has no queued job to withdraw"):
                lifecycle.withdraw(self.life, self.now)

    @precondition(lambda self: self.life.state != "open" or self.life.queued)
    @rule()
    def stop(self):
        self.told_to_stop = True
        self.become(lifecycle.stop_accepting(self.life, self.now))
        assert not self.life.accepting_jobs
        assert self.life.state == "closed" or self.life.queued or self.life.running

    @rule()
    def accept(self):
        self.told_to_stop = False
        self.become(lifecycle.accept_again(self.life, self.now))
        assert self.life.accepting_jobs

    @precondition(lambda self: self.life.state != "open" or self.life.queued > 1)
    @rule()
    def cancel(self):
        was = lifecycle.advance(self.life, self.now)
        self.become(lifecycle.cancel(self.life, self.now))
        assert (self.life.state, self.life.queued) == ("closed", 0)
        assert self.life.closed_at == (was.closed_at if was.state == "closed" else self.now)
        assert self.life.running == was.running

    @invariant()
    def states_follow_each_other_legally(self):
        states = [state for state, _ in self.life.timestamps]
        assert states[0] == "open"
        assert states[-1] == self.life.state
        assert set(pairwise(states)) <= LEGAL
        assert self.life.timestamps[: len(self.before.timestamps)] == self.before.timestamps

    @invariant()
    def moments_are_in_order_and_not_ahead(self):
        life = self.life
        moments = [at for _, at in life.timestamps]
        assert moments == sorted(moments)
        assert moments[-1] <= self.now
        assert life.created_at == moments[0]
        chain = (life.created_at, life.started_at, life.activated_at)
        known = [moment for moment in chain if moment is not None]
        assert known == sorted(known)
        assert (life.started_at is None) == (life.last_job_started is None)

    @invariant()
    def closed_is_final(self):
        if self.before.state == "closed":
            kept = ("state", "closed_at", "started_at", "timestamps", "limits", "mode", "state_reason")
            assert all(getattr(self.before, name) == getattr(self.life, name) for name in kept)
        assert (self.life.state == "closed") == (self.life.closed_at is not None)
        assert self.life.state != "closed" or lifecycle.next_timer(self.life) is None
        assert self.life.state != "closed" or not lifecycle.takes_jobs(self.life)

    @invariant()
    def time_so_far_never_falls_and_ends_as_the_usage(self):
        now = lifecycle.time_so_far(self.life, self.now)
        self.overlapped = self.overlapped or self.life.running > 1
        if self.life.mode == "dedicated" or not self.overlapped:
            assert now >= self.so_far
            assert now <= self.now - (self.life.started_at or self.now)
        assert lifecycle.elapsed_time(self.life) in {None, now}
        self.so_far = now

    @invariant()
    def usage_never_falls_and_stays_within_the_wall(self):
        was, now = lifecycle.elapsed_time(self.before), lifecycle.elapsed_time(self.life)
        assert was is None or now is not None
        assert (now is None) == (self.life.state != "closed" or self.life.running > 0)
        if now is None:
            return
        assert now >= (was or 0)
        assert now >= 0
        if self.life.mode == "batch":
            assert now == self.ran
        elif self.life.started_at is not None:
            assert now <= self.now - self.life.started_at
        else:
            assert now == 0

    @invariant()
    def limits_are_kept(self):
        life = lifecycle.advance(self.life, self.now)
        if life.started_at is not None and life.state != "closed":
            assert self.now < life.started_at + life.limits.max_ttl
        if life.state == "active":
            assert (
                life.active_time + self.now - life.activated_at < life.limits.active_ttl
                or life.limits.active_ttl == 0
            )
        if life.state == "open" and not life.queued:
            last = life.last_job_submitted or life.created_at
            assert self.now < last + life.limits.unused_ttl

    @invariant()
    def looking_changes_nothing(self):
        later = lifecycle.advance(self.life, self.now + 7 * SECOND)
        assert lifecycle.advance(lifecycle.advance(self.life, self.now), self.now + 7 * SECOND) == later
        assert lifecycle.advance(later, self.now) == later
        assert replace(self.life) == self.life


TestLifeMachine = LifeMachine.TestCase
TestLifeMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
