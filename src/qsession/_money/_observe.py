"""What an answer of the service says about the sessions and jobs of a ledger. Pure.

An answer that cannot be read, or that says nothing new, changes nothing: the bound
then stays where it is, which is the safe side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from qsession._bodies import read_object
from qsession._endpoints import Call
from qsession._model import Instant, Response
from qsession._money._ledger import Job, Ledger

_FINAL = frozenset({"completed", "cancelled", "failed", "cancelled - ran too long"})
_TELLING = frozenset({"sessions.get", "sessions.cancel", "jobs.get", "jobs.metrics", "jobs.list"})
_NO_FIELDS: Mapping[str, object] = {}


@dataclass(frozen=True, slots=True)
class Sighting:
    """An answer and its two moments on our clock.

    Attributes:
        sent: When the request was sent: what the answer says held then or later.
        at: When the answer was there.
    """

    sent: Instant
    at: Instant


def observe(ledger: Ledger, call: Call, response: Response, seen: Sighting) -> Ledger:
    """Enter what one answer says.

    Args:
        ledger: The ledger so far.
        call: What was asked.
        response: The answer.
        seen: Its moments.

    Returns:
        The ledger with everything the answer tells about sessions and jobs it knows.
    """
    name = call.endpoint.name
    if not is_success(response) or name not in _TELLING:
        return ledger
    fields = read_object(response.body)
    match name:
        case "sessions.get":
            ledger = _session(ledger, call.ids["session"], fields, seen)
        case "sessions.cancel":
            ledger = ledger.closed(call.ids["session"], seen.at)
        case "jobs.get":
            ledger = _job(ledger, call.ids["job"], fields, seen)
        case "jobs.metrics":
            ledger = _metrics(ledger, call.ids["job"], fields, seen)
        case "jobs.list":
            ledger = _jobs(ledger, fields, seen)
    return ledger


def is_success(response: Response) -> bool:
    """Whether the service did what was asked."""
    return 200 <= response.status < 300


def text(fields: Mapping[str, object], key: str) -> str:
    """A text field, empty when absent or of another type."""
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def number(fields: Mapping[str, object], key: str) -> float | None:
    """A number that is not negative; None when absent or anything else."""
    value = fields.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if value >= 0 else None


def _part(fields: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = fields.get(key)
    return value if isinstance(value, dict) else _NO_FIELDS


def _session(ledger: Ledger, session_id: str, fields: Mapping[str, object], seen: Sighting) -> Ledger:
    session = ledger.sessions.get(session_id)
    state = text(fields, "state").lower()
    if session is None or not state:
        return ledger
    began = session.began or state in {"active", "inactive"} or bool(fields.get("started_at"))
    over = state == "closed"
    # A closed session lets its running jobs finish (documented), so what it says of
    # its usage is final only if all of its jobs were known to be so beforehand.
    final = over and session.usage is None and ledger.are_jobs_over(session, seen.sent)
    waiting = state == "open" and not began
    return ledger.with_session(
        replace(
            session,
            mode=text(fields, "mode") or session.mode,
            backend=text(fields, "backend_name") or session.backend,
            began=began,
            idle=max(session.idle, seen.sent) if waiting else session.idle,
            looked=max(session.looked, seen.at),
            closed=seen.at if over and session.closed is None else session.closed,
            usage=number(fields, "elapsed_time") if final else session.usage,
        )
    )


def _job(ledger: Ledger, job_id: str, fields: Mapping[str, object], seen: Sighting) -> Ledger:
    job = ledger.jobs.get(job_id)
    state = (text(_part(fields, "state"), "status") or text(fields, "status")).lower()
    if job is None or not state:
        return ledger
    waiting = state == "queued" and not job.began and job.finished is None
    estimate = number(fields, "estimated_running_time_seconds")
    seen_job = replace(
        job,
        began=job.began or state == "running",
        idle=max(job.idle, seen.sent) if waiting else job.idle,
        looked=max(job.looked, seen.at),
        finished=seen.at if state in _FINAL and job.finished is None else job.finished,
        estimate=job.estimate if estimate is None else estimate,
    )
    return ledger.with_job(_with_usage(seen_job, fields, seen))


def _jobs(ledger: Ledger, fields: Mapping[str, object], seen: Sighting) -> Ledger:
    listed = fields.get("jobs")
    for item in listed if isinstance(listed, list) else ():
        if isinstance(item, dict):
            ledger = _job(ledger, text(item, "id"), item, seen)
    return ledger


def _metrics(ledger: Ledger, job_id: str, fields: Mapping[str, object], seen: Sighting) -> Ledger:
    job = ledger.jobs.get(job_id)
    return ledger if job is None else ledger.with_job(_with_usage(job, fields, seen))


def _with_usage(job: Job, fields: Mapping[str, object], seen: Sighting) -> Job:
    usage = _part(fields, "usage")
    charge = number(usage, "qpu_charge_time_seconds")
    if charge is None or text(usage, "status") != "complete":
        return job
    finished = seen.at if job.finished is None else job.finished
    return replace(job, usage=charge, finished=finished)
