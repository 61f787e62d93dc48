"""One run: a source, a clock, a recording, a guard. Asserts at its end whatever was swallowed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from qsession import _clock, _explain, _guard, _setup, _wire
from qsession._answers import Answers, Emulated, Replayed, Served
from qsession._clock import Schedule, SystemClock, VirtualClock
from qsession._config import Settings
from qsession._discovery import STAND_IN_TOKEN, Discovery
from qsession._drawn import begin_numbers, seeded, watched
from qsession._endpoints import Call, identify
from qsession._fence import round_run
from qsession._model import Asked, InstanceShape, Instant, Place, Provenance, Recording, Request, Response
from qsession._replay import Replay
from qsession._report import Summary
from qsession._sources import Embedded
from qsession._store import display
from qsession._tally import Tally
from qsession._usage import Usage
from qsession.errors import BudgetError, CassetteError, Parked, QSessionError, ReplayMismatch

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

    from qsession._custody import Custody
    from qsession._money import MoneyGuard
    from qsession._recording import Recorder

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

    def __init__(self, settings: Settings) -> None:
        # The code under test may change the working folder before the end of the run.
        scratch = settings.scratch.absolute()
        path = settings.path.absolute() if settings.path else None
        self._settings = settings = replace(settings, path=path, scratch=scratch)
        self._answers: Answers | None = None
        self._schedule: Schedule | None = None
        self._undo = ExitStack()
        self._lock = threading.Lock()
        self._refusals = Tally()
        self._answered = self._sessions = self._live = 0
        self._over = self._failed = False
        self._reason = ""
        self._custody: Custody | None = None
        self._hear_children: Callable[[], None] = lambda: None
        self._written = self._stale = ""
        self._judged = False
        self._origin: str = settings.target
        self._seed: int | None = None
        self._isa_seed: int | None = None
        self._random_seed: int | None = None
        self._backend = ""
        self._started: Instant = 0
        self._recorder: Recorder | None = None
        self._replay: Replay | None = None
        self._past: Replay | None = None
        self._money: MoneyGuard | None = None
        self._embedded: Embedded | None = None
        self._discovery: Discovery | None = None
        self._account: tuple[str, str | None] | None = None
        self.clock = VirtualClock()

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
        return self._answers.live if isinstance(self._answers, Served) else self._live

    @property
    def usage(self) -> Usage:
        """QPU time, as far as the answers tell.

        In a replay what the recording used; else what this run used so far.
        """
        if self._replay is not None:
            return Usage(self._replay.recording.provenance.qpu_seconds)
        return Usage(self._recorder.qpu_seconds() if self._recorder is not None else 0.0)

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

    def __enter__(self) -> Self:
        global _active  # noqa: PLW0603 - the one slot, set and cleared here
        if self._over:
            raise _setup.used_up()
        with _slot_lock:
            if _active is not None:
                raise _setup.nested(_active.mode, _active.path)
            _active = self
        try:
            self._open()
        except BaseException:
            self._leave()
            self._release()
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
                self._keep_recording()
            finally:
                self._release()
        except (QSessionError, OSError) as trouble:
            if error is None:
                raise
            # What went wrong in the block comes first; this is only said beside it.
            error.add_note(str(trouble))
        if not self._failed:
            self.check()
            self._check_unused()

    def isa_seed(self, proposed: int) -> int:
        """The seed with which circuits of this run are transpiled.

        Args:
            proposed: Seed to use and to write into the provenance.

        Returns:
            In a replay the seed of the recording, so that renaming a test changes
            no circuit; else the proposed one.
        """
        if self._replay is not None:
            recorded = self._replay.recording.provenance.isa_seed
            return proposed if recorded is None else recorded
        self._isa_seed = self._recall("isa_seed", proposed)
        return self._isa_seed

    def backend_name(self, proposed: str) -> str:
        """The backend that the fixtures give.

        Args:
            proposed: Name to use and to write into the provenance, whatever other
                backends the test asks for something; may be empty.

        Returns:
            In a replay the backend of the recording; else the proposed one.
        """
        if self._replay is not None:
            return self._replay.recording.provenance.backend or proposed
        self._backend = self._recall("backend", proposed)
        return self._backend

    def _recall(self, name: str, proposed: _Told) -> _Told:
        """What a resumed recording was told before; else what is proposed, which it is told now."""
        told = self._custody.recall(name, proposed) if self._custody is not None else proposed
        return told if isinstance(told, type(proposed)) else proposed

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
        return self._custody.parked if self._custody is not None else None

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
        if self._money is not None and self._money.exceeded is not None:
            raise self._money.exceeded
        self._hear_children()
        stuck = self._schedule.errors if self._schedule is not None else ()
        if troubles := (*self._refusals.causes(), *stuck):
            self._failed = True
            raise troubles[0]

    def summary(self) -> Summary:
        """What this run did, for the closing block."""
        unused = len(self._replay.unused()) if self._replay and self._over else 0
        return Summary(
            self.mode,
            self.target,
            test=self._settings.test,
            answered=self._answered,
            live=self.live_requests,
            sessions=self._sessions,
            qpu_seconds=self.usage.qpu_seconds,
            spent=self._money.spent(SystemClock().now()) if self._money else 0.0,
            written=self._written,
            parked=self._settings.resume_command if self.parked is not None else "",
            waits=self._settings.resume_command if self._custody and self._custody.waits else "",
            unused=unused,
            refused=self._refusals.count,
            making=self._refusals.making,
            leaps=self.clock.leaps,
            stale=self._stale,
            modelled=sum(replay.modelled for replay in (self._replay, self._past) if replay is not None),
        )

    def _open(self) -> None:
        # Against the service too, whose clock is the machine's: the replay of such a recording is refused.
        self._undo.enter_context(_clock.no_travel())
        if self.mode != "replay":
            if self.target == "ibm":
                _setup.refuse_ci(self._settings)
            # Only here: a replay has no use for it.
            from qsession._custody import Custody

            self._custody = Custody(self._settings)
            self._custody.take()
        if self.mode == "replay":
            self._open_recording()
        elif self.target == "emulator":
            self._open_emulator()
        else:
            self._money = self._undo.enter_context(_setup.money_guard(self._settings))
        environment = None
        if self.target != "ibm":
            fence = round_run(self._settings.allowed_hosts, self._refuse_host, tell=self._note_child)
            environment, self._hear_children = self._undo.enter_context(fence)
        self._undo.enter_context(
            _wire.hooked(
                self._ask,
                stand_in=self._stand_in,
                wished=self._note_wish,
                environment=environment,
                leaps=self._settings.polls != "exact",
                # Nothing clever stands between the client and the service.
                sharing=self.target != "ibm",
            )
        )
        # After the imports of the client, which would take virtual time for the machine's.
        self._begin()
        self._begin_numbers()
        self._undo.enter_context(_wire.installed(self._handle))

    def _open_recording(self) -> None:
        assert self._settings.path is not None
        recording = _setup.store(self._settings).load(self._settings.path)
        self._origin = recording.provenance.target
        where = display(self._settings.path)
        self._stale = self._settings.expiry.of_age(recording.provenance, SystemClock().now(), where)
        self._discovery = Discovery.of(recording.provenance)
        self._replay = self._replaying(recording)
        self._undo.enter_context(watched(self._replay.drawn))

    def _replaying(self, recording: Recording) -> Replay:
        assert self._discovery is not None
        return Replay(
            recording,
            self._discovery,
            replace(self._place(), versions=recording.provenance.versions),
            allow_unused=self._settings.allow_unused,
            match=self._settings.match,
            beyond=self._settings.beyond == "model",
            moved_to=lambda: _clock.moved_to(self.clock),
            alone=lambda: self._schedule is not None and self._schedule.joined <= 1,
        )

    def _open_emulator(self) -> None:
        emulator = _setup.emulator(self._settings)
        self._seed = emulator.seed
        self._account = _setup.account_of(emulator)
        if not emulator.has_own_account:
            shapes = [InstanceShape(i.plan, i.pricing_type, i.region) for i in emulator.instances]
            self._discovery = Discovery(shapes)
        self._embedded = Embedded(emulator, self._discovery)

    def _begin(self) -> None:
        """Let time and answers begin: virtual, but against the service until the test moves the clock."""
        if self._replay is not None:
            self._started = self._replay.recording.provenance.recorded_at
            schedule = self._go_virtual(self._started)
            self._answers = Replayed(self._replay, schedule, redact=self._settings.redact)
            return
        self._started = SystemClock().now() if self._money else _setup.EMULATED_START
        assert self._custody is not None
        self._recorder = self._custody.recorder(self._started)
        self._started = self._recorder.start
        if self._embedded is not None:
            self._answers = Emulated(self._embedded, self._recorder, self._go_virtual(self._started))
        elif self._money is not None:
            self._answers = self._custody.answers(self._recorder, self._money)
            _clock.on_first_move(self.clock, self._end_recorded_part)

    def _begin_numbers(self) -> None:
        """Let numbers that nobody seeds be those of the recording."""
        if self._replay is not None:
            self._random_seed = self._replay.recording.provenance.random_seed
        elif self.mode == "record":
            # On the service each recording has its own: a name that the test makes of them must be new there.
            proposed = _setup.stable_seed(self._settings) if self._embedded else secrets.randbits(32)
            self._random_seed = self._recall("random_seed", proposed)
        if self._random_seed is not None:
            self._undo.enter_context(seeded(self._random_seed))

    def begin_numbers_again(self) -> None:
        """Let them begin anew with the test itself, whatever its fixtures and other plugins did to them."""
        if self._random_seed is not None:
            begin_numbers(self._random_seed)

    def _go_virtual(self, at: Instant) -> Schedule:
        self._schedule = _clock.begin(self.clock, at)
        self._undo.callback(_clock.end, self.clock)
        self._schedule.polls_leap = self._settings.polls == "leap"
        return self._schedule

    def _end_recorded_part(self) -> None:
        """The test moves the clock in a run against the service: from here on the model answers.

        Nobody can wait for hours on a QPU because a test says so.
        """
        assert self._recorder is not None
        assert self._money is not None
        self._live = self.live_requests
        self._money.close_all("the test moved the clock")
        at, recording = SystemClock().now(), self._recorder.finished(self._provenance())
        self._discovery = Discovery.of(recording.provenance)
        for crn in self._recorder.crns:
            self._discovery.index_of(crn)
        self._past = self._replaying(recording)
        self._past.lived_through()
        self._answers = Replayed(self._past, self._go_virtual(at))

    def _leave(self) -> None:
        global _active  # noqa: PLW0603 - the one slot, set and cleared here
        self._over = True
        try:
            self._undo.close()
        finally:
            with _slot_lock:
                _active = None

    def _handle(self, request: Request, send: _wire.Send) -> Response:
        call = identify(request)
        if self._over:
            # What is none of the service's was let through before, and still is.
            return send(request) if call is None else self._too_late(call, request, send)
        if call is None:
            if self.target != "ibm" and not self._may_pass(urlsplit(request.url).hostname or ""):
                self._refuse(_explain.stranger(request, self._place()))
            return send(request)
        if self.parked is not None:
            raise self.parked
        try:
            assert self._answers is not None
            self._check_version(request)
            answer = self._answers.answer(call, request, send)
        except (ReplayMismatch, BudgetError, CassetteError) as refusal:
            self._refuse(refusal, call)
        with self._lock:
            self._answered += 1
            made = call.endpoint.name == "sessions.create" and answer.status < 300
            self._sessions += made and self._replay is None
        return answer

    def _check_version(self, request: Request) -> None:
        asked = request.headers.get("ibm-api-version", "")
        if self._replay is None or self._judged or not asked:
            return
        # The client's, as the recorded one is: a test that asks for others by itself knows what it does.
        self._judged = True
        where = display(self._settings.path) if self._settings.path else ""
        version = self._settings.expiry.of_version(self._replay.recording.provenance, asked, where)
        self._stale = self._stale or version

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

    def _stand_in(self) -> tuple[str, str | None]:
        if self._discovery is not None:
            return STAND_IN_TOKEN, self._discovery.default_crn
        if self._account is not None:
            return self._account
        raise _setup.no_account(self._settings)

    def _ask(self, asked: Asked) -> None:
        # The service takes accounts as they are; past the recorded part nobody has one any more.
        if self._discovery is not None:
            self._discovery.ask(asked)

    def _note_wish(self, asked: Asked, is_met: bool) -> None:
        if self._recorder is not None:
            self._recorder.wished(asked, is_met=is_met)

    def _keep_recording(self) -> None:
        if self._custody is None or self._recorder is None:
            return
        wrong = (
            self._money.exceeded
            if self._money and self._money.exceeded
            else next(iter(self._refusals.causes()), None)
        )
        failed = self._reason or (wrong.what if wrong else "") if self._failed or wrong else None
        self._written = self._custody.finish(self._recorder, self._provenance(), failed=failed)

    def _release(self) -> None:
        if self._custody is not None:
            self._custody.release()

    def _check_unused(self) -> None:
        if self._replay is None or self._settings.allow_unused:
            return
        if unused := self._replay.unused():
            self._failed = True
            raise _explain.unused(unused, self._place())

    def _provenance(self) -> Provenance:
        return Provenance(
            target=self.target,
            recorded_at=self._started,
            test=self._settings.test,
            backend=self._settings.backend or self._backend,
            versions=_setup.versions(),
            seed=self._seed,
            isa_seed=self._isa_seed,
            random_seed=self._random_seed,
        )

    def _place(self) -> Place:
        return _setup.place(self._settings, self._origin)
