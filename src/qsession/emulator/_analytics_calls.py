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
from qsession.emulator import _ledger
from qsession.emulator._exchange import USER_ID, Exchange, World
from qsession.emulator._instances import Instance
from qsession.emulator._ledger import Entry
from qsession.emulator._replies import reply

_MILLISECOND = SECOND // 1000
_DAY = 86_400 * SECOND

Found = list[tuple[Instance, Entry]]

_KEYS: Mapping[str, Callable[[Instance, Entry], str]] = MappingProxyType(
    {
        "instance": lambda instance, entry: entry.instance,
        "backend": lambda instance, entry: entry.backend,
        "user_id": lambda instance, entry: USER_ID,
        "plan": lambda instance, entry: instance.plan.lower(),
        "subscription_id": lambda instance, entry: instance.account,
    }
)
"""What usage can be filtered and grouped by."""


def usage(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/usage``."""
    return reply(_sums(entry for _, entry in _found(world, exchange)))


def grouped(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/usage_grouped``: one entry for each value of ``group_by``."""
    key = _group_by(exchange, tuple(_KEYS))
    groups: dict[str, list[Entry]] = {}
    for instance, entry in _found(world, exchange):
        groups.setdefault(_KEYS[key](instance, entry), []).append(entry)
    data: list[Json] = [{key: value, **_sums(groups[value])} for value in sorted(groups)]
    return reply({"data": data})


def by_date(world: World, exchange: Exchange) -> Response:
    """``GET /analytics/usage_grouped_by_date``: one entry for each day and instance (observed)."""
    key = _group_by(exchange, ("instance",))
    groups: dict[tuple[Instant, str], list[Entry]] = {}
    for instance, entry in _found(world, exchange):
        day = entry.at - entry.at % _DAY
        groups.setdefault((day, _KEYS[key](instance, entry)), []).append(entry)
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
        (own, entry)
        for own in world.instances
        for entry in _ledger.entries(world, own, exchange.at)
        if all(_KEYS[key](own, entry) in values for key, values in wanted.items())
        and _within(entry.at, begin, end)
    ]


def _within(at: Instant, begin: Instant | None, end: Instant | None) -> bool:
    # The end is not part of the interval (read in a client that IBM published).
    return (begin is None or at >= begin) and (end is None or at < end)


def _group_by(exchange: Exchange, known: tuple[str, ...]) -> str:
    key = exchange.query("group_by")
    if key is None or key not in known:
        raise Refused("invalid query", f"group_by must be one of {', '.join(known)}")
    return key


def _sums(entries: Iterable[Entry]) -> dict[str, Json]:
    found = list(entries)

    def used(*kinds: str) -> int:
        return sum(entry.used for entry in found if entry.kind in kinds) // _MILLISECOND

    return {
        "usage": used("dedicated", "batch", "job"),
        "sessions": used("dedicated", "batch"),
        "batch_sessions": used("batch"),
        "dedicated_sessions": used("dedicated"),
        "individual_jobs": used("job"),
        "queue_time": sum(entry.queued for entry in found) // _MILLISECOND,
    }
