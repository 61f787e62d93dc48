"""How the client finds the instances of an account: search, catalog, resource controller."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from fnmatch import fnmatchcase

from qsession._model import Response
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._exchange import Exchange, World, required_words
from qsession.emulator._instances import Instance
from qsession.emulator._replies import compact, reply

_PAGE = 10
_MOST = 1000
_SERVICE = "quantum-computing"
_FAMILY = "resource_controller"
_PLAIN_FIELDS = ("account_id", "name", "type", "family", "crn")
_TERM = re.compile(r'\s*(?P<field>[\w.]+):(?P<value>"[^"]*"|[^\s"()]+)\s*(?P<rest>.*)', re.DOTALL)
_LONGEST_NAME = 180
_LONGEST_QUERY = 10_000


def search(world: World, exchange: Exchange) -> Response:
    """Global Search: the instances of the account.

    Query, fields, limit and cursor as the client's SDK documents them: ten hits unless
    asked for more, five plain fields and always the CRN, and a cursor that stands for the
    whole request. Of the query language, terms ``field:value`` joined by ``AND``.
    """
    limit = _limit(exchange)
    query, fields, offset = _asked(exchange.document())
    items = [_item(world, instance) for instance in world.instances]
    found = [item for item in items if all(fits(item) for fits in _terms(query))]
    end = offset + limit
    return reply(
        {
            "items": [_chosen(item, fields) for item in found[offset:end]],
            "limit": limit,
            "search_cursor": _cursor(query, fields, end) if end < len(found) else None,
        }
    )


def _limit(exchange: Exchange) -> int:
    value = exchange.query("limit")
    if value is None:
        return _PAGE
    limit = exchange.integer("limit", 0, lowest=1, highest=_MOST)
    if not limit:
        raise Refused("invalid", f"limit must be a whole number from 1 to {_MOST}")
    return limit


def _asked(body: dict[str, Json]) -> tuple[str, list[str], int]:
    """Query, fields and offset; a cursor has them all, and the rest of the body does not count."""
    cursor = body.get("search_cursor")
    if cursor is not None:
        return _read_cursor(cursor)
    query, fields = body.get("query", ""), body.get("fields", list(_PLAIN_FIELDS))
    if not isinstance(query, str):
        raise Refused("invalid", "query must be a string")
    if not isinstance(fields, list) or not all(isinstance(field, str) for field in fields):
        raise Refused("invalid", "fields must be a list of strings")
    return query, [str(field) for field in fields], 0


def _cursor(query: str, fields: list[str], offset: int) -> str:
    return base64.urlsafe_b64encode(compact([query, fields, offset])).decode()


def _read_cursor(cursor: Json) -> tuple[str, list[str], int]:
    try:
        query, fields, offset = json.loads(base64.urlsafe_b64decode(str(cursor).encode()))
        return str(query), [str(field) for field in fields], max(0, int(offset))
    except (ValueError, TypeError, OverflowError, binascii.Error, RecursionError) as problem:
        raise Refused("invalid", "search_cursor is none that a search gave") from problem


def _terms(query: str) -> list[Callable[[dict[str, Json]], bool]]:
    # Each term copies what follows it: without a bound, megabytes would take minutes.
    if len(query) > _LONGEST_QUERY:
        raise Refused("invalid", f"query must be at most {_LONGEST_QUERY} characters long")
    found: list[Callable[[dict[str, Json]], bool]] = []
    rest = query
    while rest.strip():
        term = _TERM.fullmatch(rest)
        joined = term and re.match(r"(AND\s+|$)", term["rest"])
        if term is None or joined is None:
            raise Refused("invalid", "this emulator searches by field:value, joined by AND")
        found.append(_term(term["field"], term["value"].strip('"')))
        rest = term["rest"][joined.end() :] if joined else ""
    return found


def _term(field: str, pattern: str) -> Callable[[dict[str, Json]], bool]:
    def fits(item: dict[str, Json]) -> bool:
        value = item.get(field)
        values = value if isinstance(value, list) else [value]
        return any(isinstance(word, str) and fnmatchcase(word.lower(), pattern.lower()) for word in values)

    return fits


def _chosen(item: dict[str, Json], fields: list[str]) -> dict[str, Json]:
    return item if "*" in fields else {key: item[key] for key in item if key in fields or key == "crn"}


def _item(world: World, instance: Instance) -> dict[str, Json]:
    # The client leaves out items without doc.extensions (its code).
    backends: list[Json] = [device.name for device in world.backends(instance, mocks=False)]
    return {
        "crn": instance.crn,
        "service_plan_unique_id": instance.plan_id,
        "name": instance.name,
        "tags": list(instance.tags),
        "doc": {"extensions": {"backends": backends}},
        "account_id": instance.account,
        "type": "resource-instance",
        "family": _FAMILY,
        "region": instance.region,
        "service_name": _SERVICE,
    }


def catalog(world: World, exchange: Exchange) -> Response:
    """Global Catalog: plan name and pricing type, all that the client reads (its code)."""
    for instance in world.instances:
        if instance.plan_id == exchange.call.ids["plan"]:
            if instance.archived:
                raise Refused("archived entry")
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
    return reply(_resource(_found(world, exchange)))


def update(world: World, exchange: Exchange) -> Response:
    """``PATCH`` of an instance: its name, what it may use and what is set aside for it.

    ``parameters.usage_allocation_seconds`` is a string of digits (read in a client that IBM
    published); ``parameters.instance_limit_seconds`` of the same form is inferred from it.
    """
    instance, body = _found(world, exchange), exchange.document()
    parameters = body.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refused("invalid", "parameters must be an object")
    changes = {key: _seconds(parameters, key) for key in _SETTERS if key in parameters}
    if "name" in body:
        world.directory.rename(instance.crn, required_words(body, "name", longest=_LONGEST_NAME))
    for key, seconds in changes.items():
        _SETTERS[key](world)(instance.crn, seconds)
    return reply(_resource(_found(world, exchange)))


_SETTERS: dict[str, Callable[[World], Callable[[str, int | None], None]]] = {
    "usage_allocation_seconds": lambda world: world.directory.allocate,
    "instance_limit_seconds": lambda world: world.directory.limit,
}


def _seconds(parameters: dict[str, Json], key: str) -> int | None:
    value = parameters[key]
    if value is None:
        return None
    if not isinstance(value, str) or not value.isascii() or not value.isdigit() or len(value) > 10:
        raise Refused("invalid", f"{key} must be a string of digits, or null")
    return int(value)


def _found(world: World, exchange: Exchange) -> Instance:
    if (found := world.directory.find(exchange.call.ids["crn"])) is None:
        raise Refused("unknown resource")
    return found


def _resource(instance: Instance) -> dict[str, Json]:
    document: dict[str, Json] = {
        "id": instance.crn,
        "crn": instance.crn,
        "name": instance.name,
        "region_id": instance.region,
        "resource_plan_id": instance.plan_id,
        "state": "active",
    }
    set_to = {
        "usage_allocation_seconds": instance.usage_allocation_seconds,
        "instance_limit_seconds": instance.usage_limit_seconds,
    }
    parameters: dict[str, Json] = {key: str(value) for key, value in set_to.items() if value is not None}
    return document | {"parameters": parameters} if parameters else document
