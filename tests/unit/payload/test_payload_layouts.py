"""Layouts, registers, delays and boxes of circuits."""

from __future__ import annotations

import base64
import io
import zlib

from payload_jobs import differences, read
from qiskit import ClassicalRegister, QuantumCircuit, qpy, transpile
from qiskit.circuit.annotation import Annotation, QPYSerializer
from qiskit.transpiler import CouplingMap

from qsession import _payload
from qsession._payload._circuit import read_circuit


def _laid_out(*, places: list[int], seed: int = 7) -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.cx(0, 2)
    circuit.measure_all()
    line = CouplingMap.from_line(6)
    return transpile(
        circuit,
        coupling_map=line,
        basis_gates=["cx", "rz", "sx"],
        initial_layout=places,
        optimization_level=1,
        seed_transpiler=seed,
    )


def test_differences_of_a_layout() -> None:
    """Where virtual qubits lie is part of the meaning, at the start and at the end."""
    ours, theirs = _laid_out(places=[0, 1, 2]), _laid_out(places=[0, 1, 2])
    theirs._layout = _laid_out(places=[3, 1, 2])._layout
    theirs._layout.final_layout = None

    assert differences(ours, _laid_out(places=[0, 1, 2])) == ()
    assert differences(ours, theirs) == (
        "PUB 0: layout of qubit 0: asked 0, at the end 0, recorded 3, at the end 3",
        "PUB 0: layout of qubit 1: asked 1, at the end 2, recorded 1, at the end 1",
        "PUB 0: layout of qubit 2: asked 2, at the end 1, recorded 2, at the end 2",
    )


def test_layout_of_a_routed_circuit() -> None:
    """The layout that is compared is the one qiskit itself reports."""
    circuit = QuantumCircuit(5)
    for high in range(5):
        for low in range(high):
            circuit.cx(low, high)
    routed = transpile(
        circuit, coupling_map=CouplingMap.from_line(9), basis_gates=["cx", "rz", "sx"], seed_transpiler=3
    )
    first, last = routed.layout.initial_index_layout(True), routed.layout.final_index_layout(True)

    assert first != last
    assert read_circuit(routed).layout == tuple(zip(first, last, strict=True))


def test_differences_of_a_missing_layout() -> None:
    """A circuit that was never laid out is another one."""
    bare = _laid_out(places=[0, 1, 2])
    bare._layout = None

    assert differences(_laid_out(places=[0, 1, 2]), bare) == ("PUB 0: layout: asked 3 qubits, recorded none",)


def test_differences_of_registers_without_a_name() -> None:
    """The reader is told why a register that was never named has another name."""
    ours, theirs = QuantumCircuit(1), QuantumCircuit(1)
    ours.add_register(ClassicalRegister(1, "c3"))
    theirs.add_register(ClassicalRegister(1, "c8"))

    assert differences(ours, theirs) == (
        "PUB 0: classical register c3: asked bits 0, recorded nothing "
        "(the process numbers registers without a name)",
        "PUB 0: classical register c8: asked nothing, recorded bits 0 "
        "(the process numbers registers without a name)",
    )


def test_digest_of_delays() -> None:
    """A delay is known by its length; a stretch by its name."""

    def build(*, length: int = 100, name: str = "s") -> QuantumCircuit:
        circuit = QuantumCircuit(2)
        circuit.delay(length, 0, "dt")
        circuit.delay(circuit.add_stretch(name), 1)
        circuit.delay(1e-7, 1, "s")
        return circuit

    assert read(build()).understood
    assert read(build()).digest == read(build()).digest
    assert len({read(build(length=101)).digest, read(build(name="t")).digest, read(build()).digest}) == 3


class _Note(Annotation):
    namespace = "a.b"

    def __init__(self, text: str) -> None:
        self.text = text


class _NoteWriter(QPYSerializer):
    def dump_annotation(self, namespace: str, annotation: _Note) -> bytes:
        return annotation.text.encode()

    def load_annotation(self, payload: bytes) -> _Note:
        raise AssertionError("never read by its own class")


def test_digest_of_annotations() -> None:
    """Annotations of boxes count, also those of packages that are not installed."""

    def read(text: str) -> _payload.Meaning:
        circuit = QuantumCircuit(1)
        with circuit.box(annotations=[_Note(text)]):
            circuit.x(0)
        raw = io.BytesIO()
        qpy.dump(circuit, raw, annotation_factories={"a": _NoteWriter})
        value = base64.b64encode(zlib.compress(raw.getvalue())).decode()
        return _payload.read("sampler", {"pubs": [[{"__type__": "QuantumCircuit", "__value__": value}]]})

    assert read("one").understood
    assert read("one").digest == read("one").digest
    assert read("one").digest != read("two").digest
