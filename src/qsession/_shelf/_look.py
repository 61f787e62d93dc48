"""A look at a cassette folder, with the tests that were collected.

A cassette is called an orphan only where that is sure: the test file was collected whole, or is gone.
What was left out by a selection, a skipped module or another folder of tests says nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsession._naming import is_layer
from qsession._shelf._collected import Collected
from qsession._shelf._heads import Head, ReadHead, cassettes, head_of, plain
from qsession._shelf._offers import Lost, Offer, Taker, offers, parts_of_test
from qsession._shelf._standing import is_shared, left_over, renamed


@dataclass(frozen=True, slots=True)
class Found:
    """What belongs to no test any more.

    Attributes:
        orphans: Cassettes that no test has, and for which there is no offer.
        offers: Cassettes and layers whose test, class, file or fixture was renamed, as far as can be told.
        layers: Layers that no cassette builds on, and no test uses.
        is_whole: Whether all test files that have cassettes were collected whole, or are gone.
    """

    orphans: Sequence[Path] = ()
    offers: Sequence[Offer] = ()
    layers: Sequence[Path] = ()
    is_whole: bool = False


def look(collected: Collected, *, read_head: ReadHead = head_of) -> Found:
    """See what lies in a cassette folder and belongs to no test any more.

    Args:
        collected: What is known of the tests.
        read_head: Reads the head of a cassette.
    """
    paths = list(cassettes(collected.folder))
    lost = _lost([path for path in paths if not is_layer(path)], collected, read_head)
    tests = _of_tests(lost, paths, collected)
    offered = {offer.path for offer in tests}
    orphans = [path for path in lost if path not in offered]
    if not any(map(is_layer, paths)):
        return Found(orphans, tests)
    heads = {path: read_head(path) for path in paths}
    folder, now = collected.folder, _now(tests, paths, collected)
    fixtures = renamed(heads, folder, now, collected.wide, without=orphans)
    is_whole = _is_whole(heads, collected)
    layers = _unused(left_over(heads, folder, without=orphans), heads, collected) if is_whole else ()
    return Found(orphans, [*tests, *fixtures], layers, is_whole)


def _unused(
    layers: Sequence[Path], heads: Mapping[Path, Head | None], collected: Collected
) -> Sequence[Path]:
    """Layers that no test uses either: one that asks for nothing itself has no cassette to name them."""
    folder = collected.folder
    there = {plain(path) for path in heads}
    asks_nothing = any(plain(path) not in there for path in collected.claimed.values())
    used = {plain(folder / name) for each in collected.wide.values() for name in each}
    kept = (path for path in layers if plain(path) not in used)
    return [path for path in kept if not (asks_nothing and is_shared(path, folder))]


def _is_whole(heads: Mapping[Path, Head | None], collected: Collected) -> bool:
    """Whether all test files that have cassettes were collected whole, or are gone."""
    files = {plain(path) for path in collected.files}
    named = {head.test.partition("::")[0] for head in heads.values() if head and head.test}
    tests = (collected.root / name for name in named if name.endswith(".py"))
    return all(plain(file) in files or not file.exists() for file in tests)


def _lost(paths: Sequence[Path], collected: Collected, read_head: ReadHead) -> Mapping[Path, Head]:
    """Cassettes that no test has, in the order of their names."""
    claimed = {plain(path) for path in collected.claimed.values()}
    files = {plain(path) for path in collected.files}
    heads = ((path, read_head(path)) for path in paths if plain(path) not in claimed)
    return {path: head for path, head in heads if head and _is_lost(path, head, collected, files)}


def _is_lost(path: Path, head: Head, collected: Collected, files: Collection[str]) -> bool:
    if not head.test:
        return False  # recorded from Python, by whatever program
    below = path.parent.relative_to(collected.folder)
    for file in (collected.root / head.test.partition("::")[0], collected.root / f"{below}.py"):
        if plain(file) not in files and file.exists():
            return False
    return True


def _of_tests(lost: Mapping[Path, Head], paths: Sequence[Path], collected: Collected) -> Sequence[Offer]:
    if not lost:
        return []
    there = {plain(path) for path in paths}
    return offers(
        [Lost(path, head.test, parts_of_test(head.test)) for path, head in lost.items()],
        {
            Taker(test, path, test): parts_of_test(test)
            for test, path in collected.claimed.items()
            if plain(path) not in there
        },
        may_need_none=collected.may_be_empty,
    )


def _now(tests: Sequence[Offer], paths: Sequence[Path], collected: Collected) -> Mapping[Path, Sequence[str]]:
    """The tests that cassettes belong to, or will once they were taken over."""
    by_name = {plain(path): path for path in paths}
    now: dict[Path, list[str]] = {}
    for test, path in collected.claimed.items():
        if own := by_name.get(plain(path)):
            now.setdefault(own, []).append(test)
    return now | {offer.path: [offer.takers[0].name] for offer in tests if offer.is_sure}
