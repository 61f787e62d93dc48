"""Who is let in to a server on a developer's machine."""

from __future__ import annotations

import pytest
from emulator_caller import GRANT

from qsession._loopback._gate import admit, as_own
from qsession._model import Request
from qsession._refusals import Refused

JSON = {"content-type": "application/json; charset=utf-8", "content-length": "2"}


def admitted(host="127.0.0.1:8123", target="/api/v1/jobs", *, method="GET", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return admit(Request(method, target, {"host": host, **named}), scheme="http")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1:8123", "http://127.0.0.1:8123/api/v1/jobs"),
        ("localhost", "http://localhost/api/v1/jobs"),
        ("LocalHost.:80", "http://LocalHost.:80/api/v1/jobs"),
        ("quantum.cloud.ibm.com", "https://quantum.cloud.ibm.com/api/v1/jobs"),
        ("Quantum.Cloud.IBM.com:443", "https://quantum.cloud.ibm.com/api/v1/jobs"),
        ("eu-de.quantum.qsession.invalid", "https://eu-de.quantum.cloud.ibm.com/api/v1/jobs"),
        ("private.us-east.quantum.cloud.ibm.com", "https://private.us-east.quantum.cloud.ibm.com/api/v1/jobs"),
    ],
)  # fmt: skip
def test_names_of_this_machine_and_led_names_are_answered(host, url):
    """A led name stands as IBM's own, whichever way it came."""
    assert admitted(host) == url


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example.com:8123",
        "evil-cloud.ibm.com.example.com",
        "foo.cloud.ibm.com",
        "xcloud.ibm.com",
        "127.0.0.1.example.com",
        "127.0.0.1@example.com",
        "127.0.0.2",
        "[::1]:8123",
        "",
        "local host",
    ],
)
def test_strange_host_is_refused(host):
    """A name that was made to lead here is not ours."""
    with pytest.raises(Refused) as caught:
        admitted(host)
    assert caught.value.kind == "strange host"


def test_missing_host_is_a_strange_one():
    """Where HTTP/1.0 has none, nobody can say that this machine was meant."""
    with pytest.raises(Refused) as caught:
        admit(Request("GET", "/"), scheme="http")
    assert caught.value.kind == "strange host"


def test_whole_url_is_what_counts():
    """A client that takes the server for a proxy says whom it means in the request line."""
    target = "http://iam.cloud.ibm.com/identity/token?x=1"
    assert admitted("proxy:3128", target) == "https://iam.cloud.ibm.com/identity/token?x=1"
    assert admitted(target="http://quantum.cloud.ibm.com?a=b") == "https://quantum.cloud.ibm.com/?a=b"
    for strange in ("http://example.com/", "https://user@cloud.ibm.com/", "http:///api/v1/jobs"):
        with pytest.raises(Refused) as caught:
            admitted(target=strange)
        assert caught.value.kind == "strange host"


@pytest.mark.parametrize(
    ("method", "target"), [("CONNECT", "cloud.ibm.com:443"), ("OPTIONS", "*"), ("GET", "ftp://x/")]
)
def test_other_targets_are_refused(method, target):
    """This is no proxy."""
    with pytest.raises(Refused) as caught:
        admitted(target=target, method=method)
    assert caught.value.kind == "wrong method"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://example.com"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8123"},
        {"sec_fetch_site": "cross-site"},
    ],
)
def test_web_page_gets_nothing(headers):
    """Not even from this machine, and whatever the browser says of it."""
    with pytest.raises(Refused) as caught:
        admitted(**headers)
    assert caught.value.kind == "web page"


@pytest.mark.parametrize(
    "declared", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
@pytest.mark.parametrize("framing", [{"content_length": "2"}, {"transfer_encoding": "chunked"}])
def test_body_that_is_not_declared_json_is_refused(declared, framing):
    """What a form on a web page can send without asking."""
    with pytest.raises(Refused) as caught:
        admitted(method="POST", content_type=declared, **framing)
    assert caught.value.kind == "not JSON"


def test_body_that_is_declared_json_is_taken_and_no_body_needs_no_word():
    """A cancel has none."""
    assert admitted(method="POST", **JSON) == "http://127.0.0.1:8123/api/v1/jobs"
    assert admitted(method="POST", content_length="0") == "http://127.0.0.1:8123/api/v1/jobs"


def test_iam_takes_its_form_and_nothing_else():
    """As the documented request has it."""
    form = {"content_type": "application/x-www-form-urlencoded", "content_length": "2"}
    assert admitted(target="/identity/token", **form) == "http://127.0.0.1:8123/identity/token"
    with pytest.raises(Refused) as caught:
        admitted(target="/identity/token", **JSON)
    assert caught.value.kind == "not a form"


def test_own_key_of_a_led_program_is_replaced():
    """A program may bring any key; the emulator never sees it."""
    asked = Request(
        "POST", "https://iam.cloud.ibm.com/identity/token", {}, f"{GRANT}&apikey=their-key".encode()
    )
    body = as_own(asked, "our-key").body.decode()
    assert "apikey=our-key" in body
    assert "their-key" not in body
    fallback = Request(
        "GET", "https://quantum.cloud.ibm.com/api/v1/jobs", {"authorization": "apikey their-key"}
    )
    assert as_own(fallback, "our-key").headers == {"authorization": "apikey our-key"}


@pytest.mark.parametrize(
    ("url", "headers", "body"),
    [
        ("http://127.0.0.1:8123/identity/token", {}, b"apikey=their-key"),
        ("http://127.0.0.1:8123/api/v1/jobs", {"authorization": "apikey their-key"}, b""),
        ("https://quantum.cloud.ibm.com/api/v1/jobs", {"authorization": "Bearer their-token"}, b""),
        ("https://iam.cloud.ibm.com/identity/token", {}, b"apikey="),
        ("https://iam.cloud.ibm.com/identity/token", {}, b"apikey=" + b"k" * 64_000),
    ],
)
def test_everything_else_stays_as_it_came(url, headers, body):
    """By the address of the machine only who knows the key gets in; a token is made by nobody else."""
    request = Request("POST", url, headers, body)
    assert as_own(request, "our-key") == request
    assert as_own(request, None) is request
