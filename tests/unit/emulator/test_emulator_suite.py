"""The configuration ``ibm-suite``, seen by the client itself."""

from __future__ import annotations

import pytest
from emulator_caller import bell_circuit
from qiskit.providers.exceptions import QiskitBackendNotFoundError

import qsession
from qsession.emulator import Emulator


@pytest.fixture
def service(tmp_path, monkeypatch):
    """The client's service on the first instance, led to the emulator inside of a run."""
    from qiskit_ibm_runtime import QiskitRuntimeService

    monkeypatch.chdir(tmp_path)
    emulator = Emulator.from_config("ibm-suite")
    with qsession.record(tmp_path / "suite.yaml", target="emulator", emulator=emulator):
        yield QiskitRuntimeService(token="a-key-that-opens-nothing", instance=emulator.instances[0].crn)


def test_backends_are_those_of_the_suite(service):
    """The default backend, a test backend, and a mock that is there on request only."""
    assert [b.name for b in service.backends()] == ["ibm_fez", "test_eagle_127", "alt_fez"]
    assert [b.name for b in service.backends(include_mocks=True) if b.is_mock] == ["mock_fez"]
    assert all(isinstance(b.physical_qubits, int) for b in service.backends())
    with pytest.raises(QiskitBackendNotFoundError):
        service.backend("ibm_miami")


def test_backends_have_the_gates_that_tests_ask_for(service):
    """ecr on two pairs of the first two backends, fractional gates on one only."""
    for name in ("ibm_fez", "test_eagle_127"):
        assert {(0, 1), (1, 2)} <= set(service.backend(name).target["ecr"])
    assert "rzz" in service.backend("alt_fez", use_fractional_gates=True).basis_gates
    assert "rzz" not in service.backend("alt_fez", use_fractional_gates=False).basis_gates
    assert "rzz" not in service.backend("ibm_fez").basis_gates


def test_history_is_there_for_a_fresh_client(service):
    """Jobs can be listed before any was submitted, and collected."""
    jobs = service.jobs(limit=10)
    assert [str(job.status()) for job in jobs] == ["CANCELLED", "ERROR", *["DONE"] * 8]
    assert [job.backend().name for job in jobs if job.backend().name != "ibm_fez"] == ["test_eagle_127"]
    assert sum(jobs[4].result()[0].data.c.get_counts().values()) == 4096


def test_remaining_usage_is_a_whole_number(service):
    """The client subtracts what was used from the limit, both in whole seconds."""
    usage = service.usage()
    assert usage["usage_remaining_seconds"] == 1_000_000 - 2 * 11
    assert isinstance(usage["usage_remaining_seconds"], int)


def test_dry_run_goes_to_the_mock_backend(service):
    """A job that is not to run is submitted to the mock of its backend, and hidden from the list."""
    from qiskit_ibm_runtime import SamplerV2

    job = SamplerV2(mode=service.backend("ibm_fez")).run([bell_circuit()], dry_run=True)
    assert job.backend().name == "mock_fez"
    assert str(job.wait_for_final_state() or job.status()) == "DONE"
    assert job.usage() == 0
    assert job.job_id() not in {j.job_id() for j in service.jobs()}
    assert job.job_id() in {j.job_id() for j in service.jobs(include_mocks=True)}


def test_limits_reach_the_client_as_its_errors(tmp_path, monkeypatch):
    """A refusal of the emulator is the client's own exception, with the code in its words."""
    from qiskit_ibm_runtime import Batch, SamplerV2
    from qiskit_ibm_runtime.exceptions import IBMRuntimeError

    monkeypatch.chdir(tmp_path)
    (tmp_path / "open.yaml").write_text(
        "backends: [{name: ibm_fez}, {name: ibm_torino, status: offline}]\n"
        "instances: [{plan: Open, pricing_type: free}]\nqueue_seconds: 60\n"
    )
    emulator = Emulator.from_config(tmp_path / "open.yaml")
    with qsession.record(tmp_path / "x.yaml", target="emulator", emulator=emulator) as run:
        service = run.service()
        assert service.least_busy().name == "ibm_fez"
        with Batch(backend=service.backend("ibm_fez")) as batch:
            sampler = SamplerV2(mode=batch)
            for _ in range(3):
                sampler.run([bell_circuit()])
            with pytest.raises(IBMRuntimeError, match="limit of 3 pending jobs"):
                sampler.run([bell_circuit()])
            batch.cancel()
        assert not service.backend("ibm_torino").status().operational
        assert service.backend("ibm_torino").properties() is not None


def test_workloads_are_recorded_and_replayed_page_by_page(tmp_path, monkeypatch):
    """The client's own adapter pages through the list; a replay gives the same pages."""
    from urllib.parse import parse_qs, urlsplit

    from qiskit_ibm_runtime import SamplerV2

    monkeypatch.chdir(tmp_path)

    def flow(run) -> list[object]:
        service = run.service()
        backend = service.backend("ibm_fez")
        for _ in range(3):
            SamplerV2(mode=backend).run([bell_circuit()])
        adapter = service._active_api_client._api
        first = adapter.workloads_get(limit=2, status=["pending", "in_progress"])
        cursor = parse_qs(urlsplit(first["next"]["href"]).query)["next"][0]
        return [first, adapter.workloads_get(limit=2, next=cursor, status=["pending", "in_progress"])]

    emulator = Emulator(backends=("ibm_fez",), queue_seconds=60)
    with qsession.record(tmp_path / "pages.yaml", target="emulator", emulator=emulator) as run:
        recorded = flow(run)
    assert [len(page["workloads"]) for page in recorded] == [2, 1]
    with qsession.replay(tmp_path / "pages.yaml") as run:
        assert flow(run) == recorded
