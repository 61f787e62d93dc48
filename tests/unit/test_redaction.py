"""What must never be written."""

import base64
import gzip
import json
import zlib
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._discovery import fake_crn
from qsession._endpoints import identify
from qsession._model import Request, Response
from qsession._redaction import Redactor
from qsession._redaction._redactor import STRANGER

ACCOUNT = "0123456789abcdef0123456789abcdef"
INSTANCE = "11111111-2222-4333-8444-555555555555"
CRN = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{ACCOUNT}:{INSTANCE}::"
KEY = "FAKE-api-key_with/odd+chars-0001"
TOKEN = "eyJhbGciOiJub25lIn0.eyJmYWtlIjoidG9rZW4ifQ.c2lnbmF0dXJl"

CODINGS = {
    "plain": lambda v: v,
    "percent": lambda v: quote(v, safe="").encode(),
    "hex": lambda v: v.hex().encode(),
    "base64": base64.b64encode,
    "base64 shifted once": lambda v: base64.b64encode(b"x" + v + b"yz"),
    "base64 shifted twice": lambda v: base64.b64encode(b"xy" + v + b"z"),
    "base64 for urls": lambda v: base64.urlsafe_b64encode(b"x" + v + b"?>"),
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "zlib in base64": lambda v: base64.b64encode(zlib.compress(b"before " + v + b" after")),
    "gzip in base64 in zlib": lambda v: zlib.compress(base64.b64encode(gzip.compress(v * 3))),
}


def iam(form):
    return Request("POST", "https://iam.cloud.ibm.com/identity/token", body=form.encode())


def taught():
    redactor = Redactor()
    request = iam(f"grant_type=urn&apikey={quote(KEY)}&response_type=cloud_iam")
    call = identify(request)
    redactor.learn_request(call, request)
    redactor.learn_response(call, Response(200, body=json.dumps({"access_token": TOKEN}).encode()))
    redactor.learn_crn(CRN)
    return redactor


@pytest.mark.parametrize(
    "secret", [KEY, TOKEN, ACCOUNT, INSTANCE], ids=["key", "token", "account", "instance"]
)
@pytest.mark.parametrize("coding", CODINGS.values(), ids=CODINGS.keys())
def test_find_sees_a_secret_in_every_coding(coding, secret):
    """The proof of absence looks where a text search does not."""
    assert taught().find(coding(secret.encode()))


def test_find_clean_bytes_gives_nothing():
    """The proof does not cry wolf."""
    redactor = taught()
    assert redactor.find(json.dumps({"backend": "ibm_fez", "data": "A" * 4000}).encode()) == ()
    assert Redactor().find(KEY.encode()) == ()


@given(st.text(max_size=60), st.text(max_size=60))
def test_clean_text_leaves_no_secret(before, after):
    """Whatever stands around it, a secret that was seen is gone."""
    redactor = taught()
    cleaned = redactor.clean_text(f"{before} {CRN} {KEY} {TOKEN} {after}")
    assert not any(secret in cleaned for secret in (KEY, TOKEN, ACCOUNT, INSTANCE))


def test_learn_response_reads_who_it_is_from_the_token():
    """A token says whose it is; that is as private as the token."""
    claims = {"iam_id": "IBMid-FAKE0001", "email": "somebody@example.invalid", "account": {"bss": "f" * 32}}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    redactor, call = Redactor(), identify(iam(""))
    redactor.learn_response(
        call, Response(200, body=json.dumps({"access_token": f"e30.{payload}.c2ln"}).encode())
    )
    assert redactor.find(b"by somebody@example.invalid") == ("e-mail address", "email of the user")
    assert redactor.find(b"IBMid-FAKE0001 in " + b"f" * 32) == (
        "account id",
        "iam_id of the user",
        "user id",
    )


def test_clean_request_keeps_only_listed_headers_and_the_canonical_host():
    """What is not on the list is not written, wherever the request went."""
    request = Request(
        "POST",
        "http://127.0.0.1:8123/experimental/api/v1/sessions?x=1",
        {
            "authorization": f"Bearer {TOKEN}",
            "service-crn": CRN,
            "ibm-api-version": "2026-04-15",
            "content-type": "application/json",
            "cookie": "a=b",
            "x-qx-client-application": "caller",
        },
        json.dumps({"mode": "batch", "instance": CRN}).encode(),
    )
    cleaned = taught().clean_request(identify(request), request)
    assert cleaned.url == "https://quantum.cloud.ibm.com/api/v1/sessions?x=1"
    assert dict(cleaned.headers) == {"content-type": "application/json", "ibm-api-version": "2026-04-15"}
    assert json.loads(cleaned.body) == {"mode": "batch", "instance": fake_crn(0, "us-east")}


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "text/plain", ""])
def test_clean_request_finds_a_nested_key_whatever_its_kind(kind):
    """What a body says that it is decides nothing, nor how deep a secret lies."""
    body = json.dumps({"mode": "batch", "options": {"deep": [{"apikey": KEY}]}}).encode()
    request = Request("POST", "https://quantum.cloud.ibm.com/api/v1/sessions", {"content-type": kind}, body)
    cleaned = taught().clean_request(identify(request), request)
    assert KEY.encode() not in cleaned.body
    assert json.loads(cleaned.body)["mode"] == "batch"


def test_clean_response_of_iam_keeps_its_outcome_only():
    """No body of IAM is stored; a refusal keeps its code."""
    redactor, call = taught(), identify(iam(""))
    fine = redactor.clean_response(call, Response(200, body=json.dumps({"access_token": TOKEN}).encode()))
    assert fine.body == b""
    body = json.dumps({"errorCode": "BXNIM0415E", "errorMessage": f"key {KEY} not found"}).encode()
    refused = redactor.clean_response(call, Response(400, "Bad Request", body=body))
    assert (refused.status, json.loads(refused.body)) == (400, {"errorCode": "BXNIM0415E"})


def test_clean_body_replaces_people_and_traces():
    """Who did it and which trace it was is nobody's business."""
    body = (
        b'{"user_id":"IBMid-55AB","errors":[{"message":"no"}],"trace":"6a103952-9232-4ffc-aac1-2367e8ca2091"}'
    )
    assert json.loads(Redactor().clean_body(body)) == {
        "user_id": "IBMid-0000000000",
        "errors": [{"message": "no"}],
        "trace": "00000000-0000-4000-8000-000000000000",
    }


def test_clean_body_without_anything_private_is_unchanged():
    """Bytes that need no cleaning are kept to the letter."""
    body = b'{ "a": 1.50, "b":[1e-05] }'
    assert taught().clean_body(body) is body


def test_clean_text_unknown_crn_becomes_a_fake_one():
    """An instance that was never used is not written either."""
    other = CRN.replace(ACCOUNT, "f" * 32).replace("us-east", "eu-de")
    assert taught().clean_text(f'"{other}"') == f'"{fake_crn(STRANGER, "eu-de")}"'
