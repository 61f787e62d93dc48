"""The API version that a request asks for."""

from __future__ import annotations

import pytest
from emulator_caller import encoded
from hypothesis import given
from hypothesis import strategies as st

from qsession._refusals import Refused
from qsession.emulator import _versions as versions

JOB = encoded({"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [["x"]], "version": 2}})
PLAIN = {"qpu_charge_time_seconds": 0.3, "status": "complete"}
TIME = {"circuits_execution_time_ns": 300_000_000}
SECONDS = {"quantum_seconds": 0.3, "seconds": 0.3}
OLD = {"usage": PLAIN | TIME | SECONDS, "bss": {"seconds": 0.3}}


@pytest.mark.parametrize(
    ("version", "metrics", "listed"),
    [
        ("2026-04-15", {"usage": PLAIN, **TIME}, {"usage": PLAIN}),
        ("2026-03-15", {"usage": PLAIN | TIME}, {"usage": PLAIN | TIME}),
        ("2026-02-15", OLD, OLD),
        ("2025-05-01", OLD, OLD),
        ("2024-01-01", OLD, OLD),
    ],
)
def test_metrics_and_list_have_what_their_version_has(caller, version, metrics, listed):
    """The changes that the service's changelog tells, in both places that it names."""
    job = caller.json("POST", "/jobs", JOB, ibm_api_version=version)["id"]
    found = caller.json("GET", f"/jobs/{job}/metrics", at=1, ibm_api_version=version)
    keys = ("usage", "bss", "circuits_execution_time_ns")
    assert {key: found[key] for key in keys if key in found} == metrics
    (entry,) = caller.json("GET", "/jobs", at=1, ibm_api_version=version)["jobs"]
    assert {key: entry[key] for key in keys if key in entry} == listed
    # The job itself never had them.
    assert caller.json("GET", f"/jobs/{job}", at=1, ibm_api_version=version)["usage"] == PLAIN


def test_no_version_is_the_first(caller):
    """Without the header the backends are names."""
    del caller.headers["ibm-api-version"]
    assert caller.json("GET", "/backends") == {"devices": ["ibm_fez", "ibm_torino"]}


@pytest.mark.parametrize(
    ("asked", "version"),
    [
        ("2024-01-01", "2024-01-01"),
        ("2024-12-31", "2024-01-01"),
        ("2025-01-01", "2025-01-01"),
        ("2026-04-14", "2026-03-15"),
        ("2026-04-15", "2026-04-15"),
        ("2031-01-01", "2026-04-15"),
    ],
)
def test_date_means_the_newest_version_by_then(asked, version):
    """A date between two versions means the earlier, one after the last the last."""
    assert versions.asked({"ibm-api-version": asked}) == version


@pytest.mark.parametrize(
    "value", ["", "latest", "2026-4-15", "2023-12-31", "2026-13-01", "2026-04-15T00:00:00Z"]
)
def test_malformed_version_is_400(caller, value):
    """What is no date, or before the first version, is refused by every call of the runtime API."""
    for path in ("/backends", "/jobs", "/instances/usage", "/workloads"):
        assert caller.refusal("GET", path, ibm_api_version=value) == (
            400,
            {
                "code": 1208,
                "message": "Request validation of headers failed, because: IBM-API-Version"
                f" {value} is not a version",
                "solution": "Use a version that GET /versions lists.",
            },
        )


def test_versions_are_listed_whatever_the_header(caller):
    """The public list has no version of its own."""
    assert len(caller.json("GET", "/versions", ibm_api_version="x")["versions"]) == 7


@given(st.text(max_size=12))
def test_any_header_is_a_version_or_refused(value):
    """Whatever stands there: a known version answers, or none does."""
    try:
        found = versions.asked({"ibm-api-version": value})
    except Refused as refused:
        found = refused.kind
    assert found in {"unknown version", versions.LIVE, *versions.DEPRECATED}
