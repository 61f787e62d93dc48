"""The cassette: a recording as a YAML file that stock vcrpy loads too. Pure.

``encode`` gives the text and the large bodies beside it, ``decode`` the recording
back; ``decode(encode(r)) == r``. Each interaction carries the digest of its own
content, and the head how many there are and a digest over all, so that an edit, a
merge or a cut is found. The format is described in ``docs/reference/cassette.md``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TypeAlias

import yaml

from qsession import _bounded_yaml
from qsession._clock import from_datetime, to_datetime
from qsession._kept import Late, StoredRequest, StoredResponse, source_of, uncollected
from qsession._model import InstanceShape, Interaction, Provenance, Recording
from qsession._naming import is_layer_path
from qsession._payload._decode import Unreadable
from qsession._payload._harmless import check_answer
from qsession.errors import CassetteError

FORMAT = 1
"""Number of the format that this version writes, and the highest it reads."""

LARGE = 16 * 1024
"""Bodies of this many bytes and more stand beside the cassette."""

BODIES = "bodies"
"""Folder of the large bodies, in the cassette folder."""

_HEAD = ("metadata", "qsession")
# Fields of the head that stand there only where they say something.
_TEXTS = ("test", "backend", "calibrated_at", "api_version")
_SEEDS = ("seed", "isa_seed", "random_seed")
# git's, and those of its style diff3; the middle one is also how a heading is underlined.
_MERGE = re.compile(r"^(<{7}|>{7}|\|{7})( |$)", re.MULTILINE)
_MOST = 2**53
_REFERENCE = re.compile(r"sha256:[0-9a-f]{64}")

FetchBody: TypeAlias = Callable[[str], bytes]
"""Gives the content of a large body by its reference, verified, or raises."""


def encode(recording: Recording) -> tuple[str, Mapping[str, bytes]]:
    """Write a recording as text.

    Args:
        recording: A cleaned recording.

    Returns:
        The YAML text, and the large bodies by reference (``sha256:<hex>``).
    """
    bodies: dict[str, bytes] = {}
    entries = [entry_of(interaction, bodies) for interaction in recording.interactions]
    head = _head(recording.provenance) | {"interactions": len(entries)}
    head["digest"] = _whole(head, entries)
    document = {"version": 1, "metadata": {"qsession": head}, "interactions": entries}
    return dump(document), bodies


def decode(text: str, fetch: FetchBody, *, where: str) -> Recording:
    """Read a recording back.

    Args:
        text: Content of a cassette file.
        fetch: Gives large bodies by their reference; used when a body is asked for.
        where: The file's name, for messages.

    Raises:
        CassetteError: If the text is no cassette of ours (QS202), of a newer format
            (QS203), cut (QS204), or edited (QS205).
    """
    _, head, entries = _opened(text, where)
    if len(entries) != head.get("interactions"):
        why = f"its head promises {head.get('interactions')} interactions, it holds {len(entries)}"
        line = _at(where, text, *_HEAD, "interactions")
        raise untrusted("QS204", "The cassette is not whole. It was left as it is.", why, line)
    place: tuple[str | int, ...] = _HEAD
    try:
        provenance, interactions = _provenance(head), []
        for index, entry in enumerate(entries):
            place = ("interactions", index)
            interactions.append(interaction_of(entry, fetch))
            # Large ones are looked at when they are asked for.
            if isinstance(source := source_of(interactions[-1].response), bytes):
                check_answer(source)
        place = _HEAD
        whole = head.get("digest") == _whole(head, entries)
    except Unreadable as harm:
        raise harmful(where, str(harm)) from harm
    except _Edited as edited:
        raise _edited(_at(where, text, *place), f"interaction {index + 1} ({edited})") from None
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as broken:
        why = f"a field is missing or of the wrong type: {broken!r}"
        raise no_cassette(_at(where, text, *place), why) from broken
    if not whole:
        raise _edited(_at(where, text, *_HEAD), "the head, or the order or the set of interactions")
    return Recording(provenance, tuple(interactions))


class _Edited(ValueError):
    """An interaction does not fit its digest."""


def resealed(text: str, *, where: str) -> tuple[str, tuple[str, ...]]:
    """A cassette that was edited, with the digests and the count of what it holds now.

    Args:
        text: Content of a cassette file.
        where: The file's name, for messages.

    Returns:
        The text, to be verified by `decode`, and what did not fit before; the text is
        as it was when nothing did.

    Raises:
        CassetteError: If the text is no cassette of ours (QS202), or of another format (QS203).
    """
    document, head, entries = _opened(text, where)
    try:
        changed = [f"interaction {n + 1} was edited" for n, entry in enumerate(entries) if _reseal(entry)]
    except (KeyError, TypeError, ValueError, AttributeError) as broken:
        raise no_cassette(where, f"a field is missing or of the wrong type: {broken!r}") from broken
    if head.get("interactions") != len(entries):
        changed.append(f"it has {len(entries)} interactions instead of {head.get('interactions')}")
    head["interactions"], former = len(entries), head.get("digest")
    head["digest"] = _whole(head, entries)
    if former != head["digest"] and not changed:
        changed.append("its head, or the order of its interactions, was edited")
    return (dump(document) if changed else text), tuple(changed)


def _opened(text: str, where: str) -> tuple[Mapping[str, Any], dict[str, Any], list[Any]]:
    """A document in our format, its head and its interactions."""
    document = _load(text, where)
    metadata = document.get("metadata")
    head = metadata.get("qsession") if isinstance(metadata, dict) else None
    entries = document.get("interactions")
    if not isinstance(head, dict) or not head or not isinstance(entries, list):
        raise _headless(where, document)
    if head.get("format") != FORMAT:
        raise _other_format(_at(where, text, *_HEAD, "format"), head.get("format"))
    return document, head, entries


def _reseal(entry: Any) -> bool:
    former, entry["qsession"]["digest"] = entry["qsession"].get("digest"), _digest(entry)
    return bool(former != entry["qsession"]["digest"])


def entry_of(interaction: Interaction, bodies: dict[str, bytes]) -> dict[str, Any]:
    """An interaction as a cassette and a journal hold it.

    Args:
        interaction: A cleaned interaction.
        bodies: Gains its large bodies, by their references.
    """
    request, response = interaction.request, interaction.response
    ours: dict[str, Any] = {
        "endpoint": interaction.endpoint,
        "at_us": interaction.at,
        "took_us": interaction.took,
    }
    if interaction.seen > 1:
        ours |= {"seen": interaction.seen, "last_us": interaction.last}
    if interaction.instance:
        ours["instance"] = interaction.instance
    asked = _body(request.body, "request_body", ours, bodies)
    answered = _body(response.body, "response_body", ours, bodies)
    entry = {
        "request": {
            "method": request.method,
            "uri": request.url,
            "body": asked if request.body else None,
            "headers": {name: [value] for name, value in request.headers.items()},
        },
        "response": {
            "status": {"code": response.status, "message": response.reason},
            "headers": {name: [value] for name, value in response.headers.items()},
            "body": {"string": answered},
        },
        "qsession": ours,
    }
    ours["digest"] = _digest(entry)
    return entry


def _body(body: bytes, name: str, ours: dict[str, Any], bodies: dict[str, bytes]) -> str | bytes:
    if len(body) >= LARGE:
        reference = "sha256:" + hashlib.sha256(body).hexdigest()
        bodies[reference] = body
        ours[name] = reference
        return ""
    return inline(body)


def inline(body: bytes) -> str | bytes:
    """A body as YAML can hold it: text where that is possible."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return body
    # YAML cannot hold these: such a body is kept as binary.
    return text if text.isprintable() or not re.search(r"[^\t\n -~\u00a0-\ud7ff]", text) else body


