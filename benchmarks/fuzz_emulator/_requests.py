"""Requests made by hand: what is unknown, malformed, too much, unfinished or slow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.fuzz_emulator._target import Caller

_MEGABYTE = 1_000_000


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


def raw(what: str, *pieces: bytes, status: tuple[int | None, ...] | int | None, **more: Any) -> Raw:
    return Raw(what, pieces, frozenset(status if isinstance(status, tuple) else (status,)), **more)


def head(line: str, caller: Caller | None = None, *more: str) -> bytes:
    """A head as the client sends it, with a token and an instance if somebody asks."""
    lines = [f"{line} HTTP/1.1", "host: 127.0.0.1", "connection: close", *more]
    if caller is not None:
        lines += [f"{name}: {value}" for name, value in caller.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


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
    for name, values in _odd_headers(caller).items():
        for value, status in values:
            lines = [line for line in _presented(caller) if not line.startswith(f"{name}:")]
            start = head("GET /api/v1/backends", None, *lines, f"{name}: {value}")
            yield raw(f"{name} {value[:12]!r}", start, status=status)

    for name, status in (("authorization", 401), ("service-crn", 404), ("ibm-api-version", 200)):
        lines = [line for line in _presented(caller) if not line.startswith(f"{name}:")]
        yield raw(f"no {name}", head("GET /api/v1/backends", None, *lines), status=status)


def _presented(caller: Caller) -> list[str]:
    return [f"{name.lower()}: {value}" for name, value in caller.headers.items()]


def _odd_headers(caller: Caller) -> dict[str, list[tuple[str, int]]]:
    tokens = ("", "Bearer", "Bearer x", "Bearer a.b.c", f"Bearer {caller.token}x", "apikey", "apikey x")
    crns = ("", "crn:v1:other", "\xff", "x" * 5_000)
    versions = ("", "x", "1999-01-01", "2026-13-45", "9" * 5_000, "2026-04-15\xff")
    return {
        "authorization": [(token, 401) for token in (*tokens, "Basic eDp5", "Bearer \xff")],
        "service-crn": [(crn, 404) for crn in crns],
        "ibm-api-version": [(version, 400) for version in versions],
    }


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
    "the same in a job": b'{"program_id":"sampler","backend":"ibm_fez","params":{"pubs":["x"],"y":1e400}}',
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
    """What is no request, framed or declared wrongly, from a web page or for another host."""
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


def unfinished(caller: Caller) -> Iterator[Raw]:
    """What is cut off, slow, or begun before the other is answered."""
    good = head("GET /api/v1/versions")
    declared = head("POST /api/v1/jobs", caller, "content-type: application/json", "content-length: 900")
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
    """More than a job, a form or any body may have, and what is small and takes much memory."""
    declared = ("content-type: application/json",)
    for length in (70 * _MEGABYTE, 10**30):
        start = head("POST /api/v1/jobs", caller, *declared, f"content-length: {length}")
        yield raw(f"{length} bytes declared", start, status=(400, 413))
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    start = head("POST /api/v1/jobs", caller, *declared, "transfer-encoding: chunked")
    yield raw("65 MB in chunks", start, *([chunk] * 65), status=413)
    job = b'{"program_id":"sampler","backend":"ibm_fez","params":{"pubs":[%s]}}'
    yield raw(
        "a job of 51 MB", post("/jobs", job % (b'"' + b"x" * 51 * _MEGABYTE + b'"'), caller), status=413
    )
    yield raw(
        "half a million PUBs", post("/jobs", job % b",".join([b"[]"] * 500_000), caller), status=(200, 400)
    )
    for entry, count in ((b"[]", 8_000_000), (b"1", 24_000_000)):
        entries = post("/jobs", job % b",".join([entry] * count), caller)
        yield raw(f"{count} entries {entry.decode()}", entries, status=400)
    session = b'{"mode":"batch","backend":"' + b"x" * 20 * _MEGABYTE + b'"}'
    yield raw("a session of 20 MB", post("/sessions", session, caller), status=413)
    query = b'{"query":"%s"}' % b" AND ".join([b"name:x"] * 80_000)
    search = post("/sessions", query, caller).replace(b"/api/v1/sessions", b"/v3/resources/search", 1)
    yield raw("a query of 80,000 terms", search, status=400)
    form = b"grant_type=refresh_token" + b"&a=b" * 5_000_000
    lines = ("content-type: application/x-www-form-urlencoded", f"content-length: {len(form)}")
    yield raw("a form of 20 MB", head("POST /identity/token", None, *lines) + form, status=413)
