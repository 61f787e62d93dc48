"""Files and folders that a command was given."""

from __future__ import annotations

from pathlib import Path

from qsession._files import write_whole
from qsession.errors import CassetteError, UsageError


def readable(path: Path) -> Path:
    """The file, if it can be read.

    Raises:
        UsageError: If it cannot (QS175).
    """
    try:
        with path.open("rb"):
            return path
    except OSError as problem:
        raise UsageError(
            "QS175",
            "The file cannot be read.",
            evidence=[f"{path}: {problem.strerror}"],
            fix="name a file that is there, for example: qsession show cassettes/test_bell/test_bell.yaml",
        ) from problem


def existing(folder: Path) -> Path:
    """The folder, if it is there.

    Raises:
        UsageError: If it is none (QS175).
    """
    if not folder.is_dir():
        raise UsageError(
            "QS175",
            "There is no such folder.",
            evidence=[str(folder)],
            fix="name the folder of the cassettes, for example: qsession lint cassettes",
        )
    return folder


def write(path: Path, text: str) -> None:
    """Write a file whole.

    Raises:
        CassetteError: If the disk refuses (QS208); what was there stays.
    """
    try:
        write_whole(path, text.encode())
    except OSError as refused:
        raise CassetteError(
            "QS208",
            "The file could not be written. What was there stays.",
            evidence=[f"{path}: {refused.strerror}"],
            fix="make room, or name a file that this user may write",
        ) from refused
