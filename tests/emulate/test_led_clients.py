"""Programs with the client: however they make their service, they are at the emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from led_programs import KEY, Leader

BARE = "from qiskit_ibm_runtime import QiskitRuntimeService\nservice = QiskitRuntimeService({arguments})\n"
SEEN = "assert service.backend('ibm_fez').status().operational\n"
OWN_KEY = "planted-key-of-somebody-real"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_program_that_reads_the_environment_runs_a_session(led: Leader, secure: bool) -> None:
    """Job and session, from beginning to end."""
    program = (
        BARE.format(arguments="")
        + """
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2, Session
import os
backend = service.backend(os.environ["QISKIT_IBM_QPU"])
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.measure_all()
circuit = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)
with Session(backend=backend) as session:
    counts = SamplerV2(mode=session).run([circuit], shots=100).result()[0].data.meas.get_counts()
assert set(counts) == {"00", "11"}, counts
assert session.status() == "Closed"
"""
    )
    done = led.run(program, secure=secure)
    assert done.returncode == 0, done.stderr
    calls = led.calls()
    assert calls[0] == "POST /identity/token"
    assert {"POST /v3/resources/search", "POST /sessions", "POST /jobs"} <= set(calls)


def test_program_that_brings_its_own_key_and_no_url_is_led(led: Leader) -> None:
    """It asks for IBM's own hosts, and its key ends here."""
    crn = led.server.emulator.instances[0].crn
    arguments = f"token={OWN_KEY!r}, instance={crn!r}"
    done = led.run(BARE.format(arguments=arguments) + SEEN)
    assert done.returncode == 0, done.stderr
    calls = led.calls()
    assert calls.count("POST /identity/token") == 2
    assert "GET /backends/ibm_fez/status" in calls


def test_program_that_says_whom_to_ask_at_a_private_address_is_led(led: Leader) -> None:
    """Each host has a private one beside it."""
    arguments = f"token={OWN_KEY!r}, private_endpoint=True, url='https://cloud.ibm.com'"
    done = led.run(BARE.format(arguments=arguments) + SEEN)
    assert done.returncode == 0, done.stderr
    assert "GET /backends/ibm_fez/status" in led.calls()


def test_saved_account_is_led(led: Leader) -> None:
    """Its file lies in the home and is only read."""
    crn = led.server.emulator.instances[0].crn
    saved = {"mine": {"channel": "ibm_quantum_platform", "token": OWN_KEY, "url": "https://cloud.ibm.com", "instance": crn, "private_endpoint": False}}  # fmt: skip
    folder = led.folder / ".qiskit"
    folder.mkdir()
    (folder / "qiskit-ibm.json").write_text(json.dumps(saved))
    done = led.run(BARE.format(arguments="name='mine'") + SEEN)
    assert done.returncode == 0, done.stderr
    assert "GET /backends/ibm_fez/status" in led.calls()
    assert json.loads((folder / "qiskit-ibm.json").read_text()) == saved


def test_service_that_is_built_at_import_is_led_in_every_process(led: Leader, tmp_path: Path) -> None:
    """In children by spawn, fork and forkserver, and in one that subprocess starts."""
    (tmp_path / "built.py").write_text(
        BARE.format(arguments=f"token={OWN_KEY!r}")
        + "def look(queue): queue.put(service.backend('ibm_fez').name)\n"
    )
    (tmp_path / "main.py").write_text(
        """
import multiprocessing, subprocess, sys
from built import look
if __name__ == "__main__":
    for method in ("spawn", "fork", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        child = context.Process(target=look, args=(queue,))
        child.start()
        child.join()
        assert (method, queue.get()) == (method, "ibm_fez")
    raise SystemExit(subprocess.run([sys.executable, "-c", "import built"]).returncode)
"""
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "main.py"],
        env=led.environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    calls = led.calls()
    assert calls.count("GET /backends/ibm_fez/configuration") >= 3
    # Its own process, those by spawn and forkserver, and the last one each build a service.
    assert calls.count("POST /v3/resources/search") == 4


def test_customization_of_the_user_is_loaded_as_ever(led: Leader, tmp_path: Path) -> None:
    """Its own sitecustomize, and what it runs at the start of a prompt."""
    (tmp_path / "sitecustomize.py").write_text("print('site', end=' ')")
    (tmp_path / "start.py").write_text("print('start', end=' ')")
    done = led.run("print('program')", PYTHONPATH=str(tmp_path), PYTHONSTARTUP=str(tmp_path / "start.py"))
    assert (done.stdout, done.stderr) == ("site program\n", "")
    prompt = subprocess.run(
        [sys.executable, "-q", "-i"],
        env=led.environment(PYTHONPATH=str(tmp_path), PYTHONSTARTUP=str(tmp_path / "start.py")),
        input="import socket; print(socket.gethostbyname('cloud.ibm.com'))\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert prompt.stdout == "site start 127.81.83.1\n"


def test_program_stays_led_when_the_collector_has_run(led: Leader, tmp_path: Path) -> None:
    """The hook's own module is garbage where the user has a sitecustomize too; what it did is not undone."""
    (tmp_path / "sitecustomize.py").write_text("")
    code = "import gc, socket; gc.collect(); print(socket.gethostbyname('cloud.ibm.com'))"
    done = led.run(code, PYTHONPATH=str(tmp_path))
    assert (done.stdout, done.stderr) == ("127.81.83.1\n", "")


def test_broken_customization_of_the_user_is_told_and_leaves_the_program_led(
    led: Leader, tmp_path: Path
) -> None:
    """As Python tells it; the way to IBM stays closed."""
    (tmp_path / "sitecustomize.py").write_text("import no_such_module_anywhere")
    done = led.run("import socket; print(socket.gethostbyname('cloud.ibm.com'))", PYTHONPATH=str(tmp_path))
    assert done.stdout == "127.81.83.1\n"
    assert "no_such_module_anywhere" in done.stderr


def test_key_of_the_program_is_written_nowhere(led: Leader) -> None:
    """Neither to the log nor into what the emulator answers."""
    program = (
        "import os, requests\n"
        "form = {'grant_type': 'urn:ibm:params:oauth:grant-type:apikey', 'apikey': '" + OWN_KEY + "'}\n"
        "told = requests.post('https://iam.cloud.ibm.com/identity/token', data=form).text\n"
        "assert 'access_token' in told and os.environ['QISKIT_IBM_TOKEN'] not in told\n"
        "print(told)\n"
    )
    done = led.run(program)
    assert done.returncode == 0, done.stderr
    assert OWN_KEY not in done.stdout + led.log.getvalue()
    assert led.calls() == ["POST /identity/token"]


def test_nobody_comes_by_the_address_without_the_key(led: Leader) -> None:
    """Another program on this machine that guesses the port."""
    program = (
        "import os, requests\n"
        "url = os.environ['QSESSION_EMULATOR_URL'] + '/identity/token'\n"
        "form = {'grant_type': 'urn:ibm:params:oauth:grant-type:apikey', 'apikey': 'guessed'}\n"
        "assert requests.post(url, data=form).status_code == 400\n"
        f"assert requests.post(url, data=form | {{'apikey': {KEY!r}}}).status_code == 200\n"
    )
    done = led.run(program)
    assert done.returncode == 0, done.stderr
