"""The life of a session or batch as the service's JSON document, and back.

The emulator writes it; a replay that was moved beyond its recording reads what was
recorded and writes how it goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Union, cast, get_args

from qsession import _lifecycle
from qsession._clock import from_datetime, isoformat
from qsession._lifecycle import Life, Limits, Mode, Rules, State
from qsession._model import SECOND, Instant, Micros

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]
"""What a JSON document may hold."""

DROPPED = 4001
"""``reason_code`` of a job that failed because its session closed (documented until 2024)."""

_MOMENTS = ("started_at", "activated_at", "closed_at", "last_job_started", "last_job_completed")


def render(life: Life) -> dict[str, Json]:
    """What the document says of a life; id, backend and user are the caller's to add.

    What has not happened yet is left out (observed).
    """
    document: dict[str, Json] = {
        "interactive_ttl": life.limits.interactive_ttl // SECOND,
        "max_ttl": life.limits.max_ttl // SECOND,
        "active_ttl": life.limits.active_ttl // SECOND,
        "state": life.state,
        "state_reason": life.state_reason,
        "accepting_jobs": life.accepting_jobs,
        "mode": life.mode,
        "timestamps": stamps(life.timestamps),
    }
    for name in _MOMENTS:
        if (moment := getattr(life, name)) is not None:
            document[name] = isoformat(moment)
    elapsed = _lifecycle.elapsed_time(life)
    return document if elapsed is None else document | {"elapsed_time": elapsed / SECOND}


def read(document: Mapping[str, object], *, rules: Rules | None = None) -> Life:
    """The life that a document tells of, without its jobs, which no document counts.

    Args:
        document: The answer to ``GET /sessions/{id}`` or ``POST /sessions``.
        rules: What is not known of the life of sessions.

    Raises:
        ValueError: If a state is none that is documented, or it does not tell when
            the session began or how long it was active.
    """
    state = _state(document.get("state"))
    entered = tuple(_stamps(document.get("timestamps")))
    started, activated, closed, job_started, job_completed = (
        read_moment(document.get(name)) for name in _MOMENTS
    )
    created = entered[0][1] if entered else read_moment(document.get("created_at"))
    untold = not entered and (state == "inactive" or (state == "active" and activated != started))
    if created is None or untold:
        raise ValueError("the document does not tell the history of its session")
    mode: Mode = "batch" if document.get("mode") == "batch" else "dedicated"
    return Life(
        mode,
        created,
        _limits(document),
        rules or Rules(),
        state,
        str(document.get("state_reason", "")),
        started_at=started,
        activated_at=activated,
        closed_at=closed,
        last_job_started=job_started,
        last_job_completed=job_completed,
        accepting_jobs=document.get("accepting_jobs") is True,
        active_time=sum(end - begin for (was, begin), (_, end) in pairwise(entered) if was == "active"),
        inactivated_at=max((at for state, at in entered if state == "inactive"), default=None),
        timestamps=entered,
    )


def stamps(entered: Iterable[tuple[State, Instant]]) -> list[Json]:
    """States with the moments at which they were entered, as ``timestamps`` has them."""
    return [{"status": state, "timestamp": isoformat(at)} for state, at in entered]


def read_moment(text: object) -> Instant | None:
    """A moment as the service writes it, on the millisecond; None where there is none.

    Raises:
        ValueError: If the text is no date with its zone.
    """
    if text is None:
        return None
    moment = from_datetime(datetime.fromisoformat(str(text)))
    return moment - moment % (SECOND // 1000)


def dropped(rules: Rules) -> dict[str, Json]:
    """The ``state`` of a job that was queued when its session closed.

    The words of a failure were documented until 2024.
    """
    if rules.queued_jobs_end == "Cancelled":
        return {"status": "Cancelled"}
    return {
        "status": "Failed",
        "reason": "Job is part of a session that's been closed",
        "reason_code": DROPPED,
        "reason_solution": "Ensure session is not closed before all jobs in session have run",
    }


def _state(value: object) -> State:
    if value not in get_args(State):
        raise ValueError(f"{value!r} is no documented state of a session")
    return cast(State, value)


def _stamps(listed: object) -> Iterable[tuple[State, Instant]]:
    for stamp in listed if isinstance(listed, list) else ():
        moment = read_moment(stamp.get("timestamp"))
        if moment is None:
            raise ValueError("a state without its moment")
        yield _state(stamp.get("status")), moment


def _limits(document: Mapping[str, object]) -> Limits:
    maximum = _length(document.get("max_ttl"), _lifecycle.DEFAULT_MAX_TTL)
    active = _length(document.get("active_ttl"), maximum)
    interactive = _length(document.get("interactive_ttl"), _lifecycle.DEFAULT_INTERACTIVE_TTL)
    return Limits(interactive, maximum, active)


def _length(seconds: object, default: Micros) -> Micros:
    return round(seconds * SECOND) if isinstance(seconds, (int, float)) else default
