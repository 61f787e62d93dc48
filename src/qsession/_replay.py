"""Which recorded answer belongs to this request at this moment, and if none, why."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from qsession import _explain, _meaning
from qsession._clock import SHORTEST
from qsession._discovery import Discovery
from qsession._endpoints import Call, identify
from qsession._model import Instant, Interaction, Micros, Place, Recording, Request, Response
from qsession._timeline import Timeline

if TYPE_CHECKING:
    from qsession._beyond import Beyond

_FINAL = (b'"Completed"', b'"Failed"', b'"Cancelled', b'"closed"')
_LIVING = frozenset({"jobs.get", "sessions.get"})
"""What changes by itself as time goes on. The other reads are taken for what they were."""
_LISTS = frozenset({"jobs.list", "workloads.list"})
_JOB_WRITES = frozenset({"jobs.create", "jobs.cancel", "jobs.delete", "jobs.tags", "sessions.cancel"})
_SESSION_WRITES = frozenset({"sessions.create", "sessions.update", "sessions.cancel"})
_ENDS = frozenset({"sessions.update", "sessions.cancel"})
# What reads of no single job or session show, by the writes that change it.
_CHANGED_BY = {
    "jobs.list": _JOB_WRITES,
    "tags.list": _JOB_WRITES,
    "workloads.list": _JOB_WRITES | _SESSION_WRITES,
    "instances.usage": _JOB_WRITES,
    "instances.configuration": frozenset({"instances.configure"}),
}
# These are made once, when a job ends: later writes do not change them, and tags never do.
_MADE_ONCE = frozenset({"jobs.results", "jobs.logs", "jobs.metrics"})


@dataclass(slots=True)
class _Write:
    interaction: Interaction
    call: Call
    key: _meaning.Key
    ask: _meaning.Ask
    sent: bool = False
    sent_at: Micros = 0
    thread: int = 0

    @property
    def at(self) -> Micros:
        return self.interaction.at

    @property
    def took_effect(self) -> bool:
        return self.interaction.response.status < 400


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and when it is there.

    Attributes:
        response: The answer.
        until: When it has arrived, on the clock of the run.
    """

    response: Response
    until: Instant


