"""What cassettes and their folder are called. Light, because the pytest plugin loads it at every start."""

from __future__ import annotations

import hashlib
import os
import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path, PurePath

_LONGEST = 120
_SUFFIX = ".yaml"
RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"com{i}" for i in range(1, 10)), *(f"lpt{i}" for i in range(1, 10))]
)
"""Names that Windows keeps for itself, whatever follows behind a point."""

FORBIDDEN = frozenset('<>:"|?*\\')
"""Characters that Windows does not take in a name."""

LAYER = "@"
"""What the name of a layer begins with, and that of no test's cassette."""

_KEY = 44
_TOKEN = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}|crn:v1:|(?<![\w/-])a/[0-9a-fA-F]{32}\b", re.IGNORECASE
)
_WORD = re.compile(rf"[A-Za-z0-9_-]{{{_KEY},}}")
# Between characters of two kinds: about 25 in a key that was drawn, few in names.
_TURN = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[a-z0-9])|(?<=[0-9])(?=[A-Za-z])")
_MOST_TURNS = 12

ATTRIBUTES = "# Written by qsession: digests need the bytes as they are.\n*.yaml text eol=lf\n*.gz binary\n"
"""What ``.gitattributes`` in a cassette folder says, so that line endings stay."""


def is_ours(folder: Path) -> bool:
    """Whether a folder holds cassettes that qsession wrote; ``cassettes`` is a common name.

    Args:
        folder: The cassette folder.
    """
    return attributes(folder).endswith(ATTRIBUTES)


def attributes(folder: Path) -> str:
    """What ``.gitattributes`` in a folder says now; empty when there is none."""
    try:
        return (folder / ".gitattributes").read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def cassette_path(
    folder: Path, test_file: str, test_name: str, parameters: Sequence[tuple[str, str]] = ()
) -> Path:
    """Where the cassette of a test lies.

    Args:
        folder: The cassette folder.
        test_file: Path of the test file, relative to the root, with ``/``.
        test_name: ``Class.test`` without parameters.
        parameters: Name and text of each parameter, in any order.

    Returns:
        A path whose parts are at most 120 characters, differ also where case does
        not count, and are free of what file systems reserve.
    """
    return folder.joinpath(
        *_place(Path(test_file).with_suffix("")), _file_name(test_name, sorted(parameters)) + _SUFFIX
    )


def layer_path(
    folder: Path,
    place: str,
    fixture: str,
    *,
    owner: str = "",
    parameters: Sequence[tuple[str, str]] = (),
) -> Path:
    """Where the layer of a wide fixture lies.

    Args:
        folder: The cassette folder.
        place: Path of the test file (scopes class and module), or of the folder that the fixture is
            defined for (package, session), relative to the root, with ``/``.
        fixture: Name of the fixture.
        owner: Qualified name of the class, for a fixture of its scope.
        parameters: Name and text of each parameter of the fixture, in any order.

    Returns:
        A path like those of `cassette_path`, whose name begins with ``@``.
    """
    name = f"{owner}.{fixture}" if owner else fixture
    file = LAYER + _file_name(name, sorted(parameters), longest=_LONGEST - len(LAYER)) + _SUFFIX
    return folder.joinpath(*_place(Path(place.removesuffix(".py"))), file)


def _place(path: Path) -> Sequence[str]:
    return [_plain(part) for part in path.parts if part not in ("..", "/")]


def is_layer(path: PurePath) -> bool:
    """Whether a cassette is that of a fixture, not of a test.

    Args:
        path: A file.
    """
    return path.name.startswith(LAYER)


def is_layer_path(text: str) -> bool:
    """Whether a text is a path that a layer may have below the cassette folder.

    Args:
        text: Anything; what a cassette of somebody else's says, too.
    """
    parts = text.split("/")
    is_inside = not {"", ".", ".."}.intersection(parts) and not FORBIDDEN.intersection(text)
    return is_inside and text.isprintable() and parts[-1].startswith(LAYER) and text.endswith(_SUFFIX)


def looks_secret(text: str) -> bool:
    """Whether an API key, a token or a CRN stands in a text: nothing is called after that.

    IBM Cloud's API keys are 44 letters and digits (observed by others in published output).

    Args:
        text: The value of a parameter, or the id of a test.
    """
    return _TOKEN.search(text) is not None or any(map(_holds_key, _WORD.findall(text)))


def _holds_key(word: str) -> bool:
    # Words may be as long as a circuit, so turns are looked for once, not in each part of this length.
    turns = [found.start() for found in _TURN.finditer(word)]
    for start in range(len(word) - _KEY + 1):
        inside = bisect_left(turns, start + _KEY) - bisect_right(turns, start)
        if inside > _MOST_TURNS and _is_mixed(word[start : start + _KEY]):
            return True
    return False


def _is_mixed(window: str) -> bool:
    return min(sum(map(kind, window)) for kind in (str.isupper, str.islower, str.isdigit)) > 1


def journal_path(scratch: Path, cassette: Path) -> Path:
    """Where the journal of a cassette lies while it is recorded against the service.

    Args:
        scratch: Folder such as ``.qsession``.
        cassette: The file that it will become.
    """
    mark = hashlib.sha256(relative(scratch, cassette).encode()).hexdigest()[:16]
    return scratch / "journal" / f"{_plain(cassette.stem)[:60]}-{mark}.jsonl"


def relative(scratch: Path, cassette: Path) -> str:
    """A cassette's path as notes name it: relative to the folder that holds ours."""
    try:
        return Path(os.path.relpath(cassette.absolute(), scratch.absolute().parent)).as_posix()
    except ValueError:
        # Another drive of Windows.
        return cassette.absolute().as_posix()


def _file_name(name: str, parameters: Sequence[tuple[str, str]], *, longest: int = _LONGEST) -> str:
    longest -= len(_SUFFIX)
    plain = _plain(name)
    if not parameters and plain == name == name.lower() and len(plain) <= longest:
        return plain
    # Upper case, replaced characters, parameters and long names can all collide.
    mark = hashlib.sha256(repr((name, parameters)).encode()).hexdigest()[:8]
    if not parameters:
        return f"{plain[: longest - 9]}-{mark}"
    texts = "-".join(_plain(text) for _, text in parameters)
    return f"{plain[: longest // 2]}[{texts[: longest // 2 - 12]}-{mark}]"


def _plain(text: str) -> str:
    text = re.sub(r"[^A-Za-z0-9_.=+-]", "_", text).rstrip(". ")
    return f"{text}_" if text.split(".")[0].lower() in RESERVED or not text else text
