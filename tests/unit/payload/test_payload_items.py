"""Quantum programs and noise learners, as the installed client writes them, in every version of the schema."""

from __future__ import annotations

import base64
import copy
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from payload_jobs import bell, wire
from qiskit import QuantumCircuit, QuantumRegister, qpy
from qiskit.circuit import CircuitInstruction, Parameter
from qiskit.quantum_info import PauliLindbladMap, PauliList
from qiskit_ibm_runtime.noise_learner_v3.params_converters import NOISE_LEARNER_V3_PARAMS_CONVERTERS
from qiskit_ibm_runtime.options_models import ExecutorOptions, NoiseLearnerV3Options
from qiskit_ibm_runtime.quantum_program import QuantumProgram
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS
from qiskit_ibm_runtime.results.noise_learner import LayerError, NoiseLearnerResult, PauliLindbladError
from samplomatic import ChangeBasis, InjectNoise, Twirl, build
from samplomatic.serialization import samplex_to_json
from samplomatic.ssv import SSV

from qsession import _payload

VERSIONS = sorted(QUANTUM_PROGRAM_PARAMS_CONVERTERS)
LEARNERS = sorted(NOISE_LEARNER_V3_PARAMS_CONVERTERS)
Rates = list[tuple[str, float]]


def program(
    *,
    version: str = "v2.0",
    gate: str = "rx",
    angle: float = 0.2,
    value: float = 0.3,
    turn: float = 2.0,
    rates: Rates | None = None,
    shots: int = 100,
    chunk: int | None = None,
    data: object = None,
    level: str = "classified",
    init_qubits: bool = True,
) -> _payload.Meaning:
    """A circuit item and a samplex item, encoded by the client."""
    whole = QuantumProgram(shots=shots, passthrough_data=data, meas_level=level)
    circuit = QuantumCircuit(1, 1)
    getattr(circuit, gate)(Parameter("t"), 0)
    circuit.measure(0, 0)
    whole.append_circuit_item(circuit, circuit_arguments=np.array([[0.1], [angle]]), chunk_size=chunk)
    template, samplex = build(boxed(turn=turn, noisy=rates is not None))
    arguments: dict[str, object] = {"parameter_values": np.array([value])}
    if rates is not None:
        arguments["pauli_lindblad_maps"] = {"r": PauliLindbladMap.from_list(rates)}
    whole.append_samplex_item(
        template, samplex=samplex, samplex_arguments=arguments, shape=(3,), chunk_size=chunk
    )
    options = ExecutorOptions()
    options.execution.init_qubits = init_qubits
    encoder: Callable[..., Any] = QUANTUM_PROGRAM_PARAMS_CONVERTERS[version].encoder
    return _payload.read("executor", encoder(whole, options).model_dump(mode="json"))


