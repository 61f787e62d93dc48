"""Which cassettes belong to no test any more. Pure but for the names of files; no YAML, no pytest.

A cassette is called an orphan only where that is sure: the test file was collected whole, or is gone.
What was left out by a selection, a skipped module or another folder of tests says nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TEST = re.compile(r"^    test: (.+)$", re.MULTILINE)
_HEAD = 4096
_SKIPPED = frozenset({"bodies", ".qsession"})


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection of tests told.

    Attributes:
        folder: The cassette folder.
        root: Folder of the configuration, to which the paths of test files are relative.
        claimed: Cassettes of the collected tests.
        files: Test files that were collected whole.
    """

    folder: Path
    root: Path
    claimed: Collection[Path]
    files: Collection[Path]


def orphans(collected: Collected) -> Sequence[Path]:
    """Cassettes that no test has, in the order of their names.

    Args:
        collected: What is known of the tests.
    """
    claimed = {_plain(path) for path in collected.claimed}
    files = {_plain(path) for path in collected.files}
    found = (path for path in _cassettes(collected.folder) if _plain(path) not in claimed)
    return [path for path in found if _is_orphan(path, collected, files)]


def write(collected: Collected, target: Path) -> None:
    """Write down what a collection told, for another process."""
    told = {
        "folder": str(collected.folder),
        "root": str(collected.root),
        "claimed": [str(path) for path in collected.claimed],
        "files": [str(path) for path in collected.files],
    }
    target.write_text(json.dumps(told), "utf-8")


def read(source: Path) -> Collected:
    """Read what `write` wrote."""
    told = json.loads(source.read_text("utf-8"))
    return Collected(
        folder=Path(told["folder"]),
        root=Path(told["root"]),
        claimed=[Path(each) for each in told["claimed"]],
        files=[Path(each) for each in told["files"]],
    )


def _is_orphan(path: Path, collected: Collected, files: Collection[str]) -> bool:
    test = _test_of(path)
    if not test:
        return False  # recorded from Python, by whatever program
    below = path.parent.relative_to(collected.folder)
    for file in (collected.root / test.partition("::")[0], collected.root / f"{below}.py"):
        if _plain(file) not in files and file.exists():
            return False
    return True


def _test_of(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            found = _TEST.search(file.read(_HEAD).partition("\ninteractions:")[0])
    except (OSError, UnicodeDecodeError):
        return ""
    return found[1].strip("'\"") if found else ""


def _cassettes(folder: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(folder):
        folders[:] = sorted(set(folders) - _SKIPPED)
        yield from (Path(name, each) for each in sorted(files) if each.endswith(".yaml"))


def _plain(path: Path) -> str:
    return os.path.normcase(path.absolute()).casefold()
