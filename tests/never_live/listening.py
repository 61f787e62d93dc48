"""A TLS server that counts who comes, and answers everybody."""

from __future__ import annotations

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from own_authority import Authority

_ANSWER = b'{"id": "from the listening server", "state": "open", "status": "active"}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    do_GET = do_POST = _answer  # noqa: N815 - names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Stay silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.accepted = 0

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        self.accepted += 1
        return connection, address

    def finish_request(self, request: socket.socket, address: object) -> None:
        # The handshake belongs to the thread of the connection, or one silent
        # client would keep out all others.
        try:
            with self.context.wrap_socket(request, server_side=True) as secured:
                super().finish_request(secured, address)
        except OSError:
            return


class Listener:
    """Listens until it is stopped; ``accepted`` counts connections, also failed ones."""

    def __init__(self, authority: Authority) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.certificate, authority.key)
        self._server = _Server(context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def accepted(self) -> int:
        return self._server.accepted

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
