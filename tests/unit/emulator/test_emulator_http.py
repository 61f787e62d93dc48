"""HTTP with one client: what is a request, what is none, and how it is answered."""

from __future__ import annotations

import re
import socket
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qsession._clock import SystemClock
from qsession._loopback._http import Gone, Limits, Peer, Unreadable
from qsession._model import Request, Response

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_.!~", min_size=1, max_size=20)
VALUE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, blacklist_categories=["Cc"]), max_size=40
).map(lambda text: text.strip("\x85\xa0"))
BRIEF = Limits(idle=0.1, head=0.1, body=0.1, head_size=400, headers=3, body_size=50)
POST = b"POST / HTTP/1.1\r\nhost: x\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
DONE = Response(200, "OK", {"content-type": "application/json"}, b"{}")
REFUSED = Response(405, "Method Not Allowed")


def talk(*pieces: bytes, limits: Limits = BRIEF, end: bool = True, answer: Response = DONE):
    """What a peer makes of pieces that come one after the other, and all that it says to them."""
    ours, theirs = socket.socketpair()
    found: list[object] = []
    with ours, theirs:
        for piece in pieces:
            theirs.sendall(piece)
        if end:
            theirs.shutdown(socket.SHUT_WR)
        peer = Peer(ours, limits, SystemClock().now)
        try:
            while True:
                head = peer.head()
                found.append((head, peer.body()))
                if not peer.answer(REFUSED if head.method == "CONNECT" else answer, closes=False):
                    break
        except Gone:
            pass
        except Unreadable as problem:
            found.append((problem.status, problem.why))
            peer.answer(Response(problem.status, "Wrong", {}, b"why"), closes=True)
        ours.shutdown(socket.SHUT_WR)
        return found, b"".join(iter(lambda: theirs.recv(65_536), b""))


def read(*pieces: bytes, end: bool = True):
    """What a peer makes of pieces: requests and their bodies."""
    return talk(*pieces, end=end)[0]


def test_pipelined_requests_are_read_one_by_one():
    """A client need not wait for an answer before it asks again; HTTP/1.0 ends with its own."""
    first, second = read(
        POST + b"Content-Length: 3\r\n\r\nabcGET /b?c=d HTTP/1.0\r\n\r\nGET / HTTP/1.0\r\n\r\n"
    )
    assert first == (Request("POST", "/", {"host": "x", "content-length": "3"}), b"abc")
    assert second == (Request("GET", "/b?c=d", {}), b"")


def test_lines_may_end_without_a_carriage_return():
    """As a person types them (RFC 9112, 2.2)."""
    assert read(b"GET / HTTP/1.1\nHost: x\n\n") == [(Request("GET", "/", {"host": "x"}), b"")]


def test_folded_header_is_one_line():
    """An old way to write a long one (RFC 9112, 5.2)."""
    assert read(b"GET / HTTP/1.0\r\na: 1\r\n\t2\r\n\r\n") == [(Request("GET", "/", {"a": "1 2"}), b"")]


def test_chunks_are_joined_and_trailers_left_out():
    """A body whose length was not known."""
    chunks = b"3\r\nabc\r\n0002;quality=low\r\nde\r\n0\r\nX-Digest: 1\r\n\r\nGET / HTTP/1.0\r\n\r\n"
    (_, body), (after, _) = read(CHUNKED + chunks)
    assert (body, after.method) == (b"abcde", "GET")


