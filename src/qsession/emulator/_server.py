"""HTTP for an emulator: requests and responses on a socket. Alone in importing Werkzeug.

Werkzeug's own handler closes each connection and writes head and body apart, which
costs a client 42 ms a request (Nagle's algorithm against delayed acknowledgements);
so the handler here reads with Werkzeug and writes by itself, in one piece.
"""

from __future__ import annotations

import socket
import ssl
import threading
from http import HTTPStatus

from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
from werkzeug.wrappers import Request as Incoming

from qsession._clock import Clock
from qsession._model import Request, Response
from qsession.emulator._emulator import Emulator

_LARGEST_BODY = 64_000_000
_IDLE_SECONDS = 120
_FAREWELL_SECONDS = 5.0


class _Reader(Incoming):
    max_content_length = _LARGEST_BODY


class LoopbackServer(ThreadedWSGIServer):
    """A threaded server that can say goodbye.

    Args:
        listener: A listening socket; the server uses a duplicate of it.
        emulator: What answers.
        clock: Where moments come from.
        context: TLS, or None.
    """

    def __init__(
        self,
        listener: socket.socket,
        emulator: Emulator,
        clock: Clock,
        context: ssl.SSLContext | None,
    ) -> None:
        self.emulator = emulator
        self.clock = clock
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        host, port = listener.getsockname()
        super().__init__(host, port, _unused, _Handler, fd=listener.fileno())
        # Not passed to Werkzeug: it would shake hands while accepting, so that one
        # silent client could keep all others out.
        self.ssl_context = context
        self._loop = threading.Event()

    def serve(self) -> None:
        """Accept connections until told to stop."""
        self._loop.set()
        self.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Finish what is under way and close everything."""
        if self._loop.is_set():
            self.shutdown()
        with self._lock:
            open_now = dict(self._connections)
        for connection in open_now:
            _no_more_requests(connection)
        for thread in open_now.values():
            thread.join(_FAREWELL_SECONDS)
        self.server_close()

    def finish_request(self, request: object, client_address: object) -> None:
        """Serve one connection in its own thread."""
        assert isinstance(request, socket.socket)
        request.settimeout(_IDLE_SECONDS)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        try:
            connection = self._secured(request)
        except OSError:
            return  # no TLS, or gone: nobody to tell
        with self._lock:
            self._connections[connection] = threading.current_thread()
        try:
            super().finish_request(connection, client_address)
        finally:
            with self._lock:
                del self._connections[connection]
            self.shutdown_request(connection)

    def _secured(self, connection: socket.socket) -> socket.socket:
        if self.ssl_context is None:
            return connection
        return self.ssl_context.wrap_socket(connection, server_side=True)


def _no_more_requests(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        return  # closed in the meantime


def _unused(environ: object, start_response: object) -> list[bytes]:
    raise NotImplementedError  # the handler asks the emulator itself


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def run_wsgi(self) -> None:
        """Answer one request of a connection that stays open."""
        self.environ = self.make_environ()
        try:
            self._write(self.server.emulator.answer(self._request(), self.server.clock.now()))
        except RequestEntityTooLarge:
            # What is left of the body would be taken for the next request.
            self.close_connection = True
            self._write(Response(413, HTTPStatus(413).phrase))
        except ClientDisconnected:
            self.close_connection = True

    def _request(self) -> Request:
        incoming = _Reader(self.environ)
        body = incoming.get_data(cache=False)
        headers = {name.lower(): value for name, value in self.headers.items()}
        scheme = self.environ["wsgi.url_scheme"]
        host = self.environ.get("HTTP_HOST") or "127.0.0.1"
        target = (
            self.path if self.path.startswith("/") else "/" + self.path.partition("://")[2].partition("/")[2]
        )
        return Request(self.command, f"{scheme}://{host}{target}", headers, body)

    def _write(self, response: Response) -> None:
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if response.status != HTTPStatus.NO_CONTENT:
            lines.append(f"content-length: {len(response.body)}")
        if self.close_connection:
            lines.append("connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + response.body)

    def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002
        """Stay silent: a request log is for whoever asks for one."""
