"""What a cassette folder has left over, moved to whom it belongs now or deleted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from qsession._files import write_whole
from qsession._lock import Lock
from qsession._naming import is_layer
from qsession._shelf import Collected, Found, Head, Offer, Taker, all_heads, head_of, look
from qsession._store import display
from qsession.cli._files._hygiene import unused_bodies
from qsession.cli._files._opening import open_cassette
from qsession.cli._files._relabelling import Label, relabelled
from qsession.cli._given import write
from qsession.errors import CassetteError, QSessionError, UsageError


@dataclass(frozen=True, slots=True)
class Left:
    """What is left over.

    Attributes:
        orphans: Cassettes that no test has.
        offers: Cassettes and layers whose test or fixture was renamed, as far as can be told.
        layers: Layers that no cassette builds on.
        bodies: Large bodies that no cassette refers to.
        unreadable: Cassettes that could not be read, and why: while there are some, nobody knows what
            they build on and refer to, so layers and bodies are none.
    """

    orphans: Sequence[Path]
    offers: Sequence[Offer]
    layers: Sequence[Path]
    bodies: Sequence[Path]
    unreadable: Sequence[str]

    @property
    def sure(self) -> Sequence[Offer]:
        """Offers of which there is no doubt."""
        return [offer for offer in self.offers if offer.is_sure]

    @property
    def gone(self) -> Sequence[Path]:
        """All that may be deleted."""
        return [*self.orphans, *self.layers, *self.bodies]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved.

    Attributes:
        old: Where it was.
        new: Where it is.
        name: Whose it is now: test id, or path of the layer.
    """

    old: Path
    new: Path
    name: str


def left_in(collected: Collected, folder: Path) -> Left:
    """What a folder has left over.

    Args:
        collected: What pytest collected.
        folder: The cassette folder, or one below it: nothing outside of it counts.
    """
    found = _inside(look(collected, read_head=_head), folder)
    going = [*found.orphans, *found.layers]
    bodies, unreadable = unused_bodies(folder, without=going)
    if unreadable:
        return Left(found.orphans, found.offers, (), (), unreadable)
    return Left(found.orphans, found.offers, found.layers, bodies, ())


def delete(left: Left) -> None:
    """Delete what is left over, but for what may be somebody's."""
    for path in left.gone:
        path.unlink()


def taken(left: Left, collected: Collected, cassette: Path, name: str) -> Offer:
    """A cassette for one that the user names.

    Args:
        left: What is left over.
        collected: What pytest collected.
        cassette: A cassette without a test, or the layer of a fixture that is gone.
        name: A test without a cassette, or where a layer of a fixture would lie, below the cassette folder.

    Raises:
        UsageError: If the one belongs to somebody, or the other has one (QS230).
    """
    former = {offer.path: offer.former for offer in left.offers} | dict.fromkeys(left.orphans, "")
    # The folder may have been reached by a link.
    path = next((each for each in former if each.resolve() == cassette.resolve()), None)
    if path is None:
        raise _not_free(f"{cassette}: it is no cassette or layer that has lost its test or fixture")
    taker = _wide_taker(collected, name) if is_layer(path) else _test_taker(collected, name)
    if taker is None:
        raise _not_free(f"{name}: there is no such {'fixture' if is_layer(path) else 'test'}")
    if taker.path.exists():
        raise _not_free(f"{name}: it has {display(taker.path)}")
    return Offer(path, former[path], (taker,), is_sure=True)


def _test_taker(collected: Collected, name: str) -> Taker | None:
    path = collected.claimed.get(name)
    return None if path is None else Taker(name, path, name)


def _wide_taker(collected: Collected, name: str) -> Taker | None:
    idents = (layers[name] for layers in collected.wide.values() if name in layers)
    ident = next(idents, None)
    return None if ident is None else Taker(name, collected.folder / name, ident)


