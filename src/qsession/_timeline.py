"""The answers of a recording to one kind of read, as states one after the other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from qsession._model import SECOND, Interaction, Micros

_MOST_PATIENCE = 600 * SECOND


@dataclass(slots=True)
class Timeline:
    """The states of one resource, and how far the replay has seen them.

    A read shows the state of its moment, but never one from behind a write that has not
    been sent yet: what the write changed must not show before.

    Attributes:
        states: Recorded answers, in their order; equal ones stand as one.
        current: The state that was answered last; -1 before the first read.
    """

    states: list[Interaction] = field(default_factory=list)
    current: int = -1
    _begins: list[Micros] = field(default_factory=list)
    _seen: list[Micros] = field(default_factory=list)

    def read(
        self, now: Micros, next_write: Micros | None, *, since: tuple[Micros, Micros] | None = None
    ) -> Interaction:
        """The state to answer now.

        Args:
            now: The moment, on the time line of the recording.
            next_write: When the first unsent write that could change this resource
                was recorded; None when there is none.
            since: When the last write that was answered was recorded to begin and to end:
                states that were last seen before it are past. None when there is none.

        Returns:
            The recorded answer. ``current`` is moved on, never back.
        """
        first = 0 if since is None else self._first_after(*since)
        last = max(first, self._last_before(next_write))
        self.current = max(min(self._begun(now), last), self.current, first)
        return self.states[self.current]

    @property
    def shown(self) -> Interaction:
        """The state that was answered last; the last of all before the first read."""
        return self.states[self.current]

    def first_since(self, moment: Micros) -> Interaction:
        """The first state that was still seen at a moment or later; the first of all if there is none."""
        return self.states[self._first_after(moment, moment)]

    def next_change(self, now: Micros, next_write: Micros | None) -> Micros | None:
        """When another state begins by itself; None if none does before the next write.

        Args:
            now: The moment, on the time line of the recording.
            next_write: As for `read`.
        """
        following = max(self.current, self._begun(now)) + 1
        return self.states[following].at if following <= self._last_before(next_write) else None

    def patience(self) -> Micros:
        """How long after its last sighting the current state may still be answered.

        Two loops that poll alike see their last state at moments that differ by up to
        two of their intervals; polls that leapt say nothing of an interval, so there is a limit.
        """
        state = self.shown
        interval = (state.last - state.at) // (state.seen - 1) if state.seen > 1 else 0
        return max(SECOND, min(2 * interval, _MOST_PATIENCE) + state.took)

    def _begun(self, now: Micros) -> int:
        if len(self._begins) != len(self.states):
            self._begins = [state.at for state in self.states]
            self._seen = list(accumulate((max(state.at, state.last) for state in self.states), max))
        # The first state stays readable: the code under test may ask earlier than it did.
        return max(0, bisect_right(self._begins, now) - 1)

    def _last_before(self, barrier: Micros | None) -> int:
        return len(self.states) - 1 if barrier is None else self._begun(barrier)

    def _first_after(self, began: Micros, ended: Micros) -> int:
        self._begun(began)
        # What was asked while the write was on its way may have been answered before it.
        surely = bisect_left(self._seen, ended)
        if surely < len(self._seen):
            return surely
        perhaps = bisect_right(self._seen, began)
        return perhaps if perhaps < len(self._seen) else 0
