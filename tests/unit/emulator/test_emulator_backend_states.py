"""Backends that differ from a snapshot: mock, paused, with more gates, at another date."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from emulator_caller import Caller, bell_circuit, encoded
from hypothesis import given
from hypothesis import strategies as st

from qsession._model import SECOND
from qsession.emulator import Backend, Emulator
from qsession.emulator import _calibrations as calibrations
from qsession.emulator._backends import served
from qsession.emulator._devices import device

UNAVAILABLE = {
    "code": 1004,
    "message": "The Backend is not available.",
    "solution": "Use another backend to run the job.",
}
FEZ = device("ibm_fez")


@pytest.fixture
def fleet(make_caller) -> Caller:
    return make_caller(
        backends=(
            "ibm_fez",
            Backend("mock_fez", mock=True),
            Backend("ibm_torino", status="paused", reason="calibrating", queue_length=12),
            Backend("test_off", device="ibm_brisbane", status="offline"),
        )
    )


def body(backend: str, **more) -> bytes:
    pub = [bell_circuit(), None, 5]
    return encoded(
        {"program_id": "sampler", "backend": backend, "params": {"pubs": [pub], "version": 2}, **more}
    )


def test_mock_backends_are_listed_on_request(fleet):
    """Without include_mocks the list has no backend of class mock."""
    plain = fleet.json("GET", "/backends")["devices"]
    every = fleet.json("GET", "/backends?include_mocks=True")["devices"]
    assert [d["name"] for d in plain] == ["ibm_fez", "ibm_torino", "test_off"]
    assert [(d["name"], d.get("class")) for d in every][1] == ("mock_fez", "mock")
    assert all("class" not in d for d in plain)


def test_mock_jobs_are_listed_on_request_and_cost_nothing(fleet):
    """A dry run is hidden from the jobs and workloads, and its usage is zero."""
    real = fleet.json("POST", "/jobs", body("ibm_fez"))["id"]
    mock = fleet.json("POST", "/jobs", body("mock_fez"), at=0.1)["id"]
    for path, key in (("/jobs", "jobs"), ("/workloads", "workloads")):
        assert [j["id"] for j in fleet.json("GET", path, at=2)[key]] == [real]
        every = fleet.json("GET", f"{path}?include_mocks=True", at=2)[key]
        assert {j["id"] for j in every} == {real, mock}
    metrics = fleet.json("GET", f"/jobs/{mock}/metrics", at=2)
    assert metrics["usage"] == {"qpu_charge_time_seconds": 0, "status": "complete"}
    assert metrics["circuits_execution_time_ns"] == 0
    assert fleet.json("GET", "/instances/usage", at=2)["usage_consumed_seconds"] == 0.3
    assert fleet.result(mock, at=2)[0].data.meas.num_shots == 5


def test_mock_session_costs_nothing(fleet):
    """A session on a mock backend adds nothing to the instance's usage."""
    session = fleet.json("POST", "/sessions", {"mode": "dedicated", "backend": "mock_fez"})["id"]
    fleet.json("POST", "/jobs", body("mock_fez", session_id=session))
    fleet.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=5)
    assert fleet.json("GET", f"/sessions/{session}", at=6)["state"] == "closed"
    assert fleet.json("GET", "/instances/usage", at=6)["usage_consumed_seconds"] == 0


@pytest.mark.parametrize(
    ("name", "listed", "state", "word", "message", "queue"),
    [
        ("ibm_fez", {"name": "online", "reason": "available"}, True, "active", "", 0),
        ("ibm_torino", {"name": "paused", "reason": "calibrating"}, True, "paused", "calibrating", 12),
        ("test_off", {"name": "offline"}, False, "offline", "", 0),
    ],
)
def test_states_are_shown(fleet, name, listed, state, word, message, queue):
    """List and status tell whether a backend takes jobs, why not, and how many wait."""
    (entry,) = (d for d in fleet.json("GET", "/backends")["devices"] if d["name"] == name)
    assert (entry["status"], entry["queue_length"]) == (listed, queue)
    status = fleet.json("GET", f"/backends/{name}/status")
    assert (status["state"], status["status"], status["message"]) == (state, word, message)
    assert status["length_queue"] == queue


