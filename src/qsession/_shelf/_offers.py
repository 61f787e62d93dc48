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
_OPENED = re.compile(r"@(module|session)\(")
_LAYER_NAME = re.compile(
    r"@(?:(?P<owner>[^\[\]]+)\.)?(?P<name>[^.\[\]]+?)(?:-[0-9a-f]{8})?(?P<parameters>\[.*\])?\.yaml"
)


@dataclass(frozen=True, slots=True)
class Taker:
    """Somebody whom a cassette may belong to now.

    Attributes:
        name: Test id; for a layer its path below the cassette folder.
        path: Where the cassette would lie.
        ident: What its head would say: test id, or name of the fixture.
    """

    name: str
    path: Path
    ident: str


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


def offers(
    lost: Iterable[Lost], found: Mapping[Taker, Parts], *, may_need_none: bool = False
) -> Sequence[Offer]:
    """Who may take over what: whoever differs in one part.

    Args:
        lost: Cassettes without an owner.
        found: Owners without a cassette, and the parts of their names.
        may_need_none: Whether an owner without a cassette may be one that needs none. Then only one of
            the same name and parameters, in another file or class, is sure.
    """
    alike: dict[tuple[int, Parts], list[Taker]] = {}
    for taker, parts in found.items():
        for key in _keys(parts):
            alike.setdefault(key, []).append(taker)
    pairs = []
    for each in lost:
        takers = {taker for key in _keys(each.parts) for taker in alike.get(key, ())}
        if each.among is not None:
            takers = {taker for taker in takers if taker.name in each.among}
        # The same one, whose cassette is called otherwise now: a parameter has another name.
        same = {taker for taker in takers if found[taker] == each.parts}
        if takers:
            pairs.append((each, sorted(same or takers, key=lambda taker: taker.name)))
    asked = Counter(taker for _, takers in pairs for taker in takers)
    sure = {
        lost.path
        for lost, takers in pairs
        if len(takers) == 1
        and asked[takers[0]] == 1
        and not (may_need_none and lost.parts[2:] != found[takers[0]][2:])
    }
    return [Offer(each.path, each.former, tuple(takers), each.path in sure) for each, takers in pairs]


def parts_of_test(nodeid: str) -> Parts:
    """Test file, class, function and parameters of a test id."""
    file, _, rest = nodeid.partition("::")
    plain, bracket, parameters = rest.partition("[")
    owner, _, name = plain.rpartition("::")
    return file, owner, name, bracket + parameters


def parts_of_layer(path: str, ident: str) -> Parts:
    """Place, class, fixture and parameters of a layer.

    Args:
        path: Its path below the cassette folder.
        ident: What its head says, such as ``test_a.py::@device``.
    """
    place, _, file = path.rpartition("/")
    said = ident.rpartition("::")[2]
    if _OPENED.match(said):
        # A session that tests share goes with its file only: with other arguments it is another one.
        return place, said, said, said
    found = _LAYER_NAME.fullmatch(file)
    if found is None:
        return place, "", file, ""
    return place, found["owner"] or "", found["name"], found["parameters"] or ""


def _keys(parts: Parts) -> Iterable[tuple[int, Parts]]:
    """The same for all that differ in one part at most."""
    for number in range(len(parts)):
        first, second, third, fourth = ("" if i == number else part for i, part in enumerate(parts))
        yield number, (first, second, third, fourth)
