"""What the client worked out before is the same as what it would work out now, and nobody else's."""

import copy
import datetime
import json
import pickle
import ssl
import threading
import time
from collections.abc import Hashable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import certifi
import freezegun
import ibm_cloud_sdk_core.http_adapter as sdk
import pytest
import qiskit_ibm_runtime
from hypothesis import given
from hypothesis import strategies as st
from qiskit_ibm_runtime import QiskitRuntimeService, ibm_backend, qiskit_runtime_service
from qiskit_ibm_runtime.api.rest.cloud_backend import CloudBackend
from qiskit_ibm_runtime.ibm_backend import IBMBackend
from qiskit_ibm_runtime.models.backend_configuration import QasmBackendConfiguration
from qiskit_ibm_runtime.models.backend_properties import BackendProperties, GateProperties, Nduv
from qiskit_ibm_runtime.utils.backend_converter import convert_to_target
from qiskit_ibm_runtime.utils.backend_decoder import (
    configuration_from_server_data,
    properties_from_server_data,
)
from requests import Response

import qsession
from qsession._wire import _known
from qsession._wire._copies import recipes
from qsession._wire._late import LateContext, Original, Unread, late, original_of
from qsession._wire._shared import shared

DEVICES = Path(qiskit_ibm_runtime.__file__).parent / "fake_provider" / "backends"
ATOMS = (str, int, float, bool, complex, type(None), datetime.datetime)
REPLACED = (
    (CloudBackend, "configuration"),
    (CloudBackend, "properties"),
    (IBMBackend, "properties"),
    (IBMBackend, "refresh"),
    (QiskitRuntimeService, "_create_backend_obj"),
    (ibm_backend, "configuration_from_server_data"),
    (ibm_backend, "convert_to_target"),
    (ibm_backend, "properties_from_server_data"),
    (qiskit_runtime_service, "configuration_from_server_data"),
    (ibm_backend, "deepcopy"),
    (sdk, "create_urllib3_context"),
)


def text_of(device, kind):
    return (DEVICES / device / f"{kind}_{device}.json").read_text()


PROPERTIES = text_of("manila", "props")


class Api:
    """As much of the client's api client as a backend needs."""

    def __init__(self, text, encoding="utf-8"):
        self.text = text
        self.encoding = encoding
        self.bodies_parsed = 0

    def get(self, *_args, **_kwargs):
        answer = Response()
        answer.status_code = 200
        answer.encoding = self.encoding
        answer._content = self.text.encode(self.encoding)
        return answer

    def backend_properties(self, name, datetime=None, **_kwargs):
        return CloudBackend(self, name).properties(datetime=datetime)


def backend(text=PROPERTIES, device="manila", **options):
    configuration = configuration_from_server_data(json.loads(text_of(device, "conf")))
    made = IBMBackend(configuration, service=None, api_client=Api(text, **options))
    made.options.use_fractional_gates = False
    return made


def unshared(text=PROPERTIES, name="ibmq_manila", *, fractional=False):
    raw = json.loads(text) | {"backend_name": name}
    return properties_from_server_data(raw, use_fractional_gates=fractional)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch):
    """Each test begins with nothing kept, and leaves nothing."""
    monkeypatch.setattr(_known, "_known", _known._Known(_known.CAPACITY))


@pytest.fixture
def counted(monkeypatch):
    """How often the client parsed properties itself."""
    calls = []

    def properties(*args, **kwargs):
        calls.append(kwargs)
        return properties_from_server_data(*args, **kwargs)

    monkeypatch.setattr(ibm_backend, "properties_from_server_data", properties)
    return calls


def walk(thing, path="it"):
    """Every object below a thing with its path, one after the other."""
    yield path, thing
    if type(thing) in (list, tuple):
        for index, each in enumerate(thing):
            yield from walk(each, f"{path}[{index}]")
    elif type(thing) is dict:
        for name, each in thing.items():
            yield from walk(each, f"{path}[{name!r}]")
    elif hasattr(thing, "__dict__") and not isinstance(thing, ATOMS):
        for name, each in vars(thing).items():
            yield from walk(each, f"{path}.{name}")


def outline(thing):
    """Everything that can be seen of a thing, with its types and the order of its keys."""
    getattr(thing, "__dict__", None)  # a look, after which it is what it stood for
    leaf = (str, int, float, bool, complex, type(None), datetime.datetime)
    return [(path, type(each), each if isinstance(each, leaf) else None) for path, each in walk(thing)]


