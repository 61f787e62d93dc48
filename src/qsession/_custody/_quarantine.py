"""Recordings that hold a secret which nothing takes out: kept for their owner alone, and released.

A file is compressed, of mode 0600 below ``.qsession/rejected``, and no cassette. It holds no list of
the secrets, only salted digests of those that were found: enough to prove them gone later.
"""

from __future__ import annotations

import base64
import gzip
import json
import secrets
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from qsession import _cassette
from qsession._custody._aside import FOLDER, Aside, kept_at, place_of
from qsession._files import write_whole
from qsession._model import Interaction, Recording, Request, Response
from qsession._redaction import Finding, Mark, Redactor, Rules, cut_out, few, marked_in
from qsession._store import Store, display
from qsession.errors import CassetteError

SUFFIX = ".quarantine"
_FORMAT = 1
_MOST = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Held(Aside):
    """A recording in quarantine.

    Attributes:
        recording: The recording, cleaned as far as it went.
        findings: What is still in it, by the number of its interaction.
        marks: Digests of the values that were found.
    """

    recording: Recording
    findings: tuple[tuple[int, Finding], ...]
    marks: tuple[Mark, ...]

    @property
    def told(self) -> list[str]:
        """The findings as lines."""
        return [_line(number, finding) for number, finding in self.findings]


def keep_out(store: Store, path: Path, recording: Recording, redactor: Redactor) -> None:
    """Put a recording into quarantine if it may not be written.

    Args:
        store: Where its cassette belongs.
        path: Its cassette.
        recording: The recording.
        redactor: Knows what was seen.

    Raises:
        CassetteError: If it is there now (QS221), with what was found.
        OSError: If the disk refuses.
    """
    findings = _proven(recording.interactions, redactor)
    if not findings:
        return
    marks = redactor.marks({finding.kind for _, finding in findings}, salt=secrets.token_hex(16))
    held = Held(**asdict(place_of(store, path)), recording=recording, findings=findings, marks=marks)
    target = kept_at(store, path).with_suffix(SUFFIX)
    write_whole(target, _packed(held), private=True)
    raise CassetteError(
        "QS221",
        "The recording holds a secret that nothing takes out. It is in quarantine, and no result is lost.",
        evidence=few(held.told),
        fix=f"qsession redact {display(target)} --cut",
        intended="--rule instead of --cut where a regular expression can name what must go",
        where=display(target),
    )


def read(path: Path) -> Held:
    """Read a file of the quarantine.

    Raises:
        CassetteError: If it is none (QS222).
    """
    try:
        with gzip.open(path) as file:
            raw = file.read(_MOST + 1)
        if len(raw) > _MOST:
            raise ValueError(f"it is larger than {_MOST // 2**20} MiB")
        return _unpacked(json.loads(raw), display(path))
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise _no_quarantine(path, broken) from broken


def release(path: Path, rules: Rules, *, cut: bool, force: bool = False) -> Path:
    """Take the secrets out of a recording in quarantine, and put it into its place.

    Args:
        path: A file of the quarantine; it goes when its cassette is written.
        rules: What to take out besides what always is.
        cut: Whether to take out the whole text that a secret lies in.
        force: Whether to replace a cassette that was written meanwhile.

    Returns:
        The cassette.

    Raises:
        CassetteError: If it is no such file (QS222), not clean afterwards (QS223), or if
            the cassette has changed since (QS224). The quarantine is left as it is.
    """
    held, scratch = read(path), _scratch(path)
    redactor = Redactor(rules)
    interactions = list(map(redactor.clean, held.recording.interactions))
    if cut:
        for number in {number for number, _ in held.findings}:
            interactions[number] = _cut(interactions[number], redactor, held.marks)
    left = _left(held, interactions, redactor)
    if left:
        raise _still_there(path, left, cut=cut)
    if held.is_outdated(scratch) and not force:
        raise _changed(path, held.path(scratch))
    recording = replace(held.recording, interactions=tuple(interactions))
    cassette = held.fill(scratch, recording, redactor)
    path.unlink()
    return cassette


def _proven(interactions: Sequence[Interaction], redactor: Redactor) -> tuple[tuple[int, Finding], ...]:
    return tuple((i, each) for i, one in enumerate(interactions) for each in redactor.prove(one))


