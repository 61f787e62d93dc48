"""What a test of IBM's puts into its registry, as the state of an emulator of ours.

A registry (``test/registries`` in the client's source distribution) holds instances, backends,
jobs and sessions, and makes the answers to requests from them. Here its entities are only read: they
become instances, devices, past jobs and lives of sessions of an `Emulator`, and that one answers.
What an entity says about an answer, and not about the service, has no place there: a raw response of
``GET /jobs/{id}``, or that a status changes because somebody looked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from qsession import _lifecycle, _session_document
from qsession._lifecycle import Life, Limits, Rules
from qsession._model import SECOND, Instant, Micros, Request, Response
from qsession._refusals import Refused
from qsession.emulator import Emulator, Instance
from qsession.emulator._backends import calibrated
from qsession.emulator._course import JobPlan
from qsession.emulator._devices import Device, documented
from qsession.emulator._programs import RAN_TOO_LONG, Failure, Given, Outcome, unread
from qsession.emulator._records import Job, Submission
from qsession.emulator._replies import compact

RESULTS = '{"quasi_dists":[{"0":1.0}],"metadata":[]}'
"""What a job comes to that has no circuits, unless the registry says so."""

BEGIN: Instant = 1_788_220_800 * SECOND
STEP = SECOND // 10
"""How far a request moves time on: answers do not depend on how fast the machine is."""

RUN_SECONDS = 0.25
_DAY = 86_400 * SECOND
_NEVER = 36_500 * _DAY
_PAST = 10 * _DAY
_MAX_COST = 10_800
_FINAL = frozenset({"completed", "cancelled", "failed"})
_NO_REASON = Failure(1000, "the registry gives no reason")
_TOKEN = b"grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=any&response_type=cloud_iam"
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class CannotTell(Exception):
    """An entity of the registry that says nothing about the service."""


class Stage:
    """An emulator that is kept as the registry says, and answers in its place.

    It starts at the first request, and looks for what is new in the registry before each.

    Args:
        registry: A registry of IBM's tests.

    Attributes:
        unread: How many jobs were submitted that came to given results, since nobody can read them.
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._emulator = Emulator(
            # Takes its backends' place before the first answer: an emulator has at least one.
            backends=("ibm_fez",),
            instances=_instances(registry),
            queue_seconds=0,
            run_seconds=RUN_SECONDS,
            strict=True,
            rules=Rules(deletes_open_jobs=True),
            unread_results=RESULTS,
        )
        self.unread = 0
        self._at = BEGIN
        self._told: dict[object, str] = {}
        self._bearer = f"Bearer {self._token()}"

    def answer(self, request: Request) -> Response:
        """What the emulator answers.

        The fixture of these tests takes the client's authentication away, so the token is ours,
        which the emulator granted.

        Raises:
            CannotTell: If the registry holds something that is no state of a service.
        """
        self._at += STEP
        self._tell()
        headers = {**request.headers, "authorization": self._bearer}
        answer = self._emulator.answer(replace(request, headers=headers), self._at)
        if request.method == "POST" and request.url.endswith("/jobs") and answer.status == 200:
            crn, ident = request.headers["service-crn"], json.loads(answer.body)["id"]
            submitted = self._emulator._world.state.job(crn, ident, self._at).job
            self.unread += isinstance(submitted.work.body, Given)
        return answer

    def _token(self) -> str:
        request = Request("POST", "https://iam.cloud.ibm.com/identity/token", _FORM, _TOKEN)
        return str(json.loads(self._emulator.answer(request, self._at).body)["access_token"])

    def _tell(self) -> None:
        world = self._emulator._world
        instances = _instances(self._registry)
        if self._is_new("instances", instances):
            world.directory.fill(instances)
        devices = {backend.name: backend for backend in _backends(self._registry)}
        if self._is_new("backends", devices):
            world.devices.clear()
            world.devices.update({name: device_of(backend) for name, backend in devices.items()})
        world.state.usage_after = usage_after(self._registry)
        for name, jobs in self._registry.jobs.items():
            crn = self._registry.instances[name].crn
            for place, job in enumerate(jobs.values()):
                if self._is_new(("job", job.id), job):
                    self._tell_job(crn, job, place)
        for name, sessions in self._registry.sessions.items():
            for session in sessions.values():
                if self._is_new(("session", session.id), session):
                    self._tell_session(self._registry.instances[name].crn, session)

    def _is_new(self, what: object, entity: object) -> bool:
        now = repr(entity)
        before, self._told[what] = self._told.get(what), now
        return before != now

    def _tell_job(self, crn: str, job: Any, place: int) -> None:
        if job.raw_details is not None:
            raise CannotTell("a raw response is no state of a service")
        world = self._emulator._world
        try:
            known = world.state.job(crn, job.id, self._at).job
        except Refused:
            known = None
        if known is not None and known.order > 0:
            # The client submitted it: what it comes to is the registry's, its course is the emulator's.
            known.outcome = outcome_of(job) or known.outcome
            return
        device = world.devices.get(job.backend_name)
        asked = Submission(
            job.program, job.backend_name, {}, _MAX_COST, mock=device is not None and device.mock
        )
        work = unread(job.program, {}, RESULTS)
        world.state.remember(crn, asked, work, plan_of(job, self._started(place)))
        remembered: Job = world.state.job(crn, job.id, self._at).job
        remembered.outcome = outcome_of(job)

    def _started(self, place: int) -> Instant:
        # A registry lists jobs in the order in which they were put there, the service the newest first.
        return BEGIN - _PAST - place * SECOND

    def _tell_session(self, crn: str, session: Any) -> None:
        state = self._emulator._world.state
        state.remember_session(crn, session.id, session.backend_name, life_of(session, self._at))