@dataclass(slots=True)
class _Read:
    """The answers to one read, and the writes that bear upon it."""

    call: Call
    timeline: Timeline = field(default_factory=Timeline)
    barrier: list[_Write] | None = None
    known: _Known | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """What follows for a read from the writes sent so far.

    Attributes:
        version: How many were sent.
        thread: For which thread it holds.
        next_write: When the first unsent one was recorded.
        since: When the last one whose change must show was recorded to begin and to end.
        between: One that stands between now and every recorded state, if there is one.
        anchor: The last one that was sent; the states are counted from it.
    """

    version: int
    thread: int
    next_write: Micros | None
    since: tuple[Micros, Micros] | None
    between: _Write | None
    anchor: _Write | None


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
        beyond: Whether the model answers what lies past the recording also where
            the test did not move the clock there itself.
        moved_to: The last moment to which the test moved the clock.
        modelled: How many answers came from the model.
    """

    recording: Recording
    discovery: Discovery
    place: Place
    allow_unused: bool = False
    beyond: bool = False
    moved_to: Callable[[], Instant] = lambda: 0
    modelled: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _reads: dict[_meaning.Key, _Read] = field(default_factory=dict)
    _writes: dict[_meaning.Key, list[_Write]] = field(default_factory=dict)
    _alike: dict[tuple[_meaning.Key, str], list[_Write]] = field(default_factory=dict)
    _about: dict[str, list[_Write]] = field(default_factory=dict)
    _into: dict[str, list[_Write]] = field(default_factory=dict)
    _home: dict[str, str] = field(default_factory=dict)
    _version: int = 0
    _latest: _Write | None = None
    _end: Micros = 0
    _model: tuple[int, Beyond] | None = None
    _here: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        for interaction in self.recording.interactions:
            self._file(interaction)
            self._end = max(self._end, max(interaction.at, interaction.last) + interaction.took)

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
            key = _meaning.key_of(call, instance)
            if call.endpoint.is_write:
                return self._write(call, key, request, at)
            return self._read(call, key, request, at)

    def lived_through(self) -> None:
        """This run made the recording itself: every write was sent when it was recorded."""
        with self._lock:
            for write in (w for writes in self._writes.values() for w in writes):
                write.sent, write.sent_at, write.thread = True, write.at, threading.get_ident()
                if self._latest is None or write.at > self._latest.at:
                    self._latest = write
            self._version += 1

    def next_change(self, at: Instant) -> tuple[Instant | None, Micros]:
        """When what the calling thread looked at last will look different.

        Args:
            at: Now.

        Returns:
            The moment, None if none is known; and how long a look at it takes.
        """
        key: _meaning.Key | None = getattr(self._here, "looked_at", None)
        read = self._reads.get(key) if key is not None else None
        if key is None or read is None or read.timeline.current < 0:
            return None, SHORTEST
        with self._lock:
            known = self._known(read)
            now = self._recorded(at, known.anchor)
            change = read.timeline.next_change(now, known.next_write)
            state = read.timeline.states[read.timeline.current]
            if change is None and not _is_final(state):
                change = self._last_moment(read.timeline, now)
            moment = None if change is None else at + change - now
            return moment, max(SHORTEST, state.took)

    def unused(self) -> tuple[Interaction, ...]:
        """Recorded writes that were not sent, in their order."""
        with self._lock:
            left = [w.interaction for writes in self._writes.values() for w in writes if not w.sent]
        return tuple(sorted(left, key=lambda interaction: interaction.at))

    def _file(self, interaction: Interaction) -> None:
        call = identify(interaction.request)
        if call is None:
            return
        key = _meaning.key_of(call, interaction.instance)
        if not call.endpoint.is_write:
            self._reads.setdefault(key, _Read(call)).timeline.states.append(interaction)
            return
        ask = _meaning.read(call, interaction.request)
        made = _explain.created_id(interaction)
        if made and ask.session:
            self._home[made] = ask.session
        write = _Write(interaction, call, key, ask)
        self._writes.setdefault(key, []).append(write)
        self._alike.setdefault((key, ask.digest), []).append(write)
        for about in {*call.ids.values(), call.endpoint.name}:
            self._about.setdefault(about, []).append(write)
        if ask.session:
            self._into.setdefault(ask.session, []).append(write)

    def _account(self, call: Call, request: Request, at: Instant) -> Reply:
        key = _meaning.key_of(call, 0)
        read = self._reads.get(key)
        if read is not None:
            recorded = self._state(key, read, at)
            if recorded.response.status >= 400:
                return Reply(recorded.response, at + _length(recorded))
        answer = self.discovery.answer(call, at)
        if answer is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        return Reply(answer, at + SHORTEST)

    def _read(self, call: Call, key: _meaning.Key, request: Request, at: Instant) -> Reply:
        read = self._reads.get(key)
        if read is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        state = self._state(key, read, at)
        self._here.looked_at = key if call.endpoint.name in _LIVING else None
        if call.endpoint.name in _LIVING | _LISTS and not _is_final(state):
            known = self._known(read)
            now = self._recorded(at, known.anchor)
            if now > self._end + read.timeline.patience():
                return self._past_the_end(call, key, request, now, at)
        return Reply(state.response, at + _length(state))

    def _past_the_end(
        self, call: Call, key: _meaning.Key, request: Request, now: Micros, at: Instant
    ) -> Reply:
        """What the model says, if the test wants to know."""
        if self.beyond or self.moved_to() - at + now >= self._end:
            answer = self._modelled(call, request, now)
            if answer is not None:
                return Reply(answer, at + SHORTEST)
        waiting = [w.interaction for writes in self._writes.values() for w in writes if not w.sent]
        raise _explain.past_the_end(key, now - self._end, waiting, self.place, moved=self.moved_to() > 0)

    def _modelled(self, call: Call, request: Request, now: Micros) -> Response | None:
        if self._model is None or self._model[0] != self._version:
            # Few tests go there.
            from qsession._beyond import Beyond

            self._model = (self._version, Beyond(replace(self.recording, interactions=self._so_far())))
        instance = self.discovery.index_of(request.headers.get("service-crn", ""))
        answer = self._model[1].answer(call, request, instance, now)
        self.modelled += answer is not None
        return answer

    def _so_far(self) -> tuple[Interaction, ...]:
        """What happened in this replay: nothing that follows from a write which was not sent."""
        unsent = {id(w.interaction): w.at for writes in self._writes.values() for w in writes if not w.sent}
        first = min(unsent.values(), default=self._end + 1)
        return tuple(i for i in self.recording.interactions if id(i) not in unsent and i.at <= first)

    def _last_moment(self, timeline: Timeline, now: Micros) -> Micros | None:
        """Where waiting for a state that will not change ends."""
        end = self._end + timeline.patience() + 1
        if now < end:
            return end
        return self._model[1].next_change(now) if self._model is not None else None

    def _every_key(self) -> list[_meaning.Key]:
        return [*self._reads, *self._writes]

    def _state(self, key: _meaning.Key, read: _Read, at: Instant) -> Interaction:
        known = self._known(read)
        if known.between is not None:
            raise _explain.no_moment(key, known.between.interaction, self.place, sent=known.between.sent)
        return read.timeline.read(self._recorded(at, known.anchor), known.next_write, since=known.since)

    def _recorded(self, at: Instant, anchor: _Write | None) -> Micros:
        """A moment of the run on the time line of the recording."""
        passed = at - self.recording.provenance.recorded_at
        anchor = anchor or self._latest
        return passed if anchor is None else passed - anchor.sent_at + anchor.at

    def _known(self, read: _Read) -> _Known:
        thread = threading.get_ident()
        known = read.known
        if known is None or known.version != self._version or known.thread != thread:
            if read.barrier is None:
                read.barrier = self._barrier(read.call)
            sent = [w for w in read.barrier if w.sent]
            read.known = known = _Known(
                self._version,
                thread,
                min((w.at for w in read.barrier if not w.sent), default=None),
                _since(read),
                self._between(read),
                max(sent, key=lambda w: w.at, default=None),
            )
        return known

    def _between(self, read: _Read) -> _Write | None:
        """A write that stands between this moment and every recorded state, if there is one.

        One to the thing itself does so alone. Others, such as the jobs of a session, come
        from threads in any order: they do when all of them are on the wrong side.
        Whether a thread still reads before what another one sends is chance.
        """
        first, last = read.timeline.states[0], read.timeline.states[-1]
        barrier = [w for w in read.barrier or () if w.took_effect]
        ahead = [w for w in barrier if w.at < first.at and not self.allow_unused]
        behind = [w for w in barrier if w.at > max(last.at, last.last) and _outdates(w, last)]
        for writes, wrong in ((ahead, False), (behind, True)):
            thread = threading.get_ident() if wrong else 0
            own = [
                w for w in writes if w.sent is wrong and w.thread == thread and _same_thing(w.call, read.call)
            ]
            others = [w for w in writes if not _same_thing(w.call, read.call)]
            if own or (others and all(w.sent is wrong for w in others)):
                return (own or others)[0]
        return None

    def _barrier(self, read: Call) -> list[_Write]:
        """The writes that could change what a read shows, in their order."""
        if job := read.ids.get("job"):
            about = self._about.get(self._home.get(job, ""), ())
            found = [
                *self._about.get(job, ()),
                *(w for w in about if w.call.endpoint.name == "sessions.cancel"),
            ]
        elif session := read.ids.get("session"):
            found = [*self._about.get(session, ()), *self._into.get(session, ())]
        else:
            names = _CHANGED_BY.get(read.endpoint.name, ())
            found = [w for name in names for w in self._about.get(name, ())]
        return sorted(found, key=lambda w: w.at)

    def _write(self, call: Call, key: _meaning.Key, request: Request, at: Instant) -> Reply:
        ask = _meaning.read(call, request)
        candidates = self._writes.get(key, [])
        fitting = self._alike.get((key, ask.digest), [])
        # The digest quantises numbers; within the tolerance two sides of a step are equal.
        fitting = fitting or [w for w in candidates if not _meaning.differences(ask, w.ask)]
        between: _Write | None = None
        for write in (w for w in fitting if not w.sent):
            other = self._inverted(write)
            between = between or other
            if other is None:
                return self._send(write, at)
        if (answer := self._write_past_the_end(call, request, at)) is not None:
            return answer
        if between is not None:
            raise _explain.other_order(key, ask, between.interaction, self.place, sent=between.sent)
        if fitting:
            raise _explain.used_up(key, len(fitting), ask, self.place)
        rivals = [(w.interaction, _meaning.differences(ask, w.ask), w.sent) for w in candidates]
        raise _explain.no_write(key, ask, rivals, self._every_key(), self.place)

    def _send(self, write: _Write, at: Instant) -> Reply:
        start = self.recording.provenance.recorded_at
        write.sent, write.thread = True, threading.get_ident()
        write.sent_at = max(at - start, write.at)
        self._version += 1
        self._latest = write
        return Reply(write.interaction.response, start + write.sent_at + _length(write.interaction))

    def _write_past_the_end(self, call: Call, request: Request, at: Instant) -> Reply | None:
        now = self._recorded(at, None)
        if now <= self._end or not (self.beyond or self.moved_to() - at + now >= self._end):
            return None
        answer = self._modelled(call, request, now)
        return None if answer is None else Reply(answer, at + SHORTEST)

    def _inverted(self, write: _Write) -> _Write | None:
        """A write whose place before or after this one decided its answer, if it is on the other side."""
        things = [write.call.ids.get("job"), write.call.ids.get("session"), write.ask.session]
        every = (w for thing in things if thing for w in self._about.get(thing, ()))
        for other in (w for w in every if w is not write and w.took_effect):
            if _same_thing(other.call, write.call):
                late = False
            elif other.call.endpoint.name in _ENDS and _is_into(write, other.call.ids.get("session")):
                late = other.at > write.at and other.sent
            else:
                continue
            early = other.at < write.at and not other.sent and not self.allow_unused
            if late or (early and other.key != write.key) or (early and other.ask.digest != write.ask.digest):
                return other
        return None


def _since(read: _Read) -> tuple[Micros, Micros] | None:
    """The last write whose change must show: all before it were sent, or it was to the thing itself."""
    found: _Write | None = None
    complete = True
    for write in (w for w in read.barrier or () if w.took_effect):
        complete = complete and write.sent
        if write.sent and (complete or _same_thing(write.call, read.call)):
            found = write
    return (found.at, found.at + found.interaction.took) if found else None


def _length(interaction: Interaction) -> Micros:
    return max(SHORTEST, interaction.took)


def _is_final(state: Interaction) -> bool:
    return any(final in state.response.body for final in _FINAL)


def _same_thing(one: Call, other: Call) -> bool:
    return any(kind in one.ids and one.ids[kind] == other.ids.get(kind) for kind in ("job", "session"))


def _is_into(write: _Write, session: str | None) -> bool:
    return write.call.endpoint.name == "jobs.create" and write.ask.session == session


def _outdates(write: _Write, state: Interaction) -> bool:
    """Whether a state that was recorded before a write says nothing of the time after it."""
    name = write.call.endpoint.name
    if state.endpoint == "instances.usage":
        # The client asks for it before each job: what is said of that job tells more.
        return False
    if state.endpoint in _MADE_ONCE:
        return name == "jobs.delete"
    if state.endpoint == "jobs.get" and name in {"jobs.cancel", "sessions.cancel"}:
        return not any(final in state.response.body for final in _FINAL)
    return True
