"""Jobs that an account has from before anybody asked, counted back from the first request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from qsession._model import SECOND, Instant, Micros
from qsession._session_document import Json
from qsession.emulator import _programs
from qsession.emulator._course import JobPlan
from qsession.emulator._devices import Device
from qsession.emulator._exchange import World
from qsession.emulator._records import Submission

_MILLISECOND = SECOND // 1000
_MAX_COST = 10_800


@dataclass(frozen=True, slots=True)
class PastJob:
    """A job of the past: one qubit, put half-way and measured, which is simulated like any other.

    Attributes:
        program: ``sampler`` or ``estimator``.
        backend: Name of its backend; empty for the first.
        instance: Name of its instance; empty for the first.
        tags: Its tags.
        ago_seconds: How long before the first request it was submitted.
        status: What became of it. A failed one had no circuit (reason code 1603), a cancelled
            one never ran.
    """

    program: Literal["sampler", "estimator"] = "sampler"
    backend: str = ""
    instance: str = ""
    tags: tuple[str, ...] = ()
    ago_seconds: float = 86_400
    status: Literal["Completed", "Failed", "Cancelled"] = "Completed"


class History:
    """Tells the past once, when the first request says what time it is.

    Args:
        jobs: The jobs, in any order.
    """

    def __init__(self, jobs: Sequence[PastJob]) -> None:
        self._lock = threading.Lock()
        self._untold = tuple(sorted(jobs, key=lambda job: -job.ago_seconds))

    def tell(self, world: World, at: Instant) -> None:
        """Put the jobs into an emulated world, unless that happened.

        Args:
            world: The world.
            at: When the first request came.
        """
        if not self._untold:
            return
        with self._lock:
            for job in self._untold:
                _remember(world, job, at)
            self._untold = ()

    @contextmanager
    def held(self) -> Iterator[History]:
        """A copy that has told as much as this one, which tells nothing for the length of a block."""
        with self._lock:
            yield History(self._untold)


def _remember(world: World, job: PastJob, at: Instant) -> None:
    instance = next(i for i in world.instances if job.instance in {"", i.name})
    device = world.devices[job.backend or next(iter(world.devices))]
    params = _params(job, device)
    asked = Submission(
        job.program, device.name, params, cost=_MAX_COST, tags=job.tags, mock=device.mock, caller="history"
    )
    work = _programs.prepare(job.program, params, device, noise=world.noise)
    world.state.remember(instance.crn, asked, work, _plan(world, job, at))


def _plan(world: World, job: PastJob, at: Instant) -> JobPlan:
    ago = _whole(round(job.ago_seconds * SECOND))
    # Over by now, however short ago it was.
    queued, ran = (_whole(min(length, ago // 3)) for length in world.state.pace(None))
    cancelled = at - ago + queued // 2 if job.status == "Cancelled" else None
    return JobPlan("", at - ago, queued, ran, cancelled)


def _whole(length: Micros) -> Micros:
    return length - length % _MILLISECOND


def _params(job: PastJob, device: Device) -> dict[str, Json]:
    from qiskit.circuit import QuantumCircuit
    from qiskit_ibm_runtime import RuntimeEncoder

    # Named, or its name would count the circuits of this process.
    circuit = QuantumCircuit(1, 1, name="history")
    if "sx" in device.supported:
        circuit.sx(0)
    if job.program == "sampler":
        circuit.measure(0, 0)
    pub = [circuit] if job.program == "sampler" else [circuit, {"Z": 1.0}]
    pubs = [["no circuit"]] if job.status == "Failed" else [pub]
    inputs: dict[str, object] = {"pubs": pubs, "options": {}, "version": 2, "support_qiskit": True}
    params: dict[str, Json] = json.loads(json.dumps(inputs, cls=RuntimeEncoder))
    return params
