"""Requests made by hand: what is unknown, malformed, of a wrong type, huge, unfinished or slow."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any

from benchmarks._fuzz_generated import Described
from benchmarks._fuzz_target import BOUND, FUZZED, Caller, Findings, Tally, bell_params

_MEGABYTE = 1_000_000
_STALLED = 20
"""Requests that are begun and left alone, for the length of the run."""

_PATIENCE = 21.0
"""Seconds after which a head that does not end has been answered with 408; 20 are allowed for it."""


@dataclass(frozen=True)
class Raw:
    """Bytes to send, and what they may be answered with.

    Attributes:
        what: What they are.
        pieces: The bytes, as they go out one after the other.
        statuses: What they may be answered with; None where the connection may just end.
        ends: Whether the sender then says that nothing follows.
        pause: Seconds between two pieces.
    """

    what: str
    pieces: tuple[bytes, ...]
    statuses: frozenset[int | None]
    ends: bool = False
    pause: float = 0.0


def raw(what: str, *pieces: bytes, status: int | None | tuple[int | None, ...], **more: Any) -> Raw:
    return Raw(what, pieces, frozenset(status if isinstance(status, tuple) else (status,)), **more)


def head(line: str, caller: Caller | None = None, *more: str) -> bytes:
    """A head as the client sends it, with a token and an instance if somebody asks."""
    lines = [f"{line} HTTP/1.1", "host: 127.0.0.1", "connection: close", *more]
    if caller is not None:
        lines += [f"{name}: {value}" for name, value in caller.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: bytes, caller: Caller, *more: str) -> bytes:
    return (
        head(
            f"POST /api/v1{path}",
            caller,
            "content-type: application/json",
            f"content-length: {len(body)}",
            *more,
        )
        + body
    )


def unknown(caller: Caller) -> Iterator[Raw]:
    """Paths, methods, ids, backends, instances and tokens that there are not."""
    for path in (
        "/",
        "//",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v2/jobs",
        "/../etc/passwd",
        "/api/v1/jobs/a/b/c",
        "/%00",
        "*",
    ):
        yield raw(f"path {path}", head(f"GET {path}", caller), status=(404, 405))
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "CONNECT", "FROBNICATE", "get"):
        yield raw(f"method {method}", head(f"{method} /api/v1/jobs", caller), status=(404, 405))
    for path in (
        "/jobs/nope",
        "/jobs/%2e%2e",
        "/jobs/" + "x" * 8000,
        "/sessions/nope",
        "/backends/nope/status",
        "/backends/%F0%9F%92%A5/properties",
        "/accounts/nope",
    ):
        yield raw(f"id {path[:30]}", head(f"GET /api/v1{path}", caller), status=404)
    for name in ("sessions", "jobs"):
        body = {"mode": "batch", "program_id": "sampler", "backend": "nope", "params": {}}
        yield raw(f"backend of {name}", post(f"/{name}", json.dumps(body).encode(), caller), status=400)
    for token in (
        "",
        "Bearer",
        "Bearer x",
        "Bearer a.b.c",
        f"Bearer {caller.token}x",
        "apikey",
        "apikey x",
        "Basic eDp5",
        "Bearer \xff",
    ):
        line = f"GET /api/v1/backends HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nservice-crn: {FUZZED.crn}\r\nauthorization: {token}\r\n\r\n"
        yield raw(f"token {token[:12]!r}", line.encode("latin-1"), status=401)
    for crn in ("", "crn:v1:other", "\xff", "x" * 5000):
        line = f"GET /api/v1/backends HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nservice-crn: {crn}\r\nauthorization: Bearer {caller.token}\r\n\r\n"
        yield raw(f"instance {crn[:12]!r}", line.encode("latin-1"), status=404)
    for version in ("", "x", "1999-01-01", "2026-13-45", "9" * 5000):
        line = f"GET /api/v1/backends HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nservice-crn: {FUZZED.crn}\r\nauthorization: Bearer {caller.token}\r\nibm-api-version: {version}\r\n\r\n"
        yield raw(f"version {version[:12]!r}", line.encode("latin-1"), status=400)


MALFORMED = {
    "nothing": b"",
    "cut": b'{"mode":',
    "a word": b"nul",
    "a number": b"1e999999",
    "no object": b"[]",
    "text": b'"mode"',
    "NaN": b'{"mode":NaN}',
    "infinity": b'{"max_ttl":-Infinity,"mode":"batch","backend":"ibm_fez"}',
    "a huge exponent": b'{"mode":"batch","backend":"ibm_fez","max_ttl":1e400}',
    "a number of 10,000 digits": b'{"mode":"batch","backend":"ibm_fez","max_ttl":' + b"9" * 10_000 + b"}",
    "no UTF-8": b'{"mode":"\xff\xfe"}',
    "UTF-16": '{"mode":"x"}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "half a surrogate": b'{"mode":"\\ud800"}',
    "a NUL": b'{"mode":"\\u0000"}\x00',
    "the same key twice": b'{"mode":"batch","mode":7}',
    "a trailing comma": b'{"mode":"batch",}',
    "two documents": b"{}{}",
    "100,000 open brackets": b"[" * 100_000,
    "100,000 open objects": b'{"a":' * 100_000,
    "compressed": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}
"""Bodies that are no JSON, or none that any call takes."""

WRITES = (
    ("POST", "/sessions"),
    ("POST", "/jobs"),
    ("PATCH", "/sessions/{session}"),
    ("PUT", "/jobs/{job}/tags"),
    ("PUT", "/instances/configuration"),
)


def malformed(caller: Caller) -> Iterator[Raw]:
    places = {"session": caller.session("batch"), "job": caller.job()}
    for method, path in WRITES:
        for what, body in MALFORMED.items():
            start = post(path.format(**places), body, caller).replace(b"POST", method.encode(), 1)
            # Without a body nothing is declared, and an empty one is as little JSON.
            yield raw(f"{what} to {method} {path}", start, status=400)


def framed(caller: Caller) -> Iterator[Raw]:
    """What is no request, too large, cut off, declared wrongly, from a web page or for another host."""
    good = head("GET /api/v1/versions")
    declared = head("POST /api/v1/jobs", caller, "content-type: application/json", "content-length: 900")
    yield raw("garbage", b"\x00\x01\x02 garbage\r\n\r\n", status=400)
    yield raw(
        "a TLS hello to plain HTTP",
        b"\x16\x03\x01\x02\x00\x01\x00" + b"\x00" * 500,
        status=(400, None),
        ends=True,
    )
    yield raw("HTTP/9.9", good.replace(b"HTTP/1.1", b"HTTP/9.9"), status=505)
    yield raw("no host", b"GET /api/v1/versions HTTP/1.1\r\n\r\n", status=400)
    yield raw("another host", good.replace(b"127.0.0.1", b"rebound.example.com"), status=421)
    yield raw("a web page", head("GET /api/v1/versions", None, "origin: https://example.com"), status=403)
    yield raw("a browser", head("GET /api/v1/versions", None, "sec-fetch-site: cross-site"), status=403)
    yield raw("plain text", declared.replace(b"application/json", b"text/plain"), status=415)
    yield raw(
        "two lengths", declared.replace(b"content-length", b"content-length: 7\r\ncontent-length"), status=400
    )
    yield raw("a length that is none", declared.replace(b"900", b"-1"), status=400)
    yield raw(
        "length and chunks", declared.replace(b"host", b"transfer-encoding: chunked\r\nhost"), status=400
    )
    yield raw(
        "another encoding",
        declared.replace(b"host", b"transfer-encoding: gzip\r\nhost").replace(
            b"content-length: 900\r\n", b""
        ),
        status=501,
    )
    yield raw(
        "wrong chunks",
        head("POST /api/v1/jobs", caller, "content-type: application/json", "transfer-encoding: chunked"),
        b"zz\r\n",
        status=400,
    )
    yield raw("an expectation", head("GET /api/v1/versions", None, "expect: miracles"), status=417)
    yield raw(
        "200 headers", head("GET /api/v1/versions", None, *(f"a{n}: b" for n in range(200))), status=431
    )
    yield raw("a header of 100 kB", head("GET /api/v1/versions", None, "a: " + "b" * 100_000), status=431)
    yield raw("a path of 100 kB", head("GET /api/v1/" + "a" * 100_000), status=414)
    yield raw("a head cut off", good[:40], status=(400, None), ends=True)
    yield raw("a body cut off", declared + b'{"program_id"', status=(400, None), ends=True)
    yield raw("nothing at all", status=None, ends=True)
    yield raw("a head byte by byte", *(bytes([byte]) for byte in good), status=200, pause=0.004)
    slow = post("/sessions", b'{"mode":"batch","backend":"ibm_fez"}', caller)
    yield raw(
        "a body byte by byte", slow[:-36], *(bytes([byte]) for byte in slow[-36:]), status=200, pause=0.01
    )
    yield raw("two requests at once", good.replace(b"connection: close\r\n", b"") + good, status=200)


def huge(caller: Caller) -> Iterator[Raw]:
    """More than a job, or any body, may have; the last is sent in full."""
    yield raw(
        "70 MB declared",
        head(
            "POST /api/v1/jobs", caller, "content-type: application/json", f"content-length: {70 * _MEGABYTE}"
        ),
        status=413,
    )
    yield raw(
        "10^30 bytes declared",
        head("POST /api/v1/jobs", caller, "content-type: application/json", f"content-length: {10**30}"),
        status=(400, 413),
    )
    job = {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": ["x" * (51 * _MEGABYTE)]}}
    yield raw("a job of 51 MB", post("/jobs", json.dumps(job).encode(), caller), status=413)
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    start = head("POST /api/v1/jobs", caller, "content-type: application/json", "transfer-encoding: chunked")
    yield raw("65 MB in chunks", start, *([chunk] * 65), status=413)
    session = {"mode": "batch", "backend": "x" * (20 * _MEGABYTE)}
    yield raw("a name of 20 MB", post("/sessions", json.dumps(session).encode(), caller), status=400)
    tags = {"tags": ["x"] * 2_000_000}
    yield raw(
        "two million tags",
        post(f"/jobs/{caller.job()}/tags", json.dumps(tags).encode(), caller).replace(b"POST", b"PUT", 1),
        status=400,
    )
    flat = {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [[]] * 500_000}}
    yield raw("half a million PUBs", post("/jobs", json.dumps(flat).encode(), caller), status=(200, 400))


JUNK: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, 2**31, 2**63, -(2**63), 10**30, 1e308, "", " ", "x", "x" * 200, "x" * 20_000, "\u0000", "\ud800", "🜁" * 50, "ibm_fez\n", "../..",
    "null", "1", "-1", "99999999999", "true", [], {}, [None], [[]], [{}], ["x"] * 9, ["x" * 87], [1, "x"], [["x"]], {"a": {}}, {"": ""}, {"__type__": "x"},
    {"__type__": "ndarray", "__value__": 7}, {"__type__": ["ndarray"], "__value__": {}}, {"__type__": "QuantumCircuit", "__value__": "!"},
)  # fmt: skip
"""What stands in for each field of each body."""


def bodies() -> Iterable[tuple[str, str, str, dict[str, object]]]:
    """Component, method, path and a body that is taken: of sessions, jobs, instances and discovery."""
    job = {
        "program_id": "sampler",
        "backend": "ibm_fez",
        "params": bell_params(),
        "session_id": None,
        "tags": ["a"],
        "cost": 5,
    }
    job |= {"private": True, "runtime": "a:b", "log_level": "DEBUG", "calibration_id": None}
    session: dict[str, object] = {
        "mode": "batch",
        "backend": "ibm_fez",
        "instance": FUZZED.crn,
        "max_ttl": 60,
        "active_ttl": 9,
        "interactive_ttl": 3,
    }
    named: dict[str, object] = {"mode": "dedicated", "backend_name": "ibm_fez"}
    crn = FUZZED.crn.replace("/", "%2F")
    yield "session_create", "POST", "/api/v1/sessions", session
    yield "session_create", "POST", "/api/v1/sessions", named
    yield "session_update", "PATCH", "/api/v1/sessions/{session}", {"accepting_jobs": True}
    yield "job_create", "POST", "/api/v1/jobs", job
    yield "job_tags", "PUT", "/api/v1/jobs/{job}/tags", {"tags": ["b"]}
    yield "instance_configure", "PUT", "/api/v1/instances/configuration", {"instance_limit": None}
    yield "resource_update", "PATCH", f"/v2/resource_instances/{crn}", {"name": "fuzzed", "parameters": {}}
    yield (
        "resource_update",
        "PATCH",
        f"/v2/resource_instances/{crn}",
        {"parameters": {"instance_limit_seconds": "9", "usage_allocation_seconds": None}},
    )
    yield (
        "search_request",
        "POST",
        "/v3/resources/search",
        {"query": "name:*", "fields": ["*"], "search_cursor": None},
    )


def replaced(body: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """The body with each field, at its root and below, left out and replaced by each piece of junk."""
    for key, value in body.items():
        yield f"without {key}", {k: v for k, v in body.items() if k != key}
        for junk in JUNK:
            yield key, {**body, key: junk}
        if isinstance(value, dict):
            for below, inner in replaced(value):
                yield f"{key}.{below}", {**body, key: inner}
        if isinstance(value, list) and value:
            for junk in JUNK:
                yield f"{key}[0]", {**body, key: [junk, *value[1:]]}


class ByHand:
    """Sends what was made by hand.

    Args:
        caller: Who asks.
        described: The description.
        tally: Where requests are counted.
        findings: Where findings go.
    """

    def __init__(self, caller: Caller, described: Described, tally: Tally, findings: Findings) -> None:
        self._caller = caller
        self._described = described
        self._tally = tally
        self._findings = findings
        self._stalled: list[tuple[float, socket.socket]] = []

    def stall(self) -> None:
        """Begin requests, and leave them alone until `part`."""
        beginnings = (
            b"",
            b"G",
            b"GET /api/v1/versions HTTP/1.1\r\nhost: local",
            head("POST /api/v1/jobs", self._caller, "content-type: application/json", "content-length: 99"),
        )
        for number in range(_STALLED):
            connection = socket.create_connection(("127.0.0.1", self._caller.server.port), timeout=BOUND)
            connection.sendall(beginnings[number % len(beginnings)])
            self._stalled.append((perf_counter(), connection))

    def part(self) -> None:
        """End what was stalled. A head that had its time must have been answered with 408."""
        for number, (began, connection) in enumerate(self._stalled):
            if number % 4 in {1, 2} and perf_counter() - began > _PATIENCE:
                connection.settimeout(1)
                status, body = _told(_rest(connection))
                self._tally.note("by hand", "a head that does not end", status or 0, 0)
                self._expect("a head that does not end", status, frozenset({408}), body)
            connection.close()
        began = perf_counter()
        while any(t.name == "qsession-connection" for t in threading.enumerate()):
            if perf_counter() - began > BOUND:
                self._findings.add("threads of closed connections live on")
                return
            sleep(0.05)

    def run(self) -> None:
        """All that there is, in order."""
        for part in (unknown, malformed, framed, huge):
            for each in part(self._caller):
                self._send(each)
        self._wrong_types()

    def _send(self, each: Raw) -> None:
        began = perf_counter()
        allowed = BOUND + each.pause * len(each.pieces)
        with socket.create_connection(("127.0.0.1", self._caller.server.port), timeout=allowed) as connection:
            # A server that has heard enough may close: what it said is there all the same.
            with suppress(ConnectionError):
                for piece in each.pieces:
                    connection.sendall(piece)
                    sleep(each.pause)
                if each.ends:
                    connection.shutdown(socket.SHUT_WR)
            answer = _rest(connection)
        status, body = _told(answer)
        took = perf_counter() - began - each.pause * len(each.pieces)
        self._tally.note("by hand", each.what, status or 0, took)
        if took > BOUND:
            self._findings.add(f"{each.what}: {took:.1f} s")
        self._expect(each.what, status, each.statuses, body)

    def _expect(self, what: str, status: int | None, statuses: frozenset[int | None], body: bytes) -> None:
        if status not in statuses:
            self._findings.add(
                f"{what}: answered with {status}, not {sorted(map(str, statuses))}", repr(body[:300])
            )
        if b"Traceback" in body:
            self._findings.add(f"{what}: a traceback in the answer", repr(body[:300]))
        if status is not None and status >= 400 and body:
            try:
                wrong = self._described.errors("error", json.loads(body))
            except ValueError:
                wrong = ["no JSON"]
            if wrong:
                self._findings.add(f"{what}: an error in another form", f"{wrong} {body[:200]!r}")

    def _wrong_types(self) -> None:
        for pointer, method, path, body in bodies():
            for field, changed in replaced(body):
                places = {"session": "", "job": ""}
                if "{" in path:
                    places = {"session": self._caller.session("batch"), "job": self._caller.job()}
                self._caller.send("PUT", "/instances/configuration", {"instance_limit": None})
                sent = json.dumps(changed).encode()
                start = head(
                    f"{method} {path.format(**places)}",
                    self._caller,
                    "content-type: application/json",
                    f"content-length: {len(sent)}",
                )
                wrong = self._described.errors(pointer, json.loads(sent))
                statuses = frozenset({400} if wrong else {200, 204, 400, 404})
                self._send(Raw(f"{pointer} {field}", (start + sent,), statuses))


def _rest(connection: socket.socket) -> bytes:
    said = b""
    with suppress(ConnectionError):
        while piece := connection.recv(65_536):
            said += piece
    return said


def _told(answer: bytes) -> tuple[int | None, bytes]:
    """Status and body of the first answer."""
    start, _, body = answer.partition(b"\r\n\r\n")
    words = start.split(b" ", 2)
    return (int(words[1]), body) if len(words) > 1 and words[1].isdigit() else (None, answer)
