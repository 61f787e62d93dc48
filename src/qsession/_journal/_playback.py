"""A test runs again from its journal: the same answers in the same order, until there are no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from qsession import _meaning
from qsession._endpoints import Call, identify
from qsession._journal import _messages
from qsession._journal._past import Asked, Moment, Past
from qsession._model import Interaction, Request

_MOST = 3
"""Of a run of equal answers, how many are given again: who polled for hours does not do so twice."""
_LINES = 8


@dataclass(frozen=True, slots=True)
class Answered:
    """The journal has the answer.

    Attributes:
        interaction: The exchange.
    """

    interaction: Interaction


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The journal says that this was about to be sent, and not what came of it.

    Attributes:
        asked: What was asked.
    """

    asked: Asked


@dataclass(slots=True)
class _Write:
    place: int
    key: _meaning.Key
    ask: _meaning.Ask
    outcome: Interaction | Asked
    sent: bool = False

    @property
    def waits(self) -> bool:
        """Whether the code under test must send it before anything new."""
        return not self.sent and not self.failed

    @property
    def failed(self) -> bool:
        """Whether it failed on its way: the client may have sent it again at once."""
        return isinstance(self.outcome, Asked) and self.outcome.failed


@dataclass(slots=True)
class _Run:
    """Equal answers to one read, in a row.

    Attributes:
        interaction: The answer.
        places: Where in the journal each was given.
    """

    interaction: Interaction
    places: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Read:
    runs: list[_Run] = field(default_factory=list)
    at: int = 0
    shown: int = 0

    def next(self, barrier: float) -> Interaction | None:
        """The next answer that was given before a place in the journal, if there is one."""
        run = self.runs[self.at]
        if self.shown < min(len(run.places), _MOST) and run.places[self.shown] < barrier:
            self.shown += 1
            return run.interaction
        if self.at + 1 < len(self.runs) and self.runs[self.at + 1].places[0] < barrier:
            self.at, self.shown = self.at + 1, 1
            return self.runs[self.at].interaction
        return None

    @property
    def latest(self) -> Interaction | None:
        """What was given last."""
        return self.runs[self.at].interaction if self.shown else None


class Playback:
    """Answers from a journal. One caller at a time.

    A read gets its recorded answers one after the other; of more than three equal ones in
    a row three are given. None is given that came after a write which was not sent again
    yet. A write gets the answer to the one that asked the same.

    Args:
        past: The journal.
        where: The test, for messages.
    """

    def __init__(self, past: Past, *, where: str) -> None:
        self._where = where
        self._reads: dict[_meaning.Key, _Read] = {}
        self._writes: list[_Write] = []
        for place, happened in enumerate(past.order):
            outcome = past.interactions[happened.index] if isinstance(happened, Moment) else happened
            call = identify(outcome.request)
            if call is not None and call.endpoint.family == "runtime":
                self._file(place, call, outcome)

    @property
    def is_over(self) -> bool:
        """Whether every recorded write was sent again."""
        return not any(write.waits for write in self._writes)

    def reply(self, call: Call, request: Request, instance: int) -> Answered | Unanswered | None:
        """The answer of the journal.

        Args:
            call: The request, understood.
            request: As the code under test sent it.
            instance: Which of the recording's instances it goes to.

        Returns:
            None when the journal tells no more: from here on the service answers.

        Raises:
            ReplayMismatch: If the code under test does something else than it did (QS210).
        """
        key = _meaning.key_of(call, instance)
        if call.endpoint.is_write:
            return self._write(key, _meaning.read(call, request))
        return self._read(key)

    def _file(self, place: int, call: Call, outcome: Interaction | Asked) -> None:
        key = _meaning.key_of(call, outcome.instance)
        if call.endpoint.is_write:
            ask = _meaning.read(call, outcome.request)
            self._writes.append(_Write(place, key, ask, outcome))
            return
        assert isinstance(outcome, Interaction)
        runs = self._reads.setdefault(key, _Read()).runs
        if not runs or runs[-1].interaction is not outcome:
            runs.append(_Run(outcome))
        runs[-1].places.append(place)

    def _read(self, key: _meaning.Key) -> Answered | None:
        read, barrier = self._reads.get(key), self._barrier()
        answer = read.next(barrier) if read is not None else None
        if answer is None and barrier < inf:
            # Others are still to send what they sent: until then nothing changes.
            answer = read.latest if read is not None else None
            if answer is None:
                raise self._differs("reads something that it did not read.", [f"asked: {key}"])
        return Answered(answer) if answer is not None else None

    def _write(self, key: _meaning.Key, ask: _meaning.Ask) -> Answered | Unanswered | None:
        rivals = [write for write in self._writes if write.key == key and not write.sent]
        # The one that had an answer before the one that had none: that may have arrived nevertheless.
        rivals.sort(key=lambda write: write.failed)
        for write in rivals:
            if write.ask.digest == ask.digest or not _meaning.differences(ask, write.ask):
                write.sent = True
                if isinstance(write.outcome, Asked):
                    return Unanswered(write.outcome)
                return Answered(write.outcome)
        if self.is_over:
            return None
        evidence = [f"asked: {key}" + (f" ({ask.summary})" if ask.summary else "")]
        for write in rivals[:1]:
            evidence += [f"  {each}" for each in _meaning.differences(ask, write.ask)[:_LINES]]
        raise self._differs("sends something that it did not send.", evidence)

    def _barrier(self) -> float:
        return min((write.place for write in self._writes if write.waits), default=inf)

    def _differs(self, what: str, evidence: Sequence[str]) -> Exception:
        unsent = [f"the journal goes on with {write.key}" for write in self._writes if write.waits]
        return _messages.differs(
            f"runs from its journal, and {what}", [*evidence, *unsent[:1]], where=self._where
        )
