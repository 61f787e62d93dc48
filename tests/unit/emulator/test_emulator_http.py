"""HTTP off a socket: what is a request, what is none, and how it is said."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._clock import SystemClock
from qsession.emulator._http import Gone, Head, Inbox, Limits, Unreadable, declared_length, parse_head

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!~", min_size=1, max_size=20)
VALUE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, blacklist_categories=["Cc"]), max_size=40
)
BRIEF = Limits(idle=0.1, head=0.1, body=0.1, head_size=400, headers=3, body_size=50)


def read(*pieces: bytes, limits: Limits = BRIEF, end: bool = True):
    """What an inbox makes of pieces that come one after the other: heads and bodies."""
    ours, theirs = socket.socketpair()
    found = []
    with ours, theirs:
        for piece in pieces:
            theirs.sendall(piece)
        if end:
            theirs.shutdown(socket.SHUT_WR)
        inbox = Inbox(ours, limits, SystemClock().now)
        while True:
            try:
                head = inbox.head()
                found.append((head, inbox.body(head)))
            except Gone:
                return found
            except Unreadable as problem:
                return [*found, (problem.status, problem.why)]


def test_pipelined_requests_are_read_one_by_one():
    """A client need not wait for an answer before it asks again."""
    first, second = read(
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc\r\nGET /b?c=d HTTP/1.0\r\n\r\n"
    )
    assert first == (Head("POST", "/a", False, {"host": "x", "content-length": "3"}), b"abc")
    assert second == (Head("GET", "/b?c=d", True, {}), b"")


def test_lines_may_end_without_a_carriage_return():
    """As a person types them (RFC 9112, 2.2)."""
    assert read(b"GET / HTTP/1.1\nHost: x\n\n") == [(Head("GET", "/", False, {"host": "x"}), b"")]


def test_chunks_are_joined_and_trailers_left_out():
    """A body whose length was not known."""
    chunks = b"3\r\nabc\r\n0002;quality=low\r\nde\r\n0\r\nX-Digest: 1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    (_, body), (after, _) = read(b"POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks)
    assert (body, after.method) == (b"abcde", "GET")


@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        (b"\x16\x03\x01\x02\x00", 400, "this is not HTTP"),
        (b"\x00", 400, "this is not HTTP"),
        (b" GET / HTTP/1.1\r\n\r\n", 400, "the request line is none"),
        (b"A" * 33, 400, "this is not HTTP"),
        (b"GET /\r\n\r\n", 400, "the request line is none"),
        (b"GET / HTTP/1.1", 400, "the request ends early"),
        (b"GET  / HTTP/1.1\r\n\r\n", 400, "the request line is none"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400, "the request line is none"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1.1 is spoken here"),
        (b"GET / SPDY/1\r\n\r\n", 400, "HTTP/1.1 is spoken here"),
        (b"GET /" + b"a" * 500, 414, "the head is too large"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 500, 431, "the head is too large"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 400 + b"\r\n\r\n", 431, "the head is too large"),
        (b"GET / HTTP/1.1\r\na: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n", 431, "there are too many headers"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "a header is none"),
        (b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400, "a header is none"),
        (b"GET / HTTP/1.1\r\na: 1\r\n folded\r\n\r\n", 400, "a header is none"),
        (b"GET / HTTP/1.1\r\na: 1\x00\r\n\r\n", 400, "a header is none"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n", 400, "there are two headers host"),
        (b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400, "the content-length is no number"),
        (b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", 400, "the request ends early"),
        (b"POST / HTTP/1.1\r\ncontent-length: 51\r\n\r\n", 413, "the body is too large"),
        (b"POST / HTTP/1.1\r\ncontent-length: " + b"9" * 99 + b"\r\n\r\n", 413, "the body is too large"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n", 501, "this transfer coding is not spoken here"),
        (
            b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
            400,
            "the end of the body is told in two ways",
        ),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400, "a chunk has no size"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n-3\r\n", 400, "a chunk has no size"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n", 400, "a chunk is longer than it says"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nff\r\n", 413, "the body is too large"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 500, 400, "a line is too long"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a\r\n" * 9, 431, "there are too many trailers"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_told_so(said, status, why):
    """Each mistake has its status and its words."""
    assert read(said) == [(status, why)]


def test_silent_client_is_left_alone_and_a_slow_one_is_told():
    """Nobody waits for ever: not for a first byte, not for the end of a head or body."""
    assert read(end=False) == []
    assert read(b"GET / HT", end=False) == [(408, "the request takes too long")]
    slow = b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\n1"
    assert read(slow, end=False) == [(408, "the request takes too long")]


def test_head_has_one_time_for_all_its_pieces():
    """A client that sends a byte now and then does not hold a thread for ever."""
    ours, theirs = socket.socketpair()
    done = threading.Event()

    def drip():
        while not done.wait(0.02):
            theirs.sendall(b"x")

    with ours, theirs:
        theirs.sendall(b"GET /")
        dripping = threading.Thread(target=drip)
        dripping.start()
        with pytest.raises(Unreadable) as caught:
            Inbox(ours, Limits(head=0.2), SystemClock().now).head()
        done.set()
        dripping.join()
    assert (caught.value.status, caught.value.why) == (408, "the request takes too long")


@given(
    method=TOKEN, target=VALUE.map(lambda text: "/" + text), headers=st.dictionaries(TOKEN, VALUE, max_size=8)
)
def test_parsing_a_written_head_gives_it_back(method, target, headers):
    """Names in lower case, everything else as it was."""
    headers = {name.lower(): value for name, value in headers.items()}
    headers.pop("transfer-encoding", None)
    if not target.isascii():
        return
    lines = [f"{method} {target} HTTP/1.1", *(f"{name.title()}: {value}" for name, value in headers.items())]
    assert parse_head("\r\n".join(lines).encode("latin-1"), 8) == Head(method, target, False, headers)


@given(st.binary(max_size=200), st.integers(0, 1000))
def test_any_bytes_are_a_head_or_unreadable(said, most):
    """Nothing else can come of them."""
    with contextlib.suppress(Unreadable):
        head = parse_head(said, most)
        assert 0 <= declared_length(head, most) <= most
        assert len(head.headers) <= most


def test_repeated_headers_are_joined():
    """As HTTP has it, where that means something."""
    assert parse_head(b"GET / HTTP/1.1\r\naccept: a\r\nAccept: b", 2).headers == {"accept": "a, b"}
