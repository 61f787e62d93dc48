"""Circuits drawn at random."""

from __future__ import annotations

import io

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from payload_jobs import differences, read
from qiskit import QuantumCircuit, qpy

_GATES = st.one_of(
    st.tuples(st.sampled_from(["h", "x", "sx", "t"]), st.just(1), st.none()),
    st.tuples(st.sampled_from(["rx", "rz", "p"]), st.just(1), st.integers(1, 600).map(lambda n: n / 100)),
    st.tuples(st.sampled_from(["cx", "cz", "swap"]), st.just(2), st.none()),
)
_SEQUENCES = st.lists(st.tuples(_GATES, st.permutations(range(4))), min_size=1, max_size=12)
_Gate = tuple[tuple[str, int, float | None], list[int]]


def _circuit(gates: list[_Gate]) -> QuantumCircuit:
    circuit = QuantumCircuit(4)
    for (name, width, angle), order in gates:
        getattr(circuit, name)(*([] if angle is None else [angle]), *order[:width])
    circuit.measure_all()
    return circuit


_QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_QUICK
@given(_SEQUENCES)
def test_circuit_equals_itself_after_a_round_trip(gates: list[_Gate]) -> None:
    """What qiskit reads back and writes again means the same."""
    raw = io.BytesIO()
    qpy.dump(_circuit(gates), raw)
    raw.seek(0)

    assert read(qpy.load(raw)[0]).digest == read(_circuit(gates)).digest


@_QUICK
@given(_SEQUENCES, st.data())
def test_changed_gate_is_always_found(gates: list[_Gate], data: st.DataObject) -> None:
    """Any one gate replaced by a y, which no sequence holds, is found and named."""
    at = data.draw(st.integers(0, len(gates) - 1))
    changed = list(gates)
    changed[at] = (("y", 1, None), gates[at][1])
    lines = differences(_circuit(gates), _circuit(changed))

    assert lines
    assert lines[0].startswith("PUB 0: operation ")
    assert f"y on {gates[at][1][0]}" in lines[0]


@_QUICK
@given(_SEQUENCES, st.data())
def test_order_of_disjoint_gates_means_nothing(gates: list[_Gate], data: st.DataObject) -> None:
    """Neighbours that share no qubit may be swapped."""
    at = data.draw(st.integers(0, len(gates) - 1))
    swapped = list(gates)
    swapped[at : at + 2] = reversed(swapped[at : at + 2])
    sets = [set(order[: gate[1]]) for gate, order in gates[at : at + 2]]
    free = len(sets) < 2 or not sets[0] & sets[1]

    assert (read(_circuit(gates)).digest == read(_circuit(swapped)).digest) is (
        free or gates[at : at + 2] == swapped[at : at + 2] or _circuit(gates) == _circuit(swapped)
    )