def changeable(thing):
    return {
        id(each): path
        for path, each in walk(thing)
        if not isinstance(each, ATOMS) and type(each) is not tuple
    }


def test_properties_are_parsed_once_for_two_backends(counted):
    """The second test with the same backend does not pay for the dates again."""
    with shared():
        backend().properties()
    with shared():
        backend().properties()
    assert len(counted) == 1


@pytest.mark.parametrize("device", ["manila", "fez"])
def test_properties_from_memory_are_what_the_client_makes(device):
    """Same types, same values, same order, for each object of the graph."""
    text = text_of(device, "props")
    with shared():
        backend(text, device).properties()
        made = backend(text, device)
        again = made.properties()
    assert outline(again) == outline(unshared(text, made.name))
    assert again == unshared(text, made.name)


def test_target_from_memory_is_what_the_client_makes():
    """Each gate on each qubit with its error and duration."""
    alone = backend().target
    with shared():
        assert backend().target is not None
        again = backend().target
    assert set(again.operation_names) == set(alone.operation_names)
    for name in alone.operation_names:
        assert str(again[name]) == str(alone[name])
    assert [str(each) for each in again.qubit_properties] == [str(each) for each in alone.qubit_properties]
    assert again.dt == alone.dt


def test_two_properties_have_nothing_in_common_that_can_change():
    """Whatever a test changes below its properties is its own."""
    with shared():
        three = [backend().properties() for _ in range(3)]
    ids = [changeable(each) for each in three]
    assert len(ids[0]) > 100
    assert not set(ids[0]) & set(ids[1])
    assert not set(ids[1]) & set(ids[2])
    assert not set(ids[0]) & set(ids[2])


def ruin(thing):
    """Change all that can be changed below a thing."""
    for _, each in list(walk(thing)):
        if type(each) in (list, dict):
            each.clear()
        elif hasattr(each, "__dict__") and not isinstance(each, ATOMS):
            vars(each).clear()


def test_ruined_properties_ruin_no_other():
    """Neither the first, from which the rest was learnt, nor one made from memory."""
    expected = outline(unshared())
    with shared():
        for _ in range(3):
            got = backend().properties()
            assert outline(got) == expected
            ruin(got)


def test_ruined_configuration_ruins_no_other():
    """Each backend has a copy, as the client makes it."""
    configuration = configuration_from_server_data(json.loads(text_of("manila", "conf")))
    expected = outline(configuration)
    with shared():
        for _ in range(2):
            made = IBMBackend(configuration, service=None, api_client=Api(PROPERTIES))
            assert outline(made.configuration()) == expected
            ruin(made.configuration())
    assert outline(configuration) == expected


def test_changed_target_changes_no_other():
    """A target is built for each backend."""
    with shared():
        first, second = backend(), backend()
        del first.target["cx"][(0, 1)]
        first.target.dt = 1.0
        assert (0, 1) in second.target["cx"]
        assert second.target.dt != 1.0


def test_one_backend_gives_the_same_object_each_time():
    """The client keeps what it has, and so it stays."""
    with shared():
        made = backend()
        assert made.properties() is made.properties()
        assert made.target is made.target
        assert made.properties(refresh=True) is made.properties()


def test_one_other_digit_is_another_backend(counted):
    """By content: nothing else decides."""
    raw = json.loads(PROPERTIES)
    raw["qubits"][0][0]["value"] += 1e-9
    with shared():
        first = backend().properties()
        second = backend(json.dumps(raw)).properties()
    assert len(counted) == 2
    assert second.qubits[0][0].value == raw["qubits"][0][0]["value"] != first.qubits[0][0].value


def test_name_of_the_backend_is_part_of_the_content():
    """The client writes the name that it asked for over the one in the answer."""
    with shared():
        first, second = backend(), backend()
        second.name = "fake_other"
        assert first.properties().backend_name == first.name
        assert second.properties().backend_name == "fake_other"


@pytest.mark.parametrize("fractional", [True, False, None])
def test_fractional_gates_are_kept_apart(fractional):
    """The option decides which gates are in."""
    raw = json.loads(PROPERTIES)
    raw["gates"].append({**raw["gates"][0], "qubits": [0, 1], "gate": "rzz", "name": "rzz"})
    text = json.dumps(raw)
    with shared():
        for first in (True, False, None):
            warm = backend(text)
            warm.options.use_fractional_gates = first
            warm.properties()
        made = backend(text)
        made.options.use_fractional_gates = fractional
        expected = unshared(text, made.name, fractional=fractional)
        assert outline(made.properties()) == outline(expected)
    assert any(gate.gate == "rzz" for gate in expected.gates) is (fractional is not False)