def boxed(*, turn: float = 2.0, noisy: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    with circuit.box([Twirl(), InjectNoise("r", "m")] if noisy else [Twirl()]):
        circuit.rz(turn * Parameter("a"), 0)
        circuit.cz(0, 1)
    with circuit.box([Twirl()]):
        circuit.measure([0, 1], [0, 1])
    return circuit


@pytest.mark.parametrize("version", VERSIONS)
def test_read_of_a_program_of_every_version(version: str) -> None:
    """Built twice, though parameters and circuits have another identity, it is the same job."""
    first, again = program(version=version), program(version=version)

    assert (first.understood, first.note) == (True, "")
    assert first.digest == again.digest
    assert _payload.differences(first, program(version=version, angle=0.25)) == (
        "item 0: circuit arguments of t[1]: asked 0.2, recorded 0.25",
    )


def test_program_is_the_same_whatever_the_schema_writes_out() -> None:
    """The versions that write samplexes alike give one digest: what they leave out has its default."""
    digests = {version: program(version=version).digest for version in VERSIONS}

    assert digests["v1.1"] == digests["v2.0"]


def test_samplexes_of_other_versions_are_told_apart_by_name() -> None:
    """Nothing but the samplex differs between the first schema and the newest."""
    lines = _payload.differences(program(version="v2.0"), program(version="v0.1"))

    assert len(lines) == 20
    assert all(line.startswith("item 1: samplex.") for line in lines[:-1])
    assert "item 1: samplex.attributes.ssv: asked 4, recorded 1" in lines


@pytest.mark.parametrize(
    ("theirs", "lines"),
    [
        (program(gate="ry"), ("item 0: operation 0: asked rx(t) on 0, recorded ry(t) on 0",)),
        (program(shots=101), ("shots: asked 100, recorded 101",)),
        (program(value=0.4), ("item 1: samplex arguments.parameter_values[0]: asked 0.3, recorded 0.4",)),
        (program(level="kerneled"), ("quantum_program.meas_level: asked nothing, recorded kerneled",)),
        (program(init_qubits=False), ("options.init_qubits: asked true, recorded false",)),
        (
            program(data={"note": [1, 2.5]}),
            ("quantum_program.passthrough_data: asked nothing, recorded {note: (1, 2.5)}",),
        ),
        (
            program(chunk=2),
            (
                "item 0: chunk_size: asked auto, recorded 2",
                "item 1: chunk_size: asked auto, recorded 2",
            ),
        ),
    ],
)
def test_differences_of_programs(theirs: _payload.Meaning, lines: tuple[str, ...]) -> None:
    """Each difference is named: which item, which gate, which argument, which option."""
    assert _payload.differences(program(), theirs) == lines


def test_differences_of_a_samplex() -> None:
    """Another angle in the circuit that was twirled is found in the expressions of its samplex."""
    assert _payload.differences(program(), program(turn=3.0)) == (
        "item 1: samplex.expressions: operation 0: asked rz(2*a) on 0, recorded rz(3*a) on 0",
    )


def test_differences_of_passthrough_data() -> None:
    """Arrays in it are compared as numbers."""
    ours, theirs = (program(data={"x": [np.array([1.0, each])]}) for each in (2.0, 3.0))

    assert _payload.differences(ours, theirs) == (
        "quantum_program.passthrough_data.x[0][1]: asked 2, recorded 3",
    )


def test_order_of_generators_means_nothing() -> None:
    """A noise map is a sum; its rates are told by their Pauli."""
    ours = program(rates=[("XX", 0.1), ("IZ", 0.2)])

    assert ours.digest == program(rates=[("IZ", 0.2), ("XX", 0.1)]).digest
    assert _payload.differences(ours, program(rates=[("XX", 0.1), ("IZ", 0.3)])) == (
        "item 1: samplex arguments.pauli_lindblad_maps.r.rates.Z0: asked 0.2, recorded 0.3",
    )


def test_numbers_within_the_tolerance_are_equal() -> None:
    """The last bits of an argument do not matter, the eighth digit does."""
    assert _payload.differences(program(), program(angle=0.2 + 1e-12)) == ()
    assert _payload.differences(program(), program(angle=0.2 + 1e-7)) != ()


def _params() -> dict[str, Any]:
    whole = QuantumProgram(shots=7)
    whole.append_circuit_item(bell())
    encoder: Callable[..., Any] = QUANTUM_PROGRAM_PARAMS_CONVERTERS["v2.0"].encoder
    params: dict[str, Any] = encoder(whole, ExecutorOptions()).model_dump(mode="json")
    return params


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda p: p.pop("quantum_program"), "no quantum program"),
        (lambda p: p["quantum_program"].update(items=3), "no quantum program"),
        (lambda p: p["quantum_program"].update(items=[3]), "the item is int, not an object"),
        (lambda p: p["quantum_program"]["items"].clear(), "1 circuits for 0 items"),
        (
            lambda p: p["quantum_program"]["circuits"].update(num_programs=2),
            "1 circuits, 2 announced",
        ),
        (lambda p: p["quantum_program"].update(circuits=None), "the circuit is NoneType, not an object"),
        (
            lambda p: p["quantum_program"]["items"][0]["circuit_arguments"].update(dtype="f7"),
            "numbers of type 'f7'",
        ),
    ],
)
def test_read_of_a_damaged_program(change: Callable[[dict[str, Any]], object], note: str) -> None:
    """What cannot be decoded is compared byte by byte, and says so."""
    params = _params()
    change(params)
    meaning = _payload.read("executor", params)

    assert meaning.note == f"a part of the program cannot be decoded: {note}"
    assert meaning.digest == _payload.read("executor", copy.deepcopy(params)).digest
    assert meaning.digest != _payload.read("executor", {**params, "more": 1}).digest


