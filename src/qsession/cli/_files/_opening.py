"""Opening cassettes to look at them: verified, but with bodies that may be elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from qsession import _cassette
from qsession._model import Recording, Request, Response
from qsession._store import Bodies, display, text_of
from qsession.cli._given import readable
from qsession.errors import CassetteError

_SKIPPED = frozenset({".qsession", ".git", ".venv", "node_modules", "__pycache__"})


def read_text(path: Path) -> str:
    """The text of a cassette, ours or not.

    Raises:
        UsageError: If the file cannot be read (QS175).
        CassetteError: If it is no text (QS202).
    """
    return text_of(readable(path).read_bytes(), display(path))


def open_cassette(path: Path, *, folder: Path | None = None, text: str | None = None) -> Recording:
    """Read and verify a cassette; its large bodies when they are asked for.

    Args:
        path: The file.
        folder: A cassette folder whose bodies are looked at as well, for a copy that lies
            elsewhere, as git makes them.
        text: What is read in the place of the file's content.

    Raises:
        UsageError: If the file cannot be read (QS175).
        CassetteError: If it cannot be trusted.
    """
    bodies = Bodies(path, path.absolute().parent, *(() if folder is None else (folder,)))
    return _cassette.decode(read_text(path) if text is None else text, bodies, where=display(path))


def body_of(part: Request | Response) -> tuple[bytes, str]:
    """The body of a request or an answer, and why there is none; one of the two is empty."""
    try:
        return part.body, ""
    except CassetteError as missing:
        return b"", (missing.evidence or (missing.what,))[0]


def all_files(folder: Path) -> Sequence[Path]:
    """All files below a folder, but those in which no cassette is looked for."""
    return sorted(_files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_symlink() and path.is_dir():
            continue
        if path.is_dir():
            if path.name not in _SKIPPED:
                yield from _files(path)
        elif path.is_file():
            yield path
