"""What is wrong with a folder of cassettes."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qsession import _cassette
from qsession._endpoints import identify
from qsession._kept import references
from qsession._model import Interaction, Recording
from qsession._naming import ATTRIBUTES, FORBIDDEN, RESERVED, attributes
from qsession._redaction import Redactor
from qsession._shelf import is_shared
from qsession._store import body_names, display, read_packed
from qsession.cli._files import _layering
from qsession.cli._files._finding import Finding
from qsession.cli._files._layering import Known
from qsession.cli._files._opening import all_files, open_cassette
from qsession.errors import CassetteError, QSessionError

_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at a folder gave.

    Attributes:
        cassettes: How many cassettes are there.
        bodies: How many large bodies are there.
        findings: What is wrong.
        notices: What is not wrong, but worth a word.
    """

    cassettes: int
    bodies: int
    findings: tuple[Finding, ...]
    notices: tuple[Finding, ...] = ()


def check(folder: Path) -> Checked:
    """Verify every cassette and body below a folder.

    Args:
        folder: A cassette folder.
    """
    files = all_files(folder)
    bodies = [path for path in files if is_body(path)]
    cassettes = [path for path in files if path.suffix in {".yaml", ".yml"} and path not in bodies]
    findings = [
        *_names(files, folder),
        *_attributes(_layering.home_of(folder), cassettes),
        *_leftovers(files),
    ]
    used: set[str] = set()
    seen: dict[Path, Known | None] = dict.fromkeys(cassettes)
    for path in cassettes:
        findings += _cassette_findings(path, folder, used, seen)
    for path in bodies:
        findings += _body_findings(path, used)
    findings += _layering.findings(seen, folder)
    return Checked(len(cassettes), len(bodies), tuple(findings), tuple(_layering.notices(seen, folder)))


def is_body(path: Path) -> bool:
    """Whether a file lies where large bodies do."""
    return path.parent.name == _cassette.BODIES and path.suffix == ".gz"


def unused_bodies(folder: Path, *, without: Collection[Path] = ()) -> tuple[Sequence[Path], Sequence[str]]:
    """Large bodies that no cassette refers to.

    Args:
        folder: A cassette folder.
        without: Cassettes that do not count, since they will go.

    Returns:
        The bodies, and the cassettes that could not be read: while there are some, nobody
        knows what they refer to.
    """
    used: set[str] = set()
    unreadable = []
    files = all_files(folder)
    going = {path.absolute() for path in without}
    for path in files:
        if path.suffix in {".yaml", ".yml"} and path.absolute() not in going:
            try:
                used |= body_names(references(open_cassette(path).interactions))
            except QSessionError as trouble:
                unreadable.append(f"{display(path)}: {trouble.what} [{trouble.code}]")
    return [path for path in files if is_body(path) and path.name not in used], unreadable


def secrets_in(recording: Recording) -> Iterator[str]:
    """What the rules of redaction would take out of a recording, were it recorded now.

    Yields:
        Where, not what.
    """
    redactor = Redactor()
    for number, interaction in enumerate(recording.interactions):
        if kind := _unclean(redactor, interaction):
            yield f"interaction {number + 1} ({interaction.endpoint}): {kind}"


def _unclean(redactor: Redactor, interaction: Interaction) -> str:
    asked, answered = interaction.request, interaction.response
    if identify(asked) is None:
        return "it goes to none of the service's hosts"
    clean = redactor.clean(interaction)
    parts = {
        "the url": clean.request.url == asked.url,
        "the body of the request": clean.request.body == asked.body,
        "the body of the answer": clean.response.body == answered.body,
        "the headers of the request": set(clean.request.headers) == set(asked.headers),
        "the headers of the answer": set(clean.response.headers) == set(answered.headers),
    }
    changed = [name for name, same in parts.items() if not same]
    return f"redaction would change {', '.join(changed)}" if changed else ""


