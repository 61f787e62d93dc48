"""How the registry of IBM's unit tests becomes the state of an emulator (``benchmarks/_unit_world.py``)."""

from __future__ import annotations

import importlib.util
import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from qsession._model import Request
from qsession.emulator._devices import device

FEZ = device("ibm_fez")
RUNTIME = "https://my-region.quantum.cloud.ibm.com/api/v1"
MOMENTS = ({"status": "open", "timestamp": "2026-01-01T00:00:00Z"},)


@pytest.fixture(scope="module")
def world():
    """The module; the benchmarks are no part of the package."""
    path = Path(__file__).parents[3] / "benchmarks" / "_unit_world.py"
    spec = importlib.util.spec_from_file_location("unit_world", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def an_instance(name: str = "a", **more) -> SimpleNamespace:
    crn = f"crn:v1:bluemix:public:quantum-computing:my-region:{name}/0:0::"
    return SimpleNamespace(
        **{"name": name, "crn": crn, "pricing_type": "free", "usage": {}, "tags": []} | more
    )


def a_backend(name: str = "fez", **more) -> SimpleNamespace:
    documents = {key: json.loads(getattr(FEZ, key)) for key in ("configuration", "properties")}
    plain = {"status": "online", "queue_length": 0, "calibrations": {}, "is_mock": False}
    return SimpleNamespace(**{"name": name} | documents | plain | more)


def a_job(ident: str, status: str = "completed", **more) -> SimpleNamespace:
    usage = {"qpu_charge_time_seconds": 20, "status": "complete"}
    plain = {"backend_name": "fez", "program": "sampler", "raw_details": None, "raw_results": None}
    lasting = {"statuses": ["completed"], "statuses_reason": {}}
    return SimpleNamespace(**{"id": ident, "status": status, "usage": usage} | plain | lasting | more)


@dataclass
class Registry:
    """As the suite's own: entities by the name of their instance."""

    instances: dict[str, Any]
    backends: dict[str, dict[str, Any]]
    jobs: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    sessions: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))

    def add(self, *jobs: Any) -> None:
        self.jobs["a"] |= {job.id: job for job in jobs}


@pytest.fixture
def registry() -> Registry:
    return Registry({"a": an_instance()}, {"a": {"fez": a_backend()}})


def ask(stage: Any, method: str, path: str, body: object = None, *, crn: str = "") -> Any:
    headers = {"service-crn": crn or an_instance().crn, "ibm-api-version": "2026-04-15"}
    raw = b"" if body is None else json.dumps(body).encode()
    url = path if path.startswith("http") else RUNTIME + path
    answer = stage.answer(Request(method, url, headers, raw))
    return json.loads(answer.body) if answer.status == 200 else answer.status


@pytest.mark.parametrize("status", ["queued", "running", "completed", "failed", "cancelled"])
def test_job_has_and_keeps_the_status_of_the_registry(world, registry, status):
    """However often somebody looks."""
    registry.add(a_job("mine", status))
    stage = world.Stage(registry)
    for _ in range(5):
        assert ask(stage, "GET", "/jobs/mine")["state"]["status"] == status.capitalize()
    assert ask(stage, "GET", "/jobs?pending=true")["count"] == (status in {"queued", "running"})


def test_job_of_the_registry_has_its_usage_and_results(world, registry):
    """Seconds that ran, and the text that was put there."""
    registry.add(a_job("mine", raw_results='{"some": 1}'))
    stage = world.Stage(registry)
    assert ask(stage, "GET", "/jobs/mine/metrics")["usage"] == {
        "qpu_charge_time_seconds": 20,
        "status": "complete",
    }
    assert ask(stage, "GET", "/jobs/mine/results") == {"some": 1}


def test_first_job_of_the_registry_is_the_newest(world, registry):
    """Its order is that of the service's list."""
    registry.add(a_job("1"), a_job("2"), a_job("0"))
    listed = ask(world.Stage(registry), "GET", "/jobs")["jobs"]
    assert [job["id"] for job in listed] == ["1", "2", "0"]


