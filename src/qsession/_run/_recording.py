"""A run that records, on the emulator or on the service, and those that are like one: live, scenario."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from qsession import _setup
from qsession._answers import Answers, Emulated, Replayed
from qsession._clock import Schedule, SystemClock, VirtualClock
from qsession._config import Settings
from qsession._custody import Custody
from qsession._discovery import STAND_IN_TOKEN, Discovery
from qsession._ids import Ids
from qsession._model import Asked, Instant, Provenance, Recording
from qsession._replay import Replay
from qsession._report import Summary
from qsession._run._ground import Ground
from qsession._run._replaying import replay_of
from qsession._sources import Embedded
from qsession.errors import Parked, QSessionError

if TYPE_CHECKING:
    from qsession._money import MoneyGuard
    from qsession._recording import Recorder
    from qsession.emulator import Emulator


class Recorded(ABC):
    """Whoever answers, it is recorded.

    Args:
        settings: What the run is made of.
        clock: Its clock.
        ground: What it stands on.
    """

    emulator: Emulator | None = None

    def __init__(self, settings: Settings, clock: VirtualClock, ground: Ground) -> None:
        self._settings, self._clock, self._ground = settings, clock, ground
        self._layers = set(ground.layers)
        self._told: dict[str, object] = {}
        self._seed: int | None = None
        self.custody = Custody(settings)
        self.recorder: Recorder | None = None
        self.answers: Answers | None = None
        self.discovery: Discovery | None = None
        self.random_seed: int | None = None
        self.started: Instant = 0
        self.origin: str = settings.target

    @property
    @abstractmethod
    def is_virtual(self) -> bool:
        """Whether its time is."""

    @property
    def ids(self) -> Ids | None:
        """Real ids and pseudonyms of what it made."""
        return None if self.recorder is None else self.recorder.ids

    @property
    def parked(self) -> Parked | None:
        """Why it was left until later, or None."""
        return self.custody.parked

    def open(self, undo: ExitStack) -> None:
        """Lock the cassette.

        Raises:
            CassetteError: If another process records it, or its journal cannot be gone on with.
            UsageError: If it must not be recorded.
        """
        self.custody.take()

    def begin(self) -> None:
        """Let the recording begin."""
        self.recorder = self.custody.recorder(
            max(self._now(), self._ground.starts),
            account=self._ground.account,
            ids=Ids(self._ground.ids(), layer=self._ground.name),
            aliased=self._ground.shared is not None and self.discovery is None,
        )
        self.started = self.recorder.start
        if self._settings.mode == "record":
            given = self._ground.random_seed
            told = given if given is not None else self.told("random_seed", self._numbers())
            self.random_seed = told if isinstance(told, int) else None

    @abstractmethod
    def _now(self) -> Instant:
        """When it begins, if it builds on nothing."""

    @abstractmethod
    def _numbers(self) -> int:
        """Where random numbers begin."""

    @abstractmethod
    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on."""

    @abstractmethod
    def stand_in(self) -> tuple[str, str | None]:
        """Token and instance of an account where the machine has none."""

    def wished(self, asked: Asked, *, is_met: bool) -> None:
        """A service was asked to be something."""
        if self.recorder is not None:
            self.recorder.wished(asked, is_met=is_met)

    def told(self, name: str, proposed: int | str) -> object:
        """What a resumed recording was told before; else what is proposed, which it is told now."""
        told = self.custody.recall(name, proposed)
        self._told[name] = told = told if isinstance(told, type(proposed)) else proposed
        return told

    def qpu_seconds(self) -> float:
        """What this run used so far."""
        return 0.0 if self.recorder is None else self.recorder.qpu_seconds()

    def trouble(self) -> QSessionError | None:
        """Why the run was stopped, or None."""
        return None

    def adopt(self, other: Recorded, at: Instant) -> None:
        """Build on another run from now on: a fixture that a test asked for in the middle of this one.

        Args:
            other: The other run.
            at: When that was left.
        """
        if self.recorder is not None and other.ids is not None:
            self.recorder.ids.adopt(other.ids)
        self._layers.add(other._ground.name)

    def finish(self, failed: str | None) -> str:
        """Make the recording a cassette, or keep it aside."""
        if self.recorder is None:
            return ""
        shared = self._ground.layer(self._settings.target)
        settle = shared.settle if shared is not None else None
        return self.custody.finish(self.recorder, self.provenance(), failed=failed, settle=settle)

    def release(self) -> None:
        """Let others record."""
        self.custody.release()

    def summary(self, command: str) -> Summary:
        """What it tells of itself, for the closing block."""
        return Summary(
            self._settings.mode,
            self._settings.target,
            qpu_seconds=self.qpu_seconds(),
            parked=command if self.parked is not None else "",
            waits=command if self.custody.waits else "",
            is_other=self.custody.is_other,
        )

    def recorded(self) -> Recording | None:
        """The recording as it stands."""
        return None if self.recorder is None else self.recorder.finished(self.provenance())

    def provenance(self) -> Provenance:
        """What the run knows of its recording."""
        isa_seed = self._told.get("isa_seed")
        return Provenance(
            target=self._settings.target,
            recorded_at=self.started,
            test=self._settings.test,
            backend=self._settings.backend or str(self._told.get("backend") or ""),
            versions=_setup.versions(),
            seed=self._seed,
            isa_seed=isa_seed if isinstance(isa_seed, int) else None,
            random_seed=self.random_seed,
            layers=tuple(sorted(self._layers - {""})),
        )


