"""The program ``noise-learner``: version 2, and version 3 by its own module.

Imports qiskit and the client; loads with the first such job.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

from qiskit.circuit import QuantumCircuit
from qiskit.quantum_info import PauliList
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._circuits import canonical, foreign_instruction
from qsession.emulator._devices import Device
from qsession.emulator._layers import STRATEGIES, Layer, Strategy, unique_layers
from qsession.emulator._programs._work import Failed, Failure, Moment, Work, unloadable
from qsession.emulator._rates import Effort, Term, gate_terms, learned
from qsession.emulator._replies import derived_seed

BASES = 9
"""Circuits that measure all Paulis of a layer's pairs at one depth (the client's documentation)."""

_OTHER_OPTIONS = frozenset({"support_qiskit", "experimental", "simulator"})


@dataclass(frozen=True, slots=True)
class Options:
    """The options that decide what is learned. Defaults as documented in the client.

    Attributes:
        max_layers_to_learn: None for all.
        shots_per_randomization: At least 1.
        num_randomizations: At least 1.
        layer_pair_depths: None below 0.
        twirling_strategy: Which qubits of a layer are twirled.
    """

    max_layers_to_learn: int | None = 4
    shots_per_randomization: int = 128
    num_randomizations: int = 32
    layer_pair_depths: tuple[int, ...] = (0, 1, 2, 4, 16, 32)
    twirling_strategy: Strategy = "active-accum"

    @property
    def effort(self) -> Effort:
        """How much is measured for a layer."""
        return Effort(
            self.shots_per_randomization * self.num_randomizations, max(self.layer_pair_depths, default=0)
        )

    def document(self) -> dict[str, object]:
        """The options as the result's metadata repeats them."""
        return {
            "max_layers_to_learn": self.max_layers_to_learn,
            "shots_per_randomization": self.shots_per_randomization,
            "num_randomizations": self.num_randomizations,
            "layer_pair_depths": list(self.layer_pair_depths),
            "twirling_strategy": self.twirling_strategy,
        }


@dataclass(frozen=True, slots=True)
class LearnerBody:
    """A job of version 2, read.

    Attributes:
        layers: The layers to learn.
        options: The options.
        device: The backend.
    """

    layers: tuple[Layer, ...]
    options: Options
    device: Device

    def run(self, moment: Moment) -> str:
        """The result as the client decodes it, under the module name that its encoder writes."""
        results = _results()
        data = []
        for number, layer in enumerate(self.layers):
            terms = gate_terms(self.device, layer.qubits, layer.gates)
            rates, _ = learned(terms, self.options.effort, derived_seed(moment.seed, number))
            error = results.PauliLindbladError(_labels(terms, len(layer.qubits)), rates)
            data.append(results.LayerError(layer.circuit(), list(layer.qubits), error))
        metadata = {"backend": self.device.name, "input_options": self.options.document()}
        result = {"data": data, "metadata": metadata}
        return json.dumps(result, cls=RuntimeEncoder, separators=(",", ":"))


def _results() -> ModuleType:
    try:
        return importlib.import_module("qiskit_ibm_runtime.results.noise_learner")
    except ModuleNotFoundError:
        # Releases of the client before 0.48.
        return importlib.import_module("qiskit_ibm_runtime.utils.noise_learner_result")


def _labels(terms: list[Term], width: int) -> PauliList:
    labels = []
    for term in terms:
        letters = ["I"] * width
        for letter, place in zip(term.letters, term.places, strict=True):
            letters[width - 1 - place] = letter
        labels.append("".join(letters))
    return PauliList(labels)


def read(program: str, params: Mapping[str, Json], device: Device, *, noise: bool) -> Work:
    """Read the parameters of a job.

    Args:
        program: ``noise-learner``.
        params: ``params`` of ``POST /jobs``, weighed.
        device: The backend.
        noise: Of no effect: what is learned are the backend's reported errors in any case.

    Raises:
        Refused: If the parameters are not of the form that the client documents.
        Failed: If a circuit does not load.
    """
    if "schema_version" in params:
        third = importlib.import_module("qsession.emulator._programs._noise_learner_v3")
        work: Work = third.read(program, params, device, noise=noise)
        return work
    options = _options(params.get("options", {}))
    circuits = _circuits(params.get("circuits"))
    for circuit in circuits:
        if reason := foreign_instruction(circuit, device):
            raise Failed(Failure(1517, reason, "Transpile the circuit for the backend."))
    layers = unique_layers(circuits, options.twirling_strategy, options.max_layers_to_learn)
    parts = (program, "2", str(options), *map(canonical, circuits))
    digest = hashlib.sha256("\x1f".join(parts).encode()).hexdigest()
    executions = len(layers) * BASES * len(options.layer_pair_depths) * options.effort.shots
    return Work(program, digest, executions, LearnerBody(tuple(layers), options, device))


def _circuits(encoded: Json) -> list[QuantumCircuit]:
    if not isinstance(encoded, list) or not encoded:
        raise Refused("invalid", "circuits must be a list of at least one circuit")
    with unloadable("A circuit"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [json.loads(json.dumps(each), cls=RuntimeDecoder) for each in encoded]
        if not all(isinstance(circuit, QuantumCircuit) for circuit in found):
            raise ValueError("it is no encoded circuit")
        return found


def _options(given: Json) -> Options:
    if not isinstance(given, dict):
        raise Refused("invalid", "options must be an object")
    known = Options.__slots__
    if unknown := sorted(given.keys() - {*known, *_OTHER_OPTIONS}):
        raise Refused("invalid", f"options has no {unknown[0][:40]}")
    most = given.get("max_layers_to_learn", 4)
    depths = given.get("layer_pair_depths", list(Options().layer_pair_depths))
    strategy = next((s for s in STRATEGIES if s == given.get("twirling_strategy", "active-accum")), None)
    if strategy is None:
        raise Refused("invalid", f"twirling_strategy must be one of {', '.join(STRATEGIES)}")
    if not isinstance(depths, list):
        raise Refused("invalid", "layer_pair_depths must be a list of whole numbers")
    return Options(
        None if most is None else _count(most, "max_layers_to_learn", 0),
        _count(given.get("shots_per_randomization", 128), "shots_per_randomization", 1),
        _count(given.get("num_randomizations", 32), "num_randomizations", 1),
        tuple(_count(depth, "each of layer_pair_depths", 0) for depth in depths),
        strategy,
    )


def _count(value: Json, name: str, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**31:
        raise Refused("invalid", f"{name} must be a whole number of at least {least}")
    return value
