"""What a model of the service answers past the end of a recording."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qsession._endpoints import Call
from qsession._model import Instant, Interaction, Micros, Recording, Request, Response
from qsession._order import Order
from qsession._replay._before import past_of

if TYPE_CHECKING:
    from qsession._beyond import Beyond


@dataclass(slots=True)
class PastEnd:
    """The life of a recording past its end, as far as a test wants to know it.

    Attributes:
        recording: The recording.
        before: Gives the recordings that it builds on.
        order: Its writes.
        always: Whether the model answers also where the test did not move the clock there itself.
        moved_to: The last moment to which the test moved the clock.
        end: When the recording ends, counted from its start.
        answered: How many answers came from the model.
    """

    recording: Recording
    before: Callable[[], Sequence[Recording]]
    order: Order
    always: bool
    moved_to: Callable[[], Instant]
    end: Micros = 0
    answered: int = 0
    _known: tuple[int, Beyond] | None = field(default=None)

    def __post_init__(self) -> None:
        ends = (max(each.at, each.last) + each.took for each in self.recording.interactions)
        self.end = max(ends, default=0)

    def may_answer(self, now: Micros, at: Instant) -> bool:
        """Whether the test itself moved the clock past the end, or wants the model anyway.

        Args:
            now: The moment, on the time line of the recording.
            at: The same, on the clock of the run.
        """
        return self.always or self.moved_to() - at + now >= self.end

    def answer(self, call: Call, request: Request, instance: int, now: Micros) -> Response | None:
        """What the model says; None if it does not know."""
        if self._known is None or self._known[0] != self.order.version:
            # Few tests go there.
            from qsession._beyond import Beyond

            told = replace(self.recording, interactions=self._so_far())
            self._known = (self.order.version, Beyond(told))
        answer = self._known[1].answer(call, request, instance, now)
        self.answered += answer is not None
        return answer

    def next_change(self, now: Micros) -> Micros | None:
        """When something changes next, as far as the model was asked."""
        return self._known[1].next_change(now) if self._known is not None else None

    def _so_far(self) -> tuple[Interaction, ...]:
        """What happened in this replay: nothing that follows from a write which was not sent."""
        unsent = {id(write.interaction): write.at for write in self.order.every() if not write.sent}
        first = min(unsent.values(), default=self.end + 1)
        own = (i for i in self.recording.interactions if id(i) not in unsent and i.at <= first)
        return (*past_of(self.before(), self.recording.provenance), *own)
