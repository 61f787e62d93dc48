"""A plain cassette of vcrpy or pytest-recording, taken over as a recording of ours."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from qsession import _bounded_yaml
from qsession._clock import from_datetime
from qsession._endpoints import identify
from qsession._model import SECOND, Instant, Provenance, Recording, Request, Response
from qsession._recording import Recorder
from qsession._redaction import Redactor
from qsession.errors import CassetteError

_STEP = SECOND // 10
_TOOK = SECOND // 20
_MOST = 256 * 2**20


@dataclass(slots=True)
class Taken:
    """What was taken over.

    Attributes:
        recording: The recording; None if the file is one of ours already.
        redactor: Proves that no secret of it is written.
        notes: What was not taken over, or had to be assumed.
    """

    recording: Recording | None
    redactor: Redactor
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Exchange:
    request: Request
    response: Response


def take_over(text: str, written: Instant, where: str) -> Taken:
    """Read a plain cassette.

    Ids become pseudonyms, polls one interaction each, and everything is redacted as in a recording.

    Args:
        text: Content of the file.
        written: When the file was written: used where no answer has a date.
        where: The file's name, for messages.

    Raises:
        CassetteError: If it is no cassette of vcrpy, or nothing in it goes to the service (QS228).
    """
    try:
        document = _bounded_yaml.read(text)
    except _bounded_yaml.Unfit as unfit:
        raise _unusable(where, f"line {unfit.line}: {unfit}") from unfit
    entries = document.get("interactions") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise _unusable(where, "it has no list of interactions")
    metadata = document.get("metadata")
    if isinstance(metadata, dict) and "qsession" in metadata:
        return Taken(None, Redactor(), ["it is a cassette of qsession already"])
    try:
        exchanges = [_exchange(entry) for entry in entries]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, zlib.error) as broken:
        raise _unusable(where, f"an interaction is not as vcrpy writes it: {broken!r}") from broken
    return _recorded(exchanges, written, where)


def _recorded(exchanges: list[_Exchange], written: Instant, where: str) -> Taken:
    dates = [_date(each.response) for each in exchanges]
    start = next((date for date in dates if date is not None), None)
    recorder = Recorder(start or written)
    taken = Taken(None, recorder.redactor)
    if start is None:
        taken.notes.append("no answer has a date: the time of the file is taken, and 0.1 s between requests")
    moment = start or written
    others: dict[str, int] = {}
    for exchange, date in zip(exchanges, dates, strict=True):
        moment = max(moment + _STEP, date or 0)
        host = _take(recorder, exchange, moment)
        if host:
            others[host] = others.get(host, 0) + 1
    taken.notes += [f"{times} requests to {host} are left out" for host, times in sorted(others.items())]
    taken.recording = recorder.finished(Provenance("ibm", start or written))
    if not taken.recording.interactions:
        raise _unusable(where, "none of its requests goes to the service")
    taken.notes.append("with which versions it was recorded is not known; its head names none")
    return taken


def _take(recorder: Recorder, exchange: _Exchange, moment: Instant) -> str:
    """Record an exchange; the host if it is none of the service's."""
    # What stands in the file are real ids: the code under test will see pseudonyms.
    request = exchange.request
    shown = recorder.ids.incoming(Response(200, headers={"url": request.url}, body=request.body))
    asked = Request(request.method, shown.headers["url"], request.headers, shown.body)
    call = identify(asked)
    if call is None:
        return request.url.split("/")[2] if request.url.count("/") > 1 else request.url
    recorder.outgoing(call, asked)
    recorder.incoming(call, asked, exchange.response, moment, moment + _TOOK)
    return ""


def _exchange(entry: Any) -> _Exchange:
    asked, told = entry["request"], entry["response"]
    body = asked.get("body")
    request = Request(
        str(asked["method"]).upper(), str(asked["uri"]), _headers(asked.get("headers")), _bytes(body)
    )
    headers = _headers(told.get("headers"))
    content = _plain(_bytes((told.get("body") or {}).get("string")), headers)
    status = told["status"]
    return _Exchange(
        request, Response(int(status["code"]), str(status.get("message") or ""), headers, content)
    )


def _headers(headers: Any) -> Mapping[str, str]:
    pairs: Iterator[tuple[str, Any]] = ((str(n).lower(), v) for n, v in (headers or {}).items())
    return {name: str(value[0] if isinstance(value, list) else value) for name, value in pairs if value != []}


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    if headers.get("content-encoding") not in {"gzip", "deflate"} or body[:2] not in (
        b"\x1f\x8b",
        b"\x78\x9c",
    ):
        return body  # urllib3 undid it before vcrpy saw it
    stream = zlib.decompressobj(47)
    plain = stream.decompress(body, _MOST)
    if not stream.eof:
        raise ValueError("a compressed body is cut, or too large")
    return plain


def _date(response: Response) -> Instant | None:
    try:
        moment = parsedate_to_datetime(response.headers["date"])
    except (KeyError, ValueError, TypeError):
        return None
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def written_at(seconds: float) -> Instant:
    """The moment at which a file was written.

    Args:
        seconds: Since the epoch, as the file system says.
    """
    return from_datetime(datetime.fromtimestamp(int(seconds), UTC))


def _unusable(where: str, why: str) -> CassetteError:
    return CassetteError(
        "QS228",
        "The file cannot be taken over. It was left as it is.",
        evidence=[why],
        fix="record that test again with pytest --qsession-record",
        where=where,
    )
