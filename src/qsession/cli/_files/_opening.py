"""Opening cassettes to look at them: verified, but with bodies that may be elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsession import _cassette
from qsession._endpoints import Call, identify
from qsession._model import Interaction, Recording
from qsession._store import bodies_of, display, read_text
from qsession.errors import CassetteError

SKIPPED = frozenset({".qsession", ".git", ".venv", "node_modules", "__pycache__"})
"""Folders in which no cassette is looked for."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A cassette that was read.

    Attributes:
        name: How messages call it.
        recording: What it holds.
    """

    name: str
    recording: Recording


def open_cassette(path: Path, *, folder: Path | None = None) -> Opened:
    """Read and verify a cassette; its large bodies when they are asked for.

    Args:
        path: The file.
        folder: A cassette folder whose bodies are looked at as well, for a copy that lies
            elsewhere, as git makes them.

    Raises:
        CassetteError: If it cannot be read or trusted.
    """
    text = read_text(path)
    return Opened(display(path), _cassette.decode(text, bodies_of(path, folder), where=display(path)))


def answer_of(interaction: Interaction) -> tuple[bytes, str]:
    """The body of an answer, and why there is none; one of the two is empty."""
    try:
        return interaction.response.body, ""
    except CassetteError as missing:
        return b"", (missing.evidence or (missing.what,))[0]


def question_of(interaction: Interaction) -> tuple[bytes, str]:
    """The body of a request, and why there is none; one of the two is empty."""
    try:
        return interaction.request.body, ""
    except CassetteError as missing:
        return b"", (missing.evidence or (missing.what,))[0]


def call_of(interaction: Interaction) -> Call | None:
    """The request of an interaction, understood."""
    return identify(interaction.request)


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_symlink() and path.is_dir():
            continue
        if path.is_dir():
            if path.name not in SKIPPED:
                yield from _files(path)
        elif path.is_file():
            yield path


def all_files(folder: Path) -> Sequence[Path]:
    """All files below a folder, but those of `SKIPPED` folders."""
    return sorted(_files(folder))
