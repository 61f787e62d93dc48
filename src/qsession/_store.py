"""Where cassettes and bodies live on disk: read verified, written whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from qsession import _cassette, _meaning
from qsession._endpoints import identify
from qsession._files import remove_torn, write_whole
from qsession._kept import Kept, Recent, StoredRequest, references
from qsession._model import Interaction, Recording
from qsession._naming import ATTRIBUTES, attributes
from qsession._payload._decode import LIMIT, Unreadable
from qsession._payload._harmless import check_answer
from qsession.errors import CassetteError

if TYPE_CHECKING:
    from qsession._redaction import Redactor

_HIGHEST = 12  # folders that are searched upwards for a body

_CACHE = "cache"
# The rooms that say what is read from a cassette: what they gave before they were changed
# is not used. A test compares this with what they import.
_READERS = (
    "_cassette",
    "_clock",
    "_endpoints",
    "_bounded_yaml",
    "_escaped",
    "_files",
    "_invented",
    "_hosts",
    "_kept",
    "_meaning",
    "_model",
    "_naming",
    "_payload",
    "_store",
)

# Both by content, so that nothing else can make them wrong. By bytes on disk and in memory.
_opened: Recent[tuple[Store, Path, str], Recording] = Recent(16 * 2**20)
_bodies: Recent[tuple[Path, int, int, str], bytes] = Recent(64 * 2**20)


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of cassettes.

    Attributes:
        folder: Where the cassettes lie; large bodies lie in its ``bodies``.
        scratch: Where what was read and verified before is kept, below ``cache``.
        record: The command that records anew, with ``{target}``, for messages.
    """

    folder: Path
    scratch: Path
    record: str = "pytest --qsession-record --qsession-target={target}"

    def load(self, path: Path) -> Recording:
        """Read a cassette.

        From the second time on it is not parsed again, in this process and in others,
        as long as its bytes are the same. A large body is read and verified when it is
        asked for; that it is there is looked up now.

        Args:
            path: The file.

        Raises:
            CassetteError: If it is missing (QS201), cannot be read (QS621), is no cassette, cut, edited, of a
                newer format, or a body beside it is missing (QS206). The same for a
                body that was changed, when it is asked for.
        """
        bodies = Bodies(path, self.folder)
        _only_one(path)
        try:
            size, key = _measure(path)
            recording = _opened.get((self, path.absolute(), key)) or self._kept(key, bodies)
            if recording is None:
                key, recording = self._read(path, bodies)
            else:
                bodies.expect(references(recording.interactions))
        except (FileNotFoundError, NotADirectoryError):
            raise _missing(display(path), self.record) from None
        except OSError as refused:
            raise _unreadable(display(path), refused) from refused
        _opened.put((self, path.absolute(), key), recording, weight=size)
        return recording

    def _kept(self, key: str, bodies: Bodies) -> Recording | None:
        stamp = _stamp()
        return Kept(self.scratch / _CACHE, stamp).load(key, bodies) if stamp else None

    def _read(self, path: Path, bodies: Bodies) -> tuple[str, Recording]:
        raw = path.read_bytes()
        where = display(path)
        recording = _cassette.decode(text_of(raw, where), bodies, where=where)
        bodies.expect(references(recording.interactions))
        recording = replace(recording, interactions=tuple(map(_understood, recording.interactions)))
        # Not the key of before: the file may have changed since.
        key = hashlib.sha256(raw).hexdigest()
        if stamp := _stamp():
            Kept(self.scratch / _CACHE, stamp).save(key, recording)
        return key, recording

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
        # Only here: a replay has no use for it.
        from qsession._redaction import not_written

        text, bodies = _cassette.encode(recording)
        for name, data in [(display(path), text.encode()), *bodies.items()]:
            if kinds := redactor.find(data):
                raise not_written(f"{name} holds: {', '.join(kinds)} (the value is not shown)", where=name)
        for reference, body in bodies.items():
            target = _body_path(self.folder, reference)
            if not _holds(target, body):
                write_whole(target, gzip.compress(body, mtime=0))
        self._keep_line_endings()
        for folder in (path.parent, self.folder, self.folder / _cassette.BODIES):
            remove_torn(folder)
        write_whole(path, text.encode())
        return path

    def _keep_line_endings(self) -> None:
        # Read once: another process may write it between two looks.
        said = attributes(self.folder)
        if not said.endswith(ATTRIBUTES):
            write_whole(self.folder / ".gitattributes", (said + ATTRIBUTES).encode())


