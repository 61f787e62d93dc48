"""Record one whole session against the emulator: ``python one_session.py CASSETTE``."""

from __future__ import annotations

import sys

import qsession


def main(path: str) -> None:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import SamplerV2, Session

    with qsession.record(path, target="emulator") as run:
        backend = run.service().backend("ibm_fez")
        circuit = QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure_all()
        isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)
        with Session(backend=backend, max_time="10m") as session:
            job = SamplerV2(mode=session).run([isa], shots=100)
            job.result()
            session.details()
        session.details()
        job.status()
        backend.status()


if __name__ == "__main__":
    main(sys.argv[1])
