"""A job matches itself however it was rewritten, and no job with a small change: all programs, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payload_jobs import encoded, wire
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_ibm_runtime.options_models import ExecutorOptions
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

from qsession import _payload
from qsession._model import ROUTED

QUBITS = 3
_QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass(frozen=True, slots=True)
class Job:
    """A job, and in which of several spellings it is written."""

    program: str
    gates: tuple[str, ...]
    angles: tuple[float, ...]
    values: tuple[float, float]
    shots: int = 100
    weight: float = 0.5
    option: float = 1e-4
    bit: int = 0
    version: int = 17
    name: str | None = None
    backwards: bool = False

    def circuit(self) -> QuantumCircuit:
        circuit = QuantumCircuit(QUBITS, QUBITS, name=self.name, metadata={"note": self.name})
        for place, (gate, angle) in enumerate(zip(self.gates, self.angles, strict=True)):
            if gate == "cz":
                circuit.cz(place % QUBITS, (place + 1) % QUBITS)
            else:
                getattr(circuit, gate)(angle, place % QUBITS)
        for place, name in enumerate(("a", "b")):
            circuit.ry(2 * Parameter(name), place)
        if self.program != "estimator":
            order = range(QUBITS)[::-1] if self.backwards else range(QUBITS)
            for place in order:
                circuit.measure(place, (place + self.bit) % QUBITS)
        return circuit

    def read(self) -> _payload.Meaning:
        if self.program == "executor":
            return _payload.read("executor", self._program())
        pub: list[object] = [encoded(self.circuit(), version=self.version)]
        if self.program == "estimator":
            pub += [{"ZZI": self.weight, "IIX": 1.0}]
        pub += [np.array(self.values), self.shots if self.program == "sampler" else 1 / self.shots]
        options = {"execution": {"rep_delay": self.option}}
        return _payload.read(self.program, wire({"pubs": [pub], "options": options, "version": 2}))

    def _program(self) -> dict[str, Any]:
        program = QuantumProgram(shots=self.shots, passthrough_data={"weight": self.weight})
        program.append_circuit_item(self.circuit(), circuit_arguments=np.array(self.values))
        options = ExecutorOptions()
        options.execution.rep_delay = self.option
        # The oldest schema that knows all of this, and the newest.
        encoder: Callable[..., Any] = QUANTUM_PROGRAM_PARAMS_CONVERTERS[
            "v2.0" if self.version == 17 else "v0.2"
        ].encoder
        params: dict[str, Any] = encoder(program, options).model_dump(mode="json")
        return params


_ANGLES = st.integers(1, 600).map(lambda number: number / 100)
_SIZES = st.integers(1, 8)
_JOBS = _SIZES.flatmap(
    lambda size: st.builds(
        Job,
        program=st.sampled_from(["sampler", "estimator", "executor"]),
        gates=st.lists(st.sampled_from(["rx", "rz", "cz"]), min_size=size, max_size=size).map(tuple),
        angles=st.lists(_ANGLES, min_size=size, max_size=size).map(tuple),
        values=st.tuples(_ANGLES, _ANGLES),
    )
)


def _gate(job: Job, at: int) -> Job:
    # Neither turn commutes with all others, and a turn is no entangler.
    kinds = {"rx": "rz", "rz": "rx", "cz": "rx"}
    at %= len(job.gates)
    return replace(job, gates=(*job.gates[:at], kinds[job.gates[at]], *job.gates[at + 1 :]))


def _angle(job: Job, at: int) -> Job:
    turns = [i for i, gate in enumerate(job.gates) if gate != "cz"]
    if not turns:
        return _gate(job, at)
    at = turns[at % len(turns)]
    return replace(job, angles=(*job.angles[:at], job.angles[at] + 1e-6, *job.angles[at + 1 :]))


def _coefficient(job: Job, at: int) -> Job:
    return replace(job, weight=job.weight + 1e-6) if job.program != "sampler" else _gate(job, at)


def _measured(job: Job, at: int) -> Job:
    return replace(job, bit=1) if job.program != "estimator" else _gate(job, at)


_CHANGES: dict[str, Callable[[Job, int], Job]] = {
    "a gate": _gate,
    "an angle": _angle,
    "a value": lambda job, at: replace(job, values=(job.values[0], job.values[1] + 1e-6)),
    "values": lambda job, at: replace(job, values=(job.values[1] + 7, job.values[0])),
    "shots": lambda job, at: replace(job, shots=job.shots + 1),
    "an option": lambda job, at: replace(job, option=job.option + 1e-6),
    "a coefficient": _coefficient,
    "a measurement": _measured,
    "the program": lambda job, at: replace(
        job, program={"sampler": "estimator", "estimator": "executor", "executor": "sampler"}[job.program]
    ),
}


@_QUICK
@given(_JOBS, st.sampled_from([14, 15, 17]), st.text(max_size=5), st.booleans())
def test_job_matches_itself_however_it_is_written(job: Job, version: int, name: str, backwards: bool) -> None:
    """Names, identities of parameters, metadata, order of measurements, versions of QPY and schema."""
    again = replace(job, version=version, name=name or None, backwards=backwards)
    ours, theirs = job.read(), again.read()

    assert (ours.understood, theirs.understood) == (True, True)
    assert ours.digest == theirs.digest
    assert _payload.differences(ours, theirs) == ()


@_QUICK
@given(_JOBS, st.sampled_from(sorted(_CHANGES)), st.integers(0, 7))
def test_job_with_a_small_change_matches_in_no_way(job: Job, change: str, at: int) -> None:
    """One gate, an angle or number off by 1e-6, one shot, one option, one bit: found, with a line that names it."""
    ours, theirs = job.read(), _CHANGES[change](job, at).read()
    lines = _payload.differences(ours, theirs)

    assert lines
    assert all(": asked " in line or line.startswith("and ") for line in lines)
    assert ours.digest != theirs.digest
    assert _payload.differences(ours, theirs, ROUTED)
