from __future__ import annotations

import json
import math
import sys

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Parameter

from qsession.emulator._devices import device
from qsession.emulator._errors import errors

SHOTS = 40_000


def reported(name: str, *qubits: int) -> float:
    return errors(device("ibm_fez")).of(name, qubits)


def readout(qubit: int) -> tuple[float, float]:
    return errors(device("ibm_fez")).readout[qubit]


@pytest.fixture
def noisy(make_caller):
    return make_caller(noise=True)


def share_of_ones(caller, circuit: QuantumCircuit, values=None) -> float:
    bits = caller.result(caller.job([[circuit, values, SHOTS]]))[0].data.c
    return float(bits.to_bool_array().mean())


def measured(qubit: int) -> QuantumCircuit:
    return QuantumCircuit(QuantumRegister(156), ClassicalRegister(1, "c"))


def spread(chance: float) -> float:
    return 5 * math.sqrt(chance * (1 - chance) / SHOTS)


def test_results_are_ideal_unless_asked(caller):
    """A flip is a sure 1 by default."""
    circuit = measured(0)
    circuit.x(5)
    circuit.measure(5, 0)
    assert share_of_ones(caller, circuit) == 1.0


def test_an_idle_qubit_reads_wrong_as_often_as_reported(noisy):
    """A qubit that nothing touches is not simulated, and misread all the same."""
    qubit = max(range(156), key=lambda q: readout(q)[0])
    circuit = measured(qubit)
    circuit.measure(qubit, 0)
    chance = readout(qubit)[0]
    assert abs(share_of_ones(noisy, circuit) - chance) < spread(chance)


def test_a_flipped_qubit_suffers_from_gate_and_readout(noisy):
    """A depolarizing error of the reported infidelity, and then the reported misreading."""
    qubit = max(range(156), key=lambda q: readout(q)[1] if reported("x", q) < 0.1 else 0)
    circuit = measured(qubit)
    circuit.x(qubit)
    circuit.measure(qubit, 0)
    up, down = readout(qubit)
    wrong = reported("x", qubit)
    chance = (1 - wrong) * (1 - down) + wrong * up
    assert abs(share_of_ones(noisy, circuit) - chance) < spread(chance)


def test_noise_of_lone_qubits_equals_that_of_simulated_ones(noisy):
    """Qubits of a wide circuit, worked out without a simulator, err like those of a small one."""
    qubits = sorted(range(156), key=lambda q: -readout(q)[1])[:12]
    circuit = QuantumCircuit(QuantumRegister(156), ClassicalRegister(12, "c"))
    angle = Parameter("a")
    for qubit in qubits:
        circuit.sx(qubit)
        circuit.rz(angle, qubit)
        circuit.sx(qubit)
    circuit.measure(qubits, range(12))
    wide = noisy.result(noisy.job([[circuit, [1.1], SHOTS]]))[0].data.c.to_bool_array(order="little")
    for place, qubit in enumerate(qubits[:3]):
        alone = measured(qubit)
        alone.sx(qubit)
        alone.rz(angle, qubit)
        alone.sx(qubit)
        alone.measure(qubit, 0)
        share = share_of_ones(noisy, alone, [1.1])
        assert abs(share - wide[..., place].mean()) < 2 * spread(share)


def test_same_seed_gives_the_same_noise(make_caller):
    """Two emulators of one seed, bit for bit."""
    circuit = measured(0)
    circuit.x(3)
    circuit.measure(3, 0)
    texts = []
    for _ in range(2):
        caller = make_caller(noise=True, seed=4)
        job = caller.job([[circuit, None, 5_000]])
        texts.append(caller.send("GET", f"/jobs/{job}/results", at=1).body)
    assert texts[0] == texts[1]


