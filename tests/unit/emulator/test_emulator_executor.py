from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter
from qiskit.quantum_info import PauliLindbladMap
from qiskit_ibm_runtime import QuantumProgram
from qiskit_ibm_runtime.decoders.executor.decoder import ExecutorResultDecoder
from qiskit_ibm_runtime.options_models.executor import ExecutorOptions
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS
from samplomatic import InjectNoise, Twirl, build

VERSIONS = sorted(QUANTUM_PROGRAM_PARAMS_CONVERTERS)


def turned(*, width: int = 156) -> QuantumCircuit:
    """Qubit 3 turned by an angle, 0 for a sure 1, pi for a sure 0; measured beside an idle one."""
    circuit = QuantumCircuit(QuantumRegister(width), ClassicalRegister(2, "c"), ClassicalRegister(1, "d"))
    circuit.sx(3)
    circuit.rz(Parameter("angle"), 3)
    circuit.sx(3)
    circuit.measure([7, 3], [0, 1])
    return circuit


def twirled(*, noisy: bool = False):
    """Template and samplex of one flipped qubit beside an idle one, measurements twirled."""
    circuit = QuantumCircuit(QuantumRegister(156), ClassicalRegister(2, "c"))
    with circuit.box([Twirl(), *([InjectNoise("r", "m")] if noisy else [])]):
        circuit.rz(Parameter("spin"), 0)
        circuit.x(0)
        circuit.cz(0, 1)
    with circuit.box([Twirl()]):
        circuit.measure([0, 1], [0, 1])
    return build(circuit)


def body_of(program: QuantumProgram, version: str = "v2.0", **changes) -> dict:
    params = QUANTUM_PROGRAM_PARAMS_CONVERTERS[version].encoder(program, ExecutorOptions())
    document = params.model_dump(mode="json")
    document["quantum_program"] |= changes
    return {"program_id": "executor", "backend": "ibm_fez", "params": document}


def submitted(caller, body: dict, *, at: float = 0.0) -> str:
    return caller.json("POST", "/jobs", body, at=at)["id"]


def text_of(caller, job: str) -> str:
    response = caller.send("GET", f"/jobs/{job}/results", at=1)
    assert response.status == 200, response
    return response.body.decode()


def ran(caller, program: QuantumProgram, version: str = "v2.0", **changes):
    text = text_of(caller, submitted(caller, body_of(program, version, **changes)))
    assert json.loads(text)["schema_version"] == version
    return ExecutorResultDecoder.decode(text)


def reason_of(caller, body: dict) -> dict:
    return caller.json("GET", f"/jobs/{submitted(caller, body)}", at=1)["state"]


@pytest.mark.parametrize("version", VERSIONS)
def test_circuit_item_gives_bits_of_its_shape(caller, version):
    """Arguments of any shape give one run each, in its place, in every version of the schema."""
    program = QuantumProgram(shots=5)
    values = np.array([[[0.0], [np.pi], [0.0]], [[np.pi], [0.0], [np.pi]]])
    program.append_circuit_item(turned(), circuit_arguments=values)
    (found,) = ran(caller, program, version)
    assert {name: bits.shape for name, bits in found.items()} == {"c": (2, 3, 5, 2), "d": (2, 3, 5, 1)}
    assert found["c"][..., 1].all(axis=-1).tolist() == (values[..., 0] == 0).tolist()
    assert not found["c"][..., 0].any()
    assert not found["d"].any()


def test_shape_of_a_circuit_item_replicates(caller):
    """A shape beyond the arguments' own asks for further runs of the same circuit."""
    program = QuantumProgram(shots=3)
    program.append_circuit_item(turned(), circuit_arguments=np.array([[0.0], [np.pi]]))
    body = body_of(program)
    body["params"]["quantum_program"]["items"][0]["shape"] = [4, 2]
    found = ExecutorResultDecoder.decode(text_of(caller, submitted(caller, body)))[0]
    assert found["c"].shape == (4, 2, 3, 2)
    assert found["c"][..., 1].all(axis=(0, 2)).tolist() == [True, False]


def test_circuit_without_parameters_runs(caller):
    """An item without arguments is one run."""
    circuit = QuantumCircuit(156, 1)
    circuit.x(0)
    circuit.measure(0, 0)
    program = QuantumProgram(shots=2)
    program.append_circuit_item(circuit)
    assert ran(caller, program)[0]["c"].tolist() == [[True], [True]]


