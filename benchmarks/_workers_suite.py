"""A suite with fixtures of every scope, recorded by workers at once and replayed by them in random order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CONFTEST = """
import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

@pytest.fixture(scope="session")
def service():
    return QiskitRuntimeService()

@pytest.fixture(scope="session")
def isa(service):
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.measure_all()
    backend = service.backend("ibm_fez")
    return generate_preset_pass_manager(1, backend=backend, seed_transpiler=1).run(circuit)

@pytest.fixture(scope="module")
def session(service):
    with Session(backend=service.backend("ibm_fez")) as session:
        yield session
"""
TESTS = """
import pytest
from qiskit_ibm_runtime import SamplerV2

@pytest.mark.qsession
@pytest.mark.parametrize("shots", range(1, {number} + 1))
def test_shots(session, isa, shots):
    job = SamplerV2(mode=session).run([isa], shots=shots)
    assert job.result()[0].data.meas.num_shots == shots
    assert session.details()["id"] == session.session_id
"""
RECORD = ("--qsession-record", "--qsession-target=emulator")
_COUNT = re.compile(r"(\d+) (passed|failed|error)")


def write(folder: Path, files: int, number: int) -> None:
    """Write the suite.

    Args:
        folder: Where.
        files: How many test files; each has a session of its own.
        number: How many tests in each.
    """
    (folder / "conftest.py").write_text(CONFTEST, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = ignore\n", "utf-8")
    for file in range(files):
        (folder / f"test_{file:02}.py").write_text(TESTS.format(number=number), "utf-8")


def run(folder: Path, workers: int, *more: str) -> tuple[int, str]:
    """Run it.

    Args:
        folder: Where it is.
        workers: How many processes.
        more: Options of pytest.

    Returns:
        How many tests passed, and what else there is to say.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), *more]
    done = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    counts = {word: int(number) for number, word in _COUNT.findall(done.stdout.splitlines()[-1])}
    wrong = "" if done.returncode == 0 else done.stdout[-1500:] + done.stderr[-500:]
    return counts.get("passed", 0), wrong


def judge(folder: Path, *, workers: int, files: int, number: int, replays: int) -> Sequence[str]:
    """Record it, look at every file, replay it; what is wrong.

    Args:
        folder: An empty folder.
        workers: How many processes record and replay.
        files: How many test files.
        number: How many tests in each.
        replays: How often it is replayed, each time in another order.
    """
    write(folder, files, number)
    passed, wrong = run(folder, workers, *RECORD)
    cassettes = folder / "cassettes"
    own = [path for path in cassettes.rglob("*.yaml") if not path.name.startswith("@")]
    layers = list(cassettes.rglob("@*.yaml"))
    counted = f"{passed} recorded, {len(own)} cassettes, {len(layers)} layers"
    print(f"a suite of {files} files, {workers} workers: {counted}")
    found = [wrong] if wrong else []
    if (len(own), len(layers)) != (files * number, files + 1):
        found.append(f"{len(own)} cassettes and {len(layers)} layers of {files * number} and {files + 1}")
    command = [sys.executable, "-m", "qsession.cli", "lint", "cassettes"]
    linted = subprocess.run(
        command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False
    )
    found += [linted.stdout[-1500:]] if linted.returncode else []
    whole = 0
    for seed in range(replays):
        passed, wrong = run(folder, workers, f"--randomly-seed={seed}")
        whole += passed == files * number
        found += [f"seed {seed}: {wrong}"] if wrong else []
    print(f"replayed in random order by {workers} workers: {whole} of {replays} times all of it")
    return found


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
