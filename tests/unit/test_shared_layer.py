"""The layer of a folder: what all tests of it read in common."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qsession._endpoints import identify
from qsession._layer import Shared, found_above, layer_path
from qsession._model import InstanceShape, Interaction, Provenance, Recording, Request, Response
from qsession._noted import Noted
from qsession._redaction import Redactor
from qsession._store import Store
from qsession.errors import CassetteError

BASE = "https://quantum.cloud.ibm.com/api/v1"
START = 1_000_000
BACKENDS, FEZ, TORINO = "/backends", "/backends/ibm_fez/configuration", "/backends/ibm_torino/configuration"
NAMES = {BACKENDS: "backends.list", FEZ: "backends.configuration", TORINO: "backends.configuration"}


def read(path, answer=0, *, at=5, instance=0, status=200):
    request = Request("GET", BASE + path, {"accept": "application/json"}, b"")
    response = Response(
        status, "OK", {"content-type": "application/json"}, json.dumps({"n": answer}).encode()
    )
    endpoint = NAMES.get(path, "jobs.list")
    return Interaction(endpoint, instance, request, response, at=at, took=3, last=at)


def recorded(*interactions, target="emulator", instances=None, at=START):
    instances = instances or (InstanceShape(),)
    return Recording(Provenance(target, at, versions={"qsession": "0"}, instances=instances), interactions)


@pytest.fixture
def new(tmp_path):
    """Makes an object for the layer, as another process would have it."""
    return lambda **more: Shared(Store(tmp_path / "cassettes", tmp_path / "scratch"), "emulator", **more)


@pytest.fixture
def layer(new):
    return new(begins=START)


def settle(layer, *interactions, **more):
    """What stays a recording's own."""
    return layer.settle(recorded(*interactions, **more), Redactor())


def asked(layer, path):
    request = Request("GET", BASE + path, {}, b"")
    found = layer.read(identify(request), request)
    return None if found is None else json.loads(found.response.body)["n"]


def test_what_is_read_in_common_goes_to_the_layer(layer):
    """The rest stays, in its order."""
    own = read("/jobs", at=7)
    assert list(settle(layer, read(BACKENDS), own, read(FEZ, 1, at=9))) == [own]
    assert (asked(layer, BACKENDS), asked(layer, FEZ)) == (0, 1)
    assert asked(layer, TORINO) is None
    assert [(each.at, each.last, each.seen) for each in layer.recorded()] == [(0, 0, 1)] * 2


def test_recording_with_nothing_in_common_writes_nothing(layer):
    """A folder whose tests never look at a backend has no such layer."""
    own = read("/jobs")
    assert list(settle(layer, own)) == [own]
    assert not layer.path.exists()
    assert (layer.provenance, list(layer.recorded()), list(layer.contents())) == (None, [], [])


def test_other_answer_than_the_layers_stays_own(layer):
    """The first that was recorded is what tests have in common."""
    settle(layer, read(BACKENDS, 1))
    other = read(BACKENDS, 2)
    assert list(settle(layer, other)) == [other]
    assert asked(layer, BACKENDS) == 1


def test_answers_that_changed_meanwhile_stay_own(layer):
    """Which of them came when is the test's."""
    changing = [read(BACKENDS, 1, at=1), read(BACKENDS, 2, at=2)]
    assert list(settle(layer, *changing)) == changing
    assert asked(layer, BACKENDS) is None


def test_equal_answers_are_taken_together(layer):
    """However often a test asked."""
    assert list(settle(layer, read(FEZ, at=1), read(FEZ, at=2))) == []
    assert len(layer.recorded()) == 1


def test_refusal_stays_own(layer):
    """It tells nothing of the devices."""
    refused = read(FEZ, status=404)
    assert list(settle(layer, refused)) == [refused]


def test_other_process_sees_what_was_added(layer, new):
    """The file is looked at again once it changed."""
    other = new()
    assert asked(other, FEZ) is None
    settle(layer, read(FEZ, 1))
    assert asked(other, FEZ) == 1
    settle(layer, read(TORINO, 2))
    assert asked(other, TORINO) == 2


