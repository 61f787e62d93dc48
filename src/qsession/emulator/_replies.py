"""Bodies and headers of responses as the service writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Union

from qsession._model import Response
from qsession.emulator._refusals import MORE_INFO, SPELLINGS, Refused

Json = Union[None, bool, int, float, str, "list[Json]", "dict[str, Json]"]
"""What a JSON document may hold."""

_JSON_HEADERS = {"content-type": "application/json"}


def compact(document: object) -> bytes:
    """A document as JSON without spaces, as the service writes it (observed)."""
    return json.dumps(document, separators=(",", ":")).encode()


def reply(document: object, *, status: int = 200) -> Response:
    """A JSON response."""
    return ready(compact(document), status=status)


def ready(body: bytes, *, status: int = 200) -> Response:
    """A response whose JSON body is written already."""
    return Response(status, HTTPStatus(status).phrase, _JSON_HEADERS, body)


def text(words: str) -> Response:
    """A plain text response."""
    return Response(200, "OK", {"content-type": "text/plain"}, words.encode("utf-8", "backslashreplace"))


def nothing() -> Response:
    """204, the answer to everything that worked and has nothing to say."""
    return Response(204, "No Content")


def refusal(refused: Refused, trace: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """A refusal in the service's error form (documented and observed).

    Args:
        refused: What is refused.
        trace: The ``trace`` of the body, a UUID.
        headers: Further headers by lower-case name.
    """
    spelling = SPELLINGS[refused.kind]
    error: dict[str, Json] = {
        "code": spelling.code,
        "message": spelling.message.format(refused.subject),
    }
    if spelling.solution:
        error["solution"] = spelling.solution
    error["more_info"] = MORE_INFO
    body = compact({"errors": [error], "trace": trace})
    all_headers = {**_JSON_HEADERS, **(headers or {})}
    return Response(spelling.status, HTTPStatus(spelling.status).phrase, all_headers, body)


def derived_uuid(*parts: object) -> str:
    """A UUID of version 4's shape, made from its parts and nothing else."""
    digest = bytearray(_digest(parts)[:16])
    digest[6] = 0x40 | digest[6] & 0x0F
    digest[8] = 0x80 | digest[8] & 0x3F
    return "-".join(part.hex() for part in (digest[:4], digest[4:6], digest[6:8], digest[8:10], digest[10:]))


def derived_xid(*parts: object) -> str:
    """A 20-character id as the service gives jobs (observed), made from its parts."""
    number = int.from_bytes(_digest(parts)[:13], "big")
    letters = "0123456789abcdefghijklmnopqrstuv"
    tail = "".join(letters[number >> 5 * i & 31] for i in range(19))
    return "d" + tail


def derived_seed(*parts: object) -> int:
    """A seed for a simulator, made from its parts: 31 bits, which Aer accepts."""
    return int.from_bytes(_digest(parts)[:4], "big") >> 1


def _digest(parts: tuple[object, ...]) -> bytes:
    return hashlib.sha256("\x1f".join(map(str, parts)).encode("utf-8", "backslashreplace")).digest()
