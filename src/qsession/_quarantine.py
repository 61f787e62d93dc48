"""Recordings that hold a secret which nothing takes out: kept for their owner alone, and released.

A file is compressed, of mode 0600 below ``.qsession/rejected``, and no cassette. It holds no list of
the secrets, only salted digests of those that were found: enough to prove them gone later.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from qsession import _cassette
from qsession._files import write_whole
from qsession._journal import discard
from qsession._model import Interaction, Recording, Request, Response
from qsession._naming import journal_path
from qsession._redaction import Finding, Mark, Redactor, Rules, cut_out, few, marked_in
from qsession._store import Store, display
from qsession.errors import CassetteError

SUFFIX = ".quarantine"
_FORMAT = 1
_MOST = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Held:
    """A recording in quarantine.

    Attributes:
        recording: The recording, cleaned as far as it went.
        findings: What is still in it, by the number of its interaction.
        marks: Digests of the values that were found.
        cassette: Where it belongs, relative to the folder that holds ``.qsession``.
        folder: The folder of cassettes there.
        replaces: SHA-256 of the cassette that was there; empty for none.
    """

    recording: Recording
    findings: tuple[tuple[int, Finding], ...]
    marks: tuple[Mark, ...]
    cassette: str
    folder: str
    replaces: str


def proven(recording: Recording, redactor: Redactor) -> tuple[tuple[int, Finding], ...]:
    """What a recording would give away, by the number of the interaction; nothing when it may be written."""
    return tuple((i, each) for i, one in enumerate(recording.interactions) for each in redactor.prove(one))


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
    findings = proven(recording, redactor)
    if not findings:
        return
    home = store.scratch.parent
    held = Held(
        recording,
        findings,
        redactor.marks({finding.kind for _, finding in findings}, salt=secrets.token_hex(16)),
        os.path.relpath(path, home),
        os.path.relpath(store.folder, home),
        _digest(path),
    )
    target = store.aside(path).with_suffix(SUFFIX)
    write_whole(target, _packed(held), private=True)
    raise CassetteError(
        "QS221",
        "The recording holds a secret that nothing takes out. It is in quarantine, and no result is lost.",
        evidence=few([f"interaction {number + 1}, {finding}" for number, finding in findings]),
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
    held = read(path)
    home = _home(path)
    redactor = Redactor(rules)
    interactions = list(map(redactor.clean, held.recording.interactions))
    if cut:
        for number in {number for number, _ in held.findings}:
            interactions[number] = _cut(interactions[number], redactor, held.marks)
    left = _left(held, interactions, redactor)
    if left:
        raise _still_there(path, left, cut=cut)
    store = Store(home / held.folder, home / ".qsession")
    cassette = home / held.cassette
    if _digest(cassette) != held.replaces and not force:
        raise _changed(path, cassette)
    store.save(cassette, replace(held.recording, interactions=tuple(interactions)), redactor)
    # Else --qsession-resume would go on with it, on the service, in the place of a replay.
    discard(journal_path(store.scratch, cassette))
    path.unlink()
    return cassette


def _left(held: Held, interactions: Sequence[Interaction], redactor: Redactor) -> list[str]:
    lines = []
    for number, one in enumerate(interactions):
        lines += [f"interaction {number + 1}, {each}" for each in redactor.prove(one)]
    for number in sorted({number for number, _ in held.findings}):
        one, former = interactions[number], held.recording.interactions[number]
        told = [str(each) for n, each in held.findings if n == number]
        if one == former or any(marked_in(data, held.marks) for data in _parts(one)):
            lines += [f"interaction {number + 1}, {each}" for each in told]
    return list(dict.fromkeys(lines))


def _parts(one: Interaction) -> tuple[bytes, ...]:
    return one.request.url.encode(), one.request.body, one.response.body


def _cut(one: Interaction, redactor: Redactor, marks: Sequence[Mark]) -> Interaction:
    def holds(data: bytes) -> bool:
        return bool(redactor.find(data)) or marked_in(data, marks)

    asked: Request = replace(one.request, body=cut_out(one.request.body, holds))
    answered: Response = replace(one.response, body=cut_out(one.response.body, holds))
    return replace(one, request=asked, response=answered)


def _home(path: Path) -> Path:
    for parent in path.absolute().parents:
        if parent.name == "rejected" and parent.parent.name == ".qsession":
            return parent.parent.parent
    raise _no_quarantine(path, ValueError("it does not lie below .qsession/rejected"))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


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
    fetch: Callable[[str], bytes] = lambda name: base64.b64decode(bodies[name])  # noqa: E731
    recording = _cassette.decode(str(document["text"]), fetch, where=where)
    # Bodies are read when they are asked for; here they would outlive their file.
    interactions = tuple(map(_whole, recording.interactions))
    return Held(
        replace(recording, interactions=interactions),
        tuple((int(number), Finding(str(kind), str(place))) for number, kind, place in found),
        tuple(Mark(str(kind), int(length), str(salt), str(digest)) for kind, length, salt, digest in marks),
        str(document["cassette"]),
        str(document["folder"]),
        str(document["replaces"]),
    )


def _whole(one: Interaction) -> Interaction:
    asked, answered = one.request, one.response
    return replace(
        one,
        request=Request(asked.method, asked.url, asked.headers, asked.body),
        response=Response(answered.status, answered.reason, answered.headers, answered.body),
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
