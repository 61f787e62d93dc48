"""Requests that schemathesis makes out of our description: as they should be, and as they should not."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from benchmarks.fuzz_emulator._target import (
    BACKENDS,
    BOUND,
    DESCRIPTION,
    FUZZED,
    Caller,
    Findings,
    Tally,
    bell_params,
)

_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
_OPEN = frozenset({"iam.token", "versions.list", "catalog.entry"})
_BEFORE = frozenset({408, 414, 417, 421, 431, 501, 505})
"""What is refused before it is read as a call: headers may be generated that mean something to HTTP."""

_VERSIONS = ("2024-01-01", "2025-05-01", "2026-03-15", "2026-04-15")
_MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


class Described:
    """The description, as a schema that makes requests and as schemas that judge bodies."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text("utf-8"))
        self.schema = schemathesis.openapi.from_dict(self.document)
        self.schema.validate()

    def operations(self) -> Iterator[schemathesis.APIOperation]:
        for found in self.schema.get_all_operations():
            yield found.ok()

    def errors(self, pointer: str, document: object) -> list[str]:
        whole = {"$ref": f"#/components/schemas/{pointer}", "components": self.document["components"]}
        checker = jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())
        return [f"{each.json_path}: {each.message[:200]}" for each in checker.iter_errors(document)]

    def body_schema(self, path: str, method: str) -> str | None:
        """The component that the JSON body of an operation must fit."""
        operation = self.document["paths"][path][method.lower()]
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        return content["schema"]["$ref"].rpartition("/")[2] if content else None


@dataclass
class Known:
    """Ids that there are, so that a request can get past the first refusal."""

    jobs: deque[str] = field(default_factory=lambda: deque(maxlen=30))
    sessions: deque[str] = field(default_factory=lambda: deque(maxlen=30))

    def of(self, name: str, dice: random.Random) -> str:
        pools = {
            "job": self.jobs,
            "session": self.sessions,
            "backend": BACKENDS,
            "crn": (FUZZED.crn,),
            "plan": (FUZZED.plan_id,),
            "account": (FUZZED.account,),
        }
        return dice.choice(list(pools[name]))

    def learn(self, name: str, status: int, body: bytes) -> None:
        if status == 200 and name in {"jobs.create", "sessions.create"}:
            (self.jobs if name == "jobs.create" else self.sessions).append(json.loads(body)["id"])


