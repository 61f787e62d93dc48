"""The emulator's answers against the service's own OpenAPI document, where it is at hand."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from qsession.emulator import Instance
from qsession.emulator._instances import fake_crn

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


def _session_answers(caller, bell):
    ident = caller.session()
    yield caller.json("GET", f"/sessions/{ident}")
    caller.job([[bell]], session_id=ident)
    for at in (0.1, 0.3, 1, 100):
        yield caller.json("GET", f"/sessions/{ident}", at=at)
    caller.send("PATCH", f"/sessions/{ident}", {"accepting_jobs": False}, at=101)
    yield caller.json("GET", f"/sessions/{ident}", at=102)


def _job_answers(caller, bell):
    jobs = [
        caller.job([[bell]], tags=["a"], session_id=caller.session()),
        caller.job([[bell]], private=True, runtime="a:b"),
        caller.job(["broken"]),
        caller.job([[bell]], program="estimator"),
    ]
    for at in (0.1, 0.3, 1):
        yield from (caller.json("GET", f"/jobs/{job}", at=at) for job in jobs)
    cancelled = caller.job([[bell]], at=2)
    caller.send("POST", f"/jobs/{cancelled}/cancel", at=2)
    yield caller.json("GET", f"/jobs/{cancelled}", at=3)


def _metrics_answers(caller, bell):
    yield caller.json("GET", f"/jobs/{caller.job([[bell]])}/metrics", at=1)


def _submit_answers(caller, bell):
    from emulator_caller import encoded

    body = {"program_id": "sampler", "backend": "ibm_fez", "params": {"pubs": [[bell]]}, "private": True}
    yield caller.json("POST", "/jobs", encoded(body))


def _pending_metrics_answers(caller, bell):
    yield caller.json("GET", f"/jobs/{caller.job([[bell]])}/metrics", at=0.1)


def _error_answers(caller, bell):
    import json

    yield json.loads(caller.send("POST", "/sessions", {"mode": "dedicated"}).body)
    yield json.loads(caller.send("GET", "/jobs/nope").body)
    open_plan = type(caller)(type(caller.emulator)(instances=(Instance(fake_crn(1), plan="Open"),)))
    yield json.loads(open_plan.send("POST", "/sessions", {"mode": "dedicated", "backend": "ibm_fez"}).body)


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
]

_CASES = [
    ("JobSession", _session_answers, None),
    ("JobResponseV3", _job_answers, None),
    ("JobMetricsResponse", _metrics_answers, None),
    ("JobMetricsResponse", _pending_metrics_answers, [_NULL]),
    ("JobCreateResponse", _submit_answers, None),
    ("ErrorContainer", _error_answers, _CODES),
]


@pytest.mark.parametrize(("schema", "answers", "known"), _CASES if _DOCUMENTS else [])
def test_answers_fit_the_services_document(caller, bell, schema, answers, known):
    """Every payload validates, but for the deviations that the service shows itself."""
    found = [_deviations(schema, document) for document in answers(caller, bell)]
    assert found == (known or [[]] * len(found))