class Bodies:
    """Gives the large bodies of one cassette by reference, verified.

    Args:
        cassette: The file, for messages.
        folders: Where they lie, in ``bodies``; else in that of a folder above, since a cassette
            may be opened by its own path.
    """

    def __init__(self, cassette: Path, *folders: Path) -> None:
        self._cassette = cassette.absolute()
        self._folders = [folder.absolute() for folder in folders]
        self._found: dict[str, Path] = {}

    def __call__(self, reference: str) -> bytes:
        """The content of one.

        Raises:
            CassetteError: If it is missing or damaged (QS206), or could do harm (QS225).
        """
        self.expect({reference})
        return _read_body(self._found[reference], reference, lambda: display(self._cassette))

    def expect(self, references: set[str]) -> None:
        """Make sure that bodies are there.

        Raises:
            CassetteError: If one is missing (QS206).
        """
        for home in (home for folder in self._folders for home in [folder, *folder.parents][:_HIGHEST]):
            if not (missing := references - self._found.keys()):
                return
            there = _files_of(home / _cassette.BODIES)
            self._found |= {each: there[name] for each in missing if (name := _body_name(each)) in there}
        for reference in sorted(references - self._found.keys()):
            path = display(_body_path(self._folders[0], reference))
            raise _bad_body(display(self._cassette), path, "it is missing")


def _only_one(path: Path) -> None:
    """Make sure that no other file is the same cassette where case does not count in names.

    Raises:
        CassetteError: If there is one (QS212).
    """
    own = path.name.casefold()
    with suppress(OSError):
        with os.scandir(path.parent) as entries:
            alike = [entry.name for entry in entries if entry.name.casefold() == own]
        if len(alike) > 1 and not all(path.samefile(path.with_name(name)) for name in alike):
            raise _two_files(display(path), sorted(alike))


def text_of(raw: bytes, where: str) -> str:
    """The text of a cassette.

    Raises:
        CassetteError: If it is none (QS202).
    """
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as broken:
        line = raw.count(b"\n", 0, broken.start) + 1
        why = f"it is not UTF-8: byte {broken.start} is {raw[broken.start]:#04x}"
        raise _cassette.no_cassette(f"{where}, line {line}", why) from broken


def _understood(interaction: Interaction) -> Interaction:
    """Find out what a write means, for all who open the recording after this."""
    request = interaction.request
    call = identify(request)
    if call is None or not call.endpoint.is_write or not isinstance(request, StoredRequest):
        return interaction
    known = _meaning.known(call, request)
    told = StoredRequest(request.method, request.url, request.headers, request.source, known=known)
    return replace(interaction, request=told)


def _measure(path: Path) -> tuple[int, str]:
    # In pieces: the file is not needed in memory when it was read before.
    with path.open("rb") as file:
        key = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), key


@lru_cache(maxsize=1)
def _stamp() -> str:
    """What a recording that was read depends on besides its file: our own code, and qiskit.

    The sources themselves, since versions stay the same while one works on the code.
    Empty where they cannot be read: then nothing is kept.
    """
    digest = hashlib.sha256()
    try:
        digest.update(version("qiskit").encode())
        for room in _READERS:
            place = Path(__file__).with_name(room)
            for path in sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]:
                digest.update(path.read_bytes())
    except (OSError, PackageNotFoundError):
        return ""
    return digest.hexdigest()


