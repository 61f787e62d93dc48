"""Bodies and headers of responses as the service writes them."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus

from qsession._model import Response

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
