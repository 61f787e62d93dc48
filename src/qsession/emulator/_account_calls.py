"""Versions of the API, and the instances as the runtime API shows them: usage, limits, account."""

from __future__ import annotations

from qsession._clock import isoformat
from qsession._model import SECOND, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _charges, _versions
from qsession.emulator._exchange import Exchange, World, whole
from qsession.emulator._instances import Instance
from qsession.emulator._replies import nothing, reply

PERIOD = 28 * 86_400 * SECOND
"""The open plan's limit counts in each rolling period of 28 days (documented)."""

_INT32 = 2**31 - 1
# What an account's plan may hold its sessions to: the API's defaults (documented).
_MAX_TTL, _INTERACTIVE_TTL = 28_800, 60


def versions(world: World, exchange: Exchange) -> Response:
    """``GET /versions``, the one call that needs no token (documented)."""
    del world, exchange
    old: list[Json] = [
        {"version": version, "status": "deprecated", "sunset_date": sunset}
        for version, sunset in _versions.DEPRECATED.items()
    ]
    return reply({"versions": [*old, {"version": _versions.LIVE, "status": "live"}]})


def usage(world: World, exchange: Exchange) -> Response:
    """``GET /instances/usage``: QPU time of closed sessions and of finished jobs (inferred).

    An instance with a limit is counted in whole seconds, as it is billed (observed).
    """
    instance = exchange.instance
    document: dict[str, Json] = {
        "instance_id": instance.crn,
        "plan_id": instance.plan_id,
        "usage_consumed_seconds": _charges.seconds(world, instance, exchange.at),
    }
    if instance.is_open_plan:
        document["usage_period"] = {
            "start_time": isoformat(exchange.at - PERIOD),
            "end_time": isoformat(exchange.at),
        }
    if instance.usage_allocation_seconds is not None:
        document["usage_allocation_seconds"] = instance.usage_allocation_seconds
    if instance.limit is not None:
        document["usage_limit_seconds"] = instance.limit
        document["usage_limit_reached"] = _charges.is_used_up(world, instance, exchange.at)
    return reply(document)


def configuration(world: World, exchange: Exchange) -> Response:
    """``GET /instances/configuration``: the limit, null where there is none of its own."""
    del world
    return reply({"instance_limit": exchange.instance.usage_limit_seconds})


def configure(world: World, exchange: Exchange) -> Response:
    """``PUT /instances/configuration``: a limit in seconds, or null for none.

    The body is read in a client that IBM published; the status 204 is inferred, and that the
    call hangs for minutes on the service (observed) is not copied.
    """
    body = exchange.document()
    if "instance_limit" not in body:
        raise Refused("invalid", "instance_limit is required")
    seconds = whole(body, "instance_limit", lowest=0, highest=_INT32)
    world.directory.limit(exchange.instance.crn, seconds)
    return nothing()


def instance(world: World, exchange: Exchange) -> Response:
    """``GET /instance``: seconds are strings (documented)."""
    own = exchange.instance
    document: dict[str, Json] = {
        "backends": _names(world, own),
        "plan_id": own.plan_id,
        "usage_allocation_seconds": str(own.usage_allocation_seconds or 0),
    }
    if own.limit is not None:
        document |= {"instance_limit": own.limit, "instance_limit_seconds": str(own.limit)}
    return reply(document)


def account(world: World, exchange: Exchange) -> Response:
    """``GET /accounts/{id}``: the account's plans, each with what its instances leave of it.

    The fields are documented; that a plan's limit is the sum of its instances' is inferred.
    """
    ident, plan = exchange.call.ids["account"], exchange.query("plan_id")
    mine = [own for own in world.instances if own.account == ident]
    if not mine:
        raise Refused("unknown account", ident)
    plans = dict.fromkeys(own.plan_id for own in mine if plan in {None, own.plan_id})
    return reply({"plans": [_plan(world, ident, [o for o in mine if o.plan_id == p]) for p in plans]})


def _plan(world: World, account: str, instances: list[Instance]) -> dict[str, Json]:
    first = instances[0]
    limits = [own.limit for own in instances]
    allocated = sum(own.usage_allocation_seconds or 0 for own in instances)
    document: dict[str, Json] = {
        "plan_id": first.plan_id,
        "subscription_id": account,
        "subscription_name": first.plan,
        "backends": list(dict.fromkeys(name for own in instances for name in _names(world, own))),
        "usage_allocation_seconds": allocated,
        "max_ttl": _MAX_TTL,
        "active_ttl": _MAX_TTL,
        "interactive_ttl": _INTERACTIVE_TTL,
        "functions": [],
    }
    if None not in limits:
        total = sum(limit for limit in limits if limit is not None)
        left = max(0, total - allocated)
        document |= {"usage_limit_seconds": total, "unallocated_usage_seconds": left}
    return document


def _names(world: World, own: Instance) -> list[Json]:
    return [device.name for device in world.backends(own, mocks=False)]
