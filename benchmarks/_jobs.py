"""Jobs that wait in a queue, recorded against the emulator on the virtual clock."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from qiskit import QuantumCircuit
from qiskit_ibm_runtime import RuntimeJobV2, SamplerV2

import qsession
from benchmarks._measuring import stopped
from qsession._run import Run

Use = Callable[[list[RuntimeJobV2]], object]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long something took.

    Attributes:
        virtual: On the clock of the run, in integer microseconds.
        real: On the machine's, in seconds.
        ended: The moment of the run's clock at its end.
    """

    virtual: int
    real: float
    ended: datetime


def quiet() -> None:
    """The client warns of options it does not know; that is not what is measured."""
    logging.getLogger("qiskit_ibm_runtime").setLevel(logging.ERROR)


def submit(run: Run, count: int = 1) -> list[RuntimeJobV2]:
    """Jobs that differ, outside of a session."""
    circuit = QuantumCircuit(2, name="two")
    circuit.x(1)
    circuit.measure_all()
    sampler = SamplerV2(mode=run.service().backend("ibm_fez"))
    return [sampler.run([circuit], shots=10 + number) for number in range(count)]


def record(path: Path, use: Use, *, queue: float, jobs: int = 1) -> None:
    """Record what is done with jobs that are queued for so many seconds."""
    emulator = qsession.Emulator(queue_seconds=queue)
    with qsession.record(path, target="emulator", emulator=emulator) as run:
        use(submit(run, jobs))


def replay(path: Path, use: Use, *, jobs: int = 1) -> Pace:
    """Do the same, or another thing, in a replay, and measure only that."""
    with qsession.replay(path) as run:
        made = submit(run, jobs)
        began = run.clock.now()
        with stopped() as watch:
            use(made)
        ended = run.clock.now()
    virtual = (ended - began) // timedelta(microseconds=1)
    return Pace(virtual, watch.seconds, ended)
