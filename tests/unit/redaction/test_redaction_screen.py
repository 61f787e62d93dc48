"""What is said while something is recorded."""

from __future__ import annotations

import base64
import json
from reprlib import Repr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redaction_cases import ACCOUNT, CRN, INSTANCE, KEY, TOKEN

from qsession._redaction import Rules, Screen

_OF_EIGHT = [KEY, ACCOUNT, INSTANCE]


def screen(tmp_path, **environment):
    return Screen(Rules(), environment=environment, accounts=tmp_path / "accounts.json")


def watching(tmp_path):
    made = screen(tmp_path)
    redactor = made.redactor()
    redactor.learn("API key", KEY)
    redactor.learn("token", TOKEN)
    redactor.learn_crn(CRN)
    return made


@pytest.mark.parametrize("secret", [KEY, TOKEN, CRN, ACCOUNT, INSTANCE])
def test_value_without_its_middle_is_taken_out(tmp_path, secret):
    """pytest shows long values like this."""
    shortener = Repr()
    shortener.maxstring = 60
    shown = shortener.repr("x" * 8 + " " + secret + " " + "y" * 60)
    clean = watching(tmp_path).clean(f"value = {shown}")
    own = secret.rpartition(":a/")[2]
    assert [own[i : i + 12] for i in range(len(own) - 11) if own[i : i + 12] in clean] == []


@given(st.sampled_from(_OF_EIGHT), st.integers(0, 60), st.integers(12, 80))
def test_no_piece_of_a_credential_is_left(tmp_path_factory, secret, start, length):
    """Twelve characters of one, and its base64, are found wherever they were cut."""
    made = watching(tmp_path_factory.getbasetemp())
    for spelled in (secret, base64.b64encode(secret.encode()).decode()[:-4]):
        piece = spelled[start % (len(spelled) - 11) :][:length]
        assert piece not in made.clean(f"said {piece} and more")


def test_account_of_the_machine_is_known_before_it_is_used(tmp_path):
    """The client reads it from the environment or from its file."""
    saved = {"default": {"token": "FAKE-saved-key-000001", "instance": CRN}, "other": {"token": None}}
    (tmp_path / "accounts.json").write_text(json.dumps(saved))
    made = screen(
        tmp_path,
        QISKIT_IBM_TOKEN=KEY,
        QISKIT_IBM_INSTANCE="open-instance",
        HTTPS_PROXY="http://me:FAKE%20word@proxy:80",
    )
    told = made.clean(f"{KEY} FAKE-saved-key-000001 {ACCOUNT} {INSTANCE} FAKE word")
    assert told == f"REDACTED REDACTED {'0' * 32} 00000000-0000-4000-8000-000000000000 REDACTED"


def test_secrets_of_earlier_recordings_are_still_known(tmp_path):
    """A fixture of wider scope may show what the test before learned."""
    made = screen(tmp_path)
    made.redactor().learn("token", "FAKE-token-of-before-1")
    made.redactor()
    assert made.clean("was FAKE-token-of-before-1") == "was REDACTED"


def test_paths_of_this_machine_stay_in_reports(tmp_path):
    """One clicks on them."""
    assert screen(tmp_path).clean("/home/alice/test_x.py:3: in test") == "/home/alice/test_x.py:3: in test"


@given(st.text(max_size=300))
def test_text_without_a_secret_is_the_same(tmp_path_factory, text):
    """Whatever is in it."""
    assert watching(tmp_path_factory.getbasetemp()).clean(text) == text


def test_tree_is_cleaned_through_and_through(tmp_path):
    """Lists, tuples and mappings; what is no text stays as it is."""
    thing = object()
    tree = watching(tmp_path).clean_tree([("a", KEY), {KEY: [KEY]}, 3, thing])
    assert tree == [("a", "REDACTED"), {"REDACTED": ["REDACTED"]}, 3, thing]
