"""Fifty jobs of eight threads in one session: recorded against the emulator, and replayed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

import qsession

JOBS, THREADS, RUN_SECONDS = 50, 8, 0.3


@dataclass(frozen=True, slots=True)
class Campaign:
    """What the program saw.

    Attributes:
        ids: The ids of its jobs, by number.
        counts: Their counts, by number.
        charged: QPU seconds of each, by number.
        details: Of the session, right after the last result and after its end.
        usage: Seconds of the session, after its end.
    """

    ids: tuple[str, ...]
    counts: tuple[dict[str, int], ...]
    charged: tuple[float, ...]
    details: tuple[dict[str, object], dict[str, object]]
    usage: float


def written(number: int) -> QuantumCircuit:
    """Six qubits that hold the number."""
    circuit = QuantumCircuit(6)
    for qubit in range(6):
        if number >> qubit & 1:
            circuit.x(qubit)
    circuit.measure_all()
    return circuit


def campaign(*, threads: int = THREADS) -> Campaign:
    """A program that knows nothing of qsession."""
    backend = QiskitRuntimeService().backend("ibm_fez")
    with Session(backend=backend) as session, ThreadPoolExecutor(threads) as pool:

        def ran(number: int) -> tuple[str, dict[str, int], float]:
            job = SamplerV2(mode=session).run([written(number)], shots=10 + number)
            return job.job_id(), job.result()[0].data.meas.get_counts(), job.usage()

        ids, counts, charged = zip(*pool.map(ran, range(JOBS)), strict=True)
        within = session.details()
    return Campaign(ids, counts, charged, (within, session.details()), session.usage())


@pytest.fixture(scope="module")
def cassette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fifty") / "jobs.yaml"


@pytest.fixture(scope="module")
def recorded(cassette: Path) -> Campaign:
    with qsession.record(cassette, target="emulator"):
        return campaign()


def test_fifty_jobs_give_each_thread_its_own_result(recorded: Campaign) -> None:
    """The number that was written, as often as was asked for, under an id of its own."""
    assert recorded.counts == tuple({f"{number:06b}": 10 + number} for number in range(JOBS))
    assert len(set(recorded.ids)) == JOBS


def test_fifty_jobs_are_charged_to_their_session(recorded: Campaign) -> None:
    """One at a time holds the QPU, so the session lasts as long as all of them together, and a little longer."""
    within, after = recorded.details
    assert recorded.charged == pytest.approx([RUN_SECONDS] * JOBS)
    assert (within["state"], within["accepting_jobs"]) == ("active", True)
    assert (after["state"], after["accepting_jobs"]) == ("closed", False)
    assert JOBS * RUN_SECONDS <= recorded.usage < JOBS * RUN_SECONDS + 1
    assert recorded.usage == after["usage_time"]


@pytest.mark.parametrize("threads", [THREADS, 3])
def test_fifty_jobs_replay_as_they_were_recorded(recorded: Campaign, cassette: Path, threads: int) -> None:
    """Whatever the order in which threads ask, each gets what belongs to its circuit."""
    with qsession.replay(cassette) as run:
        again = campaign(threads=threads)
    assert again == recorded
    assert run.live_requests == 0
    assert run.usage.qpu_seconds == recorded.usage
