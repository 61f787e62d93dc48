"""What the guard tells its watcher: always everything, so that the last line counts.

A line is one JSON object. It holds credentials, which is why it goes through a pipe
and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qsession._model import Request
from qsession._money._access import Access, Target


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
    told = {"folder": str(state.folder), "targets": [_told(target) for target in state.targets]}
    return json.dumps(told).encode() + b"\n"


def decode(line: bytes) -> State:
    """The state of a line that `encode` made."""
    told = json.loads(line)
    return State(Path(told["folder"]), tuple(_target(each) for each in told["targets"]))


def _told(target: Target) -> dict[str, object]:
    access, grant = target.access, target.access.grant
    again = grant and {"url": grant.url, "headers": dict(grant.headers), "body": grant.body.decode("latin-1")}
    return {"id": target.id, "base": target.base, "headers": dict(access.headers), "grant": again}


def _target(told: dict[str, Any]) -> Target:
    again = told["grant"]
    grant = again and Request("POST", again["url"], again["headers"], again["body"].encode("latin-1"))
    return Target(told["id"], told["base"], Access(told["headers"], grant))
