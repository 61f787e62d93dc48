"""Circuits are edited as circuits: they load, and mean what they meant."""

from __future__ import annotations

import base64
import io
import json
import zlib

import pytest
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import ClassicalRegister, Gate, Parameter, ParameterVector
from redaction_cases import CRN, KEY, SHAPED, TOKEN, taught

from qsession import _payload
from qsession._redaction import rules

MAIL = SHAPED["mail"]


def job(circuit, *, version=None) -> bytes:
    stream = io.BytesIO()
    qpy.dump(circuit, stream, **({"version": version} if version else {}))
    coded = base64.b64encode(zlib.compress(stream.getvalue())).decode()
    pub = [{"__type__": "QuantumCircuit", "__value__": coded}, [0.1, 0.2, 0.3][: circuit.num_parameters], 10]
    return json.dumps({"program_id": "sampler", "params": {"pubs": [pub], "version": 2}}).encode()


def circuit_of(body: bytes) -> QuantumCircuit:
    coded = json.loads(body)["params"]["pubs"][0][0]["__value__"]
    return qpy.load(io.BytesIO(zlib.decompress(base64.b64decode(coded))))[0]


def meaning(body: bytes) -> str:
    return _payload.read("sampler", json.loads(body)["params"]).digest


def bell(name="bell", **more) -> QuantumCircuit:
    circuit = QuantumCircuit(2, name=name, **more)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


@pytest.mark.parametrize("secret", [KEY, MAIL, CRN, TOKEN], ids=["key", "mail", "crn", "token"])
@pytest.mark.parametrize("version", [13, 17])
def test_name_and_metadata_are_cleaned_and_the_circuit_means_the_same(secret, version):
    """In the QPY version that was sent."""
    circuit = bell(f"of {secret}", metadata={"who": [secret, 1.5], secret: None, "fine": {"a": True}})
    body = job(circuit, version=version)
    cleaned = taught().clean_body(body)
    assert taught().find(cleaned) == ()
    new = circuit_of(cleaned)
    assert new.name.startswith("of ")
    assert secret not in str((new.name, new.metadata))
    assert new.metadata["fine"] == {"a": True}
    assert meaning(cleaned) == meaning(body)
    assert (
        zlib.decompress(base64.b64decode(json.loads(cleaned)["params"]["pubs"][0][0]["__value__"]))[6]
        == version
    )


def test_path_of_a_user_in_metadata_is_cleaned():
    """Notebooks put the path of their file there."""
    cleaned = taught().clean_body(job(bell(metadata={"file": "/home/alice.smith/vqe.ipynb"})))
    assert circuit_of(cleaned).metadata == {"file": "/home/user/vqe.ipynb"}


def test_circuit_without_a_secret_is_the_same_bytes():
    """Nothing is decoded and written again for its own sake."""
    body = job(bell(metadata={"note": "ordinary", "n": 3}))
    assert taught().clean_body(body) is body


@pytest.mark.parametrize(
    "names",
    [["a", f"b {KEY}", "c"], [f"{KEY} a", "b", "c"], ["a", "b", f"zz{KEY}"], [f"x{KEY}", f"x{KEY}2", "y"]],
)
def test_parameters_keep_the_order_of_their_values(names):
    """Values without names follow the order of the names."""
    circuit = QuantumCircuit(1)
    parameters = [Parameter(name) for name in names]
    for place, parameter in enumerate(parameters):
        circuit.rx(parameter * (place + 1), 0)
    body = job(circuit)
    new = circuit_of(taught().clean_body(body))
    assert KEY not in str([each.name for each in new.parameters])
    assert len({each.name for each in new.parameters}) == 3
    values = [0.1, 0.2, 0.3]
    assert new.assign_parameters(values).data == circuit_of(body).assign_parameters(values).data


def test_vector_of_parameters_is_renamed_as_one():
    """Its elements are sorted by their number, not by their name."""
    circuit = QuantumCircuit(1)
    vector = ParameterVector(f"v {KEY}", 12)
    for each in vector:
        circuit.rx(each, 0)
    body = job(circuit)
    new = circuit_of(taught().clean_body(body))
    assert [each.name for each in new.parameters] == [f"v REDACTED[{i}]" for i in range(12)]
    values = [i / 10 for i in range(12)]
    assert new.assign_parameters(values).data == circuit_of(body).assign_parameters(values).data


def test_blocks_definitions_and_labels_are_cleaned():
    """However deep a name lies."""
    inner = QuantumCircuit(1, name=f"inner {KEY}")
    inner.h(0)
    custom = inner.to_gate(label=f"label {KEY}")
    circuit = QuantumCircuit(2, 1)
    circuit.append(custom, [0])
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], True)):
        circuit.append(Gate("plain", 1, [], label=f"deep {KEY}"), [1])
    body = job(circuit)
    assert taught().find(body)
    cleaned = taught().clean_body(body)
    assert taught().find(cleaned) == ()
    new = circuit_of(cleaned)
    assert new.data[0].operation.label == "label REDACTED"
    assert new.data[0].operation.definition.data[0].operation.name == "h"


def test_register_of_this_name_stays_and_is_found():
    """It names the field of the result: another name would be another circuit."""
    name = "c0123456789abcdef0123456789abcdef"
    circuit = QuantumCircuit(1)
    circuit.add_register(ClassicalRegister(1, name))
    circuit.measure(0, 0)
    redactor = taught()
    cleaned = redactor.clean_body(job(circuit))
    assert circuit_of(cleaned).cregs[0].name == name
    assert redactor.find(cleaned) == ("account id",)


def test_damaged_circuits_stay_and_are_found():
    """They are not patched as text: what cannot be decoded is kept, and not written."""
    raw = zlib.decompress(base64.b64decode(json.loads(job(bell(KEY)))["params"]["pubs"][0][0]["__value__"]))
    body = json.dumps({"value": base64.b64encode(zlib.compress(raw[:-30])).decode()}).encode()
    redactor = taught()
    assert redactor.clean_body(body) == body
    assert redactor.find(body) == ("API key",)


def test_names_of_circuits_go_on_request():
    """All of them, whatever they say, and all metadata."""
    redactor = taught(rules(["circuit-names"], origin="a test"))
    cleaned = redactor.clean_body(job(bell("secret-project", metadata={"a": 1})))
    new = circuit_of(cleaned)
    assert (new.name, new.metadata) == ("REDACTED", {})
    assert redactor.clean_body(cleaned) == cleaned
