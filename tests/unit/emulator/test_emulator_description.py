"""Our own description of the API: it names what the grammar has, and describes what the emulator gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import emulator_answers
import jsonschema
import pytest
from emulator_caller import BASE, GRANT, Caller, bell_circuit
from emulator_description import component, description, deviations, operations, problems, resolved

from qsession._endpoints import BY_NAME, understand
from qsession._model import Request, Response
from qsession._refusals import SPELLINGS, Refused, refusal
from qsession.emulator import Backend, Emulator, Instance
from qsession.emulator._instances import fake_crn

VERSIONS = ("2024-01-01", "2025-05-01", "2026-03-15", "2026-04-15")
OPEN = Instance(fake_crn(2), "open", plan="Open", pricing_type="free", archived=True)
FREE = Instance(fake_crn(3), "free", plan="Lite", pricing_type="free")
OWN = Instance(fake_crn(1), "own", usage_limit_seconds=2000, usage_allocation_seconds=100)
AWAY = {"IAM": "https://iam.cloud.ibm.com", "SEARCH": "https://api.global-search-tagging.cloud.ibm.com"}
AWAY |= {
    "CATALOG": "https://globalcatalog.cloud.ibm.com/api/v1",
    "RC": "https://resource-controller.cloud.ibm.com",
}
TRACE = "00000000-0000-4000-8000-000000000000"

# Words that the emulator takes from elsewhere or gives nowhere, with the reason.
NEVER_SHOWN = {
    "catalog_entry.metadata.pricing.type: trial",  # only where a configuration says so
    "catalog_entry.metadata.pricing.type: paygo",
    "catalog_entry.metadata.pricing.type: subscription",
    "catalog_entry.metadata.pricing.type: unknown",  # what the client takes an unknown type for
    "backend.clops.type: virtual",  # the service's, for older devices (documented)
}


@dataclass
class Noting(Caller):
    """A caller that keeps what it was told."""

    kept: list[tuple[Request, Response]] = field(default_factory=list)

    def told(self, request: Request, response: Response) -> None:
        self.kept.append((request, response))


@pytest.fixture(scope="module")
def exchanges() -> list[tuple[Request, Response]]:
    """Every call of the API, in each version whose payloads differ, of an account in which things happened."""
    return [pair for version in VERSIONS for pair in told(version)]


def told(version: str) -> list[tuple[Request, Response]]:
    backends = (
        Backend("ibm_fez"),
        Backend("ibm_torino", status="paused", reason="calibration", queue_length=7),
        Backend("ibm_brisbane", status="offline"),
        Backend("mock_fez", mock=True),
        Backend("ibm_manila"),
    )
    caller = Noting(Emulator(backends=backends, instances=(OWN, OPEN, FREE)))
    caller.headers |= {"service-crn": OWN.crn, "ibm-api-version": version}
    for part in (happened, looked, refused, discovered, accounted):
        part(caller)
    slow = Noting(Emulator(backends=backends, run_seconds=5), caller.headers | {"service-crn": fake_crn(1)})
    job = slow.job([[bell_circuit()]], cost=1)
    slow.send("GET", f"/jobs/{job}", at=10)
    return caller.kept + slow.kept


def happened(caller: Caller) -> None:
    """Sessions, batches and jobs come to each of their ends."""
    bell = bell_circuit()
    for name in ("session", "job", "list", "metrics", "pending_metrics", "submit", "calibrated", "tag"):
        for _ in getattr(emulator_answers, f"{name}_answers")(caller, bell):
            pass
    caller.job([[bell]], at=3)
    caller.job([[bell]], session_id=caller.session("batch", at=3), at=3)
    running = caller.session(at=3)
    caller.job([[bell]], session_id=running, at=3)
    caller.send("PATCH", f"/sessions/{running}", {"accepting_jobs": True}, at=5)


def looked(caller: Caller) -> None:
    """At everything that there is, in the middle and at the end."""
    for at in (3.0, 3.4, 1e6):
        jobs = caller.json("GET", "/jobs?exclude_params=false", at=at)["jobs"]
        for job in jobs:
            for path in ("", "/metrics", "/logs", "/results"):
                caller.send("GET", f"/jobs/{job['id']}{path}", at=at)
        for query in ("limit=3", "limit=3&sort=-createdAt", "mode=job&limit=50", "limit=50"):
            page = caller.json("GET", f"/workloads?{query}", at=at)
            if "next" in page:
                caller.send("GET", page["next"]["href"], at=at)
    caller.send("DELETE", f"/jobs/{jobs[0]['id']}", at=1e6)
    caller.send("PUT", f"/jobs/{jobs[1]['id']}/tags", {"tags": ["other"]}, at=1e6)
    for query in ("", "?include_mocks=true&fields=wait_time_seconds"):
        caller.send("GET", f"/backends{query}")
    for name in ("ibm_fez", "ibm_torino", "ibm_brisbane", "mock_fez", "ibm_manila"):
        for path in ("configuration", "properties", "status", "defaults"):
            caller.send("GET", f"/backends/{name}/{path}")
    caller.send("GET", "/backends/ibm_fez/properties?updated_before=2001-01-01T00:00:00Z")


def refused(caller: Caller) -> None:
    for _ in emulator_answers.error_answers(caller, bell_circuit()):
        pass
    backendless = {"mode": "batch", "backend": "ibm_torino"}
    caller.send("POST", "/sessions", backendless)
    caller.send("GET", "/nothing")
    caller.send("PUT", "/jobs")
    for name, (method, path, _) in operations().items():
        if BY_NAME[name].family == "runtime":
            below = re.sub(r"\{\w+\}", "nope", path.removeprefix("/api/v1"))
            caller.send(method, below, b"[")
            caller.send(method, below, authorization="")
            caller.send(method, below, ibm_api_version="1999-01-01")


def discovered(caller: Caller) -> None:
    iam = f"{AWAY['IAM']}/identity/token"
    caller.send("POST", iam, f"{GRANT}&apikey=k".encode())
    told = caller.json("POST", iam, f"{GRANT}&apikey=k".encode(), authorization="Basic eDp5")
    again = f"grant_type=refresh_token&refresh_token={told['refresh_token']}".encode()
    caller.send("POST", iam, again, authorization="Basic eDp5")
    caller.send("POST", iam, b"grant_type=other")
    search = f"{AWAY['SEARCH']}/v3/resources/search"
    caller.send("POST", f"{search}?limit=1", {"fields": ["*"]})
    caller.send("POST", search, {"query": "("})
    for instance in (OWN, OPEN, FREE):
        caller.send("GET", f"{AWAY['CATALOG']}/{instance.plan_id}")
    caller.send("GET", f"{AWAY['CATALOG']}/nope")
    resources = f"{AWAY['RC']}/v2/resource_instances"
    caller.send("GET", resources)
    one = f"{resources}/{OWN.crn.replace('/', '%2F')}"
    body = {"name": "renamed", "parameters": {"instance_limit_seconds": "1000"}}
    for method, sent in (("GET", None), ("PATCH", body), ("PATCH", {"name": ""})):
        caller.send(method, one, sent)
        caller.send(method, f"{resources}/nope", sent)


def accounted(caller: Caller) -> None:
    for instance in (OWN, OPEN):
        for path in ("usage", "configuration"):
            caller.send("GET", f"/instances/{path}", service_crn=instance.crn)
        caller.send("GET", "/instance", service_crn=instance.crn)
    caller.send("PUT", "/instances/configuration", {"instance_limit": None})
    caller.send("GET", "/versions")
    caller.send("GET", f"/accounts/{OWN.account}")
    for key in ("instance", "backend", "user_id", "plan", "subscription_id"):
        caller.send("GET", f"/analytics/usage_grouped?group_by={key}", at=1e6)
    caller.send("GET", "/analytics/usage_grouped_by_date?group_by=instance", at=1e6)
    caller.send("GET", "/analytics/usage", at=1e6)
    caller.send("GET", "/analytics/filters")


def test_description_and_grammar_name_the_same_calls():
    """Each line of the grammar is an operation of the same name, and each operation is a line."""
    assert set(operations()) == set(BY_NAME)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_operation_leads_to_its_line_of_the_grammar(name):
    """Its method and path are what the emulator routes to the call of that name, with the same ids."""
    method, path, operation = operations()[name]
    ids = re.findall(r"\{(\w+)\}", path)
    url = "http://127.0.0.1:8000" + re.sub(r"\{\w+\}", "x", path)
    headers = {"ibm-api-version": "2026-04-15", "authorization": "Bearer x"}
    call = understand(Request(method, url, headers, b"grant_type=urn"))
    assert call is not None
    assert (call.endpoint.name, list(call.ids)) == (name, ids)
    parameters = [*description()["paths"][path].get("parameters", []), *operation.get("parameters", [])]
    named = [parameter(each) for each in parameters]
    assert [each["name"] for each in named if each["in"] == "path"] == ids
    assert len({(each["in"], each["name"]) for each in named}) == len(named)
    assert all(each.get("description") and each.get("schema") for each in named)


def parameter(node: dict) -> dict:
    return (
        description()["components"]["parameters"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    )


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if isinstance(node.get("$ref"), str) else [])
        yield from (each for value in node.values() for each in references(value))
    elif isinstance(node, list):
        yield from (each for value in node for each in references(value))


def test_every_reference_leads_somewhere_and_every_component_is_used():
    """Nothing hangs, and nothing lies about."""
    components = description()["components"]
    there = {f"#/components/{kind}/{name}" for kind, each in components.items() for name in each}
    schemes = {f"#/components/securitySchemes/{name}" for name in components["securitySchemes"]}
    assert set(references(description())) == there - schemes
    secured = [description(), *(operation for _, _, operation in operations().values())]
    asked = {name for each in secured for choice in each.get("security", []) for name in choice}
    assert asked == set(components["securitySchemes"])


@pytest.mark.parametrize("name", sorted(description()["components"]["schemas"]))
def test_component_is_a_schema_with_a_meaning_for_each_field(name):
    """JSON Schema 2020-12, and each property says what it is, itself or where it refers to."""
    schema = component(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert [path for path, each in fields(name, schema) if not meaning(each)] == []


def fields(path: str, schema: dict) -> Iterator[tuple[str, dict]]:
    for key, each in schema.get("properties", {}).items():
        yield f"{path}.{key}", each
        yield from fields(f"{path}.{key}", each)
    if isinstance(schema.get("items"), dict):
        yield from fields(f"{path}[]", schema["items"])


def meaning(schema: dict) -> bool:
    return bool(
        schema.get("description") or ("$ref" in schema and component(schema["$ref"]).get("description"))
    )


def test_answers_are_as_described(exchanges):
    """Each status, content type and body of each call, in each version of the API."""
    found = [
        (request.method, request.url, each)
        for request, response in exchanges
        for each in problems(request, response)
    ]
    assert found == []
    assert len(exchanges) > 1000


def test_every_call_was_answered_well_and_refused(exchanges):
    """So that the test above has seen all of them."""
    seen = {
        (call.endpoint.name, response.status)
        for request, response in exchanges
        if (call := understand(request))
    }
    for name, (_, _, operation) in operations().items():
        good = {int(status) for status in operation["responses"] if status < "300"}
        assert {status for status in good if (name, status) not in seen} == set()
    refusing = {name for name, endpoint in BY_NAME.items() if endpoint.family == "runtime"} - {
        "versions.list"
    }
    assert {name for name in refusing if (name, 400) not in seen or (name, 401) not in seen} == set()


def test_every_described_field_and_word_was_given(exchanges):
    """Nothing is described that the emulator never says."""
    given: set[str] = set()
    for request, response in exchanges:
        call = understand(request)
        if call is None or call.endpoint.name == "unknown" or not response.body:
            continue
        if response.headers["content-type"] == "application/json":
            node = resolved(operations()[call.endpoint.name][2]["responses"][str(response.status)])
            schema = node["content"]["application/json"]["schema"]
            document = json.loads(response.body)
            fitting = [each for each in schema.get("anyOf", [schema]) if fits(each, document)]
            given |= {each for one in fitting for each in shown("", one, document)}
    assert described() - given == NEVER_SHOWN


def fits(schema: dict, document: object) -> bool:
    return "$ref" not in schema or deviations(schema["$ref"], document) == []


def described() -> set[str]:
    """Each property of each closed component that an answer may have, and each word of its enumerations."""
    answers = [
        node["schema"]
        for _, _, operation in operations().values()
        for each in operation["responses"].values()
        for node in resolved(each).get("content", {}).values()
    ]
    found: set[str] = set()
    waiting, seen = [("", schema) for schema in answers], set()
    while waiting:
        path, schema = waiting.pop()
        if "$ref" in schema and schema["$ref"] not in seen:
            seen.add(schema["$ref"])
            waiting.append((schema["$ref"].rpartition("/")[2], component(schema["$ref"])))
        found |= {f"{path}: {word}" for word in schema.get("enum", ())}
        for key, each in schema.get("properties", {}).items():
            found.add(f"{path}.{key}")
            waiting.append((f"{path}.{key}", each))
        waiting += [(path, each) for each in schema.get("anyOf", ())]
        waiting += [(path, schema["items"])] if isinstance(schema.get("items"), dict) else []
    return found


def shown(path: str, schema: dict, document: object) -> Iterator[str]:
    """What a document shows of a schema that it fits."""
    if "$ref" in schema:
        yield from shown(schema["$ref"].rpartition("/")[2], component(schema["$ref"]), document)
    if document in schema.get("enum", ()):
        yield f"{path}: {document}"
    if isinstance(document, dict):
        for key, each in schema.get("properties", {}).items():
            if key in document:
                yield f"{path}.{key}"
                yield from shown(f"{path}.{key}", each, document[key])
    if isinstance(document, list) and "items" in schema:
        for each in document:
            yield from shown(path, schema["items"], each)


@pytest.mark.parametrize("kind", sorted(SPELLINGS))
def test_refusal_is_an_error(kind):
    """Whatever is refused, and whatever its status, its body is the component of that name."""
    document = json.loads(refusal(Refused(kind, "subject"), TRACE).body)
    assert deviations("#/components/schemas/error", document) == []


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"more": 1}, "$: Additional properties are not allowed ('more' was unexpected)"),
        ({"trace": "short"}, "$.trace: 'short' is not a 'uuid'"),
        ({"errors": []}, "$.errors: [] should be non-empty"),
        ({"errors": [{"code": 1.5, "message": "m", "more_info": "x"}]}, "$.errors[0].code: 1.5 is not of type 'integer', 'string'"),
        ({"errors": [{"code": 1, "message": "m"}]}, "$.errors[0]: 'more_info' is a required property"),
    ],
)  # fmt: skip
def test_error_that_is_none_is_found(broken, reason):
    """The component tells a refusal from what only looks like one."""
    document = json.loads(refusal(Refused("unknown job", "x"), TRACE).body) | broken
    assert reason in deviations("#/components/schemas/error", document)


@pytest.mark.parametrize(
    ("version", "there"), [("2025-05-01", True), ("2026-03-15", False), ("2026-04-15", False)]
)
def test_fields_of_another_version_are_found(version, there, caller, bell):
    """An answer in the shape of another version is none of this one."""
    job = caller.job([[bell]])
    old = caller.send("GET", f"/jobs/{job}/metrics", ibm_api_version="2025-05-01")
    asked = Request("GET", f"{BASE}/jobs/{job}/metrics", {"ibm-api-version": version})
    found = problems(asked, old)
    assert (found == []) is there
    assert there or any("'bss' was unexpected" in each for each in found)


@pytest.mark.parametrize("part", ["status", "body", "kind"])
def test_undescribed_answers_are_found(part, caller):
    """A status, a content type and a body that the description does not have."""
    asked = Request("GET", f"{BASE}/versions", {})
    good = caller.send("GET", "/versions")
    odd = {
        "status": Response(201, "Created", good.headers, good.body),
        "kind": Response(200, "OK", {"content-type": "text/html"}, good.body),
        "body": Response(200, "OK", good.headers, b'{"versions":[],"more":1}'),
    }[part]
    assert problems(asked, good) == []
    assert (
        problems(asked, odd)
        == {
            "status": ["versions.list: status 201 is not described"],
            "kind": ["versions.list: text/html is not described"],
            "body": ["$: Additional properties are not allowed ('more' was unexpected)"],
        }[part]
    )