def test_number_that_equals_an_option_is_not_taken_for_it(counted):
    """1 is equal to True and may mean something else to a later client."""
    with shared():
        for option in (True, 1):
            made = backend()
            made.options.use_fractional_gates = option
            made.properties()
            made.properties(refresh=True)
    assert [each["use_fractional_gates"] for each in counted] == [True, 1, 1]


def test_properties_of_a_date_are_shared_by_content_as_well(counted):
    """What the service answers decides, not what was asked."""
    then = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)
    with shared():
        made = backend()
        past = made.properties(datetime=then)
        assert made.target_history(datetime=then).num_qubits == 5
        assert made.properties(datetime=then) is not past
    assert len(counted) == 1


@pytest.mark.parametrize("first_frozen", [True, False])
def test_dates_are_of_the_class_of_their_clock(first_frozen):
    """A frozen clock has a class of dates of its own; what was kept from one is not given to the other."""
    for frozen in (first_frozen, not first_frozen, first_frozen, not first_frozen):
        with shared():
            if frozen:
                with freezegun.freeze_time("2026-01-01"):
                    name = (made := backend()).name
                    got, expected = outline(made.properties()), outline(unshared(name=name))
            else:
                name = (made := backend()).name
                got, expected = outline(made.properties()), outline(unshared(name=name))
        assert got == expected


def test_dates_are_of_the_zone_of_their_test(monkeypatch):
    """The client makes dates local, and a test may be somewhere else."""
    offsets = []
    try:
        for zone in ("UTC", "Asia/Kathmandu", "UTC", "America/New_York"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            with shared():
                got = backend().properties().last_update_date
            assert got == unshared().last_update_date
            offsets.append(got.utcoffset())
    finally:
        monkeypatch.undo()
        time.tzset()
    hours = [each.total_seconds() / 3600 for each in offsets]
    assert hours[:3] == [0, 5.75, 0]
    assert hours[3] in (-4, -5)


def test_bytes_in_another_encoding_are_another_text():
    """Two answers of the same bytes that do not say the same."""
    raw = json.loads(PROPERTIES) | {"note": "µ"}
    text = json.dumps(raw, ensure_ascii=False)
    with shared():
        assert backend(text).properties().note == "µ"
        other = backend(text.encode().decode("latin-1"), encoding="latin-1")
        assert other.properties().note == "Âµ"


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_answer_that_is_no_object_is_left_to_the_client(text):
    """Its error, or its None, and not one of ours."""

    def outcome():
        try:
            return backend(text).properties()
        except (ValueError, TypeError) as error:
            return type(error), str(error)

    alone = outcome()
    with shared():
        assert outcome() == alone
        assert outcome() == alone


def test_empty_object_means_no_properties():
    """As the client says."""
    with shared():
        assert backend("{}").properties() is None


def test_whoever_asks_the_api_itself_gets_a_plain_dict():
    """Only the client's own backend is given what was not parsed."""
    with shared():
        backend().properties()
        answer = Api(PROPERTIES).backend_properties("ibmq_manila")
    assert type(answer) is dict
    assert answer["backend_name"] == "ibmq_manila"
    assert json.loads(json.dumps(answer)) == json.loads(PROPERTIES) | {"backend_name": "ibmq_manila"}


def test_capacity_bounds_what_is_kept():
    """The one that was not used for the longest time goes first."""
    with shared():
        for number in range(_known.CAPACITY + 3):
            backend(PROPERTIES + " " * number).properties()
    assert len(_known._known._kept) == _known.CAPACITY


def test_everything_is_put_back():
    """After a run the client is as it was, also when the run failed."""
    before = [vars(holder)[name] for holder, name in REPLACED]
    with pytest.raises(ZeroDivisionError), shared():
        assert all(
            vars(holder)[name] is not was for (holder, name), was in zip(REPLACED, before, strict=True)
        )
        1 / 0  # noqa: B018 - a body that fails
    assert [vars(holder)[name] for holder, name in REPLACED] == before


@pytest.mark.parametrize(("holder", "name"), [(sdk, "create_urllib3_context"), (CloudBackend, "properties")])
def test_name_that_is_missing_is_left_alone(monkeypatch, holder, name):
    """Another client has other names: the rest goes on."""
    original = vars(holder)[name]
    with monkeypatch.context() as without:
        without.delattr(holder, name)
        with shared():
            assert not hasattr(holder, name)
            assert ibm_backend.deepcopy is not copy.deepcopy
    assert vars(holder)[name] is original


def test_client_without_the_parser_goes_its_own_way(monkeypatch):
    """What cannot be shared is worked out anew."""
    monkeypatch.setattr(ibm_backend, "deepcopy", None)
    with shared():
        assert ibm_backend.deepcopy is None


def test_threads_get_properties_of_their_own():
    """All at once, some from the client and some from memory, all alike."""
    expected = outline(unshared())
    with shared(), ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: backend().properties(), range(32)))
    assert all(outline(each) == expected for each in made)
    ids = [changeable(each) for each in made]
    assert len(set().union(*ids)) == sum(map(len, ids))


