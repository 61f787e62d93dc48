"""Sessions and batches."""

from __future__ import annotations

from qsession import _lifecycle, _session_document
from qsession._lifecycle import Life, Limits, Mode
from qsession._model import SECOND, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _admission
from qsession.emulator._course import Wish
from qsession.emulator._exchange import (
    USER_ID,
    Exchange,
    World,
    flag,
    required_words,
    whole,
    words,
)
from qsession.emulator._instances import Instance
from qsession.emulator._records import Session
from qsession.emulator._replies import nothing, reply

_INT32 = 2**31 - 1


def create(world: World, exchange: Exchange) -> Response:
    """``POST /sessions``. Unknown keys are fine: the client sends ``instance`` (measured)."""
    body = exchange.document()
    mode = _mode(body)
    if mode == "dedicated" and exchange.instance.is_open_plan:
        raise Refused("open plan session")
    backend = _backend(body)
    _admission.open_backend(world, exchange, backend)
    limits = _limits(body, exchange.instance)
    session = world.state.open_session(exchange.instance.crn, backend, mode, limits, exchange.at)
    return reply(_document(session, session.born))


def _backend(body: dict[str, Json]) -> str:
    words(body, "backend_name", longest=10_000)  # must be one even where it does not count
    return required_words(body, "backend" if "backend" in body else "backend_name", longest=10_000)


def _mode(body: dict[str, Json]) -> Mode:
    mode = body.get("mode")
    if mode == "dedicated":
        return "dedicated"
    if mode == "batch":
        return "batch"
    raise Refused("invalid", "mode must be dedicated or batch")


def _limits(body: dict[str, Json], instance: Instance) -> Limits:
    # The open plan's limit is documented; that more is cut down to it and not
    # refused is inferred.
    most = _lifecycle.OPEN_PLAN_MAX_TTL if instance.is_open_plan else _INT32 * SECOND
    maximum = min(_ttl(body, "max_ttl", _lifecycle.DEFAULT_MAX_TTL), most)
    active = _ttl(body, "active_ttl", maximum)
    interactive = _ttl(body, "interactive_ttl", min(_lifecycle.DEFAULT_INTERACTIVE_TTL, active))
    if active > maximum:
        raise Refused("invalid", "active_ttl must not exceed max_ttl")
    if interactive > active:
        raise Refused("invalid", "interactive_ttl must not exceed active_ttl")
    return Limits(interactive_ttl=interactive, max_ttl=maximum, active_ttl=active)


def _ttl(body: dict[str, Json], name: str, default: int) -> int:
    seconds = whole(body, name, lowest=1, highest=_INT32)
    return default if seconds is None else seconds * SECOND


def get(world: World, exchange: Exchange) -> Response:
    """``GET /sessions/{id}``."""
    session, life = world.state.session(exchange.instance.crn, _ident(exchange), exchange.at)
    return reply(_document(session, life))


def update(world: World, exchange: Exchange) -> Response:
    """``PATCH /sessions/{id}``; 204 on a closed session too (inferred)."""
    accepting = flag(exchange.document(), "accepting_jobs")
    wish: Wish = "accept" if accepting else "stop"
    world.state.control(exchange.instance.crn, _ident(exchange), wish, exchange.at)
    return nothing()


def cancel(world: World, exchange: Exchange) -> Response:
    """``DELETE /sessions/{id}/close``; 204 on a closed session too (inferred)."""
    world.state.control(exchange.instance.crn, _ident(exchange), "cancel", exchange.at)
    return nothing()


def _ident(exchange: Exchange) -> str:
    return exchange.call.ids["session"]


def _document(session: Session, life: Life) -> dict[str, Json]:
    told: dict[str, Json] = {"id": session.ident, "backend_name": session.backend, "user_id": USER_ID}
    return told | _session_document.render(life)
