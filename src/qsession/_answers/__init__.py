"""How a request of a run is answered, and how long that takes: one way for each kind of source."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from qsession._bodies import read_object
from qsession._clock import SHORTEST, Schedule, SystemClock
from qsession._discovery import TOKEN_SECONDS
from qsession._endpoints import Call, identify
from qsession._model import SECOND, Instant, Micros, Request, Response
from qsession._recording import Recorder
from qsession._replay import Replay, Reply
from qsession._sharing import takes_no_time
from qsession._sources import Embedded, Service
from qsession.errors import ReplayMismatch

if TYPE_CHECKING:
    from qsession._money import MoneyGuard
    from qsession._redaction import Redactor

_NOT_RECORDED = frozenset({"QS301", "QS302"})
_POLLS = frozenset({"jobs.get", "sessions.get"})


class Answers(Protocol):
    """Answers the requests of a run."""

    def answer(self, call: Call, request: Request, send: Callable[[Request], Response]) -> Response:
        """Answer one request.

        Args:
            call: The request, understood.
            request: As the code under test sent it.
            send: Sends a request to the real network.
        """
        ...


@dataclass(slots=True)
class Replayed:
    """A recording answers, on a schedule.

    Attributes:
        replay: The recording, and where the run stands in it.
        schedule: The time of the run.
    """

    replay: Replay
    schedule: Schedule
    redact: tuple[str, ...] = ()
    _token_ends: Instant = 0
    _redactor: Redactor | None = None
    _grants: list[tuple[Call, Request]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.follow(self.schedule)

    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on."""
        self.schedule, schedule.foresight = schedule, self._foresee

    def answer(self, call: Call, request: Request, send: Callable[[Request], Response]) -> Response:
        """Answer as of this moment."""
        member, began = self.schedule.join_in(), self.schedule.now()
        reply = self._reply(call, request, began)
        self.schedule.wait(reply.until - began)
        member.polled_at = began if call.endpoint.name in _POLLS else None
        self._token_ends = _token_ends(call, began) or self._token_ends
        return reply.response

    def _reply(self, call: Call, request: Request, at: Instant) -> Reply:
        if call.endpoint.name == "iam.token":
            self._grants.append((call, request))
        try:
            return self.replay.reply(request, at)
        except ReplayMismatch as unknown:
            if unknown.code not in _NOT_RECORDED or (cleaned := self._cleaned(call, request)) == request:
                raise
            try:
                return self.replay.reply(cleaned, at)
            except ReplayMismatch:
                raise unknown from None

    def _cleaned(self, call: Call, request: Request) -> Request:
        """What the recording holds in the place of a request with a secret in it."""
        from qsession._redaction import Redactor, rules

        # Only here: a replay that asks nothing of the kind does not load it.
        if self._redactor is None:
            self._redactor = Redactor(rules(self.redact, origin="the run"))
        for known in (*self._grants, (call, request)):
            self._redactor.learn_request(*known)
        if crn := request.headers.get("service-crn"):
            self._redactor.learn_crn(crn)
        self._grants.clear()
        clean = self._redactor.clean_request(call, request)
        return replace(request, url=clean.url, body=clean.body)

    def _foresee(self, now: Instant) -> tuple[Instant | None, Micros]:
        event, cost = self.replay.next_change(now)
        return _earlier(event, self._token_ends, now), cost


