"""What the way of a run tells of its end."""

from __future__ import annotations

from dataclasses import replace

from qsession._report import Summary
from qsession._run._replaying import Replaying
from qsession._run._way import Way


def told_of(way: Way, *, is_over: bool, command: str) -> Summary:
    """What a run did, as far as its way knows.

    Args:
        way: The way.
        is_over: Whether the run has ended.
        command: Goes on with what was left, or begun on the service.
    """
    known = Summary(
        "",
        "",
        qpu_seconds=way.qpu_seconds(),
        parked=command if way.parked is not None else "",
        stale=way.stale,
    )
    if isinstance(way, Replaying):
        return replace(known, unused=len(way.unused()) if is_over else 0, modelled=way.modelled)
    # Only here: a replay has no use for it.
    from qsession._run._recording import Recorded, told_by

    assert isinstance(way, Recorded)
    told = told_by(way)
    return replace(
        known,
        waits=command if told.waits else "",
        spent=told.spent,
        modelled=told.modelled,
        is_other=told.is_other,
    )