class Emulating(Recorded):
    """The emulator answers, in virtual time."""

    is_virtual = True
    _account: tuple[str, str | None] = (STAND_IN_TOKEN, None)
    _embedded: Embedded | None = None

    def open(self, undo: ExitStack) -> None:
        """Lock the cassette, and let there be an emulator."""
        super().open(undo)
        emulator = _setup.emulator(self._settings, self._ground.emulators())
        self.emulator, self._seed = emulator, emulator.seed
        self._account = _setup.account_of(emulator)
        self.discovery = _setup.discovery_of(emulator)
        self._embedded = Embedded(emulator, self.discovery)

    def _now(self) -> Instant:
        return _setup.EMULATED_START

    def _numbers(self) -> int:
        return _setup.stable_seed(self._settings)

    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on."""
        if isinstance(self.answers, Emulated):
            self.answers.follow(schedule)
            return
        assert self._embedded is not None
        assert self.recorder is not None
        layered = self._ground.shared is not None
        self.answers = Emulated(self._embedded, self.recorder, schedule, is_layered=layered)

    def stand_in(self) -> tuple[str, str | None]:
        """The account of the emulator."""
        if self.discovery is not None:
            return STAND_IN_TOKEN, self.discovery.default_crn
        return self._account

    def adopt(self, other: Recorded, at: Instant) -> None:
        """Build on another run from now on."""
        super().adopt(other, at)
        if isinstance(self.answers, Emulated):
            self.answers.not_before = max(self.answers.not_before, at)
        if self.emulator is not None and other.emulator is not None:
            self.emulator._adopt(other.emulator)


class Serving(Recorded):
    """The service answers, in real time, until the test moves the clock; then a model does."""

    money: MoneyGuard | None = None
    past: Replay | None = None
    _schedule: Schedule | None = None

    @property
    def is_virtual(self) -> bool:
        """Once the test has moved the clock."""
        return self.past is not None

    def open(self, undo: ExitStack) -> None:
        """Lock the cassette, and let somebody watch over the money.

        Raises:
            UsageError: From continuous integration, if nobody allowed that (QS111).
        """
        _setup.refuse_ci(self._settings)
        super().open(undo)
        self.money = undo.enter_context(_setup.money_guard(self._settings))
        grants = self._ground.account.grants if self._ground.account is not None else {}
        for grant in list(grants.values()):
            # A service of a wide fixture asked for its token elsewhere; to cancel takes one.
            self.money.after(*grant, SystemClock().now())

    def begin(self) -> None:
        """Let the recording begin."""
        super().begin()
        assert self.money is not None
        assert self.recorder is not None
        self.answers = self.custody.answers(self.recorder, self.money)

    def _now(self) -> Instant:
        return SystemClock().now()

    def _numbers(self) -> int:
        # On the service each recording has its own: a name that the test makes of them must be new there.
        return secrets.randbits(32)

    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on, from what was recorded."""
        assert self.past is not None
        self._schedule = schedule
        self.answers = Replayed(self.past, schedule)

    def stand_in(self) -> tuple[str, str | None]:
        """None but a real account will do.

        Raises:
            UsageError: Always (QS110).
        """
        if self.discovery is not None:
            return STAND_IN_TOKEN, self.discovery.default_crn
        raise _setup.no_account(self._settings)

    def trouble(self) -> QSessionError | None:
        """What the money guard stopped the run for, or None."""
        return self.money.exceeded if self.money is not None else None

    def summary(self, command: str) -> Summary:
        """What it tells of itself, for the closing block."""
        spent = self.money.spent(SystemClock().now()) if self.money is not None else 0.0
        modelled = self.past.modelled if self.past is not None else 0
        return replace(super().summary(command), spent=spent, modelled=modelled)

    def end_recorded_part(self) -> Instant:
        """The test moves the clock: from here on the model answers.

        Nobody can wait for hours on a QPU because a test says so.

        Returns:
            When that is.
        """
        assert self.recorder is not None
        assert self.money is not None
        self.money.close_all("the test moved the clock")
        at, recording = SystemClock().now(), self.recorder.finished(self.provenance())
        self.discovery = Discovery.of(recording.provenance)
        for crn in self.recorder.crns:
            self.discovery.index_of(crn)
        self.past = replay_of(
            recording,
            self.discovery,
            self._settings,
            clock=self._clock,
            joined=lambda: self._schedule.joined if self._schedule is not None else 0,
            ground=self._ground,
        )
        self.past.lived_through()
        return at
