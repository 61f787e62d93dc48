"""Which call of the service a request is."""

import pytest

from qsession._endpoints import BY_NAME, ENDPOINTS, identify, understand
from qsession._model import Request

HOST = "https://quantum.cloud.ibm.com/api/v1"


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.family == "runtime"], ids=lambda e: e.name)
def test_identify_runtime_call_names_its_endpoint_and_ids(endpoint):
    """Each line of the grammar is recognised from a URL that is made from it."""
    path = endpoint.template
    for name in ("backend", "session", "job", "account"):
        path = path.replace(f"{{{name}}}", f"some-{name}")
    call = identify(Request(endpoint.method, HOST + path + "?limit=20&tags=a&tags=b"))
    assert call.endpoint == endpoint
    assert all(value == f"some-{name}" for name, value in call.ids.items())
    assert call.query == (("limit", "20"), ("tags", "a"), ("tags", "b"))


@pytest.mark.parametrize(
    ("method", "url", "name"),
    [
        ("POST", "https://iam.cloud.ibm.com/identity/token", "iam.token"),
        (
            "POST",
            "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search?limit=100",
            "search.resources",
        ),
        ("GET", "https://globalcatalog.cloud.ibm.com/api/v1/plan-1", "catalog.entry"),
        ("GET", "https://resource-controller.cloud.ibm.com/v2/resource_instances?name=x", "resources.list"),
        ("GET", "https://quantum.cloud.ibm.com/api/v1/nothing/like/it", "unknown"),
        ("DELETE", "https://quantum.cloud.ibm.com/api/v1/sessions", "unknown"),
    ],
)
def test_identify_other_families_by_their_paths(method, url, name):
    """IAM, search, catalog and resource controller are told apart; the rest is unknown, not foreign."""
    assert identify(Request(method, url)).endpoint.name == name


@pytest.mark.parametrize(
    ("url", "region"),
    [
        ("https://quantum.cloud.ibm.com/api/v1/backends", "us-east"),
        ("https://eu-de.quantum.cloud.ibm.com/api/v1/backends", "eu-de"),
        ("https://private.eu-de.quantum.cloud.ibm.com/api/v1/backends", "eu-de"),
        ("https://private.us-east.quantum.cloud.ibm.com/api/v1/backends", "us-east"),
        ("https://eu-de.quantum-computing.cloud.ibm.com/backends", "eu-de"),
    ],
)
def test_identify_reads_the_region_from_the_host(url, region):
    """The region stands in the host name, also behind a private endpoint."""
    assert identify(Request("GET", url)).region == region


def test_identify_foreign_host_is_none_unless_it_speaks_the_protocol():
    """A user's own service with the same path is not taken for IBM's."""
    url = "http://127.0.0.1:8000/experimental/api/v1/jobs"
    assert identify(Request("GET", url)) is None
    assert identify(Request("GET", url, {"ibm-api-version": "2026-04-15"})).endpoint.name == "jobs.list"


def test_identify_url_that_is_none_is_foreign():
    """What cannot be parsed goes to nobody."""
    assert identify(Request("GET", "http://[")) is None


def test_identify_percent_encoded_id_is_decoded():
    """Ids are compared as the caller wrote them."""
    call = identify(Request("GET", HOST + "/jobs/a%20b"))
    assert call.ids["job"] == "a b"
    assert call.path == "/jobs/a b"


def test_writes_are_exactly_the_runtime_calls_that_change_something():
    """A token is asked for with POST, but changes nothing."""
    assert BY_NAME["jobs.create"].is_write
    assert BY_NAME["sessions.cancel"].is_write
    assert not BY_NAME["iam.token"].is_write
    assert not BY_NAME["search.resources"].is_write
    assert not BY_NAME["jobs.get"].is_write


@pytest.mark.parametrize(
    ("method", "url", "name"),
    [
        ("POST", "http://127.0.0.1:8000/identity/token", "iam.token"),
        ("GET", "http://127.0.0.1:8000/api/v1/jobs", "jobs.list"),
        ("GET", "http://localhost/globalcatalog/api/v1/plan-1", "catalog.entry"),
        ("GET", "http://localhost/favicon.ico", "unknown"),
    ],
)
def test_understand_needs_neither_host_nor_headers(method, url, name):
    """What a server was sent is meant for it; the recorder, which sees everybody's, must ask for more."""
    assert understand(Request(method, url)).endpoint.name == name
    assert identify(Request(method, url)) is None


def test_understand_says_none_of_a_url_that_is_none():
    """An open bracket begins an address that does not end."""
    assert understand(Request("GET", "http://[/api/v1/jobs")) is None
