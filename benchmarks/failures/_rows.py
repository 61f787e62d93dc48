"""The list of failures: what each is about, where it was told, which test of ours is about it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.failures._lab import Seen

LIST = Path(__file__).with_name("rows.toml")


@dataclass(frozen=True, slots=True)
class Row:
    """One failure.

    Attributes:
        name: Of its experiment, where there is one.
        what: It, for a reader.
        told: Threads that tell of it, ``owner/repository#number`` or an advisory.
        tests: Ids of our tests.
        remark: What has to be said to be fair.
        stock: How things stand there, where no experiment shows it.
        ours: How they stand here, likewise.
        alike: Whether qsession has it too, which limitations.md says.
        plugin: Whether it is about pytest-recording, which has to be installed.
    """

    name: str
    what: str
    told: Sequence[str]
    tests: Sequence[str]
    remark: str = ""
    stock: str = ""
    ours: str = ""
    alike: bool = False
    plugin: bool = False

    @property
    def is_shown(self) -> bool:
        """Whether there is an experiment."""
        return not self.stock

    def findings(self, stock: Seen, ours: Seen) -> Iterator[str]:
        """What is wrong about the row, after its experiment.

        Args:
            stock: What vcrpy or pytest-recording did.
            ours: What qsession did.
        """
        if not stock.shows:
            yield f"{self.name}: stock does not show it any more ({stock.words}): drop the row"
        if ours.shows and not self.alike:
            yield f"{self.name}: qsession is wrong: {ours.words}"
        if self.alike and not ours.shows:
            yield f"{self.name}: qsession is better than it says ({ours.words}): drop `alike`"


def groups() -> Mapping[str, Sequence[Row]]:
    """All rows, by the title of their group."""
    document: dict[str, Any] = tomllib.loads(LIST.read_text("utf-8"))
    return {group["title"]: [Row(**row) for row in group["row"]] for group in document["group"]}


def rows() -> Sequence[Row]:
    """All rows."""
    return [row for group in groups().values() for row in group]