@pytest.mark.parametrize(("level", "factor"), [(1, 1.0), (0, None)])
def test_estimator_suffers_from_gates_and_without_mitigation_from_readout(noisy, level, factor):
    """At resilience level 1 readout errors are taken out, gate errors are not."""
    pair = max(
        (places for places in device("ibm_fez").places["cz"] if reported("cz", *places) < 0.1),
        key=lambda places: reported("cz", *places),
    )
    circuit = QuantumCircuit(156)
    for _ in range(10):
        circuit.cz(*pair)
    label = ["I"] * 156
    for qubit in pair:
        label[155 - qubit] = "Z"
    params = {"resilience_level": level}
    pub = [circuit, {"".join(label): 1.0}, None, 0.005]
    result = noisy.result(noisy.job([pub], program="estimator", params=params))[0]
    shrink = (1 - 4 / 3 * reported("cz", *pair)) ** 10
    if factor is None:
        factor = math.prod(1 - sum(readout(qubit)) for qubit in pair)
    assert abs(float(result.data.evs) - shrink * factor) < 5 * 0.005
    assert shrink < 0.95


def test_executor_jobs_suffer_too(noisy):
    """Circuit items are run under the same errors."""
    from qiskit_ibm_runtime import QuantumProgram
    from test_emulator_executor import ran

    qubit = max(range(156), key=lambda q: readout(q)[0])
    circuit = measured(qubit)
    circuit.measure(qubit, 0)
    program = QuantumProgram(shots=SHOTS)
    program.append_circuit_item(circuit)
    chance = readout(qubit)[0]
    assert abs(ran(noisy, program)[0]["c"].mean() - chance) < spread(chance)


@pytest.mark.parametrize(
    ("twirling", "shots", "spread_over"),
    [
        ({}, 400, 7),
        ({"num_randomizations": 16, "shots_per_randomization": 100}, 1600, 16),
        ({"num_randomizations": 20}, 400, 20),
        ({"shots_per_randomization": 100}, 400, 4),
        ({"enable_measure": False, "num_randomizations": 16, "shots_per_randomization": 100}, 400, None),
    ],
)
def test_estimator_shots_follow_the_twirling_options(caller, twirling, shots, spread_over):
    """The product of randomizations and their shots goes before ``default_shots`` where anything is twirled."""
    circuit = QuantumCircuit(156)
    circuit.x(0)
    params = {"options": {"default_shots": 400, "twirling": twirling}}
    result = caller.result(caller.job([[circuit, {"Z" * 156: 1.0}]], program="estimator", params=params))
    assert result[0].metadata["shots"] == shots
    assert result[0].metadata.get("num_randomizations") == spread_over


@pytest.mark.parametrize(
    ("params", "shots"),
    [
        (
            {
                "options": {
                    "twirling": {"enable_gates": True, "num_randomizations": 3, "shots_per_randomization": 5}
                }
            },
            15,
        ),
        ({"options": {"twirling": {"num_randomizations": 3, "shots_per_randomization": 5}}}, 4096),
        ({"options": {"default_shots": 7}}, 7),
        ({"options": {"default_shots": 7}, "shots": 9}, 9),
    ],
)
def test_sampler_shots_follow_the_options(caller, params, shots):
    """A sampler twirls nothing unless told."""
    circuit = measured(0)
    circuit.measure(0, 0)
    assert caller.result(caller.job([[circuit]], params=params))[0].data.c.num_shots == shots


def test_estimator_metadata_repeats_the_options(caller):
    """What stands in the result's metadata comes from the job, and its defaults from the level."""
    circuit = QuantumCircuit(156)
    options = {
        "dynamical_decoupling": {"enable": True, "sequence_type": "XY4"},
        "resilience": {"zne_mitigation": True, "measure_mitigation": False},
        "twirling": {"strategy": "all"},
    }
    job = caller.job([[circuit, {"Z" * 156: 1.0}]], program="estimator", params={"options": options})
    assert caller.result(job).metadata == {
        "dynamical_decoupling": {
            "enable": True,
            "sequence_type": "XY4",
            "extra_slack_distribution": "middle",
            "scheduling_method": "alap",
        },
        "twirling": {
            "enable_gates": False,
            "enable_measure": True,
            "num_randomizations": "auto",
            "shots_per_randomization": "auto",
            "strategy": "all",
            "interleave_randomizations": True,
        },
        "resilience": {"measure_mitigation": False, "zne_mitigation": True, "pec_mitigation": False},
        "version": 2,
    }


