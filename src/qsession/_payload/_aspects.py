"""What of two jobs is compared, and how: all of it, named aspects, circuits up to their routing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

from qsession._model import Match
from qsession._payload import _unrouted
from qsession._payload._difference import ABSENT, compare
from qsession._payload._form import Circuit, Node

_UNITS = {"pubs": "PUB", "items": "item", "circuits": "circuit", "instructions": "instruction"}
"""What a job consists of, by program, and what one of it is called."""

_ASPECT_OF = {
    "circuit": "circuits",
    "samplex": "circuits",
    "parameter values": "values",
    "circuit arguments": "values",
    "samplex arguments": "values",
    "observables": "observables",
    "shots": "shots",
    "precision": "shots",
}


def narrowed(form: Mapping[str, Node], match: Match) -> dict[str, Node]:
    """The parts of a form that must be equal for a match; equal jobs share them.

    A routed circuit, and the observables on it, are left out: whether they match shows
    only beside the other ones.
    """
    kept: dict[str, Node] = {}
    for key, part in form.items():
        if key in _UNITS:
            kept[key] = tuple(_unit(each, match) for each in part) if isinstance(part, tuple) else part
        elif match.compares(_aspect(key)):
            kept[key] = part
    return kept


def _aspect(part: str) -> str:
    return _ASPECT_OF.get(part, "options")


def _unit(unit: Node, match: Match) -> Node:
    if isinstance(unit, Mapping):
        kept = {part: each for part, each in unit.items() if match.compares(_aspect(part))}
        if match.routed and isinstance(kept.get("circuit"), Circuit):
            kept.pop("observables", None)
            del kept["circuit"]
        return kept
    return unit if match.compares("circuits") else None


def lines(ours: Mapping[str, Node], theirs: Mapping[str, Node], match: Match) -> list[str]:
    """What sets two forms apart, the first difference of each unit first."""
    return [*_lines(ours, theirs, match)] or [*compare("params", ours.get("exact"), theirs.get("exact"))]


def _lines(ours: Mapping[str, Node], theirs: Mapping[str, Node], match: Match) -> Iterator[str]:
    key = next((key for key in _UNITS if key in ours or key in theirs), "pubs")
    mine, other = ours.get(key, ()), theirs.get(key, ())
    found: list[list[str]] = []
    if isinstance(mine, tuple) and isinstance(other, tuple):
        word = _UNITS[key]
        pairs = enumerate(zip(mine, other, strict=False))
        found = [list(_units(f"{word} {i}", *pair, match)) for i, pair in pairs]
        yield from chain.from_iterable(each[:1] for each in found)
        yield from compare(f"{word}s", len(mine), len(other))
    else:
        yield from compare(key, mine, other)
    for part in ("params", "shots"):
        if match.compares(_aspect(part)) and (part in ours or part in theirs):
            pair = ours.get(part, ABSENT), theirs.get(part, ABSENT)
            whole = part == "params" and all(isinstance(each, Mapping) for each in pair)
            yield from compare("" if whole else part, *pair)
    yield from chain.from_iterable(each[1:] for each in found)


def _units(name: str, ours: Node, theirs: Node, match: Match) -> Iterator[str]:
    if not (isinstance(ours, Mapping) and isinstance(theirs, Mapping)):
        if match.compares("circuits"):
            yield from compare(name, ours, theirs)
        return
    parts = [*ours, *(each for each in theirs if each not in ours)]
    routed = match.routed and _moved(ours, theirs)
    if routed:
        yield from _routed(name, ours, theirs, match)
    elif match.compares("circuits"):
        yield from compare(name, ours.get("circuit"), theirs.get("circuit"))
    for part in parts:
        if part != "circuit" and match.compares(_aspect(part)) and not (routed and part == "observables"):
            yield from compare(f"{name}: {part}", ours.get(part, ABSENT), theirs.get(part, ABSENT))


def _moved(ours: Mapping[str, Node], theirs: Mapping[str, Node]) -> bool:
    mine, other = ours.get("circuit"), theirs.get("circuit")
    return isinstance(mine, Circuit) and isinstance(other, Circuit) and mine.digest != other.digest


def _routed(name: str, ours: Mapping[str, Node], theirs: Mapping[str, Node], match: Match) -> Iterator[str]:
    mine, other = ours["circuit"], theirs["circuit"]
    assert isinstance(mine, Circuit)
    assert isinstance(other, Circuit)
    reason = (
        "cannot be decided: a samplex belongs to it" if "samplex" in ours else _unrouted.apart(mine, other)
    )
    if reason:
        yield f"{name}: not the same circuit with another layout and routing: {reason}"
        yield from compare(name, mine, other)
    if "observables" in ours and match.compares("observables"):
        try:
            pulled = (
                _pulled(side["observables"], circuit) for side, circuit in ((ours, mine), (theirs, other))
            )
            yield from compare(f"{name}: observables before the layout", *pulled)
        except _unrouted.Undecided as why:
            yield f"{name}: the observables cannot be compared: {why}"


def _pulled(observables: Node, circuit: Circuit) -> Node:
    if isinstance(observables, Mapping):
        pulled: dict[str, float] = {}
        for label, weight in observables.items():
            if not isinstance(weight, int | float):
                raise _unrouted.Undecided(f"the weight of {label} is no number")
            name = _unrouted.pulled_back(label, circuit)
            # Beside the layout two labels may say one thing.
            pulled[name] = pulled.get(name, 0.0) + weight
        return pulled
    if isinstance(observables, tuple):
        return tuple(_pulled(each, circuit) for each in observables)
    return observables
