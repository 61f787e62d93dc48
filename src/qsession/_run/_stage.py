"""What is on while a run is on: fences, hooks, its time, its random numbers, the seam."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from qsession import _clock, _wire
from qsession._clock import VirtualClock
from qsession._config import Settings
from qsession._drawn import seeded, watched
from qsession._fence import round_run
from qsession._model import Asked, Instant
from qsession._run._replaying import Replaying
from qsession._run._requests import Requests
from qsession._run._way import Way


class Stage:
    """What is on while a run is on. It may be off in between: then all is as it was without it.

    Args:
        settings: What the run is made of.
        way: How its requests are answered.
        requests: Answers them.
        clock: Its clock.
        seeds: Whether it lets random numbers begin; else whoever asked for it has.

    Attributes:
        moment: Where its time was when it was left, or where it begins.
        hear_children: Says what its children were refused.
    """

    def __init__(
        self, settings: Settings, way: Way, requests: Requests, clock: VirtualClock, *, seeds: bool
    ) -> None:
        self._settings, self._way, self._requests = settings, way, requests
        self._clock, self._seeds = clock, seeds
        self._undo = ExitStack()
        self._turns = 0
        self.moment: Instant = 0
        self.hear_children: Callable[[], None] = lambda: None

    def now(self) -> Instant:
        """Now, on the clock of the run; when it was left, while it is off."""
        schedule = _clock.schedule_of(self._clock)
        return schedule.now() if schedule is not None and not schedule.over else self.moment

    def on(self, *, first_move: Callable[[], None] | None) -> None:
        """Let all be on.

        Args:
            first_move: What is done before the clock of a run that is not virtual is moved first; None
                where the run goes on.
        """
        settings, undo = self._settings, self._undo
        # Also against the service, whose clock is the machine's: no replay could follow.
        undo.enter_context(_clock.no_travel())
        environment = None
        if not settings.reaches_the_service:
            refuse, tell = self._requests.refuse_host, self._requests.note_child
            environment, self.hear_children = undo.enter_context(
                round_run(settings.allowed_hosts, refuse, tell=tell)
            )
        undo.enter_context(
            _wire.hooked(
                self._ask,
                stand_in=self._way.stand_in,
                wished=self._note_wish,
                environment=environment,
                leaps=settings.polls != "exact",
                # Nothing clever stands between the client and the service.
                sharing=not settings.reaches_the_service,
            )
        )
        if isinstance(self._way, Replaying):
            undo.enter_context(watched(self._way.replay.drawn))
        # After the imports of the client, which would take virtual time for the machine's.
        self._begin(first_move)
        undo.enter_context(_wire.installed(self._requests.handle))

    def off(self) -> None:
        """Put everything back; time stands still."""
        self.moment = self.now()
        self._undo.close()
        self._turns += 1

    def go_virtual(self) -> None:
        """Time is virtual from here on."""
        schedule = _clock.begin(self._clock, self.moment)
        self._undo.callback(_clock.end, self._clock)
        schedule.polls_leap = self._settings.polls == "leap"
        self._way.follow(schedule)

    def _begin(self, first_move: Callable[[], None] | None) -> None:
        if first_move is not None:
            self._way.begin()
            self.moment = self._way.started
        if self._way.is_virtual:
            self.go_virtual()
        elif first_move is not None:
            _clock.on_first_move(self._clock, first_move)
        if self._way.random_seed is not None and self._seeds:
            # Paused, numbers do not begin with the same ones again.
            self._undo.enter_context(seeded(self._way.random_seed + self._turns))

    def _ask(self, asked: Asked) -> None:
        # The service takes accounts as they are; past the recorded part nobody has one any more.
        if self._way.discovery is not None:
            self._way.discovery.ask(asked)

    def _note_wish(self, asked: Asked, is_met: bool) -> None:
        self._way.wished(asked, is_met=is_met)