def interaction_of(entry: Any, fetch: FetchBody) -> Interaction:
    """An interaction back from its entry.

    Args:
        entry: As `entry_of` gave it.
        fetch: Gives large bodies by their reference; used when a body is asked for.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: If it is none, or does not fit its digest.
    """
    ours, asked, answered = entry["qsession"], entry["request"], entry["response"]
    if ours.get("digest") != _digest(entry):
        raise _Edited(f"{asked.get('method')} {asked.get('uri')}")
    request = StoredRequest(
        str(asked["method"]),
        str(asked["uri"]),
        _headers(asked["headers"]),
        _source(asked["body"], ours.get("request_body"), fetch),
    )
    response = StoredResponse(
        _count(answered["status"]["code"], 999),
        str(answered["status"]["message"]),
        _headers(answered["headers"]),
        _source(answered["body"]["string"], ours.get("response_body"), fetch),
    )
    at, took = _count(ours["at_us"]), _count(ours["took_us"])
    seen, last = _count(ours.get("seen", 1)), _count(ours.get("last_us", at))
    instance = _count(ours.get("instance", 0), 10_000)
    return Interaction(str(ours["endpoint"]), instance, request, response, at, took, seen, last)


def _count(value: object, most: int = _MOST) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"{str(value)[:40]!r} is no number from 0 to {most}")
    return value


