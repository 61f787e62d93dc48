"""Numbers that nobody seeds: a replay draws what was drawn for the recording."""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.random import bit_generator
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2

import qsession
from qsession import _drawn
from qsession.cli import main
from qsession.errors import ReplayMismatch


def drawn() -> list[float]:
    """One number from each place where code without a seed gets one."""
    old_style = np.random.rand()
    return [random.random(), old_style, np.random.default_rng().random(), np.random.RandomState().rand()]


def test_replay_draws_what_was_recorded(tmp_path: Path) -> None:
    """From the modules, and from numpy's generators that are made without a seed."""
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator") as run:
        run.service()
        recorded = drawn()
    with qsession.replay(path) as run:
        run.service()
        assert drawn() == recorded
    assert len(set(recorded)) == 4


def test_what_is_drawn_afterwards_is_as_it_would_have_been(tmp_path: Path) -> None:
    """States are put back, also when the block fails; entropy is the machine's again."""
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator") as run:
        run.service()
    random.seed(5)
    np.random.seed(6)
    expected = random.random(), np.random.rand()
    random.seed(5)
    np.random.seed(6)
    with pytest.raises(ZeroDivisionError), qsession.replay(path) as run:
        drawn()
        run.service()
        raise ZeroDivisionError
    assert (random.random(), np.random.rand()) == expected
    assert bit_generator.randbits == secrets.randbits


def routed(backend: object) -> QuantumCircuit:
    """Three qubits, each with each other: no device has them, and the way there is drawn."""
    circuit = QuantumCircuit(3)
    for pair in ((0, 1), (1, 2), (0, 2)) * 3:
        circuit.cx(*pair)
    return generate_preset_pass_manager(1, backend).run(circuit)


def test_transpiler_without_a_seed_finds_the_way_of_the_recording(tmp_path: Path) -> None:
    """It draws outside of Python, but takes a seed from the environment."""
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator") as run:
        recorded = routed(run.service().backend("ibm_fez"))
    for _ in range(3):
        with qsession.replay(path) as run:
            assert routed(run.service().backend("ibm_fez")) == recorded


def test_seed_of_the_transpiler_is_there_for_a_run_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards there is none, as before."""
    monkeypatch.delenv("QISKIT_TRANSPILER_SEED", raising=False)
    with _drawn.seeded(7):
        assert os.environ["QISKIT_TRANSPILER_SEED"] == "7"
    assert "QISKIT_TRANSPILER_SEED" not in os.environ


def test_seed_of_the_transpiler_that_somebody_set_stays(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the environment, before or meanwhile, or in the settings of qiskit."""
    monkeypatch.setenv("QISKIT_TRANSPILER_SEED", "3")
    with _drawn.seeded(7):
        assert os.environ["QISKIT_TRANSPILER_SEED"] == "3"
    assert os.environ["QISKIT_TRANSPILER_SEED"] == "3"
    monkeypatch.delenv("QISKIT_TRANSPILER_SEED")
    with _drawn.seeded(7):
        monkeypatch.setenv("QISKIT_TRANSPILER_SEED", "4")
    assert os.environ["QISKIT_TRANSPILER_SEED"] == "4"
    monkeypatch.delenv("QISKIT_TRANSPILER_SEED")
    settings = tmp_path / "settings.conf"
    settings.write_text("[default]\ntranspiler_seed = 5\n")
    monkeypatch.setenv("QISKIT_SETTINGS", str(settings))
    with _drawn.seeded(7):
        assert "QISKIT_TRANSPILER_SEED" not in os.environ


def test_seeds_of_the_code_are_its_own(tmp_path: Path) -> None:
    """A generator with a seed, one of one's own and secrets are not touched."""
    path = tmp_path / "a.yaml"
    outside = np.random.default_rng(3).random(), random.Random(4).random()
    with qsession.record(path, target="emulator") as run:
        run.service()
        assert (np.random.default_rng(3).random(), random.Random(4).random()) == outside
        own, token = random.Random().random(), secrets.token_hex(8)
    with qsession.replay(path) as run:
        run.service()
        assert random.Random().random() != own
        assert secrets.token_hex(8) != token


def test_recording_without_a_seed_is_replayed_as_before(tmp_path: Path) -> None:
    """Recordings of versions that did not say where numbers began stay as they are."""
    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator") as run:
        run.service()
    document = yaml.safe_load(path.read_text("utf-8"))
    seed = document["metadata"]["qsession"]["random_seed"]
    path.write_text(path.read_text("utf-8").replace(f"    random_seed: {seed}\n", ""), "utf-8")
    assert main(["seal", str(path)]) == 0
    random.seed(5)
    expected = random.random()
    random.seed(5)
    with qsession.replay(path) as run:
        run.service()
        assert random.random() == expected


def test_another_order_of_the_two_changes_neither() -> None:
    """How often numpy asks for entropy does not move the numbers of the module, nor the other way."""
    with _drawn.seeded(7):
        first = random.random(), np.random.default_rng().random()
    with _drawn.seeded(7):
        second = np.random.default_rng().random(), random.random()
    assert first == second[::-1]


def test_one_draw_more_is_another_job(tmp_path: Path) -> None:
    """Seeds let the same code replay; code that draws something else first asks something else."""

    def submit(run: qsession.Run, draws: int) -> None:
        angle = [random.random() for _ in range(draws)][-1]
        circuit = QuantumCircuit(QuantumRegister(156, "q"), ClassicalRegister(1, "meas"))
        circuit.rz(angle, 0)
        circuit.measure(0, 0)
        SamplerV2(mode=run.service().backend("ibm_fez")).run([circuit], shots=10).result()

    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator") as run:
        submit(run, 1)
    with qsession.replay(path) as run:
        submit(run, 1)
    with pytest.raises(ReplayMismatch, match="QS302"), qsession.replay(path) as run:
        submit(run, 2)