def test_no_arguments_give_no_results(caller):
    """An empty sweep is an empty result."""
    program = QuantumProgram(shots=2)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros((0, 1)))
    assert ran(caller, program)[0]["c"].shape == (0, 2, 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_flips_of_a_samplex_item_undo_its_twirling(caller, version):
    """Each randomization flips bits of its own, and the returned flips take that back."""
    template, samplex = twirled()
    program = QuantumProgram(shots=20)
    arguments = {"parameter_values": np.zeros((2, 1))}
    program.append_samplex_item(template, samplex, arguments, shape=(16, 2))
    (found,) = ran(caller, program, version)
    flips = found["measurement_flips.c"]
    assert (found["c"].shape, flips.shape) == ((16, 2, 20, 2), (16, 2, 1, 2))
    assert (found["c"] ^ flips).reshape(-1, 2).all(axis=0).tolist() == [True, False]
    assert len({flip.tobytes() for flip in flips.reshape(-1, 2)}) == 4


def test_noise_that_a_samplex_injects_is_simulated(caller):
    """A bit flip of known rate turns up as often as its rate says, and scales."""
    template, samplex = twirled(noisy=True)
    rate = 0.1
    program = QuantumProgram(shots=1, noise_maps={"r": PauliLindbladMap.from_list([("IX", rate)])})
    arguments = {"parameter_values": np.zeros(1), "noise_scales": {"m": np.array([[0.0], [1.0], [100.0]])}}
    program.append_samplex_item(template, samplex, arguments, shape=(3, 2000))
    (found,) = ran(caller, program)
    zeros = 1 - (found["c"] ^ found["measurement_flips.c"])[..., 0, 0].mean(axis=-1)
    chance = (1 - math.exp(-2 * rate)) / 2
    assert zeros[0] == 0
    assert abs(zeros[1] - chance) < 5 * math.sqrt(chance / 2000)
    assert abs(zeros[2] - 0.5) < 5 * math.sqrt(0.25 / 2000)


def test_measuring_all_qubits_of_the_device_in_many_randomizations_works(caller):
    """A readout experiment on 156 twirled qubits: no two of them entangled."""
    boxed = QuantumCircuit(QuantumRegister(156), ClassicalRegister(156, "meas"))
    with boxed.box([Twirl()]):
        boxed.measure(range(156), range(156))
    template, samplex = build(boxed)
    program = QuantumProgram(shots=8)
    program.append_samplex_item(template, samplex, shape=(32,))
    (found,) = ran(caller, program)
    assert found["meas"].any()
    assert not (found["meas"] ^ found["measurement_flips.meas"]).any()


@pytest.mark.parametrize("version", ["v0.2", "v2.0"])
def test_passthrough_data_comes_back(caller, version):
    """Nested data, arrays among it, is repeated with its types."""
    given = {"a": [1, 1.5, True, None, "x"], "deep": {"array": np.array([[1.0, 2.0]])}}
    program = QuantumProgram(shots=1, passthrough_data=given)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    found = ran(caller, program, version).passthrough_data
    assert found["a"] == given["a"]
    assert [type(each) for each in found["a"]] == [int, float, bool, type(None), str]
    assert np.array_equal(found["deep"]["array"], given["deep"]["array"])


def test_semantic_role_comes_back(caller):
    """The client's own post-processing goes by it."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    job = submitted(caller, body_of(program, semantic_role="sampler_v2"))
    assert json.loads(text_of(caller, job))["semantic_role"] == "sampler_v2"


def test_chunk_timing_is_the_jobs_own(caller):
    """One chunk from the start of the job to its end holds all items; its moments have no zone."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros((2, 3, 1)))
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    job = submitted(caller, body_of(program))
    times = caller.json("GET", f"/jobs/{job}/metrics", at=1)["timestamps"]
    (span,) = json.loads(text_of(caller, job))["metadata"]["chunk_timing"]
    assert span["start"] == times["running"].replace("Z", "000")
    assert span["stop"] == times["finished"].replace("Z", "000")
    assert span["parts"] == [
        {"idx_item": 0, "size": 6, "permutation": [0, 1], "element_range": [0, 6, 1]},
        {"idx_item": 1, "size": 1, "permutation": [], "element_range": [0, 1, 1]},
    ]


def test_same_program_gives_the_same_bytes(make_caller):
    """Built twice, with parameters of another identity, asked of two emulators."""

    def text() -> str:
        caller = make_caller(seed=3)
        template, samplex = twirled()
        program = QuantumProgram(shots=50)
        program.append_samplex_item(template, samplex, {"parameter_values": [0.3]}, shape=(7,))
        program.append_circuit_item(turned(), circuit_arguments=np.full((3, 1), 0.7))
        return text_of(caller, submitted(caller, body_of(program)))

    assert text() == text()


def test_asking_again_draws_again(caller):
    """The second submission of a program has another id and other randomness."""
    program = QuantumProgram(shots=200)
    program.append_circuit_item(turned(), circuit_arguments=[np.pi / 2])
    first, second = (submitted(caller, body_of(program)) for _ in range(2))
    assert first != second
    assert json.loads(text_of(caller, first))["data"] != json.loads(text_of(caller, second))["data"]


def test_foreign_instruction_fails_the_job(caller):
    """A circuit that is not in the device's instructions fails with 1517."""
    circuit = QuantumCircuit(156, 1)
    circuit.h(2)
    circuit.measure(2, 0)
    program = QuantumProgram(shots=1)
    program.append_circuit_item(circuit)
    assert reason_of(caller, body_of(program)) == {
        "status": "Failed",
        "reason": "The instruction h on qubits (2) is not supported by ibm_fez.",
        "reason_code": 1517,
        "reason_solution": "Transpile the circuit for the backend.",
    }


def test_boxes_left_in_a_circuit_fail_the_job(caller):
    """A box is taken apart by its samplex; a device has none."""
    circuit = QuantumCircuit(156, 1)
    with circuit.box([Twirl()]):
        circuit.x(0)
    program = QuantumProgram(shots=1)
    program.append_circuit_item(circuit)
    assert reason_of(caller, body_of(program))["reason_code"] == 1517


def test_too_many_executions_fail_the_job(caller):
    """What a sampler job may not ask for, an executor job may not either."""
    program = QuantumProgram(shots=1_000_001)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros((10, 1)))
    assert reason_of(caller, body_of(program))["reason"] == (
        "The job asks for 10000010 circuit executions, more than 10000000."
    )


