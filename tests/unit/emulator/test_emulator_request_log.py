"""A line for each request, and no secret in any."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qsession._loopback._request_log import Entry, RequestLog
from qsession._model import SECOND, Request

T0 = 1_700_000_000 * SECOND
KEY = "Zq3-planted_API-key-of-forty-four-characters"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/0123456789abcdef0123456789abcdef:1111::"
JOB = "d0123456789abcdefghi"
SESSION = "5a6d4397-42c6-4dc6-969a-b1c90286a715"
SENT = {"authorization": f"Bearer {KEY}", "service-crn": CRN, "ibm-api-version": "2026-04-15"}


def line(method, url, *, as_json=False, status=200, problem="", body=b""):
    stream = io.StringIO()
    request = Request(method, url, SENT, body)
    RequestLog(stream, as_json=as_json).note(Entry(T0, request, status, 1234, problem))
    assert stream.getvalue().count("\n") == 1
    return stream.getvalue().rstrip("\n")


@pytest.mark.parametrize(
    ("method", "path", "shown"),
    [
        ("GET", f"/jobs/{JOB}?exclude_params=true", f"GET /jobs/{JOB}"),
        ("PATCH", f"/sessions/{SESSION}", f"PATCH /sessions/{SESSION}"),
        ("GET", "/backends/ibm_fez/properties", "GET /backends/ibm_fez/properties"),
        ("GET", f"/jobs/{KEY}", "GET /jobs/{job}"),
        ("GET", "/backends/0123456789abcdef0123456789abcdef/status", "GET /backends/{backend}/status"),
        ("GET", "/accounts/0123456789abcdef0123456789abcdef", "GET /accounts/{account}"),
        ("GET", f"/{KEY}", "GET ?"),
        (KEY, "/jobs", "? ?"),
    ],
)
def test_line_shows_what_was_asked_without_secrets(method, path, shown):
    """Ids in the form that the service gives them; nothing else of what was sent."""
    told = line(method, "https://quantum.cloud.ibm.com/api/v1" + path)
    assert told == f"2023-11-14T22:13:20.000Z {shown} 200 1.2ms"


def test_line_of_the_resource_controller_has_no_crn():
    """Its path holds the account."""
    told = line(
        "GET", f"https://resource-controller.cloud.ibm.com/v2/resource_instances/{CRN.replace('/', '%2F')}"
    )
    assert told.split()[2] == "/v2/resource_instances/{crn}"


def test_json_lines_are_for_machines():
    """The same facts, by name."""
    told = json.loads(
        line(
            "GET",
            "https://quantum.cloud.ibm.com/api/v1/jobs",
            as_json=True,
            status=500,
            problem="KeyError at x.py:1",
        )
    )
    assert told == {
        "at": "2023-11-14T22:13:20.000Z",
        "method": "GET",
        "call": "jobs.list",
        "path": "/jobs",
        "status": 500,
        "milliseconds": 1.2,
        "problem": "KeyError at x.py:1",
    }


def test_unreadable_request_has_a_line_too():
    """Somebody asked, whatever it was."""
    stream = io.StringIO()
    RequestLog(stream).note(Entry(T0, None, 400, 0))
    assert stream.getvalue() == "2023-11-14T22:13:20.000Z ? ? 400 0.0ms\n"


def test_log_that_cannot_be_written_keeps_nobody_from_an_answer():
    """The disk is full, or the reader has gone."""
    stream = io.StringIO()
    stream.close()
    RequestLog(stream).note(Entry(T0, None, 400, 0))


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.lists(st.sampled_from([KEY, CRN, "jobs", "api", "v1", "sessions", "accounts", "?", "&a="])),
)
def test_no_secret_is_written_wherever_it_stands(method, parts):
    """In path, query or body."""
    told = line(method, "https://quantum.cloud.ibm.com/" + "/".join(parts), body=KEY.encode())
    assert KEY not in told
    assert "crn:" not in told
    assert "abcdef" not in told
