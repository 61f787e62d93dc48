"""A server that nothing brings down: garbage, silence, crowds, failures, an end in the middle."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import socket
import ssl
import threading
from contextlib import ExitStack

import pytest
from emulator_caller import T0
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from qsession._loopback import _server
from qsession._loopback._authority import make_authority
from qsession._loopback._http import Limits
from qsession._loopback._request_log import RequestLog
from qsession._loopback._server import LoopbackServer, Service
from qsession.emulator import Emulator

BRIEF = Limits(idle=30, head=0.3, body=0.5)
OK = b"GET /api/v1/versions HTTP/1.1\r\nhost: localhost\r\nibm-api-version: 2026-04-15\r\n\r\n"


class StoppedClock:
    def now(self) -> int:
        return T0

    def wait(self, length: int) -> None:
        raise AssertionError("nobody waits here")


class Fragile(Emulator):
    """An emulator with a fault."""

    def answer(self, request, at):
        if "fault" in request.url:
            raise KeyError("a planted-secret that came with the request")
        return super().answer(request, at)


@pytest.fixture(scope="module")
def authority():
    return make_authority()


@pytest.fixture
def log():
    return io.StringIO()


@pytest.fixture
def server(authority, log):
    emulator = Fragile(backends=("ibm_fez",))
    service = Service(
        # Looked up anew, as a test may replace it.
        answer=lambda request, at: type(emulator).answer(emulator, request, at),
        clock=StoppedClock(),
        context=authority.context,
        log=RequestLog(log),
        limits=BRIEF,
    )
    running = LoopbackServer(socket.create_server(("127.0.0.1", 0), backlog=128), service)
    running.start()
    yield running
    running.stop()


def opened(server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def said(server, *pieces: bytes, end: bool = False) -> bytes:
    """Everything that the server says to some bytes until it closes the connection."""
    with opened(server) as connection:
        for piece in pieces:
            connection.sendall(piece)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def is_well(server) -> bool:
    """Whether the next client is served."""
    answer = said(server, OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    return answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"}")


def document(answer: bytes):
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.splitlines()[0].decode(), json.loads(body)


def test_refusal_of_garbage_is_in_the_form_of_the_service(server):
    """Whoever sends it may want to read why."""
    status, told = document(said(server, b"\x00\x01\x02garbage"))
    assert status == "HTTP/1.1 400 Bad Request"
    assert told["errors"][0]["message"] == "The request cannot be read: illegal request line"
    assert len(told["trace"]) == 36
    assert is_well(server)


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([b"GET / HTTP/1.1\r\nhost: lo"], b"408"),
        ([b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"], b"408"),
        ([b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 200 + b"\r\n"], b"431"),
        ([b"GET /" + b"a" * 70_000], b"414"),
        ([b"GET / HTTP/3.0\r\n\r\n"], b"505"),
        ([b"POST / HTTP/1.1\r\nhost: localhost\r\nexpect: miracles\r\n\r\n"], b"417"),
        ([b"FROBNICATE /api/v1/jobs HTTP/1.1\r\nhost: quantum.cloud.ibm.com\r\nconnection: close\r\n\r\n"], b"405"),
        ([b"CONNECT cloud.ibm.com:443 HTTP/1.1\r\nhost: cloud.ibm.com\r\n\r\n"], b"405"),
        ([b"CONNECT /api/v1/versions HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"], b"405"),
        ([b"GET /api/v1/versions HTTP/1.1\r\nhost: rebound.example.com\r\n\r\n"], b"421"),
        ([b"GET /api/v1/versions HTTP/1.1\r\nhost: localhost\r\norigin: https://example.com\r\n\r\n"], b"403"),
        ([b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\n{}"], b"415"),
    ],
)  # fmt: skip
def test_whoever_asks_wrongly_is_told_and_let_go(server, pieces, status):
    """Each ends with an answer and the end of the connection, and harms nobody."""
    assert said(server, *pieces).startswith(b"HTTP/1.1 " + status + b" ")
    assert is_well(server)


def test_preflight_of_a_web_page_gets_no_leave(server):
    """A browser that asks whether another origin may is told nothing."""
    ask = (
        b"OPTIONS /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\norigin: https://example.com\r\n"
        b"access-control-request-method: POST\r\naccess-control-request-headers: authorization\r\n\r\n"
    )
    answer = said(server, ask)
    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"access-control" not in answer.lower()


def test_large_refused_body_does_not_take_the_answer_away(server):
    """The client is still sending when it is refused: it reads why, all the same."""
    head = b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: text/plain\r\ncontent-length: 900000\r\n\r\n"
    assert said(server, head, b"x" * 900_000).startswith(b"HTTP/1.1 415 ")


def test_what_is_sent_after_the_last_request_does_not_take_its_answer_away(server):
    """The client said itself that it was the last."""
    last = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    assert said(server, last, b"x" * 900_000).startswith(b"HTTP/1.1 200 ")


def test_pipelined_requests_are_answered_in_their_order(server):
    """And what follows them that is none ends the connection."""
    answers = said(server, OK + OK.replace(b"versions", b"nothing") + b"\x00")
    assert re.findall(rb"HTTP/1.1 (\d+)", answers) == [b"200", b"404", b"400"]


def test_old_client_is_answered_and_let_go(server):
    """HTTP/1.0 ends a body by closing."""
    assert said(server, b"GET /api/v1/versions HTTP/1.0\r\nhost: quantum.cloud.ibm.com\r\n\r\n").startswith(
        b"HTTP/1.1 200 OK\r\n"
    )


def test_client_that_waits_for_a_word_gets_it_before_it_sends(server):
    """And one that is refused is not asked for its body."""
    head = b"POST /api/v1/sessions HTTP/1.1\r\nhost: %s\r\nibm-api-version: 2026-04-15\r\nauthorization: Bearer x\r\ncontent-type: application/json\r\ncontent-length: 2\r\nexpect: 100-continue\r\n\r\n"
    with opened(server) as connection, connection.makefile("rb") as answer:
        connection.sendall(head % b"localhost")
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert answer.readline() == b"\r\n"
        connection.sendall(b"{}")
        assert answer.readline() == b"HTTP/1.1 400 Bad Request\r\n"
    assert said(server, head % b"example.com").startswith(b"HTTP/1.1 421 ")


def test_head_has_no_body_and_is_refused(server):
    """The service has no such call (inferred)."""
    answer = said(
        server, b"HEAD /api/v1/versions HTTP/1.1\r\nhost: quantum.cloud.ibm.com\r\nconnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert answer.endswith(b"\r\nConnection: close\r\n\r\n")
    strange = said(server, b"HEAD / HTTP/1.1\r\nhost: example.com\r\n\r\n")
    assert strange.startswith(b"HTTP/1.1 421 ")
    assert strange.endswith(b"connection: close\r\n\r\n")


def test_one_port_speaks_tls_and_plain_http(server, authority):
    """Whichever a client begins with; under IBM's names and this machine's."""
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    for name in ("127.0.0.1", "localhost", "quantum.cloud.ibm.com", "private.eu-de.quantum.cloud.ibm.com"):
        with opened(server) as raw, context.wrap_socket(raw, server_hostname=name) as secured:
            secured.sendall(OK)
            assert secured.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert is_well(server)


def test_garbage_after_a_tls_hello_ends_the_connection_alone(server):
    """No traceback, no thread that hangs."""
    with contextlib.suppress(OSError):
        said(server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600)
    with contextlib.suppress(OSError):
        said(server, b"\x16")  # the handshake has its time
    assert is_well(server)


def test_two_hundred_idle_connections_keep_nobody_out(server):
    """Each has a thread of its own, which sleeps."""
    with ExitStack() as crowd:
        for _ in range(200):
            crowd.enter_context(opened(server))
        assert is_well(server)
    assert is_well(server)


def test_client_for_whom_there_is_no_thread_is_let_go_alone(server, monkeypatch):
    """A machine has only so many; the next one may have one again."""
    real = threading.Thread.start

    def start(thread):
        monkeypatch.setattr(threading.Thread, "start", real)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with contextlib.suppress(OSError):
        assert said(server, OK) == b""
    assert is_well(server)


def test_client_that_leaves_before_its_answer_harms_nobody(server):
    """A reset connection is nobody's concern."""
    for _ in range(20):
        connection = opened(server)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        connection.sendall(OK * 50)
        connection.close()
    assert is_well(server)


