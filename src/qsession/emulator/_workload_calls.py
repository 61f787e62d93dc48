"""Workloads: sessions, batches and jobs outside of them in one list, page by page.

Fields, filters and limits are documented, the cursor is a moment in base64 (observed). What
is listed is inferred: the jobs of a session or batch are part of it and no workloads of their own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from qsession import _lifecycle
from qsession._clock import isoformat
from qsession._lifecycle import Life, State
from qsession._model import SECOND, Instant, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _charges
from qsession.emulator._course import Phase
from qsession.emulator._exchange import USER_ID, Exchange, World
from qsession.emulator._instances import Instance
from qsession.emulator._programs import RAN_TOO_LONG
from qsession.emulator._records import Session, View
from qsession.emulator._replies import reply
from qsession.emulator._state import outcome

_PAGE, _MOST = 10, 50
_SORTS = ("createdAt", "-createdAt")
_MODES = ("job", "session", "batch")
_STATUSES = ("pending", "in_progress", "completed", "failed", "canceled")

Status = Literal["pending", "in_progress", "completed", "failed", "canceled"]

# Both inferred: what states of a session, and phases of a job that did not end, are called here.
_STATES: dict[State, Status] = {
    "open": "pending",
    "active": "in_progress",
    "inactive": "in_progress",
    "closed": "completed",
}
_PHASES: dict[Phase, Status] = {
    "Queued": "pending",
    "Running": "in_progress",
    "Cancelled": "canceled",
    "Dropped": "canceled",
}


@dataclass(frozen=True, slots=True)
class Workload:
    """One line of the list.

    Attributes:
        created: When it was created.
        ident: Its id.
        instance: CRN of its instance.
        backend: Its backend.
        mode: ``job``, ``session`` or ``batch``.
        status: How far it is.
        tags: Its tags.
        mock: Whether its backend is of class ``mock``.
        more: The rest of its document.
    """

    created: Instant
    ident: str
    instance: str
    backend: str
    mode: str
    status: Status
    tags: tuple[str, ...]
    mock: bool
    more: dict[str, Json]

    @property
    def key(self) -> tuple[Instant, str]:
        """Where it stands in the list."""
        return self.created, self.ident


def listing(world: World, exchange: Exchange) -> Response:
    """``GET /workloads``: the oldest first, ten a page, unless asked for otherwise (documented)."""
    found = _filtered(world, exchange)
    found.sort(key=lambda workload: workload.key, reverse=_word(exchange, "sort", _SORTS) == "-createdAt")
    limit = exchange.integer("limit", _PAGE, lowest=1, highest=_MOST)
    begin = _begin(found, exchange, limit)
    page = found[begin : begin + limit]
    document: dict[str, Json] = {
        "workloads": [_document(workload) for workload in page],
        "total_count": len(found),
        "limit": limit,
    }
    if page and begin:
        document["previous"] = {"href": _href(exchange, "previous", page[0])}
    if begin + limit < len(found):
        document["next"] = {"href": _href(exchange, "next", page[-1])}
    return reply(document)


def _filtered(world: World, exchange: Exchange) -> list[Workload]:
    mode = _word(exchange, "mode", _MODES)
    statuses = exchange.queries("status")
    if unknown := set(statuses) - set(_STATUSES):
        raise Refused("invalid query", f"status {min(unknown)} is not one of {', '.join(_STATUSES)}")
    after, before = exchange.moment("created_after"), exchange.moment("created_before")
    search, tags = exchange.query("search"), set(exchange.queries("tags"))
    mocks = exchange.flag("include_mocks") is True
    if exchange.query("user") not in {None, "me", USER_ID}:
        return []
    return [
        workload
        for workload in _workloads(world, exchange)
        if mode in {None, workload.mode}
        and (not statuses or workload.status in statuses)
        and exchange.query("backend") in {None, workload.backend}
        and (after is None or workload.created >= after)
        and (before is None or workload.created <= before)
        and tags <= set(workload.tags)
        and (not search or any(search in word for word in (workload.ident, *workload.tags)))
        and (mocks or not workload.mock)
    ]


def _word(exchange: Exchange, name: str, known: tuple[str, ...]) -> str | None:
    value = exchange.query(name)
    if value is not None and value not in known:
        raise Refused("invalid query", f"{name} must be one of {', '.join(known)}")
    return value


def _workloads(world: World, exchange: Exchange) -> Iterator[Workload]:
    """Those of every instance of the account in the region (the client's unit tests expect them)."""
    for instance in world.instances:
        if instance.region == exchange.instance.region:
            yield from _of_instance(world, instance, exchange.at)


def _of_instance(world: World, instance: Instance, at: Instant) -> Iterator[Workload]:
    for session, life in world.state.sessions(instance.crn, at):
        yield _of_session(session, life, mock=world.devices[session.backend].mock)
    for view in world.state.jobs(instance.crn, at):
        if view.job.asked.session is None:
            yield _of_job(view)


def _of_session(session: Session, life: Life, *, mock: bool) -> Workload:
    used = _lifecycle.elapsed_time(life)
    more: dict[str, Json] = {
        "accepting_jobs": life.accepting_jobs,
        "status_reason": life.state_reason,
        **_usage(0 if mock else (used or 0) / SECOND, done=used is not None),
    }
    if life.closed_at is not None:
        more["ended"] = isoformat(life.closed_at)
    mode = "batch" if life.mode == "batch" else "session"
    status = _STATES[life.state]
    return Workload(
        life.created_at, session.ident, session.crn, session.backend, mode, status, (), mock, more
    )


def _of_job(view: View) -> Workload:
    asked, fate = view.job.asked, view.fate
    more: dict[str, Json] = {
        "accepting_jobs": None,
        **_usage(_charges.ran(view) / SECOND, done=view.settled),
        "estimated_running_time_seconds": view.job.estimate,
    }
    if fate.ended is not None:
        more["ended"] = isoformat(fate.ended)
    status = _status(view)
    if status == "failed" and (found := outcome(view)) is not None and found.failure is not None:
        more["status_reason"] = found.failure.reason
    created, ident = view.job.plan.created, view.job.plan.job
    return Workload(created, ident, view.job.crn, asked.backend, "job", status, view.tags, asked.mock, more)


def _status(view: View) -> Status:
    if view.fate.phase == "Ended":
        found = outcome(view)
        if found is None or found.failure is None:
            return "completed"
        return "canceled" if found.failure.code == RAN_TOO_LONG else "failed"
    return _PHASES[view.fate.phase]


def _usage(seconds: float, *, done: bool) -> dict[str, Json]:
    usage: dict[str, Json] = {
        "qpu_charge_time_seconds": seconds,
        "status": "complete" if done else "pending",
    }
    return {"usage_seconds": seconds, "usage": usage}


def _document(workload: Workload) -> dict[str, Json]:
    return {
        "id": workload.ident,
        "created": isoformat(workload.created),
        "backend": workload.backend,
        "instance": workload.instance,
        "user_id": USER_ID,
        "mode": workload.mode,
        "status": workload.status,
        "tags": list(workload.tags),
        **workload.more,
    }


def _begin(found: list[Workload], exchange: Exchange, limit: int) -> int:
    """Where the page begins: behind the cursor of ``next``, or a page before that of ``previous``."""
    following, previous = exchange.query("next"), exchange.query("previous")
    if following and previous:
        raise Refused("invalid query", "next and previous exclude each other")
    if following:
        return _index(found, _read_cursor("next", following)) + 1
    if previous:
        return max(0, _index(found, _read_cursor("previous", previous)) - limit)
    return 0


def _index(found: list[Workload], key: tuple[Instant, str]) -> int:
    place = next((i for i, workload in enumerate(found) if workload.key == key), None)
    if place is None:
        raise Refused("invalid query", "the workload of the cursor is not in the list")
    return place


def _cursor(workload: Workload) -> str:
    # The id tells workloads of one moment apart.
    return base64.urlsafe_b64encode(f"{workload.created}|{workload.ident}".encode()).decode()


def _read_cursor(name: str, cursor: str) -> tuple[Instant, str]:
    try:
        moment, _, ident = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        return int(moment), ident
    except (ValueError, binascii.Error) as problem:
        raise Refused("invalid query", f"{name} is no cursor that a list gave") from problem


def _href(exchange: Exchange, name: str, workload: Workload) -> str:
    asked = [(key, value) for key, value in exchange.call.query if key not in {"next", "previous"}]
    base = exchange.request.url.partition("?")[0]
    return f"{base}?{urlencode([*asked, (name, _cursor(workload))])}"