def test_errors_are_read_from_the_properties():
    """As reported, in either direction, and never beyond one half."""
    properties = json.loads(device("ibm_fez").properties)
    gate = next(g for g in properties["gates"] if g["gate"] == "cz")
    value = next(p["value"] for p in gate["parameters"] if p["name"] == "gate_error")
    places = tuple(gate["qubits"])
    assert reported("cz", *places) == reported("cz", *places[::-1]) == min(value, 0.5)
    assert reported("cz", 0, 100) == 0.0
    assert np.max(list(errors(device("ibm_fez")).gates.values())) <= 0.5


@pytest.mark.parametrize(
    ("program", "options", "reason"),
    [
        (
            "sampler",
            {"default_shots": 0},
            "options.default_shots: Input should be greater than or equal to 1",
        ),
        ("sampler", {"depth": 3}, "options.depth: Extra inputs are not permitted"),
        (
            "estimator",
            {"twirling": {"num_randomizations": "few"}},
            "options.twirling.num_randomizations: Input should be a valid integer, unable to parse string as"
            " an integer",
        ),
        (
            "sampler",
            {"execution": {"meas_type": "kerneled"}},
            "meas_type kerneled is not supported, this emulator has classified only",
        ),
    ],
)
def test_options_that_break_the_schema_are_refused(caller, program, options, reason):
    """IBM's schema says what options there are, where the client brings it along."""
    body = {"program_id": program, "backend": "ibm_fez", "params": {"pubs": [["x"]], "options": options}}
    assert caller.refusal("POST", "/jobs", body) == (
        400,
        {"code": 1208, "message": f"Request validation of body failed, because: {reason}"},
    )


def without_schemas(monkeypatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "ibm_quantum_schemas"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "qsession.emulator._programs._executor", raising=False)
    monkeypatch.setitem(sys.modules, "ibm_quantum_schemas", None)


def test_older_clients_options_are_not_checked(caller, monkeypatch):
    """Without IBM's schemas a sampler job runs as before."""
    circuit = measured(0)
    circuit.measure(0, 0)
    pub = [circuit, None, 3]
    caller.job([pub])
    without_schemas(monkeypatch)
    job = caller.job([pub], params={"options": {"depth": 3}})
    assert caller.result(job)[0].data.c.num_shots == 3


def test_program_that_an_older_client_lacks_is_refused(caller, monkeypatch):
    """A client that does not submit executor jobs does not bring what reads them."""
    caller.job([[measured(0)]])
    without_schemas(monkeypatch)
    body = {"program_id": "executor", "backend": "ibm_fez", "params": {"schema_version": "v2.0"}}
    assert caller.refusal("POST", "/jobs", body) == (
        400,
        {
            "code": 1208,
            "message": "This emulator runs the program executor with clients that bring IBM's schemas along only.",
            "solution": "Use a client that has this program.",
        },
    )


@pytest.mark.parametrize(
    ("program", "options"),
    [("estimator", {"seed_estimator": 42}), ("sampler", {"simulator": {"seed_simulator": 42}})],
)
def test_a_seed_that_a_job_asks_for_is_obeyed(caller, program, options):
    """The same job with a seed gives the same each time, without one it does not."""
    circuit = measured(0)
    circuit.sx(0)
    circuit.measure(0, 0)
    pub = [circuit, None, 500] if program == "sampler" else [circuit, {"Z" * 156: 1.0}]

    def results(**params) -> set[bytes]:
        jobs = [caller.job([pub], program=program, params=params) for _ in range(2)]
        found = [caller.result(job)[0].data for job in jobs]
        return {str(d.evs).encode() if program == "estimator" else d.c.array.tobytes() for d in found}

    assert len(results(options=options)) == 1
    assert len(results()) == 2
