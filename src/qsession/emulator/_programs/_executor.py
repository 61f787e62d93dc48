"""The program ``executor``: quantum programs of circuit items and samplex items.

Imports qiskit, IBM's schemas and samplomatic. Every version of the schema that the
client has converters for is read, and its results are written in the same version.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit.circuit import QuantumCircuit
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS

from qsession._clock import to_datetime
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _simulate
from qsession.emulator._circuits import canonical, foreign_instruction
from qsession.emulator._devices import Device
from qsession.emulator._programs import _samplexes
from qsession.emulator._programs._schemas import schema, validated, written
from qsession.emulator._programs._work import Failure, Moment, Work, too_large, unloadable
from qsession.emulator._replies import derived_seed

VERSIONS = tuple(sorted(QUANTUM_PROGRAM_PARAMS_CONVERTERS))
"""Versions of the schema that the installed client sends or reads (its code)."""

# The client's own local runs round angles to this many decimals of a quarter turn
# (its code): a samplex gives them as 32-bit floats, which is no Clifford angle.
_ANGLE_DECIMALS = 5

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a quantum program.

    Attributes:
        circuit: Its circuit, for a samplex item the template.
        shape: How many circuits it stands for, as an array's shape.
        arguments: Parameter values of a circuit item; they broadcast to ``shape``.
        samplex: What draws the parameter values of a samplex item.
    """

    circuit: QuantumCircuit
    shape: tuple[int, ...]
    arguments: Array | None = None
    samplex: _samplexes.Drawn | None = None

    @property
    def size(self) -> int:
        """How many circuits it stands for."""
        return math.prod(self.shape)

    def values(self, seed: int) -> tuple[Array, dict[str, Array]]:
        """Parameter values, one row a circuit, and what else goes into the results."""
        if self.samplex is None:
            count = self.circuit.num_parameters
            rows, others = np.broadcast_to(np.asarray(self.arguments), (*self.shape, count)), {}
        else:
            others = self.samplex.draw(self.shape, seed)
            rows = others.pop("parameter_values", np.empty((*self.shape, 0)))
        return rows.reshape(self.size, -1 if rows.size else self.circuit.num_parameters), others

    def described(self) -> str:
        """What it asks for, as a text that equal items share."""
        drawn = "" if self.samplex is None else self.samplex.digest
        given = "" if self.arguments is None else self.arguments.tobytes().hex()
        form = "" if self.arguments is None else str(self.arguments.shape)
        return "\x1f".join((canonical(self.circuit), str(self.shape), form, given, drawn))


@dataclass(frozen=True, slots=True)
class ExecutorBody:
    """A quantum program, read.

    Attributes:
        schemas: The schemas of its version.
        items: Its items.
        shots: Shots of each circuit.
        echoed: What its result repeats, by name.
        device: The backend.
        noise: Whether the backend's errors are simulated.
    """

    schemas: ModuleType
    items: tuple[Item, ...]
    shots: int
    echoed: Mapping[str, object]
    device: Device
    noise: bool
    tensors: Any = field(kw_only=True)

    def run(self, moment: Moment) -> str:
        """The result in the version that was asked for."""
        found = [self._result(item, derived_seed(moment.seed, i)) for i, item in enumerate(self.items)]
        model = self.schemas.QuantumProgramResultModel(
            data=found, metadata=self._metadata(moment), **self.echoed
        )
        return written(model)

    def _result(self, item: Item, seed: int) -> object:
        values, others = item.values(seed)
        rows = _snapped(values)
        noisy = self.device if self.noise else None
        measured = _simulate.shots_of(
            item.circuit, rows, self.shots, derived_seed(seed, "shots"), noisy=noisy
        )
        arrays = {
            name: bits.reshape(*item.shape, self.shots, bits.shape[-1]) for name, bits in measured.items()
        }
        results = {name: self._tensor(array) for name, array in (arrays | others).items()}
        models = self.schemas
        about = models.ItemMetadataModel() if hasattr(models, "ItemMetadataModel") else None
        return models.QuantumProgramResultItemModel(results=results, metadata=about)

    def _tensor(self, array: Array) -> object:
        # The older schemas know no single precision.
        narrow = array.dtype.kind == "f" and array.dtype.itemsize < np.dtype(float).itemsize
        return self.tensors.from_numpy(array.astype(float) if narrow else array)

    def _metadata(self, moment: Moment) -> object:
        # The job's own start and end: an emulated run has no others. They are in UTC and do not say so, as
        # in results of real jobs that come with the client's unit tests (observed).
        models = self.schemas
        span = models.ChunkSpan(
            start=to_datetime(moment.started).replace(tzinfo=None),
            stop=to_datetime(moment.ended).replace(tzinfo=None),
            parts=[self._part(i, item) for i, item in enumerate(self.items)],
        )
        return models.MetadataModel(chunk_timing=[span])

    def _part(self, number: int, item: Item) -> object:
        part = self.schemas.ChunkPart
        whole: dict[str, object] = {}
        if "permutation" in part.model_fields:
            whole = {"permutation": list(range(len(item.shape))), "element_range": (0, item.size, 1)}
        return part(idx_item=number, size=item.size, **whole)


