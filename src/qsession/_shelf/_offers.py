"""Cassettes that lost their test, and tests without a cassette: which belong together.

Never chosen, only offered: whoever renames a test and adds another one at once is asked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Parts: TypeAlias = tuple[str, str, str, str]
"""Place, class, name and parameters of a test, or of a fixture."""

_MOST = 4
_LAYER_NAME = re.compile(
    r"@(?:(?P<owner>[^\[\]]+)\.)?(?P<name>[^.\[\]]+?)(?:-[0-9a-f]{8})?(?P<parameters>\[.*\])?\.yaml"
)


@dataclass(frozen=True, slots=True)
class Taker:
    """Somebody whom a cassette may belong to now.

    Attributes:
        name: Test id; for a layer its path below the cassette folder.
        path: Where the cassette would lie.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Offer:
    """A cassette whose test or fixture was renamed, as far as can be told.

    Attributes:
        path: The cassette.
        former: The test id that it has, or the path of the layer below the cassette folder.
        takers: All whom it may belong to.
        is_sure: Whether there is one, and no other cassette may belong to it.
    """

    path: Path
    former: str
    takers: tuple[Taker, ...]
    is_sure: bool

    @property
    def wording(self) -> str:
        """Whose it may be now, in a few words."""
        return " or ".join(
            [taker.name for taker in self.takers[:_MOST]] + ["others"][: len(self.takers) > _MOST]
        )


@dataclass(frozen=True, slots=True)
class Lost:
    """A cassette without an owner.

    Attributes:
        path: The cassette.
        former: Name of the owner that it had.
        parts: Parts of that name.
        among: Names of those who may be its owner now; None for all.
    """

    path: Path
    former: str
    parts: Parts
    among: Collection[str] | None = None


def offers(lost: Iterable[Lost], found: Mapping[str, tuple[Path, Parts]]) -> Sequence[Offer]:
    """Who may take over what: whoever differs in one part.

    Args:
        lost: Cassettes without an owner.
        found: Path and parts of each owner without a cassette, by name.
    """
    alike: dict[tuple[int, Parts], list[str]] = {}
    for name, (_, parts) in found.items():
        for key in _keys(parts):
            alike.setdefault(key, []).append(name)
    pairs = []
    for each in lost:
        names = {name for key in _keys(each.parts) for name in alike.get(key, ())}
        if each.among is not None:
            names.intersection_update(each.among)
        # The same one, whose cassette is called otherwise now: a parameter has another name.
        same = {name for name in names if found[name][1] == each.parts}
        if names:
            pairs.append((each, sorted(same or names)))
    asked = Counter(name for _, names in pairs for name in names)
    return [_offer(each, names, found, asked) for each, names in pairs]


def _offer(
    lost: Lost, names: Sequence[str], found: Mapping[str, tuple[Path, Parts]], asked: Mapping[str, int]
) -> Offer:
    takers = tuple(Taker(name, found[name][0]) for name in names)
    return Offer(lost.path, lost.former, takers, is_sure=len(names) == 1 and asked[names[0]] == 1)


def parts_of_test(nodeid: str) -> Parts:
    """Test file, class, function and parameters of a test id."""
    file, _, rest = nodeid.partition("::")
    plain, bracket, parameters = rest.partition("[")
    owner, _, name = plain.rpartition("::")
    return file, owner, name, bracket + parameters


def parts_of_layer(path: str) -> Parts:
    """Place, class, fixture and parameters of a layer, from its path below the cassette folder."""
    place, _, file = path.rpartition("/")
    found = _LAYER_NAME.fullmatch(file)
    if found is None:
        return place, "", file, ""
    return place, found["owner"] or "", found["name"], found["parameters"] or ""


def _keys(parts: Parts) -> Iterable[tuple[int, Parts]]:
    """The same for all that differ in one part at most."""
    for number in range(len(parts)):
        first, second, third, fourth = ("" if i == number else part for i, part in enumerate(parts))
        yield number, (first, second, third, fourth)
