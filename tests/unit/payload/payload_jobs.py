"""Jobs as they are on the wire, for the tests of payloads."""

from __future__ import annotations

import base64
import io
import json
import zlib

from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit_ibm_runtime import RuntimeEncoder

from qsession import _payload


def encoded(circuit: QuantumCircuit, *, version: int = 17) -> dict[str, object]:
    raw = io.BytesIO()
    qpy.dump(circuit, raw, version=version)
    text = base64.b64encode(zlib.compress(raw.getvalue())).decode()
    return {"__type__": "QuantumCircuit", "__value__": text}


def params(circuit: QuantumCircuit, *, version: int = 17) -> dict[str, object]:
    return {"pubs": [[encoded(circuit, version=version), None, 100]], "options": {}, "version": 2}


def read(circuit: QuantumCircuit, *, version: int = 17) -> _payload.Meaning:
    return _payload.read("sampler", params(circuit, version=version))


def differences(ours: QuantumCircuit, theirs: QuantumCircuit) -> tuple[str, ...]:
    return _payload.differences(read(ours), read(theirs))


def wire(value: object) -> object:
    """A value as it is after the client wrote it and the service read it."""
    return json.loads(json.dumps(value, cls=RuntimeEncoder))


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def turns() -> QuantumCircuit:
    circuit = QuantumCircuit(2, name="turns")
    circuit.rx(Parameter("a"), 0)
    circuit.ry(Parameter("b"), 1)
    return circuit


def sampler(*pubs: object, **more: object) -> _payload.Meaning:
    coerced = [SamplerPub.coerce(each) for each in pubs]
    return _payload.read("sampler", wire({"pubs": coerced, "options": {}, "version": 2, **more}))
