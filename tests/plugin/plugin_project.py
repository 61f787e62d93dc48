"""A project of somebody else's, with tests that use the plugin, and what pytest prints about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

EMULATOR = ("--qsession-record", "--qsession-target=emulator")

BELL = """
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2

def bell(isa, shots):
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return [(isa(circuit), None, shots)]

def test_bell(qsession, qsession_isa):
    job = SamplerV2(mode=qsession).run(bell(qsession_isa, 100))
    assert sum(job.result()[0].data.meas.get_counts().values()) == 100
"""
"""One session with one job, as somebody else would test it."""

USAGE = """
import pytest
from qiskit_ibm_runtime import QiskitRuntimeService

@pytest.mark.qsession
def test_usage():
    assert QiskitRuntimeService().usage()
"""
"""A plain client that asks for one thing: the cheapest test there is."""

# Hypothesis takes a second to load, each time anew because pytester forgets it, schemathesis as long.
_WITHOUT = ("cacheprovider", "hypothesispytest", "randomly", "schemathesis")
_QUIET = (*(text for name in _WITHOUT for text in ("-p", f"no:{name}")), "-W", "ignore::DeprecationWarning")


SHARED = ("@emulator.yaml", "@ibm.yaml")
"""Layers of a whole folder: what all tests read in common."""


def _is_layer(name: str) -> bool:
    return name.rpartition("/")[2].startswith("@")


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with tests, and ways to run them."""

    pytester: pytest.Pytester

    @property
    def folder(self) -> Path:
        return self.pytester.path

    def write(self, tests: str, **files: str) -> None:
        """Write ``test_it.py`` and other files, ``conftest`` for ``conftest.py``."""
        self.pytester.makeini("[pytest]\n" + files.pop("ini", ""))
        self.pytester.makepyfile(test_it=tests, **files)

    def run(self, *options: str) -> pytest.RunResult:
        """Run in this process: the client is imported already."""
        return self.pytester.runpytest_inprocess(*_QUIET, *options, no_reraise_ctrlc=True)

    def record(self, *options: str) -> pytest.RunResult:
        return self.run(*EMULATOR, *options)

    def run_apart(self, *options: str) -> pytest.RunResult:
        """Run in a process of its own, which imports everything anew."""
        return self.pytester.runpytest_subprocess(*_QUIET, *options, timeout=120)

    def files(self, under: str = ".") -> list[str]:
        """Names of what lies below a folder, but for Python's own."""
        root = self.folder / under
        found = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return sorted(name for name in found if not name.endswith((".pyc", ".py", "tox.ini")))

    def cassettes(self) -> list[str]:
        """Names of the cassettes of tests, below their folder."""
        return [name for name in self._recorded() if not _is_layer(name)]

    def layers(self) -> list[str]:
        """Names of the layers of wide fixtures and shared sessions; what all tests read is no such."""
        names = (name for name in self._recorded() if not name.startswith(".qsession/"))
        return [name for name in names if _is_layer(name) and name not in SHARED]

    def _recorded(self) -> list[str]:
        return [name.removeprefix("cassettes/") for name in self.files() if name.endswith(".yaml")]

    def bytes(self, under: str = "cassettes") -> Mapping[str, bytes]:
        return {name: (self.folder / under / name).read_bytes() for name in self.files(under)}


def endpoints(project: Project, name: str) -> list[str]:
    """The calls of a recording, by their names below the folder of the cassettes."""
    text = (project.folder / "cassettes" / name).read_text("utf-8")
    return re.findall(r"^    endpoint: (\S+)$", text, re.MULTILINE)


def head(project: Project, name: str) -> Mapping[str, object]:
    """What a recording says of itself."""
    text = (project.folder / "cassettes" / name).read_text("utf-8")
    told: Mapping[str, object] = yaml.safe_load(text.partition("\ninteractions:")[0])["metadata"]["qsession"]
    return told


def block(result: pytest.RunResult) -> list[str]:
    """The lines of the closing block; empty when there is none.

    How many requests a client makes differs between its releases: ``N`` stands for some.
    """
    return [re.sub(r"answered: [1-9]\d*", "answered: N", line) for line in _block(result)]


def answered(result: pytest.RunResult) -> int:
    """How many requests were answered, as the closing block says."""
    return int(_block(result)[0].rpartition(" ")[2])


def _block(result: pytest.RunResult) -> list[str]:
    lines = result.outlines
    starts = [i for i, line in enumerate(lines) if re.fullmatch(r"=+ qsession =+", line)]
    assert len(starts) <= 1, "more than one block"
    if not starts:
        return []
    return list(takewhile(lambda line: not line.startswith("="), lines[starts[0] + 1 :]))


def message(result: pytest.RunResult, code: str) -> str:
    """A message of ours out of what pytest printed: from its code to its last line."""
    lines = [*result.outlines, *result.errlines]
    pattern = re.compile(
        rf"((?:E +| +\| )?(?:ERROR: )?)(?:qsession\.errors\.\w+: )?((?!ERROR|FAILED|WARNING|qiskit_)\S.*\[{code}\])"
    )
    found = [(i, match) for i, line in enumerate(lines) if (match := pattern.fullmatch(line))]
    assert found, f"no {code} in what pytest printed"
    start, match = found[-1]
    indent = match[1].removesuffix("ERROR: ")
    body = [line.removeprefix(indent) for line in lines[start + 1 :] if line.startswith(indent)]
    parts = ("  ", "To fix: ", "If this is intended: ", "Where: ")
    return "\n".join([match[2], *takewhile(lambda line: line.startswith(parts), body)])
