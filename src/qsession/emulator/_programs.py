"""The programs ``sampler`` and ``estimator``: from parameters to a result's text.

qiskit and the client load at the first job, a simulator at the first result.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import json
import math
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from qsession._clock import to_datetime
from qsession._model import Instant
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._devices import Device
from qsession.emulator._replies import compact, derived_seed
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qiskit.primitives.containers.estimator_pub import EstimatorPub
    from qiskit.primitives.containers.sampler_pub import SamplerPub

PROGRAMS = frozenset({"sampler", "estimator"})
"""Programs that run here."""

KNOWN_PROGRAMS = PROGRAMS | {"executor", "noise-learner", "calibrate"}
"""Programs that the client submits (its code)."""

DEFAULT_SHOTS = 4096
"""Shots where nobody says a number (documented)."""

DEFAULT_PRECISION = 0.015625
"""Precision where nobody says one: 1/sqrt(4096) (documented)."""

MAX_EXECUTIONS = 10_000_000
"""Circuit executions of one sampler job (documented)."""

_FINEST_PRECISION = 1e-6

_TYPES = frozenset(
    {"QuantumCircuit", "ndarray", "Parameter", "BindingsArray", "ObservablesArray", "complex", "datetime"}
)

# What decoding a circuit or an array of unknown bytes can raise.
_UNREADABLE = (
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
class Work:
    """A job that was read and can be run.

    Attributes:
        digest: Names what the job does; equal for equal jobs however they are encoded.
        executions: Circuit executions it asks for, 0 where that cannot be told.
        failure: Set for a job that cannot run.
    """

    program: str
    digest: str
    executions: int
    pubs: tuple[SamplerPub | EstimatorPub, ...] = ()
    failure: Failure | None = None


def prepare(program: str, params: Mapping[str, Json], device: Device) -> Work:
    """Read the parameters of a job.

    Args:
        program: ``sampler`` or ``estimator``.
        params: ``params`` of ``POST /jobs``.
        device: The backend.

    Raises:
        Refused: If the parameters are not of the form that the service documents.
        UsageError: QS120, if the extra ``emulator`` is not installed.
    """
    _need_aer()
    pubs = params.get("pubs")
    if not isinstance(pubs, list) or not pubs:
        raise Refused("invalid", "pubs must be a list of at least one PUB")
    options = params.get("options", {})
    if not isinstance(options, dict):
        raise Refused("invalid", "options must be an object")
    _only_known_types(params)
    return _read(program, params, options, pubs, device)


def _read(
    program: str, params: Mapping[str, Json], options: Mapping[str, Json], pubs: list[Json], device: Device
) -> Work:
    plain = hashlib.sha256(compact(params)).hexdigest()
    decode = functools.partial(_decoded, program, params, options)
    try:
        read = tuple(decode(pub) for pub in pubs)
    except _Unloadable as problem:
        return Work(program, plain, 0, failure=Failure(1603, str(problem), "Check the circuit's encoding."))
    except _UNREADABLE as problem:
        reason = f"A PUB is malformed: {problem}"
        return Work(program, plain, 0, failure=Failure(1002, reason, "Check the PUBs of the job."))
    return Work(
        program,
        _digest(program, read, options),
        sum(_executions(pub) for pub in read),
        read,
        _foreign(read, device) or _too_long(program, read),
    )


def _too_long(program: str, pubs: tuple[SamplerPub | EstimatorPub, ...]) -> Failure | None:
    asked = sum(_executions(pub) for pub in pubs)
    if program != "sampler" or asked <= MAX_EXECUTIONS:
        return None
    reason = f"The job asks for {asked} circuit executions, more than {MAX_EXECUTIONS}."
    return Failure(1002, reason, "Use fewer shots or parameter values.")


class _Unloadable(Exception):
    """A circuit that cannot be loaded."""


def _decoded(
    program: str, params: Mapping[str, Json], options: Mapping[str, Json], pub: Json
) -> SamplerPub | EstimatorPub:
    from qiskit.circuit import QuantumCircuit
    from qiskit.primitives.containers.estimator_pub import EstimatorPub
    from qiskit.primitives.containers.sampler_pub import SamplerPub

    parts = pub if isinstance(pub, list) else [pub]
    circuit = _load(parts[0] if parts else None)
    if not isinstance(circuit, QuantumCircuit):
        raise _Unloadable("The circuit of a PUB could not be loaded.")
    rest = [_load(part) for part in parts[1:]]
    if program == "sampler":
        shots = _number(params.get("shots"), options.get("default_shots"), DEFAULT_SHOTS)
        return SamplerPub.coerce((circuit, *rest), int(shots))
    if not rest:
        raise ValueError("an estimator PUB needs observables")
    estimator = EstimatorPub.coerce((circuit, *rest), _precision(params, options))
    if not _FINEST_PRECISION <= estimator.precision < math.inf:
        raise ValueError(f"the precision must be at least {_FINEST_PRECISION}")
    return estimator


def _load(part: Json) -> object:
    from qiskit.exceptions import QiskitError
    from qiskit_ibm_runtime import RuntimeDecoder

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return json.loads(json.dumps(part), cls=RuntimeDecoder)
    except QiskitError as problem:
        raise _Unloadable(f"The circuit of a PUB could not be loaded: {problem}") from problem
    except _UNREADABLE as problem:
        if isinstance(part, dict) and part.get("__type__") == "QuantumCircuit":
            raise _Unloadable(f"The circuit of a PUB could not be loaded: {problem}") from problem
        raise ValueError(f"a value could not be decoded: {problem}") from problem


def _only_known_types(document: Json | Mapping[str, Json]) -> None:
    # The client's decoder imports modules and calls classes that a payload names.
    waiting: list[object] = [document]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Mapping):
            kind = item.get("__type__", "ndarray")
            if not isinstance(kind, str) or kind not in _TYPES:
                raise Refused("invalid", f"the type {kind} is not one of {', '.join(sorted(_TYPES))}")
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _number(*candidates: Json) -> float:
    for value in candidates:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    raise ValueError("no number given")


def _precision(params: Mapping[str, Json], options: Mapping[str, Json]) -> float:
    # default_shots overrides default_precision (documented in the client's options).
    shots = options.get("default_shots")
    if isinstance(shots, int) and shots > 0 and params.get("precision") is None:
        return 1 / math.sqrt(shots)
    return _number(params.get("precision"), options.get("default_precision"), DEFAULT_PRECISION)


def _shots(pub: SamplerPub | EstimatorPub) -> int:
    if hasattr(pub, "precision"):
        return math.ceil(1 / float(pub.precision) ** 2 - 1e-9)
    shots: int = pub.shots
    return shots


def _executions(pub: SamplerPub | EstimatorPub) -> int:
    shape: tuple[int, ...] = pub.shape
    return math.prod(shape) * _shots(pub)


def _digest(program: str, pubs: tuple[SamplerPub | EstimatorPub, ...], options: Mapping[str, Json]) -> str:
    from qsession.emulator._circuits import canonical

    parts = [program, json.dumps(options, sort_keys=True)]
    for pub in pubs:
        values = pub.parameter_values.as_array(pub.circuit.parameters)
        parts += [canonical(pub.circuit), str(values.shape), values.tobytes().hex(), str(_shots(pub))]
        if hasattr(pub, "observables"):
            parts.append(repr(pub.observables.tolist()))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _foreign(pubs: tuple[SamplerPub | EstimatorPub, ...], device: Device) -> Failure | None:
    from qsession.emulator._circuits import foreign_instruction

    for pub in pubs:
        if reason := foreign_instruction(pub.circuit, device):
            return Failure(1517, reason, "Transpile the circuit for the backend.")
    return None


def run(work: Work, seed: int, started: Instant, ended: Instant) -> Outcome:
    """Run a job.

    Args:
        work: The job.
        seed: Decides every random draw, together with the job's content.
        started: When the job started, for the execution spans of its metadata.
        ended: When it ended.
    """
    if work.failure is not None:
        return Outcome(work.failure.reason, work.failure)
    from qiskit.exceptions import QiskitError

    simulate = _simulator()
    try:
        if work.program == "sampler":
            result = _sampled(simulate, work, seed, started, ended)
        else:
            result = _estimated(simulate, work, seed)
    except (simulate.CannotSimulate, QiskitError, *_UNREADABLE) as problem:
        failure = Failure(1002, f"The emulator cannot simulate this job. {problem}", "Use fewer qubits.")
        return Outcome(failure.reason, failure)
    from qiskit_ibm_runtime import RuntimeEncoder

    return Outcome(json.dumps(result, cls=RuntimeEncoder, separators=(",", ":")))


def _sampled(simulate: ModuleType, work: Work, seed: int, started: Instant, ended: Instant) -> object:
    from qiskit.primitives.containers import DataBin, PrimitiveResult, SamplerPubResult
    from qiskit_ibm_runtime.execution_span import ExecutionSpans, SliceSpan

    found = []
    slices = {}
    for number, pub in enumerate(work.pubs):
        bits = simulate.sample(pub, derived_seed(seed, number))
        metadata = {"circuit_metadata": pub.circuit.metadata or {}}
        found.append(SamplerPubResult(DataBin(**bits, shape=pub.shape), metadata))
        shape = (*pub.shape, pub.shots)
        slices[number] = (shape, slice(0, math.prod(shape)))
    spans = ExecutionSpans([SliceSpan(to_datetime(started), to_datetime(ended), slices)])
    return PrimitiveResult(found, {"execution": {"execution_spans": spans}, "version": 2})


def _estimated(simulate: ModuleType, work: Work, seed: int) -> object:
    from qiskit.primitives.containers import DataBin, PrimitiveResult, PubResult

    found = []
    for number, pub in enumerate(work.pubs):
        shots = _shots(pub)
        values = simulate.estimate(pub, derived_seed(seed, number), shots)
        data = DataBin(evs=values.evs, stds=values.stds, shape=pub.shape)
        metadata = {
            "shots": shots,
            "target_precision": pub.precision,
            "circuit_metadata": pub.circuit.metadata or {},
            "resilience": {},
        }
        found.append(PubResult(data, metadata))
    return PrimitiveResult(found, {"dynamical_decoupling": {"enable": False}, "resilience": {}, "version": 2})


def warm() -> None:
    """Import now what a job needs, so that the first one does not wait for it."""
    importlib.import_module("qiskit_ibm_runtime")
    importlib.import_module("qsession.emulator._circuits")
    _simulator()


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


def _simulator() -> ModuleType:
    _need_aer()
    return importlib.import_module("qsession.emulator._simulate")
