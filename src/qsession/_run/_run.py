"""One run: a source, a clock, a recording, a guard. Asserts at its end whatever was swallowed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from qsession import _clock, _explain, _guard, _setup, _wire
from qsession._answers import Served
from qsession._clock import VirtualClock
from qsession._config import Settings
from qsession._drawn import begin_numbers, seeded, watched
from qsession._endpoints import Call, identify
from qsession._fence import round_run
from qsession._model import Asked, Instant, Place, Recording, Request, Response
from qsession._report import Summary
from qsession._run._ground import Ground
from qsession._run._replaying import Replaying
from qsession._tally import Tally
from qsession._usage import Usage
from qsession.errors import BudgetError, CassetteError, Parked, QSessionError, ReplayMismatch, UsageError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

    from qsession._ids import Ids
    from qsession._run._recording import Recorded, Serving
    from qsession.emulator import Emulator

_Told = TypeVar("_Told", int, str)

_slot_lock = threading.Lock()
_active: Run | None = None


def active() -> Run | None:
    """The run that is on in this process, or None."""
    return _active


class Run:
    """What is between ``with`` and its end: every request of the client goes through here.

    Use ``qsession.record`` and ``qsession.replay``, or the pytest fixtures.
    """

    def __init__(self, settings: Settings, ground: Ground | None = None) -> None:
        # The code under test may change the working folder before the end of the run.
        scratch = settings.scratch.absolute()
        path = settings.path.absolute() if settings.path else None
        self._settings = settings = replace(settings, path=path, scratch=scratch)
        self._ground = ground or Ground()
        self._whole, self._on = ExitStack(), ExitStack()
        self._lock = threading.Lock()
        self._refusals = Tally()
        self._answered = self._sessions = self._live = self._turns = 0
        self._over = self._failed = False
        self._reason = self._written = ""
        self._moment: Instant = 0
        self._hear_children: Callable[[], None] = lambda: None
        self.clock = VirtualClock()
        self._way = _way_of(settings, self.clock, self._ground)

    @property
    def mode(self) -> str:
        """``record``, ``replay``, ``live`` or ``scenario``."""
        return self._settings.mode

    @property
    def target(self) -> str:
        """Who answers: ``ibm``, ``emulator``, or ``recording`` in a replay."""
        return "recording" if self.mode == "replay" else self._settings.target

    @property
    def path(self) -> Path | None:
        """The cassette; None in a live run and in a scenario."""
        return self._settings.path

    @property
    def requests(self) -> int:
        """Requests of the client that were answered so far."""
        return self._answered

    @property
    def live_requests(self) -> int:
        """Requests that left for the service so far; 0 in a replay and with the emulator."""
        answers = self._way.answers
        return answers.live if isinstance(answers, Served) else self._live

    @property
    def usage(self) -> Usage:
        """QPU time, as far as the answers tell.

        In a replay what the recording used; else what this run used so far.
        """
        return Usage(self._way.qpu_seconds())

    def service(self) -> QiskitRuntimeService:
        """A real ``QiskitRuntimeService``, made from the account of this machine.

        In a replay and with the emulator an account that opens nothing stands in
        where the machine has none.

        Raises:
            UsageError: If the run is over (QS104).
        """
        from qiskit_ibm_runtime import QiskitRuntimeService

        if self._over or _active is not self:
            raise _setup.not_active()
        given = {"name": self._settings.account, "instance": self._settings.instance}
        return QiskitRuntimeService(**{key: value for key, value in given.items() if value})

    # Its life.

    def __enter__(self) -> Self:
        if self._over:
            raise _setup.used_up()
        self._take_the_slot()
        try:
            self._way.open(self._whole)
            self._turn_on(begins=True)
        except BaseException:
            self._leave()
            self._way.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._failed = self._failed or kind is not None
        if kind is not None and not self._reason:
            self._reason = f"{kind.__name__}: {error}"
        if error is not None:
            self._refusals.stand_beside(error)
        try:
            self._leave()
            try:
                self._written = self._way.finish(self._failure())
            finally:
                self._way.release()
        except (QSessionError, OSError) as trouble:
            if error is None:
                raise
            # What went wrong in the block comes first; this is only said beside it.
            error.add_note(str(trouble))
        if not self._failed:
            self.check()
            self._check_unused()

    def pause(self) -> None:
        """Let other runs be on until `go_on`: everything is put back, and its time stands still.

        A fixture of wide scope is set up, and torn down later; in between are the tests.
        """
        self._moment = self.moment
        self._turn_off()
        self._leave_the_slot()

    def go_on(self, *, after: Run | None = None) -> None:
        """Be on again.

        Args:
            after: A run that was on meanwhile and belongs to it: a fixture that the test asked for.
        """
        if after is not None:
            self._moment = max(self._moment, after.moment)
            if "replay" not in (self.mode, after.mode):
                self._recorded_way().adopt(after._recorded_way())
        self._take_the_slot()
        try:
            self._turn_on(begins=False)
        except BaseException:
            self._leave_the_slot()
            raise

    @property
    def moment(self) -> Instant:
        """Now, on the clock of the run; when it was left, while it is paused."""
        schedule = _clock.schedule_of(self.clock)
        return schedule.now() if schedule is not None and not schedule.over else self._moment

    @property
    def name(self) -> str:
        """Its name among the layers, if it is one."""
        return self._ground.name

    @property
    def ids(self) -> Ids | None:
        """Real ids and pseudonyms of what it made; None in a replay."""
        return self._way.ids

    @property
    def emulator(self) -> Emulator | None:
        """The emulator that answers, or None."""
        return self._way.emulator

    def recorded(self) -> Recording | None:
        """The recording as it stands; None before it begins."""
        return self._way.recorded()

    # What is told to it, and what it tells.

    def isa_seed(self, proposed: int) -> int:
        """The seed with which circuits of this run are transpiled.

        Args:
            proposed: Seed to use and to write into the provenance.

        Returns:
            In a replay the seed of the recording, so that renaming a test changes
            no circuit; else the proposed one.
        """
        return self._told("isa_seed", proposed)

    def backend_name(self, proposed: str) -> str:
        """The backend that the fixtures give.

        Args:
            proposed: Name to use and to write into the provenance, whatever other
                backends the test asks for something; may be empty.

        Returns:
            In a replay the backend of the recording; else the proposed one.
        """
        return self._told("backend", proposed)

    def _told(self, name: str, proposed: _Told) -> _Told:
        told = self._way.told(name, proposed)
        return told if isinstance(told, type(proposed)) else proposed

    def begin_numbers_again(self) -> None:
        """Let them begin anew with the test itself, whatever its fixtures and other plugins did to them."""
        if self._way.random_seed is not None:
            begin_numbers(self._way.random_seed)

    def refusals(self) -> tuple[QSessionError, ...]:
        """What had no answer so far, in order: the first of each cause."""
        return self._refusals.causes()

    def fail(self, reason: str = "") -> None:
        """Say that the test failed: its recording is kept aside and replaces nothing.

        Args:
            reason: What failed, for whoever looks at what was kept aside.
        """
        self._failed = True
        self._reason = self._reason or reason

    @property
    def parked(self) -> Parked | None:
        """Why the test was left until later, or None."""
        return self._way.parked

    def check(self) -> None:
        """Raise the first refusal of this run, if there was one.

        The client swallows errors in discovery, in ``least_busy`` and in its fallback
        to the API key, so that a test can pass although a request had no answer.

        Raises:
            ReplayMismatch: What was refused first.
            BudgetError: What was refused first.
            ClockError: What ended a wait that had no end.
            Parked: If the test was left until later and went on regardless.
        """
        if self.parked is not None:
            raise self.parked
        if (trouble := self._way.trouble()) is not None:
            raise trouble
        self._hear_children()
        schedule = _clock.schedule_of(self.clock)
        stuck = schedule.errors if schedule is not None else ()
        if troubles := (*self._refusals.causes(), *stuck):
            self._failed = True
            raise troubles[0]

    def summary(self) -> Summary:
        """What this run did, for the closing block."""
        way, unused = self._way, 0
        if isinstance(way, Replaying):
            unused = len(way.unused()) if self._over else 0
            waits, spent, modelled, is_other = False, 0.0, way.modelled, False
        else:
            from qsession._run._recording import told_by

            told = told_by(self._recorded_way())
            waits, spent, modelled, is_other = told.waits, told.spent, told.modelled, told.is_other
        return Summary(
            self.mode,
            self.target,
            test=self._settings.test,
            answered=self._answered,
            live=self.live_requests,
            sessions=self._sessions,
            qpu_seconds=self.usage.qpu_seconds,
            spent=spent,
            written=self._written,
            parked=self._settings.resume_command if self.parked is not None else "",
            waits=self._settings.resume_command if waits else "",
            unused=unused,
            refused=self._refusals.count,
            making=self._refusals.making,
            leaps=self.clock.leaps,
            stale=way.stale,
            modelled=modelled,
            is_layer=self._settings.layer is not None,
            is_other=is_other,
        )

    # What is on while it is on.

    def _turn_on(self, *, begins: bool) -> None:
        on, settings = self._on, self._settings
        # Also against the service, whose clock is the machine's: no replay could follow.
        on.enter_context(_clock.no_travel())
        environment = None
        if self.target != "ibm":
            fence = round_run(settings.allowed_hosts, self._refuse_host, tell=self._note_child)
            environment, self._hear_children = on.enter_context(fence)
        on.enter_context(
            _wire.hooked(
                self._ask,
                stand_in=self._way.stand_in,
                wished=self._note_wish,
                environment=environment,
                leaps=settings.polls != "exact",
                # Nothing clever stands between the client and the service.
                sharing=self.target != "ibm",
            )
        )
        if isinstance(self._way, Replaying):
            on.enter_context(watched(self._way.replay.drawn))
        # After the imports of the client, which would take virtual time for the machine's.
        if begins:
            self._way.begin()
            self._moment = self._way.started
        if self._way.is_virtual:
            self._go_virtual()
        elif begins:
            _clock.on_first_move(self.clock, self._end_recorded_part)
        self._seed_numbers()
        on.enter_context(_wire.installed(self.handle))

    def _turn_off(self) -> None:
        self._on.close()
        self._turns += 1

    def _go_virtual(self) -> None:
        schedule = _clock.begin(self.clock, self._moment)
        self._on.callback(_clock.end, self.clock)
        schedule.polls_leap = self._settings.polls == "leap"
        self._way.follow(schedule)

    def _seed_numbers(self) -> None:
        """Let numbers that nobody seeds be those of the recording."""
        if self._way.random_seed is not None and self._ground.random_seed is None:
            # Paused, they do not begin with the same ones again.
            self._on.enter_context(seeded(self._way.random_seed + self._turns))

    def _end_recorded_part(self) -> None:
        way = self._serving_way()
        self._live = self.live_requests
        self._moment = way.end_recorded_part()
        self._go_virtual()

    def _take_the_slot(self) -> None:
        global _active  # noqa: PLW0603 - the one slot, set and cleared here
        with _slot_lock:
            if _active is not None:
                raise _setup.nested(_active.mode, _active.path)
            _active = self

    def _leave_the_slot(self) -> None:
        global _active  # noqa: PLW0603 - the one slot, set and cleared here
        with _slot_lock:
            if _active is self:
                _active = None

    def _leave(self) -> None:
        self._moment = self.moment
        self._over = True
        try:
            self._turn_off()
        finally:
            try:
                self._whole.close()
            finally:
                self._leave_the_slot()

    # Its requests.

    def handle(self, request: Request, send: _wire.Send) -> Response:
        """Answer a request of this process, or refuse it.

        Args:
            request: The request.
            send: Sends it to the real network.

        Raises:
            QSessionError: If it has no answer.
        """
        call = identify(request)
        if self._over or _active is not self:
            # What is none of the service's was let through before, and still is.
            return send(request) if call is None else self._too_late(call, request, send)
        if call is None:
            if self.target != "ibm" and not self._may_pass(urlsplit(request.url).hostname or ""):
                self._refuse(_explain.stranger(request, self._place()))
            return send(request)
        if self.parked is not None:
            raise self.parked
        try:
            assert self._way.answers is not None
            self._look_at(call, request)
            if isinstance(self._way, Replaying):
                self._way.check_version(request.headers.get("ibm-api-version", ""))
            answer = self._way.answers.answer(call, request, send)
        except (ReplayMismatch, BudgetError, CassetteError, UsageError) as refusal:
            self._refuse(refusal, call)
        with self._lock:
            self._answered += 1
            made = call.endpoint.name == "sessions.create" and answer.status < 300
            self._sessions += made and self.mode != "replay"
        return answer

    def _look_at(self, call: Call, request: Request) -> None:
        if self._ground.check is not None:
            self._ground.check(call)
        if self._ground.also is None or self.mode == "replay":
            return
        for other in self._ground.also(request):
            self._recorded_way().adopt(other._recorded_way())
            schedule = _clock.schedule_of(self.clock)
            if schedule is not None:
                # What it speaks of was made by then.
                schedule.wait(other.moment - schedule.now())

    def _too_late(self, call: Call, request: Request, send: _wire.Send) -> Response:
        # A connection of this run lives on in a pool. Where the run had the service,
        # reading goes on; what costs money does not, nor does anything else.
        if self.target == "ibm" and request.method == "GET":
            return send(request)
        raise _explain.too_late(call, request, where=self._settings.test or str(self.path or ""))

    def _refuse(self, refusal: QSessionError, call: Call | None = None) -> NoReturn:
        self._refusals.add(refusal, call)
        raise refusal

    def _refuse_host(self, host: str) -> NoReturn:
        self._refuse(_explain.way_out(host, self._place()))

    def _note_child(self, note: str) -> None:
        self._refusals.add(_explain.child_refused(note, self._place()))

    def _may_pass(self, host: str) -> bool:
        return _guard.is_loopback(host) or host.lower() in self._settings.allowed_hosts

    def _ask(self, asked: Asked) -> None:
        # The service takes accounts as they are; past the recorded part nobody has one any more.
        if self._way.discovery is not None:
            self._way.discovery.ask(asked)

    def _note_wish(self, asked: Asked, is_met: bool) -> None:
        self._way.wished(asked, is_met=is_met)

    # Its end.

    def _failure(self) -> str | None:
        """Why its recording must not become a cassette; None if it may."""
        wrong = self._way.trouble() or next(iter(self._refusals.causes()), None)
        return self._reason or (wrong.what if wrong else "") if self._failed or wrong else None

    def _check_unused(self) -> None:
        if isinstance(self._way, Replaying) and (unused := self._way.unused()):
            self._failed = True
            raise _explain.unused(unused, self._place())

    def _place(self) -> Place:
        return _setup.place(self._settings, self._way.origin)

    def _recorded_way(self) -> Recorded:
        from qsession._run._recording import Recorded

        assert isinstance(self._way, Recorded)
        return self._way

    def _serving_way(self) -> Serving:
        from qsession._run._recording import Serving

        assert isinstance(self._way, Serving)
        return self._way


def _way_of(settings: Settings, clock: VirtualClock, ground: Ground) -> Replaying | Recorded:
    if settings.mode == "replay":
        return Replaying(settings, clock, ground)
    # Only here: a replay has no use for it.
    from qsession._run._recording import Emulating, Serving

    kind = Emulating if settings.target == "emulator" else Serving
    return kind(settings, clock, ground)