def _headers(lists: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(values[0]) for name, values in lists.items()}


def _source(inline: object, reference: object, fetch: FetchBody) -> bytes | Late:
    if reference is not None:
        if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
            raise ValueError(f"{reference!r} is no reference to a body")
        return Late(reference, fetch)
    if isinstance(inline, bytes):
        return inline
    return str(inline or "").encode()


def _head(provenance: Provenance) -> dict[str, Any]:
    head: dict[str, Any] = {"format": FORMAT, "target": provenance.target}
    head["recorded_at"] = to_datetime(provenance.recorded_at).isoformat().replace("+00:00", "Z")
    for name in _TEXTS:
        if value := getattr(provenance, name):
            head[name] = value
    head["versions"] = dict(sorted(provenance.versions.items()))
    for name in _SEEDS:
        if (number := getattr(provenance, name)) is not None:
            head[name] = number
    if provenance.paused:
        head["paused_us"] = provenance.paused
    head["qpu_seconds"] = provenance.qpu_seconds
    head["contracts"] = []
    head["instances"] = [_shape(shape) for shape in provenance.instances]
    head["literal_ids"] = list(provenance.literal_ids)
    if provenance.unmet:
        head["unmet"] = list(provenance.unmet)
    if provenance.layers:
        head["layers"] = sorted({_layer(path) for path in provenance.layers})
    return head


def _shape(shape: InstanceShape) -> dict[str, Any]:
    return {name: value for name, value in asdict(shape).items() if name != "alias" or value}


def _provenance(head: Mapping[str, Any]) -> Provenance:
    moment = datetime.fromisoformat(str(head["recorded_at"]).replace("Z", "+00:00"))
    optional: dict[str, Any] = {name: str(head.get(name, "")) for name in _TEXTS}
    optional |= {name: head.get(name) for name in _SEEDS}
    return Provenance(
        target=str(head["target"]),
        recorded_at=from_datetime(moment),
        versions={str(name): str(version) for name, version in head["versions"].items()},
        qpu_seconds=float(head["qpu_seconds"]),
        instances=tuple(InstanceShape(**shape) for shape in head["instances"]),
        literal_ids=tuple(str(item) for item in head["literal_ids"]),
        unmet=tuple(str(item) for item in head.get("unmet", ())),
        layers=tuple(_layer(path) for path in head.get("layers", ())),
        paused=int(head.get("paused_us", 0)),
        **optional,
    )


def _layer(path: object) -> str:
    # It is opened, and it may come from anybody.
    if not isinstance(path, str) or not is_layer_path(path):
        raise ValueError(f"{str(path)[:80]!r} is no path of a layer below the cassette folder")
    return path


