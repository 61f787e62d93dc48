"""Locks that are held by a process and gone with it: on a cassette while it is recorded, and for a moment."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from qsession._files import ignored_by_git
from qsession.errors import CassetteError

_TRIES = 20
_threads = threading.RLock()


class Lock:
    """One process at a time records a cassette. The system gives the lock back when its holder dies.

    A lock of the system, not the mere presence of a file: one that was left behind by a
    process that was killed holds nobody up. A forked child does not inherit it. Where the
    folder cannot be written there is no lock, which is no reason not to record.

    Args:
        folder: Where locks lie; made if need be.
        cassette: What is locked.
    """

    def __init__(self, folder: Path, cassette: Path) -> None:
        self._cassette = cassette
        self._folder = folder
        # Where case does not count in names, two spellings are one file.
        name = str(cassette.resolve()).casefold()
        self._path = folder / f"{sha256(name.encode()).hexdigest()[:32]}.lock"
        self._file = -1
        self._owner = 0

    def take(self) -> None:
        """Take the lock, or say who holds it.

        Raises:
            CassetteError: If another process records this cassette (QS219).
        """
        for _ in range(_TRIES):
            # Others delete their locks, and the folder with the last of them, while we look.
            with suppress(OSError):
                ignored_by_git(self._folder)
                if self._try():
                    return
            self.release()

    def wait(self) -> None:
        """Take the lock, once whoever has it gives it back."""
        # Whoever drops it deletes its file, and those who waited for that begin again.
        for _ in range(_TRIES**2):
            with suppress(OSError):
                ignored_by_git(self._folder)
                if self._try(waits=True):
                    return
            self.release()

    def release(self) -> None:
        """Give the lock back; nothing happens where it is not held."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def drop(self) -> None:
        """Give the lock back and leave no file behind."""
        if self._file >= 0 and self._owner == os.getpid() and sys.platform != "win32":
            with suppress(OSError):
                self._path.unlink()
                if [each.name for each in self._folder.iterdir()] == [".gitignore"]:
                    (self._folder / ".gitignore").unlink()
                    self._folder.rmdir()
                    # Where nothing else was ever kept.
                    self._folder.parent.rmdir()
        self.release()

    def _try(self, *, waits: bool = False) -> bool:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not _lock(self._file, waits=waits):
            holder = os.pread(self._file, 32, 0) if hasattr(os, "pread") else b""
            self.release()
            raise _held(self._cassette, holder.decode("ascii", "replace").strip())
        if not _is_at(self._file, self._path):
            return False
        self._owner = os.getpid()
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())
        return True


class Turn:
    """One thread of one process at a time, among all that use the same file. For moments, never for a wait.

    A process that dies in its turn ends it. A thread that has the turn may take it once more.

    Args:
        path: The file; made if need be, and left there. Its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # A lock of the system knows processes, not threads, and ends with the first file that is closed.
        self._threads = threading.RLock()
        self._depth = 0
        self._file = -1

    def __enter__(self) -> Self:
        """Wait for the turn.

        Raises:
            OSError: If the file cannot be opened or locked.
        """
        self._threads.acquire()
        try:
            if self._depth == 0:
                self._take()
            self._depth += 1
        except BaseException:
            self._threads.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._depth -= 1
            if self._depth == 0:
                os.close(self._file)
        finally:
            self._threads.release()

    def _take(self) -> None:
        while True:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # On Windows the system gives up after ten seconds.
                if _lock(self._file, waits=True) and _is_at(self._file, self._path):
                    return
            except BaseException:
                os.close(self._file)
                raise
            # Or somebody cleaned up meanwhile: others wait at another file of this name.
            os.close(self._file)


@contextmanager
def waited_for(folder: Path, path: Path) -> Iterator[None]:
    """Hold the lock of a file for the moment that a change takes; who else has it is waited for.

    Args:
        folder: Where locks lie; made if need be.
        path: The file.

    Yields:
        Nothing. Where the folder cannot be written there is no lock.
    """
    lock = Lock(folder, path)
    # The system's locks belong to processes: threads do not hold one another up by them.
    with _threads:
        try:
            lock.wait()
            yield
        finally:
            lock.drop()


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int, *, waits: bool) -> bool:
        try:
            # Past the number that says who holds it, which others may read.
            os.lseek(file, 64, os.SEEK_SET)
            # Ten seconds at most: no change takes that long.
            msvcrt.locking(file, msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK, 1)
            os.lseek(file, 0, os.SEEK_SET)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(file: int, *, waits: bool) -> bool:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError):
            return False
        return True


def _held(cassette: Path, holder: str) -> CassetteError:
    return CassetteError(
        "QS219",
        "Another process is recording this cassette. Nothing was sent.",
        evidence=[f"process {holder or 'unknown'} holds it"],
        fix="let it end, or end it; its lock goes with it",
        intended="two tests that are to be recorded at once need a cassette each",
        where=str(cassette),
    )
