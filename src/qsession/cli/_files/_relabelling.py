"""A cassette with another name in its head, and nothing else changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qsession import _bounded_yaml, _cassette
from qsession._store import display
from qsession.cli._files._opening import open_cassette, read_text


@dataclass(frozen=True, slots=True)
class Label:
    """What becomes of the name of a cassette.

    Attributes:
        path: Where it lies.
        to: Where it will.
        ident: What its head will say: a test id, or the name of a fixture; empty where that does not change.
        layers: Layers that it builds on and that are called otherwise now: new path by the old one.
    """

    path: Path
    to: Path
    ident: str = ""
    layers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_moved(self) -> bool:
        """Whether it will lie elsewhere."""
        return self.to != self.path


def relabelled(label: Label, folder: Path) -> str:
    """The text of a cassette under its new name.

    Args:
        label: What changes.
        folder: The cassette folder.

    Raises:
        UsageError: If the file cannot be read (QS175).
        CassetteError: If it cannot be trusted: what was edited stays what it is.
    """
    text, where = read_text(label.path), display(label.path)
    open_cassette(label.path, folder=folder, text=text)
    document: Any = _bounded_yaml.read(text)
    head = document["metadata"]["qsession"]
    if label.ident and "test" in head:
        head["test"] = label.ident
    if label.layers:
        head["layers"] = sorted({label.layers.get(each, each) for each in head["layers"]})
    return _cassette.resealed(_cassette.dump(document), where=where)[0]
