from __future__ import annotations

import base64
import io
import json
import pickle
import resource
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
from emulator_caller import bell_circuit, encoded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_ibm_runtime import QuantumProgram
from qiskit_ibm_runtime.noise_learner_v3.params_converters import NOISE_LEARNER_V3_PARAMS_CONVERTERS
from qiskit_ibm_runtime.options_models import NoiseLearnerV3Options
from qiskit_ibm_runtime.options_models.executor import ExecutorOptions
from qiskit_ibm_runtime.quantum_program.params_converters import QUANTUM_PROGRAM_PARAMS_CONVERTERS
from samplomatic import Twirl, build

from qsession._refusals import Refused
from qsession.emulator import _programs
from qsession.emulator._devices import device
from qsession.emulator._programs import Outcome
from qsession.emulator._programs._weighing import MAX_DEPTH, MAX_JOB, MAX_PARTS, MAX_VALUE

FEW_EXECUTIONS = 2_000
MOST_GROWTH = 600 * 2**20


def packed(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw)).decode()


def bomb(size: int = MAX_VALUE + 1) -> str:
    return packed(bytes(size))


def npy(shape: str, descr: str = "'<f8'", data: bytes = b"") -> str:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (118 - len(header) - 1) + b"\n"
    return packed(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def executor_params() -> dict:
    circuit = QuantumCircuit(156, 1)
    circuit.rz(Parameter("a"), 0)
    circuit.measure(0, 0)
    boxed = QuantumCircuit(156, 2)
    with boxed.box([Twirl()]):
        boxed.x(0)
        boxed.cz(0, 1)
    with boxed.box([Twirl()]):
        boxed.measure([0, 1], [0, 1])
    program = QuantumProgram(shots=3, passthrough_data={"a": np.zeros(3)})
    program.append_circuit_item(circuit, circuit_arguments=np.zeros((2, 1)))
    program.append_samplex_item(*build(boxed), shape=(2,))
    params = QUANTUM_PROGRAM_PARAMS_CONVERTERS["v2.0"].encoder(program, ExecutorOptions())
    return params.model_dump(mode="json")


def learner_params() -> dict:
    circuit = QuantumCircuit(156)
    with circuit.box([Twirl()]):
        circuit.cz(0, 1)
    options = NoiseLearnerV3Options()
    params = NOISE_LEARNER_V3_PARAMS_CONVERTERS["v0.3"].encoder(list(circuit.data), options)
    return params.model_dump(mode="json")


def pub_params(program: str) -> dict:
    circuit = bell_circuit()
    circuit.rz(Parameter("a"), 0)
    values = np.zeros((2, 1))
    pub = [circuit, values, 3] if program == "sampler" else [circuit, {"Z" * 156: 1.0}, values, 0.5]
    options = {"default_shots": 10, "twirling": {"enable_gates": True, "num_randomizations": 2}}
    return json.loads(encoded({"pubs": [pub], "options": options, "version": 2}))


def refused(caller, params: dict, program: str = "sampler") -> str:
    body = {"program_id": program, "backend": "ibm_fez", "params": params}
    status, error = caller.refusal("POST", "/jobs", body)
    assert (status, error["code"]) == (400, 1208)
    return error["message"].removeprefix("Request validation of body failed, because: ")


def ndarray(value: str) -> dict:
    return {"pubs": [["x", {"__type__": "ndarray", "__value__": value}]]}


TOO_LARGE = f"a value must not exceed {MAX_VALUE} bytes when decompressed"


@pytest.mark.parametrize("kind", ["ndarray", "QuantumCircuit", "Parameter"])
def test_value_that_decompresses_to_too_much_is_refused(caller, kind):
    """Measured while it is decompressed, before anything is decoded."""
    value = bomb()
    assert len(value) < 100_000
    assert refused(caller, {"pubs": [[{"__type__": kind, "__value__": value}]]}) == TOO_LARGE


def test_values_that_are_too_much_together_are_refused(caller):
    """Each within its limit, all of them not."""
    value = bomb(MAX_VALUE)
    count = MAX_JOB // MAX_VALUE + 1
    params = {"pubs": [[{"__type__": "QuantumCircuit", "__value__": value}]] * count}
    assert refused(caller, params) == f"the values must not exceed {MAX_JOB} bytes when decompressed"


@pytest.mark.parametrize("place", ["circuits", "argument", "passthrough"])
def test_quantum_program_that_decompresses_to_too_much_is_refused(caller, place):
    """The circuits of a program, its tensors, and what it only carries along."""
    params = executor_params()
    program = params["quantum_program"]
    if place == "circuits":
        program["circuits"]["b64_data"] = bomb()
    elif place == "argument":
        program["items"][0]["circuit_arguments"]["data"] = bomb()
    else:
        program["passthrough_data"] = {"x": [{"data": bomb(), "shape": [1], "dtype": "f64"}]}
    assert refused(caller, params, "executor") == TOO_LARGE


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (npy("(1000000000,)"), "an ndarray must be as large as its header says"),
        (npy("(2,)", data=bytes(8)), "an ndarray must be as large as its header says"),
        (npy("(-1, -1)", data=bytes(8)), None),
        (npy("(1,)", "'|O'", bytes(8)), "the header of an ndarray is not readable"),
        (npy("(1,)", "'|O8'", bytes(8)), "an ndarray must hold numbers"),
        (npy("(1,)", "'<U2'", bytes(8)), "an ndarray must hold numbers"),
        (npy("(1,)", "[('a', '<f8')]", bytes(8)), "the header of an ndarray is not readable"),
        (npy("__import__('os')"), "the header of an ndarray is not readable"),
        (packed(b"\x93NUMPY\x01\x00\xff\xff"), "the header of an ndarray is not readable"),
        (packed(b"\x93NUMPY"), "the header of an ndarray is not readable"),
        (packed(pickle.dumps([1])), "an ndarray must be written in numpy's npy format"),
    ],
)
def test_array_that_is_no_plain_array_of_numbers_is_refused(caller, value, reason):
    """Objects, text, records, pickles, and sizes that the data does not have."""
    if reason is None:
        body = {"program_id": "sampler", "backend": "ibm_fez", "params": ndarray(value)}
        job = caller.json("POST", "/jobs", body)["id"]
        assert caller.json("GET", f"/jobs/{job}", at=1)["state"]["status"] == "Failed"
    else:
        assert refused(caller, ndarray(value)) == reason


