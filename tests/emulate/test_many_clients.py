"""Many clients at once: threads, processes, one emulator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from led_programs import Leader

BELL = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
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

THREADS = (
    BELL
    + """
with Session(backend=backend) as session:
    def submit(number):
        return SamplerV2(mode=session).run([circuit], shots=10 + number).job_id()
    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(submit, range(50)))
    print(json.dumps({"session": session.session_id, "jobs": jobs}))
"""
)

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


def test_fifty_jobs_of_eight_threads_are_one_session_and_fifty_ids(led: Leader) -> None:
    """None is lost, none is twice there, all belong to the session that was opened once."""
    done = led.run(THREADS)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    calls = led.calls()
    assert len(set(told["jobs"])) == 50
    assert (calls.count("POST /jobs"), calls.count("POST /sessions")) == (50, 1)
    listed = led.run(
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
