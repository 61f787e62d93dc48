"""What the guard tells its watcher: always everything, so that the last line counts.

A line is one JSON object. It holds credentials, which is why it goes through a pipe
and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from qsession._model import Request
from qsession._money._access import Access


@dataclass(frozen=True, slots=True)
class Target:
    """A session to cancel, and what is needed for it.

    Attributes:
        id: Id of the service.
        base: Base URL of the API.
        access: Credentials.
    """

    id: str
    base: str
    access: Access = field(repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """What is open at a moment.

    Attributes:
        folder: Where the notes are.
        targets: The open sessions.
    """

    folder: Path
    targets: tuple[Target, ...] = ()


def encode(state: State) -> bytes:
    """The line for a state."""
    value = {
        "folder": str(state.folder),
        "targets": [
            {
                "id": t.id,
                "base": t.base,
                "headers": dict(t.access.headers),
                "grant": _plain_grant(t.access.grant),
            }
            for t in state.targets
        ],
    }
    return json.dumps(value).encode() + b"\n"


def decode(line: bytes) -> State:
    """The state of a line.

    Raises:
        ValueError: If the line is none of ours.
    """
    value: object = json.loads(line)
    fields = _mapping(value)
    listed = fields.get("targets")
    if not isinstance(listed, list):
        raise ValueError("a line without targets")
    return State(Path(str(fields["folder"])), tuple(_target(_mapping(item)) for item in listed))


def _plain_grant(grant: Request | None) -> dict[str, object] | None:
    if grant is None:
        return None
    return {"url": grant.url, "headers": dict(grant.headers), "body": grant.body.decode("latin-1")}


def _target(fields: Mapping[str, object]) -> Target:
    grant = None
    if fields.get("grant") is not None:
        parts = _mapping(fields["grant"])
        body = str(parts["body"]).encode("latin-1")
        grant = Request("POST", str(parts["url"]), _headers(parts["headers"]), body)
    access = Access(_headers(fields["headers"]), grant)
    return Target(str(fields["id"]), str(fields["base"]), access)


def _headers(value: object) -> Mapping[str, str]:
    return MappingProxyType({str(name): str(text) for name, text in _mapping(value).items()})


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("a line of another shape")
    return value
