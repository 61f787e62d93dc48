"""The programs ``sampler`` and ``estimator``: from parameters to a result's text.

Imports qiskit and the client; loads with the first job.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from qiskit.circuit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.primitives.containers import DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit.primitives.containers.estimator_pub import EstimatorPub
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder
from qiskit_ibm_runtime.execution_span import ExecutionSpans, SliceSpan

from qsession._clock import to_datetime
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _simulate
from qsession.emulator._circuits import canonical, foreign_instruction
from qsession.emulator._devices import Device
from qsession.emulator._programs._choices import Choices, choices
from qsession.emulator._programs._schemas import validated
from qsession.emulator._programs._work import (
    UNREADABLE,
    Failed,
    Failure,
    Moment,
    Work,
    too_large,
    too_many_points,
    unloadable,
)
from qsession.emulator._replies import derived_seed

_FINEST_PRECISION = 1e-6

Pub: TypeAlias = "SamplerPub | EstimatorPub"


@dataclass(frozen=True, slots=True)
class PrimitiveBody:
    """The PUBs of a job, read.

    Attributes:
        program: ``sampler`` or ``estimator``.
        pubs: The PUBs.
        chosen: The options of the job.
        device: The backend.
        noise: Whether the backend's errors are simulated.
        layer_noise: Learned noise that an estimator was given, reported back.
    """

    program: str
    pubs: tuple[Pub, ...]
    chosen: Choices
    device: Device
    noise: bool
    layer_noise: object = None

    def run(self, moment: Moment) -> str:
        """The result as the client decodes it."""
        result = self._sampled(moment) if self.program == "sampler" else self._estimated(moment)
        return json.dumps(result, cls=RuntimeEncoder, separators=(",", ":"))

    def _sampled(self, moment: Moment) -> object:
        found = []
        slices = {}
        noisy = self.device if self.noise else None
        seed = self.chosen.seed(moment.seed)
        for number, pub in enumerate(self.pubs):
            bits = _simulate.sample(pub, derived_seed(seed, number), noisy=noisy)
            metadata = {"circuit_metadata": pub.circuit.metadata or {}}
            found.append(SamplerPubResult(DataBin(**bits, shape=pub.shape), metadata))
            shape = (*pub.shape, pub.shots)
            slices[number] = (shape, slice(0, math.prod(shape)))
        span = SliceSpan(to_datetime(moment.started), to_datetime(moment.ended), slices)
        return PrimitiveResult(
            found, {"execution": {"execution_spans": ExecutionSpans([span])}, "version": 2}
        )

    def _estimated(self, moment: Moment) -> object:
        found = []
        noise = _simulate.EstimatorNoise(self.device, self.chosen.mitigates_measurements)
        seed = self.chosen.seed(moment.seed)
        for number, pub in enumerate(self.pubs):
            shots = _shots(pub)
            values = _simulate.estimate(
                pub, derived_seed(seed, number), shots, noise=noise if self.noise else None
            )
            data = DataBin(evs=values.evs, stds=values.stds, shape=pub.shape)
            found.append(PubResult(data, self._pub_metadata(pub, shots)))
        return PrimitiveResult(found, self._metadata())

    def _pub_metadata(self, pub: EstimatorPub, shots: int) -> dict[str, object]:
        metadata: dict[str, object] = {
            "shots": shots,
            "target_precision": pub.precision,
            "circuit_metadata": pub.circuit.metadata or {},
            "resilience": {},
        }
        spread = self.chosen.randomizations(shots)
        return metadata if spread is None else metadata | {"num_randomizations": spread}

    def _metadata(self) -> dict[str, object]:
        given = {} if self.layer_noise is None else {"layer_noise_model": self.layer_noise}
        return self.chosen.metadata(given)


def read(program: str, params: Mapping[str, Json], device: Device, *, noise: bool) -> Work:
    """Read the parameters of a job.

    Args:
        program: ``sampler`` or ``estimator``.
        params: ``params`` of ``POST /jobs``, weighed.
        device: The backend.
        noise: Whether the backend's errors are simulated.

    Raises:
        Refused: If the parameters are not of the form that the service documents.
        Failed: If a PUB cannot be read.
    """
    pubs = params.get("pubs")
    if not isinstance(pubs, list) or not pubs:
        raise Refused("invalid", "pubs must be a list of at least one PUB")
    options = params.get("options", {})
    if not isinstance(options, dict):
        raise Refused("invalid", "options must be an object")
    _check_options(program, options)
    chosen = choices(program, params, options)
    layer_noise = _layer_noise(program, chosen)
    decode = functools.partial(_decoded, program, chosen)
    try:
        read = tuple(decode(pub) for pub in pubs)
        digest = _digest(program, read, options)
    except (QiskitError, *UNREADABLE) as problem:
        reason = f"A PUB is malformed: {problem}"
        raise Failed(Failure(1002, reason, "Check the PUBs of the job.")) from problem
    executions = sum(_executions(pub) for pub in read)
    body = PrimitiveBody(program, read, chosen, device, noise, layer_noise)
    failure = _foreign(read, device) or _too_large(program, read, executions)
    return Work(program, digest, executions, None if failure else body, failure)


def _check_options(program: str, options: dict[str, Json]) -> None:
    try:
        schemas = importlib.import_module(f"ibm_quantum_schemas.{program}.version_0_1")
    except ModuleNotFoundError:
        # An older client, which comes without schemas of its primitives.
        return
    found = validated(schemas.OptionsModel, options, "A value of the options", prefix="options.")
    level = getattr(found.execution, "meas_type", "classified")
    if level != "classified":
        raise Refused("invalid", f"meas_type {level} is not supported, this emulator has classified only")


def _too_large(program: str, pubs: tuple[Pub, ...], executions: int) -> Failure | None:
    if program != "sampler":
        return too_many_points(sum(math.prod(pub.shape) for pub in pubs))
    bits = sum(_executions(pub) * pub.circuit.num_clbits for pub in pubs)
    return too_large(executions, bits, max(math.prod(pub.shape) * pub.circuit.num_parameters for pub in pubs))


def _decoded(program: str, chosen: Choices, pub: Json) -> Pub:
    parts = pub if isinstance(pub, list) else [pub]
    with unloadable("The circuit of a PUB"):
        circuit = _load(parts[0] if parts else None)
        if not isinstance(circuit, QuantumCircuit):
            raise Failed(Failure(1603, "The circuit of a PUB could not be loaded.", "Check its encoding."))
    rest = [_value(part) for part in parts[1:]]
    if program == "sampler":
        return SamplerPub.coerce((circuit, *rest), chosen.sampler_shots())
    if not rest:
        raise ValueError("an estimator PUB needs observables")
    estimator = EstimatorPub.coerce((circuit, *rest), chosen.precision())
    if not _FINEST_PRECISION <= estimator.precision < math.inf:
        raise ValueError(f"the precision must be at least {_FINEST_PRECISION}")
    return estimator


def _load(part: Json) -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(json.dumps(part), cls=RuntimeDecoder)


def _value(part: Json) -> object:
    try:
        return _load(part)
    except (QiskitError, *UNREADABLE) as problem:
        raise ValueError(f"a value could not be decoded: {problem}") from problem


def _layer_noise(program: str, chosen: Choices) -> object:
    given = chosen.part("resilience").get("layer_noise_model")
    if program != "estimator" or given is None:
        return None
    with unloadable("The layer noise model"):
        return _load(given)


def _shots(pub: Pub) -> int:
    if hasattr(pub, "precision"):
        return math.ceil(1 / float(pub.precision) ** 2 - 1e-9)
    shots: int = pub.shots
    return shots


def _executions(pub: Pub) -> int:
    shape: tuple[int, ...] = pub.shape
    return math.prod(shape) * _shots(pub)


def _digest(program: str, pubs: tuple[Pub, ...], options: Mapping[str, Json]) -> str:
    parts = [program, json.dumps(options, sort_keys=True)]
    for pub in pubs:
        values = pub.parameter_values.as_array(pub.circuit.parameters)
        parts += [canonical(pub.circuit), str(values.shape), values.tobytes().hex(), str(_shots(pub))]
        if hasattr(pub, "observables"):
            parts.append(repr(pub.observables.tolist()))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _foreign(pubs: tuple[Pub, ...], device: Device) -> Failure | None:
    for pub in pubs:
        if reason := foreign_instruction(pub.circuit, device):
            return Failure(1517, reason, "Transpile the circuit for the backend.")
    return None
