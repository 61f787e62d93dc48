"""What a request asks for, in a form that equal requests share.

The recorder derives pseudonyms from it, the replay finds answers by it. Left out is
what differs from run to run without a difference in meaning: the account, its
instance (counted instead), client versions, the bytes of a circuit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache, partial
from typing import TypeAlias

from qsession import _invented, _payload
from qsession._clock import from_datetime, to_datetime
from qsession._endpoints import Call
from qsession._kept import Known, Recent, StoredRequest
from qsession._model import MEANING, Match, Request

MOMENTS = ("_after", "_before")
"""How parameters of a query end that name a moment."""

TAGS = frozenset({"tags", "search"})
"""Parameters of a query that name tags, or a part of one."""

_TAGGED = frozenset({"jobs.create", "jobs.tags"})
# What of a job is compared whatever else is not: its answer would be another thing's.
_ALWAYS = frozenset({"program_id", "backend", "session_id"})
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
        (name, _in_utc(value) if name.endswith(MOMENTS) else value)
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
    text = json.dumps([_shaped(content.fields), content.job.digest if content.job else None])
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


def tags(call: Call, request: Request) -> tuple[str, ...]:
    """The tags that a request gives to a job; none if it gives none."""
    if call.endpoint.name not in _TAGGED or b'"tags"' not in request.body:
        return ()
    given = (_document(request.body) or {}).get("tags")
    return tuple(map(str, given)) if isinstance(given, list) else ()


def with_tags(request: Request, given: Sequence[str]) -> Request:
    """A request that gives other tags to its job."""
    body = json.dumps({**(_document(request.body) or {}), "tags": list(given)}).encode()
    return Request(request.method, request.url, request.headers, body)


def digest(call: Call, asked: Ask, match: Match) -> str:
    """What requests that match have in common, at least; for a look-up.

    Args:
        call: The request, understood.
        asked: What it asks.
        match: What of a job is compared.
    """
    content = asked.content() if call.endpoint.name == "jobs.create" else Content()
    if content.job is None or match == MEANING:
        return asked.digest
    compared = _compared(_shaped(content.fields), match)
    return json.dumps([compared, _payload.digest(content.job, match)])


def differences(asked: Ask, recorded: Ask, match: Match = MEANING) -> tuple[str, ...]:
    """How two requests of one kind differ; empty when they mean the same.

    Args:
        asked: What the code under test asks now.
        recorded: What was asked when the recording was made.
        match: What of a job is compared.
    """
    if asked.digest == recorded.digest:
        return ()
    mine, other = asked.content(), recorded.content()
    jobs = mine.job, other.job
    both = (
        content.fields if jobs == (None, None) else _compared(content.fields, match)
        for content in (mine, other)
    )
    ours, theirs = map(dict, both)
    shaped = [dict(_shaped(tuple(each.items()))) for each in (ours, theirs)]
    lines = [
        f"{name}: asked {ours.get(name, 'nothing')}, recorded {theirs.get(name, 'nothing')}"
        for name in sorted(ours.keys() | theirs.keys())
        if shaped[0].get(name) != shaped[1].get(name)
    ]
    if jobs[0] is not None and jobs[1] is not None:
        lines += _payload.differences(jobs[0], jobs[1], match)
    elif not lines and not (ours or theirs):
        lines.append("the bodies differ")
    return tuple(lines)


def byte_differences(asked: Request, recorded: Request) -> tuple[str, ...]:
    """The first places where two bodies are not the same JSON; empty when they are.

    Args:
        asked: What the code under test sends now.
        recorded: What was sent when the recording was made.
    """
    mine, other = _document(asked.body), _document(recorded.body)
    if mine is None or other is None or _canonical(mine) == _canonical(other):
        same = asked.body == recorded.body or (mine is not None and other is not None)
        return () if same else ("the bodies differ",)
    return _payload.json_differences(mine, other) or ("the bodies differ by less than numbers may",)


def _canonical(document: dict[str, object]) -> str:
    return json.dumps(document, sort_keys=True)


def _shaped(fields: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Fields in which tags are a set, and what a test may have invented counts by its kind only."""
    return tuple((key, _tag_shapes(text) if key == "tags" else text) for key, text in fields)


def _tag_shapes(text: str) -> str:
    given = json.loads(text)
    if not isinstance(given, list):
        return text
    return json.dumps(
        sorted(_invented.shape(each) if isinstance(each, str) else json.dumps(each) for each in given)
    )


def _compared(fields: tuple[tuple[str, str], ...], match: Match) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name, text)
        for name, text in fields
        if name in _ALWAYS or match.compares("tags" if name == "tags" else "job")
    )
