"""Jobs: submit, look at, collect, cancel, delete, tag."""

from __future__ import annotations

import functools
import importlib.metadata

from qsession import _session_document
from qsession._clock import isoformat
from qsession._model import SECOND, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _admission, _charges, _programs, _versions
from qsession.emulator._exchange import (
    USER_ID,
    Exchange,
    World,
    flag,
    labels,
    required_words,
    whole,
    words,
)
from qsession.emulator._programs import RAN_TOO_LONG, Failure, Work
from qsession.emulator._records import Submission, View
from qsession.emulator._replies import nothing, ready, reply, text
from qsession.emulator._state import outcome

MAX_COST = 10_800
"""Three hours, the most a job may take (documented)."""

MAX_BODY = 50_000_000
"""Bytes of a job's input (documented as 50 MB)."""

_PAGE = 200
_TOO_LONG = "Cancelled - Ran too long"  # documented for status; state.status has the first word
_LOG_LEVELS = frozenset({"critical", "error", "warning", "info", "debug"})


def create(world: World, exchange: Exchange) -> Response:
    """``POST /jobs``: 200, not 201 (documented)."""
    body = exchange.document(longest=MAX_BODY)
    asked = _asked(body, exchange)
    asked = _admission.admitted(world, exchange, asked)
    work = _work(world, asked)
    caps = _admission.caps(world, exchange.instance)
    ident = world.state.submit(exchange.instance.crn, asked, work, exchange.at, caps=caps)
    answer: dict[str, Json] = {"id": ident, "backend": asked.backend}
    if asked.session:
        answer["session_id"] = asked.session
    if asked.private:
        answer["private"] = True
    if asked.calibration:
        answer["calibration_id"] = asked.calibration
    return reply(answer)


def _work(world: World, asked: Submission) -> Work:
    """What a job does, with `World.unread_results` for one that would be refused."""
    try:
        return _read(world, asked)
    except Refused:
        if world.unread_results is None:
            raise
        return _programs.unread(asked.program, asked.params, world.unread_results)


def _read(world: World, asked: Submission) -> Work:
    if asked.program not in _programs.PROGRAMS:
        known = asked.program in _programs.KNOWN_PROGRAMS
        raise Refused("not emulated program" if known else "unknown program", asked.program)
    if not isinstance(asked.params, dict):
        raise Refused("invalid", "params must be an object")
    return _programs.prepare(asked.program, asked.params, world.devices[asked.backend], noise=world.noise)


def _asked(body: dict[str, Json], exchange: Exchange) -> Submission:
    # The client sends it in capitals (measured), the documentation has it in small letters.
    if (words(body, "log_level", longest=10) or "info").lower() not in _LOG_LEVELS:
        raise Refused("invalid", f"log_level must be one of {', '.join(sorted(_LOG_LEVELS))}")
    cost = whole(body, "cost", lowest=0, highest=2**31 - 1)
    header = exchange.request.headers.get("x-qx-client-application", "")
    return Submission(
        program=required_words(body, "program_id", longest=10_000),
        backend=required_words(body, "backend", longest=10_000),
        params=body.get("params", {}),
        cost=MAX_COST if cost is None else min(cost, MAX_COST),
        tags=labels(body),
        session=words(body, "session_id", longest=36),
        private=flag(body, "private", default=False),
        runtime=words(body, "runtime", longest=10_000) or "",
        caller=header.rpartition("/")[2],
        calibration=words(body, "calibration_id", longest=100) or "",
        # 0 is allowed (documented) and cannot mean that nothing may run (inferred).
        limit=min(cost, MAX_COST) if cost else None,
    )


def get(world: World, exchange: Exchange) -> Response:
    """``GET /jobs/{id}``; parameters included unless told otherwise (documented)."""
    params = exchange.flag("exclude_params") is not True
    return reply(_document(world, _view(world, exchange), params=params))


def listing(world: World, exchange: Exchange) -> Response:
    """``GET /jobs``: newest first, parameters left out unless asked for (documented).

    Jobs on backends of class ``mock`` are listed on request only (the client's code).
    """
    views = [view for view in _selected(world, exchange) if _passes(view, exchange)]
    if (exchange.query("sort") or "DESC").upper() != "ASC":
        views.reverse()
    limit = exchange.integer("limit", _PAGE, lowest=1, highest=_PAGE)
    offset = exchange.integer("offset", 0, lowest=0, highest=10**9)
    params = exchange.flag("exclude_params") is False
    page = views[offset : offset + limit]
    return reply(
        {
            "jobs": [_document(world, view, params=params) | _older(view, exchange) for view in page],
            "count": len(views),
            "limit": limit,
            "offset": offset,
        }
    )


def _selected(world: World, exchange: Exchange) -> list[View]:
    after, before = exchange.moment("created_after"), exchange.moment("created_before")
    return [
        view
        for view in world.state.jobs(exchange.instance.crn, exchange.at)
        if (after is None or view.job.plan.created >= after)
        and (before is None or view.job.plan.created <= before)
    ]


def _passes(view: View, exchange: Exchange) -> bool:
    asked, pending = view.job.asked, exchange.flag("pending")
    return (
        exchange.query("backend") in {None, asked.backend}
        and exchange.query("program") in {None, asked.program}
        and exchange.query("session_id") in {None, asked.session}
        and pending in {None, not view.fate.is_final}
        and set(exchange.queries("tags")) <= set(view.tags)
        and (not asked.mock or exchange.flag("include_mocks") is True)
    )


