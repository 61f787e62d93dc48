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


def test_token_for_a_form_of_megabytes_is_refused(caller):
    """Its fields would fill the memory; one that is just short enough is read."""
    start = f"{GRANT}&apikey=".encode()
    assert caller.send("POST", IAM, start + b"k" * (64_000 - len(start))).status == 200
    assert caller.refusal("POST", IAM, start + b"k" * (64_001 - len(start))) == (
        413,
        {"code": 5302, "message": "Request payload exceeded the maximum size."},
    )


@pytest.mark.parametrize("host", ["http://127.0.0.1:8000", "http://localhost", "https://iam.cloud.ibm.com"])
def test_token_is_refreshed_under_any_name(make_caller, host):
    """Whoever asks a server for a path of IAM means IAM, whatever the body says."""
    caller = make_caller(strict=True, api_key="k")
    form = f"{GRANT}&apikey=k".encode()
    first = caller.json("POST", f"{host}/identity/token", form, authorization="Basic eDp5")
    again = f"grant_type=refresh_token&refresh_token={first['refresh_token']}".encode()
    second = caller.json("POST", f"{host}/identity/token", again, authorization="Basic eDp5")
    assert second["token_type"] == "Bearer"
    assert caller.send("POST", f"{host}/identity/token", b"").status == 400


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


def test_search_gives_the_fields_asked_for(make_caller):
    """Plain fields unless others are asked for, and always the CRN."""
    caller = make_caller(instances=TWO)
    (plain, _) = caller.json("POST", SEARCH, {})["items"]
    assert plain == {
        "crn": TWO[0].crn,
        "name": "first",
        "account_id": "0" * 32,
        "type": "resource-instance",
        "family": "resource_controller",
    }
    assert [sorted(i) for i in caller.json("POST", SEARCH, {"fields": ["tags"]})["items"]] == [
        ["crn", "tags"]
    ] * 2
    assert set(caller.json("POST", SEARCH, {"fields": ["*"]})["items"][0]) > set(FIELDS)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["first", "second"]),
        ("service_name:quantum-computing", ["first", "second"]),
        ("service_name:other", []),
        ("name:first", ["first"]),
        ('name:"second" AND region:eu-de', ["second"]),
        ("name:F*", ["first"]),
        ("tags:b AND service_name:quantum-computing", ["first"]),
        ("family:resource_controller AND region:us-east AND name:second", []),
        ("nothing:x", []),
    ],
)
def test_search_finds_by_terms(make_caller, query, names):
    """Terms of field and value, joined by AND, wildcards included."""
    found = make_caller(instances=TWO).json("POST", SEARCH, {"query": query})
    assert [item["name"] for item in found["items"]] == names


@pytest.mark.parametrize(
    "body",
    [
        {"query": "name:a OR name:b"},
        {"query": "(name:a)"},
        {"query": "first"},
        {"query": "name:a AND"},
        {"query": 1},
        {"fields": "name"},
        {"fields": [1]},
        {"search_cursor": "x"},
        {"search_cursor": 5},
        {"search_cursor": "bm9uZQ=="},
        {"search_cursor": base64.b64encode(b'["",[],1e400]').decode()},
        {"search_cursor": base64.b64encode(b'["",[],NaN]').decode()},
        {"search_cursor": base64.b64encode(b'["",[]]').decode()},
        {"query": "name:" + "x" * 9_996},
        {"query": " " * 10_001},
    ],
)
def test_search_refuses_what_it_does_not_understand(caller, body):
    """A query beyond terms and AND, malformed fields and foreign cursors are 400, not ignored."""
    assert caller.refusal("POST", SEARCH, body)[0] == 400


@pytest.mark.parametrize("limit", ["0", "1001", "x", "-1", ""])
def test_search_refuses_limits_out_of_range(caller, limit):
    """A limit is a number from 1 to 1000."""
    assert caller.refusal("POST", SEARCH.replace("100", limit), {})[0] == 400


def test_search_gives_ten_unless_asked_for_more(make_caller):
    """The default page of the client's SDK."""
    caller = make_caller(instances=tuple(Instance(fake_crn(n), f"i{n}") for n in range(12)))
    first = caller.json("POST", SEARCH.partition("?")[0], {"query": "name:i*", "fields": ["name"]})
    second = caller.json(
        "POST", SEARCH.partition("?")[0], {"query": "name:ignored", "search_cursor": first["search_cursor"]}
    )
    assert [len(page["items"]) for page in (first, second)] == [10, 2]
    assert second["items"][0] == {"crn": fake_crn(10), "name": "i10"}


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