@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        (b"\x16\x03\x01\x02\x00", 400, "illegal request line"),
        (b"\x00", 400, "illegal request line"),
        (b" GET / HTTP/1.1\r\n\r\n", 400, "illegal request line"),
        (b"\r\nGET / HTTP/1.0\r\n\r\n", 400, "no request line received"),
        (b"A" * 33, 400, "peer unexpectedly closed connection"),
        (b"GET /\r\n\r\n", 400, "illegal request line"),
        (b"GET / HTTP/1.1", 400, "peer unexpectedly closed connection"),
        (b"GET  / HTTP/1.1\r\n\r\n", 400, "illegal request line"),
        (b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", 400, "illegal request line"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1.1 is spoken here"),
        (b"GET / HTTP/0.9\r\n\r\n", 505, "HTTP/1.1 is spoken here"),
        (b"GET / SPDY/1\r\n\r\n", 400, "illegal request line"),
        (b"GET /" + b"a" * 500, 414, "Receive buffer too long"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 500, 431, "Receive buffer too long"),
        (POST + b"a: 1\r\nb: 2\r\nc: 3\r\n\r\n", 431, "there are too many headers"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Missing mandatory Host: header"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, "illegal header line"),
        (b"GET / HTTP/1.1\r\nhost : x\r\n\r\n", 400, "illegal header line"),
        (b"GET / HTTP/1.1\r\n folded\r\n\r\n", 400, "continuation line at start of headers"),
        (b"GET / HTTP/1.1\r\na: 1\x00\r\n\r\n", 400, "illegal header line"),
        (b"GET / HTTP/1.1\r\na: 1\rb\r\n\r\n", 400, "illegal header line"),
        (b"GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n", 400, "Found multiple Host: headers"),
        (POST + b"authorization: a\r\nAuthorization: a\r\n\r\n", 400, "there are two headers authorization"),
        (POST + b"content-type: a\r\nContent-Type: a\r\n\r\n", 400, "there are two headers content-type"),
        (POST + b"content-length: -1\r\n\r\n", 400, "bad Content-Length"),
        (POST + b"content-length: \xb2\r\n\r\n", 400, "bad Content-Length"),
        (POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", 400, "conflicting Content-Length headers"),
        (POST + b"content-length: 51\r\n\r\n", 413, "the body is too large"),
        (POST + b"content-length: " + b"9" * 20 + b"\r\n\r\n", 413, "the body is too large"),
        (POST + b"content-length: " + b"9" * 99 + b"\r\n\r\n", 400, "bad Content-Length"),
        (POST + b"expect: miracles\r\n\r\n", 417, "only 100-continue can be expected"),
        (POST + b"transfer-encoding: gzip\r\n\r\n", 501, "Only Transfer-Encoding: chunked is supported"),
        (
            POST + b"transfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
            400,
            "the end of the body is told in two ways",
        ),
        (
            POST + b"content-length: 3\r\n\r\nab",
            400,
            "peer closed connection without sending complete message body (received 2 bytes, expected 3)",
        ),
        (CHUNKED + b"xyz\r\n", 400, "illegal chunk header"),
        (CHUNKED + b"-3\r\n", 400, "illegal chunk header"),
        (CHUNKED + b"2\nab\n0\n\n", 400, "peer unexpectedly closed connection"),
        (CHUNKED + b"2\r\nabc\r\n", 400, "malformed chunk footer"),
        (CHUNKED + b"ff\r\n" + b"a" * 51, 413, "the body is too large"),
        (CHUNKED + b"1\r\na\r\n" * 51, 413, "the body is too large"),
        (CHUNKED + b"1" * 500, 431, "Receive buffer too long"),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 99, 431, "Receive buffer too long"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_told_so(said, status, why):
    """Each mistake has its status and its words, and nothing of what was sent comes back."""
    assert read(said) == [(status, why)]


def test_answer_comes_in_one_piece_and_says_how_long_it_is():
    """Two would cost 40 ms (Nagle's algorithm against delayed acknowledgements)."""
    _, said = talk(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    assert said == b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def test_answer_to_head_and_answer_without_content_have_no_body():
    """The one tells the length that it would have, the other none."""
    _, said = talk(b"HEAD / HTTP/1.0\r\n\r\n")
    assert said.endswith(b"\r\ncontent-length: 2\r\nConnection: close\r\n\r\n")
    _, said = talk(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", answer=Response(204, "No Content"))
    assert said == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_mistake_after_head_has_its_words():
    """What was asked before says nothing about it."""
    found, said = talk(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n\x00")
    assert found[1] == (400, "illegal request line")
    assert said.endswith(b"content-length: 3\r\nconnection: close\r\n\r\nwhy")


def test_client_that_does_not_take_its_answer_is_gone():
    """It closed the connection, or reads nothing for too long."""
    for closes in (True, False):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(b"GET / HTTP/1.0\r\n\r\n")
            peer = Peer(ours, BRIEF, SystemClock().now)
            peer.head(), peer.body()
            if closes:
                theirs.close()
            with pytest.raises(Gone):
                peer.answer(Response(200, "OK", {}, b"x" * 9_000_000), closes=False)


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nconnection: Keep-Alive, Close\r\n\r\n",
    ],
)
def test_client_that_wants_one_answer_gets_one(said):
    """HTTP/1.0 always does; the answer says that the connection ends."""
    found, answer = talk(said + said)
    assert len(found) == 1
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == answer.count(b"\r\nConnection: close\r\n") == 1


def test_client_that_offers_another_protocol_stays_with_this_one():
    """Offers need not be taken (RFC 9110, 7.8)."""
    offer = b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\n\r\n"
    assert [head.headers["upgrade"] for head, _ in read(offer + offer)] == ["h2c", "h2c"]


def test_client_that_waits_for_a_word_gets_it_once_and_only_if_it_waits():
    """Whoever sent the body already, sends none or speaks HTTP/1.0 does not wait."""
    asks = POST + b"expect: 100-continue\r\ncontent-length: 2\r\n\r\n"
    _, said = talk(asks)
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 400 Wrong\r\n")
    for other in (asks + b"ab", asks.replace(b": 2", b": 0"), asks.replace(b"/1.1", b"/1.0")):
        assert b"100 Continue" not in talk(other)[1]


def test_silent_client_is_left_alone_and_a_slow_one_is_told():
    """Nobody waits for ever: not for a first byte, not for the end of a head or body."""
    assert read(end=False) == []
    assert read(b"GET / HT", end=False) == [(408, "the request takes too long")]
    slow = POST + b"content-length: 2\r\n\r\n1"
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
            Peer(ours, Limits(head=0.2), SystemClock().now).head()
        done.set()
        dripping.join()
    assert (caught.value.status, caught.value.why) == (408, "the request takes too long")


@given(
    method=TOKEN, target=VALUE.map(lambda text: "/" + text), headers=st.dictionaries(TOKEN, VALUE, max_size=8)
)
def test_reading_a_written_head_gives_it_back(method, target, headers):
    """Names in lower case, everything else as it was."""
    headers = {name.lower(): value for name, value in headers.items()}
    if not target.isascii() or {"transfer-encoding", "content-length", "expect", "host"} & set(headers):
        return
    lines = [f"{method} {target} HTTP/1.0", *(f"{name.title()}: {value}" for name, value in headers.items())]
    written = "\r\n".join([*lines, "", ""]).encode("latin-1")
    found, _ = talk(written, limits=Limits())
    assert found == [(Request(method, target, headers), b"")]


PIECES = [
    *(POST, CHUNKED, b"\r\n", b"\n", b"\r", b" ", b":", b"GET ", b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n"),
    *(b"0\r\n\r\n", b"1\r\na\r\n", b"ffffffff\r\n", b"; a=b\n\r\n", b"CONNECT x:1 HTTP/1.0\r\n\r\n"),
    *(b"expect: 100-continue\r\n", b"upgrade: h2c\r\n", b"content-length: 3\r\n", b"connection: close\r\n"),
]
HTTP = st.lists(st.one_of(st.binary(max_size=30), st.sampled_from(PIECES)), max_size=12)


@settings(deadline=None, max_examples=300)
@given(HTTP, st.booleans())
def test_any_bytes_are_requests_or_unreadable(pieces, ends):
    """Nothing else can come of them, however they are cut, and it has an end."""
    brief = Limits(idle=0.001, head=0.002, body=0.002, head_size=100, headers=3, body_size=5)
    found, said = talk(*pieces, limits=brief, end=ends)
    assert all(len(body) <= 5 for head, body in found if isinstance(head, Request))
    refused = [status for status, _ in found if isinstance(status, int)]
    assert set(refused) <= {400, 408, 413, 414, 417, 431, 501, 505}
    assert len(refused) <= 1
    assert len(re.findall(rb"HTTP/1.1 [2-5]\d\d ", said)) == len(found)


def test_head_at_its_bound_is_refused_before_long():
    """A run of blanks in a wrong header costs h11 the square of its length: hence the bound."""
    worst = b"GET / HTTP/1.1\r\nhost: x\r\na:" + b" " * 60_000 + b"\x00\r\n\r\n"
    assert talk(worst, limits=Limits())[0] == [(431, "Receive buffer too long")]


def test_repeated_headers_are_joined():
    """As HTTP has it, where that means something."""
    ((head, _),) = read(b"GET / HTTP/1.0\r\naccept: a\r\nAccept: b\r\n\r\n")
    assert head.headers == {"accept": "a, b"}