class Fuzzer:
    """Sends what schemathesis makes, and judges each answer by the description.

    Args:
        caller: Who asks.
        described: The description.
        tally: Where requests are counted.
        findings: Where findings go.
    """

    def __init__(self, caller: Caller, described: Described, tally: Tally, findings: Findings) -> None:
        self._caller = caller
        self._described = described
        self._tally = tally
        self._findings = findings
        self._known = Known()
        self._line = requests.Session()
        self._line.trust_env = False

    def run(self, wanted: int, number: int) -> None:
        """Send at least so many requests, over all operations, drawn by a number."""
        operations = list(self._described.operations())
        before, turn = self._tally.total, 0
        while (left := wanted - (self._tally.total - before)) > 0:
            each = max(1, -(-left // (2 * len(operations))))
            for operation in operations:
                self._refresh()
                for mode in _MODES:
                    self._some(operation, mode, each, number + turn)
            turn += 1
        self._line.close()

    def _refresh(self) -> None:
        # What was fuzzed before may have limited the instance, and closed and deleted everything.
        self._caller.send("PUT", "/instances/configuration", {"instance_limit": None})
        self._known.sessions.append(self._caller.session("batch"))
        self._known.jobs.append(self._caller.job())

    def _some(self, operation: Any, mode: Any, count: int, number: int) -> None:
        @seed(number)
        @settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def each(case: Any) -> None:
            # Not drawn by hypothesis, which prefers what is simple: most would have no token.
            self._ask(case, random.Random(f"{number} {self._tally.total}"), mode.value)

        try:
            each()
        except Unsatisfiable:
            # Nothing about this operation can be wrong, as with one that takes nothing.
            return

    def _ask(self, case: Any, dice: random.Random, kind: str) -> None:
        name = case.operation.definition.raw["operationId"]
        self._aim(case, name, dice)
        self._present(case, name, dice)
        what = f"{name} ({kind})"
        try:
            answer = case.call(base_url=self._caller.server.url, session=self._line, timeout=BOUND)
        except requests.RequestException as problem:
            self._findings.add(f"{what}: no answer: {type(problem).__name__}", repr(case))
            return
        seconds = answer.elapsed
        self._tally.note(kind, what, answer.status_code, seconds)
        self._known.learn(name, answer.status_code, answer.content)
        self._judge(case, answer, what)

    def _aim(self, case: Any, name: str, dice: random.Random) -> None:
        for parameter in case.path_parameters or {}:
            if dice.random() < 0.7:
                case.path_parameters[parameter] = self._known.of(parameter, dice)
        if isinstance(case.body, dict) and name in {"jobs.create", "sessions.create"} and dice.random() < 0.7:
            case.body = {**case.body, **self._good(name, case.body, dice)}

    def _good(self, name: str, body: Mapping[str, Any], dice: random.Random) -> dict[str, Any]:
        """Parts of a body that there are, so that its other parts matter."""
        if name == "sessions.create":
            return {"backend": "ibm_fez"}
        params = {**bell_params()}
        if isinstance(body.get("params"), dict) and dice.random() < 0.5:
            params |= body["params"]
        some = {
            "program_id": dice.choice(["sampler", "estimator", "executor", "noise-learner"]),
            "params": params,
        }
        parts = {"backend": "ibm_fez", **(some if dice.random() < 0.7 else {})}
        return {**parts, "session_id": self._known.of("session", dice)} if dice.random() < 0.3 else parts

    def _present(self, case: Any, name: str, dice: random.Random) -> None:
        """Say who asks: as a rule with a token and an instance that there are, else as it was generated."""
        if name in _OPEN or dice.random() < 0.05:
            return
        throw = dice.random()
        odd = ("", "Bearer", "Bearer foreign", "apikey x", "Basic eDp5")
        token = dice.choice(odd) if throw < 0.05 else f"Bearer {self._caller.token}"
        case.headers["Authorization"] = token
        if throw < 0.95:
            case.headers["Service-CRN"] = self._caller.instance.crn
        if throw < 0.5:
            case.headers["IBM-API-Version"] = dice.choice(_VERSIONS)

    def _read(self, body: bytes, what: str) -> None:
        try:
            json.loads(body, parse_constant=_no_constant)
        except ValueError as problem:
            self._findings.add(f"{what}: an answer that is no JSON", str(problem))

    def _judge(self, case: Any, answer: Any, what: str) -> None:
        path, method = case.operation.path, case.operation.method
        if urlsplit(answer.request.url).path.count("/") != path.count("/"):
            return  # A path parameter that a client takes for a step in the path.
        if answer.status_code in _BEFORE:
            wrong = self._described.errors("error", json.loads(answer.content))
            if wrong:
                self._findings.add(f"{what}: an error in another form", wrong[0])
            return
        try:
            case.validate_response(answer, checks=_CHECKS)
        except FailureGroup as problem:
            self._findings.add(f"{what}: {answer.status_code} is not as described", str(problem))
        if b"Traceback" in answer.content:
            self._findings.add(f"{what}: a traceback in the answer", repr(case))
        if answer.status_code == 200 and answer.headers["content-type"] == ["application/json"]:
            self._read(answer.content, what)
        pointer = self._described.body_schema(path, method)
        wrong = pointer and _wrong(self._described, pointer, answer.request.body)
        if wrong and answer.status_code < 400:
            self._findings.add(
                f"{what}: a body that breaks the description is taken", f"{wrong[0]} in {case.body!r}"
            )


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _wrong(described: Described, pointer: str, body: bytes | str | None) -> list[str]:
    try:
        document = json.loads(body or b"")
    except ValueError:
        return ["no JSON"]
    return described.errors(pointer, document)