def test_archive_of_arrays_is_refused(caller):
    """What numpy would open as an archive could hold anything, of any size."""
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros(10))
    assert refused(caller, ndarray(packed(stream.getvalue()))) == (
        "an ndarray must be written in numpy's npy format"
    )


def _qpy(changes: dict[int, bytes]) -> bytes:
    value = json.loads(encoded(bell_circuit()))["__value__"]
    raw = bytearray(zlib.decompress(base64.b64decode(value)))
    for offset, piece in changes.items():
        raw[offset : offset + len(piece)] = piece
    return bytes(raw)


def test_circuit_that_claims_too_many_qubits_is_refused(caller):
    """The reader would reserve memory for four thousand million of them."""
    (start,) = struct.unpack_from("!Q", _qpy({}), 20)
    value = packed(_qpy({start + 5: b"\xff" * 4}))
    assert refused(caller, {"pubs": [[{"__type__": "QuantumCircuit", "__value__": value}]]}) == (
        "a circuit cannot be taken: a circuit in the QPY file claims to be larger than the file"
    )


def test_circuit_of_an_old_version_is_refused(caller):
    """Up to QPY 12 reading meant evaluating text."""
    value = packed(_qpy({6: b"\x0c"}))
    message = refused(caller, {"pubs": [[{"__type__": "QuantumCircuit", "__value__": value}]]})
    assert message.startswith("a circuit cannot be taken: QPY version 12, this qiskit reads 13 to ")