def _older(view: View, exchange: Exchange) -> dict[str, Json]:
    """What a job's entry has beside itself in older versions of the API (the service's changelog)."""
    if exchange.version >= _versions.ROOT_TIME_SINCE:
        return {}
    usage, seconds = _usage(view), _charged(view)
    usage["circuits_execution_time_ns"] = round(seconds * 10**9)
    if exchange.version >= _versions.PLAIN_USAGE_SINCE:
        return {"usage": usage}
    return {
        "usage": usage | {"quantum_seconds": seconds, "seconds": seconds},
        "bss": {"seconds": seconds},
    }


def results(world: World, exchange: Exchange) -> Response:
    """``GET /jobs/{id}/results``: 204 while there are none, and after a cancel (observed)."""
    view = _view(world, exchange)
    found = outcome(view)
    if found is None or not world.state.hand_out(view.job):
        return nothing()
    return ready(found.text.encode()) if found.failure is None else text(found.text)


def logs(world: World, exchange: Exchange) -> Response:
    """``GET /jobs/{id}/logs``: there are none before the job ended (client's docstring)."""
    view = _view(world, exchange)
    found = outcome(view)
    if found is None:
        raise Refused("no logs")
    return text(f"{view.job.asked.program}: {'completed' if found.failure is None else found.text}\n")


def metrics(world: World, exchange: Exchange) -> Response:
    """``GET /jobs/{id}/metrics``; ``running`` is null for a job that never ran (observed)."""
    view = _view(world, exchange)
    fate = view.fate
    document: dict[str, Json] = {
        "timestamps": {
            "created": isoformat(view.job.plan.created),
            "running": None if fate.started is None else isoformat(fate.started),
            "finished": None if fate.ended is None else isoformat(fate.ended),
        },
        "usage": _usage(view),
        "qiskit_version": _qiskit_version(),
        "caller": view.job.asked.caller,
    }
    if exchange.version >= _versions.ROOT_TIME_SINCE:
        document["circuits_execution_time_ns"] = round(_charged(view) * 10**9)
    return reply(document | _older(view, exchange))


def cancel(world: World, exchange: Exchange) -> Response:
    """``POST /jobs/{id}/cancel``: 409 in a final status (documented)."""
    world.state.cancel_job(exchange.instance.crn, exchange.call.ids["job"], exchange.at)
    return nothing()


def delete(world: World, exchange: Exchange) -> Response:
    """``DELETE /jobs/{id}``: a final status only (documented), unless a rule says else."""
    world.state.delete_job(exchange.instance.crn, exchange.call.ids["job"], exchange.at)
    return nothing()


def tag(world: World, exchange: Exchange) -> Response:
    """``PUT /jobs/{id}/tags``; a body without them is refused, so that a slip clears none (ours)."""
    body = exchange.document()
    if "tags" not in body:
        raise Refused("invalid", "tags is required")
    tags = labels(body)
    world.state.tag_job(exchange.instance.crn, exchange.call.ids["job"], tags)
    return nothing()


def tags(world: World, exchange: Exchange) -> Response:
    """``GET /tags?type=job&search=``: 3 to 100 characters (documented)."""
    search = exchange.query("search") or ""
    if exchange.query("type") != "job" or not 3 <= len(search) <= 100:
        raise Refused("invalid", "type must be job and search 3 to 100 characters long")
    views = world.state.jobs(exchange.instance.crn, exchange.at)
    found = {tag for view in views for tag in view.tags if search in tag}
    return reply({"tags": sorted(found)})


def _view(world: World, exchange: Exchange) -> View:
    return world.state.job(exchange.instance.crn, exchange.call.ids["job"], exchange.at)


def _document(world: World, view: View, *, params: bool) -> dict[str, Json]:
    asked = view.job.asked
    state = _state(world, view)
    document: dict[str, Json] = {
        "id": view.job.plan.job,
        "backend": asked.backend,
        "state": state,
        "status": state["status"] if state.get("reason_code") != RAN_TOO_LONG else _TOO_LONG,
        "program": {"id": asked.program},
        "created": isoformat(view.job.plan.created),
        "cost": asked.cost,
        "tags": list(view.tags),
        "user_id": USER_ID,
        "usage": _usage(view),
        "estimated_running_time_seconds": view.job.estimate,
    }
    if params:
        document["params"] = {} if asked.private else asked.params
    optional = {"session_id": asked.session, "runtime": asked.runtime, "private": asked.private}
    optional |= {"calibration_id": asked.calibration}
    return document | {name: value for name, value in optional.items() if value}


def _state(world: World, view: View) -> dict[str, Json]:
    phase = view.fate.phase
    if phase == "Dropped":
        return _session_document.dropped(world.state.rules)
    if phase != "Ended":
        return {"status": phase}
    found = outcome(view)
    failure = found.failure if found else None
    return {"status": "Completed"} if failure is None else _failed(failure)


def _failed(failure: Failure) -> dict[str, Json]:
    state: dict[str, Json] = {
        "status": "Cancelled" if failure.code == RAN_TOO_LONG else "Failed",
        "reason": failure.reason,
        "reason_code": failure.code,
    }
    return state | {"reason_solution": failure.solution} if failure.solution else state


def _charged(view: View) -> float:
    # The time it held the QPU, 0 until it ended (the client's docstring on pending
    # usage). The service bills whole seconds (observed); here a job's usage agrees
    # with its timestamps and its session's elapsed_time.
    ran = _charges.ran(view)
    return ran / SECOND if ran else 0


def _usage(view: View) -> dict[str, Json]:
    status = "complete" if view.settled else "pending"
    return {"qpu_charge_time_seconds": _charged(view), "status": status}


@functools.cache
def _qiskit_version() -> str:
    return importlib.metadata.version("qiskit")
