"""What a collection of tests told, here and in another process."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection of tests told.

    Attributes:
        folder: The cassette folder.
        root: Folder of the configuration, to which the paths of test files are relative.
        claimed: Cassettes of the collected tests, by test id.
        files: Test files that were collected whole.
        wide: By test id, what the layers of its wide fixtures and of the session that it shares would
            say in their heads, by their paths below the folder.
        may_be_empty: Whether a test without a cassette may be one that asks the service for nothing.
    """

    folder: Path
    root: Path
    claimed: Mapping[str, Path]
    files: Collection[Path]
    wide: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    may_be_empty: bool = False


def write(collected: Collected, target: Path) -> None:
    """Write down what a collection told, for another process."""
    told = {
        "folder": str(collected.folder),
        "root": str(collected.root),
        "claimed": {test: str(path) for test, path in collected.claimed.items()},
        "files": [str(path) for path in collected.files],
        "wide": {test: dict(layers) for test, layers in collected.wide.items()},
        "may_be_empty": collected.may_be_empty,
    }
    target.write_text(json.dumps(told), "utf-8")


def read(source: Path) -> Collected:
    """Read what `write` wrote."""
    told = json.loads(source.read_text("utf-8"))
    return Collected(
        folder=Path(told["folder"]),
        root=Path(told["root"]),
        claimed={test: Path(path) for test, path in told["claimed"].items()},
        files=[Path(each) for each in told["files"]],
        wide=told["wide"],
        may_be_empty=told["may_be_empty"],
    )