def test_kept_properties_hold_nothing_of_the_ones_handed_out():
    """A test's backend can go when the test is over."""
    with shared():
        handed_out = backend().properties()
        ids = changeable(handed_out)
        assert backend().target.num_qubits == 5
    originals = [each.model for each in _known._known._kept.values()]
    assert originals
    for model in originals:
        assert len(changeable(model)) > 100
        assert not changeable(model).keys() & ids.keys()


# --- models that are made when somebody looks ---------------------------------------------

LOOKS_AT_MODELS = {
    "vars": vars,
    "dir": dir,
    "to_dict": lambda it: it.to_dict(),
    "list": lambda it: it.gates[0].to_dict(),
    "missing": lambda it: [hasattr(it, "no_such_thing"), hasattr(it, "__deepcopy__")],
    "other": lambda it: getattr(it, "clops_h", None),
    "text": lambda it: it.backend_version,
    "equal": lambda it: it == copy.deepcopy(it),
    "copy.copy": lambda it: vars(copy.copy(it)),
    "deepcopy": lambda it: outline(copy.deepcopy(it)),
    "pickle": lambda it: outline(pickle.loads(pickle.dumps(it))),
    "set": lambda it: [setattr(it, "backend_name", "x"), it.backend_name, it.to_dict()["backend_name"]][1:],
    "new": lambda it: [setattr(it, "note", 1), it.note, vars(it)["note"]][1:],
    "delete": lambda it: [delattr(it, "backend_name"), "backend_name" in vars(it)][1:],
    "isinstance": lambda it: isinstance(it, (BackendProperties, QasmBackendConfiguration)),
    "class": lambda it: it.__class__,
    "name": lambda it: [type(it).__name__, type(it).__module__, type(it).__qualname__, type(it).__doc__],
    "repr": lambda it: repr(it).partition(" at ")[0],
    "hash": lambda it: [isinstance(it, Hashable)],
    "bool": bool,
    "faulty": lambda it: [getattr(it, name, list)() for name in ("faulty_qubits", "faulty_gates")],
}
BOTH = {
    "properties": lambda: properties_from_server_data(json.loads(PROPERTIES)),
    "configuration": lambda: configuration_from_server_data(json.loads(text_of("manila", "conf"))),
}


def kept_of(kind):
    thing = BOTH[kind]()
    return Original(type(thing), recipes(thing))


def late_one(kind):
    kept = kept_of(kind)
    return late(kept), kept


@pytest.mark.parametrize("look", LOOKS_AT_MODELS)
@pytest.mark.parametrize("kind", BOTH)
def test_late_model_looks_like_any_other(kind, look):
    """Whoever looks, however he looks, sees the model; and the original stays as it was."""
    made, kept = late_one(kind)
    plain = BOTH[kind]()
    assert original_of(made) is kept
    assert LOOKS_AT_MODELS[look](made) == LOOKS_AT_MODELS[look](plain)
    assert outline(made) == outline(plain)
    assert outline(kept.model) == outline(BOTH[kind]())
    assert type(made) is type(plain)


def test_late_model_is_not_made_for_what_cannot_change():
    """Names, numbers and lists without anything in them need no model of one's own."""
    made, kept = late_one("properties")
    name, date, none = made.backend_name, made.last_update_date, [made.faulty_qubits(), made.faulty_gates()]
    assert (name, date, none) == (kept.model.backend_name, kept.model.last_update_date, [[], []])
    assert original_of(made) is kept
    ask = made.faulty_gates
    made.gates[0].parameters.clear()
    assert original_of(made) is None
    assert made.gates[0].parameters == []
    made.gates.append(faulty := copy.deepcopy(made.gates[1]))
    made._gates[faulty.gate][tuple(faulty.qubits)]["operational"] = (0, None)
    assert ask() == made.faulty_gates() != []


