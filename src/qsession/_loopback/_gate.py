"""Who is let in: programs of this machine that mean the emulator, and no web page.

A server on a developer's machine is asked by every web page that the developer looks at,
by way of the browser: from another origin, or under a name that was made to lead here
(DNS rebinding). Neither gets anything.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode, urlsplit

from qsession._hosts import as_ibm, is_led, plain
from qsession._model import Request
from qsession._refusals import Refused

_AUTHORITY = re.compile(r"(?P<name>[^\s:/?#@\[\]]+)(?::[0-9]{1,5})?")
_OWN = frozenset({"127.0.0.1", "localhost"})
# Every browser sends one of them with whatever a page asks of another origin.
_OF_BROWSERS = ("origin", "sec-fetch-site")
_FORM = "application/x-www-form-urlencoded"
_TOKEN_PATH = "/identity/token"  # noqa: S105 - a path, not a secret

LONGEST_FORM = 64_000
"""Bytes of a request for a token; more is refused, since the fields of megabytes fill the memory (ours)."""


def admit(head: Request, *, scheme: str) -> str:
    """The URL that a request means, if it may be answered.

    Args:
        head: The request, with its target for a URL; its body is not read yet.
        scheme: ``http`` or ``https``, whichever was spoken.

    Returns:
        The URL. A led name stands as IBM's own, so that a request is the same whichever
        way it came.

    Raises:
        Refused: If it comes from a web page, is for a host that is not ours, or has a body
            that is not declared to be what the service takes.
    """
    if any(name in head.headers for name in _OF_BROWSERS):
        raise Refused("web page")
    host, path = _meant(head)
    found = _AUTHORITY.fullmatch(host)
    name = plain(found["name"]) if found else ""
    if not (name in _OWN or is_led(name)):
        raise Refused("strange host")
    _check_type(head, path)
    return f"https://{as_ibm(name)}{path}" if is_led(name) else f"{scheme}://{host}{path}"


def as_own(request: Request, key: str | None) -> Request:
    """A request by a program that brought its own API key, with the emulator's instead.

    Only what was asked of a name of IBM's: whoever comes by the address of this machine must
    know the emulator's key. What the program brought is compared with nothing and kept nowhere.

    Args:
        request: The request, admitted.
        key: The only key that the emulator takes; None for any.
    """
    parts = urlsplit(request.url)
    if key is None or not is_led(parts.hostname or ""):
        return request
    if parts.path.endswith(_TOKEN_PATH):
        if len(request.body) > LONGEST_FORM:
            return request
        form = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
        told = [(name, key if name == "apikey" and value else value) for name, value in form]
        return replace(request, body=urlencode(told).encode())
    # What the client falls back to where IAM does not answer (its code).
    kind, _, brought = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "apikey" or not brought or hmac.compare_digest(brought.encode(), key.encode()):
        return request
    return replace(request, headers={**request.headers, "authorization": f"apikey {key}"})


def _meant(head: Request) -> tuple[str, str]:
    """Host and path: of a whole URL, as a proxy is asked, or of the header and the path."""
    if head.url.startswith("/"):
        return head.headers.get("host", ""), head.url
    scheme, apart, rest = head.url.partition("://")
    if not apart or scheme.lower() not in {"http", "https"}:
        raise Refused("wrong method")  # CONNECT, or OPTIONS of the whole server
    end = re.search("[/?]|$", rest)
    assert end is not None
    path = rest[end.start() :]
    return rest[: end.start()], path if path.startswith("/") else "/" + path


def _check_type(head: Request, path: str) -> None:
    if "transfer-encoding" not in head.headers and int(head.headers.get("content-length", "0")) == 0:
        return
    declared = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    wanted = _FORM if path.partition("?")[0].endswith(_TOKEN_PATH) else "application/json"
    if declared != wanted:
        raise Refused("not JSON" if wanted != _FORM else "not a form")
