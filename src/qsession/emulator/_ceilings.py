"""The usage limit of an instance: when it is reached, its sessions and batches end.

They end at once, as when they are cancelled: what runs may finish, what waits does not run
(documented for sessions and batches; that a running job may be cut is documented too, and not
done here). What goes on counts up to the moment (inferred).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from qsession._model import Instant
from qsession.emulator import _charges
from qsession.emulator._exchange import World
from qsession.emulator._instances import Instance

_MILLISECOND = 1_000


class Ceilings:
    """Watches the limits of all instances of a world. Safe for concurrent use.

    Args:
        world: What is watched, and where sessions are ended.
        seen: How far each instance was watched by whom this one goes on for.
    """

    def __init__(self, world: World, *, seen: Mapping[str, Instant] | None = None) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._seen = dict(seen or {})

    @contextmanager
    def held(self) -> Iterator[Mapping[str, Instant]]:
        """How far each instance was watched, and no further for the length of a block."""
        with self._lock:
            yield dict(self._seen)

    def look_again(self) -> None:
        """End sessions at the last look where what came to the world since has used up a limit."""
        with self._lock:
            for instance in self._limited():
                since = self._seen.get(instance.crn)
                if since is not None and _charges.is_used_up(self._world, instance, since):
                    self._world.state.end_sessions(instance.crn, since)

    def keep(self, at: Instant, *, acts: bool = False) -> None:
        """End the sessions of every instance that reached its limit since the last look.

        Args:
            at: The moment of this look.
            acts: Whether something is about to be done at it: then what a look at a later
                moment foresaw does not hold any more.
        """
        with self._lock:
            for instance in self._limited():
                self._keep(instance, at, acts=acts)

    def _keep(self, instance: Instance, at: Instant, *, acts: bool) -> None:
        since = self._seen.setdefault(instance.crn, at)
        if since >= at:
            if acts and since > at:
                self._world.state.revive_sessions(instance.crn, at)
                self._seen[instance.crn] = at
            return
        reached = _crossing(self._world, instance, since, at) if self._uses(instance, since) else None
        self._seen[instance.crn] = at
        if reached is not None:
            self._world.state.end_sessions(instance.crn, reached)

    def next_reached(self, at: Instant, until: Instant) -> Instant | None:
        """The first moment after one, and not after another, at which a limit ends a session."""
        with self._lock:
            found = [_crossing(self._world, i, at, until) for i in self._limited() if self._uses(i, at)]
        return min((moment for moment in found if moment is not None), default=None)

    def _limited(self) -> Iterator[Instance]:
        return (instance for instance in self._world.instances if instance.limit is not None)

    def _uses(self, instance: Instance, at: Instant) -> bool:
        lives = (life for _, life in self._world.state.sessions(instance.crn, at))
        return any(life.state != "closed" for life in lives)


def _crossing(world: World, instance: Instance, below: Instant, above: Instant) -> Instant | None:
    """The first whole millisecond at which a limit is reached, None if it is before or after."""
    if _charges.is_used_up(world, instance, below) or not _charges.is_used_up(world, instance, above):
        return None
    while above - below > _MILLISECOND:
        middle = below + (above - below) // (2 * _MILLISECOND) * _MILLISECOND
        below, above = (below, middle) if _charges.is_used_up(world, instance, middle) else (middle, above)
    return above