@pytest.mark.parametrize(
    "kind", ["Result", "spmatrix", "settings", "_json", "NoiseModel", "to_json", 5, None]
)
def test_type_that_is_not_listed_is_refused(caller, kind):
    """The client's decoder would import a module or call a class for it."""
    params = {
        "pubs": [["x"]],
        "options": {"a": [{"__type__": kind, "__module__": "os", "__class__": "system"}]},
    }
    assert refused(caller, params) == (
        f"the type {kind} is not one of BindingsArray, ObservablesArray, Parameter, QuantumCircuit,"
        " complex, datetime, ndarray"
    )


def test_class_of_a_listed_module_that_is_not_listed_is_refused(caller):
    """Exact pairs of module and class, not any class of a module."""
    named = {
        "__type__": "settings",
        "__module__": "qiskit.quantum_info.operators.symplectic.pauli_list",
        "__class__": "LinearMixin",
    }
    assert refused(caller, {"pubs": [["x"]], "options": {"a": named}}).startswith("the type settings is not")


def test_type_hidden_in_a_name_of_bindings_is_refused(caller):
    """Names of bindings are JSON that the client's decoder reads as well."""
    name = json.dumps([{"__type__": "settings", "__module__": "os", "__class__": "system"}])
    bindings = {"__type__": "BindingsArray", "__value__": {"shape": [], "data": {name: 1}}}
    assert refused(caller, {"pubs": [["x", bindings]]}).startswith("the type settings is not one of")


def test_name_of_bindings_that_is_no_json_is_refused(caller):
    """A name is a list of parameter names, written as JSON."""
    bindings = {"__type__": "BindingsArray", "__value__": {"data": {"{": 1}}}
    assert refused(caller, {"pubs": [["x", bindings]]}) == "a name in a BindingsArray is not JSON"


def test_deep_nesting_is_refused(caller):
    """No level deeper than the limit, in whatever part."""
    deep: object = 1
    for _ in range(MAX_DEPTH):
        deep = [deep]
    assert refused(caller, {"pubs": [deep]}) == (
        f"the parameters must not be nested deeper than {MAX_DEPTH} levels"
    )


def test_very_deep_nesting_is_refused(caller):
    """A hundred thousand brackets are no stack overflow."""
    body = (
        b'{"program_id": "sampler", "backend": "ibm_fez", "params": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    )
    assert caller.refusal("POST", "/jobs", body)[0] == 400


def test_too_many_pubs_are_refused(caller):
    """A million tiny PUBs are not even looked at."""
    assert refused(caller, {"pubs": [0] * 1_000_000}) == f"pubs must hold at most {MAX_PARTS} entries"


def test_too_many_items_are_refused(caller):
    """Those of a quantum program as well."""
    params = executor_params()
    params["quantum_program"]["items"] = [{}] * (MAX_PARTS + 1)
    assert refused(caller, params, "executor") == f"items must hold at most {MAX_PARTS} entries"


@pytest.mark.parametrize("shape", [[2**40], [2**20, 2**20], [1] * 33, [-(2**40)]])
def test_impossible_shapes_are_refused(caller, shape):
    """Before anything multiplies, reserves or broadcasts."""
    params = executor_params()
    params["quantum_program"]["items"][0]["shape"] = shape
    assert refused(caller, params, "executor").startswith("a shape must h")


def test_shape_that_would_fill_the_memory_fails_the_job(caller):
    """A large shape over few arguments is held back before it is broadcast."""
    params = executor_params()
    params["quantum_program"]["items"][0]["shape"] = [10**9, 2]
    body = {"program_id": "executor", "backend": "ibm_fez", "params": params}
    job = caller.json("POST", "/jobs", body)["id"]
    assert caller.json("GET", f"/jobs/{job}", at=1)["state"]["reason"] == (
        "The job asks for 6000000006 circuit executions, more than 10000000."
    )


def test_too_many_expectation_values_fail_the_job(caller):
    """Observables and parameter values that broadcast to millions."""
    circuit = QuantumCircuit(156)
    circuit.rz(Parameter("a"), 0)
    pub = [circuit, [[{"Z" * 156: 1.0}]] * 1_001, np.zeros((1_000, 1))]
    job = caller.job([pub], program="estimator")
    assert caller.json("GET", f"/jobs/{job}", at=1)["state"]["reason"] == (
        "The job asks for 1001000 expectation values, the emulator gives 1000000 at most."
    )


BASES = {
    "sampler": pub_params("sampler"),
    "estimator": pub_params("estimator"),
    "executor": executor_params(),
    "noise-learner": learner_params(),
    "noise-learner 2": json.loads(encoded({"circuits": [bell_circuit()], "options": {}})),
}

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["v0.1", "v1.1", "QuantumCircuit", "ndarray", "samplex", "both", "f64", "bool", "auto"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["__type__", "__value__", "data", "shape", "dtype", "x"]), inner, max_size=3
        ),
    ),
    max_leaves=6,
)