def test_whole_recording_replaces_each_entry_once(layer, new, tmp_path):
    """Where all tests are recorded anew, devices are as they are now; what then differs stays own."""
    settle(layer, read(FEZ, 1), read(TORINO, 1))
    anew = new(renewed=Noted(None, tmp_path))
    assert list(settle(anew, read(FEZ, 2))) == []
    late = read(FEZ, 3)
    assert list(settle(anew, late)) == [late]
    assert (asked(anew, FEZ), asked(anew, TORINO)) == (2, 1)


def test_instances_are_told_apart_by_what_they_are(layer):
    """The number of one is of its recording only."""
    one, other = InstanceShape(alias="one"), InstanceShape(alias="other", plan="open")
    settle(layer, read(FEZ, 1, instance=0), read(FEZ, 2, instance=1), instances=(one, other))
    before = layer.path.read_bytes()
    assert list(settle(layer, read(FEZ, 2, instance=0), instances=(other,))) == []
    assert layer.path.read_bytes() == before
    stays = read(FEZ, 1, instance=0)
    assert list(settle(layer, stays, instances=(other,))) == [stays]


def test_reads_are_noted(layer):
    """So that the block can say what nobody reads any more."""
    settle(layer, read(FEZ), read(TORINO))
    assert layer.read_here == set()
    asked(layer, FEZ)
    assert layer.read_here == {"GET /backends/ibm_fez/configuration"}
    assert list(layer.contents()) == [
        "GET /backends/ibm_fez/configuration",
        "GET /backends/ibm_torino/configuration",
    ]


def test_layer_that_cannot_be_read_is_left_as_it_is(layer):
    """It is an error each time, not an empty layer."""
    layer.path.parent.mkdir(parents=True)
    layer.path.write_text("what is this\n", "utf-8")
    for _ in range(2):
        with pytest.raises(CassetteError, match="QS202"):
            asked(layer, FEZ)
    with pytest.raises(CassetteError, match="QS202"):
        settle(layer, read(FEZ))
    assert layer.path.read_text("utf-8") == "what is this\n"


def test_layer_is_found_above_a_cassette(layer, tmp_path):
    """For whoever replays a cassette of pytest by its path."""
    cassette = tmp_path / "cassettes" / "test_it" / "test_a.yaml"
    assert found_above(cassette, "emulator", tmp_path / "scratch") is None
    settle(layer, read(FEZ, 4))
    found = found_above(cassette, "emulator", tmp_path / "scratch")
    assert asked(found, FEZ) == 4
    assert found_above(cassette, "ibm", tmp_path / "scratch") is None


def test_targets_have_layers_of_their_own(tmp_path):
    """What one says is nothing to recordings of the other."""
    assert [layer_path(tmp_path, target).name for target in ("ibm", "emulator")] == [
        "@ibm.yaml",
        "@emulator.yaml",
    ]


READS = st.lists(st.sampled_from([BACKENDS, FEZ, TORINO, "/jobs"]), max_size=5)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(READS, min_size=1, max_size=4).flatmap(
        lambda them: st.tuples(st.just(them), st.permutations(them))
    )
)
def test_layer_is_the_same_in_whatever_order_recordings_are_settled(tmp_path_factory, orders):
    """To the byte: who asked first is chance."""
    texts = []
    for order in orders:
        folder = tmp_path_factory.mktemp("layer")
        layer = Shared(Store(folder, folder / "scratch"), "emulator", begins=START)
        for number, paths in enumerate(order):
            recording = recorded(*(read(path, at=at) for at, path in enumerate(paths)), at=START + number)
            own = layer.settle(recording, Redactor())
            assert [each.endpoint for each in own] == ["jobs.list"] * paths.count("/jobs")
        texts.append(layer.path.read_bytes() if layer.path.exists() else b"")
    assert texts[0] == texts[1]


def test_layer_loses_nothing_of_many_that_settle_at_once(new):
    """Each adds to what the others wrote."""
    paths = [f"/backends/ibm_{number}/configuration" for number in range(12)]

    def add(path):
        layer = new(begins=START)
        common = Interaction(
            "backends.configuration",
            0,
            Request("GET", BASE + path, {}, b""),
            Response(200, "OK", {}, b"{}"),
            at=0,
            took=1,
        )
        assert list(settle(layer, common)) == []

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, paths))
    assert len(new().recorded()) == len(paths)
