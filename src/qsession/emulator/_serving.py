"""A server round an emulator, for this machine only, and the way for clients to it."""

from __future__ import annotations

import importlib.util
import os
import socket
import ssl
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from qsession._clock import Clock, SystemClock
from qsession._loopback._request_log import RequestLog
from qsession._model import Instant, Request, Response
from qsession.emulator._emulator import Emulator
from qsession.emulator._programs import missing_extra, warm
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._loopback._authority import Authority

HOST = "127.0.0.1"
"""The only address it listens on."""

FAKE_KEY = "emulated-key-that-opens-nothing"
"""API key for clients where the emulator takes any."""


class EmulatorServer:
    """Serves one emulator over HTTP/1.1 on 127.0.0.1. A context manager.

    Enter it from a thread that lives on, the main one as a rule: entering imports
    qiskit, which takes a second or two the first time.

    It answers programs that ask for 127.0.0.1 or localhost, or for a name of IBM's that
    leads here, and refuses web pages: whatever carries an ``Origin``, or another host.

    Args:
        emulator: What answers; make it strict, so that only clients that asked
            its IAM for a token get anything.
        port: Port, 0 for a free one.
        tls: Certificate and key file in PEM, or an authority made for this emulator; plain
            HTTP without. The port speaks TLS and plain HTTP, whichever a client begins with.
        clock: Where the moment of each request comes from; the machine's by default.
        log: Where to write a line for each request, without keys, tokens, CRNs, queries or
            bodies; nowhere by default.
        log_json: Write lines of JSON instead of words.
        any_key: Let a program that asks for a name of IBM's bring any API key; who asks for
            this machine must know the emulator's own.

    Raises:
        UsageError: QS120, if a part of the extra ``emulator`` is not installed;
            QS124, if the port is taken or the certificate cannot be used.
    """

    def __init__(
        self,
        emulator: Emulator,
        *,
        port: int = 0,
        tls: tuple[str, str] | Authority | None = None,
        clock: Clock | None = None,
        log: TextIO | None = None,
        log_json: bool = False,
        any_key: bool = False,
    ) -> None:
        for module, package in (("qiskit_aer", "qiskit-aer"), ("h11", "h11")):
            if importlib.util.find_spec(module) is None:
                raise missing_extra(package)
        from qsession._loopback._server import LoopbackServer, Service

        self.emulator = emulator
        self._scheme = "http" if tls is None else "https"
        service = Service(
            answer=_any_key(emulator) if any_key else emulator.answer,
            clock=clock or SystemClock(),
            context=_context(tls),
            log=None if log is None else RequestLog(log, as_json=log_json),
        )
        self._server = LoopbackServer(_listener(port), service)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    @property
    def url(self) -> str:
        """Scheme, address and port."""
        return f"{self._scheme}://{HOST}:{self.port}"

    def environment(self) -> dict[str, str]:
        """Environment variables that lead an unmodified client here.

        ``IAM_URL`` is always among them: without it the client would post the API
        key to the real IAM (its code, ``api/auth.py``). The runtime URL holds the
        word ``experimental`` because the client then uses it as it is, port included.
        """
        around = ",".join(filter(None, (os.environ.get("no_proxy"), HOST)))
        return {
            "QISKIT_IBM_TOKEN": self.emulator.api_key or FAKE_KEY,
            "QISKIT_IBM_URL": f"{self.url}/experimental/api/v1",
            "QISKIT_IBM_INSTANCE": self.emulator.instances[0].crn,
            "QISKIT_IBM_QPU": self.emulator.backends[0],
            "IAM_URL": self.url,
            "GLOBAL_SEARCH_URL": self.url,
            "GLOBAL_CATALOG_URL": f"{self.url}/globalcatalog/api/v1",
            "RESOURCE_CONTROLLER_URL": self.url,
            # A company's proxy must not be asked for an address of this machine.
            "NO_PROXY": around,
            "no_proxy": around,
        }

    def __enter__(self) -> Self:
        self._server.start()
        # Now, or the first job would have run before the answer to its submit is out,
        # and nobody would see it queued. Here, because qiskit 2.6 crashes the process
        # once the thread that imported it first has ended.
        warm()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Take no more connections, finish the answers that are under way, close."""
        self._server.stop()


def _any_key(emulator: Emulator) -> Callable[[Request, Instant], Response]:
    """Takes any API key of those who ask for a name of IBM's."""
    from qsession._loopback._gate import as_own

    return lambda request, at: emulator.answer(as_own(request, emulator.api_key), at)


def _listener(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=128)
    except (OSError, OverflowError) as problem:
        raise UsageError(
            "QS124",
            f"The emulator cannot listen on {HOST}:{port}.",
            evidence=[str(problem)],
            fix="EmulatorServer(emulator, port=0)",
        ) from problem


def own_authority() -> Authority:
    """An authority made for one emulator, to be given as ``tls``.

    Raises:
        UsageError: QS120, if cryptography is not installed.
    """
    if importlib.util.find_spec("cryptography") is None:
        raise missing_extra("cryptography")
    from qsession._loopback._authority import make_authority

    return make_authority()


def _context(tls: tuple[str, str] | Authority | None) -> ssl.SSLContext | None:
    if not isinstance(tls, tuple):
        return None if tls is None else tls.context
    certificate, key = tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as problem:
        raise UsageError(
            "QS124",
            "The emulator's certificate or key cannot be used.",
            evidence=[f"certificate: {certificate}", f"key: {key}", str(problem)],
            fix="EmulatorServer(emulator, tls=('cert.pem', 'key.pem'))",
        ) from problem
    return context
