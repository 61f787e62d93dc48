"""The seam: vcrpy's connection stubs, asking a handler of ours for every answer.

vcrpy replaces the connection class below urllib3's retries, which is where the
client's own behaviour ends and the network begins (docs/adr/0001-seam.md). What is
changed here is what makes stock vcrpy unsafe: its stubs un-patch urllib3 for the
whole process while one thread builds or uses a real connection, so that other
threads slip through to the network. These stubs never do.

A test may have a cassette of vcrpy's beside its run. What it asks of the service is the run's,
anything else that cassette's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPMessage
from typing import Any, TypeAlias
from unittest import mock

from urllib3 import connectionpool
from vcr.stubs import VCRHTTPResponse
from vcr.stubs.requests_stubs import VCRRequestsHTTPConnection, VCRRequestsHTTPSConnection

from qsession._endpoints import identify
from qsession._model import Request, Response

_pools: Any = connectionpool

Send: TypeAlias = Callable[[Request], Response]
"""Sends a request over the connection it was made for, to the real network."""

Handler: TypeAlias = Callable[[Request, Send], Response]
"""Answers a request of this process; may send it for real."""

_CODINGS = frozenset({"transfer-encoding", "content-encoding", "content-length", "connection"})


class _Stub:
    """What differs from vcrpy's stubs; mixed in before them."""

    handler: Handler
    beside: Callable[[], Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._made_like = args, kwargs
        # vcrpy would call force_reset() here. urllib3's classes were built on the
        # real http.client ones, so building one needs no un-patching at all.
        self.real_connection = self._baseclass(*args, **kwargs)  # type: ignore[attr-defined]
        self._sock = None
        self._lock = threading.Lock()

    def connect(self, *_args: Any, **_kwargs: Any) -> None:
        """Connect to nobody: the real connection connects when it is told to send."""

    def getresponse(self, *_args: Any, **_kwargs: Any) -> Any:
        """Ask the handler and dress its answer for urllib3."""
        request = _to_request(self._vcr_request)  # type: ignore[attr-defined]
        theirs = type(self).beside()
        if theirs is not None and identify(request) is None:
            return self._asked_of(theirs)
        answer = type(self).handler(request, self._send)
        return _Answer(_to_vcr(answer), request.url)

    def _asked_of(self, theirs: Any) -> Any:
        """The same, of a stub of vcrpy's own; where that wants the network, it wants it of the guard."""
        args, kwargs = self._made_like
        seen, connection = self._vcr_request, theirs(*args, **kwargs)  # type: ignore[attr-defined]
        path = self._url(seen.uri)  # type: ignore[attr-defined]
        connection.request(seen.method, path, body=seen.body, headers=dict(seen.headers))
        try:
            return connection.getresponse()
        finally:
            connection.close()

    def _send(self, request: Request) -> Response:
        real = self.real_connection
        with self._lock:
            real.request(
                request.method,
                self._url(request.url),  # type: ignore[attr-defined]
                body=request.body or None,
                headers=dict(request.headers),
            )
            return _to_response(real.getresponse())


class _Answer(VCRHTTPResponse):  # type: ignore[misc]
    def __init__(self, answer: dict[str, Any], url: str) -> None:
        super().__init__({**answer, "headers": {}}, url)
        # vcrpy writes headers as text for the parser of e-mails: a tenth of what a request costs (measured).
        message = HTTPMessage()
        for name, values in answer["headers"].items():
            for value in values:
                message[name] = value
        self.headers = self.msg = message
        self.length = message.get("content-length")

    def drain_conn(self) -> None:
        """Give the connection back before a retry; vcrpy's answer would lose it, open."""
        self.release_conn()


class _HttpStub(_Stub, VCRRequestsHTTPConnection):  # type: ignore[misc]
    pass


class _HttpsStub(_Stub, VCRRequestsHTTPSConnection):  # type: ignore[misc]
    pass


@contextmanager
def installed(handler: Handler) -> Iterator[None]:
    """Lead every request of urllib3 in this process to a handler.

    Args:
        handler: Called from any thread, also by connections that outlive this
            context: a pool keeps them, and they must not become real ones.

    Yields:
        Nothing. Everything that was replaced is put back at the end, but for pools
        that were used in between: they belong to the handler until the next one.
    """
    kinds = _pools.HTTPConnectionPool, _pools.HTTPSConnectionPool
    stubs = tuple(
        _bound(stub, handler, pool) for stub, pool in zip((_HttpStub, _HttpsStub), kinds, strict=True)
    )
    with ExitStack() as undo:
        undo.enter_context(mock.patch.object(_pools, "is_connection_dropped", _dropped))
        for pool, stub in zip(kinds, stubs, strict=True):
            undo.enter_context(mock.patch.object(pool, "_get_conn", _getter(pool._get_conn, stubs)))
            undo.enter_context(mock.patch.object(pool, "ConnectionCls", stub))
        yield


# Typed as Any: what is replaced here is no part of urllib3's typed interface.
_really_dropped = _pools.is_connection_dropped


def _bound(stub: type, handler: Handler, pool: Any) -> type:
    former = pool.ConnectionCls

    def beside() -> Any:
        # One that was opened in the run stands in the pools' class, one from before stood there.
        found = former if issubclass(pool.ConnectionCls, stub) else pool.ConnectionCls
        return found if getattr(found, "cassette", None) is not None else None

    # staticmethod: they are functions of the run, not methods of the stub.
    return type(stub.__name__, (stub,), {"handler": staticmethod(handler), "beside": staticmethod(beside)})


def _getter(get_conn: Callable[..., Any], stubs: tuple[type, ...]) -> Callable[..., Any]:
    def get(pool: Any, timeout: float | None = None) -> Any:
        # On the pool itself and for good: a thread that outlives the run goes on with
        # it, and a refused request makes urllib3 drop the connection and make another.
        pool.ConnectionCls = stubs[pool.scheme == "https"]
        connection = get_conn(pool, timeout)
        # A pool that was used before holds other connections: they are closed, or the
        # first request of a run would go out on one of them.
        for _ in range(pool.pool.maxsize + 1):
            if isinstance(connection, stubs):
                break
            connection.close()
            pool._put_conn(None)
            connection = get_conn(pool, timeout)
        # Else it is one of a kind that its pool makes by itself, such as Docker's to a
        # unix socket: the guard on sockets watches over those.
        return connection

    return get


def _dropped(connection: Any) -> bool:
    real = getattr(connection, "real_connection", None)
    if real is None:
        return bool(_really_dropped(connection))
    return real.sock is not None and bool(_really_dropped(real))


def _to_request(seen: Any) -> Request:
    headers = {str(name).lower(): _text(value) for name, value in seen.headers.items()}
    return Request(seen.method.upper(), seen.uri, headers, seen.body_bytes or b"")


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _to_response(real: Any) -> Response:
    body = real.data if hasattr(real, "data") else real.read()
    headers = {name.lower(): value for name, value in real.headers.items() if name.lower() not in _CODINGS}
    return Response(real.status, real.reason or "", headers, body)


def _to_vcr(answer: Response) -> dict[str, Any]:
    headers = {name: [value] for name, value in answer.headers.items() if name not in _CODINGS}
    headers["content-length"] = [str(len(answer.body))]
    return {
        "status": {"code": answer.status, "message": answer.reason},
        "headers": headers,
        "body": {"string": answer.body},
    }
