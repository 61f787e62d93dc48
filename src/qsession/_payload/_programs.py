"""What the body of a job means, program by program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from qsession._payload._arrays import bindings
from qsession._payload._circuit import read_circuit
from qsession._payload._decode import (
    Unreadable,
    foreign,
    load_array,
    load_circuits,
    unpack,
)
from qsession._payload._form import Circuit, Node, Opaque, Tensor, fingerprint, raw_digest
from qsession._payload._items import instructions, noise_map, quantum_program

_DEEPEST = 100
# What the client writes as the parts that they are made of (its encoder), told apart by the
# name of their class; in which module that stands changes from release to release.
_TRANSPARENT = frozenset({"_json", "settings", "to_json", "datetime", "NoiseLearnerResult", "NoiseModel"})


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
        if program == "executor" or (program == "noise-learner" and "instructions" in params):
            return self._boxed(quantum_program if program == "executor" else instructions, params)
        if program == "noise-learner":
            return self._noise_learner(params)
        self.notes.append(f"the program {program!r} is not known")
        # Which of its numbers may differ a little, and which names say nothing, nobody knows.
        return {"params": self.value(params), "exact": Opaque("program", raw_digest(params))}

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
        if kind in _TRANSPARENT:
            return {
                str(key): self.value(each)
                for key, each in encoded.items()
                if key not in ("__type__", "__module__")
            }
        decode = {
            "QuantumCircuit": _one_circuit,
            "Instruction": _one_circuit,
            "ndarray": self._ndarray,
            "complex": _complex,
            "set": self._set,
            "PauliLindbladMap": _noise_map,
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

    def _boxed(self, read: Callable[..., dict[str, Node]], params: Mapping[str, object]) -> dict[str, Node]:
        try:
            return read(params, self)
        except Unreadable as problem:
            why = f"a part of the program cannot be decoded: {problem}"
            return {"params": self.opaque("program", params, why)}

    def _noise_learner(self, params: Mapping[str, object]) -> dict[str, Node]:
        circuits = params.get("circuits")
        rest = {key: self.value(each) for key, each in params.items() if key != "circuits"}
        return {"params": rest, "circuits": self.value(circuits)}


def _one_circuit(content: object) -> Node:
    circuits = load_circuits(unpack(content))
    if len(circuits) != 1:
        raise Unreadable(f"{len(circuits)} circuits in place of one")
    with foreign("circuit"):
        return read_circuit(circuits[0])


def _noise_map(content: object) -> Node:
    if not isinstance(content, dict):
        raise Unreadable("no object")
    return noise_map(content.get("paulis"), content.get("num_qubits"))


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