def test_catalog_keeps_an_archived_plan_to_itself(make_caller):
    """The entry of an archived plan is 403, which the client takes for an unknown plan."""
    caller = make_caller(instances=(Instance(fake_crn(1), archived=True), Instance(fake_crn(2), "b")))
    old, own = caller.emulator.instances
    assert caller.refusal("GET", CATALOG + old.plan_id) == (
        403,
        {"code": "forbidden", "message": "The catalog entry is archived."},
    )
    assert caller.json("GET", CATALOG + own.plan_id)["overview_ui"]["en"]["display_name"] == "Premium"


def test_catalog_has_an_entry_for_each_plan(make_caller):
    """Equal plans share an entry, different ones do not."""
    plans = [("A", "paid"), ("A", "paid"), ("A", "trial"), ("B", "paygo")]
    own = tuple(Instance(fake_crn(n), f"i{n}", plan, price) for n, (plan, price) in enumerate(plans))
    caller = make_caller(instances=own)
    assert len({instance.plan_id for instance in own}) == 3
    for instance in own:
        entry = caller.json("GET", CATALOG + instance.plan_id)
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


def path_of(instance: Instance) -> str:
    return f"{RESOURCES}/{instance.crn.replace('/', '%2F')}"


def test_resource_can_be_renamed(make_caller):
    """A new name is found by everybody who looks for instances."""
    caller = make_caller(instances=TWO)
    assert caller.json("PATCH", path_of(TWO[0]), {"name": "third"})["name"] == "third"
    assert caller.json("GET", f"{RESOURCES}?name=third")["rows_count"] == 1
    assert caller.json("POST", SEARCH, {"query": "name:third"})["items"][0]["crn"] == TWO[0].crn
    assert caller.emulator.instances[0].name == "third"


def test_resource_has_its_limits_set(make_caller):
    """Limit and allocation are strings of digits, null takes them away."""
    caller = make_caller(instances=TWO)
    parameters = {"instance_limit_seconds": "90", "usage_allocation_seconds": "60"}
    assert caller.json("PATCH", path_of(TWO[0]), {"parameters": parameters})["parameters"] == parameters
    caller.headers["service-crn"] = TWO[0].crn
    usage = caller.json("GET", "/instances/usage")
    assert (usage["usage_limit_seconds"], usage["usage_allocation_seconds"]) == (90, 60)
    gone = caller.json("PATCH", path_of(TWO[0]), {"parameters": dict.fromkeys(parameters)})
    assert "parameters" not in gone
    assert "usage_limit_seconds" not in caller.json("GET", "/instances/usage")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "second"},
        {"name": ""},
        {"name": 3},
        {"parameters": []},
        {"parameters": {"instance_limit_seconds": 90}},
        {"parameters": {"instance_limit_seconds": "-1"}},
        {"parameters": {"usage_allocation_seconds": "9" * 11}, "name": "new"},
    ],
)
def test_resource_refuses_malformed_changes_and_keeps_the_old(make_caller, body):
    """A name that another has, or a number that is none, changes nothing at all."""
    caller = make_caller(instances=TWO)
    assert caller.refusal("PATCH", path_of(TWO[0]), body)[0] == 400
    assert caller.emulator.instances == TWO


def test_unknown_resource_cannot_be_changed(caller):
    """Only own instances can be changed."""
    assert caller.refusal("PATCH", f"{RESOURCES}/crn:other", {"name": "x"})[0] == 404


def test_instance_limit_is_configured(caller):
    """PUT sets the limit that GET, the usage and the instance show; null takes it away."""
    assert caller.json("GET", "/instances/configuration") == {"instance_limit": None}
    assert caller.send("PUT", "/instances/configuration", {"instance_limit": 120}).status == 204
    assert caller.json("GET", "/instances/configuration") == {"instance_limit": 120}
    assert caller.json("GET", "/instances/usage")["usage_limit_seconds"] == 120
    own = caller.json("GET", "/instance")
    assert (own["instance_limit"], own["instance_limit_seconds"]) == (120, "120")
    assert caller.send("PUT", "/instances/configuration", {"instance_limit": None}).status == 204
    assert "instance_limit" not in caller.json("GET", "/instance")


@pytest.mark.parametrize(
    "body", [{}, {"instance_limit": -1}, {"instance_limit": "5"}, {"instance_limit": 1.5}]
)
def test_malformed_instance_limit_is_400(caller, body):
    """A limit is a whole number of seconds, or null."""
    assert caller.refusal("PUT", "/instances/configuration", body)[0] == 400


