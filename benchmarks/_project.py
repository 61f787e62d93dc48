"""Projects of tests that use a 156-qubit device, and how long each of their tests takes."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._measuring import Real

CONFTEST = """
import json, os, time
from pathlib import Path
import pytest

if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core


class Real:
    now = staticmethod(time.perf_counter)


times, computed = [], []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    began, used = Real.now(), time.process_time()
    try:
        return (yield)
    finally:
        times.append(Real.now() - began)
        computed.append(time.process_time() - used)


def pytest_sessionfinish(session):
    Path("times.json").write_text(json.dumps([times, computed]))
"""

BELL = '''
import os
from math import pi
from qiskit import QuantumCircuit

NUMBERS = range(int(os.environ["TESTS"]))


def bell():
    """A Bell pair in the instructions of the device."""
    circuit = QuantumCircuit(2, name="bell")
    for qubit in (0, 1):
        circuit.rz(pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(pi / 2, qubit)
    circuit.cz(0, 1)
    circuit.rz(pi / 2, 1)
    circuit.sx(1)
    circuit.rz(pi / 2, 1)
    circuit.measure_all()
    return circuit


def check(counts):
    assert sum(counts.values()) == 100
    assert counts.get("00", 0) + counts.get("11", 0) > 80


def run_in(session):
    from qiskit_ibm_runtime import SamplerV2

    return SamplerV2(mode=session).run([bell()], shots=100).result()[0].data.meas.get_counts()
'''

TESTS = {
    "own": """
import pytest
from bell import NUMBERS, bell, check


@pytest.mark.parametrize("number", NUMBERS)
def test_bell(number):
    bell()
    check({"00": 50, "11": 50})
""",
    "qsession": """
import pytest
from bell import NUMBERS, check, run_in


@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=pytest.mark.qsession(cassette=f"bell-{n}.yaml")) for n in NUMBERS]
)
def test_bell(number, qsession):
    check(run_in(qsession))
""",
    "recording": """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService, Session
from bell import NUMBERS, check, run_in


@pytest.mark.vcr
@pytest.mark.default_cassette("bell.yaml")
@pytest.mark.parametrize("number", NUMBERS)
def test_bell(number):
    with Session(backend=QiskitRuntimeService().backend("ibm_fez")) as session:
        check(run_in(session))
""",
    "local": """
import pytest
from qiskit_ibm_runtime import Session
from qiskit_ibm_runtime.fake_provider import FakeFez
from bell import NUMBERS, check, run_in

BACKEND = FakeFez()


@pytest.mark.parametrize("number", NUMBERS)
def test_bell(number):
    with Session(backend=BACKEND) as session:
        check(run_in(session))
""",
}

_OTHERS = ("randomly", "cacheprovider", "xdist", "hypothesispytest", "schemathesis")


@dataclass(frozen=True, slots=True)
class Times:
    """How long a run of pytest took.

    Attributes:
        tests: Seconds of each test, in order; set-up and teardown included.
        computed: Seconds of the processor that each took.
        start: Seconds of everything else.
    """

    tests: tuple[float, ...]
    computed: tuple[float, ...]
    start: float

    def whole(self, count: int) -> float:
        """Seconds of the whole run, had it had so many tests: the first is as dear as it was."""
        first, later = self.tests[0], self.tests[1:] or self.tests
        return self.start + first + statistics.fmean(later) * (count - 1)


def project(folder: Path) -> Path:
    """Write the tests of every kind."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "bell.py").write_text(BELL)
    for name, text in TESTS.items():
        (folder / f"test_{name}.py").write_text(text)
    return folder


def run(
    folder: Path, kind: str, count: int, *options: str, environment: Mapping[str, str] | None = None
) -> Times:
    """Run the tests of one kind.

    Raises:
        RuntimeError: If they fail; with what pytest printed.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
    env |= {"TESTS": str(count), **(environment or {})}
    off = [text for name in (*_OTHERS, *_unused(kind)) for text in ("-p", f"no:{name}")]
    command = [sys.executable, "-W", "ignore", "-m", "pytest", "-q", *off, *options, f"test_{kind}.py"]
    began = Real.now()
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    whole = Real.now() - began
    if ended.returncode:
        raise RuntimeError(f"the tests of the kind {kind!r} failed:\n{ended.stdout[-2000:]}")
    tests, computed = json.loads((folder / "times.json").read_text())
    return Times(tuple(tests), tuple(computed), whole - sum(tests))


_SETTINGS = ("PYTEST_", "QSESSION_", "QISKIT_", "IAM_")


def _unused(kind: str) -> Sequence[str]:
    users = {"qsession": "qsession", "recording": "recording"}
    return [plugin for plugin, user in users.items() if user != kind]


def copies(folder: Path, count: int) -> None:
    """Give each test a cassette of its own, as tests have."""
    cassettes = folder / "cassettes"
    for number in range(1, count):
        shutil.copy(cassettes / "bell-0.yaml", cassettes / f"bell-{number}.yaml")