def read_packed(path: Path) -> bytes:
    """The content of the file of a large body, whatever its name says.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is larger than is read, or damaged.
    """
    if path.stat().st_size > LIMIT:
        raise ValueError(f"it is larger than {LIMIT // 2**20} MiB")
    try:
        return _unpack(path.read_bytes())
    except zlib.error as broken:
        raise ValueError(str(broken)) from broken


def body_names(references: Iterable[str]) -> set[str]:
    """Names of the files of large bodies, by their references."""
    return {_body_name(reference) for reference in references}


def _body_name(reference: str) -> str:
    return f"{reference.removeprefix('sha256:')}.gz"


def _body_path(folder: Path, reference: str) -> Path:
    return folder / _cassette.BODIES / _body_name(reference)


def _files_of(folder: Path) -> dict[str, Path]:
    """The files in a folder by their names; empty if there is none."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name: folder / entry.name for entry in entries if entry.is_file()}
    except (FileNotFoundError, NotADirectoryError):
        return {}


def _holds(path: Path, body: bytes) -> bool:
    # One that is there but damaged must not be relied upon: recording again mends it.
    try:
        return read_packed(path) == body
    except (OSError, ValueError):
        return False


def display(path: Path) -> str:
    """A path as messages show it: relative to where we are, when below it."""
    try:
        return path.resolve().relative_to(Path.cwd()).as_posix()
    except (ValueError, OSError, RuntimeError):  # elsewhere, or a link that leads to itself
        return str(path)


def _read_body(path: Path, reference: str, where: Callable[[], str]) -> bytes:
    try:
        stamp = path.stat()
        key = path, stamp.st_mtime_ns, stamp.st_size, reference
        if (body := _bodies.get(key)) is not None:
            return body
        body = read_packed(path)
    except FileNotFoundError:
        raise _bad_body(where(), display(path), "it is missing") from None
    except (OSError, ValueError) as broken:
        raise _bad_body(where(), display(path), f"it cannot be unpacked: {broken}") from broken
    if "sha256:" + hashlib.sha256(body).hexdigest() != reference:
        raise _bad_body(where(), display(path), "its content is not what its name says")
    try:
        check_answer(body)
    except Unreadable as harm:
        raise _cassette.harmful(where(), f"{display(path)}: {harm}") from harm
    _bodies.put(key, body, weight=len(body))
    return body


def _unpack(packed: bytes) -> bytes:
    # The last bytes say how long it becomes: given that, it is not copied while it grows.
    # They are not to be trusted, but nothing becomes longer than 1032 times itself.
    told = min(int.from_bytes(packed[-4:], "little"), 1032 * len(packed))
    if told > LIMIT:
        raise ValueError(f"it says that it becomes {told} bytes; {LIMIT} are read")
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    body = stream.decompress(packed, told + 1)
    if len(body) != told or not stream.eof or stream.unused_data:
        raise ValueError("it is cut, or something follows it, or its length is not what it says")
    return body


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


def _unreadable(where: str, error: OSError) -> CassetteError:
    return CassetteError(
        "QS621",
        "The cassette cannot be read. It was left as it is.",
        evidence=[error.strerror or str(error)],
        fix="give this user the right to read it, or name the file itself",
        where=where,
    )


def _two_files(where: str, names: list[str]) -> CassetteError:
    return CassetteError(
        "QS212",
        "There are two cassettes for one test, whose names differ in case only. Nothing was changed.",
        evidence=names,
        fix="delete the one that is not the test's: where case does not count in names, one hides the other",
        where=where,
    )


def _bad_body(where: str, body: str, why: str) -> CassetteError:
    what = "A body that the cassette refers to cannot be used. Nothing was changed."
    return _cassette.untrusted("QS206", what, f"{body}: {why}", where)


def _refused(where: str, error: OSError) -> CassetteError:
    return CassetteError(
        "QS208",
        "The cassette could not be written. The one that was there stays.",
        evidence=[str(error)],
        fix="make room, or give this user the right to write there, and record again",
        where=where,
    )