def _line(number: int, finding: Finding) -> str:
    return f"interaction {number + 1}, {finding}"


def _left(held: Held, interactions: Sequence[Interaction], redactor: Redactor) -> list[str]:
    """What is found now, and what was found before where it is still there."""

    def is_there(number: int) -> bool:
        one = interactions[number]
        parts = one.request.url.encode(), one.request.body, one.response.body
        unchanged = one == held.recording.interactions[number]
        return unchanged or any(marked_in(data, held.marks) for data in parts)

    there = {number for number in {number for number, _ in held.findings} if is_there(number)}
    former = [each for each in held.findings if each[0] in there]
    return list(dict.fromkeys(_line(*each) for each in (*_proven(interactions, redactor), *former)))


def _cut(one: Interaction, redactor: Redactor, marks: Sequence[Mark]) -> Interaction:
    def holds(data: bytes) -> bool:
        return bool(redactor.find(data)) or marked_in(data, marks)

    asked: Request = replace(one.request, body=cut_out(one.request.body, holds))
    answered: Response = replace(one.response, body=cut_out(one.response.body, holds))
    return replace(one, request=asked, response=answered)


def _scratch(path: Path) -> Path:
    for parent in path.absolute().parents:
        if parent.name == FOLDER and parent.parent.name == ".qsession":
            return parent.parent
    raise _no_quarantine(path, ValueError("it does not lie below .qsession/rejected"))


def _packed(held: Held) -> bytes:
    text, bodies = _cassette.encode(held.recording)
    document = {
        "quarantine": _FORMAT,
        "cassette": held.cassette,
        "folder": held.folder,
        "replaces": held.replaces,
        "findings": [[number, finding.kind, finding.where] for number, finding in held.findings],
        "marks": [[mark.kind, mark.length, mark.salt, mark.digest] for mark in held.marks],
        "text": text,
        "bodies": {name: base64.b64encode(body).decode() for name, body in bodies.items()},
    }
    return gzip.compress(json.dumps(document).encode())


def _unpacked(document: Mapping[str, object], where: str) -> Held:
    if document["quarantine"] != _FORMAT:
        raise ValueError(f"its format is {document['quarantine']!r}, this version reads {_FORMAT}")
    bodies = document["bodies"]
    found, marks = document["findings"], document["marks"]
    if not isinstance(bodies, dict) or not isinstance(found, list) or not isinstance(marks, list):
        raise ValueError("a field is of the wrong type")
    recording = _cassette.decode(
        str(document["text"]), lambda name: base64.b64decode(bodies[name]), where=where
    )
    # Copies have their bodies: a missing one is found now.
    interactions = (
        replace(i, request=copy(i.request), response=copy(i.response)) for i in recording.interactions
    )
    return Held(
        cassette=str(document["cassette"]),
        folder=str(document["folder"]),
        replaces=str(document["replaces"]),
        recording=replace(recording, interactions=tuple(interactions)),
        findings=tuple((int(number), Finding(str(kind), str(place))) for number, kind, place in found),
        marks=tuple(
            Mark(str(kind), int(length), str(salt), str(digest)) for kind, length, salt, digest in marks
        ),
    )


def _no_quarantine(path: Path, why: Exception) -> CassetteError:
    reason = f"{type(why).__name__}" if isinstance(why, KeyError) else str(why)
    return CassetteError(
        "QS222",
        "The file is no recording in quarantine. It was left as it is.",
        evidence=[reason],
        fix=f"name a file like .qsession/rejected/test_bell/test_bell{SUFFIX}",
        where=display(path),
    )


def _still_there(path: Path, left: Sequence[str], *, cut: bool) -> CassetteError:
    return CassetteError(
        "QS223",
        "The recording still holds a secret. It stays in quarantine.",
        evidence=few(left),
        fix="record again without the value" if cut else f"qsession redact {display(path)} --cut",
        where=display(path),
    )


def _changed(path: Path, cassette: Path) -> CassetteError:
    return CassetteError(
        "QS224",
        "The cassette is not the one that was there when the recording was made. Nothing was changed.",
        evidence=[f"{display(cassette)} was written, changed or removed since"],
        fix=f"delete {display(path)} if the cassette is the better one",
        intended="--force replaces it",
        where=display(path),
    )
