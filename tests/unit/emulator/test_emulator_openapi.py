"""The emulator's answers against the service's own OpenAPI document, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml
from emulator_answers import (
    calibrated_answers,
    error_answers,
    job_answers,
    list_answers,
    metrics_answers,
    pending_metrics_answers,
    session_answers,
    submit_answers,
    tag_answers,
)

_BESIDE = Path(__file__).parents[4] / "shared" / "data"
_DOCUMENTS = sorted(_BESIDE.glob("ibm-openapi-*.yml")) if _BESIDE.is_dir() else []


def _schemas() -> dict[str, object]:
    found: dict[str, object] = {}
    for document in _DOCUMENTS:
        found |= yaml.safe_load(document.read_text())["components"]["schemas"]
    return found


def _as_json_schema(node: object) -> object:
    """OpenAPI 3.0's nullable as JSON Schema knows it."""
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") else plain


def _deviations(schema: str, document: object) -> list[str]:
    components = {"components": {"schemas": _as_json_schema(_schemas())}}
    whole = components | {"$ref": f"#/components/schemas/{schema}"}
    checker = jsonschema.Draft4Validator(whole, format_checker=jsonschema.FormatChecker())
    return sorted(f"{error.json_path}: {error.message}" for error in checker.iter_errors(document))


# Where the service itself leaves its document: moments that have not come are null in
# metrics, and codes of errors are numbers.
_NULL = [
    "$.timestamps.finished: None is not of type 'string'",
    "$.timestamps.running: None is not of type 'string'",
]
_CODES = [
    ["$.errors[0].code: 1208 is not of type 'string'"],
    [],
    ["$.errors[0].code: 1352 is not of type 'string'"],
    [],
    ["$.errors[0].code: 1219 is not of type 'string'"],
    [],
    [],
]

_CASES = [
    ("JobSession", session_answers, None),
    ("JobResponseV3", job_answers, None),
    ("JobResponseV3", list_answers, None),
    ("JobMetricsResponse", metrics_answers, None),
    ("JobMetricsResponse", pending_metrics_answers, [_NULL]),
    ("JobCreateResponse", submit_answers, None),
    ("JobCreateResponse", calibrated_answers, None),
    ("Tags", tag_answers, None),
    ("ErrorContainer", error_answers, _CODES),
]


@pytest.mark.parametrize(("schema", "answers", "known"), _CASES if _DOCUMENTS else [])
def test_answers_fit_the_services_document(caller, bell, schema, answers, known):
    """Every payload validates, but for the deviations that the service shows itself."""
    found = [_deviations(schema, document) for document in answers(caller, bell)]
    assert found == (known or [[]] * len(found))
    assert found


def _documented(path: str, method: str) -> set[int]:
    paths: dict[str, dict] = {}
    for document in _DOCUMENTS:
        paths |= yaml.safe_load(document.read_text())["paths"]
    return {int(status) for status in paths[path][method]["responses"]}


def _statuses(caller, method: str, path: str, body: object) -> set[int]:
    """What a call answers with a good id, an unknown one, without a token and to a closed session."""
    ident, known = caller.session(), "{id}" in path
    asked = [path.replace("{id}", ident), path.replace("{id}", "nope") if known else path]
    found = {caller.send(method, each, body).status for each in asked}
    caller.send("DELETE", f"/sessions/{ident}/close")
    found.add(caller.send(method, asked[0], body).status)
    found.add(caller.send(method, asked[0], body, authorization="").status)
    return found


# The document lists 204 alone for a cancel; that a session may be unknown, and a caller too, it
# leaves to the other calls.
_STATUSES = [
    ("post", "/v1/sessions", {"mode": "batch", "backend": "ibm_fez"}, set()),
    ("post", "/v1/sessions", {"mode": "other"}, set()),
    ("post", "/v1/sessions", {"mode": "batch", "backend": "ibm_none"}, set()),
    ("get", "/v1/sessions/{id}", None, set()),
    ("patch", "/v1/sessions/{id}", {"accepting_jobs": False}, set()),
    ("patch", "/v1/sessions/{id}", {"accepting_jobs": 1}, {400}),
    ("delete", "/v1/sessions/{id}/close", None, {401, 404}),
]


@pytest.mark.parametrize(("method", "path", "body", "more"), _STATUSES if _DOCUMENTS else [])
def test_statuses_are_the_documents(caller, method, path, body, more):
    """No call answers with a status that its document does not list, but for those named here."""
    found = _statuses(caller, method.upper(), path.removeprefix("/v1"), body)
    assert found - _documented(path, method) == more


# Bodies at and beyond each limit of the document. What the document forbids is refused, but for
# a cost above the maximum, which is cut down (documented elsewhere), and capitals in log_level,
# which the client sends.
_BODIES = [
    {"tags": ["t" * 86] * 8},
    {"tags": ["t"] * 9},
    {"tags": ["t" * 87]},
    {"tags": "t"},
    {"log_level": "debug"},
    {"log_level": "loud"},
    {"cost": 0},
    {"cost": 10_800},
    {"cost": -1},
    {"cost": "60"},
    {"session_id": ""},
    {"session_id": "s" * 37},
    {"calibration_id": ""},
    {"calibration_id": "c" * 101},
    {"runtime": ""},
    {"runtime": "r" * 10_000},
    {"runtime": "r" * 10_001},
    {"program_id": ""},
    {"program_id": None},
    {"backend": ""},
    {"backend": 5},
]


@pytest.mark.parametrize("more", _BODIES if _DOCUMENTS else [], ids=lambda more: str(more)[:40])
def test_bodies_are_refused_where_the_document_forbids_them(caller, more):
    """A job is refused for its form exactly where the document says that it has none."""
    params = {"pubs": [["x"]], "version": 2}
    body = {"program_id": "sampler", "backend": "ibm_fez", "params": params} | more
    forbidden = bool(_deviations("JobRunParamsBase", body))
    response = caller.send("POST", "/jobs", body)
    assert response.status == (400 if forbidden else 200)


_SESSION_BODIES = [
    {},
    {"max_ttl": 1},
    {"max_ttl": 0},
    {"max_ttl": 2**31 - 1},
    {"max_ttl": 2**31},
    {"max_ttl": "9"},
    {"mode": "dedicated"},
    {"mode": "other"},
    {"mode": None},
    {"backend_name": "ibm_fez"},
    {"backend": 5},
    {"interactive_ttl": 5, "active_ttl": 9},
    {"interactive_ttl": 0},
    {"interactive_ttl": 5, "active_ttl": 0},
]


@pytest.mark.parametrize("more", _SESSION_BODIES if _DOCUMENTS else [], ids=str)
def test_sessions_are_refused_where_the_document_forbids_them(caller, more):
    """A session is refused for its form exactly where the document says that it has none."""
    body = {"mode": "batch", "backend": "ibm_fez"} | more
    part = "ChannelPartner" if "interactive_ttl" in more else "Cloud"
    forbidden = bool(_deviations(f"CreateSessionRequest{part}", body))
    assert caller.send("POST", "/sessions", body).status == (400 if forbidden else 200)
