"""The answers past the end of a recording."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from qsession import _lifecycle, _session_document
from qsession._beyond._history import FINAL, History, Job, SessionHistory, Untold, move_of, status_of, whole
from qsession._beyond._rebuild import check_not_ended, check_not_started, end_of, rebuild, time_held
from qsession._bodies import read_object
from qsession._endpoints import Call
from qsession._lifecycle import Life, Rules
from qsession._model import SECOND, Instant, Micros, Recording, Request, Response
from qsession._refusals import Refused, refusal

_GONE = Response(204, "No Content")


class Beyond:
    """The life of a recording's sessions and jobs past its end. One caller at a time.

    Give it the exchanges that took place: a write that was recorded and not sent, and
    what was read after it, must not be among them.

    It answers reads of sessions and of jobs, and what the code under test does to them
    from then on. Everything else, such as backends or the results of a job that
    had ended, does not change with time: the recorded answer is the caller's to give.

    Args:
        recording: The recording. Nothing is read before the first question.
        rules: What is not known of the life of sessions.
        close: How closely the start and end of a job must have been seen, where no metrics
            tell them; the client polls more closely than the service's timers count.
    """

    def __init__(self, recording: Recording, *, rules: Rules | None = None, close: Micros = SECOND) -> None:
        self._recording, self._rules, self._close = recording, rules or Rules(), close

    def answer(self, call: Call, request: Request, instance: int, at: Micros) -> Response | None:
        """Answer a request past the end of the recording.

        Args:
            call: The request, understood.
            request: The request.
            instance: Which instance of the recording it goes to.
            at: The moment, counted from the start of the recording.

        Returns:
            The answer; None if the recording does not tell it.
        """
        name, moment = call.endpoint.name, self._moment(at)
        if name == "jobs.create":
            return self._create(self._session(instance, _home(request)), request, moment)
        if name in {"sessions.get", "sessions.update", "sessions.cancel"}:
            session = self._session(instance, call.ids["session"])
            if session is None:
                return None
            return (
                _read(session, moment) if name == "sessions.get" else _control(session, call, request, moment)
            )
        job = (
            self._known.jobs.get((instance, call.ids["job"])) if name in {"jobs.get", "jobs.cancel"} else None
        )
        if job is None:
            return None
        try:
            state = self._state(job, moment)
        except Untold:
            return None
        return _described(job, call, state) if name == "jobs.get" else _cancelled(job, state, request, moment)

    def next_change(self, at: Micros) -> Micros | None:
        """The first moment after another one at which a session, and with it its jobs, changes by a timer.

        Args:
            at: A moment, counted from the start of the recording.

        Returns:
            A moment counted likewise; None when nothing that is known will change.
        """
        now = self._moment(at)
        lives = (_lifecycle.advance(s.life, now) for s in self._known.sessions.values() if s.life)
        due = [timer[0] for timer in map(_lifecycle.next_timer, lives) if timer]
        return min(due) - self._recording.provenance.recorded_at if due else None

    @cached_property
    def _known(self) -> History:
        history = History(self._recording, self._close)
        for session in history.sessions.values():
            try:
                rebuild(session, self._rules)
            except ValueError:
                # Not told, or not as the documentation says that sessions go.
                session.life = None
        return history

    def _moment(self, at: Micros) -> Instant:
        return whole(self._recording.provenance.recorded_at + at)

    def _session(self, instance: int, ident: str) -> SessionHistory | None:
        return self._known.sessions.get((instance, ident))

    def _create(self, session: SessionHistory | None, request: Request, at: Instant) -> Response | None:
        if session is None or session.life is None:
            return None
        if _lifecycle.takes_jobs(_lifecycle.advance(session.life, at)):
            return None
        return _refused("session closed", request, at)

    def _state(self, job: Job, at: Instant) -> Mapping[str, object]:
        told = job.document.get("state")
        if job.deleted:
            raise Untold("nobody knows what a deleted job looks like")
        if job.is_final and isinstance(told, Mapping):
            return told
        if job.cancelled is not None:
            return {"status": "Cancelled"}
        if job.end.by is not None:
            raise Untold("the job ended, and nobody asked how")
        session = job.session
        if job.start.by is not None:
            check_not_ended(job)
            return {"status": "Running"}
        if session is not None:
            if session.life is None:
                raise Untold("its session may have closed")
            life = _lifecycle.advance(session.life, at)
            check_not_started(job, session, life)
            if life.state == "closed":
                return _session_document.dropped(self._rules)
        return {"status": "Queued"}


def _home(request: Request) -> str:
    return str(read_object(request.body).get("session_id"))


def _read(session: SessionHistory, at: Instant) -> Response | None:
    if session.life is None or session.recorded is None or session.response is None:
        return None
    life = _lifecycle.advance(session.life, at)
    if life.mode == "batch" and not _usage_is_told(session, life):
        return None
    then, now = _session_document.render(session.recorded), _session_document.render(life)
    changed = {name: value for name, value in now.items() if then.get(name) != value}
    if "timestamps" in changed:
        new = life.timestamps[len(session.recorded.timestamps) :]
        listed = session.document.get("timestamps")
        entered = _session_document.stamps(new)
        changed["timestamps"] = [*(listed if isinstance(listed, list) else ()), *entered]
    return _written(session.response, {**session.document, **changed}) if changed else session.response


def _control(session: SessionHistory, call: Call, request: Request, at: Instant) -> Response:
    if session.life is not None:
        session.life = move_of(call, request)(session.life, at)
    return _GONE


def _described(job: Job, call: Call, state: Mapping[str, object]) -> Response | None:
    if job.response is None:
        return None
    document: dict[str, object] = {**job.document, "params": job.params}
    if state["status"] != status_of(job.document):
        document |= {"state": state, "status": state["status"], "usage": _usage_of(job, state)}
    if dict(call.query).get("exclude_params") == "true":
        del document["params"]
    elif job.params is None:
        return None
    return _written(job.response, document)


def _cancelled(job: Job, state: Mapping[str, object], request: Request, at: Instant) -> Response:
    if state["status"] in FINAL:
        return _refused("not cancellable", request, at)
    job.cancelled = at
    job.start.not_before(at)
    job.end.exactly(at)
    if job.session is not None and job.session.life is not None:
        job.session.life = end_of(job)(job.session.life)
    return _GONE


def _usage_of(job: Job, state: Mapping[str, object]) -> object:
    usage = job.document.get("usage")
    if state["status"] not in FINAL or not isinstance(usage, Mapping):
        return usage
    if (ran := time_held(job)) is None:
        # The charge of a cancelled job shows only where its start is known.
        return usage
    return {**usage, "qpu_charge_time_seconds": ran / SECOND, "status": "complete"}


def _refused(kind: str, request: Request, at: Instant) -> Response:
    trace = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{request.method} {request.url} {at}"))
    return refusal(Refused(kind), trace)


def _written(response: Response, document: Mapping[str, object]) -> Response:
    return replace(response, body=json.dumps(document, separators=(",", ":")).encode())


def _usage_is_told(session: SessionHistory, life: Life) -> bool:
    """Whether the usage of a batch is known, if it is due: each of its jobs told its own."""
    if session.document.get("elapsed_time") is not None or _lifecycle.elapsed_time(life) is None:
        return True
    return all(time_held(job) is not None for job in session.jobs if job.end.by is not None)
