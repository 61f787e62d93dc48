"""Bodies with something else than they should have in each of their fields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.fuzz_emulator._target import FUZZED, bell_params

JUNK: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 2**31, 2**63, -(2**63), 10**30, 1e308),
    *("", " ", "x", "x" * 200, "x" * 20_000, "\u0000", "\ud800", "🜁" * 50, "ibm_fez\n", "../.."),
    *("null", "1", "-1", "99999999999", "true"),
    *([], {}, [None], [[]], [{}], ["x"] * 9, ["x" * 87], [1, "x"], [["x"]], {"a": {}}, {"": ""}),
    *({"__type__": "x"}, {"__type__": "ndarray", "__value__": 7}, {"__type__": ["ndarray"], "__value__": {}}),
    {"__type__": "QuantumCircuit", "__value__": "!"},
)
"""What stands in for each field of each body."""

_DEEPER = (None, -1, 1.5, 10**30, "x", [], {}, [[None]])
"""What stands in below the second level, of which there is much."""


@dataclass(frozen=True)
class Body:
    """A body that is taken.

    Attributes:
        component: The component of the description that it fits.
        method: HTTP method.
        path: Path; ids in braces.
        document: The body.
    """

    component: str
    method: str
    path: str
    document: dict[str, object]


def bodies() -> Iterator[Body]:
    """Bodies of sessions, jobs, instances and discovery that are taken as they stand."""
    session: dict[str, object] = {"mode": "batch", "backend": "ibm_fez", "instance": FUZZED.crn}
    yield Body("session_create", "POST", "/api/v1/sessions", session | _limits() | {"backend_name": "x"})
    named: dict[str, object] = {"mode": "dedicated", "backend_name": "ibm_fez"}
    yield Body("session_create", "POST", "/api/v1/sessions", named)
    yield Body("session_update", "PATCH", "/api/v1/sessions/{session}", {"accepting_jobs": True})
    for program, params in (("sampler", _sampler()), ("estimator", _estimator())):
        yield Body("job_create", "POST", "/api/v1/jobs", _job(program, params))
    yield Body("job_tags", "PUT", "/api/v1/jobs/{job}/tags", {"tags": ["b"]})
    yield Body("instance_configure", "PUT", "/api/v1/instances/configuration", {"instance_limit": None})
    resource = f"/v2/resource_instances/{FUZZED.crn.replace('/', '%2F')}"
    yield Body("resource_update", "PATCH", resource, {"name": "fuzzed", "parameters": {}})
    limits: dict[str, object] = {"instance_limit_seconds": "9", "usage_allocation_seconds": None}
    yield Body("resource_update", "PATCH", resource, {"parameters": limits})
    search: dict[str, object] = {"query": "name:*", "fields": ["*"], "search_cursor": None}
    yield Body("search_request", "POST", "/v3/resources/search", search)


def _limits() -> dict[str, object]:
    return {"max_ttl": 60, "active_ttl": 9, "interactive_ttl": 3}


def _job(program: str, params: dict[str, object]) -> dict[str, object]:
    job: dict[str, object] = {"program_id": program, "backend": "ibm_fez", "params": params}
    job |= {"session_id": None, "tags": ["a"], "cost": 5, "private": True, "runtime": "a:b"}
    return job | {"log_level": "DEBUG", "calibration_id": None}


def _sampler() -> dict[str, object]:
    twirling = {
        "enable_gates": True,
        "enable_measure": True,
        "num_randomizations": 2,
        "shots_per_randomization": 3,
    }
    execution = {"init_qubits": True, "rep_delay": 0.0002, "meas_type": "classified"}
    coupling = {"enable": True, "sequence_type": "XX"}
    options = {
        "default_shots": 5,
        "twirling": twirling,
        "execution": execution,
        "dynamical_decoupling": coupling,
    }
    return {**bell_params(), "options": {**options, "simulator": {"seed_simulator": 7}}, "shots": 9}


def _estimator() -> dict[str, object]:
    circuit = bell_params(measured=False)["pubs"][0][0]
    resilience = {"measure_mitigation": True, "zne_mitigation": True, "zne": {"noise_factors": [1, 3, 5]}}
    options = {"default_precision": 0.1, "default_shots": 50, "seed_estimator": 7, "resilience": resilience}
    pubs = [[circuit, {"Z": 1.0}, None, 0.1]]
    return {"pubs": pubs, "options": options, "resilience_level": 1, "version": 2, "support_qiskit": True}


def replaced(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """A document with each field and each first entry, at any depth, left out and replaced by junk."""
    junk = JUNK if depth < 2 else _DEEPER
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"without {path}.{key}", {k: v for k, v in value.items() if k != key}
            changes = [
                *((f"{path}.{key}", each) for each in junk),
                *replaced(inner, f"{path}.{key}", depth + 1),
            ]
            yield from ((where, {**value, key: changed}) for where, changed in changes)
    if isinstance(value, list) and value:
        changes = [*((f"{path}[0]", each) for each in junk), *replaced(value[0], f"{path}[0]", depth + 1)]
        yield from ((where, [changed, *value[1:]]) for where, changed in changes)