def test_fault_of_the_emulator_is_an_answer_and_a_line_of_the_log(server, log):
    """The client gets no traceback, and the log what is needed and nothing that came with a request."""
    connection = http.client.HTTPConnection("localhost", server.port, timeout=20)
    connection.request("GET", "/api/v1/fault", headers={"host": "quantum.cloud.ibm.com"})
    response = connection.getresponse()
    told = json.loads(response.read())
    assert response.status == 500
    assert told["errors"][0]["message"] == "The emulator failed; its request log says where."
    connection.request("GET", "/api/v1/versions", headers={"host": "quantum.cloud.ibm.com"})
    assert connection.getresponse().status == 200
    connection.close()
    line = log.getvalue().splitlines()[0]
    assert " GET ? 500 " in line
    assert line.split("ms ")[1].startswith("KeyError at test_emulator_robustness.py:")
    assert "planted-secret" not in log.getvalue()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(b"\x16\x00\x00\x00\x00\x00")
@given(
    st.one_of(
        st.binary(max_size=300),
        st.builds(lambda b, n: OK[:n] + b, st.binary(max_size=60), st.integers(0, len(OK))),
    )
)
def test_any_bytes_end_in_an_answer_or_in_silence(server, sent):
    """Never in a hang, and the emulator lives on."""
    answer = b""
    # A handshake that is none is broken off, with what came after it unread.
    with contextlib.suppress(OSError) if sent[:1] == b"\x16" else contextlib.nullcontext():
        answer = said(server, sent, end=True)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 5", b"\x15"))


def test_stop_finishes_an_answer_over_tls_in_secret(server, authority, monkeypatch):
    """What is under way when the server stops goes out encrypted, as it began."""
    entered, release = threading.Event(), threading.Event()
    real = Emulator.answer

    def slow(self, request, at):
        entered.set()
        assert release.wait(20)
        return real(self, request, at)

    told = threading.Event()
    tell = _server._no_more_requests
    monkeypatch.setattr(_server, "_no_more_requests", lambda each: (tell(each), told.set()))
    monkeypatch.setattr(Fragile, "answer", slow)
    context = ssl.create_default_context(cadata=authority.certificate.decode())
    with opened(server) as raw, context.wrap_socket(raw, server_hostname="cloud.ibm.com") as secured:
        secured.sendall(OK)
        assert entered.wait(20)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert told.wait(20)
        release.set()
        answer = b"".join(iter(lambda: secured.recv(65_536), b""))
        stopping.join()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close" in answer
