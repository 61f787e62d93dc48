"""Instances and tokens made to fit whoever asks."""

import json
from urllib.parse import quote

import jwt
import pytest
import requests
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.exceptions import IBMInputValueError

import qsession
from qsession._discovery import Discovery, fake_crn, mint_token
from qsession._endpoints import identify
from qsession._model import SECOND, Asked, InstanceShape, Request
from qsession.emulator import Emulator, Instance
from qsession.errors import ReplayMismatch

SEARCH = Request("POST", "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search?limit=100")
OTHER = "crn:v1:bluemix:public:quantum-computing:eu-de:a/11112222333344445555666677778888:my-own::"


def items(discovery):
    return json.loads(discovery.answer(identify(SEARCH), 0).body)["items"]


def plan_of(discovery, item):
    url = f"https://globalcatalog.cloud.ibm.com/api/v1/{item['service_plan_unique_id']}"
    return json.loads(discovery.answer(identify(Request("GET", url)), 0).body)


def test_discovery_without_shapes_has_one_instance():
    """A recording that never used an instance still lets a service be made."""
    assert [item["crn"] for item in items(Discovery(()))] == [fake_crn(0, "us-east")]


@pytest.mark.parametrize(
    "asked",
    [
        Asked(crn=OTHER),
        Asked(name="lab"),
        Asked(region="eu-de"),
        Asked(plans=("Open", "premium")),
        Asked(tags=("Team-A", "b")),
        Asked(region="eu-de", plans=("flex",), tags=("x",)),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_ask_makes_an_instance_that_fits(asked, late):
    """Whatever is asked for is listed afterwards, also when the list was given out before."""
    discovery = Discovery(
        [InstanceShape("premium", "paid", "us-east"), InstanceShape("internal", "free", "us-east")]
    )
    before = items(discovery) if late else []
    discovery.ask(asked)
    after = items(discovery)
    assert any(
        asked.crn in (None, item["crn"])
        and asked.name in (None, item["name"])
        and (asked.region or "") in item["crn"]
        and {tag.lower() for tag in asked.tags} <= set(item["tags"])
        and (
            not asked.plans
            or plan_of(discovery, item)["overview_ui"]["en"]["display_name"]
            in {p.lower() for p in asked.plans}
        )
        for item in after
    )
    assert all(item in after for item in before)


def test_index_of_maps_every_listed_crn_to_a_recorded_instance():
    """An instance made to fit stands for the first recorded one."""
    discovery = Discovery([InstanceShape(), InstanceShape(region="eu-de")])
    discovery.ask(Asked(crn=OTHER))
    assert [discovery.index_of(item["crn"]) for item in items(discovery)] == [0, 1]
    assert discovery.index_of("crn:unknown") == 0


def test_instances_that_were_not_used_are_not_listed():
    """Whoever asks for nothing special gets the instance that the recording worked with."""
    discovery = Discovery([InstanceShape(used=False), InstanceShape(region="eu-de")])
    assert [item["crn"] for item in items(discovery)] == [fake_crn(1, "eu-de")]
    assert discovery.index_of("crn:unknown") == 1
    assert discovery.default_crn == fake_crn(1, "eu-de")


def test_instance_that_nobody_knows_stands_for_one_of_its_region():
    """Whoever replays has another account: what tells its instances apart is where they are."""
    shapes = [InstanceShape("premium", region="eu-de"), InstanceShape("internal", region="us-east")]
    american = OTHER.replace("eu-de", "us-east")
    assert Discovery(shapes).index_of(american) == 1
    asked = Discovery(shapes)
    asked.ask(Asked(crn=american))
    assert [plan_of(asked, item)["overview_ui"]["en"]["display_name"] for item in items(asked)] == [
        "premium",
        "internal",
    ]
    assert [asked.index_of(item["crn"]) for item in items(asked)] == [0, 1]


def test_instance_of_a_region_that_was_not_recorded_stands_for_the_next():
    """There is nothing better."""
    shapes = [InstanceShape(region="eu-de", alias="a" * 12), InstanceShape(region="us-east")]
    assert Discovery(shapes).index_of(OTHER.replace("eu-de", "jp-tok")) == 0


def test_default_crn_is_none_when_several_instances_were_used():
    """An account that stands in must then not choose one."""
    assert Discovery([InstanceShape()]).default_crn == fake_crn(0, "us-east")
    assert Discovery([InstanceShape(), InstanceShape()]).default_crn is None


def test_mint_token_is_a_token_that_the_sdk_reads():
    """The SDK decodes iat and exp and verifies no signature."""
    at = 1_800_000_000 * SECOND
    claims = jwt.decode(mint_token(at), options={"verify_signature": False})
    assert (claims["iat"], claims["exp"]) == (1_800_000_000, 1_800_003_600)


def test_answer_other_calls_are_left_to_others():
    """Discovery answers nothing of the quantum service's own."""
    call = identify(Request("GET", "https://quantum.cloud.ibm.com/api/v1/backends"))
    assert Discovery(()).answer(call, 0) is None


def test_resource_controller_finds_by_name():
    """The client resolves names through it in some paths."""
    discovery = Discovery(())
    discovery.ask(Asked(name="lab"))
    url = "https://resource-controller.cloud.ibm.com/v2/resource_instances?name="
    found = json.loads(discovery.answer(identify(Request("GET", url + "lab")), 0).body)
    assert found["rows_count"] == 1
    assert found["resources"][0]["crn"] == fake_crn(0, "us-east")
    assert json.loads(discovery.answer(identify(Request("GET", url + "other")), 0).body)["rows_count"] == 0


@pytest.mark.parametrize(
    "wish",
    [
        {"instance": "no-such-name"},
        {"instance": OTHER},
        {"region": "eu-de"},
        {"plans_preference": ["flex"]},
        {"tags": ["nobody-has-it"]},
    ],
    ids=lambda wish: next(iter(wish)) + str(wish)[-12:-2],
)
def test_service_that_the_account_refused_is_refused_again(tmp_path, wish):
    """An emulator with an account of its own says no, as the service does, and so does the replay."""
    instance = Instance(fake_crn(7, "us-east"), name="team", plan="premium")

    def body():
        wishes = {"token": "not-a-real-key", "channel": "ibm_quantum_platform"}
        with pytest.raises(IBMInputValueError) as caught:
            QiskitRuntimeService(**wishes, **wish)
        fine = QiskitRuntimeService(**wishes, instance="team")
        assert fine.backend("ibm_fez").name == "ibm_fez"
        return str(caught.value)

    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator", emulator=Emulator(instances=[instance])):
        said = body()
    with qsession.replay(path):
        assert body() == said
    assert "no-such-name" not in path.read_text("utf-8")
    assert OTHER not in path.read_text("utf-8")


def test_service_by_name_in_a_call_is_refused_again(tmp_path):
    """The client looks up a name also when backends are asked for."""
    instances = [Instance(fake_crn(7, "us-east"), name="team"), Instance(fake_crn(8, "eu-de"), name="other")]

    def body():
        service = QiskitRuntimeService(token="not-a-real-key", channel="ibm_quantum_platform")
        with pytest.raises(IBMInputValueError):
            service.backends(instance="no-such-name")

    path = tmp_path / "a.yaml"
    with qsession.record(path, target="emulator", emulator=Emulator(instances=instances)):
        body()
    with qsession.replay(path):
        body()


def test_account_of_a_given_emulator_stands_in(tmp_path):
    """Where the machine has no account, the emulator's own key and only instance are used."""
    instance = Instance(fake_crn(7, "us-east"), name="team")
    emulator = Emulator(instances=[instance], api_key="not-a-real-key")
    with qsession.record(tmp_path / "a.yaml", target="emulator", emulator=emulator) as run:
        assert run.service().active_instance() == instance.crn


def test_instance_is_told_by_its_crn_where_it_was_recorded(tmp_path):
    """The resource controller names the instance of whoever asks; one that nobody recorded is refused."""
    path = tmp_path / "a.yaml"
    url = "https://resource-controller.cloud.ibm.com/v2/resource_instances/"
    headers = {"Authorization": "Bearer a.b.c"}
    for mode in (qsession.record(path, target="emulator"), qsession.replay(path)):
        with mode:
            told = requests.get(url + quote(OTHER, safe=""), headers=headers, timeout=5).json()
            assert told == {"id": OTHER, "crn": OTHER, "name": "instance-1"}
    with qsession.record(path, target="emulator") as run:
        run.service()
    with pytest.raises(ReplayMismatch), qsession.replay(path):
        requests.get(url + quote(OTHER, safe=""), headers=headers, timeout=5)