def _digest(entry: Mapping[str, Any]) -> str:
    ours = {name: value for name, value in entry["qsession"].items() if name != "digest"}
    asked, answered = entry["request"], entry["response"]
    parts = [
        [asked["method"], asked["uri"], _decoded(asked["body"]), asked["headers"]],
        [answered["status"], _decoded(answered["body"]["string"]), answered["headers"]],
        ours,
    ]
    return _hash(parts)


def _decoded(body: object) -> object:
    # JSON counts by its content: an editor that reformats it changes nothing.
    if isinstance(body, bytes):
        return ["bytes", body.hex()]
    try:
        return ["json", json.loads(str(body or ""))]
    except (ValueError, RecursionError):
        return ["text", body or ""]


def _whole(head: Mapping[str, Any], entries: Sequence[Any]) -> str:
    told = {name: value for name, value in head.items() if name != "digest"}
    return _hash([told, [entry["qsession"]["digest"] for entry in entries]])


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def dump(document: Mapping[str, Any]) -> str:
    """A document as YAML, as all cassettes are written."""
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: str = yaml.dump(document, Dumper=dumper, sort_keys=False, allow_unicode=True, width=2**20)
    return text


def _load(text: str, where: str) -> Mapping[str, Any]:
    try:
        with uncollected():
            document = _bounded_yaml.read(text)
    except _bounded_yaml.Unfit as unfit:
        if found := _MERGE.search(text):
            line_of = text.count("\n", 0, found.start()) + 1
            raise no_cassette(f"{where}, line {line_of}", "a merge left its markers in it") from unfit
        line = f", line {unfit.line}" if unfit.line else ""
        raise no_cassette(where + line, str(unfit)) from unfit
    if not isinstance(document, dict):
        held = "nothing" if document is None else f"a {type(document).__name__}"
        raise no_cassette(where, f"it holds {held}, not a mapping")
    return document


def _at(where: str, text: str, *path: str | int) -> str:
    """A file and the line in which something of it stands; that of what holds it, if it is missing."""
    node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for step in path:
        if isinstance(step, int) and isinstance(node, yaml.SequenceNode):
            node = node.value[step]
        elif isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == step), node)
    return where if node is None else f"{where}, line {node.start_mark.line + 1}"


def _headless(where: str, document: Mapping[str, object]) -> CassetteError:
    # Those of vcrpy have no more.
    is_theirs = isinstance(document.get("interactions"), list) and "version" in document
    fix = "qsession migrate with this file, if vcrpy or pytest-recording wrote it" if is_theirs else _RESTORE
    return no_cassette(where, "it has no metadata.qsession and interactions, which qsession writes", fix=fix)


def _other_format(where: str, number: object) -> CassetteError:
    return CassetteError(
        "QS203",
        f"The cassette has format {number}; this version of qsession reads format {FORMAT}.",
        fix="pip install --upgrade qsession",
        intended="delete the file and record again with pytest --qsession-record",
        where=where,
    )


_RESTORE = "restore it from version control, or delete it and record again with pytest --qsession-record"


def no_cassette(where: str, evidence: str, *, fix: str = _RESTORE) -> CassetteError:
    """QS202: a file that is not what was written."""
    what = "The file is not a cassette that qsession wrote. It was left as it is."
    return untrusted("QS202", what, evidence, where, fix=fix)


def harmful(where: str, why: str) -> CassetteError:
    """QS225: an answer that must not reach the client's decoders."""
    what = "An answer in the cassette was not read: it could do harm to whoever decodes it."
    return untrusted("QS225", what, why, where)


def _edited(where: str, what: str) -> CassetteError:
    told = "The cassette was changed after it was recorded, by hand or by a merge. It was left as it is."
    return untrusted("QS205", told, f"the digest does not fit {what}", where)


def untrusted(code: str, what: str, why: str, where: str, *, fix: str = _RESTORE) -> CassetteError:
    """A file that cannot be trusted: there is nearly always one thing to do about it, whatever is wrong."""
    return CassetteError(code, what, evidence=[why], fix=fix, where=where)
