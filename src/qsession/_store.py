"""Where cassettes and bodies live on disk: read verified, written whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import os
import tempfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qsession import _cassette
from qsession._model import Recording
from qsession._naming import ATTRIBUTES, attributes, is_ours
from qsession._redaction import Redactor
from qsession.errors import CassetteError

_HIGHEST = 12  # folders that are searched upwards for a body


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of cassettes.

    Attributes:
        folder: Where the cassettes lie; large bodies lie in its ``bodies``.
        scratch: Where the recording of a failed run is kept, below ``rejected``.
        record: The command that records anew, with ``{target}``, for messages.
    """

    folder: Path
    scratch: Path
    record: str = "pytest --qsession-record --qsession-target={target}"

    def load(self, path: Path) -> Recording:
        """Read a cassette.

        Args:
            path: The file.

        Raises:
            CassetteError: If it is missing (QS201), no cassette, cut, edited, of a
                newer format, or a body beside it is missing or changed (QS206).
        """
        where = display(path)
        try:
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            raise _missing(where, self.record) from None
        except UnicodeDecodeError as broken:
            raise CassetteError(
                "QS202",
                "The file is not a cassette that qsession wrote. It was left as it is.",
                evidence=[f"it is not UTF-8: byte {broken.start} is {broken.object[broken.start]:#04x}"],
                fix=_cassette.RESTORE,
                where=where,
            ) from broken
        return _cassette.decode(text, lambda reference: self._body(reference, where), where=where)

    def save(self, path: Path, recording: Recording, redactor: Redactor) -> Path:
        """Write a cassette and its bodies; an existing one is replaced at the very end.

        Args:
            path: The file.
            recording: A cleaned recording.
            redactor: Proves that no secret is in what is written.

        Returns:
            The path.

        Raises:
            CassetteError: If a secret would be written (QS207): nothing is; if the
                disk refuses (QS208): the old cassette stays.
        """
        try:
            return self._save(path, recording, redactor)
        except OSError as refused:
            raise _refused(display(path), refused) from refused

    def _save(self, path: Path, recording: Recording, redactor: Redactor) -> Path:
        text, bodies = _cassette.encode(recording)
        for name, data in [(display(path), text.encode()), *bodies.items()]:
            if kinds := redactor.find(data):
                raise _secret(name, kinds)
        for reference, body in bodies.items():
            target = _body_path(self.folder, reference)
            if not _holds(target, body):
                write_whole(target, gzip.compress(body, mtime=0))
        self._keep_line_endings()
        write_whole(path, text.encode())
        return path

    def reject(self, path: Path, recording: Recording, redactor: Redactor) -> Path:
        """Keep what a failed run recorded, away from the cassettes.

        Returns:
            Where it was kept.
        """
        write_whole(self.scratch / ".gitignore", b"*\n")
        folder = self.scratch / "rejected"
        below = path.relative_to(self.folder) if path.is_relative_to(self.folder) else Path(path.name)
        return Store(folder, self.scratch).save(folder / below, recording, redactor)

    def _body(self, reference: str, where: str) -> bytes:
        # A cassette may be opened by its own path, below the folder that holds the bodies.
        homes = [self.folder, *self.folder.absolute().parents]
        paths = [_body_path(home, reference) for home in homes[:_HIGHEST]]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            raise _bad_body(where, display(paths[0]), "it is missing")
        stamp = path.stat()
        return _read_body(path, stamp.st_mtime_ns, stamp.st_size, reference, where)

    def _keep_line_endings(self) -> None:
        if not is_ours(self.folder):
            both = attributes(self.folder) + ATTRIBUTES
            write_whole(self.folder / ".gitattributes", both.encode())


def _body_path(folder: Path, reference: str) -> Path:
    return folder / _cassette.BODIES / f"{reference.removeprefix('sha256:')}.gz"


def _holds(path: Path, body: bytes) -> bool:
    # One that is there but damaged must not be relied upon: recording again mends it.
    try:
        return gzip.decompress(path.read_bytes()) == body
    except (OSError, EOFError, ValueError, zlib.error):
        return False


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        OSError: If the disk refuses; the old content stays.
    """
    # What a link points to is written, not the link replaced.
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files for their owner only; a cassette is as public as its folder.
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def display(path: Path) -> str:
    """A path as messages show it: relative to where we are, when below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


@lru_cache(maxsize=64)
def _read_body(path: Path, _changed: int, _size: int, reference: str, where: str) -> bytes:
    try:
        body = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, ValueError, zlib.error) as broken:
        raise _bad_body(where, display(path), f"it cannot be unpacked: {broken}") from broken
    if "sha256:" + hashlib.sha256(body).hexdigest() != reference:
        raise _bad_body(where, display(path), "its content is not what its name says")
    return body


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _missing(where: str, record: str) -> CassetteError:
    return CassetteError(
        "QS201",
        "There is no recording to replay. Nothing was sent.",
        evidence=[f"no file {where}"],
        fix=record.replace("{target}", "emulator"),
        intended="record it on the service instead, which costs QPU time: "
        + record.replace("{target}", "ibm"),
        where=where,
    )


def _bad_body(where: str, body: str, why: str) -> CassetteError:
    return CassetteError(
        "QS206",
        "A body that the cassette refers to cannot be used. Nothing was changed.",
        evidence=[f"{body}: {why}"],
        fix=_cassette.RESTORE,
        where=where,
    )


def _refused(where: str, error: OSError) -> CassetteError:
    return CassetteError(
        "QS208",
        "The cassette could not be written. The one that was there stays.",
        evidence=[str(error)],
        fix="make room, or give this user the right to write there, and record again",
        where=where,
    )


def _secret(name: str, kinds: tuple[str, ...]) -> CassetteError:
    return CassetteError(
        "QS207",
        "A secret would have been written. Nothing was.",
        evidence=[f"{name} holds: {', '.join(kinds)} (the value is not shown)"],
        fix="keep the value out of what the test sends: circuit names, tags, options",
        where=name,
    )
