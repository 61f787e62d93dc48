"""One circuit of 8 qubits, all entangled with all, recorded once and replayed in fresh processes.

    python tests/never_live/entangled_campaign.py [PROCESSES]

records it against the emulator with pytest and the fixture ``qsession_isa``, then runs
pytest anew for each replay (20 unless told otherwise, about 4 s each), each with another
seed of Python's hashes. Transpiled circuits differ in their bytes from process to
process, so this fails for whatever compares bytes. Prints a line for each process; exit
status 1 if one did not see what was recorded. CI runs the same with 3 processes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_TEST = """
import json
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2


def test_entangled(qsession, qsession_isa):
    circuit = QuantumCircuit(8)
    circuit.h(range(8))
    for one in range(8):
        for other in range(one + 1, 8):
            circuit.cp(0.3 / (1 + one + other), one, other)
    circuit.h(range(8))
    circuit.measure_all()
    isa = qsession_isa(circuit)
    job = SamplerV2(mode=qsession).run([isa], shots=64)
    counts = job.result()[0].data.meas.get_counts()
    assert isa.num_qubits == 156
    Path("counts.json").write_text(json.dumps([job.job_id(), isa.size(), counts], sort_keys=True))
"""
_LEFT_OUT = ("PYTEST_", "COV_", "QISKIT_IBM", "CI")


def record(folder: Path) -> str:
    """Record the test against the emulator; what it saw."""
    (folder / "test_entangled.py").write_text(_TEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return _run(folder, "--qsession-record", "--qsession-target=emulator")


def replay(folder: Path, seed: int) -> str:
    """Replay it in a process of its own; what it saw."""
    return _run(folder, seed=seed)


def _run(folder: Path, *options: str, seed: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_LEFT_OUT)}
    seen = folder / "counts.json"
    seen.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, "test_entangled.py"],
        cwd=folder,
        env={**environment, "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return seen.read_text()


def main(processes: int) -> int:
    """The whole campaign.

    Returns:
        0 if every replay saw what was recorded.
    """
    same = 0
    with tempfile.TemporaryDirectory(prefix="entangled-") as name:
        folder = Path(name)
        recorded = record(folder)
        for seed in range(1, processes + 1):
            same += (right := replay(folder, seed) == recorded)
            print(f"process {seed}: {'the same' if right else 'DIFFERENT'}", flush=True)
    print(f"{same} of {processes} fresh processes replayed what was recorded")
    return 0 if same == processes else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20))
