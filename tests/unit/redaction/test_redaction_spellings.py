"""What is taken out, in whatever spelling, and what stays as it is."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zlib
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redaction_cases import ACCOUNT, CRN, INSTANCE, KEY, SEEN, SHAPED, SPELLINGS, TOKEN, taught

from qsession._redaction import Redactor
from qsession._redaction._layers import Layers

SECRETS = SEEN | SHAPED


def plainly(text: str) -> bytes:
    """A text and what one can undo in it by hand, in lower case."""
    found, layers = [], [text.encode("utf-8", "surrogatepass")]
    for _ in range(5):
        found += layers
        layers = [inner for layer in layers for inner in undone(layer)]
    return b"\n".join(found).lower()


def undone(layer: bytes) -> list[bytes]:
    inner = (
        [re.sub(rb"%([0-9a-fA-F]{2})", lambda m: bytes.fromhex(m[1].decode()), layer)]
        if b"%" in layer
        else []
    )
    if b"\\" in layer:
        escapes = re.sub(rb"\\u00([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)).encode(), layer)
        inner.append(re.sub(rb"\\(.)", rb"\1", escapes))
    for raw in (layer, layer.decode("utf-8", "replace").encode("latin-1", "replace")):
        for start in re.finditer(rb"\x1f\x8b|x[\x9c\xda\x01\x5e]", raw):
            with suppress(zlib.error):
                inner.append(zlib.decompressobj(wbits=47).decompress(raw[start.start() :]))
    joined = layer.replace(b"\n", b"").replace(b"-", b"+").replace(b"_", b"/")
    for run in re.findall(rb"[A-Za-z0-9+/]{12,}", joined):
        parts = [run[k:][: len(run[k:]) - (len(run[k:]) % 4 == 1)] for k in range(4)]
        inner += [base64.b64decode(part + b"=" * (-len(part) % 4)) for part in parts]
    for run in re.findall(rb"[0-9a-fA-F]{16,}", layer):
        inner += [bytes.fromhex(run[k:][: len(run[k:]) // 2 * 2].decode()) for k in range(2)]
    return inner


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_secret_in_a_text_is_taken_out(secret, spell):
    """Of a JSON field, and of a text that is none."""
    told = spell(secret)
    assert secret.lower().encode() in plainly(told)
    redactor = taught()
    body = json.dumps(
        {"id": "cyv25zz78z600082q6v0", "reason": f"it said {told} and went", "only": told}
    ).encode()
    for cleaned in (redactor.clean_body(body), redactor.clean_body(f"it said {told}\nand went".encode())):
        assert secret.lower().encode() not in plainly(cleaned.decode())
        assert redactor.find(cleaned) == ()
    assert json.loads(redactor.clean_body(body))["id"] == "cyv25zz78z600082q6v0"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress], ids=["gzip", "zlib"])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_compressed_body_is_compressed_again(secret, pack):
    """A body that is compressed as a whole stays so."""
    cleaned = taught().clean_body(pack(f"before {secret} after".encode()))
    assert cleaned[:1] == pack(b"")[:1]
    told = zlib.decompress(cleaned, wbits=47).decode()
    assert secret not in told
    assert told.startswith("before ")
    assert told.endswith(" after")


@settings(max_examples=150, deadline=None)
@given(
    secret=st.sampled_from(sorted(SECRETS.values())),
    first=st.sampled_from(sorted(SPELLINGS)),
    then=st.sampled_from(sorted(SPELLINGS)),
    before=st.text(st.characters(codec="utf-8", exclude_characters="\\"), max_size=20),
    after=st.text(st.characters(codec="utf-8", exclude_characters="\\"), max_size=20),
)
def test_no_planted_secret_survives_two_spellings(secret, first, then, before, after):
    """Or the proof says that it is there: nothing is written then."""
    told = SPELLINGS[then](SPELLINGS[first](secret))
    redactor = taught()
    cleaned = redactor.clean_body(json.dumps({"text": f"{before} {told} {after}"}).encode())
    assert redactor.find(cleaned) or secret.lower().encode() not in plainly(cleaned.decode())


_NUMBERS = st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none()
_WORDS = st.sampled_from(
    [
        *(
            "ibm_fez",
            "Completed",
            "open",
            "2026-01-05T12:00:00.009Z",
            "cyv25zz78z600082q6v0",
            "not_found",
            "0x1f",
        ),
        *(
            "5a6d4397-42c6-4dc6-969a-b1c90286a715",
            "sampler",
            "Job not found. Job ID: d0",
            "a/b/c",
            "x@y",
            "100%",
            "\\n",
        ),
    ]
)
_DOCUMENTS = st.recursive(
    _NUMBERS | _WORDS, lambda inner: st.lists(inner) | st.dictionaries(_WORDS, inner), max_leaves=20
)


@settings(deadline=None)
@given(_DOCUMENTS, st.sampled_from([None, 1, (",", ":")]))
def test_document_without_a_secret_is_the_same_bytes(document, style):
    """Whatever its spaces and numbers look like."""
    separators = style if isinstance(style, tuple) else None
    body = json.dumps(
        document, indent=style if isinstance(style, int) else None, separators=separators
    ).encode()
    assert taught().clean_body(body) == body


@settings(deadline=None)
@given(st.binary(max_size=4000))
def test_bytes_without_a_secret_are_the_same(data):
    """Numbers of a result, packed as the service packs them."""
    packed = base64.b64encode(zlib.compress(data)).decode()
    for body in (data, json.dumps({"__type__": "ndarray", "__value__": packed}).encode()):
        assert taught().clean_body(body) == body


def test_large_result_is_the_same_bytes():
    """A megabyte of random numbers hold nothing that looks like a secret."""
    stream = io.BytesIO()
    np.save(stream, np.random.default_rng(5).integers(0, 256, 1_000_000, dtype=np.uint8))
    packed = base64.b64encode(zlib.compress(stream.getvalue(), 1)).decode()
    body = json.dumps({"data": packed, "bits": ["0x1f", "0x2a"] * 1000}).encode()
    assert taught().clean_body(body) is body


def test_only_the_secret_changes_in_a_document():
    """Numbers, spaces and order are kept to the letter."""
    body = b'{ "a": 1.50,\n "b":[1e-05, 1E400], "user_id" : "IBMid-55AB", "c": "\\u00e9", "a": 2 }'
    assert taught().clean_body(body) == body.replace(b"IBMid-55AB", b"IBMid-0000000000")


def test_account_and_instance_are_replaced_alone_too():
    """Without the cloud resource name round them."""
    cleaned = taught().clean_text(f"{ACCOUNT.upper()} and {INSTANCE} for {CRN}")
    assert cleaned == (
        f"{'0' * 32} and 00000000-0000-4000-8000-000000000001 for "
        f"crn:v1:bluemix:public:quantum-computing:us-east:a/{'0' * 32}:00000000-0000-4000-8000-000000000001::"
    )


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ('{"user_id": 12345, "n": 12345}', '{"user_id": 0, "n": 12345}'),
        ('{"users":["a","b"],"n":["a"]}', '{"users":["IBMid-0000000000","IBMid-0000000000"],"n":["a"]}'),
        ('{"subscription_name":"Team Blue"}', '{"subscription_name":"REDACTED"}'),
        ('{"bss":{"seconds":3},"trace":7}', '{"bss":{"seconds":3},"trace":7}'),
        ("said {'user_id': 'somebody'} to", "said {'user_id': 'IBMid-0000000000'} to"),
        ("https://me:secret@proxy.example.com:80/", "https://REDACTED@proxy.example.com:80/"),
        ("Authorization: Bearer abcdefghij0123456789", "Authorization: Bearer REDACTED"),
        ("api_key=abcdefghij0123456789&x=1", "api_key=REDACTED&x=1"),
        ("api_key = read_key_from_somewhere()", "api_key = read_key_from_somewhere()"),
        ('File "/home/alice/x.py", line 1', 'File "/home/user/x.py", line 1'),
        (r"C:\Users\Alice Smith\x", r"C:\Users\user Smith\x"),
        ("GET /accounts/0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f?a=b", f"GET /accounts/{'0' * 32}?a=b"),
    ],
)
def test_text_is_cleaned_like_this(text, cleaned):
    """By the name of a field, or by what stands before a value."""
    redactor = Redactor()
    assert redactor.clean_body(text.encode()).decode() == cleaned
    assert redactor.find(cleaned.encode()) == ()
    assert redactor.clean_text(cleaned) == cleaned


def test_user_id_of_an_answer_is_taken_out_of_later_texts():
    """What is private in a field is private elsewhere."""
    redactor = Redactor()
    redactor.clean_body(b'{"user_id":"somebody-of-ours"}')
    assert redactor.clean_text("created by somebody-of-ours") == "created by IBMid-0000000000"


def test_body_that_is_larger_than_can_be_looked_through_is_found(monkeypatch):
    """What cannot be proven absent is not written."""
    monkeypatch.setattr("qsession._redaction._search.Layers", partial(Layers, left=2**20))
    assert Redactor().find(zlib.compress(b"\0" * 2**19)) == ()
    assert Redactor().find(zlib.compress(b"\0" * 2**21)) == ("more than can be looked through",)


def test_short_values_are_not_learned():
    """They would be found by chance."""
    redactor = Redactor()
    redactor.learn("API key", "short12")
    redactor.values.learn("instance name", "open-quantum", word=True)
    assert redactor.clean_text("short12 and open-quantum, not re-open-quantums") == (
        "short12 and REDACTED, not re-open-quantums"
    )


@pytest.mark.parametrize(
    "text", ["a" * 300_000, "%41" * 60_000, "\\" * 100_000, "eyJ" * 60_000, "x@" * 60_000, "/" * 99_999]
)
def test_text_made_to_take_long_does_not(text):
    """Patterns that begin at every letter take the square of them in time; this would be minutes."""
    redactor = taught()
    redactor.clean_text(f"{KEY} {text} {TOKEN}")
