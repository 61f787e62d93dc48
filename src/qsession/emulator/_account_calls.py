"""Who calls, and which instances there are: IAM, search, catalog, resource controller, usage."""

from __future__ import annotations

from urllib.parse import parse_qs

from qsession import _lifecycle
from qsession._clock import isoformat
from qsession._model import SECOND, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._exchange import Exchange, World
from qsession.emulator._instances import Instance
from qsession.emulator._replies import reply
from qsession.emulator._tokens import TOKEN_SECONDS

_GRANT = "urn:ibm:params:oauth:grant-type:apikey"
_OPEN_PLAN_SECONDS = 600
_PAGE = 100
_PERIOD = 28 * 86_400 * SECOND

# API version, status and sunset as listed in August 2026 (observed and documented).
_VERSIONS = (
    ("2024-01-01", "2027-01-01"),
    ("2025-01-01", "2027-01-01"),
    ("2025-05-01", "2027-01-01"),
    ("2026-02-01", "2027-02-01"),
    ("2026-02-15", "2027-02-15"),
    ("2026-03-15", "2027-03-15"),
)
_LIVE_VERSION = "2026-04-15"


def token(world: World, exchange: Exchange) -> Response:
    """``POST /identity/token``. The form of the errors is inferred."""
    form = parse_qs(exchange.request.body.decode("utf-8", "replace"))
    if form.get("grant_type") != [_GRANT]:
        return _iam_refusal("BXNIM0106E", "Property missing or unsupported: grant_type")
    key = form.get("apikey", [""])[0]
    if not key or world.api_key not in {None, key}:
        return _iam_refusal("BXNIM0415E", "Provided API key could not be found.")
    return reply(
        {
            "access_token": world.tokens.issue(exchange.at),
            "refresh_token": "not_supported",
            "ims_user_id": 0,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "expiration": exchange.at // SECOND + TOKEN_SECONDS,
            "scope": "ibm openid",
        }
    )


def _iam_refusal(code: str, message: str) -> Response:
    return reply({"errorCode": code, "errorMessage": message}, status=400)


def search(world: World, exchange: Exchange) -> Response:
    """Global Search: the instances of the account.

    The client leaves out items without ``doc.extensions`` (its code).
    """
    exchange.document()
    size = exchange.integer("limit", _PAGE, lowest=1, highest=1000)
    cursor = _search_cursor(exchange)
    page = world.instances[cursor : cursor + size]
    more = cursor + size < len(world.instances)
    return reply(
        {
            "items": [_item(world, instance) for instance in page],
            "limit": size,
            "search_cursor": str(cursor + size) if more else None,
        }
    )


def _search_cursor(exchange: Exchange) -> int:
    cursor = exchange.document().get("search_cursor")
    return int(cursor) if isinstance(cursor, str) and cursor.isascii() and cursor.isdigit() else 0


def _item(world: World, instance: Instance) -> dict[str, Json]:
    return {
        "crn": instance.crn,
        "service_plan_unique_id": instance.plan_id,
        "name": instance.name,
        "tags": list(instance.tags),
        "doc": {"extensions": {"backends": list(world.devices)}},
    }


def catalog(world: World, exchange: Exchange) -> Response:
    """Global Catalog: plan name and pricing type, all that the client reads (its code)."""
    for instance in world.instances:
        if instance.plan_id == exchange.call.ids["plan"]:
            return reply(
                {
                    "id": instance.plan_id,
                    "kind": "plan",
                    "overview_ui": {"en": {"display_name": instance.plan}},
                    "metadata": {"pricing": {"type": instance.pricing_type}},
                }
            )
    raise Refused("unknown entry")


def resources(world: World, exchange: Exchange) -> Response:
    """Resource Controller: instances, optionally by name."""
    name = exchange.query("name")
    found = [_resource(i) for i in world.instances if name in {None, i.name}]
    return reply({"rows_count": len(found), "next_url": None, "resources": found})


def resource(world: World, exchange: Exchange) -> Response:
    """Resource Controller: one instance by its CRN."""
    for instance in world.instances:
        if instance.crn == exchange.call.ids["crn"]:
            return reply(_resource(instance))
    raise Refused("unknown resource")


def _resource(instance: Instance) -> dict[str, Json]:
    return {
        "id": instance.crn,
        "crn": instance.crn,
        "name": instance.name,
        "region_id": instance.region,
        "resource_plan_id": instance.plan_id,
        "state": "active",
    }


def versions(world: World, exchange: Exchange) -> Response:
    """``GET /versions``, the one call that needs no token (documented)."""
    del world, exchange
    old: list[Json] = [{"version": v, "status": "deprecated", "sunset_date": s} for v, s in _VERSIONS]
    return reply({"versions": [*old, {"version": _LIVE_VERSION, "status": "live"}]})


def usage(world: World, exchange: Exchange) -> Response:
    """``GET /instances/usage``: QPU time of closed sessions and of finished jobs (inferred)."""
    instance = exchange.instance
    consumed = _consumed(world, exchange) / SECOND
    document: dict[str, Json] = {
        "instance_id": instance.crn,
        "plan_id": instance.plan_id,
        "usage_consumed_seconds": consumed,
    }
    if instance.is_open_plan:
        # 600 s in each rolling period of 28 days (documented).
        document["usage_period"] = {
            "start_time": isoformat(exchange.at - _PERIOD),
            "end_time": isoformat(exchange.at),
        }
        document["usage_limit_seconds"] = _OPEN_PLAN_SECONDS
        document["usage_limit_reached"] = consumed >= _OPEN_PLAN_SECONDS
    return reply(document)


def _consumed(world: World, exchange: Exchange) -> int:
    crn, at = exchange.instance.crn, exchange.at
    sessions = sum(_lifecycle.elapsed_time(life) or 0 for life in world.state.sessions(crn, at))
    fates = [view.fate for view in world.state.jobs(crn, at) if view.job.asked.session is None]
    alone = sum(f.ended - f.started for f in fates if f.ended is not None and f.started is not None)
    return sessions + alone
