"""A program as a user writes it: nothing of qsession in it, only the client.

It prints a line for each thing that went well, as JSON: its name, and what was seen.
``benchmarks.clients`` runs it with older and newer releases of the client.
"""

from __future__ import annotations

import json

import numpy as np
import qiskit_ibm_runtime
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import Batch, EstimatorV2, QiskitRuntimeService, SamplerV2, Session

# What each release makes of a token alone differs: 0.41 also wants to be told the channel.
ACCOUNT = {"channel": "ibm_quantum_platform", "token": "a-token-that-opens-nothing", "instance": "research"}
PAIRS = {"00", "11"}


def tell(what: str, **seen: object) -> None:
    print(json.dumps({"what": what, **seen}, default=str), flush=True)


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def turned() -> QuantumCircuit:
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("angle"), 0)
    return circuit


def fitted(circuit: QuantumCircuit, backend: object) -> QuantumCircuit:
    return generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)


def sampled(sampler: object, circuit: QuantumCircuit) -> dict[str, int]:
    counts = sampler.run([circuit], shots=200).result()[0].data.meas.get_counts()
    assert set(counts) <= PAIRS, counts
    assert sum(counts.values()) == 200, counts
    return dict(sorted(counts.items()))


def estimated(estimator: object, circuit: QuantumCircuit) -> list[float]:
    observable = SparsePauliOp("Z").apply_layout(circuit.layout)
    job = estimator.run([(circuit, observable, [[0.0], [np.pi]])], precision=0.05)
    values = [float(value) for value in job.result()[0].data.evs]
    assert np.allclose(values, [1, -1], atol=0.2), values
    return values


def in_a_session(service: QiskitRuntimeService, backend: object) -> None:
    with Session(backend=backend, max_time="1h") as session:
        assert session.status() == "Pending", session.status()
        tell("sampler", counts=sampled(SamplerV2(mode=session), fitted(bell(), backend)))
        tell("estimator", values=estimated(EstimatorV2(mode=session), fitted(turned(), backend)))
        details = session.details()
        assert (details["state"], details["max_time"]) == ("active", 3600), details
    assert session.status() == "Closed", session.status()
    usage = session.usage()
    assert usage > 0, usage
    assert usage == session.details()["usage_time"]
    tell("session", usage=usage, details=session.details())
    again = Session.from_id(session.session_id, service)
    assert again.details() == session.details()
    tell("from_id", status=again.status())


def in_a_batch(service: QiskitRuntimeService, backend: object) -> None:
    with Batch(backend=backend) as batch:
        sampler = SamplerV2(mode=batch)
        jobs = [sampler.run([fitted(bell(), backend)], shots=shots) for shots in (10, 20, 30)]
        shots = [job.result()[0].data.meas.num_shots for job in jobs]
    assert shots == [10, 20, 30], shots
    found = service.jobs(limit=5, session_id=batch.session_id)
    assert {job.job_id() for job in found} == {job.job_id() for job in jobs}
    spent = sum(job.usage() for job in jobs)
    assert abs(batch.usage() - spent) < 1e-6, (batch.usage(), spent)
    tell("batch", shots=shots, usage=batch.usage(), status=batch.status())


def on_the_executor(backend: object) -> None:
    with Session(backend=backend) as session:
        program = qiskit_ibm_runtime.QuantumProgram(shots=200)
        program.append_circuit_item(fitted(bell(), backend))
        (bits,) = qiskit_ibm_runtime.Executor(session).run(program).result()
        assert bits["meas"].shape == (200, 2)
        assert (bits["meas"][:, 0] == bits["meas"][:, 1]).all()
        tell("executor", ones=int(bits["meas"][:, 0].sum()))
        client_side_primitives(session, backend)


def client_side_primitives(session: Session, backend: object) -> None:
    try:
        from qiskit_ibm_runtime.executor_estimator import Estimator
        from qiskit_ibm_runtime.executor_sampler import Sampler
    except ImportError:
        return
    tell("executor_sampler", counts=sampled(Sampler(session), fitted(bell(), backend)))
    tell("executor_estimator", values=estimated(Estimator(session), fitted(turned(), backend)))


def main() -> None:
    service = QiskitRuntimeService(**ACCOUNT)
    backend = service.backend("ibm_fez")
    instances = [each["name"] for each in service.instances()]
    least = service.least_busy(operational=True, simulator=False, min_num_qubits=100)
    tell("backend", instances=instances, qubits=backend.num_qubits, least_busy=least.name)
    # Release 0.41 has the service under another name on this channel.
    tell(
        "ibm_cloud",
        backend=QiskitRuntimeService(**ACCOUNT | {"channel": "ibm_cloud"}).backend("ibm_fez").name,
    )
    in_a_session(service, backend)
    in_a_batch(service, backend)
    if hasattr(qiskit_ibm_runtime, "Executor"):
        on_the_executor(backend)
    tell("end")


if __name__ == "__main__":
    main()
