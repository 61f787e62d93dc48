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
from qsession._shelf._standing import left_over, renamed


@dataclass(frozen=True, slots=True)
class Found:
    """What belongs to no test any more.

    Attributes:
        orphans: Cassettes that no test has, and for which there is no offer.
        offers: Cassettes and layers whose test, class, file or fixture was renamed, as far as can be told.
        layers: Layers that no cassette builds on.
    """

    orphans: Sequence[Path] = ()
    offers: Sequence[Offer] = ()
    layers: Sequence[Path] = ()


def look(collected: Collected, *, read_head: ReadHead = head_of) -> Found:
    """See what lies in a cassette folder and belongs to no test any more.

    Args:
        collected: What is known of the tests.
        read_head: Reads the head of a cassette.
    """
    paths = list(cassettes(collected.folder))
    lost = _lost([path for path in paths if not is_layer(path)], collected, read_head)
    tests = _of_tests(lost, paths, collected)
    orphans = [path for path in lost if path not in {offer.path for offer in tests}]
    if not any(map(is_layer, paths)):
        return Found(orphans, tests)
    heads = {path: read_head(path) for path in paths}
    folder, now = collected.folder, _now(tests, paths, collected)
    fixtures = renamed(heads, folder, now, collected.wide, without=orphans)
    return Found(orphans, [*tests, *fixtures], left_over(heads, folder, without=orphans))


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
            test: (path, parts_of_test(test))
            for test, path in collected.claimed.items()
            if plain(path) not in there
        },
    )


def _now(
    tests: Sequence[Offer], paths: Sequence[Path], collected: Collected
) -> Mapping[Path, Sequence[Taker]]:
    """The tests that cassettes belong to, or will once they were taken over."""
    by_name = {plain(path): path for path in paths}
    now: dict[Path, list[Taker]] = {}
    for test, path in collected.claimed.items():
        if own := by_name.get(plain(path)):
            now.setdefault(own, []).append(Taker(test, path))
    return now | {offer.path: list(offer.takers) for offer in tests if offer.is_sure}
