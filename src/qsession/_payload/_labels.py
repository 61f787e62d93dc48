"""Names that a process counts: the same part of a program has others in every run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import cast

# The measurements that the client's estimator on the executor changes the basis of. Their number comes
# from a counter that all programs of a process share (samplomatic 0.21, ``group_meas_into_boxes.py``).
_COUNTED = re.compile(r"\b(basis_changes\.basis)(\d+)")
_TABLES = ("input_specification", "output_specification")


def renumbered(part: Mapping[str, object]) -> Mapping[str, object]:
    """A part of a quantum program whose counted names are numbered from 0, in the order of their numbers.

    The names are labels: nothing but the other places of the same part refers to them, and they stay
    distinct.

    Args:
        part: An item with a samplex and its arguments, as JSON.
    """
    numbers = sorted({int(found[2]) for text in _texts(part) for found in _COUNTED.finditer(text)})
    places = {str(number): str(place) for place, number in enumerate(numbers)}
    if all(number == place for number, place in places.items()):
        return part
    return cast("Mapping[str, object]", _renamed(part, places))


def with_tables(graph: Mapping[str, object]) -> Mapping[str, object]:
    """A samplex graph whose specifications are mappings instead of their text, which has an order.

    Raises:
        ValueError: If one of them is no JSON.
    """
    attributes = cast("Mapping[str, object]", graph["attrs"])
    read = {name: json.loads(str(attributes[name])) for name in _TABLES if name in attributes}
    return {**graph, "attrs": {**attributes, **read}}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield str(key)
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _renamed(value: object, places: Mapping[str, str]) -> object:
    if isinstance(value, str):
        return _COUNTED.sub(lambda found: found[1] + places[str(int(found[2]))], value)
    if isinstance(value, dict):
        return {_renamed(str(key), places): _renamed(each, places) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, places) for each in value]
    return value
