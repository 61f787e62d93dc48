"""What the body of a job means, program by program."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qsession._payload._arrays import bindings, tensor
from qsession._payload._circuit import read_circuit
from qsession._payload._decode import (
    Unreadable,
    foreign,
    inflate,
    load_array,
    load_circuits,
    plain,
    unpack,
)
from qsession._payload._form import Circuit, Node, Opaque, Tensor, fingerprint, raw_digest
from qsession._payload._labels import renumbered, with_tables

_DEEPEST = 100


@dataclass(slots=True)
class Reading:
    """One payload being read, and why parts of it stay plain JSON.

    Attributes:
        notes: One line for each part that could not be decoded.
    """

    notes: list[str] = field(default_factory=list)

    def form(self, program: str, params: object) -> dict[str, Node]:
        """The canonical form of the parameters of a program: ``params``, and ``pubs`` apart."""
        if _too_deep(params):
            return {"params": self.opaque("params", params, f"nested deeper than {_DEEPEST} levels")}
        if not isinstance(params, dict):
            why = f"the parameters are {_kind(params)}, not an object"
            return {"params": self.opaque("params", params, why)}
        if program in ("sampler", "estimator"):
            return self._primitive(program, params)
        if program == "executor":
            return {"params": self._program_part(params)}
        self.notes.append(f"the program {program!r} is not known")
        return {"params": self.value(params)}

    def opaque(self, kind: str, value: object, why: str) -> Opaque:
        """Keep a part as the JSON it is, and say why."""
        self.notes.append(why)
        return Opaque(kind, raw_digest(value))

    def value(self, value: object) -> Node:
        """Any JSON value, with what it encodes decoded."""
        if isinstance(value, dict):
            if "__type__" in value:
                return self._typed(str(value["__type__"]), value)
            return {str(key): self.value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return tuple(self.value(each) for each in value)
        if value is None or isinstance(value, bool | int | float | str):
            return value
        return self.opaque(_kind(value), value, f"{_kind(value)} is nothing that JSON holds")

    def _typed(self, kind: str, encoded: Mapping[str, object]) -> Node:
        decode = {
            "QuantumCircuit": _one_circuit,
            "ndarray": self._ndarray,
            "complex": _complex,
            "set": self._set,
        }.get(kind)
        if decode is None or set(encoded) != {"__type__", "__value__"}:
            return self.opaque(kind, encoded, f"the type {kind!r} is not known")
        try:
            return decode(encoded["__value__"])
        except Unreadable as problem:
            return self.opaque(kind, encoded, f"a {kind} cannot be decoded: {problem}")

    def _ndarray(self, content: object) -> Node:
        if isinstance(content, list):
            return self.value(content)
        return Tensor(load_array(unpack(content)))

    def _set(self, content: object) -> Node:
        members = self.value(content)
        if not isinstance(members, tuple):
            raise Unreadable("no list of members")
        return ("set", *sorted(members, key=fingerprint))

    def _primitive(self, program: str, params: Mapping[str, object]) -> dict[str, Node]:
        rest = {key: self.value(each) for key, each in params.items() if key != "pubs"}
        pubs = params.get("pubs")
        if not isinstance(pubs, list):
            self.notes.append(f"the PUBs are {_kind(pubs)}, not a list")
            return {"params": rest, "pubs": self.value(pubs)}
        fields = ["circuit", "parameter values", "shots"]
        if program == "estimator":
            fields = ["circuit", "observables", "parameter values", "precision"]
        return {"params": rest, "pubs": tuple(self._pub(i, each, fields) for i, each in enumerate(pubs))}

    def _pub(self, number: int, pub: object, fields: Sequence[str]) -> Node:
        if not isinstance(pub, list) or not 0 < len(pub) <= len(fields):
            return self.opaque("PUB", pub, f"PUB {number} is no list of up to {len(fields)} parts")
        parts = dict(zip(fields, [*pub, None, None, None], strict=False))
        circuit = self.value(parts["circuit"])
        if not isinstance(circuit, Circuit | Opaque):
            circuit = self.opaque("circuit", parts["circuit"], f"PUB {number} does not start with a circuit")
        names = circuit.parameters if isinstance(circuit, Circuit) else ()
        read: dict[str, Node] = {"circuit": circuit}
        for name in fields[1:]:
            if name == "parameter values":
                read[name] = self._bindings(parts[name], names)
            else:
                read[name] = (
                    self._observables(parts[name]) if name == "observables" else self.value(parts[name])
                )
        return read

    def _bindings(self, values: object, names: tuple[str, ...]) -> Node:
        """Parameter values as one array over the circuit's parameters, however they were written."""
        try:
            return bindings(values, names, self.value)
        except Unreadable as problem:
            return self.opaque("parameter values", values, f"parameter values cannot be decoded: {problem}")

    def _observables(self, observables: object) -> Node:
        """Nested lists of weights by Pauli label; a bare label weighs 1."""
        if isinstance(observables, dict):
            if observables.get("__type__") == "ObservablesArray":
                return self._observables(observables.get("__value__"))
            return self.value(observables)
        if isinstance(observables, list):
            return tuple(self._observables(each) for each in observables)
        return {observables: 1.0} if isinstance(observables, str) else self.value(observables)

    def _program_part(self, value: object) -> Node:
        """A part of a quantum program: circuits and tensors are known by their keys."""
        if isinstance(value, list):
            return tuple(self._program_part(each) for each in value)
        if not isinstance(value, dict):
            return self.value(value)
        try:
            encoded = self._encoded(value)
        except Unreadable as problem:
            return self.opaque("program part", value, f"a part of the program cannot be decoded: {problem}")
        if encoded is not None:
            return encoded
        if "samplex" in value:
            value = renumbered(value)
        return {str(key): self._program_part(each) for key, each in value.items()}

    def _encoded(self, value: Mapping[str, object]) -> Node:
        keys = set(value)
        if keys == {"b64_data", "qpy_version", "num_programs"}:
            return _circuits(value["b64_data"], value["num_programs"])
        if keys == {"data", "shape", "dtype"}:
            return tensor(value)
        if keys == {"ssv", "samplex_json"}:
            return self.value(value["ssv"]), self._samplex(value["samplex_json"])
        return None

    def _samplex(self, text: object) -> Node:
        """A samplex as its JSON, but for its expressions: these are kept as a circuit.

        Parameters in that circuit have another identity in every process.
        """
        with foreign("samplex"):
            graph = json.loads(str(text))
            table = json.loads(graph["attrs"].pop("param_table"))
            graph = with_tables(graph)
            expressions = fingerprint(_circuits(table.pop("circuit_base64"), 1))
            if _too_deep(graph):
                raise Unreadable(f"a samplex nested deeper than {_DEEPEST} levels")
        return self.value(graph), self.value(table), expressions


def _one_circuit(content: object) -> Node:
    circuits = load_circuits(unpack(content))
    if len(circuits) != 1:
        raise Unreadable(f"{len(circuits)} circuits in place of one")
    with foreign("circuit"):
        return read_circuit(circuits[0])


def _circuits(content: object, count: object) -> Node:
    raw = plain(content)
    circuits = load_circuits(raw if raw.startswith(b"QISKIT") else inflate(raw))
    if len(circuits) != count:
        raise Unreadable(f"{len(circuits)} circuits, {count} announced")
    with foreign("circuit"):
        return tuple(read_circuit(each) for each in circuits)


def _complex(content: object) -> Node:
    match content:
        case [int() | float() as real, int() | float() as imaginary]:
            with foreign("complex"):
                return complex(real, imaginary)
    raise Unreadable("no pair of numbers")


def _kind(value: object) -> str:
    return type(value).__name__


def _too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list | tuple)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
