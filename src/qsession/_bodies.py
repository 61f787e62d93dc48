"""The body of an exchange as a JSON object, or as an empty one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

_NO_FIELDS: Mapping[str, object] = MappingProxyType({})


def read_object(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body; empty when it is not one.

    Args:
        body: The raw body.
    """
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        return _NO_FIELDS
    return value if isinstance(value, dict) else _NO_FIELDS


def field_of(body: bytes, *path: str) -> object | None:
    """What stands at a place of a body's JSON object; None if nothing does.

    Args:
        body: The raw body.
        path: Names of the fields on the way.
    """
    value: object = read_object(body)
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