def _places(document: object) -> list[tuple]:
    """Every container with each of its keys."""
    found, waiting = [], [document]
    while waiting:
        item = waiting.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            found.append((item, key))
            waiting.append(item[key])
    return found


def _damaged(text: str, at: int, byte: int, *, cut: bool) -> str:
    """Encoded content with one byte of what it holds changed, or its end missing."""
    try:
        raw = base64.b64decode(text, validate=True)
        content = bytearray(zlib.decompress(raw))
        repack = packed
    except (ValueError, zlib.error):
        content, repack = bytearray(text.encode()), lambda raw: raw.decode("latin1")
    if content:
        content[at % len(content)] = byte
        content = content[: at % len(content)] if cut else content
    return repack(bytes(content))


@pytest.mark.parametrize("base", list(BASES))
@given(data=st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
def test_mutated_payload_is_refused_or_read(base, data):
    """Whatever is changed: a refusal or a job, no other exception, and no memory to speak of."""
    params = json.loads(json.dumps(BASES[base]))
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(params)
        if not places:
            break
        container, key = (
            data.draw(st.sampled_from(places))
            if len(places) < 200
            else places[data.draw(st.integers(0, len(places) - 1))]
        )
        value = container[key]
        if isinstance(value, str) and len(value) > 40 and data.draw(st.booleans()):
            spot, byte = data.draw(st.integers(0, 10**6)), data.draw(st.integers(0, 255))
            container[key] = _damaged(value, spot, byte, cut=data.draw(st.booleans()))
        else:
            container[key] = data.draw(VALUES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(Refused):
        work = _programs.prepare(base.removesuffix(" 2"), params, device("ibm_fez"))
        if work.executions <= FEW_EXECUTIONS or work.failure is not None:
            assert isinstance(_programs.run(work, 1, 0, 1), Outcome)
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MOST_GROWTH


def test_block_that_claims_too_many_qubits_is_refused(caller):
    """The headers of blocks lie where only a reader finds them."""
    circuit = QuantumCircuit(5, 1)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    raw = bytearray(zlib.decompress(base64.b64decode(json.loads(encoded(circuit))["__value__"])))
    inner = raw.rindex(b"f\x00\x08\x00\x00\x00\x01") + 3
    raw[inner : inner + 4] = b"\x10\x00\x00\x00"
    params = {"pubs": [[{"__type__": "QuantumCircuit", "__value__": packed(bytes(raw))}]]}
    assert refused(caller, params) == (
        "a circuit cannot be taken: a block in the QPY file claims to be larger than the file"
    )


def test_circuit_that_contradicts_itself_fails_the_job(caller):
    """A block that claims more qubits than its circuit loads, and is no circuit."""
    circuit = QuantumCircuit(5, 1)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    raw = bytearray(zlib.decompress(base64.b64decode(json.loads(encoded(circuit))["__value__"])))
    inner = raw.rindex(b"f\x00\x08\x00\x00\x00\x01") + 3
    raw[inner : inner + 4] = b"\x00\x00\x00\x09"
    body = {"pubs": [[{"__type__": "QuantumCircuit", "__value__": packed(bytes(raw))}]]}
    job = caller.json("POST", "/jobs", {"program_id": "sampler", "backend": "ibm_fez", "params": body})["id"]
    assert caller.json("GET", f"/jobs/{job}", at=1)["state"] == {
        "status": "Failed",
        "reason": "The job could not be read: tuple index out of range",
        "reason_code": 1603,
        "reason_solution": "Check the circuit's encoding.",
    }
