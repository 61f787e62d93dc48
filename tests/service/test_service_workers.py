"""Workers of pytest-xdist that record against the service: one budget for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from emulated_service import ACCOUNT_OF_THE_ENVIRONMENT, EmulatedService
from planted import found_below

_CONFTEST = """
import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

@pytest.fixture
def submit():
    def one(session=False):
        backend = QiskitRuntimeService().backend("ibm_fez")
        circuit = QuantumCircuit(1)
        circuit.measure_all()
        isa = generate_preset_pass_manager(0, backend, seed_transpiler=1).run(circuit)
        where = Session(backend=backend) if session else backend
        return SamplerV2(mode=where, options={"max_execution_time": 10}).run([isa], shots=10)
    return one
"""
_JOBS = """
import pytest

@pytest.mark.qsession
@pytest.mark.parametrize("number", range(4))
def test_job(submit, number):
    submit()
"""
_DEATH = """
import os
import pytest
from qsession._clock import SystemClock

@pytest.mark.qsession
def test_dies(submit):
    submit(session=True).result()
    os.kill(os.getpid(), 9)

def test_lives(qsession_run):
    lines = qsession_run._way.money.ledger(SystemClock().now())
    assert lines[0].startswith("budget 60 s, counted "), lines
    assert lines[1].endswith(": a worker that died; what it left may go on"), lines
    print("told:", lines[1])
"""
_SHARED = """
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qsession._clock import SystemClock

@pytest.mark.qsession(scope="module")
@pytest.mark.parametrize("number", range(3))
def test_job(qsession, qsession_isa, qsession_run, number):
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    SamplerV2(mode=qsession).run([qsession_isa(circuit)], shots=10).result()
    money, now = qsession_run._way.money, SystemClock().now()
    assert money.spent(now) == 0.0
    total, session = money.ledger(now)
    assert "  session " in session, session
    assert total == f"budget 60 s, counted {session.split()[0]} s"
"""
_OPTIONS = (
    *("-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore::DeprecationWarning"),
    *("--qsession-record", "--qsession-backend=ibm_fez"),
)


def _pytest(service: EmulatedService, folder: Path, tests: str, *options: str) -> str:
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_it.py").write_text(tests)
    (folder / "pytest.ini").write_text("[pytest]\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *_OPTIONS, *options],
        cwd=folder,
        env=service.environment(folder, **ACCOUNT_OF_THE_ENVIRONMENT),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.stdout + done.stderr


def _left_of_the_purse(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / ".qsession" / "purse").iterdir())


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_spend_one_budget(service: EmulatedService, tmp_path: Path, workers: int) -> None:
    """One job of up to 10 s fits into 10 s, whichever worker submits it; the others are told why not.

    However little it turns out to cost, it leaves less than another may need.
    """
    before = len(service.handed_out()["job"])
    told = _pytest(service, tmp_path, _JOBS, f"-n{workers}", "--qsession-budget=10")
    assert "3 failed, 1 passed" in told, told
    assert len(service.handed_out()["job"]) == before + 1
    assert told.count("This job asks for up to 10 s, more than the ") >= 3
    assert told.count("  budget 10 s, counted ") >= 3
    assert _left_of_the_purse(tmp_path) == ["pace.json", "turn.lock"]
    assert found_below(tmp_path / ".qsession" / "purse", ACCOUNT_OF_THE_ENVIRONMENT) == []


def test_session_that_tests_share_is_counted_once(service: EmulatedService, tmp_path: Path) -> None:
    """By its wall clock, where it was opened; the jobs of the tests are no jobs outside of one."""
    told = _pytest(service, tmp_path, _SHARED)
    assert "3 passed" in told, told
    assert "sessions opened: 1" in told
    assert service.open_sessions() == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="asks after processes")
def test_worker_that_was_killed_stays_counted(service: EmulatedService, tmp_path: Path) -> None:
    """The one that takes its place counts on what it left, and its session is cancelled."""
    told = _pytest(service, tmp_path, _DEATH, "-n1", "-s", "-rP")
    assert "1 failed, 1 passed" in told, told
    assert "worker 'gw0' crashed while running 'test_it.py::test_dies'" in told
    turns = iter(range(300))
    while service.open_sessions() and next(turns, None) is not None:
        threading.Event().wait(0.1)
    assert service.open_sessions() == []
    assert _left_of_the_purse(tmp_path) == ["pace.json", "turn.lock"]
