"""What a request asks for, in a form that equal requests share.

The recorder derives pseudonyms from it, the replay finds answers by it. Left out is
what differs from run to run without a difference in meaning: the account, its
instance (counted instead), client versions, the bytes of a circuit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from typing import TypeAlias

from qsession import _payload
from qsession._clock import from_datetime, to_datetime
from qsession._endpoints import Call
from qsession._kept import Known, Recent, StoredRequest
from qsession._model import Request

_MOMENTS = ("_after", "_before")
_IGNORED = {"sessions.create": ("instance",)}
# Client 0.51 always sends it, 0.48 and older never do (tried); 0.51 leaves mocks out on its own side (read).
_CLIENT_NOISE = frozenset({("backends.list", "include_mocks")})

# Decoding a job takes milliseconds, for some circuits seconds; that equal bytes mean the
# same is sure. By endpoint and digest of the body.
_read_before: Recent[tuple[str, str], Known] = Recent(4096)


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
class Content:
    """The decoded body of a request.

    Attributes:
        fields: The body's fields but for a job's ``params``, as JSON texts by path.
        job: The decoded payload of a submitted job, or None.
    """

    fields: tuple[tuple[str, str], ...] = ()
    job: _payload.Meaning | None = None


_Open: TypeAlias = Callable[[], Content]


@dataclass(frozen=True, slots=True)
class Ask:
    """What the body of a request asks for.

    Attributes:
        digest: Equal for equal meaning.
        session: The session a job is submitted to, or None.
        content: Gives the decoded body; for one that was read before it is decoded
            then, since only messages and `differences` need it.
    """

    digest: str
    session: str | None = None
    content: _Open = field(default=Content, repr=False, compare=False)

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """The body's fields but for a job's ``params``, as JSON texts by path."""
        return self.content().fields

    @property
    def job(self) -> _payload.Meaning | None:
        """The decoded payload of a submitted job, or None."""
        return self.content().job

    @property
    def summary(self) -> str:
        """One line for messages."""
        content = self.content()
        if content.job is not None:
            return content.job.summary
        return ", ".join(f"{name}={value}" for name, value in content.fields)


def key_of(call: Call, instance: int) -> Key:
    """The key of a call.

    Args:
        call: The request, understood.
        instance: Which instance of the recording it goes to.
    """
    private = call.endpoint.family != "runtime"
    told = (
        (name, _in_utc(value) if name.endswith(_MOMENTS) else value)
        for name, value in call.query
        if (call.endpoint.name, name) not in _CLIENT_NOISE
    )
    query = () if private else tuple(sorted(told))
    # Whose account it is does not matter.
    path = call.endpoint.template if private or "account" in call.ids else call.path
    return Key(call.endpoint.method, path, query, 0 if private else instance)


def _in_utc(value: str) -> str:
    # One moment has many spellings: each zone its own, and Z.
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if moment.tzinfo is None else to_datetime(from_datetime(moment)).isoformat()


def read(call: Call, request: Request) -> Ask:
    """Understand the body of a request.

    A body is decoded once in a process, and not at all if the recording was opened
    before and told what it means.

    Args:
        call: The request, understood.
        request: The request itself. A body that is not JSON is compared as it is.
    """
    name = call.endpoint.name
    told = request.known if isinstance(request, StoredRequest) else None
    if told is None:
        if not request.body:
            return Ask("")
        body = hashlib.sha256(request.body).hexdigest()
        told = _read_before.get((name, body))
        if told is None:
            return _read_now(name, request.body, body)
    _read_before.put((name, told.body), told)
    # Decoded at most once, and not before somebody asks.
    later = lru_cache(maxsize=1)(partial(_content_of, name, request))
    return Ask(told.digest, told.session, later)


def known(call: Call, request: Request) -> Known | None:
    """What can be told of a request to whoever opens its recording again; None without a body.

    Args:
        call: The request, understood.
        request: The request itself.
    """
    if not request.body:
        return None
    ask = read(call, request)
    return Known(hashlib.sha256(request.body).hexdigest(), ask.digest, ask.session)


def _read_now(name: str, body: bytes, digest: str) -> Ask:
    document = _document(body)
    if document is None:
        return Ask(digest)
    content = _content(name, document)
    text = json.dumps([content.fields, content.job.digest if content.job else None])
    session = document.get("session_id")
    told = Known(
        digest, hashlib.sha256(text.encode()).hexdigest(), session if isinstance(session, str) else None
    )
    _read_before.put((name, digest), told)
    return Ask(told.digest, told.session, lambda: content)


def _document(body: bytes) -> dict[str, object] | None:
    try:
        document = json.loads(body)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _content_of(name: str, request: Request) -> Content:
    document = _document(request.body)
    return Content() if document is None else _content(name, document)


def _content(name: str, document: dict[str, object]) -> Content:
    ignored = _IGNORED.get(name, ())
    job = None
    if name == "jobs.create":
        job = _payload.read(str(document.get("program_id")), document.get("params"))
        ignored = ("params",)
    found = ((str(k), json.dumps(v, sort_keys=True)) for k, v in document.items() if k not in ignored)
    return Content(tuple(sorted(found)), job)


def differences(asked: Ask, recorded: Ask) -> tuple[str, ...]:
    """How two requests of one kind differ; empty when they mean the same.

    Args:
        asked: What the code under test asks now.
        recorded: What was asked when the recording was made.
    """
    if asked.digest == recorded.digest:
        return ()
    mine, other = asked.content(), recorded.content()
    ours, theirs = dict(mine.fields), dict(other.fields)
    names = sorted(ours.keys() | theirs.keys())
    lines = [
        f"{name}: asked {ours.get(name, 'nothing')}, recorded {theirs.get(name, 'nothing')}"
        for name in names
        if ours.get(name) != theirs.get(name)
    ]
    if mine.job is not None and other.job is not None:
        lines += _payload.differences(mine.job, other.job)
    elif not lines and not (ours or theirs):
        lines.append("the bodies differ")
    return tuple(lines)
