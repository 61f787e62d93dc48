"""What QPU time was used, by whom and when: sessions, batches, and jobs outside of them.

A dedicated session counts when it is over, with the wall clock of its QPU; a batch with its
jobs' times; a job outside with its own (documented for each; that nothing counts before it is
over is inferred). Jobs on a mock backend cost nothing (the client's docstrings).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qsession import _lifecycle
from qsession._model import SECOND, Instant, Micros
from qsession.emulator._exchange import World
from qsession.emulator._instances import Instance
from qsession.emulator._records import View

Kind = Literal["dedicated", "batch", "job"]


@dataclass(frozen=True, slots=True)
class Charge:
    """One thing that was used, and is over.

    Attributes:
        instance: CRN of the instance that pays.
        backend: Where it ran.
        kind: A dedicated session, a batch, or a job outside of both.
        used: QPU time.
        queued: How long it, or its jobs together, waited for the QPU.
        at: When it was over.
    """

    instance: str
    backend: str
    kind: Kind
    used: Micros
    queued: Micros
    at: Instant


def charges(world: World, instance: Instance, at: Instant) -> Iterator[Charge]:
    """All that an instance used by a moment, mock backends left out."""
    crn = instance.crn
    views = world.state.jobs(crn, at, deleted=True)
    waits: dict[str | None, Micros] = {}
    for view in views:
        home = view.job.home
        waits[home] = waits.get(home, 0) + _waited(view)
    for session, life in world.state.sessions(crn, at):
        used = _lifecycle.elapsed_time(life)
        if used is None or world.devices[session.backend].mock:
            continue
        ended = max(life.closed_at or 0, life.last_job_completed or 0)
        kind: Kind = "batch" if life.mode == "batch" else "dedicated"
        yield Charge(crn, session.backend, kind, used, waits.get(session.ident, 0), ended)
    for view in views:
        if view.job.asked.session is None and view.fate.ended is not None and not view.job.asked.mock:
            yield Charge(crn, view.job.asked.backend, "job", ran(view), _waited(view), view.fate.ended)


def ran(view: View) -> Micros:
    """How long a job held the QPU; 0 until it ended, and on a mock backend."""
    fate = view.fate
    if fate.started is None or fate.ended is None or view.job.asked.mock:
        return 0
    return fate.ended - fate.started


def _waited(view: View) -> Micros:
    began = view.fate.started if view.fate.started is not None else view.fate.ended
    return 0 if began is None else max(0, began - view.job.plan.created)


def seconds(world: World, instance: Instance, at: Instant) -> float:
    """QPU seconds that an instance used; whole ones, each charge rounded up, where it has a limit.

    On the open plan only what was over in the last 28 days counts (documented).
    """
    since = at - 28 * 86_400 * SECOND if instance.is_open_plan else None
    used = [charge.used for charge in charges(world, instance, at) if since is None or charge.at >= since]
    if instance.limit is None:
        return sum(used) / SECOND
    return sum(math.ceil(time / SECOND) for time in used)


def is_used_up(world: World, instance: Instance, at: Instant) -> bool:
    """Whether an instance has reached its limit, with what goes on at that moment (inferred)."""
    if instance.limit is None:
        return False
    return seconds(world, instance, at) + _ongoing(world, instance, at) / SECOND >= instance.limit


def _ongoing(world: World, instance: Instance, at: Instant) -> Micros:
    crn, total = instance.crn, 0
    for session, life in world.state.sessions(crn, at):
        if _lifecycle.elapsed_time(life) is None and not world.devices[session.backend].mock:
            total += _lifecycle.time_so_far(life, at)
    for view in world.state.jobs(crn, at, deleted=True):
        alone = view.job.asked.session is None and not view.job.asked.mock
        if alone and view.fate.phase == "Running" and view.fate.started is not None:
            total += at - view.fate.started
    return total
