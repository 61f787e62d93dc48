"""The program ``noise-learner``, version 3: boxes with their noise, one by one.

Imports the client's rule of which protocol learns a box, and IBM's schemas.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ibm_quantum_schemas.common import F64TensorModel
from qiskit.circuit import CircuitInstruction, QuantumCircuit, QuantumRegister
from qiskit_ibm_runtime.noise_learner_v3.find_learning_protocol import find_learning_protocol
from qiskit_ibm_runtime.noise_learner_v3.params_converters import NOISE_LEARNER_V3_PARAMS_CONVERTERS
from samplomatic.annotations import Twirl
from samplomatic.utils import get_annotation

from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._circuits import canonical, foreign_place
from qsession.emulator._devices import Device
from qsession.emulator._programs._noise_learner import BASES
from qsession.emulator._programs._schemas import schema, validated, written
from qsession.emulator._programs._work import Failed, Failure, Moment, Work, unloadable
from qsession.emulator._rates import Effort, Term, gate_terms, learned, readout_terms
from qsession.emulator._replies import derived_seed

VERSIONS = tuple(sorted(NOISE_LEARNER_V3_PARAMS_CONVERTERS))
"""Versions of the schema that the installed client sends (its code)."""


@dataclass(frozen=True, slots=True)
class Box:
    """One instruction whose noise is learned.

    Attributes:
        qubits: Its physical qubits, sorted: generators count them in this order.
        gates: Name and physical qubits of each gate and measurement in it.
        protocol: ``lindblad`` for gates, ``trex`` for measurements.
    """

    qubits: tuple[int, ...]
    gates: tuple[tuple[str, tuple[int, ...]], ...]
    protocol: str

    def terms(self, device: Device) -> list[Term]:
        """The generators of its noise."""
        if self.protocol == "trex":
            return readout_terms(device, self.qubits)
        return gate_terms(device, self.qubits, self.gates)


@dataclass(frozen=True, slots=True)
class BoxesBody:
    """A job of version 3, read.

    Attributes:
        schemas: The schemas of its version.
        boxes: Its instructions.
        shots: Shots of one configuration.
        depths: Numbers of pairs of layers.
        device: The backend.
    """

    schemas: ModuleType
    boxes: tuple[Box, ...]
    shots: int
    depths: tuple[int, ...]
    device: Device

    def run(self, moment: Moment) -> str:
        """The result in the version that was asked for."""
        data = [self._learned(box, derived_seed(moment.seed, i)) for i, box in enumerate(self.boxes)]
        return written(self.schemas.NoiseLearnerV3ResultsModel(data=data))

    def _learned(self, box: Box, seed: int) -> object:
        terms = box.terms(self.device)
        depth = 1 if box.protocol == "trex" else max(self.depths, default=0)
        rates, spread = learned(terms, Effort(self.shots, depth), seed)
        return self.schemas.NoiseLearnerV3ResultModel(
            generators_sparse=[[(term.letters, list(term.places))] for term in terms],
            num_qubits=len(box.qubits),
            rates=F64TensorModel.from_numpy(rates),
            rates_std=F64TensorModel.from_numpy(spread),
            metadata=self._metadata(box),
        )

    def _metadata(self, box: Box) -> dict[str, object]:
        # Every emulated shot is kept, whatever checks were asked for.
        kept: dict[str, object] = {"fraction_kept": 1.0, "success_rates": {}}
        if box.protocol == "lindblad":
            kept = {
                "fraction_kept": dict.fromkeys(self.depths, 1.0),
                "success_rates": {depth: {} for depth in self.depths},
            }
        return {"learning_protocol": box.protocol, "post_selection": kept}


def read(program: str, params: Mapping[str, Json], device: Device, *, noise: bool) -> Work:
    """Read the parameters of a job.

    Args:
        program: ``noise-learner``.
        params: ``params`` of ``POST /jobs``, weighed.
        device: The backend.
        noise: Of no effect: what is learned are the backend's reported errors in any case.

    Raises:
        Refused: If the parameters are not of the form of the schema.
        Failed: If an instruction does not load, or cannot be learned.
    """
    del noise
    schemas = schema("noise_learner_v3", params.get("schema_version"), VERSIONS)
    asked = validated(schemas.ParamsModel, params, "The instructions")
    options = asked.options
    numbers = (options.shots_per_randomization, options.num_randomizations)
    if min(numbers) < 1 or min(options.layer_pair_depths, default=0) < 0:
        raise Refused("invalid", "shots and randomizations must be at least 1, depths at least 0")
    with unloadable("The instructions"):
        circuit = asked.instructions.to_quantum_circuit(use_cached=True)
    boxes = tuple(_box(item, device) for item in circuit.data)
    shots = numbers[0] * numbers[1]
    body = BoxesBody(schemas, boxes, shots, tuple(options.layer_pair_depths), device)
    configurations = sum(
        1 if box.protocol == "trex" else BASES * len(options.layer_pair_depths) for box in boxes
    )
    return Work(program, _digest(options, circuit, boxes), configurations * shots, body)


def _box(item: CircuitInstruction, device: Device) -> Box:
    """An instruction, checked as the client checks it before it submits."""
    if item.operation.name != "box" or not get_annotation(item.operation, Twirl):
        raise _unlearnable("Every instruction must be a box with a Twirl annotation.")
    register = QuantumRegister(device.n_qubits, "q")
    if any(qubit not in register for qubit in item.qubits):
        raise _unlearnable(f"Every qubit must be one of the {device.n_qubits} of {device.name}.")
    places = [register.index(qubit) for qubit in item.qubits]
    gates = tuple(_placed(item.operation.body, places))
    if reason := next((r for gate in gates if (r := foreign_place(*gate, device))), None):
        raise Failed(Failure(1517, reason, "Transpile the circuit for the backend."))
    with unloadable("An instruction"):
        protocol = find_learning_protocol(item)
    if protocol is None:
        raise _unlearnable("An instruction is neither one layer of Clifford gates nor one of measurements.")
    name = "trex" if protocol.value == "trex" else "lindblad"
    return Box(tuple(sorted(places)), tuple(g for g in gates if g[0] != "barrier"), name)


def _placed(body: QuantumCircuit, places: list[int]) -> list[tuple[str, tuple[int, ...]]]:
    return [
        (item.operation.name, tuple(places[body.find_bit(qubit).index] for qubit in item.qubits))
        for item in body.data
    ]


def _unlearnable(reason: str) -> Failed:
    return Failed(Failure(1002, reason, "Check the instructions of the job."))


def _digest(options: Any, circuit: QuantumCircuit, boxes: tuple[Box, ...]) -> str:
    # The client lists the qubits in an order that differs from process to process.
    gates = [canonical(item.operation.body) for item in circuit.data]
    asked = json.dumps(options.model_dump(mode="json"), sort_keys=True)
    parts = ("noise-learner", "3", asked, *map(str, boxes), *gates)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
