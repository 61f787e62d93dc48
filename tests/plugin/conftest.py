"""Fixtures of the plugin's tests: an empty project, and one that is recorded."""

from __future__ import annotations

import shutil

import pytest
from plugin_project import BELL, Project
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.accounts import management

import qsession


@pytest.fixture(scope="session")
def warm(tmp_path_factory):
    """One recording and one replay, so that all that loads late is loaded.

    pytester forgets modules that a run in this process imported first, and numpy
    cannot be imported twice.
    """
    path = tmp_path_factory.mktemp("warm") / "bell.yaml"
    for run in (qsession.record(path, target="emulator"), qsession.replay(path)):
        with run:
            backend = run.service().backend("ibm_fez")
            circuit = QuantumCircuit(1)
            circuit.measure_all()
            isa = generate_preset_pass_manager(1, backend, seed_transpiler=1).run(circuit)
            with qsession.Session(backend=backend) as session:
                SamplerV2(mode=session).run([isa], shots=10).result()


@pytest.fixture
def accounts(tmp_path, monkeypatch):
    """Where the client looks for saved accounts; there is none."""
    path = tmp_path / "accounts.json"
    monkeypatch.setattr(management, "_DEFAULT_ACCOUNT_CONFIG_JSON_FILE", str(path))
    return path


@pytest.fixture
def project(pytester, accounts, warm, cut_off):
    """An empty project, on a machine without an account and without a network."""
    return Project(pytester)


@pytest.fixture(scope="session")
def _bell_recorded(tmp_path_factory):
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture
def recorded(project, _bell_recorded):
    """A project whose one test, ``BELL``, is recorded."""
    project.write(BELL)
    kept = _bell_recorded / "cassettes"
    if kept.exists():
        shutil.copytree(kept, project.folder / "cassettes")
    else:
        project.record().assert_outcomes(passed=1)
        shutil.copytree(project.folder / "cassettes", kept)
    return project
