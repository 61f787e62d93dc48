"""The marker's argument ``match``, and values that a test invents anew each time."""

import pytest
from plugin_project import message

import qsession
from qsession._config import check_match
from qsession._model import Match
from qsession.errors import UsageError

ROUTED = """
import os
import pytest
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import SamplerV2

@pytest.mark.qsession({arguments})
def test_it(qsession_backend):
    circuit = QuantumCircuit(4)
    for i in range(4):
        circuit.ry(0.1 * i + float(os.environ["ANGLE"]), i)
        for j in range(i):
            circuit.cx(j, i)
    circuit.measure_all()
    places = [int(place) for place in os.environ["PLACES"].split()]
    manager = generate_preset_pass_manager(
        1, backend=qsession_backend, initial_layout=places, seed_transpiler=7
    )
    result = SamplerV2(mode=qsession_backend).run([manager.run(circuit)], shots=50).result()
    assert result[0].data.meas.num_shots == 50
"""

TAGS = """
import uuid
from datetime import datetime, timedelta
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2

@pytest.mark.qsession
def test_it(qsession_backend, qsession_service, qsession_isa):
    circuit = QuantumCircuit(1)
    circuit.measure_all()
    sampler = SamplerV2(mode=qsession_backend)
    tags = [uuid.uuid4().hex, f"run {uuid.uuid4()}", "mine"]
    sampler.options.environment.job_tags = tags
    job = sampler.run([qsession_isa(circuit)], shots=10)
    assert job.result()[0].data.meas.num_shots == 10
    assert set(job.tags) == set(tags)
    since = datetime.now() - timedelta(days=7)
    (found,) = qsession_service.jobs(job_tags=tags[:2], created_after=since)
    assert (found.job_id(), set(found.tags)) == (job.job_id(), set(tags))
    new = [uuid.uuid4().hex, "other", f"{uuid.uuid4().hex[:5]}_new_tag"]
    job.update_tags(new)
    assert set(job.tags) == set(new)
"""


@pytest.fixture
def placed(monkeypatch):
    """Where the circuit is laid out, and which one it is."""

    def place(places="0 1 2 3", angle="0.2"):
        monkeypatch.setenv("PLACES", places)
        monkeypatch.setenv("ANGLE", angle)

    place()
    return place


def test_routed_takes_another_layout_and_no_other_circuit(project, placed):
    """What the transpiler did is not what is tested."""
    project.write(ROUTED.format(arguments='match="routed"'))
    project.record().assert_outcomes(passed=1)
    placed("23 24 25 37")
    project.run().assert_outcomes(passed=1)
    placed("23 24 25 37", "0.2001")
    assert "not the same circuit with another layout and routing: the gates do something else" in message(
        project.run(), "QS302"
    )


def test_other_routing_is_named_where_it_is_not_taken(project, placed):
    """The message says that nothing else differs, and how to keep it from differing."""
    project.write(ROUTED.format(arguments=""))
    project.record().assert_outcomes(passed=1)
    placed("23 24 25 37")
    lines = message(project.run(), "QS310").splitlines()
    assert lines[0] == (
        "The code under test submits the recorded job, transpiled in another way. Nothing was sent. [QS310]"
    )
    assert lines[1].startswith("  asked: POST /jobs (sampler, 1 PUB: ")
    assert lines[2].endswith(" s, with another layout and routing; all else is the same")
    assert lines[3:] == [
        "To fix: transpile with a seed: the fixture qsession_isa, or "
        "generate_preset_pass_manager(..., seed_transpiler=7)",
        'If this is intended: match="routed", in @pytest.mark.qsession(...) or in qsession.replay(...)',
        "Where: cassettes/test_it/test_it.yaml, test_it.py::test_it",
    ]


def test_routing_that_cannot_be_decided_says_why(project, placed):
    """A delay is none of the things that are pulled back through a layout."""
    delayed = ROUTED.replace(
        "    circuit.measure_all()", "    circuit.delay(100, 0)\n    circuit.measure_all()"
    )
    project.write(delayed.format(arguments='match="routed"'))
    project.record().assert_outcomes(passed=1)
    project.run().assert_outcomes(passed=1)
    placed("23 24 25 37")
    lines = message(project.run(), "QS312").splitlines()
    assert lines[0] == (
        "It cannot be decided whether a job is the recorded one in another routing. Nothing was sent. [QS312]"
    )
    assert lines[3] == (
        "    PUB 0: not the same circuit with another layout and routing: "
        "cannot be decided: the operation delay"
    )