def _snapped(values: Array) -> npt.NDArray[np.float64]:
    turns = values.astype(float) / (math.pi / 2)
    near = np.round(turns, _ANGLE_DECIMALS)
    return np.where(near == np.round(near), near * (math.pi / 2), values.astype(float))


def read(program: str, params: Mapping[str, Json], device: Device, *, noise: bool) -> Work:
    """Read the parameters of a job.

    Args:
        program: ``executor``.
        params: ``params`` of ``POST /jobs``, weighed.
        device: The backend.
        noise: Whether the backend's errors are simulated.

    Raises:
        Refused: If the parameters are not of the form of the schema, or ask for
            measurement levels other than classified.
        Failed: If a circuit does not load.
    """
    schemas = schema("executor", params.get("schema_version"), VERSIONS)
    _only_qpy(params)
    asked = validated(schemas.ParamsModel, params, "A circuit of the program").quantum_program
    level = getattr(asked, "meas_level", "classified")
    if level != "classified":
        raise Refused("invalid", f"meas_level {level} is not supported, this emulator has classified only")
    circuits = _circuits(asked)
    failure = _foreign(circuits, device)
    items = tuple(_item(circuit, item) for circuit, item in zip(circuits, asked.items, strict=True))
    executions = asked.shots * sum(item.size for item in items)
    bits = asked.shots * sum(item.size * item.circuit.num_clbits for item in items)
    values = max((item.size * item.circuit.num_parameters for item in items), default=0)
    failure = failure or too_large(executions, bits, values)
    body = ExecutorBody(
        schemas, items, asked.shots, _echoed(schemas, asked), device, noise, tensors=_tensors(schemas)
    )
    return Work(program, _digest(asked, items), executions, None if failure else body, failure)


def _only_qpy(params: Mapping[str, Json]) -> None:
    asked = params.get("quantum_program")
    circuits = asked.get("circuits") if isinstance(asked, dict) else None
    if isinstance(circuits, dict) and "data" in circuits:
        raise Refused("invalid", "OpenQASM 3 circuits are not supported, this emulator reads QPY")


def _circuits(asked: Any) -> list[QuantumCircuit]:
    with unloadable("A circuit of the program"):
        if hasattr(asked, "circuits"):
            found: list[QuantumCircuit] = asked.circuits.to_python(use_cached=True)
        else:
            found = [item.circuit.to_quantum_circuit(use_cached=True) for item in asked.items]
        if len(found) != len(asked.items) or not all(isinstance(each, QuantumCircuit) for each in found):
            raise ValueError("there must be one circuit for each item")
        return found


def _item(circuit: QuantumCircuit, asked: Any) -> Item:
    shape = tuple(getattr(asked, "shape", ()))
    if asked.item_type == "samplex":
        drawn = _samplexes.read(asked)
        _same(circuit, drawn.parameters)
        return Item(circuit, _samplexes.broadcast(shape, drawn.shape), samplex=drawn)
    arguments = _samplexes.numbers(asked.circuit_arguments)
    count = arguments.shape[-1] if arguments.ndim else 0
    _same(circuit, count)
    return Item(circuit, _samplexes.broadcast(shape, arguments.shape[:-1]), arguments)


def _same(circuit: QuantumCircuit, count: int) -> None:
    if count != circuit.num_parameters:
        raise Refused(
            "invalid", f"an item has {count} arguments, its circuit {circuit.num_parameters} parameters"
        )


def _foreign(circuits: Sequence[QuantumCircuit], device: Device) -> Failure | None:
    for circuit in circuits:
        if reason := foreign_instruction(circuit, device):
            return Failure(1517, reason, "Transpile the circuit for the backend.")
    return None


def _echoed(schemas: ModuleType, asked: Any) -> dict[str, object]:
    known = schemas.QuantumProgramResultModel.model_fields
    return {name: getattr(asked, name) for name in ("passthrough_data", "semantic_role") if name in known}


def _tensors(schemas: ModuleType) -> Any:
    # The model of results names its tensors; compressed from version 2.0 on.
    annotation = schemas.QuantumProgramResultItemModel.model_fields["results"].annotation
    return annotation.__args__[1]


def _digest(asked: Any, items: tuple[Item, ...]) -> str:
    echoed = asked.model_dump(mode="json", include={"passthrough_data", "semantic_role"})
    parts = ["executor", str(asked.shots), json.dumps(echoed, sort_keys=True)]
    parts += [item.described() for item in items]
    return hashlib.sha256("\x1e".join(parts).encode("utf-8", "backslashreplace")).hexdigest()
