"""Values that are secret by their shape or were seen as such, and ways in which they are spelled."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from urllib.parse import quote

from qsession._endpoints import identify
from qsession._model import Request, Response
from qsession._redaction import Redactor

KEY = "FAKE-api-key_with/odd+chars-0001"
ACCOUNT = "0123456789abcdef0123456789abcdef"
INSTANCE = "11111111-2222-4333-8444-555555555555"
CRN = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{ACCOUNT}:{INSTANCE}::"
TOKEN = "eyJhbGciOiJub25lIn0.eyJmYWtlIjoidG9rZW4ifQ.c2lnbmF0dXJl"
URL = "https://quantum.cloud.ibm.com/api/v1"

SHAPED = {
    "mail": "planted.person@team.example.com",
    "user": "IBMid-66600FAKE1",
    "service id": "iam-ServiceId-11111111-2222-4333-8444-555555555555",
    "crn": CRN.replace(ACCOUNT, "f" * 32),
    "token": TOKEN,
    "id of a key": "ApiKey-11111111-2222-4333-8444-555555555555",
}
"""Known without having been seen."""

SEEN = {"key": KEY, "account": ACCOUNT, "instance": INSTANCE}
"""Known since a request carried them."""

SPELLINGS = {
    "plain": lambda v: v,
    "percent": lambda v: quote(v, safe=""),
    "percent, every byte": lambda v: "".join(f"%{byte:02x}" for byte in v.encode()),
    "percent twice": lambda v: quote(quote(v, safe=""), safe=""),
    "JSON": lambda v: json.dumps({"in": [v]}),
    "JSON, escaped": lambda v: '{"in":"' + "".join(f"\\u{ord(c):04X}" for c in v) + '"}',
    "JSON in JSON": lambda v: json.dumps(json.dumps({"in": v})),
    "slashes escaped": lambda v: v.replace("/", "\\/"),
    "repr": lambda v: repr({"in": v}),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64, second alignment": lambda v: base64.b64encode(f"<{v}> ".encode()).decode(),
    "base64, third alignment": lambda v: base64.b64encode(f"<<{v}>".encode()).decode(),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(f"?{v}?>".encode()).decode().rstrip("="),
    "base64 in lines": lambda v: base64.encodebytes(f"{'x' * 90} {v} {'y' * 90}".encode()).decode(),
    "base64 in base64": lambda v: base64.b64encode(base64.b64encode(v.encode())).decode(),
    "hex": lambda v: v.encode().hex(),
    "HEX": lambda v: f"<{v}>".encode().hex().upper(),
    "zlib in base64": lambda v: base64.b64encode(zlib.compress(f"see {v} there".encode())).decode(),
    "gzip in base64": lambda v: base64.b64encode(gzip.compress(f"see {v} there".encode())).decode(),
    "gzip as characters": lambda v: gzip.compress(f"see {v} there".encode()).decode("latin-1"),
    "zlib in hex": lambda v: zlib.compress(f"see {v} there".encode()).hex(),
    "a segment of a token": lambda v: (
        "x." + base64.urlsafe_b64encode(json.dumps({"a": v}).encode()).decode() + ".y"
    ),
}


def taught(rules=None) -> Redactor:
    """One that has seen the client fetch a token and use an instance."""
    redactor = Redactor(rules)
    request = Request(
        "POST",
        "https://iam.cloud.ibm.com/identity/token",
        body=f"grant_type=urn&apikey={quote(KEY)}".encode(),
    )
    call = identify(request)
    redactor.learn_request(call, request)
    redactor.learn_response(call, Response(200, body=json.dumps({"access_token": TOKEN}).encode()))
    redactor.learn_crn(CRN)
    return redactor
