"""Delays whose numbers are near 0 are not all one."""

import json

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import RuntimeEncoder

from qsession._payload import differences, read


def meaning(seconds):
    circuit = QuantumCircuit(1, 1)
    circuit.delay(seconds, 0, unit="s")
    circuit.measure(0, 0)
    payload = json.dumps({"pubs": [[circuit, None, 10]], "version": 2}, cls=RuntimeEncoder)
    return read("sampler", json.loads(payload))


@pytest.mark.parametrize("other", [9e-9, 5e-9, 1.1e-9])
def test_delays_of_nanoseconds_differ(other):
    """Written in seconds they lie within the tolerance for numbers near 0."""
    assert differences(meaning(other), meaning(1e-9))


def test_delays_of_the_same_length_are_equal():
    """The last bits of a number do not matter."""
    assert not differences(meaning(1e-9), meaning(1e-9 * (1 + 1e-12)))