def test_submitted_job_ends_as_the_registry_says_afterwards(world, registry):
    """Its course is the emulator's; how it ends can be said as long as nobody saw the end."""
    stage = world.Stage(registry)
    job = ask(stage, "POST", "/jobs", {"program_id": "foo", "backend": "fez", "params": {}})["id"]
    assert stage.unread == 1
    reasons = {"failed": (123, "on purpose")}
    registry.add(
        a_job(job, "running", statuses=["running", "failed"], statuses_reason=reasons, raw_results="why")
    )
    states = [ask(stage, "GET", f"/jobs/{job}")["state"] for _ in range(3)]
    assert [state["status"] for state in states] == ["Running", "Running", "Failed"]
    assert (states[2]["reason_code"], states[2]["reason"]) == (123, "on purpose")


@pytest.mark.parametrize(
    "stamps", [(), MOMENTS, (*MOMENTS, {"status": "closed", "timestamp": "2026-01-01T01:00:00Z"})]
)
def test_session_was_in_the_states_of_the_registry(world, registry, stamps):
    """And in no other since, for it has no timers."""
    session = SimpleNamespace(id="s", backend_name="fez", mode="batch", timestamps=list(stamps))
    registry.sessions["a"]["s"] = session
    answer = ask(world.Stage(registry), "GET", "/sessions/s")
    expected = [stamp["timestamp"].replace("Z", ".000Z") for stamp in stamps]
    assert [stamp["timestamp"] for stamp in answer["timestamps"]] == expected
    assert answer["state"] == (stamps[-1]["status"] if stamps else "open")
    assert answer["mode"] == "batch"


def test_what_is_added_later_is_told_before_the_next_answer(world, registry):
    """Instances and backends too; each instance sees its own."""
    stage = world.Stage(registry)
    assert [d["name"] for d in ask(stage, "GET", "/backends")["devices"]] == ["fez"]
    registry.instances["b"] = an_instance("b")
    registry.backends["a"]["torino"] = a_backend("torino", status="offline", queue_length=3)
    assert [d["name"] for d in ask(stage, "GET", "/backends")["devices"]] == ["fez", "torino"]
    assert ask(stage, "GET", "/backends/torino/status")["length_queue"] == 3
    assert ask(stage, "GET", "/backends", crn=an_instance("b").crn) == {"devices": []}
    assert ask(stage, "GET", "/backends", crn=an_instance("c").crn) == 404


@pytest.mark.parametrize(("name", "is_mock"), [("mock_fez", False), ("fez", True)])
def test_backend_is_a_mock_by_flag_or_by_name(world, registry, name, is_mock):
    """Then it is listed on request only."""
    registry.backends["a"] = {name: a_backend(name, is_mock=is_mock)}
    stage = world.Stage(registry)
    assert ask(stage, "GET", "/backends") == {"devices": []}
    assert ask(stage, "GET", "/backends?include_mocks=true")["devices"][0]["class"] == "mock"


def _raw(registry: Registry) -> None:
    registry.add(a_job("mine", raw_details="{}"))


def _mixed(registry: Registry) -> None:
    pending = {"qpu_charge_time_seconds": 1, "status": "pending"}
    registry.add(a_job("one"), a_job("two", usage=pending))


def _twice(registry: Registry) -> None:
    registry.instances["b"] = an_instance("b")
    registry.backends["b"] = {"fez": a_backend()}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_raw, "a raw response is no state of a service"),
        (_mixed, "the usage of some jobs is pending, and that of others is not"),
        (_twice, "two backends of one name"),
    ],
)
def test_what_is_no_state_of_a_service_is_refused(world, registry, spoil, message):
    """Rather than left out, which would let a test pass for another reason."""
    spoil(registry)
    with pytest.raises(world.CannotTell) as caught:
        ask(world.Stage(registry), "GET", "/jobs")
    assert str(caught.value) == message
