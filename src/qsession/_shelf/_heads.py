"""The cassettes of a folder, and what their heads say of whom they belong to.

A full run of tests may look at every head of the folder, so it is read without YAML.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

_SKIPPED = frozenset({"bodies", ".qsession"})
_PIECE = 4096
_MOST = 2**24
_QUOTED = re.compile(r"'(?:[^']|'')*'")
_END = "\ninteractions:"
_NAME = "qsession"
_OURS = re.compile(r"^  qsession:$", re.MULTILINE)
_FIELD = re.compile(r"^    (test|target|random_seed): (.+)$", re.MULTILINE)
_NAMES_LAYERS = re.compile(r"\blayers['\"]?:")
_LAYERS = re.compile(r"^    layers:\n((?:    - .+\n)+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Head:
    """What the head of a cassette says of whom it belongs to.

    Attributes:
        test: Test id; empty for a recording made from Python, and for what is no cassette of ours.
        target: ``ibm``, ``emulator``, or empty.
        layers: Layers that it builds on: paths below the cassette folder.
        random_seed: Where random numbers began; None where nobody said.
    """

    test: str = ""
    target: str = ""
    layers: tuple[str, ...] = ()
    random_seed: int | None = None


ReadHead: TypeAlias = Callable[[Path], "Head | None"]
"""Reads the head of a cassette; None where nobody knows what it says."""


def head_of(path: Path) -> Head | None:
    """Read the head of a cassette as qsession writes it.

    Args:
        path: The file.

    Returns:
        What it says; None if it cannot be read, or is one of ours that somebody wrote in another way.
    """
    try:
        text = _text_of(path)
        return _head_in(text) if text else Head()
    except (OSError, ValueError):
        return None


def _head_in(text: str) -> Head:
    fields = _FIELD.findall(text)
    told = {name: _scalar(value) for name, value in fields}
    listed = _LAYERS.search(text)
    if not _OURS.search(text) or "target" not in told or len(told) != len(fields):
        raise ValueError("it is not written as we write it")
    if listed is None and _NAMES_LAYERS.search(text):
        raise ValueError("its layers are not written as we write them")
    layers = re.findall(r"^    - (.+)$", listed[1], re.MULTILINE) if listed else ()
    seed = int(told["random_seed"]) if "random_seed" in told else None
    return Head(told.get("test", ""), told["target"], tuple(map(_scalar, layers)), seed)


def all_heads(folder: Path, read_head: ReadHead = head_of) -> Mapping[Path, Head | None]:
    """The heads of all cassettes below a folder.

    Args:
        folder: The cassette folder.
        read_head: Reads one.
    """
    return {path: read_head(path) for path in cassettes(folder)}


def cassettes(folder: Path) -> Iterator[Path]:
    """The cassettes below a folder, in the order of their names."""
    for name, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED)
        yield from (Path(name, each) for each in sorted(files) if each.endswith(".yaml"))


def plain(path: Path) -> str:
    """A path as file systems compare it on which case does not count."""
    return os.path.normcase(path.absolute()).casefold()


def _text_of(path: Path) -> str:
    """What stands before the interactions; empty for what is none of ours."""
    with path.open(encoding="utf-8") as file:
        text = file.read(_PIECE)
        head, end, _ = f"\n{text}".partition(_END)
        if not end or _NAME not in head:
            text += file.read(_MOST)
            head, end, _ = f"\n{text}".partition(_END)
    if not end or len(text) > _MOST or (_NAME in text and _NAME not in head):
        raise ValueError("nobody can tell where its head is")
    return head if _NAME in head else ""


def _scalar(text: str) -> str:
    """A text as YAML writes it in one line."""
    if _QUOTED.fullmatch(text):
        return text[1:-1].replace("''", "'")
    if text[0] not in "'\"":
        return text
    # A name with controls in it: rare, and YAML has its own ways to spell them.
    import yaml

    try:
        return str(yaml.safe_load(text))
    except yaml.YAMLError as broken:
        raise ValueError("its end is on another line") from broken
