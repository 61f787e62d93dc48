"""What every program makes of a job, and how a job can be wrong. Imports no qiskit."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from qsession._model import Instant

# What decoding or running a job of unknown bytes can raise.
UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    EOFError,
    AssertionError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
)

MAX_EXECUTIONS = 10_000_000
"""Circuit executions of one sampler job (documented); of an executor job too (inferred)."""

MAX_RESULT_BITS = 400_000_000
"""Measured bits of one job that the emulator holds: our own limit, 400 MB while it works."""

MAX_VALUES = 32_000_000
"""Parameter values of one item or PUB, broadcast: our own limit, 256 MB while it works."""

MAX_POINTS = 1_000_000
"""Expectation values of one estimator job: our own limit."""


RAN_TOO_LONG = 1305
"""``reason_code`` of a job that was cancelled because it ran longer than it may (the client's code)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed.

    Attributes:
        code: ``reason_code``.
        reason: ``reason``.
        solution: ``reason_solution``.
    """

    code: int
    reason: str
    solution: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job's run came to: the text of its results, and why it failed if it did."""

    text: str
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of a job's run when it happens.

    Attributes:
        seed: Decides every random draw, together with the job's content.
        started: When the job started.
        ended: When it ended.
    """

    seed: int
    started: Instant
    ended: Instant


class Body(Protocol):
    """A job of some program that was read and can be run."""

    def run(self, moment: Moment) -> str:
        """The text of its results.

        Raises:
            Failed: If it cannot be run.
        """


@dataclass(frozen=True, slots=True)
class Given:
    """A job whose results are given.

    Attributes:
        text: Their text.
    """

    text: str

    def run(self, moment: Moment) -> str:
        """The text that was given."""
        del moment
        return self.text


@dataclass(frozen=True, slots=True)
class Work:
    """A job that was read.

    Attributes:
        program: Name of the program.
        digest: Names what the job does; equal for equal jobs however they are encoded.
        executions: Circuit executions it asks for, 0 where that cannot be told.
        body: What runs it; None once that happened, and for a job that cannot run.
        failure: Set for a job that cannot run.
    """

    program: str
    digest: str
    executions: int
    body: Body | None = None
    failure: Failure | None = None


class Failed(Exception):
    """A job cannot be read or run, though its submit was accepted."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.reason)


@contextmanager
def unloadable(what: str) -> Iterator[None]:
    """Fail the job with 1603, the code of circuits that do not load, for whatever is raised.

    Args:
        what: What is read, as the reason starts.
    """
    with _failing(1603, f"{what} could not be loaded", "Check the circuit's encoding."):
        yield


@contextmanager
def unusable(what: str) -> Iterator[None]:
    """Fail the job with 1002 for whatever is raised by something that loads and does not work.

    Args:
        what: What is used, as the reason starts.
    """
    with _failing(1002, f"{what} could not be used", "Check the parameters of the job."):
        yield


@contextmanager
def _failing(code: int, what: str, solution: str) -> Iterator[None]:
    # Other people's readers promise no exception types; a panic in qiskit's Rust part
    # derives from BaseException alone.
    try:
        yield
    except Failed:
        raise
    except BaseException as problem:
        if isinstance(problem, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        line = (str(problem).splitlines() or [""])[0].strip("'\"")[:300]
        reason = f"{what}: {line}" if line else f"{what}."
        raise Failed(Failure(code, reason, solution)) from problem


def too_large(executions: int, bits: int, values: int) -> Failure | None:
    """The failure of a job that asks for more than is run, None if it does not.

    Args:
        executions: Circuit executions.
        bits: Bits that they measure, in all.
        values: Parameter values of the item or PUB that has the most.
    """
    if executions > MAX_EXECUTIONS:
        reason = f"The job asks for {executions} circuit executions, more than {MAX_EXECUTIONS}."
        return Failure(1002, reason, "Use fewer shots or parameter values.")
    if bits > MAX_RESULT_BITS:
        reason = f"The job measures {bits} bits, the emulator holds {MAX_RESULT_BITS} at most."
        return Failure(1002, reason, "Use fewer shots, parameter values or measured qubits.")
    if values > MAX_VALUES:
        reason = f"The job has {values} parameter values at once, the emulator holds {MAX_VALUES} at most."
        return Failure(1002, reason, "Use fewer parameter values or randomizations.")
    return None


def too_many_points(points: int) -> Failure | None:
    """The failure of an estimator job that asks for more values than are worked out."""
    if points <= MAX_POINTS:
        return None
    reason = f"The job asks for {points} expectation values, the emulator gives {MAX_POINTS} at most."
    return Failure(1002, reason, "Use fewer parameter values or observables.")
