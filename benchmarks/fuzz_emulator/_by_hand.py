"""Sends what was made by hand, and holds each answer against what it may be."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from time import perf_counter, sleep

from benchmarks.fuzz_emulator import _requests, _types
from benchmarks.fuzz_emulator._generated import Described
from benchmarks.fuzz_emulator._requests import Raw, head
from benchmarks.fuzz_emulator._target import BOUND, Caller, Findings, Tally

_STALLED = 20
"""Requests that are begun and left alone, for the length of the run."""

_PATIENCE = 21.0
"""Seconds after which a head that does not end has been answered with 408; 20 are allowed for it."""

_SHARE = 8
"""One of so many wrong types is sent in a quick run."""


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
        self._jobs: list[str] = []

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

    def run(self, *, quick: bool) -> None:
        """All that there is; in a quick run nothing huge, and some of the wrong types."""
        parts = [_requests.unknown, _requests.malformed, _requests.framed, _requests.unfinished]
        for part in [*parts, *([] if quick else [_requests.huge])]:
            for each in part(self._caller):
                self._send(each)
        self._wrong_types(_SHARE if quick else 1)
        self._read_all()

    def _send(self, each: Raw) -> bytes:
        began = perf_counter()
        slack = each.pause * len(each.pieces)
        with socket.create_connection(("127.0.0.1", self._caller.server.port), timeout=BOUND) as connection:
            # A server that has heard enough may close: what it said is there all the same.
            with suppress(ConnectionError):
                for piece in each.pieces:
                    connection.sendall(piece)
                    sleep(each.pause)
                if each.ends:
                    connection.shutdown(socket.SHUT_WR)
            answer = _rest(connection)
        status, body = _told(answer)
        took = perf_counter() - began - slack
        self._tally.note("by hand", each.what, status or 0, took)
        if took > BOUND:
            self._findings.add(f"{each.what}: {took:.1f} s")
        self._expect(each.what, status, each.statuses, body)
        return body

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

    def _wrong_types(self, share: int) -> None:
        for body in _types.bodies():
            self._typed(body, "as it stands", body.document)
            for number, (field, changed) in enumerate(_types.replaced(body.document)):
                if number % share == 0:
                    self._typed(body, field, changed)

    def _typed(self, body: _types.Body, field: str, document: object) -> None:
        places = {}
        if "{" in body.path:
            places = {"session": self._caller.session("batch"), "job": self._caller.job()}
        sent = json.dumps(document).encode()
        start = head(
            f"{body.method} {body.path.format(**places)}",
            self._caller,
            "content-type: application/json",
            f"content-length: {len(sent)}",
        )
        wrong = self._described.errors(body.component, json.loads(sent))
        statuses = {400} if wrong else {200, 204} if document == body.document else {200, 204, 400, 404}
        what = f"{body.component}{field if field.startswith('.') else ' ' + field}"
        answer = self._send(Raw(what, (start + sent,), frozenset(statuses)))
        if body.component == "job_create" and b'"private"' in answer:
            self._jobs.append(json.loads(answer)["id"])
        if body.component in {"instance_configure", "resource_update"}:
            # Or it may have used up what it was limited to.
            self._caller.send("PUT", "/instances/configuration", {"instance_limit": None})

    def _read_all(self) -> None:
        """Whatever was taken must be readable, and be what is described."""
        for job in self._jobs:
            for part in ("", "/metrics", "/logs", "/results"):
                began = perf_counter()
                answer = self._caller.send("GET", f"/jobs/{job}{part}")
                self._tally.note("by hand", f"GET job{part}", answer.status_code, perf_counter() - began)
                self._expect(f"GET job{part}", answer.status_code, frozenset({200, 204, 404}), answer.content)


def _rest(connection: socket.socket) -> bytes:
    """Everything that is said until the connection ends, or for as long as an answer may take."""
    said = b""
    with suppress(ConnectionError, TimeoutError):
        while piece := connection.recv(65_536):
            said += piece
    return said


def _told(answer: bytes) -> tuple[int | None, bytes]:
    """Status and body of the first answer."""
    start, _, body = answer.partition(b"\r\n\r\n")
    words = start.split(b" ", 2)
    return (int(words[1]), body) if len(words) > 1 and words[1].isdigit() else (None, answer)
