"""One run: a source, a clock, a recording, a guard. Asserts at its end whatever was swallowed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from qsession import _clock, _explain, _setup, _wire
from qsession._answers import Served
from qsession._clock import VirtualClock
from qsession._config import Settings
from qsession._drawn import begin_numbers
from qsession._endpoints import Call
from qsession._model import Instant, Recording, Request, Response
from qsession._report import Summary
from qsession._run import _slot
from qsession._run._ground import Ground
from qsession._run._replaying import Replaying
from qsession._run._requests import Requests
from qsession._run._slot import active
from qsession._run._stage import Stage
from qsession._usage import Usage
from qsession.errors import Parked, QSessionError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import QiskitRuntimeService

    from qsession._ids import Ids
    from qsession._run._recording import Recorded, Serving
    from qsession.emulator import Emulator

_Told = TypeVar("_Told", int, str)


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
        self._whole = ExitStack()
        self._live = 0
        self._over = self._failed = False
        self._reason = self._written = ""
        self.clock = VirtualClock()
        self._way = _way_of(settings, self.clock, self._ground)
        self._requests = Requests(
            settings,
            self._way,
            is_on=lambda: not self._over and active() is self,
            look_at=self._look_at,
            owner=self._ground.owner,
        )
        seeds = self._ground.random_seed is None
        self._stage = Stage(settings, self._way, self._requests, self.clock, seeds=seeds)

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
        return self._requests.answered

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

        if self._over or active() is not self:
            raise _setup.not_active()
        given = {"name": self._settings.account, "instance": self._settings.instance}
        return QiskitRuntimeService(**{key: value for key, value in given.items() if value})

    # Its life.

    def __enter__(self) -> Self:
        if self._over:
            raise _setup.used_up()
        _slot.take(self)
        try:
            self._way.open(self._whole)
            self._stage.on(first_move=self._end_recorded_part)
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
            self._requests.refusals.stand_beside(error)
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

    def _pause(self) -> None:
        """Let other runs be on until `_go_on`: everything is put back, and its time stands still.

        A fixture of wide scope is set up, and torn down later; in between are the tests.
        """
        self._stage.off()
        _slot.leave(self)

    def _go_on(self, *, after: Run | None = None) -> None:
        """Be on again.

        Args:
            after: A run that was on meanwhile and belongs to it: a fixture that the test asked for.
        """
        if after is not None:
            self._stage.moment = max(self._stage.moment, after._moment)
            if "replay" not in (self.mode, after.mode):
                self._recorded_way().adopt(after._recorded_way(), after._moment)
        _slot.take(self)
        try:
            self._stage.on(first_move=None)
        except BaseException:
            _slot.leave(self)
            raise

    @property
    def _moment(self) -> Instant:
        """Now, on the clock of the run; when it was left, while it is paused."""
        return self._stage.now()

    @property
    def _name(self) -> str:
        """Its name among the layers, if it is one."""
        return self._ground.name

    @property
    def _ids(self) -> Ids | None:
        """Real ids and pseudonyms of what it made; None in a replay."""
        return self._way.ids

    @property
    def _emulator(self) -> Emulator | None:
        """The emulator that answers, or None."""
        return self._way.emulator

    def _recorded(self) -> Recording | None:
        """The recording as it stands; None before it begins."""
        return self._way.recorded()

    def _handle(self, request: Request, send: _wire.Send) -> Response:
        """Answer a request that was made before it was on, and led to it.

        Args:
            request: The request.
            send: Sends it to the real network.

        Raises:
            QSessionError: If it has no answer.
        """
        return self._requests.handle(request, send)

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
        return self._requests.refusals.causes()

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
        self._stage.hear_children()
        schedule = _clock.schedule_of(self.clock)
        stuck = schedule.errors if schedule is not None else ()
        if troubles := (*self._requests.refusals.causes(), *stuck):
            self._failed = True
            raise troubles[0]

    def summary(self) -> Summary:
        """What this run did, for the closing block."""
        told = self._way.summary(self._settings.resume_command)
        return replace(
            told,
            test=self._settings.test,
            answered=self._requests.answered,
            live=self.live_requests,
            sessions=self._requests.sessions,
            written=self._written,
            # Until it is over, they may still be sent.
            unused=told.unused if self._over else 0,
            refused=self._requests.refusals.count,
            making=self._requests.refusals.making,
            leaps=self.clock.leaps,
            is_layer=self._settings.layer is not None,
        )

    def _end_recorded_part(self) -> None:
        way = self._serving_way()
        self._live = self.live_requests
        self._stage.moment = way.end_recorded_part()
        self._stage.go_virtual()

    def _leave(self) -> None:
        self._over = True
        try:
            self._stage.off()
        finally:
            try:
                self._whole.close()
            finally:
                _slot.leave(self)

    # What it is told of other runs.

    def _look_at(self, call: Call, request: Request) -> None:
        if self._ground.check is not None:
            self._ground.check(call)
        if self._ground.also is None or self.mode == "replay":
            return
        for other in self._ground.also(request):
            self._recorded_way().adopt(other._recorded_way(), other._moment)

    # Its end.

    def _failure(self) -> str | None:
        """Why its recording must not become a cassette; None if it may."""
        wrong = self._way.trouble() or next(iter(self._requests.refusals.causes()), None)
        return self._reason or (wrong.what if wrong else "") if self._failed or wrong else None

    def _check_unused(self) -> None:
        if self._settings.allow_unused or not isinstance(self._way, Replaying):
            return
        if unused := self._way.unused():
            self._failed = True
            raise _explain.unused(unused, self._requests.place())

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
