from __future__ import annotations

import json

import pytest

from qsession.emulator import Emulator
from qsession.emulator._emulator import DEFAULT_BACKENDS


def test_backends_are_listed_as_objects(caller):
    """The list has what the client reads of each backend."""
    devices = caller.json("GET", "/backends?include_mocks=True")["devices"]
    assert [d["name"] for d in devices] == ["ibm_fez", "ibm_torino"]
    assert devices[0] == {
        "name": "ibm_fez",
        "status": {"name": "online", "reason": "available"},
        "is_simulator": False,
        "qubits": 156,
        "physical_qubits": 156,
        "queue_length": 0,
        "clops": {"type": "hardware", "value": 195000.0},
        "processor_type": {"family": "Heron", "revision": "2"},
    }


def test_backends_have_waits_on_request(caller):
    """The documented query parameter adds its field."""
    assert "wait_time_seconds" in caller.json("GET", "/backends?fields=wait_time_seconds")["devices"][0]


def test_backends_before_2025_are_names(caller):
    """The oldest API version lists names."""
    assert caller.json("GET", "/backends", ibm_api_version="2024-01-01") == {
        "devices": ["ibm_fez", "ibm_torino"]
    }


@pytest.mark.parametrize("name", ["ibm_fez", "ibm_torino"])
def test_configuration_and_properties_are_the_snapshots(caller, name):
    """Both documents are the device's own."""
    configuration = caller.json("GET", f"/backends/{name}/configuration")
    properties = caller.json("GET", f"/backends/{name}/properties?updated_before=2026-01-01T00:00:00Z")
    assert configuration["backend_name"] == properties["backend_name"] == name
    assert configuration["n_qubits"] == len(properties["qubits"])


def test_renamed_snapshot_carries_the_name_asked_for(make_caller):
    """A snapshot taken under an older name is served under the new one."""
    caller = make_caller(backends=("ibm_manila",))
    assert caller.json("GET", "/backends/ibm_manila/configuration")["backend_name"] == "ibm_manila"
    assert caller.json("GET", "/backends/ibm_manila/properties")["backend_name"] == "ibm_manila"


def test_status_is_active(caller):
    """The status is what the client takes for operational."""
    status = caller.json("GET", "/backends/ibm_fez/status")
    assert status == {
        "state": True,
        "status": "active",
        "message": "",
        "length_queue": 0,
        "backend_version": "1.2.8",
    }


def test_defaults_are_null(caller):
    """The endpoint that the client no longer asks answers null."""
    assert json.loads(caller.send("GET", "/backends/ibm_fez/defaults").body) is None


@pytest.mark.parametrize("part", ["configuration", "properties", "status", "defaults"])
def test_unknown_backend_is_404(caller, part):
    """Every call on a backend knows only its own."""
    assert caller.refusal("GET", f"/backends/ibm_none/{part}") == (
        404,
        {"code": "not_found", "message": "device not found"},
    )


@pytest.mark.parametrize("part", ["configuration", "properties"])
def test_unknown_calibration_is_404(caller, part):
    """There is one calibration, and it has no id."""
    assert caller.refusal("GET", f"/backends/ibm_fez/{part}?calibration_id=x")[0] == 404


def test_default_backends_exist():
    """The defaults are served by the installed client, ibm_fez first."""
    assert Emulator().backends == DEFAULT_BACKENDS
    assert DEFAULT_BACKENDS[0] == "ibm_fez"