def _cassette_findings(
    path: Path, folder: Path, used: set[str], seen: dict[Path, Known | None]
) -> Iterator[Finding]:
    where = display(path)
    try:
        recording = open_cassette(path)
    except QSessionError as trouble:
        yield _trouble(where, "unreadable", trouble)
        return
    used |= body_names(references(recording.interactions))
    seen[path] = _layering.known(recording)
    try:
        for line in secrets_in(recording):
            yield Finding(where, "not-redacted", line)
        ordered = not is_shared(path, folder)
        yield from (Finding(where, "disorder", line) for line in _disorder(recording, ordered=ordered))
    except CassetteError as trouble:
        yield _trouble(where, "body", trouble)


def _disorder(recording: Recording, *, ordered: bool) -> Iterator[str]:
    moments = [each.at for each in recording.interactions]
    # What all tests share is looked up by what is asked, not by when.
    if ordered and moments != sorted(moments):
        yield "the interactions are not in the order of their moments"
    for number, each in enumerate(recording.interactions):
        call = identify(each.request)
        if call is not None and call.endpoint.name != each.endpoint:
            yield f"interaction {number + 1} says that it is {each.endpoint}, its url is {call.endpoint.name}"
        if each.last < each.at:
            yield f"interaction {number + 1} ends before it begins"


def _body_findings(path: Path, used: set[str]) -> Iterator[Finding]:
    where = display(path)
    try:
        body = read_packed(path)
    except (OSError, ValueError) as broken:
        yield Finding(where, "body", f"it cannot be unpacked: {broken}", "QS206")
        return
    if hashlib.sha256(body).hexdigest() != path.name.removesuffix(".gz"):
        yield Finding(where, "body", "its content is not what its name says", "QS206")
    if path.name not in used:
        yield Finding(where, "orphan-body", "no cassette of this folder refers to it")


def _trouble(where: str, kind: str, trouble: QSessionError) -> Finding:
    evidence = f": {'; '.join(trouble.evidence)}" if trouble.evidence else ""
    return Finding(trouble.where or where, kind, f"{trouble.what}{evidence}", trouble.code)


def _names(files: Iterable[Path], folder: Path) -> Iterator[Finding]:
    seen: dict[str, list[Path]] = {}
    for path in files:
        below = path.relative_to(folder)
        others = seen.setdefault(str(below).casefold(), [])
        if others:
            yield Finding(
                display(path),
                "same-name",
                f"where case does not count it is the same file as {display(others[0])}",
                "QS212" if _is_refused(path, others) else "",
            )
        others.append(path)
        for part in below.parts:
            if problem := _problem(part):
                yield Finding(display(path), "name", f"{part!r} {problem}")


def _is_refused(path: Path, others: Iterable[Path]) -> bool:
    """Whether a replay refuses a cassette: it looks into its folder, not into others."""
    return path.suffix == ".yaml" and any(path.parent == other.parent for other in others)


def _problem(part: str) -> str:
    if part.split(".", maxsplit=1)[0].lower() in RESERVED:
        return "is reserved on Windows"
    if found := sorted(FORBIDDEN & set(part)):
        return f"holds {' '.join(found)}, which Windows does not take in a name"
    if part.endswith((".", " ")):
        return "ends with a point or blank, which Windows takes away"
    if len(part.encode()) > _LONGEST:
        return f"is longer than {_LONGEST} bytes, which file systems do not take"
    return ""


def _attributes(folder: Path, cassettes: Sequence[Path]) -> Iterator[Finding]:
    missing = [line for line in ATTRIBUTES.splitlines()[1:] if line not in attributes(folder).splitlines()]
    if cassettes and missing:
        yield Finding(
            display(folder / ".gitattributes"),
            "attributes",
            f"it does not say: {'; '.join(missing)}; git could change line endings",
        )


def _leftovers(files: Iterable[Path]) -> Iterator[Finding]:
    for path in files:
        if path.name.startswith(".writing-"):
            yield Finding(display(path), "leftover", "a writing was interrupted; nothing needs it")
