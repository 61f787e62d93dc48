"""The words in which a program of the campaign is written, each a call of the client.

A step of a program is one line of Python, such as ``j0 = sample(s0, 1, 'a')``. What it gives is told
so that two runs can be compared: ids by the names of the variables that hold them, no moments.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qsession._run import Run

HERE, THERE = "ibm_manila", "ibm_lima"
"""Two backends of 5 qubits: what a program costs is mostly the reading of their documents."""

_TOO_MANY = (20_000, 600)
_TOLD_OF_A_SESSION = ("state", "accepting_jobs", "mode", "max_time", "interactive_timeout", "backend_name")


@functools.cache
def _circuit(kind: int, measured: bool) -> Any:
    """A circuit whose result leaves nothing to chance, so that two runs can be compared."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(2, 2) if measured else QuantumCircuit(5)
    for qubit in range(2):
        if kind >> qubit & 1:
            circuit.x(qubit)
    if measured:
        circuit.measure([0, 1], [0, 1])
    return circuit


class Words:
    """What a program can say.

    Args:
        run: The run that it says it in.
        names: The variables of the program, to call their ids by.
    """

    def __init__(self, run: Run, names: Mapping[str, object]) -> None:
        self._run, self._names = run, names
        self._service = run.service()

    def every(self) -> dict[str, Callable[..., object] | object]:
        """Each word."""
        found = {name: getattr(self, name) for name in dir(self) if not name.startswith("_")}
        del found["every"], found["called"]
        return {**found, "here": self._backend(HERE), "there": self._backend(THERE)}

    def called(self, text: str) -> str:
        """A text with the ids of sessions and jobs replaced by the names of their variables."""
        for name, value in self._names.items():
            text = text.replace(_id_of(value), name)
        return text

    def session(self, backend: Any, max_time: int | None = None) -> object:
        from qiskit_ibm_runtime import Session

        return Session(backend=backend, max_time=max_time)

    def batch(self, backend: Any, max_time: int | None = None) -> object:
        from qiskit_ibm_runtime import Batch

        return Batch(backend=backend, max_time=max_time)

    def again(self, session: Any) -> object:
        """The same session, as another program finds it."""
        from qiskit_ibm_runtime import Session

        return Session.from_id(session.session_id, self._service).status()

    def sample(
        self,
        mode: Any,
        kind: int,
        tag: str = "",
        private: bool = False,
        limit: int | None = None,
    ) -> object:
        """A sampler job of 10 shots; ``limit`` is the most seconds that it may run."""
        from qiskit_ibm_runtime import SamplerV2

        return SamplerV2(mode=mode, options=_options(tag, private, limit)).run(
            [_circuit(kind, True)], shots=10
        )

    def estimate(self, mode: Any, kind: int, tag: str = "") -> object:
        """An estimator job."""
        from qiskit.quantum_info import SparsePauliOp
        from qiskit_ibm_runtime import EstimatorV2

        options = {**_options(tag, False, None), "resilience_level": 0}
        return EstimatorV2(mode=mode, options=options).run([(_circuit(kind, False), SparsePauliOp("IIIIZ"))])

    def too_large(self, mode: Any) -> object:
        """A job that fails: it asks for more executions than anybody runs."""
        import numpy as np
        from qiskit import QuantumCircuit
        from qiskit.circuit import Parameter
        from qiskit_ibm_runtime import SamplerV2

        circuit = QuantumCircuit(1, 1)
        circuit.rz(Parameter("angle"), 0)
        circuit.measure(0, 0)
        shots, values = _TOO_MANY
        return SamplerV2(mode=mode).run([(circuit, np.zeros((values, 1)))], shots=shots)

    def status(self, job: Any) -> str:
        return str(self._service.job(job.job_id()).status())

    def tags(self, job: Any) -> list[str]:
        return sorted(self._service.job(job.job_id()).tags)

    def result(self, job: Any) -> str:
        data = job.result(timeout=20_000)[0].data
        return str(data.c.get_counts()) if hasattr(data, "c") else f"{float(data.evs):.3f}"

    def metrics(self, job: Any) -> object:
        told = job.metrics()
        moments = told.get("timestamps") or {}
        return sorted(name for name, moment in moments.items() if moment), told.get("usage")

    def mark(self, job: Any, tag: str) -> object:
        return job.update_tags([tag])

    def cancel(self, thing: Any) -> object:
        return thing.cancel()

    def close(self, session: Any) -> object:
        return session.close()

    def delete(self, job: Any) -> object:
        return self._service.delete_job(job.job_id())

    def details(self, session: Any) -> object:
        told = session.details() or {}
        return {name: told.get(name) for name in _TOLD_OF_A_SESSION}

    def state(self, session: Any) -> object:
        return session.status()

    def jobs(self, **filters: Any) -> object:
        """All jobs, or those that a filter leaves."""
        if "session" in filters:
            filters["session_id"] = filters.pop("session").session_id
        found = self._service.jobs(**{"limit": 20, **filters})
        return [(job.job_id(), str(job.status()), sorted(job.tags)) for job in found]

    def usage(self) -> object:
        return self._service.usage().get("usage_consumed_seconds")

    def wait(self, seconds: float) -> None:
        import time

        time.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self._run.clock.advance(seconds)

    def _backend(self, name: str) -> object:
        return self._service.backend(name)


def _options(tag: str, private: bool, limit: int | None) -> dict[str, object]:
    options: dict[str, object] = {"environment": {"job_tags": [tag] if tag else [], "private": private}}
    return options if limit is None else {**options, "max_execution_time": limit}


def _id_of(value: Any) -> str:
    return str(value.job_id()) if hasattr(value, "job_id") else str(value.session_id)
