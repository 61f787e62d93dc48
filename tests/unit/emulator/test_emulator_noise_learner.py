from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from emulator_caller import encoded
from hypothesis import given
from hypothesis import strategies as st
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.quantum_info import PauliLindbladMap, QubitSparsePauli
from qiskit_ibm_runtime.decoders.noise_learner import NoiseLearnerResultDecoder
from qiskit_ibm_runtime.decoders.noise_learner_v3.decoder import NoiseLearnerV3ResultDecoder
from qiskit_ibm_runtime.noise_learner_v3.params_converters import NOISE_LEARNER_V3_PARAMS_CONVERTERS
from qiskit_ibm_runtime.options_models import NoiseLearnerV3Options
from qiskit_ibm_runtime.results import noise_learner
from samplomatic import Twirl

from qsession.emulator._devices import device
from qsession.emulator._errors import errors
from qsession.emulator._layers import unique_layers
from qsession.emulator._programs import _noise_learner
from qsession.emulator._rates import Effort, gate_terms, learned, readout_terms

VERSIONS = sorted(NOISE_LEARNER_V3_PARAMS_CONVERTERS)


def chain(*pairs: tuple[int, int], width: int = 156, gate: str = "cz") -> QuantumCircuit:
    circuit = QuantumCircuit(width)
    for pair in pairs:
        getattr(circuit, gate)(*pair)
    return circuit


def submitted(caller, params: dict) -> str:
    body = {"program_id": "noise-learner", "backend": "ibm_fez", "params": params}
    return caller.json("POST", "/jobs", encoded(body))["id"]


def text_of(caller, job: str) -> str:
    return caller.send("GET", f"/jobs/{job}/results", at=1).body.decode()


def learn(caller, circuits: list[QuantumCircuit], **options):
    text = text_of(caller, submitted(caller, {"circuits": circuits, "options": options}))
    return NoiseLearnerResultDecoder.decode(text)


def boxes(*, width: int = 156) -> list:
    circuit = QuantumCircuit(QuantumRegister(width, "q"), ClassicalRegister(3, "c"))
    with circuit.box([Twirl()]):
        circuit.cz(1, 2)
        circuit.noop(0)
    with circuit.box([Twirl()]):
        circuit.measure([2, 0, 1], [0, 1, 2])
    return list(circuit.data)


def params_3(instructions: list, version: str = "v0.3", **options) -> dict:
    converter = NOISE_LEARNER_V3_PARAMS_CONVERTERS[version]
    params = converter.encoder(instructions, NoiseLearnerV3Options(**options))
    return params.model_dump(mode="json") | {"version": 3}


def refused(caller, params: dict) -> str:
    body = {"program_id": "noise-learner", "backend": "ibm_fez", "params": params}
    status, error = caller.refusal("POST", "/jobs", encoded(body))
    assert (status, error["code"]) == (400, 1208)
    return error["message"].removeprefix("Request validation of body failed, because: ")


def test_classes_of_the_result_are_where_the_client_has_them(monkeypatch):
    """Releases before 0.48 keep them in another module."""
    assert _noise_learner._results() is noise_learner
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime.results.noise_learner", None)
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime.utils.noise_learner_result", noise_learner)
    assert _noise_learner._results() is noise_learner


def test_layers_are_the_most_frequent_first(caller):
    """Each layer on the qubits that were active so far, learned in the order of how often it occurs."""
    found = learn(caller, [chain((0, 1), (1, 2)), chain((0, 1))])
    assert [layer.qubits for layer in found.data] == [[0, 1], [0, 1, 2]]
    assert [layer.circuit.num_qubits for layer in found.data] == [2, 3]
    assert found.data[0].circuit == chain((0, 1), width=2)
    assert found.data[1].circuit == chain((1, 2), width=3)


def test_layer_has_generators_of_its_qubits_and_connected_pairs(caller):
    """Three for each qubit and nine for each pair of neighbours."""
    layer = learn(caller, [chain((0, 1), (1, 2))], twirling_strategy="active-circuit").data[0]
    assert layer.qubits == [0, 1, 2]
    labels = layer.error.generators.to_labels()
    assert len(labels) == len(set(labels)) == 3 * 3 + 2 * 9
    assert {label[1] for label in labels if label.count("I") == 1} == set("XYZ")
    assert layer.error.rates.shape == (27,)


def test_metadata_repeats_the_options(caller):
    """Backend and options stand in the result, defaults among them."""
    metadata = learn(caller, [chain((0, 1))], max_layers_to_learn=1, layer_pair_depths=[0, 3]).metadata
    assert metadata == {
        "backend": "ibm_fez",
        "input_options": {
            "max_layers_to_learn": 1,
            "shots_per_randomization": 128,
            "num_randomizations": 32,
            "layer_pair_depths": [0, 3],
            "twirling_strategy": "active-accum",
        },
    }


