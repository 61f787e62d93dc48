"""The programs: from the parameters of a job to the text of its results.

qiskit, the client and IBM's schemas load at the first job, a simulator too.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import replace

from qsession._model import Instant
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._devices import Device
from qsession.emulator._programs._weighing import weigh
from qsession.emulator._programs._work import (
    RAN_TOO_LONG,
    UNREADABLE,
    Failed,
    Failure,
    Given,
    Moment,
    Outcome,
    Work,
)
from qsession.emulator._replies import compact
from qsession.errors import UsageError

__all__ = [
    "KNOWN_PROGRAMS",
    "PROGRAMS",
    "RAN_TOO_LONG",
    "Failure",
    "Given",
    "Outcome",
    "Work",
    "cut_off",
    "missing_extra",
    "prepare",
    "run",
    "unread",
    "warm",
]

_READERS = {
    "sampler": "_primitives",
    "estimator": "_primitives",
    "executor": "_executor",
    "noise-learner": "_noise_learner",
}

_COME_WITH_CLIENTS = frozenset({"ibm_quantum_schemas", "samplomatic", "qiskit_ibm_runtime"})

PROGRAMS = frozenset(_READERS)
"""Programs that run here."""

KNOWN_PROGRAMS = PROGRAMS | {"calibrate"}
"""Programs that the client submits (its code)."""


def prepare(program: str, params: Mapping[str, Json], device: Device, *, noise: bool = False) -> Work:
    """Read the parameters of a job.

    Args:
        program: One of `PROGRAMS`.
        params: ``params`` of ``POST /jobs``.
        device: The backend.
        noise: Whether the backend's errors are simulated.

    Raises:
        Refused: If the parameters are not of the form that the service documents, or
            hold more than the emulator takes.
        UsageError: QS120, if the extra ``emulator`` is not installed.
    """
    _need_aer()
    weigh(params)
    try:
        work: Work = _read(program, params, device, noise=noise)
    except Failed as problem:
        digest = hashlib.sha256(compact(params)).hexdigest()
        return Work(program, digest, 0, failure=problem.failure)
    return work


def _read(program: str, params: Mapping[str, Json], device: Device, *, noise: bool) -> Work:
    from qiskit.exceptions import QiskitError

    try:
        reader = importlib.import_module(f"{__name__}.{_READERS[program]}")
        work: Work = reader.read(program, params, device, noise=noise)
    except ImportError as problem:
        # Older clients come without IBM's schemas, and do not submit what needs them.
        if (problem.name or "").partition(".")[0] not in _COME_WITH_CLIENTS:
            raise
        raise Refused("program needs schemas", program) from problem
    except (QiskitError, *UNREADABLE) as problem:
        # A circuit may load and contradict itself.
        reason = f"The job could not be read: {problem}"
        raise Failed(Failure(1603, reason, "Check the circuit's encoding.")) from problem
    return work


def unread(program: str, params: Json, results: str) -> Work:
    """A job of any program, whose parameters nobody reads.

    Args:
        program: Its program.
        params: Its parameters.
        results: What it comes to.
    """
    digest = hashlib.sha256(compact([program, params])).hexdigest()
    return Work(program, digest, 0, body=Given(results))


def cut_off(work: Work) -> Work:
    """The job, as one that is cancelled for running longer than it may.

    The code is the client's, the words are inferred.
    """
    reason = "The job ran longer than its maximum execution time."
    return replace(work, body=None, failure=Failure(RAN_TOO_LONG, reason))


def run(work: Work, seed: int, started: Instant, ended: Instant) -> Outcome:
    """Run a job.

    Args:
        work: The job.
        seed: Decides every random draw, together with the job's content.
        started: When the job started, for the execution spans of its metadata.
        ended: When it ended.
    """
    if work.failure is not None or work.body is None:
        failure = work.failure or Failure(1002, "The job has run.")
        return Outcome(failure.reason, failure)
    from qiskit.exceptions import QiskitError

    from qsession.emulator._simulate import CannotSimulate

    try:
        return Outcome(work.body.run(Moment(seed, started, ended)))
    except Failed as problem:
        return Outcome(problem.failure.reason, problem.failure)
    except (CannotSimulate, QiskitError, *UNREADABLE) as problem:
        failure = Failure(1002, f"The emulator cannot simulate this job. {problem}", "Use fewer qubits.")
        return Outcome(failure.reason, failure)


def warm() -> None:
    """Import now what a job needs, so that the first one does not wait for it."""
    _need_aer()
    importlib.import_module(f"{__name__}._primitives")


def missing_extra(package: str) -> UsageError:
    """The error for a part of the extra ``emulator`` that is not installed."""
    return UsageError(
        "QS120",
        f"The emulator needs {package}, which is not installed.",
        evidence=["It is not needed to replay recordings, so it comes with the extra emulator."],
        fix="pip install 'qsession[emulator]'",
    )


@functools.cache
def _need_aer() -> None:
    if importlib.util.find_spec("qiskit_aer") is None:
        raise missing_extra("qiskit-aer")
