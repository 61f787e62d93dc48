"""What must never be written: found, replaced, and proven absent.

Redaction is by structure (header allow-list, cloud resource names, tokens, user ids)
and by value (whatever was seen in a header or a form that carries a credential).
The proof looks for every seen value again, in the bytes that are about to be
written, in plain, percent, hex and base64 form, and inside base64, zlib and gzip.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from urllib.parse import parse_qs, quote

from qsession._discovery import STAND_IN_TOKEN, fake_crn, region_of
from qsession._endpoints import Call
from qsession._model import Request, Response

_KEPT_REQUEST = ("accept", "content-type", "ibm-api-version")
_KEPT_RESPONSE = ("content-type", "retry-after")
_CRN = re.compile(r"crn:v1:[a-z0-9-]*:[a-z0-9-]*:[a-z0-9-]*:[a-z0-9-]*:[^\s\"'\\&?,;<>]*", re.IGNORECASE)
_ACCOUNT = re.compile(r":a/([0-9A-Za-z]{6,64})")
_NOBODY = f":a/{'0' * 32}:00000000-"
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*")
_USER_KEYS = {"user_id": "IBMid-0000000000", "iam_id": "IBMid-0000000000", "ims_user_id": 0}
_TRACE = "00000000-0000-4000-8000-000000000000"
_WORTH_A_LOOK = re.compile(rb"crn:v1|eyJ|\"user_id\"|\"iam_id\"|\"ims_user_id\"|\"trace\"", re.IGNORECASE)
_BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_DEEPEST = 4
_MOST = 64 * 1024 * 1024
_SHORTEST = 8


class Redactor:
    """Learns what is secret while a recording runs, and keeps it out. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[str, str] = {}
        self._substitutes: dict[str, str] = {}
        self._crns: list[str] = []

    @property
    def known(self) -> int:
        """How many secrets are known: with each new one, what was proven before must be again."""
        return len(self._secrets)

    def learn(self, kind: str, value: str, *, substitute: str = "REDACTED") -> None:
        """Remember a value that must never be written.

        Args:
            kind: What it is, for messages: the value itself is never shown.
            value: The secret. Shorter than 8 characters is ignored: it would be
                found by chance.
            substitute: What to write in its place.
        """
        ours = {STAND_IN_TOKEN, *_USER_KEYS.values()}
        if len(value) < _SHORTEST or value in ours or set(value) <= {"0", "-"}:
            return
        with self._lock:
            self._secrets.setdefault(value, kind)
            self._substitutes.setdefault(value, substitute)

    def learn_crn(self, crn: str) -> int:
        """Remember an instance, its account and its id.

        Args:
            crn: Cloud resource name.

        Returns:
            Which instance it is, in the order of first sight.
        """
        with self._lock:
            if crn in self._crns:
                return self._crns.index(crn)
            self._crns.append(crn)
            index = len(self._crns) - 1
        if crn in (fake_crn(other, region_of(crn) or "us-east") for other in range(index + 1)):
            return index
        parts = crn.split(":")
        if account := _ACCOUNT.search(crn):
            self.learn("account id", account[1], substitute="0" * len(account[1]))
        if len(parts) > 7:
            self.learn("instance id", parts[7], substitute=fake_crn(index, "us-east").split(":")[7])
        return index

    def learn_request(self, call: Call, request: Request) -> None:
        """Remember the credentials that a request carries."""
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        if credential:
            self.learn("API key" if scheme.lower() == "apikey" else "token", credential.strip())
        if call.endpoint.name == "iam.token":
            form = parse_qs(request.body.decode("utf-8", "replace"))
            for key in ("apikey", "refresh_token", "password", "client_secret"):
                for value in form.get(key, ()):
                    self.learn("API key" if key == "apikey" else key, value)

    def learn_response(self, call: Call, response: Response) -> None:
        """Remember the tokens that an answer of IAM carries."""
        if call.endpoint.name != "iam.token":
            return
        document = _json(response.body)
        if isinstance(document, dict):
            for key in ("access_token", "refresh_token", "delegated_refresh_token"):
                self.learn("token", str(document.get(key, "")))
            self._learn_claims(str(document.get("access_token", "")))

    def _learn_claims(self, token: str) -> None:
        payload = _unbase64(token.split(".")[1].encode()) if token.count(".") == 2 else None
        claims = _json(payload or b"")
        if not isinstance(claims, dict):
            return
        account = claims.get("account")
        bss = str(account.get("bss", "")) if isinstance(account, dict) else ""
        self.learn("account id", bss, substitute="0" * len(bss))
        for name in ("iam_id", "email", "sub"):
            self.learn(f"{name} of the user", str(claims.get(name, "")))

    def clean_request(self, call: Call, request: Request) -> Request:
        """A request as it may be written: canonical host, few headers, no credential."""
        url = self.clean_text(canonical_url(call))
        body = b"" if _is_private(call) else self.clean_body(request.body)
        return Request(request.method, url, _only(request.headers, _KEPT_REQUEST), body)

    def clean_response(self, call: Call, response: Response) -> Response:
        """A response as it may be written."""
        headers = _only(response.headers, _KEPT_RESPONSE)
        if _is_private(call):
            return Response(response.status, response.reason, headers, _outcome(response))
        return Response(response.status, response.reason, headers, self.clean_body(response.body))

    def clean_body(self, body: bytes) -> bytes:
        """A body without credentials and identities; unchanged when there are none."""
        if not _WORTH_A_LOOK.search(body) and not any(s.encode() in body for s in tuple(self._secrets)):
            return body
        document = _json(body)
        if document is None:
            return self.clean_text(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        # ASCII: JSON may hold lone surrogates, which UTF-8 refuses.
        return json.dumps(self._clean(document), separators=(",", ":")).encode()

    def clean_text(self, text: str) -> str:
        """A text without cloud resource names, tokens and seen secrets."""
        text = _CRN.sub(lambda found: self._stand_in(found[0]), text)
        text = _JWT.sub("REDACTED", text)
        for secret, substitute in sorted(self._substitutes.items(), key=lambda item: -len(item[0])):
            text = text.replace(secret, substitute).replace(quote(secret, safe=""), substitute)
        return text

    def find(self, data: bytes) -> tuple[str, ...]:
        """Kinds of secrets that are present in bytes about to be written.

        Args:
            data: The bytes, text or compressed.

        Returns:
            Kinds such as ``API key``, each once; empty when the bytes are clean.
        """
        needles = [(kind, form) for value, kind in tuple(self._secrets.items()) for form in _forms(value)]
        if not needles:
            return ()
        layers = list(_layers(data, _DEEPEST))
        return tuple(sorted({kind for kind, form in needles for layer in layers if form in layer}))

    def _stand_in(self, crn: str) -> str:
        # The emulator's own belongs to nobody, and a replay must show what was seen.
        return crn if _NOBODY in crn else fake_crn(self._index(crn), region_of(crn) or "us-east")

    def _index(self, crn: str) -> int:
        known = [i for i, c in enumerate(self._crns) if crn.startswith(c) or c.startswith(crn)]
        return known[0] if known else self.learn_crn(crn)

    def _clean(self, value: object) -> object:
        if isinstance(value, str):
            return self.clean_text(value)
        if isinstance(value, list):
            return [self._clean(item) for item in value]
        if isinstance(value, dict):
            return {self.clean_text(str(k)): self._clean_field(str(k), v) for k, v in value.items()}
        return value

    def _clean_field(self, key: str, value: object) -> object:
        if key in _USER_KEYS and value is not None:
            return _USER_KEYS[key]
        # The service's correlation id: it means nothing elsewhere and differs each time.
        return _TRACE if key == "trace" and isinstance(value, str) else self._clean(value)


def canonical_url(call: Call) -> str:
    """The URL of a call under the service's own host name, whatever host it went to."""
    hosts = {
        "iam": "https://iam.cloud.ibm.com",
        "search": "https://api.global-search-tagging.cloud.ibm.com",
        "catalog": "https://globalcatalog.cloud.ibm.com",
        "resource": "https://resource-controller.cloud.ibm.com",
    }
    if call.endpoint.family in hosts:
        # Which instance, which plan, which name: the account's business.
        return hosts[call.endpoint.family] + call.endpoint.template
    prefix = "" if call.region == "us-east" else f"{call.region}."
    base = f"https://{prefix}quantum.cloud.ibm.com/api/v1"
    path = call.endpoint.template if "account" in call.ids else call.path
    path = quote(path, safe="/:@!$'()*+,;=~-._")
    query = "&".join(f"{quote(key, safe='')}={quote(value, safe=':')}" for key, value in call.query)
    return f"{base}{path}" + (f"?{query}" if query else "")


def _is_private(call: Call) -> bool:
    # What IAM and discovery say belongs to an account; only their outcome is kept.
    return call.endpoint.family == "iam" or call.endpoint.is_discovery


def _outcome(response: Response) -> bytes:
    if response.status < 400:
        return b""
    document = _json(response.body)
    code = document.get("errorCode") if isinstance(document, dict) else None
    return json.dumps({"errorCode": str(code)}).encode() if code else b""


def _only(headers: Mapping[str, str], kept: tuple[str, ...]) -> dict[str, str]:
    return {name: headers[name] for name in kept if name in headers}


def _json(body: bytes) -> object | None:
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    yield quote(value, safe="").encode()
    yield json.dumps(value)[1:-1].encode()
    yield binascii.hexlify(raw)
    yield binascii.hexlify(raw).upper()
    for shift in range(3):
        # At each alignment the characters that also hold neighbours are cut off.
        coded = base64.b64encode(b"\0" * shift + raw)
        start, end = (0, 2, 3)[shift], len(coded) - (4 if (shift + len(raw)) % 3 else 0)
        if end - start >= _SHORTEST:
            yield coded[start:end]
            yield coded[start:end].translate(bytes.maketrans(b"+/", b"-_"))


def _layers(data: bytes, depth: int) -> Iterator[bytes]:
    yield data
    if depth == 0:
        return
    if unpacked := _unpack(data):
        yield from _layers(unpacked, depth - 1)
    for found in _BASE64_RUN.finditer(data):
        decoded = _unbase64(found[0])
        if decoded:
            yield from _layers(decoded, depth - 1)


def _unpack(data: bytes) -> bytes | None:
    if data[:2] not in (b"\x1f\x8b", b"\x78\x9c", b"\x78\xda", b"\x78\x01", b"\x78\x5e"):
        return None
    try:
        return zlib.decompressobj(wbits=47).decompress(data, _MOST)
    except zlib.error:
        return None


def _unbase64(text: bytes) -> bytes | None:
    plain = text.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + b"=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return None
