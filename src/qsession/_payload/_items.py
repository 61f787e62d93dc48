"""The items of a quantum program, and the boxes and circuits of a noise learner."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from qsession._payload._arrays import tensor
from qsession._payload._circuit import read_circuit, read_instructions
from qsession._payload._decode import Unreadable, foreign, inflate, load_circuits, plain
from qsession._payload._form import Circuit, Node, Tensor
from qsession._payload._labels import renumbered

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

# What a version of the schema may leave out, and what it then means (IBM's schemas v0.1 to v2.0).
_DEFAULTS: Mapping[str, object] = {
    "experimental": {},
    "meas_level": "classified",
    "passthrough_data": None,
    "scheduler_timing": False,
    "semantic_role": None,
    "shape": [],
    "stretch_values": False,
}
# Says how something is written, not what.
_SPELLINGS = frozenset({"schema_version"})
_APART = frozenset({"circuits", "items", "shots"})
_ARGUMENTS = ("circuit_arguments", "samplex_arguments")


class Reads(Protocol):
    """Reads the plain parts, and keeps those that cannot be decoded."""

    def value(self, value: object) -> Node:
        """Any JSON value."""
        ...

    def opaque(self, kind: str, value: object, why: str) -> Node:
        """Keep a part as the JSON it is, and say why."""
        ...


def quantum_program(params: Mapping[str, object], reading: Reads) -> dict[str, Node]:
    """The parameters of an executor job of any version of its schema.

    Args:
        params: As they were sent.
        reading: Reads its plain parts.

    Raises:
        Unreadable: If it is none, or a part of it cannot be decoded.
    """
    program = params.get("quantum_program")
    if not isinstance(program, dict) or not isinstance(program.get("items"), list):
        raise Unreadable("no quantum program")
    items = [_mapping(each, "item") for each in program["items"]]
    if "circuits" in program:
        circuits = _circuits(program["circuits"])
    else:
        circuits = tuple(_circuits(each.get("circuit"))[0] for each in items)
    if len(circuits) != len(items):
        raise Unreadable(f"{len(circuits)} circuits for {len(items)} items")
    rest = {**params, "quantum_program": {k: v for k, v in program.items() if k not in _APART}}
    return {
        "shots": reading.value(program.get("shots")),
        "params": _part(_without_defaults(rest), reading),
        "items": tuple(_item(*pair, reading) for pair in zip(items, circuits, strict=True)),
    }


def instructions(params: Mapping[str, object], reading: Reads) -> dict[str, Node]:
    """The parameters of a noise learner of version 3: boxes, each with the qubits of the device.

    Raises:
        Unreadable: If the boxes cannot be decoded.
    """
    rest = {key: each for key, each in params.items() if key not in {"instructions", *_SPELLINGS}}
    (circuit,) = _loaded(params["instructions"])
    with foreign("instructions"):
        return {"params": reading.value(rest), "instructions": read_instructions(circuit)}


def _item(item: Mapping[str, object], circuit: Node, reading: Reads) -> Node:
    item = renumbered(item) if "samplex" in item else item
    left = {key: each for key, each in item.items() if key not in {"circuit", "samplex", *_ARGUMENTS}}
    read: dict[str, Node] = {"circuit": circuit}
    if "samplex" in item:
        try:
            read["samplex"] = _samplex(_mapping(item["samplex"], "samplex"), reading)
        except Unreadable as problem:
            why = f"a samplex cannot be decoded: {problem}"
            read["samplex"] = reading.opaque("samplex", item["samplex"], why)
    for name in _ARGUMENTS:
        if name in item:
            read[name.replace("_", " ")] = _named(_part(item[name], reading), circuit)
    return {**read, **_mapping_node(_part(_without_defaults(left), reading))}


def _mapping(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise Unreadable(f"the {what} is {type(value).__name__}, not an object")
    return value


def _mapping_node(node: Node) -> Mapping[str, Node]:
    assert isinstance(node, Mapping)
    return node


def _named(arguments: Node, circuit: Node) -> Node:
    """Arguments of a circuit, their last axis named after its parameters."""
    if isinstance(arguments, Tensor) and isinstance(circuit, Circuit):
        names = circuit.parameters
        return Tensor(arguments.values, names if arguments.values.shape[-1:] == (len(names),) else ())
    return arguments


def _without_defaults(value: Mapping[str, object]) -> dict[str, object]:
    """An object without what only says how it is written, or what would be so anyway."""
    kept = {}
    for key, each in value.items():
        if key in _SPELLINGS or (key in _DEFAULTS and _is_default(each, _DEFAULTS[key])):
            continue
        nested = key in ("quantum_program", "options") and isinstance(each, dict)
        kept[key] = _without_defaults(each) if nested else each  # type: ignore[arg-type]
    return kept


def _is_default(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default


def _part(value: object, reading: Reads) -> Node:
    """A part of a quantum program: tensors and noise are known by their keys."""
    if isinstance(value, list):
        return tuple(_part(each, reading) for each in value)
    if not isinstance(value, dict):
        return reading.value(value)
    if set(value) == {"data", "shape", "dtype"} and isinstance(value["data"], str):
        return tensor(value)
    if set(value) == {"sparse_terms", "num_qubits"}:
        return noise_map(value["sparse_terms"], value["num_qubits"])
    return {str(key): _part(each, reading) for key, each in value.items()}


def noise_map(terms: object, qubits: object) -> Node:
    """A Pauli Lindblad map as the rate of each generator, whatever order they stand in.

    Args:
        terms: Letters, qubits and rate of each generator; the rates of equal ones add up.
        qubits: How many qubits the map acts on.

    Raises:
        Unreadable: If it is none.
    """
    rates: dict[str, float] = {}
    with foreign("noise map"):
        for letters, places, rate in _listed(terms):
            pairs = sorted(zip(places, letters, strict=True))
            label = " ".join(f"{letter}{place}" for place, letter in pairs) or "I"
            rates[label] = rates.get(label, 0.0) + float(rate)
        return {"qubits": int(str(qubits)), "rates": dict(rates)}


def _circuits(encoded: object) -> tuple[Node, ...]:
    with foreign("circuit"):
        if isinstance(encoded, dict) and set(encoded) == {"data"}:
            # OpenQASM 3, which the schema allows and no client sends so far: text by text.
            return tuple(("OpenQASM 3", str(each)) for each in _listed(encoded["data"]))
        return tuple(read_circuit(each) for each in _loaded(encoded))


def _listed(value: object) -> Sequence[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"expected a list, found {type(value).__name__}")
    return value


def _loaded(encoded: object) -> list[QuantumCircuit]:
    """QPY in each of the spellings of the schemas, compressed (v2.0) or not."""
    fields = _mapping(encoded, "circuit")
    raw = plain(fields.get("circuit_b64", fields.get("b64_data")))
    circuits = load_circuits(raw if raw.startswith(b"QISKIT") else inflate(raw))
    if len(circuits) != fields.get("num_programs", 1):
        raise Unreadable(f"{len(circuits)} circuits, {fields.get('num_programs', 1)} announced")
    return circuits


def _samplex(encoded: Mapping[str, object], reading: Reads) -> Node:
    """A samplex as its JSON, but for its expressions: these are kept as a circuit.

    Parameters in that circuit have another identity in every process.
    """
    with foreign("samplex"):
        graph = json.loads(str(encoded["samplex_json"]))
        attributes = graph.pop("attrs")
        attributes.pop("samplomatic_version", None)
        table = json.loads(attributes.pop("param_table"))
        (circuit,) = load_circuits(plain(table.pop("circuit_base64")))
        table.pop("qpy", None)
        read = {
            "version": reading.value(encoded.get("ssv")),
            "attributes": reading.value(_unfolded(attributes)),
            "expressions": read_circuit(circuit),
            "parameters": reading.value(table),
        }
        return {**read, **{str(key): reading.value(_unfolded(each)) for key, each in graph.items()}}


def _unfolded(value: object, depth: int = 0) -> object:
    """JSON with the texts in it that are JSON too read as well: they are how a samplex nests."""
    if depth > _DEEPEST:
        raise Unreadable(f"a samplex nested deeper than {_DEEPEST} levels")
    if isinstance(value, str) and value[:1] in ("{", "["):
        return _unfolded(json.loads(value), depth + 1)
    if isinstance(value, dict):
        return {key: _unfolded(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_unfolded(each, depth + 1) for each in value]
    return value


_DEEPEST = 100
