"""Whether a thing had ended when an answer was given, and whether what tells of jobs fits the moment."""

from __future__ import annotations

from collections.abc import Iterable

from qsession._model import Interaction, Micros
from qsession._order import FINAL, finished

METRICS = "jobs.metrics"
LISTS = frozenset({"jobs.list", "workloads.list"})
TELL_OF_JOBS = LISTS | {"analytics.usage", "analytics.grouped", "analytics.by_date"}
"""What looks different when a job has ended. Usage does too, but the client asks for it before each job."""


def is_final(state: Interaction) -> bool:
    """Whether what an answer shows will not change by itself, as far as it tells."""
    if state.endpoint != METRICS:
        return any(final in state.response.body for final in FINAL)
    return finished(state) is not False


def out_of_step(told: Interaction, life: Iterable[Interaction], now: Micros, patience: Micros) -> str:
    """What is wrong at a moment with an answer that tells of a job.

    Such answers are no states of a thing that is polled: if nobody asked before the job's end, there are
    those of after it only.

    Args:
        told: The answer, as it was recorded.
        life: What was recorded of the job's state.
        now: The moment, on the time line of the recording.
        patience: By how much two loops that poll alike may differ.

    Returns:
        A few words; nothing if it fits, or if nobody can tell.
    """
    states = [state for state in life if state.response.status < 400]
    alive = max((max(s.at, s.last) for s in states if not is_final(s)), default=None)
    ended = min((s.at for s in states if is_final(s)), default=None)
    after = finished(told) if told.endpoint == METRICS else None
    if ended is not None and told.at >= ended if after is None else after:
        early = alive is not None and now < alive
        return "recorded only when a job had ended that has not by now" if early else ""
    late = ended is not None and max(told.at, told.last) < ended < now - patience
    return "recorded only before a job had ended that has by now" if late else ""
