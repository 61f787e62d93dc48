"""Verified recordings in a folder, for the processes that come after."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qsession._files import ignored_by_git, write_whole
from qsession._kept._form import decode, encode
from qsession._model import Recording

_OURS = re.compile(r"[0-9a-f]{64}\.recording|\.writing-[\w-]+")
_MOST = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Kept:
    """A folder of verified recordings. It may be missing, read-only or deleted at any time.

    Whatever the disk says costs speed only, since all that lies here can be had from
    the cassettes again. So no error of the disk leaves this class.

    Attributes:
        folder: Where they lie. It is made when something is to be kept, and tells git
            to ignore it.
        stamp: Names what a recording depends on besides the cassette: what was kept
            under another stamp is not used.
        most: How many bytes may lie here; those used longest ago go first. They are
            counted at about every sixteenth writing, so it is that much more at times.
    """

    folder: Path
    stamp: str
    most: int = _MOST

    def load(self, key: str, fetch: Callable[[str], bytes]) -> Recording | None:
        """A recording.

        Args:
            key: SHA-256 of the cassette's bytes, hexadecimal.
            fetch: Gives a large body by its reference; used when the body is asked for.

        Returns:
            The recording; None if it is not here, or not whole.
        """
        path = self._path(key)
        with suppress(OSError):
            with path.open("rb") as file:
                recording = decode(file, key, self.stamp, fetch)
            if recording is not None:
                with suppress(OSError):
                    os.utime(path)
            return recording
        return None

    def save(self, key: str, recording: Recording) -> None:
        """Keep a recording.

        Args:
            key: SHA-256 of the bytes that it was verified from, hexadecimal.
            recording: The recording.
        """
        parts = encode(recording, key, self.stamp)
        if parts is None:
            return
        with suppress(OSError):
            ignored_by_git(self.folder)
            # Not flushed: what a loss of power leaves does not fit its digest.
            write_whole(self._path(key), parts, private=True, lasting=False)
            if key.startswith("0"):
                self._tidy()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.recording"

    def _tidy(self) -> None:
        with os.scandir(self.folder) as entries:
            ours = [(entry.stat(), entry.path) for entry in entries if _OURS.fullmatch(entry.name)]
        total = sum(stat.st_size for stat, _ in ours)
        for stat, path in sorted(ours, key=lambda each: each[0].st_mtime_ns):
            if total <= self.most:
                return
            Path(path).unlink(missing_ok=True)
            total -= stat.st_size