@pytest.mark.parametrize(("most", "count"), [(0, 0), (1, 1), (None, 6), (4, 4)])
def test_at_most_so_many_layers_are_learned(caller, most, count):
    """None stands for all."""
    pairs = [(n, n + 1) for n in range(6)]
    assert len(learn(caller, [chain(*pairs)], max_layers_to_learn=most)) == count


def test_more_shots_learn_more_exactly(caller):
    """The error of a rate shrinks with the square root of the shots."""
    truth = np.array([term.rate for term in gate_terms(device("ibm_fez"), [0, 1], [("cz", (0, 1))])])
    few, many = (
        learn(caller, [chain((0, 1))], shots_per_randomization=shots).data[0].error.rates
        for shots in (1, 1_000_000)
    )
    assert np.abs(many - truth).max() < 1e-5 < np.abs(few - truth).max()


def test_same_job_learns_the_same(make_caller):
    """Two emulators of one seed."""
    texts = set()
    for _ in range(2):
        caller = make_caller(seed=2)
        texts.add(text_of(caller, submitted(caller, {"circuits": [chain((0, 1))], "options": {}})))
    assert len(texts) == 1


def test_rates_give_the_reported_fidelity():
    """A channel of the rates of a gate has the average infidelity that is reported for it."""
    reported = errors(device("ibm_fez")).of("cz", (0, 1))
    terms = gate_terms(device("ibm_fez"), [0, 1], [("cz", (0, 1))])
    sparse = [(term.letters, list(term.places), term.rate) for term in terms]
    channel = PauliLindbladMap.from_sparse_list(sparse, 2)
    labels = [a + b for a in "IXYZ" for b in "IXYZ"]
    process = np.mean([channel.pauli_fidelity(QubitSparsePauli(label)) for label in labels])
    assert (4 * process + 1) / 5 == pytest.approx(1 - reported, abs=1e-12)


def test_readout_rates_give_the_reported_flips():
    """A flip with the chance that is reported, 0 and 1 taken together."""
    terms = readout_terms(device("ibm_fez"), [3, 7])
    assert [(term.letters, term.places) for term in terms] == [("X", (0,)), ("X", (1,))]
    flips = [(1 - math.exp(-2 * term.rate)) / 2 for term in terms]
    assert flips == pytest.approx([sum(errors(device("ibm_fez")).readout[q]) / 2 for q in (3, 7)])


@given(shots=st.integers(1, 10**9), depth=st.integers(0, 100), seed=st.integers(0, 2**31))
def test_learned_rates_are_never_negative(shots, depth, seed):
    """A channel has no negative rates, however few the shots."""
    rates, spread = learned(readout_terms(device("ibm_fez"), range(5)), Effort(shots, depth), seed)
    assert (rates >= 0).all()
    assert (spread > 0).all()


@pytest.mark.parametrize(
    ("strategy", "qubits"),
    [
        ("active", [(0, 1), (1, 2)]),
        ("active-accum", [(0, 1), (0, 1, 2)]),
        ("active-circuit", [(0, 1, 2), (0, 1, 2)]),
        ("all", [(0, 1, 2, 3), (0, 1, 2, 3)]),
    ],
)
def test_strategy_says_which_qubits_are_twirled(strategy, qubits):
    """As the client documents its four strategies."""
    layers = unique_layers([chain((0, 1), (1, 2), width=4)], strategy, None)
    assert [layer.qubits for layer in layers] == qubits


def test_barriers_keep_layers_apart():
    """Two gates that could be one layer are two when a barrier stands between them."""
    circuit = chain((0, 1), width=4)
    circuit.barrier()
    circuit.cz(2, 3)
    assert len(unique_layers([circuit], "active", None)) == 2
    assert len(unique_layers([chain((0, 1), (2, 3), width=4)], "active", None)) == 1


@given(pairs=st.lists(st.integers(0, 6), max_size=12))
def test_every_gate_is_in_a_layer(pairs):
    """Layers hold as many gates as the circuit, and no qubit twice."""
    circuit = chain(*((n, n + 1) for n in pairs), width=8)
    layers = unique_layers([circuit], "active", None)
    kinds = {gate for layer in layers for gate in layer.gates}
    assert kinds == {("cz", (n, n + 1)) for n in pairs}
    assert all(len({q for _, pair in layer.gates for q in pair}) == 2 * len(layer.gates) for layer in layers)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"circuits": []}, "circuits must be a list of at least one circuit"),
        ({"circuits": 3}, "circuits must be a list of at least one circuit"),
        ({"circuits": [1], "options": 3}, "options must be an object"),
        ({"circuits": [1], "options": {"depth": 3}}, "options has no depth"),
        (
            {"circuits": [1], "options": {"max_layers_to_learn": -1}},
            "max_layers_to_learn must be a whole number of at least 0",
        ),
        (
            {"circuits": [1], "options": {"num_randomizations": True}},
            "num_randomizations must be a whole number of at least 1",
        ),
        (
            {"circuits": [1], "options": {"layer_pair_depths": 4}},
            "layer_pair_depths must be a list of whole numbers",
        ),
        (
            {"circuits": [1], "options": {"layer_pair_depths": [0.5]}},
            "each of layer_pair_depths must be a whole number of at least 0",
        ),
        (
            {"circuits": [1], "options": {"twirling_strategy": "some"}},
            "twirling_strategy must be one of active, active-circuit, active-accum, all",
        ),
        ({"schema_version": "v7"}, f"schema_version must be one of {', '.join(VERSIONS)}"),
        ({"schema_version": "v0.3", "options": {}}, "instructions: Field required"),
    ],
)
def test_malformed_learner_job_is_refused(caller, params, reason):
    """What breaks the documented form is refused with its reason."""
    assert refused(caller, params) == reason


