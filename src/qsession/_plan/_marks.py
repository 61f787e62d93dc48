"""What a test says of its run: its id, its place, its marker."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from qsession._config import (
    did_you_mean,
    wrong_match,
)
from qsession._naming import is_layer, looks_secret
from qsession.errors import UsageError

if TYPE_CHECKING:
    pass

_MARKS = (
    "backend",
    "max_time",
    "mode",
    "cassette",
    "scenario",
    "match",
    "polls",
    "beyond",
    "allow_unused",
    "scope",
)
_KINDS: Sequence[tuple[str, type | tuple[type, ...], str]] = (
    ("backend", str, "the name of a backend"),
    ("max_time", (int, str, type(None)), "seconds, or a text such as '2h 30m'"),
    ("cassette", str, "a name like 'bell.yaml'"),
    ("scenario", str, "the name of a scenario, such as 'pending_for_hours'"),
    ("allow_unused", bool, "True or False"),
)
_WORDS = {
    "mode": ("dedicated", "batch"),
    "polls": ("leap", "exact"),
    "beyond": ("error", "model"),
    "scope": ("function", "module", "session"),
}
_LATER_MARKS = ("faults",)


@dataclass(frozen=True, slots=True)
class Item:
    """A test, as far as its run must know it.

    Attributes:
        nodeid: pytest's id.
        file: The test file.
        name: ``Class.test`` without parameters.
        parameters: Name and text of each parameter.
        positional: How many positional arguments its marker has.
        marks: Keyword arguments of its marker.
    """

    nodeid: str
    file: Path
    name: str
    parameters: Sequence[tuple[str, str]]
    positional: int
    marks: Mapping[str, object]

    @property
    def session_mode(self) -> str:
        """``dedicated`` or ``batch``."""
        return str(self.marks.get("mode", "dedicated"))

    @property
    def scope(self) -> str:
        """Of the session that the fixtures give: ``function``, ``module`` or ``session``."""
        return str(self.marks.get("scope", "function"))

    @property
    def max_time(self) -> int | str | None:
        """Seconds, or a text such as ``2h 30m``; None for the service's default."""
        value = self.marks.get("max_time")
        return value if isinstance(value, (int, str)) else None


def parameters(values: Mapping[str, object], indices: Mapping[str, int]) -> Sequence[tuple[str, str]]:
    """Names and texts of a test's parameters, whatever order pytest shows them in.

    Args:
        values: Value by name.
        indices: Position of the value in its list, by name.
    """
    plain = (int, float, bool, type(None))
    return tuple(
        (name, value)
        if isinstance(value, str) and not looks_secret(value)
        # With the kind, 1 and "1" are two names.
        else (f"{name}:{type(value).__name__}", str(value))
        if isinstance(value, plain)
        else (f"{name}:object", f"{name}{indices.get(name, 0)}")
        for name, value in sorted(values.items())
    )


def check_marks(test: Item) -> None:
    """Refuse a marker with an argument that it does not take.

    Raises:
        UsageError: If it has one (QS106).
    """
    evidence = [*_wrong_values(test.marks)]
    if test.positional:
        evidence.append(f"{test.positional} positional argument(s); it takes keyword arguments only")
    for name in test.marks:
        if name in _LATER_MARKS:
            evidence.append(f"{name!r} is not there yet")
        elif name not in _MARKS:
            evidence.append(f"{name!r}; {did_you_mean(name, _MARKS)}")
    if evidence:
        raise UsageError(
            "QS106",
            "The marker qsession has an argument that it does not take.",
            evidence=evidence,
            fix='for example @pytest.mark.qsession(backend="ibm_fez", max_time="1h", mode="batch")',
            where=test.nodeid,
        )


def _wrong_values(marks: Mapping[str, object]) -> Iterator[str]:
    for name, words in _WORDS.items():
        if name in marks and marks[name] not in words:
            yield f"{name}={marks[name]!r}; {did_you_mean(str(marks[name]), words)}"
    if "match" in marks and (wrong := wrong_match(marks["match"])):
        yield wrong
    if "scenario" in marks and "cassette" in marks:
        yield "scenario and cassette; a scenario records nothing and replays nothing"
    for name, kinds, takes in _KINDS:
        if name in marks and (not isinstance(marks[name], kinds) or marks[name] == ""):
            yield f"{name}={marks[name]!r}; it takes {takes}"
    cassette = marks.get("cassette")
    if isinstance(cassette, str) and cassette and not _is_cassette_name(cassette):
        yield f"cassette={cassette!r}; it takes a name like 'bell.yaml', inside the folder of the cassettes"


def _is_cassette_name(name: str) -> bool:
    path = PurePath(name)
    return (
        path.suffix == ".yaml"
        and not is_layer(path)
        and not path.is_absolute()
        and not {"..", "\0"} & {*path.parts, *name}
    )
