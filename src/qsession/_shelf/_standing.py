"""Which layers nobody builds on, and which stand for a fixture that is called otherwise now."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence, Set
from pathlib import Path

from qsession._naming import is_layer
from qsession._shelf._heads import Head, plain
from qsession._shelf._offers import Lost, Offer, Parts, Taker, offers, parts_of_layer

_SHARED = ("@emulator.yaml", "@ibm.yaml")


def is_shared(path: Path, folder: Path) -> bool:
    """Whether a layer is that of the whole folder, which any test may read.

    Args:
        path: A file.
        folder: The cassette folder.
    """
    return path.name in _SHARED and path.parent == folder


def shared_name(target: str) -> str:
    """What the layer of the whole folder is called."""
    return f"@{target}.yaml"


def left_over(
    heads: Mapping[Path, Head | None], folder: Path, *, without: Collection[Path] = ()
) -> Sequence[Path]:
    """Layers that no cassette builds on.

    A cassette of a test names those of the fixtures that it builds on, and so does a layer
    that builds on another. What the whole folder shares is left over with the last cassette
    of its target.

    Args:
        heads: All cassettes of the folder with their heads.
        folder: The cassette folder.
        without: Cassettes that do not count, since they will go.

    Returns:
        The layers; none while there is a cassette that cannot be read, since nobody knows on
        what it builds.
    """
    if None in heads.values():
        return []
    known = {path: head for path, head in heads.items() if head is not None}
    own = [path for path in known if is_layer(path) and not is_shared(path, folder)]
    stays = _reached(known, folder, {path for path in known if not is_layer(path)} - set(without))
    targets = {known[path].target for path in stays}
    shared = [folder / name for name in _SHARED if name[1:].partition(".")[0] not in targets]
    return sorted([path for path in own if path not in stays] + [path for path in shared if path in known])


def renamed(
    heads: Mapping[Path, Head | None],
    folder: Path,
    now: Mapping[Path, Collection[str]],
    wide: Mapping[str, Mapping[str, str]],
    *,
    without: Collection[Path] = (),
) -> Sequence[Offer]:
    """Layers of fixtures that are called otherwise now, or whose class or file is.

    Args:
        heads: All cassettes of the folder with their heads.
        folder: The cassette folder.
        now: Tests that cassettes belong to, or will once they were taken over.
        wide: By test id, its layers and what their heads would say.
        without: Cassettes that do not count, since they will go.
    """
    there = {plain(path) for path in heads}
    lost: list[Lost] = []
    found: dict[Taker, Parts] = {}
    for layer, head in heads.items():
        if head is None or not is_layer(layer) or is_shared(layer, folder):
            continue
        name = layer.relative_to(folder).as_posix()
        users = [path for path, each in heads.items() if each and name in each.layers and path not in without]
        layers = [wide.get(test, {}) for test in _tests_of(users, now)]
        if not layers or any(name in each for each in layers):
            continue
        free = {each for each in set.intersection(*map(set, layers)) if plain(folder / each) not in there}
        lost.append(Lost(layer, name, parts_of_layer(name, head.test), free))
        for each in free:
            found[Taker(each, folder / each, layers[0][each])] = parts_of_layer(each, layers[0][each])
    return offers(lost, found)


def _tests_of(users: Sequence[Path], now: Mapping[Path, Collection[str]]) -> Sequence[str]:
    """The tests of those cassettes among some that are a test's; none if that of one is not known."""
    own = [path for path in users if not is_layer(path)]
    return [test for path in own for test in now[path]] if all(path in now for path in own) else []


def _reached(known: Mapping[Path, Head], folder: Path, roots: Set[Path]) -> Set[Path]:
    """Cassettes and the layers that they build on, and those that these do."""
    reached: set[Path] = set()
    todo = list(roots)
    while todo:
        path = todo.pop()
        if path in known and path not in reached:
            reached.add(path)
            todo += [folder / name for name in known[path].layers]
    return reached
