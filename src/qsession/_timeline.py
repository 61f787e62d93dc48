"""The answers of a recording to one kind of read, as states one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field

from qsession._model import Interaction, Micros


@dataclass(slots=True)
class Timeline:
    """The states of one resource, and how far the replay has seen them.

    A read moves on to the next state when it is asked again in the same one, but
    never past a write that has not been sent yet: what the write changed must not
    show before. (States are met in their order, not yet by the moment: a virtual
    clock comes later.)

    Attributes:
        states: Recorded answers, in their order; equal ones stand as one.
        current: The state that was answered last; -1 before the first read.
        repeats: How often the current state was answered in a row.
    """

    states: list[Interaction] = field(default_factory=list)
    current: int = -1
    repeats: int = 0

    def read(
        self, now: Micros, next_write: Micros | None, *, since: tuple[Micros, Micros] | None = None
    ) -> Interaction:
        """The state to answer now.

        Args:
            now: How far the replay has come.
            next_write: When the first unsent write that could change this resource
                was recorded; None when there is none.
            since: When the last write that was sent was recorded to begin and to end:
                states that were last seen before it are past. None when there is none.

        Returns:
            The recorded answer. ``current`` and ``repeats`` are moved on.
        """
        first = 0 if since is None else self._first_after(*since)
        last = max(first, self._last_before(next_write))
        begun = max((i for i in range(last + 1) if self.states[i].at <= now), default=0)
        wanted = max(begun, self.current, first)
        if wanted == self.current and wanted < last:
            wanted += 1
        self.repeats = self.repeats + 1 if wanted == self.current else 0
        self.current = wanted
        return self.states[wanted]

    def _last_before(self, barrier: Micros | None) -> int:
        if barrier is None:
            return len(self.states) - 1
        # The first state stays readable: the code under test may ask earlier than it did.
        return max((i for i, state in enumerate(self.states) if state.at <= barrier), default=0)

    def _first_after(self, began: Micros, ended: Micros) -> int:
        seen = [max(state.at, state.last) for state in self.states]
        # What was asked while the write was on its way may have been answered before it.
        surely = next((i for i, moment in enumerate(seen) if moment >= ended), None)
        return next((i for i, moment in enumerate(seen) if moment > began), 0) if surely is None else surely
