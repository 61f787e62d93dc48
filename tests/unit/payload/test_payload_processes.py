"""One job in several processes."""

from __future__ import annotations

import subprocess
import sys

_SCRIPT = """
import hashlib, io, json, sys
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import RuntimeEncoder
from qiskit_ibm_runtime.fake_provider import FakeFez
from qsession import _payload

for _ in range(int(sys.argv[1])):
    QuantumCircuit(1)
circuit = QuantumCircuit(8)
for high in range(8):
    circuit.ry(0.1 * high, high)
    for low in range(high):
        circuit.cx(low, high)
circuit.measure_all()
free = QuantumCircuit(2)
free.rx(Parameter("theta"), 0)
free.ry(2 * Parameter("phi") + 1, 1)
free.measure_all()
backend = FakeFez()
for each in (circuit, free):
    manager = generate_preset_pass_manager(optimization_level=2, backend=backend, seed_transpiler=7)
    pub = [manager.run(each), [0.1, 0.2][: each.num_parameters], None]
    text = json.dumps({"pubs": [pub]}, cls=RuntimeEncoder)
    meaning = _payload.read("sampler", json.loads(text))
    print(meaning.digest, hashlib.sha256(text.encode()).hexdigest(), meaning.understood)
"""


def test_digest_of_a_transpiled_circuit_in_fresh_processes() -> None:
    """The same seeded circuits have one digest in every process while their bytes differ."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(number)], capture_output=True, text=True, check=True
        ).stdout.split()
        for number in range(3)
    ]

    assert {tuple(run[0::3]) for run in runs} == {tuple(runs[0][0::3])}
    assert all(run[2::3] == ["True", "True"] for run in runs)
    assert len({run[4] for run in runs}) == 3


def test_importing_the_room_loads_neither_qiskit_nor_numpy() -> None:
    """A replay loads this room before the client."""
    script = "import sys, qsession._payload; print([m for m in ('qiskit', 'numpy') if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
