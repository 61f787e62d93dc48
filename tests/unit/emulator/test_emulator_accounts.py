from __future__ import annotations

import base64
import json

import pytest
from emulator_caller import GRANT, T0

from qsession._model import SECOND
from qsession.emulator import Instance
from qsession.emulator._instances import fake_crn

IAM = "https://iam.cloud.ibm.com/identity/token"
SEARCH = "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search?limit=100"
CATALOG = "https://globalcatalog.cloud.ibm.com/api/v1/"
RESOURCES = "https://resource-controller.cloud.ibm.com/v2/resource_instances"
FIELDS = ["crn", "service_plan_unique_id", "name", "doc", "tags"]
TWO = (
    Instance(fake_crn(1), "first", "Premium", "paid", "us-east", ("a", "b")),
    Instance(fake_crn(2, region="eu-de"), "second", "Open", "free", "eu-de"),
)


def token(caller, key="key", *, at=0.0):
    return caller.send("POST", IAM, f"{GRANT}&apikey={key}".encode(), at=at)


def test_token_is_a_jwt_with_its_times(caller):
    """IAM's token decodes, and says when it was made and when it ends."""
    answer = json.loads(token(caller, at=2.5).body)
    head, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in answer["access_token"].split("."))
    assert json.loads(head) == {"alg": "HS256", "typ": "JWT"}
    issued = T0 // SECOND + 2
    assert (json.loads(claims)["iat"], json.loads(claims)["exp"]) == (issued, issued + 3600)
    assert (answer["expires_in"], answer["expiration"], answer["token_type"]) == (
        3600,
        issued + 3600,
        "Bearer",
    )


def test_token_for_a_wrong_key_is_refused(make_caller):
    """Where one key is set, IAM takes no other."""
    caller = make_caller(api_key="right")
    assert token(caller, "right").status == 200
    wrong = token(caller, "wrong")
    assert wrong.status == 400
    assert json.loads(wrong.body) == {
        "errorCode": "BXNIM0415E",
        "errorMessage": "Provided API key could not be found.",
    }


def test_token_without_key_is_refused(caller):
    """An empty key gets no token."""
    assert token(caller, "").status == 400


def test_token_for_another_grant_is_refused(caller):
    """IAM emulates the grant of an API key only."""
    answer = caller.send("POST", IAM, b"grant_type=urn%3Aother&apikey=k")
    assert json.loads(answer.body)["errorCode"] == "BXNIM0106E"


def test_search_lists_the_instances(make_caller):
    """Global Search gives what the client reads of each instance."""
    caller = make_caller(instances=TWO)
    found = caller.json("POST", SEARCH, {"query": "service_name:quantum-computing", "fields": FIELDS})
    assert found["search_cursor"] is None
    assert [(i["crn"], i["name"], i["tags"]) for i in found["items"]] == [
        (TWO[0].crn, "first", ["a", "b"]),
        (TWO[1].crn, "second", []),
    ]
    assert all(item["doc"]["extensions"] for item in found["items"])


def test_search_pages_with_a_cursor(make_caller):
    """With a small limit the cursor of one page leads to the next."""
    caller = make_caller(instances=TWO)
    first = caller.json("POST", SEARCH.replace("100", "1"), {})
    second = caller.json("POST", SEARCH.replace("100", "1"), {"search_cursor": first["search_cursor"]})
    assert [i["name"] for i in first["items"] + second["items"]] == ["first", "second"]
    assert second["search_cursor"] is None


@pytest.mark.parametrize("instance", TWO, ids=["premium", "open"])
def test_catalog_names_plan_and_pricing(make_caller, instance):
    """The catalog knows the plan that search names."""
    entry = make_caller(instances=TWO).json("GET", CATALOG + instance.plan_id)
    assert entry["overview_ui"]["en"]["display_name"] == instance.plan
    assert entry["metadata"]["pricing"]["type"] == instance.pricing_type


def test_catalog_of_an_unknown_plan_is_404(caller):
    """The catalog has no other entries."""
    assert caller.refusal("GET", CATALOG + "nothing")[0] == 404


def test_resources_are_found_by_name(make_caller):
    """The resource controller resolves a name to its CRN, and an unknown one to nothing."""
    caller = make_caller(instances=TWO)
    found = caller.json("GET", f"{RESOURCES}?name=second")
    assert (found["rows_count"], [r["crn"] for r in found["resources"]]) == (1, [TWO[1].crn])
    assert caller.json("GET", f"{RESOURCES}?name=other")["rows_count"] == 0


def test_resource_is_found_by_crn(make_caller):
    """One resource is fetched by its percent-encoded CRN; another is 404."""
    caller = make_caller(instances=TWO)
    path = f"{RESOURCES}/{TWO[0].crn.replace('/', '%2F')}"
    assert caller.json("GET", path)["name"] == "first"
    assert caller.refusal("GET", f"{RESOURCES}/other")[0] == 404


def test_versions_need_no_token(caller):
    """The list of API versions is public and names the live one."""
    caller.headers.pop("authorization")
    assert caller.json("GET", "/versions")["versions"][-1] == {"version": "2026-04-15", "status": "live"}


def test_usage_of_a_fresh_instance_is_zero(caller):
    """Usage carries the required fields and no limit on a paid plan."""
    usage = caller.json("GET", "/instances/usage")
    own = caller.emulator.instances[0]
    assert usage == {"instance_id": own.crn, "plan_id": own.plan_id, "usage_consumed_seconds": 0.0}


def test_usage_counts_sessions_and_single_jobs(caller, bell):
    """A closed session counts with its wall clock, a job outside any with its run."""
    session = caller.session()
    caller.job([[bell, None, 10]], session_id=session)
    caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False}, at=2)
    caller.job([[bell, None, 10]], at=3)
    assert caller.json("GET", "/instances/usage", at=9)["usage_consumed_seconds"] == 1.8 + 0.3


def test_usage_on_the_open_plan_has_its_limit(make_caller):
    """The open plan's 600 seconds are named, and whether they are used up."""
    usage = make_caller(instances=TWO[1:]).json("GET", "/instances/usage")
    assert (usage["usage_limit_seconds"], usage["usage_limit_reached"]) == (600, False)