@dataclass(slots=True)
class Emulated:
    """The emulator answers, on a schedule, and is recorded.

    Attributes:
        embedded: The emulator.
        recorder: Takes down what is said.
        schedule: The time of the run.
        is_layered: Whether what tests read in common is recorded elsewhere, and so moves no clock.
        not_before: When the last of what it knows was made. A request that comes earlier has its answer
            later: that is recorded of it, so a replay takes as long.
    """

    embedded: Embedded
    recorder: Recorder
    schedule: Schedule
    is_layered: bool = False
    not_before: Instant = 0
    _token_ends: Instant = 0

    def __post_init__(self) -> None:
        self.follow(self.schedule)

    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on."""
        self.schedule, schedule.foresight = schedule, self._foresee

    def answer(self, call: Call, request: Request, send: Callable[[Request], Response]) -> Response:
        """Answer as of this moment; what the emulator computes takes no virtual time."""
        member, began = self.schedule.join_in(), self.schedule.now()
        outgoing = self.recorder.outgoing(call, request)
        with self.schedule.held():  # the simulator has threads of its own
            sent = self.embedded.answer(outgoing, max(began, self.not_before))
        is_free = self.is_layered and takes_no_time(call)
        length = 0 if is_free else SHORTEST + max(0, self.not_before - began)
        self.schedule.wait(length)
        member.polled_at = began if call.endpoint.name in _POLLS else None
        self._token_ends = _token_ends(call, began) or self._token_ends
        return self.recorder.incoming(call, request, sent, began, began + length)

    def _foresee(self, now: Instant) -> tuple[Instant | None, Micros]:
        return _earlier(self.embedded.emulator.next_change(now), self._token_ends, now), SHORTEST


@dataclass(slots=True)
class Served:
    """The service answers, in real time, guarded and recorded.

    Attributes:
        recorder: Takes down what is said.
        money: Watches over QPU time.
        clock: The machine's time.
        live: Requests that left for the service.
        parking: Leaves what is queued for too long; None for never.
    """

    recorder: Recorder
    money: MoneyGuard
    clock: SystemClock = field(default_factory=SystemClock)
    live: int = 0
    parking: Parking | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def answer(self, call: Call, request: Request, send: Callable[[Request], Response]) -> Response:
        """Have the service answer, if the budget allows."""
        return self.serve(call, request, send)

    def serve(self, call: Call, request: Request, send: Callable[[Request], Response]) -> Response:
        """Send a request, guarded, and take the exchange down."""
        outgoing = self.recorder.outgoing(call, request)
        # The guard talks to the service itself: it must know things by their real ids.
        real = identify(outgoing) or call
        self.money.before(real, outgoing, self.clock.now())
        self.recorder.asking(call, request, self.clock.now())
        with self._lock:
            self.live += 1
        began = self.clock.now()
        try:
            answer = Service(send).answer(outgoing, began)
        except Exception:
            self.recorder.failed()
            raise
        ended = self.clock.now()
        self.money.after(real, outgoing, answer, ended)
        seen = self.recorder.incoming(call, request, answer, began, ended)
        if self.parking is not None and real.endpoint.name == "jobs.get":
            self.parking.look(self.money, real.ids["job"], answer, ended)
        return seen


@dataclass(slots=True)
class Parking:
    """Says when a run is to be left, because its job is still queued.

    Attributes:
        patience: How long a job may be queued.
        leave: Called then; raises.
    """

    patience: Micros
    leave: Callable[[], None]
    _since: dict[str, Instant] = field(default_factory=dict)

    def look(self, money: MoneyGuard, job: str, answer: Response, at: Instant) -> None:
        """Look at what the service says of a job; leave if it was queued for too long.

        Only a job of a batch, or one without a session, is left: an open dedicated
        session costs QPU time once its first job starts, whether somebody is there or not.
        """
        if answer.status >= 300 or _state(answer) != "queued":
            self._since.pop(job, None)
        elif at - self._since.setdefault(job, at) >= self.patience and money.may_be_left(job):
            self.leave()


def _state(answer: Response) -> str:
    state = read_object(answer.body).get("state")
    status = state.get("status") if isinstance(state, Mapping) else read_object(answer.body).get("status")
    return str(status).lower()


def _token_ends(call: Call, at: Instant) -> Instant:
    # The SDK asks for a new one after four fifths of its life (read in ibm-cloud-sdk-core).
    return at + (TOKEN_SECONDS * 4 // 5 + 1) * SECOND if call.endpoint.name == "iam.token" else 0


def _earlier(event: Instant | None, token_ends: Instant, now: Instant) -> Instant | None:
    # Where nothing else will happen, a token that ends is no reason to poll on.
    return min(event, token_ends) if event is not None and token_ends > now else event
