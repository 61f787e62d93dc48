"""What a request asks for, in a form that equal requests share.

The recorder derives pseudonyms from it, the replay finds answers by it. Left out is
what differs from run to run without a difference in meaning: the account, its
instance (counted instead), client versions, the bytes of a circuit.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from qsession import _payload
from qsession._endpoints import Call
from qsession._model import Request

_IGNORED = {"sessions.create": ("instance",)}
# Client 0.51 always sends it, 0.48 and older never do (tried); 0.51 leaves mocks out on its own side (read).
_CLIENT_NOISE = frozenset({("backends.list", "include_mocks")})


@dataclass(frozen=True, slots=True)
class Key:
    """The name under which a request's answers are kept.

    Attributes:
        method: HTTP method.
        path: Path below the service's base.
        query: Query parameters, sorted.
        instance: Which instance of the recording.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    instance: int

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.query)
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class Ask:
    """What the body of a request asks for.

    Attributes:
        digest: Equal for equal meaning.
        fields: The body's fields but for a job's ``params``, as JSON texts by path.
        job: The decoded payload of a submitted job, or None.
        session: The session a job is submitted to, or None.
    """

    digest: str
    fields: tuple[tuple[str, str], ...] = ()
    job: _payload.Meaning | None = None
    session: str | None = None

    @property
    def summary(self) -> str:
        """One line for messages."""
        if self.job is not None:
            return self.job.summary
        return ", ".join(f"{name}={value}" for name, value in self.fields)


def key_of(call: Call, instance: int) -> Key:
    """The key of a call.

    Args:
        call: The request, understood.
        instance: Which instance of the recording it goes to.
    """
    private = call.endpoint.family != "runtime"
    told = ((name, value) for name, value in call.query if (call.endpoint.name, name) not in _CLIENT_NOISE)
    query = () if private else tuple(sorted(told))
    # Whose account it is does not matter.
    path = call.endpoint.template if private or "account" in call.ids else call.path
    return Key(call.endpoint.method, path, query, 0 if private else instance)


def read(call: Call, request: Request) -> Ask:
    """Understand the body of a request.

    Args:
        call: The request, understood.
        request: The request itself. A body that is not JSON is compared as it is.
    """
    if not request.body:
        return Ask("")
    try:
        document = json.loads(request.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        return Ask(hashlib.sha256(request.body).hexdigest())
    ignored = _IGNORED.get(call.endpoint.name, ())
    job = None
    if call.endpoint.name == "jobs.create":
        job = _payload.read(str(document.get("program_id")), document.get("params"))
        ignored = ("params",)
    fields = tuple(
        sorted((str(k), json.dumps(v, sort_keys=True)) for k, v in document.items() if k not in ignored)
    )
    text = json.dumps([fields, job.digest if job else None])
    session = document.get("session_id") if isinstance(document.get("session_id"), str) else None
    return Ask(hashlib.sha256(text.encode()).hexdigest(), fields, job, session)


def differences(asked: Ask, recorded: Ask) -> tuple[str, ...]:
    """How two requests of one kind differ; empty when they mean the same.

    Args:
        asked: What the code under test asks now.
        recorded: What was asked when the recording was made.
    """
    if asked.digest == recorded.digest:
        return ()
    ours, theirs = dict(asked.fields), dict(recorded.fields)
    names = sorted(ours.keys() | theirs.keys())
    lines = [
        f"{name}: asked {ours.get(name, 'nothing')}, recorded {theirs.get(name, 'nothing')}"
        for name in names
        if ours.get(name) != theirs.get(name)
    ]
    if asked.job is not None and recorded.job is not None:
        lines += _payload.differences(asked.job, recorded.job)
    elif not lines and not (ours or theirs):
        lines.append("the bodies differ")
    return tuple(lines)