def test_tuple_leaves_out_what_it_does_not_name(project, placed):
    """A test of what comes after the job may take any circuit."""
    project.write(ROUTED.format(arguments='match=("shots", "options")'))
    project.record().assert_outcomes(passed=1)
    placed("0 1 2 3", "0.7")
    project.run().assert_outcomes(passed=1)


def test_strict_takes_the_same_json_only(project, placed):
    """A circuit without a name is numbered by its process."""
    project.write(ROUTED.format(arguments='match="strict"'))
    project.record().assert_outcomes(passed=1)
    assert message(project.run(), "QS311").splitlines()[0] == (
        "A request is not value by value what was recorded (match='strict'). Nothing was sent. [QS311]"
    )


def test_test_that_invents_its_tags_replays(project):
    """And sees its own tags, not the recorded ones."""
    project.write(TAGS)
    project.record().assert_outcomes(passed=1)
    for _ in range(2):
        project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("meaning", Match()),
        ("routed", Match(routed=True)),
        ("strict", Match(strict=True)),
        (("circuits", "options"), Match(frozenset({"circuits", "options"}))),
        (("routed", "shots"), Match(frozenset({"circuits", "shots"}), routed=True)),
    ],
)
def test_check_match(value, match):
    """A word, or a tuple of aspects in which routed stands for circuits."""
    assert check_match(value) == match


@pytest.mark.parametrize(
    ("value", "evidence"),
    [
        ("stric", "match='stric'; did you mean 'strict'?"),
        ("circuits", "match='circuits'; a tuple: match=('circuits',)"),
        (("circuits", "strict"), "match=('circuits', 'strict'): 'strict'; known: circuits, values, "),
        (["circuits"], "match=['circuits']; it takes meaning, routed, strict, or a tuple of circuits, "),
        ((3,), "match=(3,): 3; known: circuits, values, "),
        (None, "match=None; it takes meaning, routed, strict, or a tuple of circuits, "),
    ],
)
def test_wrong_match_is_refused(tmp_path, value, evidence):
    """Before the cassette is looked for."""
    with pytest.raises(UsageError) as caught:
        qsession.replay(tmp_path / "none.yaml", match=value)
    assert str(caught.value).startswith(f"There is no such way to match jobs. [QS160]\n  {evidence}")
    assert caught.value.fix == (
        'match="routed", or a tuple of aspects such as match=("circuits", "values", "shots")'
    )


ORDER = """
import json
import os
from pathlib import Path
from threading import Thread
import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2

def submit(session, isa, number, seen):
    circuit = QuantumCircuit(1)
    if number:
        circuit.x(0)
    circuit.measure_all()
    job = SamplerV2(mode=session).run([isa(circuit)], shots=10 + number)
    counts = job.result()[0].data.meas.get_counts()
    seen[number] = [job.job_id(), counts, job.metrics()["timestamps"], job.usage()]

def test_it(qsession, qsession_isa):
    seen, started = {}, []
    for number in [int(each) for each in os.environ["ORDER"].split()]:
        started.append(Thread(target=submit, args=(qsession, qsession_isa, number, seen)))
        started[-1].start()
        if not os.environ.get("AT_ONCE"):
            started[-1].join()
    for thread in started:
        thread.join()
    Path("seen.json").write_text(json.dumps(seen, sort_keys=True, default=str))
"""


@pytest.mark.parametrize("at_once", ["", "1"])
def test_two_jobs_in_the_other_order_get_their_own(project, monkeypatch, at_once):
    """Ids, counts, metrics and usage, one after the other or from two threads at once."""
    project.write(ORDER)
    monkeypatch.setenv("ORDER", "0 1")
    project.record().assert_outcomes(passed=1)
    recorded = (project.folder / "seen.json").read_text()
    monkeypatch.setenv("ORDER", "1 0")
    monkeypatch.setenv("AT_ONCE", at_once)
    project.run().assert_outcomes(passed=1)
    assert (project.folder / "seen.json").read_text() == recorded
    assert '{"1": 11}' in recorded
