"""The writes of a recording: which were sent, and what their order says of a read or of another write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from qsession import _explain, _meaning
from qsession._bodies import read_object
from qsession._endpoints import Call
from qsession._model import MEANING, Interaction, Match, Micros, Request
from qsession._timeline import Timeline

FINAL = (b'"Completed"', b'"Failed"', b'"Cancelled', b'"closed"')
"""What stands in the body of a job or session that will not change any more."""

_JOB_WRITES = frozenset({"jobs.create", "jobs.cancel", "jobs.delete", "jobs.tags", "sessions.cancel"})
_SESSION_WRITES = frozenset({"sessions.create", "sessions.update", "sessions.cancel"})
_LIMIT_WRITES = frozenset({"instances.configure"})
_CANCELS = frozenset({"jobs.cancel", "sessions.cancel"})
_ENDS = frozenset({"sessions.update", "sessions.cancel"})
# What reads of no single job or session show, by the writes that change it.
_CHANGED_BY = {
    "jobs.list": _JOB_WRITES,
    "tags.list": _JOB_WRITES,
    "workloads.list": _JOB_WRITES | _SESSION_WRITES,
    "instances.usage": _JOB_WRITES | _LIMIT_WRITES,
    "instances.configuration": _LIMIT_WRITES,
    "instance.get": _LIMIT_WRITES,
    "accounts.get": _LIMIT_WRITES,
    "analytics.usage": _JOB_WRITES | _SESSION_WRITES,
    "analytics.grouped": _JOB_WRITES | _SESSION_WRITES,
    "analytics.by_date": _JOB_WRITES | _SESSION_WRITES,
}
# These are made once, when a job ends: later writes do not change them, and tags never do.
_MADE_ONCE = frozenset({"jobs.results", "jobs.logs", "jobs.metrics"})


@dataclass(slots=True)
class Write:
    """A recorded write, and what became of it.

    Attributes:
        interaction: The exchange.
        call: The request, understood.
        key: The name of what it asks.
        ask: What its body asks.
        made: Id of the session or job that it made, or empty.
        sent: Whether it was sent in this replay.
        sent_at: When, counted from the start of the run.
        turn: The how many-th it was.
        thread: Who sent it.
    """

    interaction: Interaction
    call: Call
    key: _meaning.Key
    ask: _meaning.Ask
    made: str = ""
    sent: bool = False
    sent_at: Micros = 0
    turn: int = 0
    thread: int = 0

    @property
    def at(self) -> Micros:
        return self.interaction.at

    @property
    def span(self) -> tuple[Micros, Micros]:
        return self.at, self.at + self.interaction.took

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that it gives to a job."""
        return _meaning.tags(self.call, self.interaction.request)

    @property
    def drives(self) -> bool:
        """Whether what comes after it comes later if it does: a job runs on while its tags are set."""
        return self.call.endpoint.name != "jobs.tags"

    @property
    def took_effect(self) -> bool:
        return self.interaction.response.status < 400