@pytest.mark.parametrize("name", ["ibm_torino", "test_off"])
def test_backends_that_are_not_online_take_nothing(fleet, name):
    """Jobs, sessions and batches for them are refused with the documented code."""
    assert fleet.refusal("POST", "/jobs", body(name)) == (400, UNAVAILABLE)
    for mode in ("dedicated", "batch"):
        assert fleet.refusal("POST", "/sessions", {"mode": mode, "backend": name}) == (400, UNAVAILABLE)


def test_waits_are_the_queue_of_the_emulator(make_caller):
    """Every job waits equally long, so all three numbers are that."""
    caller = make_caller(queue_seconds=7.5)
    (entry,) = caller.json("GET", "/backends?fields=wait_time_seconds")["devices"]
    assert entry["wait_time_seconds"] == {"average": 7.5, "p50": 7.5, "p95": 7.5}


def test_added_gates_are_declared_and_run():
    """rx, rzz and ecr stand in configuration and properties, and circuits with them are simulated."""
    from qiskit import QuantumCircuit

    caller = Caller(Emulator(backends=(Backend("alt_fez", fractional=True, ecr=((0, 1),)),)))
    configuration = caller.json("GET", "/backends/alt_fez/configuration")
    gates = {gate["name"]: gate for gate in configuration["gates"]}
    assert configuration["backend_name"] == "alt_fez"
    assert {"rx", "rzz", "ecr"} <= set(configuration["basis_gates"])
    assert {"rx", "rzz", "ecr"} <= set(configuration["supported_instructions"])
    assert len(gates["rx"]["coupling_map"]) == 156
    assert gates["rzz"]["coupling_map"] == sorted(map(list, FEZ.places["cz"]))
    assert (gates["rzz"]["parameters"], gates["ecr"]["coupling_map"]) == (["theta"], [[0, 1]])
    properties = caller.json("GET", "/backends/alt_fez/properties")
    calibrated = {(gate["gate"], tuple(gate["qubits"])): gate for gate in properties["gates"]}
    assert calibrated["ecr", (0, 1)]["parameters"] == calibrated["cz", (0, 1)]["parameters"]
    circuit = QuantumCircuit(2, 2)
    circuit.rx(3.141592653589793, 0)
    circuit.ecr(0, 1)
    circuit.rzz(0.5, 0, 1)
    circuit.measure([0, 1], [0, 1])
    job = caller.json(
        "POST",
        "/jobs",
        encoded(
            {"program_id": "sampler", "backend": "alt_fez", "params": {"pubs": [[circuit]], "version": 2}}
        ),
    )["id"]
    assert caller.status(job, at=2) == "Completed"
    away = QuantumCircuit(2)
    away.ecr(1, 0)
    away.measure_all()
    job = caller.json(
        "POST",
        "/jobs",
        encoded({"program_id": "sampler", "backend": "alt_fez", "params": {"pubs": [[away]], "version": 2}}),
        at=3,
    )["id"]
    assert caller.json("GET", f"/jobs/{job}", at=5)["state"]["reason_code"] == 1517


def test_the_client_builds_a_target_of_added_gates():
    """The client takes the documents of a backend with more gates as it takes a snapshot's."""
    from qiskit_ibm_runtime.models import BackendProperties, QasmBackendConfiguration
    from qiskit_ibm_runtime.utils.backend_converter import convert_to_target

    found = served(Backend("test_eagle_1", device="ibm_sherbrooke", ecr=((0, 1), (1, 2)), fractional=True))
    configuration = QasmBackendConfiguration.from_dict(json.loads(found.configuration))
    target = convert_to_target(configuration, BackendProperties.from_dict(json.loads(found.properties)))
    assert (0, 1) in target["ecr"]
    assert target["ecr"][0, 1].error == target["ecr"][1, 0].error
    assert {"rx", "rzz"} <= set(target.operation_names)


def test_fractional_gates_of_a_single_qubit_device():
    """A device without pairs gets rx only."""
    found = served(Backend("ibm_armonk", fractional=True))
    assert "rx" in found.places
    assert "rzz" not in found.places


def test_snapshots_are_served_untouched():
    """A backend that says nothing more is the snapshot, to the byte."""
    assert served(Backend("ibm_fez")).configuration == FEZ.configuration
    assert served("ibm_fez") is FEZ


def properties(caller, query: str):
    return json.loads(caller.send("GET", f"/backends/ibm_fez/properties{query}").body)


