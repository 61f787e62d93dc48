"""What a recording tells of each session and job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qsession import _lifecycle, _session_document
from qsession._bodies import read_object
from qsession._endpoints import Call, identify
from qsession._lifecycle import Life
from qsession._model import SECOND, Instant, Interaction, Micros, Recording, Request, Response
from qsession._session_document import read_moment

FINAL = ("Completed", "Failed", "Cancelled")


class Untold(ValueError):
    """The recording does not tell what would have to be known."""


@dataclass(slots=True)
class _Turn:
    """When a job started or ended: not up to ``after``, and certainly by ``by``."""

    after: Instant
    close: Micros
    by: Instant | None = None

    @property
    def is_exact(self) -> bool:
        return self.by == self.after

    @property
    def exact(self) -> Instant:
        """The moment; that at which it was first seen, where this is close enough."""
        if (seen := self._seen_closely()) is None:
            raise Untold("the moment was not recorded")
        return seen

    def is_at(self, moment: Instant) -> bool:
        """Whether it was then, as closely as it was seen."""
        seen = self._seen_closely()
        return seen is not None and self.after <= moment <= seen

    def _seen_closely(self) -> Instant | None:
        return self.by if self.by is not None and self.by - self.after <= self.close else None

    def not_before(self, moment: Instant) -> None:
        if self.by is None:
            self.after = max(self.after, moment)

    def at_last(self, moment: Instant) -> None:
        self.by = moment if self.by is None else min(self.by, moment)

    def exactly(self, moment: Instant) -> None:
        self.after = self.by = moment


@dataclass(slots=True)
class Job:
    """What is known of one job.

    Attributes:
        session: Its session, or None.
        created: When it was submitted.
        start: When it started, as far as that was seen.
        end: When it reached a final status, likewise.
        response: The last answer to a read of it.
        document: Its body, with the tags that were set since.
        params: Its parameters, if any read had them.
        charge: QPU seconds that it was charged, once it ended.
        cancelled: When a cancel of it was accepted.
        deleted: Whether it was deleted.
    """

    session: SessionHistory | None
    created: Instant
    start: _Turn
    end: _Turn
    response: Response | None = None
    document: Mapping[str, object] = field(default_factory=dict)
    params: object = None
    charge: float | None = None
    cancelled: Instant | None = None
    deleted: bool = False

    @property
    def is_final(self) -> bool:
        """Whether its last read showed how it ended."""
        return status_of(self.document) in FINAL

    @property
    def ran_untold(self) -> bool:
        """Whether it may have started unseen before it was cancelled."""
        if self.start.by is not None or self.cancelled is None:
            return False
        return self.cancelled - self.start.after > self.start.close


@dataclass(slots=True)
class _Control:
    at: Instant
    ended: Instant
    order: int
    move: Callable[[Life, Instant], Life]


@dataclass(slots=True)
class SessionHistory:
    """What is known of one session or batch.

    Attributes:
        made: Whether it was created in the recording, so that all its jobs are known.
        read_at: When it was last read.
        response: The answer then.
        document: Its body.
        jobs: Its jobs, in the order of their submission.
        controls: What was asked of it.
        recorded: Its life when it was last read; None if that cannot be told.
        life: Its life after all that was recorded; None if that cannot be told.
    """

    made: bool = False
    read_at: Instant = 0
    response: Response | None = None
    document: Mapping[str, object] = field(default_factory=dict)
    jobs: list[Job] = field(default_factory=list)
    controls: list[_Control] = field(default_factory=list)
    recorded: Life | None = None
    life: Life | None = None


class _Exchange:
    """An exchange of the recording, or a run of equal polls.

    Args:
        call: The request, understood.
        interaction: The exchange.
        start: When the recording began.

    Attributes:
        said: The body of the answer.
        first: When it was asked first.
        last: When it was asked last: what the answer says holds until then.
        ended: When the first one was answered.
    """

    def __init__(self, call: Call, interaction: Interaction, start: Instant) -> None:
        self.call, self.interaction = call, interaction
        self.said = read_object(interaction.response.body)
        self.first, self.last = whole(start + interaction.at), whole(start + _last(interaction))
        self.ended = whole(start + interaction.at + interaction.took)


class History:
    """What was recorded of each session and job, by instance and id.

    Args:
        recording: The recording.
        close: How closely the start or end of a job must have been seen.

    Attributes:
        sessions: Sessions and batches.
        jobs: Jobs that were submitted in the recording.
    """

    def __init__(self, recording: Recording, close: Micros) -> None:
        self._close = close
        self.sessions: dict[tuple[int, str], SessionHistory] = {}
        self.jobs: dict[tuple[int, str], Job] = {}
        # By the last of each run of equal polls: what it says holds until then.
        for interaction in sorted(recording.interactions, key=_last):
            call = identify(interaction.request)
            if call is not None and interaction.response.status < 300:
                exchange = _Exchange(call, interaction, recording.provenance.recorded_at)
                self._note(interaction.endpoint, interaction.instance, exchange)

    def _note(self, name: str, instance: int, seen: _Exchange) -> None:
        if name == "sessions.create":
            session = self._session_of(instance, seen.said.get("id"))
            session.made = True
            _session_read(session, seen)
        elif name in _OF_A_SESSION:
            _OF_A_SESSION[name](self._session_of(instance, seen.call.ids["session"]), seen)
        elif name == "jobs.create":
            self._job_made(instance, seen)
        elif name in _OF_A_JOB and (job := self.jobs.get((instance, seen.call.ids["job"]))):
            _OF_A_JOB[name](job, seen)
        elif name == "jobs.list":
            self._jobs_listed(instance, seen)

    def _session_of(self, instance: int, ident: object) -> SessionHistory:
        return self.sessions.setdefault((instance, str(ident)), SessionHistory())

    def _job_made(self, instance: int, seen: _Exchange) -> None:
        home = read_object(seen.interaction.request.body).get("session_id")
        # It may start in the very millisecond in which it was submitted.
        before = seen.first - SECOND // 1000
        turns = _Turn(before, self._close), _Turn(before, self._close)
        session = self._session_of(instance, home) if home and isinstance(home, str) else None
        job = self.jobs[instance, str(seen.said.get("id"))] = Job(session, seen.first, *turns)
        if session is not None:
            session.jobs.append(job)

    def _jobs_listed(self, instance: int, seen: _Exchange) -> None:
        listed = seen.said.get("jobs")
        for document in listed if isinstance(listed, list) else ():
            if job := self.jobs.get((instance, str(document.get("id")))):
                _saw(job, document, seen)


def _session_read(session: SessionHistory, seen: _Exchange) -> None:
    # A guide shows a creation that answers with the id alone (documented).
    if "state" in seen.said:
        session.document, session.response = seen.said, seen.interaction.response
        session.read_at = seen.last


def _session_controlled(session: SessionHistory, seen: _Exchange) -> None:
    move = move_of(seen.call, seen.interaction.request)
    session.controls.append(_Control(seen.first, seen.ended, len(session.controls), move))


def _job_read(job: Job, seen: _Exchange) -> None:
    job.response, job.document = seen.interaction.response, seen.said
    job.params = seen.said.get("params", job.params)
    _saw(job, seen.said, seen)


def _saw(job: Job, document: Mapping[str, object], seen: _Exchange) -> None:
    status = status_of(document)
    job.created = read_moment(document.get("created")) or job.created
    if status == "Queued":
        job.start.not_before(seen.last)
    if status in FINAL:
        job.end.at_last(seen.first)
    else:
        job.end.not_before(seen.last)
    _note_charge(job, document)
    if _has_run(job, status, document.get("state")):
        job.start.at_last(seen.first)


def _measured(job: Job, seen: _Exchange) -> None:
    stamps = seen.said.get("timestamps")
    if not isinstance(stamps, Mapping):
        return
    for turn, name in ((job.start, "running"), (job.end, "finished")):
        if (moment := read_moment(stamps.get(name))) is not None:
            turn.exactly(moment)
        else:
            turn.not_before(seen.last)
    _note_charge(job, seen.said)


def _results_fetched(job: Job, seen: _Exchange) -> None:
    if seen.interaction.response.status == 200:
        job.end.at_last(seen.first)


def _job_cancelled(job: Job, seen: _Exchange) -> None:
    job.cancelled = seen.first
    job.end.exactly(seen.first)


def _job_deleted(job: Job, _seen: _Exchange) -> None:
    job.deleted = True


def _tagged(job: Job, seen: _Exchange) -> None:
    job.document = {**job.document, "tags": read_object(seen.interaction.request.body).get("tags", [])}


_OF_A_SESSION: Mapping[str, Callable[[SessionHistory, _Exchange], None]] = {
    "sessions.get": _session_read,
    "sessions.update": _session_controlled,
    "sessions.cancel": _session_controlled,
}
_OF_A_JOB: Mapping[str, Callable[[Job, _Exchange], None]] = {
    "jobs.get": _job_read,
    "jobs.metrics": _measured,
    "jobs.results": _results_fetched,
    "jobs.cancel": _job_cancelled,
    "jobs.delete": _job_deleted,
    "jobs.tags": _tagged,
}


def _note_charge(job: Job, document: Mapping[str, object]) -> None:
    usage = document.get("usage")
    if isinstance(usage, Mapping) and usage.get("status") == "complete":
        seconds = usage.get("qpu_charge_time_seconds")
        job.charge = float(seconds) if isinstance(seconds, (int, float)) else job.charge


def _has_run(job: Job, status: object, state: object) -> bool:
    """Whether a job certainly started: it was seen to, or it failed otherwise than by being dropped."""
    dropped = isinstance(state, Mapping) and state.get("reason_code") == _session_document.DROPPED
    return status in {"Running", "Completed"} or bool(job.charge) or (status == "Failed" and not dropped)


def move_of(call: Call, request: Request) -> Callable[[Life, Instant], Life]:
    """What a write to a session does to its life."""
    if call.endpoint.name == "sessions.cancel":
        return _lifecycle.cancel
    accepting = read_object(request.body).get("accepting_jobs") is True
    return _lifecycle.accept_again if accepting else _lifecycle.stop_accepting


def status_of(document: Mapping[str, object]) -> object:
    """The status in the body of a job."""
    state = document.get("state")
    return state.get("status") if isinstance(state, Mapping) else None


def _last(interaction: Interaction) -> Micros:
    return max(interaction.at, interaction.last)


def whole(moment: Instant) -> Instant:
    """The moment in whole milliseconds, which the service writes."""
    # Finer moments would not agree with what it wrote.
    return moment - moment % (SECOND // 1000)