def test_late_model_makes_what_is_looked_at_and_keeps_it():
    """The rest is made when somebody looks at it as a whole, in the order that the client gave it."""
    made, kept = late_one("configuration")
    coupling = made.coupling_map
    coupling.clear()
    assert made.coupling_map is coupling
    assert object.__getattribute__(made, "__dict__").keys() == {"_qsession_original", "coupling_map"}
    assert original_of(made) is None
    assert list(vars(made)) == list(vars(kept.model))
    assert made.coupling_map is coupling
    assert kept.model.coupling_map


def test_faulty_gates_are_ones_own():
    """Where there are any, they are parts of the properties that one has."""
    raw = json.loads(PROPERTIES)
    gate = next(gate for gate in raw["gates"] if gate["gate"] == "cx")
    gate["parameters"].append(gate["parameters"][0] | {"name": "operational", "value": 0})
    with shared():
        backend(json.dumps(raw)).properties()
        first, second = backend(json.dumps(raw)), backend(json.dumps(raw))
        assert tuple(gate["qubits"]) not in first.target["cx"]
        (found,) = first.properties().faulty_gates()
        assert any(found is each for each in first.properties().gates)
        found.qubits.clear()
        assert second.properties().faulty_gates()[0].qubits == gate["qubits"]


def test_late_model_is_made_once_for_all_threads():
    """Whoever comes first makes it; all see the same parts."""
    made, _ = late_one("properties")
    start = threading.Barrier(8)

    def look(_):
        start.wait()
        return id(made.gates), id(made.qubits)

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(look, range(8)))) == 1


def test_target_needs_no_models():
    """The client only reads them; afterwards both are still there to be looked at."""
    with shared():
        backend().properties()
        made = backend()
        vars(made)["_configuration"] = late(kept := kept_of("configuration"))
        alone = convert_to_target(BOTH["configuration"](), unshared())
        assert set(made.target.operation_names) == set(alone.operation_names)
        assert original_of(made.properties()) is not None
        assert original_of(made.configuration()) is kept


def test_configuration_is_parsed_once_for_two_runs(monkeypatch, tmp_path):
    """The second test with the same device does not pay for it again, and cannot be reached by the first."""
    parsed = []
    original = QasmBackendConfiguration.from_dict
    monkeypatch.setattr(
        QasmBackendConfiguration, "from_dict", lambda data: parsed.append(1) or original(data)
    )
    found = []
    for number in range(3):
        with qsession.record(tmp_path / f"{number}.yaml", target="emulator") as run:
            device = run.service().backend("ibm_fez")
            found.append(outline(device.configuration()))
            ruin(device.configuration())
            raw = device.service._active_api_client.backend_configuration("ibm_fez")
            assert type(raw) is dict
            assert json.loads(json.dumps(raw))["backend_name"] == "ibm_fez"
            again = run.service().backend("ibm_fez")
            again.refresh()
            assert outline(again.configuration()) == found[0]
    assert found[0] == found[1] == found[2]
    assert len(parsed) == 1


DATES = st.datetimes(timezones=st.just(datetime.UTC))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | DATES
KEYS = st.text(max_size=3) | st.integers() | st.tuples(st.integers(), st.integers())
THINGS = st.recursive(
    LEAVES | st.tuples(LEAVES, DATES),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(KEYS, below, max_size=3)
        | st.builds(Nduv, DATES, st.text(max_size=3), st.text(max_size=3), below)
        | st.lists(st.builds(Nduv, DATES, st.text(max_size=3), st.just("us"), st.floats(0, 1)), max_size=3)
        | st.builds(
            GateProperties,
            st.lists(st.integers(), max_size=2),
            st.text(max_size=3),
            st.lists(below, max_size=2),
        )
    ),
    max_leaves=8,
)


def recipe(thing):
    """How to make a thing again that is part of a model."""
    found = recipes(Nduv(None, "T1", "us", thing))
    return found and found["value"]


