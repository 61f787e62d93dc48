"""Whether cassettes and the layers that they build on fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from qsession._model import Provenance, Recording
from qsession._naming import LAYER, is_layer, is_ours
from qsession._shelf import Head, left_over, shared_name
from qsession._store import display
from qsession.cli._files._finding import Finding

_TOLD = "backends.list"
# A test that asks for nothing itself has no cassette, and may use it all the same.
_UNNAMED = "no cassette of this folder builds on it; qsession prune says whether a test uses it"


@dataclass(frozen=True, slots=True)
class Known:
    """What a cassette says of what it needs.

    Attributes:
        head: Its head.
        is_whole: Whether it holds itself which backends there are, which the shared layer has for all.
    """

    head: Provenance
    is_whole: bool


def known(recording: Recording) -> Known:
    """What a recording needs."""
    asked = {each.endpoint for each in recording.interactions}
    return Known(recording.provenance, _TOLD in asked)


def home_of(folder: Path) -> Path:
    """The cassette folder that a folder is, or lies in, if that is below the working folder."""
    here = Path.cwd()
    above = [each for each in folder.absolute().parents if each.is_relative_to(here)]
    return next((each for each in (folder, *above) if is_ours(each)), folder)


def findings(cassettes: Mapping[Path, Known | None], folder: Path) -> Iterator[Finding]:
    """What is wrong with the layers of a folder.

    Args:
        cassettes: All cassettes of the folder; None for one that cannot be read.
        folder: A cassette folder, or one below it.
    """
    home = home_of(folder)
    for path, head, name in _named(cassettes):
        if not (home / name).is_file():
            yield Finding(display(path), "missing-layer", _missing(home / name, head))


def notices(cassettes: Mapping[Path, Known | None], folder: Path) -> Iterator[Finding]:
    """What is not wrong, but worth a word.

    Args:
        cassettes: All cassettes of the folder; None for one that cannot be read.
        folder: A cassette folder, or one below it.
    """
    home = home_of(folder)
    for target in sorted({one.head.target for one in cassettes.values() if one}):
        shared = home / shared_name(target)
        asking = [path for path, one in cassettes.items() if one and _needs_shared(path, one, target)]
        if asking and not shared.is_file():
            yield Finding(display(shared), "no-shared-layer", _unshared(len(asking), target))
    # Those of a part of the folder may be named in another part.
    for path in left_over({p: _head(one) for p, one in cassettes.items()}, folder) if home == folder else ():
        yield Finding(display(path), "unnamed-layer", _UNNAMED)
    for path, head, name in _named(cassettes):
        layer = cassettes.get(home / name)
        if layer and layer.head.target != head.target:
            text = f"recorded from {head.target}; {display(home / name)}, on which it builds, "
            yield Finding(display(path), "other-target", f"{text}from {layer.head.target}")


def _named(cassettes: Mapping[Path, Known | None]) -> Iterator[tuple[Path, Provenance, str]]:
    """Each layer that a cassette builds on: the cassette, its head, and the name of the layer."""
    for path, one in cassettes.items():
        if one is not None:
            yield from ((path, one.head, name) for name in one.head.layers)


def _needs_shared(path: Path, one: Known, target: str) -> bool:
    return one.head.target == target and bool(one.head.test) and not is_layer(path) and not one.is_whole


def _head(one: Known | None) -> Head | None:
    return None if one is None else Head(one.head.test, one.head.target, one.head.layers)


def _missing(layer: Path, head: Provenance) -> str:
    file, _, rest = head.test.partition("::")
    # That of a layer names a fixture, which is recorded with any test of its file.
    named = head.test if not rest.startswith(LAYER) else file
    test = f"'{named}' " if rest and named != "." else ""
    command = f"pytest {test}--qsession-record --qsession-target={head.target}"
    return f"it builds on {display(layer)}, which is not there; {command} records it"


def _unshared(number: int, target: str) -> str:
    are = "cassette of a test does" if number == 1 else "cassettes of tests do"
    return f"{number} {are} not say which backends there are, and this layer is not there to say it"
