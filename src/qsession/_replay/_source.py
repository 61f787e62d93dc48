"""A source that answers from a recording."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from qsession import _explain, _meaning
from qsession._clock import SHORTEST
from qsession._discovery import Discovery
from qsession._drawn import Drawn
from qsession._endpoints import Call, identify
from qsession._model import (
    MEANING,
    SECOND,
    Instant,
    Interaction,
    Match,
    Micros,
    Place,
    Recording,
    Request,
    Response,
)
from qsession._order import Order, Read, Write
from qsession._replay._before import Layer
from qsession._replay._choice import Choice
from qsession._replay._ended import LISTS, METRICS, TELL_OF_JOBS, is_final, out_of_step
from qsession._replay._model import PastEnd
from qsession._replay._once import ONLY_ONCE, RESULTS, given_once
from qsession._sharing import is_common, takes_no_time
from qsession._timeline import Timeline

LIVING = frozenset({"jobs.get", "sessions.get"})
"""What changes by itself as time goes on. The other reads are taken for what they were."""
_ENDLESS = LIVING | {"jobs.list", "workloads.list", METRICS}
"""What may have changed past the end of a recording, if it was not final."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and when it is there.

    Attributes:
        response: The answer.
        until: When it has arrived, on the clock of the run.
    """

    response: Response
    until: Instant


class _Glance(threading.local):
    """What the calling thread looked at between two of its waits."""

    def __init__(self) -> None:
        self.looked_at: dict[Read, None] = {}
        self.last: Read | None = None
        self.asked = False

    def look_at(self, read: Read) -> None:
        if self.asked:
            self.looked_at, self.asked = {}, False
        self.looked_at[read] = None
        self.last = read


@dataclass(slots=True)
class Replay:
    """A source that answers from a recording. Safe for concurrent use.

    Reads are answered as of their moment. A write is answered no earlier than when it was
    recorded: what the code under test computed before it took time then. If it comes
    later than it did, what it led to comes later by as much.

    Attributes:
        recording: The recording.
        discovery: Answers what belongs to an account.
        place: Where the replay stands, for messages.
        allow_unused: Whether recorded writes may be left out.
        match: How alike a job must be to a recorded one.
        beyond: Whether the model answers what lies past the recording also where
            the test did not move the clock there itself.
        moved_to: The last moment to which the test moved the clock.
        alone: Whether all requests come from one thread.
        shared: What was recorded once for all tests of a folder; None where there is no such layer.
        before: Gives the recordings that this one builds on, as far as they are there.
    """

    recording: Recording
    discovery: Discovery
    place: Place
    allow_unused: bool = False
    match: Match = MEANING
    beyond: bool = False
    moved_to: Callable[[], Instant] = lambda: 0
    alone: Callable[[], bool] = lambda: False
    shared: Layer | None = None
    before: Callable[[], Sequence[Recording]] = tuple
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _choice: Choice = field(init=False)
    _order: Order = field(default_factory=Order)
    # What was recorded of the state of each job, by instance.
    _lives: dict[int, dict[str, list[Read]]] = field(default_factory=dict)
    _past_end: PastEnd = field(init=False)
    _here: _Glance = field(default_factory=_Glance)

    def __post_init__(self) -> None:
        self._order.allow_unused, self._order.match = self.allow_unused, self.match
        self._order.alone = self.alone
        self._choice = Choice(self.recording.provenance.recorded_at, self._order, self.match)
        self._past_end = PastEnd(self.recording, self.before, self._order, self.beyond, self.moved_to)
        for interaction in self.recording.interactions:
            self._file(interaction)

    def answer(self, request: Request, at: Instant) -> Response:
        """Answer from the recording, as `reply` does."""
        return self.reply(request, at).response

    def reply(self, request: Request, at: Instant) -> Reply:
        """Answer from the recording.

        Args:
            request: What the client sent.
            at: Now.

        Raises:
            ReplayMismatch: If the recording has no answer (QS301, QS302), has given
                it already (QS303), or ends before this moment (QS304).
        """
        call = identify(request)
        if call is None:
            raise _explain.stranger(request, self.place)
        with self._lock:
            if call.endpoint.family != "runtime":
                return self._account(call, request, at)
            instance = self.discovery.index_of(request.headers.get("service-crn", ""))
            bonds = self._choice.bonds
            call = bonds.inward(call)
            answer = self._write if call.endpoint.is_write else self._read
            reply = answer(call, _meaning.key_of(call, instance), request, at)
            response = bonds.outward(reply.response)
            return reply if response is reply.response else replace(reply, response=response)

    @property
    def modelled(self) -> int:
        """How many answers came from the model."""
        return self._past_end.answered

    @property
    def drawn(self) -> Drawn:
        """Takes note of UUIDs as they are drawn."""
        return self._choice.bonds.drawn

    def lived_through(self) -> None:
        """This run made the recording itself: every write was sent when it was recorded."""
        with self._lock:
            for write in sorted(self._order.every(), key=lambda write: write.at):
                self._order.send(write, write.at)

    def next_change(self, at: Instant) -> tuple[Instant | None, Micros]:
        """When something that the calling thread looked at since it last asked will look different.

        Args:
            at: Now.

        Returns:
            The moment, None if none is known; and how long a look at the last of it takes.
        """
        here = self._here
        here.asked = True
        with self._lock:
            changes = [self._change(read, at) for read in here.looked_at]
        cost = SHORTEST if here.last is None else self._length(here.last.timeline.shown)
        return min((change for change in changes if change is not None), default=None), cost

    def change_of(self, call: Call, request: Request, at: Instant) -> Instant | None:
        """When what a read shows will look different by itself; None if that is not known.

        Args:
            call: The request, understood.
            request: What the client sent.
            at: Now.
        """
        with self._lock:
            instance = self.discovery.index_of(request.headers.get("service-crn", ""))
            read = self._choice.reads.get(_meaning.key_of(call, instance))
            return None if read is None or call.endpoint.name not in LIVING else self._change(read, at)

    def unused(self) -> tuple[Interaction, ...]:
        """Recorded writes that were not sent, in their order."""
        with self._lock:
            return self._order.unsent()

    def _file(self, interaction: Interaction) -> None:
        call = identify(interaction.request)
        if call is None:
            return
        key = _meaning.key_of(call, interaction.instance)
        if not call.endpoint.is_write:
            read = self._choice.reads.get(key)
            if read is None:
                read = self._choice.reads[key] = Read(call)
                if call.endpoint.name == "jobs.get":
                    lives = self._lives.setdefault(key.instance, {})
                    lives.setdefault(call.ids["job"], []).append(read)
            read.timeline.states.append(interaction)
            return
        self._order.file(interaction, call, key)

    def _account(self, call: Call, request: Request, at: Instant) -> Reply:
        key = _meaning.key_of(call, 0)
        read = self._choice.reads.get(key)
        if read is not None:
            recorded = self._state(key, read, at)
            if recorded.response.status >= 400:
                return Reply(recorded.response, at + self._length(recorded))
        # Of a single instance only a test knows why it asks.
        is_new = read is None and call.endpoint.name == "resources.get"
        answer = None if is_new else self.discovery.answer(call, at)
        if answer is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        return Reply(answer, at if self.shared is not None else at + SHORTEST)

    def _read(self, call: Call, key: _meaning.Key, request: Request, at: Instant) -> Reply:
        read = self._choice.read(call, key, at)
        state = (
            None
            if read is None or self._order.known(read).between is not None
            else self._state(key, read, at)
        )
        if call.endpoint.name in _ENDLESS and (state is None or not is_final(state)):
            answer = self._past_the_end(call, key, read, request, at, unknown=state is None)
            if answer is not None:
                return answer
        if read is None and self.shared is not None and is_common(call):
            return self._in_common(self.shared, call, key, request, at)
        if read is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        state = state or self._state(key, read, at)
        if call.endpoint.name == RESULTS:
            once = given_once(read, state, self._order)
            if once is None:
                raise _explain.no_state(key, ONLY_ONCE, self.place)
            state = once
        if words := self._out_of_step(key, read, state, at):
            raise _explain.no_state(key, words, self.place)
        if call.endpoint.name in LIVING:
            self._here.look_at(read)
        return Reply(state.response, at + self._length(state))

    def _in_common(self, layer: Layer, call: Call, key: _meaning.Key, request: Request, at: Instant) -> Reply:
        known = layer.read(call, request, of=self.recording.provenance.recorded_at)
        if known is None:
            raise _explain.not_in_common(key, layer.path.name, self.place, exists=layer.path.exists())
        return Reply(known.response, at + known.took)

    def _out_of_step(self, key: _meaning.Key, read: Read, told: Interaction, at: Instant) -> str:
        """What is wrong with an answer that tells of jobs, or of a life, at this moment of it."""
        if told.endpoint in LIVING or (told.endpoint == METRICS and not is_final(told)):
            outlived = self._outlived(read, told, at)
            if outlived or told.endpoint in LIVING:
                return outlived
        if told.endpoint in LISTS and self.alone() and self._order.shuffled(read, told):
            return "recorded when what it lists had been made in another order"
        # Of threads it is chance who asks before an end, and who after it.
        if told.endpoint != METRICS and not (told.endpoint in TELL_OF_JOBS and self.alone()):
            return ""
        lives = self._lives.get(key.instance, {})
        patience = read.timeline.patience()
        for job in lives if told.endpoint != METRICS else lives.keys() & {read.call.ids["job"]}:
            states = [state for each in lives[job] for state in each.timeline.states]
            now = self._recorded(at, self._order.known(lives[job][0]).anchor)
            if words := out_of_step(told, states, now, patience):
                return words
        return ""

    def _outlived(self, read: Read, told: Interaction, at: Instant) -> str:
        """What is wrong with the last state of a life that was not looked at any longer."""
        is_last = told is read.timeline.states[-1] and told.response.status < 400 and not is_final(told)
        # Who moves the clock asks a model, or wants to see what is left of the recording.
        if not is_last or not self.alone() or self.beyond or self.moved_to():
            return ""
        late = self._recorded(at, self._order.known(read).anchor) - max(told.at, told.last)
        return (
            ""
            if late <= read.timeline.patience()
            else f"recorded last {late / SECOND:.3f} s before this moment"
        )

    def _past_the_end(
        self,
        call: Call,
        key: _meaning.Key,
        read: Read | None,
        request: Request,
        at: Instant,
        *,
        unknown: bool,
    ) -> Reply | None:
        """What the model says past the end, if the test wants to know; None before it."""
        now = self._recorded(at, self._order.known(read).anchor if read is not None else None)
        end = self._past_end.end
        if now <= end + (SECOND if read is None else read.timeline.patience()):
            return None
        if self._past_end.may_answer(now, at):
            answer = self._modelled(call, request, now)
            if answer is not None:
                return Reply(answer, at + SHORTEST)
        if unknown:
            return None
        unsent = self._order.unsent()
        raise _explain.past_the_end(key, now - end, unsent, self.place, moved=self.moved_to() > 0)

    def _modelled(self, call: Call, request: Request, now: Micros) -> Response | None:
        instance = self.discovery.index_of(request.headers.get("service-crn", ""))
        return self._past_end.answer(call, request, instance, now)

    def _change(self, read: Read, at: Instant) -> Instant | None:
        known = self._order.known(read)
        now = self._recorded(at, known.anchor)
        change = read.timeline.next_change(now, known.next_write)
        if change is None and not is_final(read.timeline.shown):
            change = self._last_moment(read.timeline, now)
        return None if change is None else at + change - now

    def _last_moment(self, timeline: Timeline, now: Micros) -> Micros | None:
        """Where waiting for a state that will not change ends."""
        end = self._past_end.end + timeline.patience() + 1
        return end if now < end else self._past_end.next_change(now)

    def _every_key(self) -> list[_meaning.Key]:
        return [*self._choice.reads, *self._order.writes]

    def _state(self, key: _meaning.Key, read: Read, at: Instant) -> Interaction:
        known = self._order.known(read)
        if known.between is not None:
            raise _explain.no_moment(key, known.between.interaction, self.place, sent=known.between.sent)
        passed = at - self.recording.provenance.recorded_at
        answered = (w for w in reversed(known.since) if w.sent_at + w.interaction.took <= passed)
        since = next(answered, None)
        return read.timeline.read(
            self._recorded(at, known.anchor), known.next_write, since=since.span if since else None
        )

    def _recorded(self, at: Instant, anchor: Write | None) -> Micros:
        """A moment of the run on the time line of the recording."""
        passed = at - self.recording.provenance.recorded_at
        anchor = anchor or self._order.latest
        return passed if anchor is None else passed - anchor.sent_at + anchor.at

    def _write(self, call: Call, key: _meaning.Key, request: Request, at: Instant) -> Reply:
        between: Write | None = None
        times, conflict = 0, False
        for write, pairs in self._choice.writes(call, key, request, at):
            times += 1
            if write.sent or pairs is None:
                conflict = conflict or not write.sent
                continue
            other = self._order.inverted(write)
            between = between or other
            if other is None:
                self._choice.bonds.bind(pairs)
                return self._send(write, at)
        if (answer := self._write_past_the_end(call, request, at)) is not None:
            return answer
        ask = _meaning.read(call, request)
        if between is not None:
            raise _explain.other_order(key, ask, between.interaction, self.place, sent=between.sent)
        if times and not conflict:
            raise _explain.used_up(key, times, ask, self.place)
        raise self._choice.nothing(key, ask, request, self.place, self._every_key())

    def _send(self, write: Write, at: Instant) -> Reply:
        start = self.recording.provenance.recorded_at
        self._order.send(write, at - start)
        return Reply(write.interaction.response, start + write.sent_at + self._length(write.interaction))

    def _write_past_the_end(self, call: Call, request: Request, at: Instant) -> Reply | None:
        now = self._recorded(at, None)
        if now <= self._past_end.end or not self._past_end.may_answer(now, at):
            return None
        answer = self._modelled(call, request, now)
        return None if answer is None else Reply(answer, at + SHORTEST)

    def _length(self, interaction: Interaction) -> Micros:
        call = identify(interaction.request) if self.shared is not None else None
        is_free = call is not None and takes_no_time(call)
        return interaction.took if is_free else max(SHORTEST, interaction.took)
