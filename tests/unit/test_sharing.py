"""What tests read in common."""

from dataclasses import replace

import pytest

from qsession._endpoints import identify
from qsession._model import Interaction, Request, Response
from qsession._sharing import (
    all_alike,
    common_key,
    is_account,
    is_common,
    same_answer,
    takes_no_time,
    tells_of_an_account,
)

BASE = "https://quantum.cloud.ibm.com/api/v1"


def exchange(path, *, status=200, body=b"{}", method="GET"):
    url = path if path.startswith("https") else BASE + path
    request = Request(method, url, {}, b"")
    return Interaction("any", 0, request, Response(status, "OK", {}, body), at=3, took=4)


def call(path, method="GET"):
    return identify(exchange(path, method=method).request)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/backends", True),
        ("/backends?fields=wait_time_seconds", True),
        ("/backends/ibm_fez/configuration", True),
        ("/backends/ibm_fez/properties", True),
        ("/backends/ibm_fez/properties?updated_before=2026-01-01T00:00:00Z", False),
        ("/backends/ibm_fez/status", False),
        ("/instances/usage", False),
        ("/jobs", False),
        ("/sessions/abc", False),
    ],
)
def test_what_is_common(path, expected):
    """Devices as they are; not how busy they are, and not how they were on a day that one test names."""
    assert is_common(call(path)) is expected
    assert takes_no_time(call(path)) is expected
    assert not is_account(call(path))
    assert (common_key(exchange(path)) is not None) is expected


TOKEN = "https://iam.cloud.ibm.com/identity/token"


def test_account_takes_no_time_and_is_told_to_all():
    """Though a replay makes its answers up for whoever asks."""
    found = call(TOKEN, "POST")
    assert is_account(found)
    assert takes_no_time(found)
    assert not is_common(found)
    assert common_key(exchange(TOKEN, method="POST")) is not None


def test_backends_tell_nothing_of_an_account():
    """By the name of the call."""
    assert not tells_of_an_account(replace(exchange("/backends"), endpoint="backends.list"))
    assert tells_of_an_account(replace(exchange(TOKEN), endpoint="iam.token"))


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_refusal_is_one_tests_own(status):
    """Another one may have been answered."""
    assert common_key(exchange("/backends", status=status)) is None
    assert common_key(exchange(TOKEN, method="POST", status=status)) is None


def test_request_of_no_call_is_not_common():
    """Nobody knows what it is."""
    assert common_key(exchange("https://example.com/backends")) is None


def test_answers_are_the_same_by_status_and_body():
    """When they came does not matter."""
    one, other = exchange("/backends"), exchange("/backends")
    assert same_answer(one, other)
    assert not same_answer(one, exchange("/backends", body=b"[]"))
    assert not same_answer(one, exchange("/backends", status=206))
    assert all_alike([one, other, one])
    assert not all_alike([one, other, exchange("/backends", body=b"[]")])
