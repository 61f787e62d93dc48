"""A user's program with a circuit of 8 qubits that all meet, transpiled with whatever seed chance gives.

    python _routed_program.py record|replay FOLDER CHANGE

CHANGE is the number of a gate to change, or -1 for none. Prints what became of it as one line of JSON. Run by
``benchmarks.routed``, in a process of its own and with whatever qiskit that has.
"""

from __future__ import annotations

import json
import random
import sys
import warnings
from pathlib import Path

import requests
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2
from vcr import VCR
from vcr.matchers import body as same_body
from vcr.matchers import requests_match
from vcr.request import Request

import qsession
from qsession.errors import ReplayMismatch

QUBITS = 8
DEFAULT = ("method", "scheme", "host", "port", "path", "query")


def gates() -> list[tuple[str, float, tuple[int, ...]]]:
    """A Fourier transform, then turns and entanglers drawn at random, always the same."""
    drawn, found = random.Random(2026), []
    for i in range(QUBITS):
        found.append(("h", 0.0, (i,)))
        found += [("cp", 3.141592653589793 / 2 ** (i - j), (j, i)) for j in range(i)]
    for _ in range(2):
        found += [("ry", drawn.uniform(0.1, 3), (i,)) for i in range(QUBITS)]
        order = drawn.sample(range(QUBITS), QUBITS)
        found += [("cx", 0.0, (order[i], order[i + 1])) for i in range(QUBITS - 1)]
    return found


def circuit(change: int) -> QuantumCircuit:
    """The circuit, with one gate changed: turned the other way, or by another angle, or left out."""
    built = QuantumCircuit(QUBITS)
    for number, (name, angle, qubits) in enumerate(gates()):
        if number == change:
            if name == "h":
                built.sx(*qubits)
            elif name == "cx":
                built.cx(*reversed(qubits))
            else:
                getattr(built, name)(angle + 0.001, *qubits)
        else:
            getattr(built, name)(*([angle] if angle else []), *qubits)
    built.measure_all()
    return built


def run(run: qsession.Run, change: int) -> dict[str, object]:
    backend = run.service().backend("ibm_fez")
    # Without one, a replay would be told that of the recording.
    chance = random.SystemRandom().randrange(2**31)
    isa = generate_preset_pass_manager(2, backend=backend, seed_transpiler=chance).run(circuit(change))
    seen: dict[str, object] = {"places": isa.layout.final_index_layout(), "gates": isa.size()}
    try:
        job = SamplerV2(mode=backend).run([isa], shots=200)
        return {**seen, "outcome": "answered", "counts": job.result()[0].data.meas.get_counts()}
    except ReplayMismatch as refusal:
        return {**seen, "outcome": refusal.code, "why": str(refusal)}


def overheard() -> list[bytes]:
    """The jobs that this process submits, as bytes."""
    heard: list[bytes] = []
    send = requests.Session.send

    def sending(session: requests.Session, request: requests.PreparedRequest, **more: object) -> object:
        if request.method == "POST" and str(request.url).endswith("/jobs"):
            raw = request.body or b""
            heard.append(raw.encode() if isinstance(raw, str) else raw)
        return send(session, request, **more)

    requests.Session.send = sending
    return heard


def stock(recorded: bytes, asked: bytes) -> dict[str, bool]:
    """Whether stock vcrpy would answer: as it comes, and with bodies compared."""
    one, two = (
        Request("POST", "https://q/api/v1/jobs", raw, {"content-type": "application/json"})
        for raw in (recorded, asked)
    )
    chosen = [VCR().matchers[name] for name in DEFAULT]
    return {
        "default": requests_match(two, one, chosen),
        "body": requests_match(two, one, [*chosen, same_body]),
    }


def main(mode: str, folder: Path, change: int) -> None:
    warnings.simplefilter("ignore")
    heard, cassette = overheard(), folder / "routed.yaml"
    seen: dict[str, object] = {}
    try:
        if mode == "record":
            with qsession.record(cassette, target="emulator") as on:
                seen = run(on, change)
            (folder / "submitted").write_bytes(heard[-1])
        else:
            with qsession.replay(cassette, match="routed", allow_unused=True) as on:
                seen = run(on, change)
    except ReplayMismatch as refusal:
        # Said again at the end of the run.
        seen |= {"outcome": refusal.code}
    seen["vcrpy"] = stock((folder / "submitted").read_bytes(), heard[-1])
    print(json.dumps(seen))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
