"""Tokens, instances, backends, workloads and analytics."""

from __future__ import annotations

import jwt
import pytest
import requests


def test_token_is_a_jwt_of_an_hour(call):
    """With the moments that the SDK renews it by."""
    claims = jwt.decode(call.token(), options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3600


def test_request_without_a_token_is_refused(call):
    """401, in the form of every refusal."""
    status, code, message = call.error("GET", "/jobs", Authorization=None)
    assert (status, bool(code), bool(message)) == (401, True, True)


def test_refusal_has_the_form_of_all(call):
    """A list of errors, each with code, message, solution and link, and a trace."""
    document = call("GET", "/sessions/no-such").json()
    assert set(document) == {"errors", "trace"}
    assert set(document["errors"][0]) == {"code", "message", "solution", "more_info"}


@pytest.mark.parametrize(("version", "status"), [("nonsense", 400), ("2025-06-01", 200), ("2099-01-01", 200)])
def test_versions_of_the_api(call, version, status):
    """A date between two versions means the earlier, one after the last the last; else 400."""
    assert call("GET", "/jobs", IBM_API_Version=version).status_code == status


def test_versions_are_listed_for_everybody(call):
    """Without a token; the two that this client and older ones speak are among them."""
    listed = requests.get("https://quantum.cloud.ibm.com/api/v1/versions", timeout=60).json()
    assert {"2025-05-01", "2026-04-15"} <= {version["version"] for version in listed["versions"]}


def test_instances_have_a_plan_and_a_pricing_type(qsession_service):
    """As the client's own discovery reads them from search and catalog."""
    for instance in qsession_service.instances():
        assert instance["pricing_type"] in {"free", "trial", "paygo", "paid", "subscription", "unknown"}
        assert instance["plan"]
        assert instance["crn"].startswith("crn:v1:bluemix:public:quantum-computing:")


def test_backends_have_status_queue_and_numbers(call):
    """What the list says of each without asking it."""
    for device in call.read("/backends?fields=wait_time_seconds")["devices"]:
        needed = {"name", "status", "queue_length", "is_simulator", "qubits", "clops", "processor_type"}
        assert set(device) >= needed | {"wait_time_seconds"}
        status = device["status"]
        assert status["name"] in {"online", "paused", "offline"}
        assert status["name"] != "online" or status["reason"] == "available"


def test_mock_backends_are_listed_on_request_only(call):
    """Those of class ``mock``."""
    plain = call.read("/backends")["devices"]
    more = call.read("/backends?include_mocks=True")["devices"]
    assert {device.get("class") for device in plain} <= {None, "qpu"}
    assert {device["name"] for device in plain} <= {device["name"] for device in more}


def test_status_of_a_backend(call, qsession_backend):
    """Five fields, and no more."""
    document = call.read(f"/backends/{qsession_backend.name}/status")
    assert set(document) <= {"length_queue", "state", "status", "message", "backend_version"}
    assert (document["state"], document["status"]) == (True, "active")


def test_defaults_of_a_backend_are_null(call, qsession_backend):
    """The pulse defaults that older clients asked for."""
    answer = call("GET", f"/backends/{qsession_backend.name}/defaults")
    assert (answer.status_code, answer.text.strip()) == (200, "null")


def test_properties_before_there_were_any_are_null(call, qsession_backend):
    """A date before the first calibration."""
    path = f"/backends/{qsession_backend.name}/properties?updated_before=2001-01-01T00:00:00Z"
    answer = call("GET", path)
    assert (answer.status_code, answer.text.strip()) == (200, "null")


def test_unknown_backend(call):
    """404 for each of its parts."""
    for part in ("configuration", "properties", "status"):
        assert call("GET", f"/backends/ibm_no_such/{part}").status_code == 404


def test_usage_of_the_instance(call):
    """Seconds, of this instance."""
    document = call.read("/instances/usage")
    assert document["instance_id"] == call.crn
    assert document["plan_id"]
    assert document["usage_consumed_seconds"] >= 0


def test_limit_of_the_instance(call):
    """Null where there is none of its own."""
    assert set(call.read("/instances/configuration")) == {"instance_limit"}


def test_instance_writes_seconds_as_strings(call):
    """Of all documents only this one."""
    document = call.read("/instance")
    assert set(document) >= {"backends", "plan_id", "usage_allocation_seconds"}
    assert document["usage_allocation_seconds"].isdigit()


def test_workloads_are_listed_oldest_first(call, batch):
    """With a count, a limit and links that hold a cursor."""
    document = call.read("/workloads?limit=50")
    assert document["total_count"] >= len(document["workloads"])
    created = [workload["created"] for workload in document["workloads"]]
    assert created == sorted(created)
    newest = call.read("/workloads?limit=1&sort=-createdAt&mode=batch")["workloads"][0]
    assert (newest["id"], newest["mode"], newest["status"]) == (batch.session_id, "batch", "pending")


def test_analytics_are_in_milliseconds(call):
    """The usage of the whole account, in whole ones."""
    used = call.read("/analytics/usage")["usage"]
    assert used == int(used)
