"""Many clients at once: threads, processes, one emulator."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from led_programs import KEY, Leader

from qsession.emulator import Emulator, EmulatorServer
from qsession.emulator._serving import own_authority

RUN_SECONDS = 0.02

BELL = """
import json
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

backend = QiskitRuntimeService().backend("ibm_fez")
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.measure_all()
circuit = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)
"""

THREADS = """
import json
from concurrent.futures import ThreadPoolExecutor
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

backend = QiskitRuntimeService().backend("ibm_fez")

def written(number):
    circuit = QuantumCircuit(6)
    for qubit in range(6):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure_all()
    return circuit

with Session(backend=backend) as session:
    def ran(number):
        job = SamplerV2(mode=session).run([written(number)], shots=10 + number)
        return job.job_id(), job.result()[0].data.meas.get_counts(), job.usage()
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(ran, range(50)))
    within = session.details()
told = {"session": session.session_id, "jobs": jobs, "within": within}
print(json.dumps(told | {"after": session.details(), "usage": session.usage()}))
"""

PROCESS = (
    BELL
    + """
with Session(backend=backend) as session:
    sampler = SamplerV2(mode=session)
    jobs = [sampler.run([circuit], shots=100) for _ in range(2)]
    shots = [sum(job.result()[0].data.meas.get_counts().values()) for job in jobs]
    assert {job.session_id for job in jobs} == {session.session_id}
print(json.dumps({"session": session.session_id, "jobs": [job.job_id() for job in jobs], "shots": shots, "status": session.status()}))
"""
)


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Leader]:
    """An emulator whose jobs are short, since here time is the machine's."""
    log, authority = io.StringIO(), own_authority()
    emulator = Emulator(
        strict=True, api_key=KEY, backends=("ibm_fez",), queue_seconds=0, run_seconds=RUN_SECONDS
    )
    with EmulatorServer(emulator, tls=authority, log=log, any_key=True) as server:
        yield Leader(server, log, authority, tmp_path)


def test_fifty_jobs_of_eight_threads_are_one_session_and_fifty_results(quick: Leader) -> None:
    """Each result belongs to its circuit, all to the session that was opened once, and it is charged for them."""
    done = quick.run(THREADS)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    ids, counts, charged = zip(*told["jobs"], strict=True)
    calls = quick.calls()
    assert len(set(ids)) == 50
    assert list(counts) == [{f"{number:06b}": 10 + number} for number in range(50)]
    assert (calls.count("POST /jobs"), calls.count("POST /sessions")) == (50, 1)
    # Moments of the service are whole milliseconds.
    assert charged == pytest.approx([RUN_SECONDS] * 50, abs=0.002)
    assert (told["within"]["state"], told["after"]["state"]) == ("active", "closed")
    assert told["usage"] == told["after"]["usage_time"] >= 50 * RUN_SECONDS
    listed = quick.run(
        "from qiskit_ibm_runtime import QiskitRuntimeService\n"
        + f"jobs = QiskitRuntimeService().jobs(session_id={told['session']!r}, limit=None)\n"
        + "print(len(jobs), len({job.job_id() for job in jobs}))\n"
    )
    assert listed.stdout == "50 50\n", listed.stderr


def test_four_processes_have_four_sessions(led: Leader, tmp_path: Path) -> None:
    """Each gets its own results, and no id is given twice."""
    program = tmp_path / "program.py"
    program.write_text(PROCESS)
    command = [sys.executable, "-W", "ignore", str(program)]
    running = [
        subprocess.Popen(
            command, env=led.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = [process.communicate(timeout=240) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0, 0], outputs
    told = [json.loads(out) for out, _ in outputs]
    assert len({each["session"] for each in told}) == 4
    assert len({job for each in told for job in each["jobs"]}) == 8
    assert [each["shots"] for each in told] == [[100, 100]] * 4
    assert {each["status"] for each in told} == {"Closed"}
