"""Samplexes: read from their JSON within bounds, and drawn from with a seed.

Imports samplomatic, which defines what a samplex means.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit.quantum_info import PauliLindbladMap
from samplomatic.exceptions import SamplexError
from samplomatic.samplex import Samplex
from samplomatic.tensor_interface import TensorInterface

from qsession._payload._decode import load_circuits, plain
from qsession._refusals import Refused
from qsession.emulator._circuits import canonical
from qsession.emulator._programs._work import Failed, Failure, unloadable, unusable

Array = npt.NDArray[Any]

MAX_DRAWN = 256 * 2**20
"""Bytes that one draw from a samplex may fill: our own limit."""

_MAX_SUBSYSTEMS = 1_000_000


@dataclass(frozen=True, slots=True)
class Drawn:
    """A samplex with its arguments.

    Attributes:
        samplex: What is drawn from.
        arguments: Its arguments, bound.
        digest: Names what it draws; equal for equal ones built in different processes.
    """

    samplex: Samplex
    arguments: TensorInterface
    digest: str

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that its arguments broadcast to."""
        found: tuple[int, ...] = self.arguments.shape
        return found

    @property
    def parameters(self) -> int:
        """How many parameters of a template it sets."""
        specs = self.samplex.outputs().get_specs("^parameter_values$")
        return int(specs[0].shape[-1]) if specs else 0

    def draw(self, shape: tuple[int, ...], seed: int) -> dict[str, Array]:
        """Every output, for each element of a shape.

        Along axes where the arguments vary each element has its own; along the
        others the elements are independent draws (the client's documentation).

        Args:
            shape: What the arguments broadcast to, and the number of draws.
            seed: Decides the draws.

        Raises:
            Failed: If that fills more memory than is given to it.
        """
        own = (1,) * (len(shape) - len(self.shape)) + self.shape
        swept = [axis for axis, size in enumerate(own) if size > 1]
        drawn = [axis for axis in range(len(shape)) if axis not in swept]
        self._check_size(math.prod(shape))
        if not math.prod(shape):
            return self._nothing(shape)
        source = np.random.default_rng(seed)
        found: dict[str, Array] = {}
        for place in product(*(range(shape[axis]) for axis in swept)):
            at = dict(zip(swept, place, strict=True))
            sample = self._sample([at.get(axis, 0) for axis in range(len(shape))], shape, drawn, source)
            for name, values in sample.items():
                target = found.setdefault(name, np.empty((*shape, *values.shape[1:]), values.dtype))
                index = tuple(at.get(axis, slice(None)) for axis in range(len(shape)))
                target[index] = values.reshape(*(shape[axis] for axis in drawn), *values.shape[1:])
        return found

    def _sample(
        self, place: list[int], shape: tuple[int, ...], drawn: list[int], source: np.random.Generator
    ) -> dict[str, Array]:
        skipped = len(shape) - len(self.shape)
        here = tuple(place[skipped:])
        count = math.prod(shape[axis] for axis in drawn)
        # One worker: what is drawn does not depend on how many there are.
        with unusable("A samplex"):
            return dict(self.samplex.sample(self.arguments[here], count, rng=source, max_workers=1))

    def _nothing(self, shape: tuple[int, ...]) -> dict[str, Array]:
        return {
            spec.name: np.empty((*shape, *spec.shape[1:]), spec.dtype)
            for spec in self.samplex.outputs().specs
        }

    def _check_size(self, count: int) -> None:
        outputs = self.samplex.outputs()
        sizes = dict.fromkeys(outputs.free_dimensions, count)
        nodes = self.samplex.graph.nodes()
        wide = max((_subsystems(node) for node in nodes), default=0)
        if outputs.num_bytes(**sizes) + wide * count > MAX_DRAWN:
            reason = f"A samplex fills more than {MAX_DRAWN} bytes."
            raise Failed(Failure(1002, reason, "Use fewer randomizations or parameter values."))


def _subsystems(node: Any) -> int:
    return int(getattr(node, "_num_subsystems", 0))


def read(asked: Any) -> Drawn:
    """The samplex of an item.

    Args:
        asked: The item as its schema reads it.

    Raises:
        Refused: If its arguments do not fit.
        Failed: If the samplex does not load.
    """
    with unloadable("A samplex"):
        digest = _digest(asked.samplex.samplex_json)
        samplex = asked.samplex.to_samplex(use_cached=True)
        if any(_subsystems(node) > _MAX_SUBSYSTEMS for node in samplex.graph.nodes()):
            raise ValueError("it acts on too many qubits")
        samplex.finalize()
        arguments = samplex.inputs().make_broadcastable()
    try:
        for name, value in sorted(asked.samplex_arguments.items()):
            arguments[name] = _argument(value)
    except (ValueError, TypeError, SamplexError) as problem:
        raise Refused("invalid", " ".join(str(problem).split())[:300]) from problem
    if not arguments.fully_bound:
        missing = sorted(spec.name for spec in arguments.specs if spec.name not in arguments)
        raise Refused("invalid", f"samplex_arguments lacks {', '.join(missing)}")
    return Drawn(samplex, arguments, digest + _arguments_digest(arguments))


def numbers(tensor: Any) -> Array:
    """A tensor of a schema as an array.

    Raises:
        Refused: If its data is not as large as its shape.
    """
    try:
        found: Array = tensor.to_numpy()
    except (ValueError, TypeError) as problem:
        raise Refused("invalid", f"a tensor is not readable: {problem}"[:300]) from problem
    return found


def broadcast(shape: tuple[int, ...], implied: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of an item.

    Args:
        shape: As the item says it; the client leaves it empty for circuits (its code).
        implied: As its arguments have it.

    Raises:
        Refused: If they do not fit.
    """
    try:
        found = np.broadcast_shapes(shape, implied)
    except ValueError as problem:
        raise Refused("invalid", f"the shape {shape} does not fit arguments of shape {implied}") from problem
    return tuple(int(size) for size in found)


def _argument(value: Any) -> object:
    if hasattr(value, "to_numpy"):
        return numbers(value)
    return value.to_pauli_lindblad_map() if hasattr(value, "to_pauli_lindblad_map") else value


def _digest(text: str) -> str:
    # Its expressions are kept in a circuit, whose parameters have another identity in every process.
    document = json.loads(text)
    table = json.loads(document["attrs"].pop("param_table"))
    (circuit,) = load_circuits(plain(table.pop("circuit_base64")))
    parts = (json.dumps(document, sort_keys=True), json.dumps(table, sort_keys=True), canonical(circuit))
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _arguments_digest(arguments: TensorInterface) -> str:
    return hashlib.sha256("\x1f".join(_described(arguments)).encode()).hexdigest()


def _described(arguments: TensorInterface) -> Iterator[str]:
    for name in sorted(arguments):
        value = arguments[name]
        if isinstance(value, PauliLindbladMap):
            yield f"{name} {value.num_qubits} {value.to_sparse_list()}"
        else:
            array = np.asarray(value)
            yield f"{name} {array.dtype} {array.shape} {array.tobytes().hex()}"
