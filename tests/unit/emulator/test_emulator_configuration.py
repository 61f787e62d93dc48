"""Emulators of the shape that a file describes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields

import jsonschema
import pytest
from emulator_caller import Caller, bell_circuit
from hypothesis import given
from hypothesis import strategies as st

from qsession._lifecycle import Rules
from qsession.emulator import Emulator
from qsession.emulator._configuration import names
from qsession.emulator._configuration_check import checked, schema, spell
from qsession.errors import UsageError

FIX = "To fix: correct these fields; emulator-configuration.schema.json describes all of them"


@pytest.fixture
def configured(tmp_path):
    """An emulator of a text, in a file."""

    def make(text: str, **more) -> Emulator:
        file = tmp_path / "emulator.yaml"
        file.write_text(text, "utf-8")
        return Emulator.from_config(file, **more)

    return make


def faults(configured, text: str) -> list[str]:
    """The evidence of the error that a text gives."""
    with pytest.raises(UsageError) as caught:
        configured(text)
    assert caught.value.code == "QS142"
    assert str(caught.value).startswith("The configuration of the emulator is wrong. [QS142]\n")
    assert FIX in str(caught.value)
    assert caught.value.where.endswith("emulator.yaml")
    return list(caught.value.evidence)


def test_the_schema_is_one():
    """The schema itself is valid, and says of every field what it means."""
    jsonschema.Draft202012Validator.check_schema(schema())

    def described(node: object, place: str) -> None:
        for name, field in node.get("properties", {}).items():
            # A field that is described elsewhere says so there.
            there = schema()["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
            assert "description" in field | there, f"{place}.{name}"

    described(schema(), "")
    for name, part in schema()["$defs"].items():
        described(part, name)


def test_the_schema_knows_every_rule():
    """A rule that is added to the model can be configured."""
    assert set(schema()["$defs"]["rules"]["properties"]) == {field.name for field in fields(Rules)}


@pytest.mark.parametrize("name", names())
def test_shipped_configurations_are_right(name):
    """What comes with the package can be used."""
    assert Emulator.from_config(name, strict=True, api_key="k", seed=3).seed == 3


def test_empty_object_is_the_default(configured):
    """What a file leaves out is as without one."""
    assert configured("{}").backends == Emulator().backends
    assert configured("{}").instances == Emulator().instances


def test_every_field_reaches_the_emulator(configured):
    """Backends, instances, times, seed and rules are what the file says."""
    emulator = configured(
        "backends:\n"
        "- name: test_eagle_1\n  device: ibm_sherbrooke\n  ecr: [[0, 1]]\n"
        "  status: paused\n  reason: calibration\n  queue_length: 4\n"
        "  calibrations: {mine: {n_uchannels: 7}}\n"
        "- {name: mock_fez, class: mock, fractional: true}\n"
        "instances:\n"
        "- {name: one, plan: Open, pricing_type: free, tags: [a], backends: [mock_fez], archived: true}\n"
        "- {number: 9, usage_limit_seconds: 5, usage_allocation_seconds: 3, pending_jobs: 2}\n"
        "queue_seconds: 1\nrun_seconds: 2\nseed: 5\njobs_a_minute: 7\n"
        "unread_results: '{}'\nusage_after_seconds: 3\n"
        "rules: {created: hello, queued_jobs_end: Failed, usage_spans_gaps: false, at_active_ttl: inactive}\n"
    )
    first, second = emulator.instances
    assert (first.name, first.plan, first.pricing_type, first.tags) == ("one", "Open", "free", ("a",))
    assert (first.backends, first.archived) == (("mock_fez",), True)
    assert second.crn.endswith(
        ":us-east:a/00000000000000000000000000000000:00000000-0000-4000-8000-000000000009::"
    )
    assert (second.name, second.region) == ("instance-2", "us-east")
    assert (second.usage_limit_seconds, second.usage_allocation_seconds, second.pending_jobs) == (5, 3, 2)
    assert emulator.seed == 5
    caller = Caller(emulator)
    (mock,) = caller.json("GET", "/backends?include_mocks=true")["devices"]
    assert (mock["name"], mock["class"]) == ("mock_fez", "mock")
    caller.headers["service-crn"] = second.crn
    eagle, _ = caller.json("GET", "/backends?include_mocks=true")["devices"]
    assert eagle["status"] == {"name": "paused", "reason": "calibration"}
    assert eagle["queue_length"] == 4
    configuration = caller.json("GET", "/backends/test_eagle_1/configuration")
    ecr = next(gate for gate in configuration["gates"] if gate["name"] == "ecr")
    assert [0, 1] in ecr["coupling_map"]
    assert "rzz" in caller.json("GET", "/backends/mock_fez/configuration")["basis_gates"]
    calibrated = caller.json("GET", "/backends/test_eagle_1/configuration?calibration_id=mine")
    assert calibrated == configuration | {"n_uchannels": 7}
    job = caller.json("POST", "/jobs", {"program_id": "any", "backend": "mock_fez"})["id"]
    assert [caller.json("GET", f"/jobs/{job}", at=at)["usage"]["status"] for at in (5.9, 6)] == [
        "pending",
        "complete",
    ]
    session = caller.json("POST", "/sessions", {"mode": "batch", "backend": "mock_fez"})
    assert session["state_reason"] == "hello"


def test_times_are_the_files(configured):
    """Queue and run times come from the file."""
    caller = Caller(configured("{queue_seconds: 1, run_seconds: 2}"))
    job = caller.job([[bell_circuit(), None, 5]])
    assert [caller.status(job, at=at) for at in (0.9, 1, 2.9, 3)] == [
        "Queued",
        "Running",
        "Running",
        "Completed",
    ]


def test_region_is_read_from_a_crn(configured):
    """A cloud resource name says where its instance is."""
    crn = "crn:v1:bluemix:public:quantum-computing:eu-de:a/0:1::"
    (instance,) = configured(f"instances: [{{crn: '{crn}'}}]").instances
    assert (instance.crn, instance.region) == (crn, "eu-de")


def test_overrides_are_stronger_than_the_file(configured):
    """What is passed in Python counts."""
    emulator = configured("seed: 5", seed=6, api_key="k")
    assert (emulator.seed, emulator.api_key) == (6, "k")


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        (
            "backends:\n- nam: x\n- name: ibm_fez\n  status: onlin\nqueue_second: 3",
            [
                "line 2, backends[0]: name is missing",
                "line 2, backends[0].nam: there is no such field; did you mean 'name'?",
                "line 4, backends[1].status: 'onlin' is none of its values; did you mean 'online'?",
                "line 5, queue_second: there is no such field; did you mean 'queue_seconds'?",
            ],
        ),
        ("backends: []", ["line 1, backends: [] should be non-empty"]),
        ("- 1", ["line 1, the whole: [1] is not of type 'object'"]),
        ("", ["line 1, the whole: None is not of type 'object'"]),
        ("\nseed: 1\nseed: 2", ["line 3, seed: this key is there twice"]),
        ("seed: true", ["line 1, seed: True is not of type 'integer'"]),
        ("run_seconds: -1", ["line 1, run_seconds: -1 is less than the minimum of 0"]),
        ("run_seconds: .nan", ["line 1, run_seconds: it must be a number"]),
        ("run_seconds: .inf", ["line 1, run_seconds: inf is greater than the maximum of 31536000"]),
        (
            "backends:\n- name: ibm_fezz",
            ["line 2, backends[0].name: the client has no snapshot of 'ibm_fezz'; did you mean 'ibm_fez'?"],
        ),
        (
            "backends:\n- name: test_x\n  device: ibm_torin",
            [
                "line 3, backends[0].device: the client has no snapshot of 'ibm_torin'; did you mean 'ibm_torino'?"
            ],
        ),
        (
            "backends: [{name: ibm_fez, ecr: [[0, 156]]}]",
            ["line 1, backends[0].ecr[0]: the device has 156 qubits, from 0"],
        ),
        (
            "backends: [{name: ibm_fez}, {name: ibm_fez}]",
            ["line 1, backends[1].name: 'ibm_fez' is there twice"],
        ),
        (
            "backends: [{name: ibm_fez}]\ninstances: [{backends: [ibm_fe]}]",
            [
                "line 2, instances[0].backends[0]: there is no backend 'ibm_fe' in this file;"
                " did you mean 'ibm_fez'?"
            ],
        ),
        (
            "instances:\n- crn: 'crn:v1:bluemix:public:quantum-computing:us-east:a/0:1::'\n  region: eu-de",
            ["line 2, instances[0].crn: it says us-east, the region is eu-de"],
        ),
        (
            "backends: [{name: ibm_fez}]\ninstances: [{name: one}]\nhistory: [{backend: x, instance: onne}]",
            [
                "line 3, history[0].backend: there is no backend 'x' in this file; known: ibm_fez",
                "line 3, history[0].instance: there is no instance 'onne' in this file; did you mean 'one'?",
            ],
        ),
        ("a: &x [*x]", ["line 1, a: there is no such field; known: "]),
        ("? [1]\n: 2", ["while constructing a mapping"]),
        ("a: [", ["while parsing a flow node expected the node content"]),
        ("a: \x00", ["unacceptable character"]),
    ],
)
def test_wrong_fields_are_named_with_their_lines(configured, text, evidence):
    """Each wrong field is shown with its line, its path and what was meant."""
    found = faults(configured, text)
    assert len(found) == len(evidence)
    for line, begin in zip(sorted(found), sorted(evidence), strict=True):
        assert line.startswith(begin)


def test_many_faults_are_counted(configured):
    """Five are shown, the others counted."""
    found = faults(configured, "\n".join(f"x{n}: 1" for n in range(9)))
    assert (len(found), found[-1]) == (6, "and 4 more")


def test_unknown_name_is_a_usage_error():
    """A name that is none gets the nearest one, and a line to paste."""
    with pytest.raises(UsageError) as caught:
        Emulator.from_config("ibm-suit")
    assert str(caught.value) == (
        "There is no configuration of this name, and no file that can be read. [QS141]\n"
        "  'ibm-suit'; did you mean 'ibm-suite'?\n"
        "  [Errno 2] No such file or directory: 'ibm-suit'\n"
        "To fix: Emulator.from_config('ibm-suite')\n"
        "If this is intended: a file of your own: give its path"
    )


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_unreadable_file_is_a_usage_error(tmp_path, content):
    """A file that is no text, and a folder, are refused."""
    place = tmp_path / "x.yaml"
    if content is None:
        place.mkdir()
    else:
        place.write_bytes(content)
    with pytest.raises(UsageError, match=r"\[QS141\]"):
        Emulator.from_config(place)


def test_history_of_an_unknown_backend_is_a_usage_error(configured):
    """Where a file lists no backends the emulator's own are known."""
    with pytest.raises(UsageError) as caught:
        configured("history: [{backend: ibm_none}]")
    assert str(caught.value) == (
        "A job of the history names a backend that the emulator does not have. [QS140]\n"
        "  backend: 'ibm_none'; known: ibm_brisbane, ibm_fez, ibm_marrakesh, ibm_torino\n"
        "To fix: add it to backends, or leave it out of the job"
    )


def test_importing_the_emulator_loads_no_schema():
    """PyYAML and jsonschema load when a configuration is read, not before."""
    code = "import sys, qsession.emulator; print(sorted({'yaml', 'jsonschema'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*schema()["properties"], "name", "device", "crn", "status", "ecr", "tags"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_any_document_is_read_or_refused(document):
    """Whatever a file holds: it is right, or a usage error says what is wrong."""
    text, caught = json.dumps(document), None
    try:
        found = checked(text, "x.yaml")
    except UsageError as error:
        caught = error
    if caught is None:
        assert set(found) <= set(schema()["properties"])
    else:
        assert (caught.code, bool(caught.evidence)) == ("QS142", True)


@pytest.mark.parametrize(
    ("place", "words"),
    [((), "the whole"), (("a", 0, "b"), "a[0].b"), ((0,), "[0]")],
)
def test_places_are_spelled_as_one_writes_them(place, words):
    """Keys are joined by points, positions stand in brackets."""
    assert spell(place) == words


def test_nan_is_found_at_any_depth():
    """The number that is none is no time, wherever it stands."""
    with pytest.raises(UsageError, match=r"line 1, history\[0\].ago_seconds: it must be a number"):
        checked("history: [{ago_seconds: .nan}]", "x.yaml")
