"""``qsession replay CASSETTE -- COMMAND``: programs that are answered from a recording."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from trap import Trap

_PROGRAM = """
import sys
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

shots, account = int(sys.argv[1]), dict(pair.split("=") for pair in sys.argv[2:])
backend = QiskitRuntimeService(**account).backend("ibm_fez")
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.measure_all()
isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)
with Session(backend=backend, max_time="10m") as session:
    job = SamplerV2(mode=session).run([isa], shots=shots)
    job.result()
print(session.details()["state"], job.status())
"""


@pytest.fixture(scope="module")
def trap(make_trap: Callable[[], Trap]) -> Trap:
    return make_trap()


@pytest.fixture
def replayed(trap: Trap, recorded: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command where every name of IBM's leads to a server that counts who comes."""
    shutil.copytree(recorded.parent, tmp_path / "cassettes")
    (tmp_path / "program.py").write_text(_PROGRAM)

    def run(*words: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "qsession.cli", "replay", *options, "cassettes/session.yaml", *words]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=trap.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert trap.listener.accepted == 0
        return done

    return run


PYTHON = ("--", sys.executable, "-W", "ignore", "program.py")


@pytest.mark.parametrize(
    ("options", "account"),
    [
        ((), ()),
        (("--tls",), ("token=a-key-of-its-own", "channel=ibm_quantum_platform")),
        (("--instance=mine",), ("token=a-key-of-its-own", "instance=mine", "channel=ibm_quantum_platform")),
    ],
    ids=["environment", "own account", "own instance"],
)
def test_program_is_answered_from_the_recording(
    replayed: Callable[..., subprocess.CompletedProcess[str]],
    options: tuple[str, ...],
    account: tuple[str, ...],
) -> None:
    """Whatever account it brings, and with no connection to anybody."""
    done = replayed(*PYTHON, "100", *account, options=options)
    assert (done.returncode, done.stdout) == (0, "closed DONE\n"), done.stderr
    assert done.stderr.splitlines()[-1].startswith("qsession: requests answered: ")
    assert done.stderr.endswith(", live requests: 0\n")


def test_job_that_was_not_recorded_is_told_at_the_end(
    replayed: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """The program sees an error of the service's; who ran it sees why."""
    done = replayed(*PYTHON, "101")
    assert done.returncode == 1
    assert "IBMRuntimeError" in done.stderr
    told = done.stderr.partition(", live requests: 0\n")[2]
    assert told.startswith(
        "qsession: The code under test submits a job that was not recorded. Nothing was sent. [QS302]\n"
    )
    assert "    PUB 0: shots: asked 101, recorded 100\n" in told


def test_write_that_is_left_out_is_a_finding(
    replayed: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Though the command itself was fine; as JSON, and not where it is allowed."""
    nothing = ("--", sys.executable, "-c", "pass")
    done = replayed(*nothing, options=("--json",))
    told = json.loads(done.stderr)
    assert (done.returncode, told["answered"], told["refused"]) == (1, 0, 0)
    assert told["findings"][0].startswith(
        "The code under test left out 3 recorded request(s) that change something. [QS306]"
    )
    assert replayed(*nothing, options=("--allow-unused",)).returncode == 0


def test_status_of_the_command_comes_first(replayed: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """It may mean something to whoever ran it."""
    assert replayed("--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7


@pytest.mark.parametrize("host", ["example.com", "www.ibm.com"])
def test_program_reaches_nobody_else(
    replayed: Callable[..., subprocess.CompletedProcess[str]], host: str
) -> None:
    """A replay sends nothing."""
    code = f"import socket; socket.create_connection(('{host}', 443))"
    done = replayed("--", sys.executable, "-c", code, options=("--allow-unused",))
    assert done.returncode == 1
    assert f"OSError: qsession: {host} is not reached" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "QS113"),
        (("--",), "QS113"),
        (("--", "no-such-command"), "QS114"),
        (("--tls", "--", "true"), "QS114"),
        (("--", sys.executable, "-I", "x.py"), "QS152"),
    ],
)
def test_command_that_cannot_be_led(
    replayed: Callable[..., subprocess.CompletedProcess[str]], words: tuple[str, ...], code: str
) -> None:
    """Said before anything runs."""
    done = replayed(*words)
    assert done.returncode == 2
    assert f"[{code}]" in done.stderr.splitlines()[0]


def test_cassette_that_is_not_there(trap: Trap, tmp_path: Path) -> None:
    """A finding, as for every command that reads one."""
    done = subprocess.run(
        [sys.executable, "-m", "qsession.cli", "replay", "none.yaml", "--", sys.executable, "-c", "pass"],
        cwd=tmp_path,
        env=trap.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "[QS201]" in done.stderr


def test_server_that_is_not_installed_is_said(
    replayed: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, trap: Trap
) -> None:
    """The rest of the package works without it."""
    code = (
        "import importlib.util, sys; find = importlib.util.find_spec;"
        "importlib.util.find_spec = lambda name, *more: None if name == 'h11' else find(name, *more);"
        "from qsession.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "replay", "cassettes/session.yaml", "--", sys.executable, "-c", "pass"],
        cwd=tmp_path,
        env={**trap.environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2,
        "qsession: What serves a recording to other programs is not installed. [QS185]\n"
        "  missing: h11\n"
        "To fix: pip install h11\n",
    )
