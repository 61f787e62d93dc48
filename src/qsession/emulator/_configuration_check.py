"""What is wrong with a configuration, with the line and the path of each field."""

from __future__ import annotations

import difflib
import functools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from qsession._discovery import region_of
from qsession.emulator._devices import device, known_devices
from qsession.errors import UsageError

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

Document: TypeAlias = Mapping[str, Any]
Place: TypeAlias = tuple[str | int, ...]

_SCHEMA = "emulator-configuration.schema.json"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Fault:
    """One field that is wrong.

    Attributes:
        place: Keys and positions that lead to it.
        what: What is wrong with it.
    """

    place: Place
    what: str


def checked(text: str, where: str) -> Document:
    """A configuration that is right in every field.

    Args:
        text: YAML.
        where: The file, for the message.

    Raises:
        UsageError: QS142, with every field that is wrong.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        raise _wrong([" ".join(str(problem).split())], where) from problem
    lines = _lines(node)
    faults = list(_repeated(node)) or list(_faults(document)) or list(_contradictions(document))
    if faults:
        raise _wrong([_shown(fault, lines) for fault in faults], where)
    found: Document = document
    return found


def _wrong(evidence: Sequence[str], where: str) -> UsageError:
    more = len(evidence) - _SHOWN
    return UsageError(
        "QS142",
        "The configuration of the emulator is wrong.",
        evidence=[*evidence[:_SHOWN], *([f"and {more} more"] if more > 0 else [])],
        fix=f"correct these fields; {_SCHEMA} describes all of them",
        where=where,
    )


def _shown(fault: Fault, lines: Mapping[Place, int]) -> str:
    # A field that is missing has no line: what it is missing from has.
    line = next(lines[fault.place[:n]] for n in range(len(fault.place), -1, -1) if fault.place[:n] in lines)
    return f"line {line}, {spell(fault.place)}: {fault.what}"


def spell(place: Place) -> str:
    """Keys and positions as one writes them: ``backends[0].name``."""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return words.removeprefix(".") or "the whole"


def _lines(root: yaml.Node | None) -> dict[Place, int]:
    """The line of each field. What an alias repeats has that of the anchor's first use only."""
    found: dict[Place, int] = {(): 1}
    for node, place in _nodes(root):
        found.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            for key, _ in node.value:
                found[*place, str(key.value)] = key.start_mark.line + 1
    return found


def _repeated(root: yaml.Node | None) -> Iterator[Fault]:
    for node, place in _nodes(root):
        keys = [str(key.value) for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        for key in sorted({key for key in keys if keys.count(key) > 1}):
            yield Fault((*place, key), "this key is there twice")


def _nodes(root: yaml.Node | None) -> Iterator[tuple[yaml.Node, Place]]:
    """Every node once with its place, an alias not followed again: it may lead in a circle."""
    waiting: list[tuple[yaml.Node, Place]] = [] if root is None else [(root, ())]
    seen: set[int] = set()
    while waiting:
        node, place = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node, place
        if isinstance(node, yaml.MappingNode):
            waiting += [(value, (*place, str(key.value))) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(value, (*place, position)) for position, value in enumerate(node.value)]


@functools.cache
def schema() -> Document:
    """The schema of a configuration, as the package or the source tree has it."""
    package = Path(__file__).parents[1]
    folders = (package / "schemas", package.parents[1] / "schemas")
    file = next(folder / _SCHEMA for folder in folders if (folder / _SCHEMA).is_file())
    found: Document = json.loads(file.read_text("utf-8"))
    return found


def _faults(document: object) -> Iterator[Fault]:
    from jsonschema import Draft202012Validator

    errors = Draft202012Validator(schema()).iter_errors(document)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        yield from _of(error)


def _of(error: ValidationError) -> Iterator[Fault]:
    place: Place = tuple(error.absolute_path)
    schema: Any = error.schema
    value: Any = error.instance
    expected: Any = error.validator_value
    if error.validator == "additionalProperties":
        known = sorted(schema["properties"])
        for key in sorted(set(map(str, value)) - set(known)):
            yield Fault((*place, key), f"there is no such field; {meant(key, known)}")
    elif error.validator == "required":
        yield Fault(place, f"{next(key for key in expected if key not in value)} is missing")
    elif error.validator == "enum":
        known = [str(choice) for choice in expected]
        yield Fault(place, f"{value!r} is none of its values; {meant(str(value), known)}")
    else:
        yield Fault(place, error.message)


def meant(word: str, known: Sequence[str]) -> str:
    """What somebody probably meant, or else all that there is."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


def _contradictions(document: Document) -> Iterator[Fault]:
    """What no schema can say: names that do not fit each other."""
    backends, instances = document.get("backends", ()), document.get("instances", ())
    yield from _twice(backends, "backends", "name")
    yield from _twice(instances, "instances", "name")
    yield from _twice(instances, "instances", "crn")
    yield from _twice(instances, "instances", "number")
    yield from _devices(backends)
    names = [entry["name"] for entry in backends]
    for i, entry in enumerate(instances if names else ()):
        for n, name in enumerate(entry.get("backends", ())):
            if name not in names:
                place = ("instances", i, "backends", n)
                yield Fault(place, f"there is no backend {name!r} in this file; {meant(name, names)}")
    yield from _regions(instances)
    yield from _history(document)
    yield from _numbers(document, ())


def _twice(entries: Iterable[Document], group: str, key: str) -> Iterator[Fault]:
    seen: set[object] = set()
    for position, entry in enumerate(entries):
        value = entry.get(key)
        if value is not None and value in seen:
            yield Fault((group, position, key), f"{value!r} is there twice")
        seen.add(value)


def _devices(backends: Iterable[Document]) -> Iterator[Fault]:
    known = known_devices()
    short = {name.partition("_")[2] for name in known}
    for position, entry in enumerate(backends):
        key = "device" if "device" in entry else "name"
        if entry[key].partition("_")[2] not in short:
            what = f"the client has no snapshot of {entry[key]!r}; {meant(entry[key], known)}"
            yield Fault(("backends", position, key), what)
            continue
        qubits = device(entry[key]).n_qubits if entry.get("ecr") else 0
        for n, pair in enumerate(entry.get("ecr", ())):
            if max(pair) >= qubits:
                yield Fault(("backends", position, "ecr", n), f"the device has {qubits} qubits, from 0")


def _regions(instances: Iterable[Document]) -> Iterator[Fault]:
    for position, entry in enumerate(instances):
        inside = region_of(entry.get("crn"))
        if inside is not None and entry.get("region", inside) != inside:
            what = f"it says {inside}, the region is {entry['region']}"
            yield Fault(("instances", position, "crn"), what)


def _history(document: Document) -> Iterator[Fault]:
    # What the file does not list is the emulator's own, which checks it.
    listed = {
        "backend": [entry["name"] for entry in document.get("backends", ())],
        "instance": [
            entry.get("name", f"instance-{n}") for n, entry in enumerate(document.get("instances", ()), 1)
        ],
    }
    for position, job in enumerate(document.get("history", ())):
        for key, names in listed.items():
            if names and key in job and job[key] not in names:
                what = f"there is no {key} {job[key]!r} in this file; {meant(job[key], names)}"
                yield Fault(("history", position, key), what)


def _numbers(value: object, place: Place) -> Iterator[Fault]:
    # YAML has a number that is none, which no bound of a schema excludes.
    if isinstance(value, float) and math.isnan(value):
        yield Fault(place, "it must be a number")
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, (*place, key))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from _numbers(inner, (*place, position))
