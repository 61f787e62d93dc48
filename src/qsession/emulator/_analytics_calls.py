"""Usage analytics: QPU time in milliseconds, as a sum, by a key, and by day.

The parameters, the field ``usage``, the list ``data`` and ``interval_start`` of its entries are
read in clients that others published, the other fields and the unit are documented; how the
groups are spelled is inferred. Only what is over counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from qsession._clock import isoformat
from qsession._model import SECOND, Instant, Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _charges
from qsession.emulator._charges import Charge
from qsession.emulator._exchange import USER_ID, Exchange, World
from qsession.emulator._instances import Instance
from qsession.emulator._replies import reply

_MILLISECOND = SECOND // 1000
_DAY = 86_400 * SECOND

Found = list[tuple[Instance, Charge]]

_KEYS: Mapping[str, Callable[[Instance, Charge], str]] = MappingProxyType(
    {
        "instance": lambda instance, charge: charge.instance,
        "backend": lambda instance, charge: charge.backend,
        "user_id": lambda instance, charge: USER_ID,
        "plan": lambda instance, charge: instance.plan.lower(),
        "subscription_id": lambda instance, charge: instance.account,
    }
)
"""What usage can be filtered and grouped by."""


def usage(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/usage``."""
    return reply(_sums(charge for _, charge in _found(world, exchange)))


def grouped(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/usage_grouped``: one entry for each value of ``group_by``."""
    key = _group_by(exchange, tuple(_KEYS))
    groups: dict[str, list[Charge]] = {}
    for instance, charge in _found(world, exchange):
        groups.setdefault(_KEYS[key](instance, charge), []).append(charge)
    data: list[Json] = [{key: value, **_sums(groups[value])} for value in sorted(groups)]
    return reply({"data": data})


def by_date(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/usage_grouped_by_date``: one entry for each day and instance.

    That the instance is all it can be grouped by is read in a client that others published.
    """
    key = _group_by(exchange, ("instance",))
    groups: dict[tuple[Instant, str], list[Charge]] = {}
    for instance, charge in _found(world, exchange):
        day = charge.at - charge.at % _DAY
        groups.setdefault((day, _KEYS[key](instance, charge)), []).append(charge)
    data: list[Json] = [
        {
            "interval_start": isoformat(day),
            "interval_end": isoformat(day + _DAY),
            key: value,
            **_sums(groups[day, value]),
        }
        for day, value in sorted(groups)
    ]
    return reply({"data": data})


def filters(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/filters``: the values that can be filtered by."""
    chosen = set(exchange.queries("instance"))
    mine = [own for own in world.instances if not chosen or own.crn in chosen]
    backends = {device.name for own in mine for device in world.backends(own, mocks=False)}
    instances: list[Json] = [{"id": own.crn, "name": own.name} for own in mine]
    return reply(
        {
            "instances": instances,
            "backends": sorted(backends),
            "users": [USER_ID] if mine else [],
            "plans": sorted({own.plan.lower() for own in mine}),
            "subscriptions": sorted({own.account for own in mine}),
        }
    )


def _found(world: World, exchange: Exchange) -> Found:
    # All devices here are QPUs, so the parameter simulators changes nothing.
    begin, end = exchange.moment("interval_start"), exchange.moment("interval_end")
    if begin is not None and end is not None and begin > end:
        raise Refused("invalid query", "interval_start must not be after interval_end")
    wanted = {key: set(values) for key in _KEYS if (values := exchange.queries(key))}
    return [
        (own, charge)
        for own in world.instances
        for charge in _charges.charges(world, own, exchange.at)
        if all(_KEYS[key](own, charge) in values for key, values in wanted.items())
        and _within(charge.at, begin, end)
    ]


def _within(at: Instant, begin: Instant | None, end: Instant | None) -> bool:
    # The end is not part of the interval (read in a client that IBM published).
    return (begin is None or at >= begin) and (end is None or at < end)


def _group_by(exchange: Exchange, known: tuple[str, ...]) -> str:
    key = exchange.query("group_by")
    if key is None or key not in known:
        raise Refused("invalid query", f"group_by must be one of {', '.join(known)}")
    return key


def _sums(charges: Iterable[Charge]) -> dict[str, Json]:
    found = list(charges)

    def used(*kinds: str) -> int:
        return sum(charge.used for charge in found if charge.kind in kinds) // _MILLISECOND

    return {
        "usage": used("dedicated", "batch", "job"),
        "sessions": used("dedicated", "batch"),
        "batch_sessions": used("batch"),
        "dedicated_sessions": used("dedicated"),
        "individual_jobs": used("job"),
        "queue_time": sum(charge.queued for charge in found) // _MILLISECOND,
    }
