"""A suite with tests of ours and of another plugin, run with that plugin and no other."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from plugin_project import EMULATOR, Project, block

PLUGINS = (
    "anyio", "asyncio", "benchmark", "freezer", "hypothesispytest", "pytest_cov", "randomly", "recording",
    "rerunfailures", "schemathesis", "socket", "time_machine", "timeout", "vcr", "xdist",
)  # fmt: skip
"""By the names under which pytest knows them; all are kept out of a suite but those that it names."""

OURS = """
import time
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.qsession
def test_ours():
    assert QiskitRuntimeService().usage()

@pytest.mark.qsession
def test_ours_waits(qsession_clock):
    began = qsession_clock.now()
    time.sleep(7200)
    assert QiskitRuntimeService().usage()
    assert (qsession_clock.now() - began).total_seconds() >= 7200
"""
"""Two tests of ours: a plain client that asks for one thing, and one that waits for two hours."""

WARM = """
import tempfile
from pathlib import Path
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2
import qsession

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "bell.yaml"
    for run in (qsession.record(path, target="emulator"), qsession.replay(path)):
        with run:
            backend = run.service().backend("ibm_fez")
            circuit = QuantumCircuit(1)
            circuit.measure_all()
            isa = generate_preset_pass_manager(1, backend, seed_transpiler=1).run(circuit)
            with qsession.Session(backend=backend) as session:
                SamplerV2(mode=session).run([isa], shots=10).result()
"""


_WARNINGS = (
    "-W", "error", "-W", "ignore::DeprecationWarning", "-W", "ignore::pytest.PytestAssertRewriteWarning",
)  # fmt: skip
"""The last, since our own pytest has imported vcrpy already."""


@dataclass(frozen=True, slots=True)
class Suite(Project):
    """A folder with ``test_ours.py`` and ``test_theirs.py``."""

    def holds(self, theirs: str, ours: str = OURS, *, ini: str = "", **files: str) -> None:
        """Write the suite."""
        self.pytester.makeini("[pytest]\n" + ini)
        self.pytester.makepyfile(test_ours=ours, test_theirs=theirs, **files)

    def beside(self, plugin: str, *options: str, apart: bool = False) -> pytest.RunResult:
        """Run with our plugin and another's, which may be several parted by spaces."""
        without = [word for name in PLUGINS if name not in plugin.split() for word in ("-p", f"no:{name}")]
        words = ("-p", "no:cacheprovider", *without, *_WARNINGS, *options)
        if apart:
            return self.pytester.runpytest_subprocess(*words, timeout=120)
        return self.pytester.runpytest_inprocess(*words, no_reraise_ctrlc=True)

    def in_any_order(self, plugin: str, *options: str, ours: int = 2, theirs: int) -> None:
        """All pass: theirs without our plugin; theirs and ours in both orders, recorded and replayed."""
        self.beside(plugin, *options, "-p", "no:qsession", "test_theirs.py").assert_outcomes(passed=theirs)
        orders, kept = (("test_ours.py", "test_theirs.py"), ("test_theirs.py", "test_ours.py")), []
        for mode in (EMULATOR, ()):
            for order in orders:
                result = self.beside(plugin, *mode, *options, *order)
                result.assert_outcomes(passed=ours + theirs)
                kept.append((self.bytes(), (mode or None) and block(result)))
        assert kept[0] == kept[1], "the recording depends on the order"
        assert kept[2][0] == kept[3][0] == kept[0][0]
