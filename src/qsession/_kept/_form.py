"""A verified recording in a form that opens quickly. Pure; JSON and raw bytes, nothing that runs.

Three parts: a line with the digest of the second; a line of JSON, which holds all but
the bodies, how long each of those is, and a digest over them; the bodies. What many
interactions have in common stands once. Large bodies stay beside the cassette.

What is read here was verified when it was written, interaction by interaction, and
these two digests say that it is still that. So the digests of the interactions are not
looked at again. They are no defence against somebody who writes here on purpose: who
can do so can change the tests as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, BinaryIO

from qsession._kept._late import Known, Late, StoredRequest, StoredResponse, source_of
from qsession._model import InstanceShape, Interaction, Provenance, Recording, Request, Response

_ATOM = (str, int, float, type(None))


def encode(recording: Recording, key: str, stamp: str) -> Iterator[bytes] | None:
    """Write a recording down.

    Args:
        recording: It was verified.
        key: Names the bytes that it was verified from.
        stamp: Names whatever else it depends on.

    Returns:
        The parts of the file, in their order; None if it holds what JSON does not.
    """
    table = _Table()
    rows = [table.row(each) for each in recording.interactions]
    head = _head(recording.provenance)
    # The only ones that a cassette may hold as anything at all.
    if not all(isinstance(head[name], _ATOM) for name in ("seed", "isa_seed", "random_seed")):
        return None
    document = {
        "key": key,
        "stamp": stamp,
        "head": head,
        "kinds": list(table.kinds),
        "lengths": [len(body) for body in table.bodies],
        "digest": _digest(table.bodies),
        "rows": rows,
    }
    line = json.dumps(document, separators=(",", ":")).encode() + b"\n"
    return iter((_digest([line]).encode() + b"\n", line, *table.bodies))


def decode(file: BinaryIO, key: str, stamp: str, fetch: Callable[[str], bytes]) -> Recording | None:
    """Read a recording.

    Args:
        file: Where it stands, opened for reading.
        key: As it was written with.
        stamp: As it was written with.
        fetch: Gives a large body by its reference; used when the body is asked for.

    Returns:
        The recording; None if this is not whole, or was written with another key or
        stamp, or by somebody else.
    """
    told, line = file.readline(), file.readline()
    # Nothing is made of what the digest does not vouch for, not even memory for a length.
    if told != _digest([line]).encode() + b"\n":
        return None
    try:
        document = json.loads(line)
        if document["key"] != key or document["stamp"] != stamp:
            return None
        bodies = [file.read(length) for length in document["lengths"]]
        if file.read(1) or _digest(bodies) != document["digest"]:
            return None
        return _recording(document, bodies, fetch)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError):
        # Ours in its digests only.
        return None


def _digest(parts: list[bytes] | dict[bytes, int]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


@dataclass(slots=True)
class _Table:
    """What the rows have in common, by what stands for it.

    Attributes:
        kinds: All of an exchange but where, when and what.
        bodies: Bodies by their place; the empty one is the first.
    """

    kinds: dict[Hashable, int] = field(default_factory=dict)
    bodies: dict[bytes, int] = field(default_factory=lambda: {b"": 0})

    def row(self, interaction: Interaction) -> list[object]:
        request, response = interaction.request, interaction.response
        kind = (
            interaction.endpoint,
            interaction.instance,
            request.method,
            _pairs(request.headers),
            response.status,
            response.reason,
            _pairs(response.headers),
        )
        known = request.known if isinstance(request, StoredRequest) else None
        return [
            self.kinds.setdefault(kind, len(self.kinds)),
            request.url,
            self._body(request),
            known and [known.body, known.digest, known.session],
            self._body(response),
            interaction.at,
            interaction.took,
            interaction.seen,
            interaction.last,
        ]

    def _body(self, part: Request | Response) -> int | str:
        source = source_of(part)
        if isinstance(source, Late):
            return source.reference
        return self.bodies.setdefault(source, len(self.bodies))


def _pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(headers.items())


def _recording(document: Mapping[str, Any], bodies: list[bytes], fetch: Callable[[str], bytes]) -> Recording:
    kinds = []
    for name, instance, method, asked, status, reason, answered in document["kinds"]:
        # Shared by many, so nobody may change them.
        both = MappingProxyType(dict(asked)), MappingProxyType(dict(answered))
        kinds.append((name, instance, method, both[0], status, reason, both[1]))
    plain: dict[tuple[int, str], Request] = {}
    interactions = []
    for number, url, body, known, reply, at, took, seen, last in document["rows"]:
        name, instance, method, asked, status, reason, answered = kinds[number]
        request: Request | None
        if body == 0 and known is None:
            # Polls ask the same again and again.
            request = plain.get((number, url))
            if request is None:
                request = plain[number, url] = Request(method, url, asked)
        else:
            source = Late(body, fetch) if isinstance(body, str) else bodies[body]
            told = Known(*known) if known else None
            request = StoredRequest(method, url, asked, source, known=told)
        if isinstance(reply, str):
            response: Response = StoredResponse(status, reason, answered, Late(reply, fetch))
        else:
            response = Response(status, reason, answered, bodies[reply])
        interactions.append(Interaction(name, instance, request, response, at, took, seen, last))
    return Recording(_provenance(document["head"]), tuple(interactions))


def _head(provenance: Provenance) -> dict[str, object]:
    head = {each.name: getattr(provenance, each.name) for each in fields(provenance)}
    shapes = [asdict(shape) for shape in provenance.instances]
    return head | {"versions": dict(provenance.versions), "instances": shapes}


def _provenance(head: Mapping[str, Any]) -> Provenance:
    shapes = tuple(InstanceShape(**shape) for shape in head["instances"])
    lists = {name: tuple(head[name]) for name in ("literal_ids", "unmet", "layers")}
    return Provenance(**{**head, "instances": shapes, **lists})
