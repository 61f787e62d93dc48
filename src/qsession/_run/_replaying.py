"""A run that replays a recording."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qsession import _clock, _setup
from qsession._answers import Answers, Replayed
from qsession._clock import Schedule, SystemClock, VirtualClock
from qsession._config import Settings
from qsession._discovery import STAND_IN_TOKEN, Discovery
from qsession._model import Asked, Instant, Interaction, Provenance, Recording
from qsession._replay import Replay
from qsession._report import Summary
from qsession._run._ground import Ground
from qsession._store import display
from qsession.errors import CassetteError

if TYPE_CHECKING:
    from qsession._ids import Ids
    from qsession.emulator import Emulator


def replay_of(
    recording: Recording,
    discovery: Discovery,
    settings: Settings,
    *,
    clock: VirtualClock,
    joined: Callable[[], int],
    ground: Ground,
) -> Replay:
    """A recording as it answers in a run.

    Args:
        recording: The recording.
        discovery: Answers what belongs to an account.
        settings: What the run is made of.
        clock: The clock of the run.
        joined: How many threads take part.
        ground: What the run stands on.
    """
    origin, versions = recording.provenance.target, recording.provenance.versions
    return Replay(
        recording,
        discovery,
        replace(_setup.place(settings, origin), versions=versions),
        allow_unused=settings.allow_unused,
        match=settings.match,
        beyond=settings.beyond == "model",
        moved_to=lambda: _clock.moved_to(clock),
        alone=lambda: joined() == 1,
        shared=ground.layer(origin),
        before=partial(ground.recordings, recording.provenance.layers),
    )


class Replaying:
    """A recording answers.

    Args:
        settings: What the run is made of.
        clock: Its clock.
        ground: What it stands on.
    """

    is_virtual = True
    emulator: Emulator | None = None
    ids: Ids | None = None
    parked = None

    def __init__(self, settings: Settings, clock: VirtualClock, ground: Ground) -> None:
        self._settings, self._clock, self._ground = settings, clock, ground
        self._schedule: Schedule | None = None
        self._replay: Replay | None = None
        self._judged, self._joined = False, 0
        self.answers: Answers | None = None
        self.discovery: Discovery | None = None
        self.random_seed: int | None = None
        self.started: Instant = 0
        self.origin: str = settings.target
        self.stale = ""

    @property
    def replay(self) -> Replay:
        """The recording, and where the run stands in it."""
        assert self._replay is not None
        return self._replay

    def open(self, undo: ExitStack) -> None:
        """Read the recording.

        Raises:
            CassetteError: If it is missing or cannot be trusted.
        """
        recording = self._load()
        self.origin, self.started = recording.provenance.target, recording.provenance.recorded_at
        self.random_seed = recording.provenance.random_seed
        self.discovery = Discovery.of(self._account(recording.provenance))
        self._replay = replay_of(
            recording,
            self.discovery,
            self._settings,
            clock=self._clock,
            joined=lambda: self._joined + (self._schedule.joined if self._schedule is not None else 0),
            ground=self._ground,
        )

    def _load(self) -> Recording:
        settings = self._settings
        assert settings.path is not None
        try:
            recording = _setup.store(settings).load(settings.path)
        except CassetteError as missing:
            if missing.code != "QS201" or not settings.may_be_empty:
                raise
            return Recording(self._of_others(), ())
        where = display(settings.path)
        self.stale = settings.expiry.of_age(recording.provenance, SystemClock().now(), where)
        return recording

    def _of_others(self) -> Provenance:
        """Where a test stands that asked for nothing of its own when the others were recorded."""
        told = [each.provenance for each in self._ground.recordings()]
        layers = map(self._ground.layer, ("ibm", "emulator"))
        told += [each.provenance for each in layers if each is not None and each.provenance is not None]
        if not told:
            return Provenance("emulator", _setup.EMULATED_START)
        return Provenance(told[0].target, max(told[0].recorded_at, self._ground.starts))

    def _account(self, own: Provenance) -> Provenance:
        # Who only reads what all tests read has no instance of its own.
        layer = None if own.instances else self._ground.layer(own.target)
        known = None if layer is None else layer.provenance
        return own if known is None else replace(own, instances=known.instances)

    def begin(self) -> None:
        """Nothing but time begins."""

    def follow(self, schedule: Schedule) -> None:
        """Answer on a schedule from now on."""
        if self._schedule is not None:
            # Threads of before it was paused.
            self._joined += self._schedule.joined - 1
        self._schedule = schedule
        if isinstance(self.answers, Replayed):
            self.answers.follow(schedule)
        else:
            self.answers = Replayed(self.replay, schedule, redact=self._settings.redact)

    def stand_in(self) -> tuple[str, str | None]:
        """An account that opens nothing."""
        assert self.discovery is not None
        return STAND_IN_TOKEN, self.discovery.default_crn

    def wished(self, asked: Asked, *, is_met: bool) -> None:
        """The recording knows."""

    def told(self, name: str, proposed: int | str) -> object:
        """What the recording says, so that renaming a test changes no circuit; else what is proposed."""
        known = getattr(self.replay.recording.provenance, name)
        return proposed if known in (None, "") else known

    def qpu_seconds(self) -> float:
        """What the recording used."""
        return 0.0 if self._replay is None else self._replay.recording.provenance.qpu_seconds

    def trouble(self) -> None:
        """Nothing stops a replay."""

    def finish(self, failed: str | None) -> str:
        """Nothing is written."""
        return ""

    def release(self) -> None:
        """Nothing is held."""

    def recorded(self) -> Recording:
        """The recording."""
        return self.replay.recording

    def summary(self, command: str) -> Summary:
        """What it tells of itself, for the closing block."""
        if self._replay is None:
            return Summary("replay", "recording", stale=self.stale)
        return Summary(
            "replay",
            "recording",
            qpu_seconds=self.qpu_seconds(),
            unused=len(self.unused()),
            modelled=self._replay.modelled,
            stale=self.stale,
        )

    def unused(self) -> tuple[Interaction, ...]:
        """Recorded writes that were not sent."""
        return () if self._replay is None else self._replay.unused()

    def check_version(self, asked: str) -> None:
        """Judge the recording by the version of the API that the client asks for, once."""
        # The client's, as the recorded one is: a test that asks for others by itself knows what it does.
        if self._judged or not asked:
            return
        self._judged = True
        where = display(self._settings.path) if self._settings.path else ""
        version = self._settings.expiry.of_version(self.replay.recording.provenance, asked, where)
        self.stale = self.stale or version