@dataclass(slots=True, eq=False)
class Read:
    """The answers to one read, and the writes that bear upon it.

    Attributes:
        call: The request, understood.
        timeline: The answers.
        barrier: The writes that could change them, in their order, once somebody asked.
        known: What follows from those that were sent, as of the last time.
        given: Whether what is given once only was given.
    """

    call: Call
    timeline: Timeline = field(default_factory=Timeline)
    barrier: list[Write] | None = None
    known: Known | None = None
    given: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What follows for a read from the writes sent so far.

    Attributes:
        version: How many were sent.
        thread: For which thread it holds.
        next_write: When the first unsent one was recorded.
        since: Those whose change must show as soon as they are answered, in their order.
        between: One that stands between now and every recorded state, if there is one.
        anchor: The last one that was sent and drives what is read; the states are counted from it.
    """

    version: int
    thread: int
    next_write: Micros | None
    since: tuple[Write, ...]
    between: Write | None
    anchor: Write | None


@dataclass(slots=True)
class Order:
    """The writes of one replay. One caller at a time.

    Attributes:
        allow_unused: Whether recorded writes may be left out.
        match: How alike a job must be to a recorded one.
        alone: Whether all comes from one thread, so that no order is chance.
        writes: All writes, by what they ask.
        version: How many were sent.
        latest: The one that was sent last.
    """

    allow_unused: bool = False
    match: Match = MEANING
    alone: Callable[[], bool] = lambda: False
    writes: dict[_meaning.Key, list[Write]] = field(default_factory=dict)
    version: int = 0
    latest: Write | None = None
    _alike: dict[tuple[_meaning.Key, str], list[Write]] = field(default_factory=dict)
    _looser: dict[tuple[_meaning.Key, str], list[Write]] = field(default_factory=dict)
    _by_tags: dict[tuple[_meaning.Key, tuple[str, ...]], list[Write]] = field(default_factory=dict)
    _done: dict[tuple[_meaning.Key, str], int] = field(default_factory=dict)
    _compared: dict[tuple[str, str], bool] = field(default_factory=dict)
    _about: dict[str, list[Write]] = field(default_factory=dict)
    _into: dict[str, list[Write]] = field(default_factory=dict)
    _home: dict[str, str] = field(default_factory=dict)

    def file(self, interaction: Interaction, call: Call, key: _meaning.Key) -> None:
        """Take up a recorded write."""
        ask = _meaning.read(call, interaction.request)
        made = _explain.created_id(interaction) or ""
        if made and ask.session:
            self._home[made] = ask.session
        write = Write(interaction, call, key, ask, made)
        self.writes.setdefault(key, []).append(write)
        self._alike.setdefault((key, ask.digest), []).append(write)
        for about in {*call.ids.values(), made, call.endpoint.name}:
            self._about.setdefault(about, []).append(write)
        if ask.session:
            self._into.setdefault(ask.session, []).append(write)

    def every(self) -> Iterator[Write]:
        """All writes."""
        return (write for writes in self.writes.values() for write in writes)

    def unsent(self) -> tuple[Interaction, ...]:
        """Those that were not sent, in their order."""
        left = [write.interaction for write in self.every() if not write.sent]
        return tuple(sorted(left, key=lambda interaction: interaction.at))

    def candidates(self, key: _meaning.Key, call: Call, ask: _meaning.Ask) -> Iterator[Write]:
        """Those that may ask the same, the likeliest first; whether they do, `fits` says."""
        exact = self._alike.get((key, ask.digest), ())
        yield from self._unsent_first((key, ask.digest))
        if self.match.strict or (exact and self.match == MEANING):
            return
        others = self._alike_in_what_counts(key, call, ask) if self.match != MEANING else ()
        # Digests quantise numbers; within the tolerance two sides of a step are equal.
        rest = others or (self.writes.get(key, ()) if not exact else ())
        yield from (write for write in rest if write.ask.digest != ask.digest)

    def tagged(self, key: _meaning.Key, tags: tuple[str, ...]) -> Sequence[Write]:
        """Those that give a job these tags, which are sorted."""
        if not self._by_tags:
            for write in self.every():
                self._by_tags.setdefault((write.key, tuple(sorted(write.tags))), []).append(write)
        return self._by_tags.get((key, tags), ())

    def fits(self, ask: _meaning.Ask, request: Request, write: Write) -> bool:
        """Whether a write asks what a request asks."""
        if self.match.strict:
            return not _meaning.byte_differences(request, write.interaction.request)
        if ask.digest == write.ask.digest:
            return True
        pair = ask.digest, write.ask.digest
        if pair not in self._compared:
            self._compared[pair] = not _meaning.differences(ask, write.ask, self.match)
        return self._compared[pair]

    def _unsent_first(self, name: tuple[_meaning.Key, str]) -> Iterator[Write]:
        """Equal writes, from the first on that was not sent: a long row is not looked through each time."""
        writes, done = self._alike.get(name, []), self._done.get(name, 0)
        while done < len(writes) and writes[done].sent:
            done += 1
        self._done[name] = done
        for i in chain(range(done, len(writes)), range(done)):
            yield writes[i]

    def _alike_in_what_counts(self, key: _meaning.Key, call: Call, ask: _meaning.Ask) -> Sequence[Write]:
        if not self._looser:
            for write in self.every():
                common = _meaning.digest(write.call, write.ask, self.match)
                self._looser.setdefault((write.key, common), []).append(write)
        return self._looser.get((key, _meaning.digest(call, ask, self.match)), ())

    def send(self, write: Write, at: Micros) -> None:
        """A write is sent, no earlier than it was recorded: what was computed before it took time then."""
        write.sent, write.thread = True, threading.get_ident()
        write.sent_at = max(at, write.at)
        self.version += 1
        write.turn = self.version
        self.latest = write

    def known(self, read: Read) -> Known:
        """What follows for a read from the writes sent so far."""
        thread = threading.get_ident()
        known = read.known
        if known is None or known.version != self.version or known.thread != thread:
            if read.barrier is None:
                read.barrier = self._barrier(read.call)
            sent = [w for w in read.barrier if w.sent]
            read.known = known = Known(
                self.version,
                thread,
                min((w.at for w in read.barrier if not w.sent), default=None),
                tuple(_since(read)),
                self._between(read),
                max((w for w in sent if w.drives), key=lambda w: (w.sent_at, w.at), default=None),
            )
        return known

    def _between(self, read: Read) -> Write | None:
        """A write that stands between this moment and every recorded state, if there is one.

        One to the thing itself does so alone. Others, such as the jobs of a session, come
        from threads in any order: they do when all of them are on the wrong side.
        Whether a thread still reads before what another one sends is chance. With one
        thread nothing is.
        """
        # The client asks for usage before each job: what is said of that job tells more.
        alone = self.alone() and read.call.endpoint.name != "instances.usage"
        first, last = read.timeline.states[0], read.timeline.states[-1]
        barrier = [w for w in read.barrier or () if w.took_effect]
        ahead = [w for w in barrier if w.at < first.at and not self.allow_unused]
        behind = [w for w in barrier if w.at > max(last.at, last.last) and _outdates(w, last)]
        for writes, wrong in ((ahead, False), (behind, True)):
            thread = threading.get_ident() if wrong else 0
            own = [w for w in writes if w.sent is wrong and w.thread == thread and _same_thing(w, read.call)]
            others = [w for w in writes if not _same_thing(w, read.call)]
            misplaced = [w for w in others if w.sent is wrong]
            if own or (misplaced and (alone or len(misplaced) == len(others))):
                return (own or misplaced)[0]
        return self._unseen(read, [w for w in barrier if alone or _same_thing(w, read.call)])

    def _unseen(self, read: Read, own: list[Write]) -> Write | None:
        """A write that ends a time of which nothing was recorded, if it is that time for this thread."""
        mine = [w for w in own if w.sent and w.thread == threading.get_ident()]
        if not mine or self.allow_unused:
            return None
        state = read.timeline.first_since(mine[-1].at)
        return next((w for w in own if not w.sent and mine[-1].at < w.at < state.at), None)

    def _barrier(self, read: Call) -> list[Write]:
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

    def maker(self, thing: str) -> Write | None:
        """The write that made a session or a job, if it was recorded."""
        return next((w for w in self._about.get(thing, ()) if w.made == thing), None)

    def shuffled(self, read: Read, state: Interaction) -> bool:
        """Whether jobs or sessions that a list tells of were made in another order than recorded."""
        made = [w.turn for w in read.barrier or () if w.made and w.sent and w.at < state.at]
        return made != sorted(made)

    def inverted(self, write: Write) -> Write | None:
        """A write whose place before or after this one decided its answer, if it is on the other side."""
        job = write.call.ids.get("job", "")
        things = [job, self._home.get(job), write.call.ids.get("session"), write.ask.session]
        every = (w for thing in things if thing for w in self._about.get(thing, ()))
        for other in (w for w in every if w is not write and w.took_effect):
            if _same_thing(other, write.call):
                # A refusal tells of its moment: what was sent meanwhile may have taken its reason away.
                late = not write.took_effect and other.at > write.at and other.sent
            elif other.call.endpoint.name in _ENDS and _is_into(write, other.call.ids.get("session")):
                late = other.at > write.at and other.sent
            elif job and _cancels(other, self._home.get(job)) and write.drives:
                # Once its session is cancelled there is nothing to cancel, and something to delete.
                late = other.at > write.at and other.sent
            else:
                continue
            early = other.at < write.at and not other.sent and not self.allow_unused
            if late or (early and other.key != write.key) or (early and other.ask.digest != write.ask.digest):
                return other
        return None


def _since(read: Read) -> Iterator[Write]:
    """The writes whose change must show: all before them were sent, or they were to the thing itself."""
    complete = True
    for write in (w for w in read.barrier or () if w.took_effect):
        complete = complete and write.sent
        if write.sent and (complete or _same_thing(write, read.call)):
            yield write


def _same_thing(write: Write, call: Call) -> bool:
    things = {call.ids[kind] for kind in ("job", "session") if kind in call.ids}
    return not things.isdisjoint({write.made, write.call.ids.get("job"), write.call.ids.get("session")})


def _is_into(write: Write, session: str | None) -> bool:
    return write.call.endpoint.name == "jobs.create" and write.ask.session == session


def _cancels(write: Write, session: str | None) -> bool:
    return write.call.endpoint.name == "sessions.cancel" and write.call.ids.get("session") == session


def finished(metrics: Interaction) -> bool | None:
    """Whether metrics of a job have the moment of an end; None if they say nothing of moments."""
    moments = read_object(metrics.response.body).get("timestamps")
    return bool(moments.get("finished")) if isinstance(moments, Mapping) else None


def _outdates(write: Write, state: Interaction) -> bool:
    """Whether a state that was recorded before a write says nothing of the time after it."""
    name = write.call.endpoint.name
    if state.endpoint == "instances.usage":
        # The client asks for it before each job: what is said of that job tells more.
        return False
    if state.endpoint in _MADE_ONCE:
        # A cancel ends a job, and with it what was said of one that had not ended.
        return name == "jobs.delete" or (name in _CANCELS and finished(state) is False)
    if state.endpoint == "jobs.get" and name in _CANCELS:
        return not any(final in state.response.body for final in FINAL)
    return True
