"""Which recorded answer belongs to this request at this moment, and if none, why."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from qsession import _explain, _meaning
from qsession._discovery import Discovery
from qsession._endpoints import Call, identify
from qsession._model import Instant, Interaction, Micros, Place, Recording, Request, Response
from qsession._timeline import Timeline

_FINAL = (b'"Completed"', b'"Failed"', b'"Cancelled', b'"closed"')
_PATIENCE = 10_000
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
    made: str | None
    sent: bool = False
    thread: int = 0

    @property
    def at(self) -> Micros:
        return self.interaction.at

    @property
    def took_effect(self) -> bool:
        return self.interaction.response.status < 400


@dataclass(slots=True)
class Replay:
    """A source that answers from a recording. Safe for concurrent use.

    Attributes:
        recording: The recording.
        discovery: Answers what belongs to an account.
        place: Where the replay stands, for messages.
        allow_unused: Whether recorded writes may be left out.
    """

    recording: Recording
    discovery: Discovery
    place: Place
    allow_unused: bool = False
    _now: Micros = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _reads: dict[_meaning.Key, Timeline] = field(default_factory=dict)
    _writes: dict[_meaning.Key, list[_Write]] = field(default_factory=dict)
    _home: dict[str, str] = field(default_factory=dict)
    _calls: dict[_meaning.Key, Call] = field(default_factory=dict)
    _barriers: dict[_meaning.Key, list[_Write]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for interaction in self.recording.interactions:
            self._file(interaction)

    def answer(self, request: Request, at: Instant) -> Response:
        """Answer from the recording.

        Args:
            request: What the client sent.
            at: Now; tokens are issued from here.

        Raises:
            ReplayMismatch: If the recording has no answer (QS301, QS302), has given
                it already (QS303), or ends before what is waited for (QS304).
        """
        call = identify(request)
        if call is None:
            raise _explain.stranger(request, self.place)
        with self._lock:
            if call.endpoint.family != "runtime":
                return self._account(call, request, at)
            key = _meaning.key_of(call, self.discovery.index_of(request.headers.get("service-crn", "")))
            if call.endpoint.is_write:
                return self._write(call, key, request)
            return self._read(key)

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
            self._reads.setdefault(key, Timeline()).states.append(interaction)
            self._calls[key] = call
            return
        ask = _meaning.read(call, interaction.request)
        made = _explain.created_id(interaction)
        if made and ask.session:
            self._home[made] = ask.session
        self._writes.setdefault(key, []).append(_Write(interaction, call, key, ask, made))

    def _account(self, call: Call, request: Request, at: Instant) -> Response:
        key = _meaning.key_of(call, 0)
        timeline = self._reads.get(key)
        if timeline is not None:
            recorded = self._advance(key, timeline).response
            if recorded.status >= 400:
                return recorded
        answer = self.discovery.answer(call, at)
        if answer is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        return answer

    def _read(self, key: _meaning.Key) -> Response:
        timeline = self._reads.get(key)
        if timeline is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        state = self._advance(key, timeline)
        if timeline.repeats > _PATIENCE + state.seen and not any(f in state.response.body for f in _FINAL):
            waiting = [w.interaction for w in self._barrier(key) if not w.sent]
            raise _explain.endless(key, timeline.repeats, waiting, self.place)
        return state.response

    def _every_key(self) -> list[_meaning.Key]:
        return [*self._reads, *self._writes]

    def _advance(self, key: _meaning.Key, timeline: Timeline) -> Interaction:
        barrier = self._barrier(key)
        if (between := self._between(self._calls[key], timeline, barrier)) is not None:
            raise _explain.no_moment(key, between.interaction, self.place, sent=between.sent)
        next_write = min((w.interaction.at for w in barrier if not w.sent), default=None)
        state = timeline.read(self._now, next_write, since=self._since(self._calls[key], barrier))
        self._now = max(self._now, state.at) + state.took
        return state

    def _between(self, read: Call, timeline: Timeline, barrier: list[_Write]) -> _Write | None:
        """A write that stands between this moment and every recorded state, if there is one.

        One to the thing itself does so alone. Others, such as the jobs of a session, come
        from threads in any order: they do when all of them are on the wrong side.
        Whether a thread still reads before what another one sends is chance.
        """
        first, last = timeline.states[0], timeline.states[-1]
        barrier = [w for w in barrier if w.took_effect]
        ahead = [w for w in barrier if w.at < first.at and not self.allow_unused]
        behind = [w for w in barrier if w.at > max(last.at, last.last) and _outdates(w, last)]
        for writes, wrong in ((ahead, False), (behind, True)):
            thread = threading.get_ident() if wrong else 0
            own = [w for w in writes if w.sent is wrong and w.thread == thread and _same_thing(w.call, read)]
            others = [w for w in writes if not _same_thing(w.call, read)]
            if own or (others and all(w.sent is wrong for w in others)):
                return (own or others)[0]
        return None

    def _since(self, read: Call, barrier: list[_Write]) -> tuple[Micros, Micros] | None:
        """The last write whose change must show: all before it were sent, or it was to the thing itself."""
        found: _Write | None = None
        complete = True
        for write in sorted((w for w in barrier if w.took_effect), key=lambda w: w.at):
            complete = complete and write.sent
            if write.sent and (complete or _same_thing(write.call, read)):
                found = write
        return (found.at, found.at + found.interaction.took) if found else None

    def _barrier(self, key: _meaning.Key) -> list[_Write]:
        if key not in self._barriers:
            every = (write for writes in self._writes.values() for write in writes)
            self._barriers[key] = [write for write in every if self._touches(write, self._calls[key])]
        return self._barriers[key]

    def _write(self, call: Call, key: _meaning.Key, request: Request) -> Response:
        ask = _meaning.read(call, request)
        candidates = self._writes.get(key, [])
        fitting = [w for w in candidates if w.ask.digest == ask.digest]
        # The digest quantises numbers; within the tolerance two sides of a step are equal.
        fitting = fitting or [w for w in candidates if not _meaning.differences(ask, w.ask)]
        between: _Write | None = None
        for write in (w for w in fitting if not w.sent):
            other = self._inverted(write)
            between = between or other
            if other is None:
                write.sent, write.thread = True, threading.get_ident()
                self._now = max(self._now, write.interaction.at) + write.interaction.took
                return write.interaction.response
        if between is not None:
            raise _explain.other_order(key, ask, between.interaction, self.place, sent=between.sent)
        if fitting:
            raise _explain.used_up(key, len(fitting), ask, self.place)
        rivals = [(w.interaction, _meaning.differences(ask, w.ask), w.sent) for w in candidates]
        raise _explain.no_write(key, ask, rivals, self._every_key(), self.place)

    def _inverted(self, write: _Write) -> _Write | None:
        """A write whose place before or after this one decided its answer, if it is on the other side."""
        every = (w for writes in self._writes.values() for w in writes if w is not write and w.took_effect)
        for other in every:
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

    def _touches(self, write: _Write, read: Call) -> bool:
        """Whether a write could change what a read shows."""
        name, ids = write.call.endpoint.name, write.call.ids
        if job := read.ids.get("job"):
            return ids.get("job") == job or (
                name == "sessions.cancel" and ids.get("session") == self._home.get(job)
            )
        if session := read.ids.get("session"):
            return ids.get("session") == session or write.ask.session == session
        return name in _CHANGED_BY.get(read.endpoint.name, ())


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