@given(THINGS)
def test_recipe_makes_the_same_and_shares_nothing(thing):
    """For anything that the client's models can hold."""
    make = recipe(thing)
    if make is None:  # something of it stands in two places
        places = [id(each) for _, each in walk(thing) if not isinstance(each, ATOMS)]
        assert len(set(places)) < len(places)
        return
    first, second = make(), make()
    expected = outline(thing)
    assert outline(first) == outline(second) == expected
    assert not set(changeable(first)) & set(changeable(second))
    assert not set(changeable(first)) & set(changeable(thing))
    ruin(thing)
    assert outline(make()) == expected


class Foreign:
    pass


@pytest.mark.parametrize(
    "thing",
    [Foreign(), [Foreign()], {"a": {1}}, ([],), {Foreign: 1}, type("Text", (str,), {})("a"), lambda: 1],
)
def test_recipe_of_something_unknown_is_none(thing):
    """What is not known is not copied by guess."""
    assert recipe(thing) is None


def test_recipe_of_one_thing_in_two_places_is_none():
    """A copy would make two of it."""
    one = []
    assert recipe([one, one]) is None
    assert recipe({"a": [one], "b": one}) is None
    point = Nduv(None, "T1", "us", 1.0)
    assert recipe([point, point]) is None
    assert recipe({"a": point, "b": [point]}) is None


def test_deepcopy_of_a_configuration_that_was_looked_into_is_pythons_own():
    """A test may have hung something onto it."""
    configuration, _ = late_one("configuration")
    configuration.extra = {"a": [1 + 2j, (1, [2])], "b": Foreign()}
    with shared():
        made = ibm_backend.deepcopy(configuration)
    assert made.extra["a"] == configuration.extra["a"]
    assert type(made.extra["b"]) is Foreign
    assert not set(changeable(made)) & set(changeable(configuration))


def test_deepcopy_with_a_memo_is_pythons_own():
    """The memo says what was copied already."""
    memo = {}
    with shared():
        made = ibm_backend.deepcopy(late_one("configuration")[0], memo)
    assert any(each is made for each in memo.values())


LOOKS = {
    "get": lambda it: it.get("a"),
    "item": lambda it: it["a"],
    "in": lambda it: "a" in it,
    "len": len,
    "list": list,
    "dict": dict,
    "star": lambda it: {**it},
    "or": lambda it: it | {"b": 1},
    "ror": lambda it: {"b": 1} | it,
    "equal": lambda it: it == {"a": [1], "n": "x"},
    "items": lambda it: list(it.items()),
    "repr": repr,
    "copy": lambda it: it.copy(),
    "copy.copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda it: pickle.loads(pickle.dumps(it)),
    "reversed": lambda it: list(reversed(it)),
    "pop": lambda it: it.pop("a"),
    "setdefault": lambda it: it.setdefault("a", 2),
    "bool": bool,
}


@pytest.mark.parametrize("name", LOOKS)
def test_unread_object_looks_like_any_other(name):
    """Whoever looks, however it looks, sees the object."""
    unread = Unread(b"", lambda: {"a": [1]})
    unread["n"] = "x"
    assert LOOKS[name](unread) == LOOKS[name]({"a": [1], "n": "x"})


def test_unread_object_is_parsed_once():
    """What was changed after the first look stays changed."""
    parsed = []
    unread = Unread(b"", lambda: parsed.append(1) or {"a": 1})
    unread["a"] = 2
    assert unread == {"a": 2}
    del unread["a"]
    assert not unread
    assert len(parsed) == 1


def test_certificates_are_read_when_they_are_asked_for(monkeypatch):
    """A connection that nobody opens needs none."""
    with shared():
        adapter = sdk.SSLHTTPAdapter()
    context = adapter.poolmanager.connection_pool_kw["ssl_context"]
    plain = ssl.create_default_context(cafile=certifi.where())
    assert ssl.SSLContext.cert_store_stats(context)["x509"] == 0
    assert context.cert_store_stats() == plain.cert_store_stats()
    assert context.get_ca_certs() == plain.get_ca_certs()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_certificates_are_there_for_a_connection():
    """Before the first byte of a handshake."""
    with shared():
        context = sdk.create_urllib3_context()
    assert isinstance(context, LateContext)
    context.load_verify_locations(certifi.where())
    context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="example.com")
    assert ssl.SSLContext.cert_store_stats(context)["x509"] > 50


def test_file_of_certificates_that_is_missing_is_an_error_at_once(tmp_path):
    """As it was: a wrong name is found where it is written."""
    with shared():
        context = sdk.create_urllib3_context()
    with pytest.raises(FileNotFoundError):
        context.load_verify_locations(str(tmp_path / "none.pem"))