def test_too_many_bits_fail_the_job(caller):
    """Results that no machine of ours should hold."""
    circuit = QuantumCircuit(156)
    circuit.measure_all()
    program = QuantumProgram(shots=3_000_000)
    program.append_circuit_item(circuit)
    assert reason_of(caller, body_of(program))["reason"] == (
        "The job measures 468000000 bits, the emulator holds 400000000 at most."
    )


def refused(caller, body: dict) -> str:
    status, error = caller.refusal("POST", "/jobs", body)
    assert (status, error["code"]) == (400, 1208)
    return error["message"].removeprefix("Request validation of body failed, because: ")


@pytest.mark.parametrize("level", ["kerneled", "avg_kerneled", "both"])
def test_other_measurement_levels_are_refused(caller, level):
    """A simulator has no raw signals to give back."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    assert refused(caller, body_of(program, meas_level=level)) == (
        f"meas_level {level} is not supported, this emulator has classified only"
    )


def test_zero_shots_are_refused(caller):
    """The schema asks for at least one."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    assert refused(caller, body_of(program, shots=0)) == (
        "quantum_program.shots: Input should be greater than or equal to 1"
    )


def test_unknown_schema_version_is_refused(caller):
    """A version that the client has no converter for is named, with those it has."""
    body = {"program_id": "executor", "backend": "ibm_fez", "params": {"schema_version": "v9.0"}}
    assert refused(caller, body) == f"schema_version must be one of {', '.join(VERSIONS)}"


def test_missing_program_is_refused(caller):
    """The schema names what is missing."""
    body = {"program_id": "executor", "backend": "ibm_fez", "params": {"schema_version": "v2.0"}}
    assert refused(caller, body) == "quantum_program: Field required"


def test_another_number_of_items_than_circuits_is_refused(caller):
    """One circuit for each item."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    assert refused(caller, body_of(program, items=[])) == (
        "quantum_program: There must be exactly one circuit for every program item, but there are 1"
        " circuits and 0 items."
    )


def test_wrong_number_of_arguments_is_refused(caller):
    """The last axis of the arguments is over the circuit's parameters."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    body = body_of(program)
    other = QuantumProgram(shots=1)
    other.append_circuit_item(_two_parameters(), circuit_arguments=[0.0, 1.0])
    body["params"]["quantum_program"]["items"] = body_of(other)["params"]["quantum_program"]["items"]
    assert refused(caller, body) == "an item has 2 arguments, its circuit 1 parameters"