def test_unreadable_circuit_fails_the_learner(caller):
    """As for every program, code 1603."""
    job = submitted(caller, {"circuits": ["OPENQASM 3;"]})
    state = caller.json("GET", f"/jobs/{job}", at=1)["state"]
    assert (state["reason_code"], state["reason"]) == (
        1603,
        "A circuit could not be loaded: it is no encoded circuit",
    )


def test_foreign_circuit_fails_the_learner(caller):
    """A gate off the coupling map, code 1517."""
    job = submitted(caller, {"circuits": [chain((0, 100))]})
    assert caller.json("GET", f"/jobs/{job}", at=1)["state"]["reason_code"] == 1517


@pytest.mark.parametrize("version", VERSIONS)
def test_boxes_are_learned_by_their_protocol(caller, version):
    """Gates as a Pauli-Lindblad channel, measurements as flips, in every version of the schema."""
    text = text_of(caller, submitted(caller, params_3(boxes(), version, layer_pair_depths=[0, 2])))
    assert json.loads(text)["schema_version"] == version
    gates, measurements = NoiseLearnerV3ResultDecoder.decode(text)
    assert gates.metadata["learning_protocol"] == "lindblad"
    assert gates.metadata["post_selection"]["fraction_kept"] == {0: 1.0, 2: 1.0}
    assert gates.to_pauli_lindblad_map().num_terms == 3 * 3 + 2 * 9
    assert measurements.metadata["learning_protocol"] == "trex"
    found = measurements.to_pauli_lindblad_map()
    assert [label for label, _, _ in found.to_sparse_list()] == ["X", "X", "X"]
    expected = [term.rate for term in readout_terms(device("ibm_fez"), [0, 1, 2])]
    assert found.rates == pytest.approx(expected, abs=0.05)


def _failure_of(caller, instructions: list) -> dict:
    job = submitted(caller, params_3(instructions))
    return caller.json("GET", f"/jobs/{job}", at=1)["state"]


def test_instruction_that_is_no_twirled_box_fails(caller):
    """What the client would not have sent."""
    assert _failure_of(caller, list(chain((0, 1)).data))["reason"] == (
        "Every instruction must be a box with a Twirl annotation."
    )


def test_instruction_off_the_device_fails(caller):
    """Qubits are those of the device's register."""
    assert _failure_of(caller, boxes(width=5))["reason"] == "Every qubit must be one of the 156 of ibm_fez."


def test_instruction_that_is_not_native_fails(caller):
    """Code 1517, as for circuits."""
    circuit = QuantumCircuit(QuantumRegister(156, "q"))
    with circuit.box([Twirl()]):
        circuit.ecr(0, 1)
    assert _failure_of(caller, list(circuit.data))["reason_code"] == 1517


def test_instruction_that_nothing_learns_fails(caller):
    """Two gates in a row on one qubit are no layer."""
    circuit = QuantumCircuit(QuantumRegister(156, "q"))
    with circuit.box([Twirl()]):
        circuit.cz(0, 1)
        circuit.cz(1, 2)
    assert _failure_of(caller, list(circuit.data))["reason"] == (
        "An instruction is neither one layer of Clifford gates nor one of measurements."
    )


def test_estimator_reports_the_noise_it_was_given(caller):
    """Learned noise goes into an estimator's options as it came, and back out in its metadata."""
    noise = learn(caller, [chain((0, 1), (1, 2))]).data
    options = {"resilience": {"layer_noise_model": noise}}
    job = caller.job([[chain((0, 1)), {"Z" * 156: 1.0}]], program="estimator", params={"options": options})
    found = caller.result(job).metadata["resilience"]["layer_noise_model"]
    assert [layer.qubits for layer in found] == [layer.qubits for layer in noise]
    assert [layer.circuit for layer in found] == [layer.circuit for layer in noise]
    for ours, theirs in zip(noise, found, strict=True):
        assert ours.error.generators == theirs.error.generators
        assert ours.error.rates.tolist() == theirs.error.rates.tolist()
