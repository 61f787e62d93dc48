"""A server round an emulator, for this machine only, and the way for clients to it."""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import ssl
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Self

from qsession._clock import Clock, SystemClock
from qsession.emulator._emulator import Emulator
from qsession.emulator._programs import missing_extra, warm
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession.emulator._server import LoopbackServer

HOST = "127.0.0.1"
"""The only address it listens on."""

FAKE_KEY = "emulated-key-that-opens-nothing"
"""API key for clients where the emulator takes any."""


class EmulatorServer:
    """Serves one emulator over HTTP/1.1 on 127.0.0.1. A context manager.

    Enter it from a thread that lives on, the main one as a rule: entering imports
    qiskit, which takes a second or two the first time.

    Args:
        emulator: What answers; make it strict, so that only clients that asked
            its IAM for a token get anything.
        port: Port, 0 for a free one.
        tls: Certificate and key file in PEM; plain HTTP without.
        clock: Where the moment of each request comes from; the machine's by default.

    Raises:
        UsageError: QS120, if a part of the extra ``emulator`` is not installed;
            QS124, if the port is taken or the certificate cannot be used.
    """

    def __init__(
        self,
        emulator: Emulator,
        *,
        port: int = 0,
        tls: tuple[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        for module, package in (("werkzeug", "werkzeug"), ("qiskit_aer", "qiskit-aer")):
            if importlib.util.find_spec(module) is None:
                raise missing_extra(package)
        self.emulator = emulator
        self._clock = clock or SystemClock()
        self._tls = tls
        self._server = self._bind(port)
        self._thread = threading.Thread(target=self._server.serve, name="qsession-emulator", daemon=True)

    def _bind(self, port: int) -> LoopbackServer:
        http = importlib.import_module("qsession.emulator._server")
        context = None if self._tls is None else _context(*self._tls)
        try:
            # Bound here: Werkzeug ends the process when a port is taken.
            with socket.create_server((HOST, port), backlog=128) as listener:
                server: LoopbackServer = http.LoopbackServer(listener, self.emulator, self._clock, context)
        except (OSError, OverflowError) as problem:
            raise UsageError(
                "QS124",
                f"The emulator cannot listen on {HOST}:{port}.",
                evidence=[str(problem)],
                fix="EmulatorServer(emulator, port=0)",
            ) from problem
        return server

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    @property
    def url(self) -> str:
        """Scheme, address and port."""
        return f"{'https' if self._tls else 'http'}://{HOST}:{self.port}"

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
            "IAM_URL": self.url,
            "GLOBAL_SEARCH_URL": self.url,
            "GLOBAL_CATALOG_URL": f"{self.url}/globalcatalog/api/v1",
            "RESOURCE_CONTROLLER_URL": self.url,
            # A company's proxy must not be asked for an address of this machine.
            "NO_PROXY": around,
            "no_proxy": around,
        }

    def __enter__(self) -> Self:
        self._thread.start()
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
        if self._thread.is_alive():
            self._thread.join()


def _context(certificate: str, key: str) -> ssl.SSLContext:
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