def _two_parameters() -> QuantumCircuit:
    circuit = QuantumCircuit(156)
    circuit.rz(Parameter("a"), 0)
    circuit.rz(Parameter("b"), 0)
    return circuit


def test_shape_that_does_not_fit_is_refused(caller):
    """An item's shape and its arguments must broadcast."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=np.zeros((3, 1)))
    body = body_of(program)
    body["params"]["quantum_program"]["items"][0]["shape"] = [2]
    assert refused(caller, body) == "the shape (2,) does not fit arguments of shape (3,)"


def test_missing_samplex_arguments_are_refused(caller):
    """A samplex says what it needs."""
    template, samplex = twirled()
    program = QuantumProgram(shots=1)
    program.append_samplex_item(template, samplex, {"parameter_values": [0.0]})
    body = body_of(program)
    body["params"]["quantum_program"]["items"][0]["samplex_arguments"] = {}
    assert refused(caller, body) == "samplex_arguments lacks parameter_values"


def test_damaged_samplex_fails_the_job(caller):
    """A samplex that does not load fails like a circuit that does not."""
    template, samplex = twirled()
    program = QuantumProgram(shots=1)
    program.append_samplex_item(template, samplex, {"parameter_values": [0.0]})
    body = body_of(program)
    item = body["params"]["quantum_program"]["items"][0]["samplex"]
    item["samplex_json"] = item["samplex_json"].replace("param_table", "param_tabel")
    state = reason_of(caller, body)
    assert (state["reason_code"], state["reason"]) == (1603, "A samplex could not be loaded: param_table")


def test_openqasm_circuits_are_refused(caller):
    """Text in place of QPY is in the schema, the client does not send it, and it is not read."""
    program = QuantumProgram(shots=1)
    program.append_circuit_item(turned(), circuit_arguments=[0.0])
    body = body_of(program, circuits={"data": ["OPENQASM 3.0; qubit[2] q;"]})
    assert refused(caller, body) == "OpenQASM 3 circuits are not supported, this emulator reads QPY"


def test_samplex_that_loads_and_does_not_work_fails_the_job(caller):
    """Outputs that are smaller than what is written to them."""
    template, samplex = twirled()
    program = QuantumProgram(shots=1)
    program.append_samplex_item(template, samplex, {"parameter_values": [0.0]})
    body = body_of(program)
    item = body["params"]["quantum_program"]["items"][0]["samplex"]
    document = json.loads(item["samplex_json"])
    for node in document["nodes"]:
        if "noise_ref" not in node["data"] and "output_name" in node["data"]:
            node["data"]["output_name"] = "nowhere"
    item["samplex_json"] = json.dumps(document)
    state = reason_of(caller, body)
    assert (state["reason_code"], state["reason"]) == (1002, "A samplex could not be used: nowhere")


def test_samplex_argument_that_does_not_fit_is_refused(caller):
    """An argument of another form than the samplex asks for."""
    template, samplex = twirled()
    program = QuantumProgram(shots=1)
    program.append_samplex_item(template, samplex, {"parameter_values": [0.0]})
    body = body_of(program)
    arguments = body["params"]["quantum_program"]["items"][0]["samplex_arguments"]
    arguments["nobody"] = True
    assert refused(caller, body).startswith("The interface has no specification named 'nobody'.")


def test_threads_do_not_change_results(make_caller):
    """Eight threads at once get among them what one thread gets in turn."""
    template, samplex = twirled()
    program = QuantumProgram(shots=30)
    program.append_samplex_item(template, samplex, {"parameter_values": [0.3]}, shape=(5,))
    program.append_circuit_item(turned(), circuit_arguments=[0.7])
    body = body_of(program)

    def texts(workers: int) -> list[str]:
        caller = make_caller(seed=9)
        with ThreadPoolExecutor(workers) as pool:
            return sorted(pool.map(lambda _: text_of(caller, submitted(caller, body)), range(8)))

    together = texts(8)
    assert together == texts(1)
    assert len(set(together)) == 8