def _measured_in_a_basis(*references: str, argument: str = "") -> dict[str, object]:
    """A qubit after the other, each measured in a basis that the arguments of the samplex give."""
    circuit = QuantumCircuit(len(references), len(references))
    for place, reference in enumerate(references):
        with circuit.box([Twirl(), ChangeBasis(ref=reference)]):
            circuit.measure([place], [place])
    template, samplex = build(circuit)
    encoded = {"ssv": SSV, "samplex_json": samplex_to_json(samplex, ssv=SSV)}
    data = base64.b64encode(b"\x02").decode()
    values = {
        f"basis_changes.{reference}": {"data": data, "shape": [1], "dtype": "u8"} for reference in references
    }
    chosen = {argument: values[argument]} if argument else values
    raw = io.BytesIO()
    qpy.dump(template, raw)
    circuits = {"b64_data": base64.b64encode(raw.getvalue()).decode(), "qpy_version": 17, "num_programs": 1}
    items = [{"item_type": "samplex_item", "samplex": encoded, "samplex_arguments": chosen}]
    return {"quantum_program": {"shots": 1, "circuits": circuits, "items": items}}


def test_names_that_a_process_counts_do_not_count() -> None:
    """The client's estimator on the executor numbers its bases through the life of a process."""
    first = _payload.read("executor", _measured_in_a_basis("basis0", "basis1"))
    later = _payload.read("executor", _measured_in_a_basis("basis9", "basis10"))
    assert first.understood
    assert later.understood
    assert _payload.differences(later, first) == ()
    assert first.digest == later.digest


def test_names_that_a_process_counts_stay_apart() -> None:
    """Another order of the bases is another program."""
    first = _payload.read("executor", _measured_in_a_basis("basis0", "basis1"))
    other = _payload.read("executor", _measured_in_a_basis("basis1", "basis0"))
    assert _payload.differences(other, first)
    half = _payload.read(
        "executor", _measured_in_a_basis("basis8", "basis9", argument="basis_changes.basis9")
    )
    assert _payload.differences(half, first) == (
        "item 0: samplex arguments.basis_changes.basis0: asked nothing, recorded array of shape (1,)",
    )


def test_read_of_a_damaged_samplex() -> None:
    """What is no samplex is compared as the JSON it is; the rest of its item is still read."""
    params = _params()
    params["quantum_program"]["items"][0]["samplex"] = {"ssv": 4, "samplex_json": "{}"}
    meaning = _payload.read("executor", params)

    assert meaning.note == "a samplex cannot be decoded: samplex: KeyError: 'attrs'".replace(
        "'attrs'", "attrs"
    )
    assert meaning.summary == "executor: 2 qubits used of 2, 5 operations (not fully understood)"


def test_read_of_qasm() -> None:
    """OpenQASM 3, which the newest schema allows, is compared as text."""
    params = _params()
    params["quantum_program"]["circuits"] = {"data": ["OPENQASM 3.0; qubit q;"]}
    other = copy.deepcopy(params)
    other["quantum_program"]["circuits"]["data"] = ["OPENQASM 3.0; qubit r;"]
    ours, theirs = (_payload.read("executor", each) for each in (params, other))

    assert ours.understood
    assert _payload.differences(ours, theirs) == (
        "item 0: asked (OpenQASM 3, OPENQASM 3.0; qubit q;), recorded (OpenQASM 3, OPENQASM 3.0; qubit r;)",
    )


