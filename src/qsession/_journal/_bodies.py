"""Requests and responses as records, with large bodies in files beside the journal."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qsession._files import write_whole
from qsession._model import Request, Response

LARGE = 16 * 1024
"""Bodies of this many bytes and more stand beside the journal, by their content."""

_NAME = re.compile(r"[0-9a-f]{64}")


class Unreadable(Exception):
    """A body beside the journal is missing, or is not what its name says."""


@dataclass(frozen=True, slots=True)
class Bodies:
    """The large bodies of one journal. Readable by their owner only.

    Attributes:
        folder: Where they lie; made when there is one.
    """

    folder: Path

    def pack(self, body: bytes, *, sync: bool = False) -> object:
        """A body as a value of JSON.

        Args:
            body: Cleaned and proven.
            sync: Whether it must be on the disk when this returns.

        Raises:
            OSError: If the disk refuses.
        """
        if len(body) < LARGE:
            return _inline(body)
        name = hashlib.sha256(body).hexdigest()
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(path, body, private=True, lasting=sync)
        return {"large": name}

    def unpack(self, value: object) -> bytes:
        """The body that a value stands for.

        Raises:
            Unreadable: If it stands beside the journal, and not as it was written.
            ValueError: If the value stands for none.
        """
        if isinstance(value, str):
            return value.encode()
        fields = value if isinstance(value, Mapping) else {}
        if isinstance(coded := fields.get("base64"), str):
            return base64.b64decode(coded, validate=True)
        name = fields.get("large")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise ValueError("no body")
        return self._large(name)

    def _large(self, name: str) -> bytes:
        try:
            body = (self.folder / name).read_bytes()
        except OSError as missing:
            raise Unreadable(f"{name}: {missing.strerror}") from missing
        if hashlib.sha256(body).hexdigest() != name:
            raise Unreadable(f"{name}: its content is not what its name says")
        return body

    def request(self, request: Request, *, sync: bool = False) -> dict[str, object]:
        """A request as a record; see `pack`."""
        return {
            "method": request.method,
            "url": request.url,
            "headers": dict(request.headers),
            "body": self.pack(request.body, sync=sync),
        }

    def response(self, response: Response, *, sync: bool = False) -> dict[str, object]:
        """A response as a record; see `pack`."""
        return {
            "status": response.status,
            "reason": response.reason,
            "headers": dict(response.headers),
            "body": self.pack(response.body, sync=sync),
        }

    def to_request(self, fields: Mapping[str, object]) -> Request:
        """A request back from its record; raises as `unpack` does."""
        body = self.unpack(fields["body"])
        return Request(str(fields["method"]), str(fields["url"]), _headers(fields["headers"]), body)

    def to_response(self, fields: Mapping[str, object]) -> Response:
        """A response back from its record; raises as `unpack` does."""
        body, status = self.unpack(fields["body"]), fields["status"]
        if not isinstance(status, int):
            raise ValueError("no status")
        return Response(status, str(fields["reason"]), _headers(fields["headers"]), body)


def _inline(body: bytes) -> object:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError("no headers")
    return {str(name): str(text) for name, text in value.items()}
