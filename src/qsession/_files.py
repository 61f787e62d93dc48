"""Files that are written whole or not at all, and folders that git ignores."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_PREFIX = ".writing-"
_TORN = re.compile(rf"{re.escape(_PREFIX)}(\d+)-\w+")


def write_whole(
    path: Path, data: bytes | Iterable[bytes], *, private: bool = False, lasting: bool = True
) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Args:
        path: The file; folders above it are made.
        data: Its content, in one piece or several.
        private: Whether only its owner may read it, from the first byte on.
        lasting: Whether it is on the disk when this returns, so that it survives a loss of power.

    Raises:
        OSError: If the disk refuses; the old content stays.
    """
    # What a link points to is written, not the link replaced.
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{_PREFIX}{os.getpid()}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp makes files for their owner only; a cassette is as public as its folder.
        if not private:
            Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def ignored_by_git(folder: Path) -> None:
    """Make a folder whose content git does not look at.

    Args:
        folder: The folder; those above it are made as well.

    Raises:
        OSError: If the disk refuses.
    """
    if not (folder / ".gitignore").exists():
        write_whole(folder / ".gitignore", b"*\n", lasting=False)


def remove_torn(folder: Path) -> None:
    """Remove what processes left in a folder that were killed while they wrote.

    Args:
        folder: Where files are written with `write_whole`.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TORN.fullmatch(entry.name)
            if found and not _lives(int(found[1])):
                Path(entry.path).unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        # It cannot be asked about there without harm.
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