def layers() -> list[CircuitInstruction]:
    register = QuantumRegister(20, "q")
    circuit = QuantumCircuit(register)
    with circuit.box([Twirl()]):
        circuit.cz(register[3], register[4])
        circuit.cz(register[1], register[0])
    with circuit.box([Twirl()]):
        circuit.cz(register[13], register[14])
    return list(circuit)


def learner(boxes: list[CircuitInstruction], *, version: str = "v0.3", shots: int = 128) -> _payload.Meaning:
    encoder: Callable[..., Any] = NOISE_LEARNER_V3_PARAMS_CONVERTERS[version].encoder
    options = NoiseLearnerV3Options(shots_per_randomization=shots)
    return _payload.read("noise-learner", encoder(boxes, options).model_dump(mode="json"))


@pytest.mark.parametrize("version", LEARNERS)
def test_read_of_boxes(version: str) -> None:
    """A learner's boxes are read on the qubits of the device; their order is the order of its results."""
    meaning = learner(layers(), version=version)

    assert (meaning.understood, meaning.digest) == (True, learner(layers(), version=version).digest)
    assert meaning.summary == "noise-learner: 2 to 4 qubits used of 6, 2 operations"
    assert _payload.differences(meaning, learner(layers()[::-1], version=version)) == (
        "instruction 0: operation 0: asked box on 0, 1, 3, 4, recorded box on 13, 14",
        "instruction 1: operation 0: asked box on 13, 14, recorded box on 0, 1, 3, 4",
    )


def test_differences_of_a_learner() -> None:
    """Options and the number of boxes are named."""
    assert _payload.differences(learner(layers()), learner(layers(), shots=64)) == (
        "options.shots_per_randomization: asked 128, recorded 64",
    )
    assert "instructions: asked 1, recorded 2" in _payload.differences(
        learner(layers()[:1]), learner(layers())
    )


def test_boxes_are_the_same_in_every_process() -> None:
    """The client lists their qubits in the order of a set."""
    code = "import test_payload_items as t; print(t.learner(t.layers()).digest, t.program().digest)"
    found = set()
    for seed in ("1", "2", "3"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        found.add(
            subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout
        )

    assert len(found) == 1


def test_read_of_a_noise_learner() -> None:
    """The circuits of the older learner are compared one by one."""
    ours, theirs = (
        _payload.read(
            "noise-learner", wire({"circuits": [bell(), each], "options": {"max_layers_to_learn": 4}})
        )
        for each in (bell(), bell().copy_empty_like())
    )

    assert ours.understood
    assert _payload.differences(ours, theirs) == (
        "circuit 1: operation 0: asked h on 0, recorded nothing",
        "circuit 1: operations: asked 5, recorded 0",
    )


def _noise(rate: float) -> _payload.Meaning:
    error = PauliLindbladError(PauliList(["XX", "ZZ"]), [rate, 0.2])
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    model = NoiseLearnerResult([LayerError(circuit, [0, 1], error)])
    options = {"resilience": {"layer_noise_model": model}}
    return _payload.read("estimator", wire({"pubs": [], "options": options}))


def test_read_of_a_layer_noise_model() -> None:
    """A learned model in the options of an estimator is compared by its circuits and numbers."""
    meaning = _noise(0.1)

    assert (meaning.understood, meaning.note) == (True, "")
    assert meaning.digest == _noise(0.1 + 1e-15).digest
    (line,) = _payload.differences(meaning, _noise(0.3))
    assert line.endswith("asked 0.1, recorded 0.3")
    assert line.startswith("options.resilience.layer_noise_model.__value__.data[0].")


def test_unknown_type_is_compared_byte_by_byte() -> None:
    """What is of no known type is kept as it is, and the reader is told."""
    ours, theirs = (
        _payload.read("sampler", {"pubs": [], "options": {"x": {"__type__": "mystery", "__value__": each}}})
        for each in (1, 2)
    )

    assert ours.note == "the type 'mystery' is not known"
    assert len(_payload.differences(ours, theirs)) == 1
    assert json.dumps(_payload.differences(ours, theirs)).count("undecoded mystery") == 2