def move(offers: Sequence[Offer], collected: Collected) -> Sequence[Moved]:
    """Give cassettes and layers to whom they belong now: all of them, or none.

    A cassette keeps all but its name: the test id in its head and the names of layers that are
    moved too. So do the cassettes that build on these layers.

    Args:
        offers: What goes where; the first taker of each counts.
        collected: What pytest collected.

    Returns:
        What was moved.

    Raises:
        CassetteError: If one of the files cannot be trusted, something lies where one would go (QS231),
            the disk refuses (QS208), or another process records one (QS219).
    """
    layers = {offer.former: offer.takers[0].name for offer in offers if is_layer(offer.path)}
    labels = _labels(offers, collected, layers)
    with _locked(collected.root / ".qsession" / "locks", labels):
        for label in labels:
            if label.is_moved and label.to.exists():
                raise _in_the_way(label)
        texts = {label.to: relabelled(label, collected.folder) for label in labels}
        with _undone_on_error(texts):
            for path, text in texts.items():
                write(path, text)
        for label in labels:
            if label.is_moved:
                label.path.unlink()
                _remove_empty(label.path.parent, collected.folder)
    return [Moved(offer.path, offer.takers[0].path, offer.takers[0].name) for offer in offers]


def _labels(offers: Sequence[Offer], collected: Collected, layers: Mapping[str, str]) -> Sequence[Label]:
    """Every file that changes: layers first, so that none is named that is not there."""
    takers = {offer.path: offer.takers[0] for offer in offers}
    heads = all_heads(collected.folder, _head) if layers else dict.fromkeys(takers, Head())
    found = []
    for path, head in heads.items():
        renames = {old: layers[old] for old in (head.layers if head else ()) if old in layers}
        if renames or path in takers:
            taker = takers.get(path, Taker("", path, ""))
            found.append(Label(path, taker.path, taker.ident, renames))
    return sorted(found, key=lambda label: (not is_layer(label.path), label.path))


@contextmanager
def _locked(folder: Path, labels: Sequence[Label]) -> Iterator[None]:
    with ExitStack() as held:
        for path in sorted({path for label in labels for path in (label.path, label.to)}):
            lock = Lock(folder, path)
            lock.take()
            held.callback(lock.drop)
        yield


@contextmanager
def _undone_on_error(paths: Iterable[Path]) -> Iterator[None]:
    """What is written is as it was when a disk is full after half of it."""
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    try:
        yield
    except BaseException:
        for path, content in before.items():
            if content is None:
                path.unlink(missing_ok=True)
            elif path.read_bytes() != content:
                write_whole(path, content)
        raise


def _head(path: Path) -> Head | None:
    """The head of a cassette, however it is written."""
    if (head := head_of(path)) is not None:
        return head
    try:
        told = open_cassette(path).provenance
    except QSessionError:
        return None
    return Head(told.test, told.target, told.layers)


def _inside(found: Found, folder: Path) -> Found:
    top = folder.resolve()

    def inside(path: Path) -> bool:
        return path.resolve().is_relative_to(top)

    return Found(
        [path for path in found.orphans if inside(path)],
        [offer for offer in found.offers if inside(offer.path)],
        [path for path in found.layers if inside(path)],
    )


def _remove_empty(folder: Path, top: Path) -> None:
    with suppress(OSError):
        while folder != top and folder.is_relative_to(top):
            folder.rmdir()
            folder = folder.parent


def _not_free(why: str) -> UsageError:
    return UsageError(
        "QS230",
        "A cassette without a test can be given to a test without a cassette. Nothing was moved.",
        evidence=[why],
        fix="qsession prune, which shows what can be given to whom",
    )


def _in_the_way(label: Label) -> CassetteError:
    return CassetteError(
        "QS231",
        "There is a file already where a cassette would be moved. Nothing was moved.",
        evidence=[f"{display(label.path)} would become {display(label.to)}"],
        fix="look at both with qsession show, and delete the one that is not the test's",
        where=display(label.to),
    )
