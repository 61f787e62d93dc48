"""Which recorded request is what is asked now: by meaning, by bytes, up to routing, with invented values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from qsession import _explain, _invented, _meaning
from qsession._bonds import Bonds, Pair, invents
from qsession._endpoints import Call
from qsession._meaning import Ask, Key
from qsession._model import MEANING, ROUTED, Instant, Interaction, Match, Place, Request
from qsession._order import Order, Read, Write
from qsession._timeline import Timeline
from qsession.errors import ReplayMismatch

_SHOWN = 3
_Found = tuple[Key, Read, Sequence[Pair]]


@dataclass(slots=True)
class Choice:
    """The requests of a recording, and what was bound to them so far. One caller at a time.

    Attributes:
        start: When the recording began.
        order: Its writes.
        match: How alike a job must be to a recorded one.
        bonds: What stands for what.
        reads: Its reads, by what they ask.
    """

    start: Instant
    order: Order
    match: Match = MEANING
    bonds: Bonds = field(default_factory=Bonds)
    reads: dict[Key, Read] = field(default_factory=dict)
    _merged: dict[tuple[Key, ...], Read] = field(default_factory=dict)

    def read(self, call: Call, key: Key, at: Instant) -> Read | None:
        """The recorded read that asks the same, if need be with other values where a test invents them.

        Args:
            call: The request, understood, with what is bound in its place.
            key: The name of what it asks.
            at: Now, on the clock of the run.
        """
        read = self.reads.get(key)
        if read is not None or self.match.strict or not invents(call):
            return read
        found = [*self._with_other_values(call, key, at)]
        if not found:
            return None
        _, _, pairs = min(found, key=_first_seen)
        self.bonds.bind(pairs)
        # Those that differ in their moments only are one thing that was asked several times.
        return self._one({name: read for name, read, others in found if others == pairs})

    def writes(
        self, call: Call, key: Key, request: Request, at: Instant
    ) -> Iterator[tuple[Write, Sequence[Pair] | None]]:
        """The recorded writes that ask the same, the likeliest first.

        Args:
            call: The request, understood.
            key: The name of what it asks.
            request: The request.
            at: Now, on the clock of the run.

        Yields:
            A write, and what to bind when it is taken; None if what the test invented cannot
            stand for what stands there.
        """
        ask, tags = _meaning.read(call, request), _meaning.tags(call, request)
        if not self.match.strict and self.bonds.draws(tags):
            yield from self._drawn(call, key, request, at)
            return
        first = self._with_these_tags(key, tags)
        rest = (write for write in self.order.candidates(key, call, ask) if write not in first)
        for write in chain(first, rest):
            if self.order.fits(ask, request, write):
                yield write, () if write.sent else self._pairs(tags, write, at)

    def _with_these_tags(self, key: Key, tags: Sequence[str]) -> Sequence[Write]:
        """Writes with just these tags, as far as they are bound, that are left."""
        if self.match.strict or not any(map(_invented.parts, tags)):
            return ()
        return [write for write in self.order.tagged(key, self.bonds.tags_inward(tags)) if not write.sent]

    def _drawn(
        self, call: Call, key: Key, request: Request, at: Instant
    ) -> Iterator[tuple[Write, Sequence[Pair]]]:
        """Writes that ask the same under tags that look like other literals, but were drawn."""
        tags = _meaning.tags(call, request)
        for write in self.order.writes.get(key, ()):
            pairs = self._pairs(tags, write, at)
            told = _meaning.with_tags(request, write.tags)
            if pairs is not None and self.order.fits(_meaning.read(call, told), told, write):
                yield write, pairs

    def nothing(
        self, key: Key, ask: Ask, request: Request, place: Place, others: Sequence[Key]
    ) -> ReplayMismatch:
        """Why no recorded write is what is asked.

        Args:
            key: The name of what is asked.
            ask: What the body asks.
            request: The request.
            place: Where the replay stands.
            others: The names of all that was recorded.
        """
        writes = self.order.writes.get(key, [])
        if self.match.routed:
            # To compare circuits before their layouts takes long: only what will be shown.
            writes = sorted(writes, key=lambda write: len(_meaning.differences(ask, write.ask)))[:_SHOWN]
        rivals = [(write.interaction, self._lines(ask, request, write), write.sent) for write in writes]
        if (near := self._routed(ask, writes, rivals)) is not None:
            return _explain.only_routing(key, ask, near, place)
        return _explain.no_write(key, ask, rivals, others, place, match=self.match)

    def _with_other_values(self, call: Call, key: Key, at: Instant) -> Iterator[_Found]:
        for other, read in self.reads.items():
            if (other.method, other.path, other.instance) == (key.method, key.path, key.instance):
                now = self.bonds.now(at, self.start + read.timeline.states[0].at)
                pairs = self.bonds.query_fits(call, read.call, now)
                if pairs is not None:
                    yield other, read, pairs

    def _one(self, reads: Mapping[Key, Read]) -> Read:
        names = tuple(reads)
        if len(names) == 1:
            return reads[names[0]]
        if names not in self._merged:
            states = [state for read in reads.values() for state in read.timeline.states]
            timeline = Timeline(sorted(states, key=lambda state: state.at))
            self._merged[names] = Read(reads[names[0]].call, timeline)
        return self._merged[names]

    def _pairs(self, tags: Sequence[str], write: Write, at: Instant) -> Sequence[Pair] | None:
        if not tags or self.match.strict or not self.match.compares("tags"):
            return ()
        return self.bonds.pairs(tags, write.tags, self.bonds.now(at, self.start + write.at))

    def _routed(
        self, ask: Ask, writes: Sequence[Write], rivals: Sequence[_explain.Rival]
    ) -> Interaction | None:
        """The nearest write, if it is the same job in another routing, and that does not count."""
        left = [(len(lines), i) for i, (_, lines, sent) in enumerate(rivals) if not sent]
        if self.match != MEANING or not left or ask.job is None:
            return None
        near = writes[min(left)[1]]
        if ask.digest == near.ask.digest or _meaning.differences(ask, near.ask, ROUTED):
            return None
        return near.interaction

    def _lines(self, ask: Ask, request: Request, write: Write) -> Sequence[str]:
        lines = _meaning.differences(ask, write.ask, self.match)
        if not lines and self.match.strict:
            return _meaning.byte_differences(request, write.interaction.request)
        return lines or ("tags: what the test invented stands for something else, or is of another time",)


def _first_seen(found: _Found) -> int:
    return found[1].timeline.states[0].at