def _instances(registry: Any) -> tuple[Instance, ...]:
    listed = registry.instances.values()
    return tuple(instance_of(each, tuple(registry.backends.get(each.name, ()))) for each in listed)


def _backends(registry: Any) -> Iterator[Any]:
    found: dict[str, Any] = {}
    for backends in registry.backends.values():
        for backend in backends.values():
            if found.setdefault(backend.name, backend) is not backend:
                raise CannotTell("two backends of one name")
    return iter(found.values())


def instance_of(instance: Any, backends: tuple[str, ...]) -> Instance:
    """An instance: its name is its plan's too, and it sees its own backends only.

    Its limit and allocation are the registry's; what was used of them the emulator counts itself.
    """
    usage: Mapping[str, Any] = instance.usage
    return Instance(
        instance.crn,
        name=instance.name,
        plan=instance.name,
        pricing_type=instance.pricing_type,
        region=instance.crn.split(":")[5],
        tags=tuple(instance.tags),
        # No names at all would mean all backends.
        backends=backends or ("none",),
        usage_limit_seconds=usage.get("usage_limit_seconds"),
        usage_allocation_seconds=usage.get("usage_allocation_seconds"),
    )


def device_of(backend: Any) -> Device:
    """A backend; one named ``mock_…`` is of class ``mock``, as those that the client's dry run looks for."""
    found = documented(backend.name, compact(backend.configuration), compact(backend.properties))
    return replace(
        found,
        mock=backend.is_mock or backend.name.startswith("mock_"),
        status=backend.status,
        queue_length=backend.queue_length,
        calibrations=calibrated(found, backend.calibrations),
    )


def usage_after(registry: Any) -> Micros:
    """How long usage is pending after the end of a job: for good, or not at all.

    Raises:
        CannotTell: If it is so for some jobs only.
    """
    ended = [job for jobs in registry.jobs.values() for job in jobs.values() if job.status in _FINAL]
    pending = {job.usage["status"] == "pending" for job in ended}
    if len(pending) > 1:
        raise CannotTell("the usage of some jobs is pending, and that of others is not")
    return _NEVER if True in pending else 0


def plan_of(job: Any, created: Instant) -> JobPlan:
    """The course of a job whose status is the registry's: it stays what it is."""
    plan = JobPlan(job.id, created, 0, round(job.usage["qpu_charge_time_seconds"] * SECOND))
    if job.status == "queued":
        return replace(plan, queued_for=_NEVER)
    if job.status == "running":
        return replace(plan, runs_for=_NEVER)
    if job.status == "cancelled" and outcome_of(job) is None:
        return replace(plan, queued_for=_NEVER, cancelled=created + STEP)
    return plan


def outcome_of(job: Any) -> Outcome | None:
    """What a job comes to at its end; None where the registry leaves that to the emulator."""
    final = job.statuses[-1] if job.status in job.statuses else job.status
    code, words = job.statuses_reason.get(final, (None, ""))
    failure = None
    if final == "failed" or (final == "cancelled" and code == RAN_TOO_LONG):
        failure = _NO_REASON if code is None else Failure(code, words)
    if job.raw_results is None and failure is None:
        return None
    return Outcome(job.raw_results or words, failure)


def life_of(session: Any, at: Instant) -> Life:
    """The life of a session without timers, in the states that the registry gives it moments for."""
    limits = Limits(_NEVER, _NEVER, _NEVER, unused_ttl=_NEVER)
    born = replace(_lifecycle.begin(session.mode, at, limits=limits), timestamps=())
    if not session.timestamps:
        return born
    state = session.timestamps[-1]["status"]
    document = {"mode": session.mode, "state": state, "timestamps": session.timestamps}
    told = _session_document.read(document | {"accepting_jobs": state != "closed"})
    return replace(told, limits=limits)