def test_instance_names_its_backends_and_plan(caller):
    """GET /instance, with seconds as strings."""
    own = caller.emulator.instances[0]
    assert caller.json("GET", "/instance") == {
        "backends": ["ibm_fez", "ibm_torino"],
        "plan_id": own.plan_id,
        "usage_allocation_seconds": "0",
    }


def test_account_lists_its_plans(make_caller):
    """Each plan with what its instances may use, and how much of that is not set aside."""
    one = Instance(fake_crn(1), "a", usage_limit_seconds=100, usage_allocation_seconds=30)
    two = Instance(fake_crn(2), "b", usage_limit_seconds=50)
    other = Instance(fake_crn(3), "c", plan="Flex", pricing_type="subscription", backends=("ibm_fez",))
    caller = make_caller(instances=(one, two, other), backends=("ibm_fez", "ibm_torino"))
    plans = caller.json("GET", f"/accounts/{'0' * 32}")["plans"]
    assert plans[0] == {
        "plan_id": one.plan_id,
        "subscription_id": "0" * 32,
        "subscription_name": "Premium",
        "backends": ["ibm_fez", "ibm_torino"],
        "usage_allocation_seconds": 30,
        "usage_limit_seconds": 150,
        "unallocated_usage_seconds": 120,
        "max_ttl": 28_800,
        "active_ttl": 28_800,
        "interactive_ttl": 60,
        "functions": [],
    }
    assert (plans[1]["backends"], "usage_limit_seconds" in plans[1]) == (["ibm_fez"], False)
    only = caller.json("GET", f"/accounts/{'0' * 32}?plan_id={other.plan_id}")["plans"]
    assert only == plans[1:]
    assert caller.json("GET", f"/accounts/{'0' * 32}?plan_id=x") == {"plans": []}


def test_account_of_others_is_404(caller):
    """Only the account that the instances belong to is known."""
    assert caller.refusal("GET", "/accounts/me") == (
        404,
        {"code": 1279, "message": "Account me not found", "solution": "Verify the account id."},
    )


BASIC = "Basic Yng6Yng="


def test_refresh_token_is_for_callers_that_name_a_client(caller):
    """With a client id IAM gives a refresh token, which gets new access tokens and opens nothing itself."""
    plain = json.loads(token(caller).body)
    assert plain["refresh_token"] == "not_supported"
    body = f"{GRANT}&apikey=key".encode()
    named = json.loads(caller.send("POST", IAM, body, authorization=BASIC).body)
    assert named["refresh_token_expiration"] == T0 // SECOND + 30 * 86_400
    refresh = f"grant_type=refresh_token&refresh_token={named['refresh_token']}".encode()
    again = json.loads(caller.send("POST", IAM, refresh, at=4000, authorization=BASIC).body)
    assert again["expiration"] == T0 // SECOND + 4000 + 3600
    late = caller.send("POST", IAM, refresh, at=30 * 86_400, authorization=BASIC)
    assert (late.status, json.loads(late.body)["errorCode"]) == (400, "BXNIM0408E")
    assert caller.send("POST", IAM, refresh).status == 400


@pytest.mark.parametrize("value", ["", "x", "refresh-9999999999.x", "not_supported", "a.b.c"])
def test_foreign_refresh_token_is_refused(caller, value):
    """Only a refresh token that this emulator made gets an access token."""
    form = f"grant_type=refresh_token&refresh_token={value}".encode()
    answer = caller.send("POST", IAM, form, authorization=BASIC)
    assert (answer.status, json.loads(answer.body)["errorCode"]) == (400, "BXNIM0408E")


def test_refresh_token_is_no_access_token(make_caller):
    """A strict emulator does not take it as a bearer token, nor an access token for a refresh."""
    caller = make_caller(strict=True)
    named = json.loads(caller.send("POST", IAM, f"{GRANT}&apikey=k".encode(), authorization=BASIC).body)
    bearer = f"Bearer {named['refresh_token']}"
    assert caller.refusal("GET", "/backends", authorization=bearer)[0] == 401
    form = f"grant_type=refresh_token&refresh_token={named['access_token']}".encode()
    assert caller.send("POST", IAM, form, authorization=BASIC).status == 400


@pytest.mark.parametrize(
    ("iam", "status", "code"), [("unknown key", 400, "BXNIM0415E"), ("unavailable", 503, "BXNIM0601E")]
)
def test_iam_fails_when_told_to(make_caller, iam, status, code):
    """A configured failure of IAM is what every request for a token gets."""
    answer = token(make_caller(iam=iam))
    assert (answer.status, json.loads(answer.body)["errorCode"]) == (status, code)


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
