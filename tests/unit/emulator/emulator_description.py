"""Our own description of the API, and whether an answer is as it says."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import yaml

from qsession._endpoints import understand
from qsession._model import Request, Response

PATH = Path(__file__).parents[3] / "schemas" / "emulator.openapi.yaml"
FIRST_VERSION = "2024-01-01"
_METHODS = ("get", "put", "post", "delete", "patch")


@functools.cache
def description() -> dict:
    return yaml.load(PATH.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@functools.cache
def operations() -> Mapping[str, tuple[str, str, dict]]:
    """Method, path and operation by the name of the endpoint."""
    return {
        item[method]["operationId"]: (method.upper(), path, item[method])
        for path, item in description()["paths"].items()
        for method in _METHODS
        if method in item
    }


def resolved(node: dict) -> dict:
    """What a reference leads to; anything else as it is."""
    while "$ref" in node and node["$ref"].startswith("#/components/responses/"):
        node = description()["components"]["responses"][node["$ref"].rpartition("/")[2]]
    return node


def problems(request: Request, response: Response) -> list[str]:
    """Where an answer is not as the description has it; empty if it is."""
    call = understand(request)
    if call is None or call.endpoint.name == "unknown":
        return deviations("#/components/schemas/error", json.loads(response.body))
    responses = operations()[call.endpoint.name][2]["responses"]
    if str(response.status) not in responses:
        return [f"{call.endpoint.name}: status {response.status} is not described"]
    content = resolved(responses[str(response.status)]).get("content")
    if content is None:
        return [] if response.body == b"" else [f"{call.endpoint.name}: a body is not described"]
    kind = response.headers["content-type"]
    if kind not in content:
        return [f"{call.endpoint.name}: {kind} is not described"]
    if kind != "application/json":
        return []
    version = request.headers.get("ibm-api-version", FIRST_VERSION)
    return _in_json(content[kind]["schema"], version, response.body)


@functools.lru_cache(maxsize=512)
def _in_json_of(schema: str, version: str, body: bytes) -> tuple[str, ...]:
    node = json.loads(schema)
    for choice in node.get("anyOf", [node]):
        pointer = choice.get("$ref")
        if pointer is None or counts_for(component(pointer), version):
            return tuple(deviations(pointer or choice, json.loads(body, parse_constant=_no_constant)))
    return (f"no shape is described for {version}",)


def _no_constant(name: str) -> object:
    raise AssertionError(f"{name} is no JSON, though Python reads it")


def _in_json(schema: dict, version: str, body: bytes) -> list[str]:
    return list(_in_json_of(json.dumps(schema), version, body))


def component(pointer: str) -> dict:
    return description()["components"]["schemas"][pointer.rpartition("/")[2]]


def counts_for(schema: dict, version: str) -> bool:
    """Whether a schema is that of a version of the API."""
    span = schema.get("x-api-versions", {})
    return span.get("since", "") <= version and (version < span["before"] if "before" in span else True)


def deviations(schema: str | dict, document: object) -> list[str]:
    """Where a document does not fit a schema, given by its pointer or as it stands."""
    pointer = schema if isinstance(schema, str) else ""
    checker = _validator(pointer) if pointer else jsonschema.Draft202012Validator(schema)
    return sorted(f"{error.json_path}: {error.message[:300]}" for error in checker.iter_errors(document))


@functools.cache
def _validator(pointer: str) -> jsonschema.Draft202012Validator:
    whole = {"$ref": pointer, "components": description()["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