def test_properties_before_a_date_are_of_the_calibration_before_it(caller):
    """A date at or after the snapshot gives it; earlier ones an earlier calibration with other numbers."""
    now = properties(caller, "")
    assert now["last_update_date"] == "2025-02-26T15:16:25-05:00"
    assert properties(caller, "?updated_before=2025-02-26T20:16:25Z") == now
    day = properties(caller, "?updated_before=2025-02-26T20:16:24Z")
    assert day["last_update_date"] == "2025-02-25T15:16:25-05:00"
    assert [len(qubit) for qubit in day["qubits"]] == [len(qubit) for qubit in now["qubits"]]
    values = [
        (p["name"], p["value"], q["value"]) for p, q in zip(now["qubits"][0], day["qubits"][0], strict=True)
    ]
    assert all(
        (was == is_) == (name not in {"T1", "T2", "readout_error", "prob_meas0_prep1", "prob_meas1_prep0"})
        for name, was, is_ in values
    )
    assert all(abs(is_ - was) <= 0.1 * was for _, was, is_ in values)
    assert properties(caller, "?updated_before=2025-02-25T20:16:25%2B00:00") == day


def test_properties_before_the_first_calibration_are_null(caller):
    """Sixty calibrations are known; before them there is none."""
    assert properties(caller, "?updated_before=2024-12-30T00:00:00Z")["last_update_date"].startswith(
        "2024-12-29"
    )
    assert properties(caller, "?updated_before=2024-12-29T00:00:00Z") is None


@pytest.mark.parametrize("date", ["yesterday", "2025-02-30T00:00:00Z", "2025-02-01T00:00:00", ""])
def test_malformed_date_is_400(caller, date):
    """A date that is none, or has no zone, is refused."""
    assert caller.refusal("GET", f"/backends/ibm_fez/properties?updated_before={date}") == (
        400,
        {
            "code": 1208,
            "message": "Request validation of query failed, because: updated_before must be a date and time"
            " with its zone",
            "solution": "Correct the query parameters.",
        },
    )


def test_known_calibration_is_served(caller):
    """A calibration id leads to its properties, and to the configuration."""
    ident = calibrations.ident(FEZ, 2)
    found = properties(caller, f"?calibration_id={ident}")
    assert found["last_update_date"] == "2025-02-24T15:16:25-05:00"
    assert caller.json("GET", f"/backends/ibm_fez/configuration?calibration_id={ident}")["n_qubits"] == 156


def test_calibration_of_another_device_is_unknown(caller):
    """An id belongs to one device."""
    ident = calibrations.ident(device("ibm_torino"), 0)
    assert caller.refusal("GET", f"/backends/ibm_fez/properties?calibration_id={ident}")[0] == 404


def test_job_keeps_its_calibration(caller):
    """A job that names a calibration says so in its answer and its document; an unknown one is 404."""
    ident = calibrations.ident(FEZ, 1)
    answer = caller.json("POST", "/jobs", body("ibm_fez", calibration_id=ident))
    assert answer["calibration_id"] == ident
    assert caller.json("GET", f"/jobs/{answer['id']}")["calibration_id"] == ident
    assert caller.refusal("POST", "/jobs", body("ibm_fez", calibration_id="x")) == (
        404,
        {"code": "not_found", "message": "calibration not found"},
    )


@given(st.integers(-100 * 86_400 * SECOND, 100 * 86_400 * SECOND))
def test_calibration_before_a_moment_is_the_newest(offset):
    """Never from after the moment, and never a day older than necessary."""
    newest = calibrations.latest(FEZ)
    moment = newest + offset
    day = calibrations.before(FEZ, moment)
    made = [newest - n * 86_400 * SECOND for n in range(calibrations.DAYS)]
    fitting = [n for n, at in enumerate(made) if at <= moment]
    assert day == (fitting[0] if fitting else None)


def test_calibrations_do_not_depend_on_who_asks():
    """Equal days give equal bytes, and errors stay probabilities."""
    calibrations.properties.cache_clear()
    first = calibrations.properties(FEZ, 3)
    calibrations.properties.cache_clear()
    assert calibrations.properties(FEZ, 3) == first
    document = json.loads(first)
    errors = [
        p["value"] for gate in document["gates"] for p in gate["parameters"] if p["name"] == "gate_error"
    ]
    assert all(0 <= error <= 1 for error in errors)
    assert datetime.fromisoformat(document["last_update_date"]).tzinfo is not None
