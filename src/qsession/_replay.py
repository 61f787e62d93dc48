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
_JOB_WRITES = frozenset({"jobs.create", "jobs.cancel", "jobs.delete", "jobs.tags"})


@dataclass(slots=True)
class _Write:
    interaction: Interaction
    call: Call
    key: _meaning.Key
    ask: _meaning.Ask
    made: str | None
    sent: bool = False


@dataclass(slots=True)
class Replay:
    """A source that answers from a recording. Safe for concurrent use.

    Attributes:
        recording: The recording.
        discovery: Answers what belongs to an account.
        place: Where the replay stands, for messages.
    """

    recording: Recording
    discovery: Discovery
    place: Place
    _now: Micros = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _reads: dict[_meaning.Key, Timeline] = field(default_factory=dict)
    _writes: dict[_meaning.Key, list[_Write]] = field(default_factory=dict)
    _home: dict[str, str] = field(default_factory=dict)
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
        key = key if key in self._reads else _first_instance(key)
        timeline = self._reads.get(key)
        if timeline is None:
            raise _explain.no_read(key, self._every_key(), self.place)
        state = self._advance(key, timeline)
        if timeline.repeats > _PATIENCE + state.seen and not any(f in state.response.body for f in _FINAL):
            waiting = [w.interaction for w in self._barrier(key, state) if not w.sent]
            raise _explain.endless(key, timeline.repeats, waiting, self.place)
        return state.response

    def _every_key(self) -> list[_meaning.Key]:
        return [*self._reads, *self._writes]

    def _advance(self, key: _meaning.Key, timeline: Timeline) -> Interaction:
        barrier = self._barrier(key, timeline.states[0])
        next_write = min((w.interaction.at for w in barrier if not w.sent), default=None)
        state = timeline.read(self._now, next_write)
        self._now = max(self._now, state.at) + state.took
        return state

    def _barrier(self, key: _meaning.Key, state: Interaction) -> list[_Write]:
        if key not in self._barriers:
            every = (write for writes in self._writes.values() for write in writes)
            self._barriers[key] = [write for write in every if self._touches(write, state)]
        return self._barriers[key]

    def _write(self, call: Call, key: _meaning.Key, request: Request) -> Response:
        ask = _meaning.read(call, request)
        candidates = self._writes.get(key) or self._writes.get(_first_instance(key)) or []
        fitting = [w for w in candidates if w.ask.digest == ask.digest]
        # The digest quantises numbers; within the tolerance two sides of a step are equal.
        fitting = fitting or [w for w in candidates if not _meaning.differences(ask, w.ask)]
        for write in fitting:
            if not write.sent:
                write.sent = True
                self._now = max(self._now, write.interaction.at) + write.interaction.took
                return write.interaction.response
        if fitting:
            raise _explain.used_up(key, len(fitting), ask, self.place)
        rivals = [(w.interaction, _meaning.differences(ask, w.ask), w.sent) for w in candidates]
        raise _explain.no_write(key, ask, rivals, self._every_key(), self.place)

    def _touches(self, write: _Write, state: Interaction) -> bool:
        """Whether a write could change what a read shows."""
        read = identify(state.request)
        if read is None:
            return False
        name, ids = write.call.endpoint.name, write.call.ids
        if job := read.ids.get("job"):
            return ids.get("job") == job or (
                name == "sessions.cancel" and ids.get("session") == self._home.get(job)
            )
        if session := read.ids.get("session"):
            return ids.get("session") == session or write.ask.session == session
        return read.endpoint.name in {"jobs.list", "workloads.list", "tags.list"} and name in _JOB_WRITES


def _first_instance(key: _meaning.Key) -> _meaning.Key:
    # Several services of one account may name one recorded instance differently.
    return _meaning.Key(key.method, key.path, key.query, 0)
