"""Which call of the service's API a request is: one grammar for every endpoint.

The emulator routes by it, the recorder and the replay name requests by it. Host
names do not decide alone, since the client derives them from a base URL that the
user may change (facts: ``qiskit_ibm_runtime/api/utils.py``); paths do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from qsession._hosts import is_service
from qsession._model import Request

_SPEC = """
iam.token             POST   iam      /identity/token
search.resources      POST   search   /v3/resources/search
catalog.entry         GET    catalog  /api/v1/{plan}
resources.list        GET    resource /v2/resource_instances
resources.get         GET    resource /v2/resource_instances/{crn}
resources.update      PATCH  resource /v2/resource_instances/{crn}
versions.list         GET    runtime  /versions
backends.list         GET    runtime  /backends
backends.configuration GET   runtime  /backends/{backend}/configuration
backends.properties   GET    runtime  /backends/{backend}/properties
backends.status       GET    runtime  /backends/{backend}/status
backends.defaults     GET    runtime  /backends/{backend}/defaults
sessions.create       POST   runtime  /sessions
sessions.get          GET    runtime  /sessions/{session}
sessions.update       PATCH  runtime  /sessions/{session}
sessions.cancel       DELETE runtime  /sessions/{session}/close
jobs.create           POST   runtime  /jobs
jobs.list             GET    runtime  /jobs
jobs.get              GET    runtime  /jobs/{job}
jobs.delete           DELETE runtime  /jobs/{job}
jobs.results          GET    runtime  /jobs/{job}/results
jobs.logs             GET    runtime  /jobs/{job}/logs
jobs.metrics          GET    runtime  /jobs/{job}/metrics
jobs.cancel           POST   runtime  /jobs/{job}/cancel
jobs.tags             PUT    runtime  /jobs/{job}/tags
tags.list             GET    runtime  /tags
instances.usage       GET    runtime  /instances/usage
instances.configuration GET  runtime  /instances/configuration
instances.configure   PUT    runtime  /instances/configuration
instance.get          GET    runtime  /instance
accounts.get          GET    runtime  /accounts/{account}
workloads.list        GET    runtime  /workloads
analytics.usage       GET    runtime  /analytics/usage
analytics.grouped     GET    runtime  /analytics/usage_grouped
analytics.by_date     GET    runtime  /analytics/usage_grouped_by_date
analytics.filters     GET    runtime  /analytics/filters
"""

_DISCOVERY = frozenset({"search", "catalog", "resource"})
_CATALOG_HOSTS = ("globalcatalog.", "private.globalcatalog.")
_RUNTIME_BASE = re.compile(r"^(?P<base>.*?/api/v1)(?P<rest>/.*)$")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One line of the grammar.

    Attributes:
        name: Stable name such as ``jobs.create``; ``unknown`` when no line fits.
        method: HTTP method.
        family: ``iam``, ``search``, ``catalog``, ``resource`` or ``runtime``.
        template: Path below the family's base, parameters in braces.
    """

    name: str
    method: str
    family: str
    template: str

    @property
    def is_write(self) -> bool:
        """Whether the call changes something on the service."""
        return self.family == "runtime" and self.method != "GET"

    @property
    def is_discovery(self) -> bool:
        """Whether the call finds the instances of an account."""
        return self.family in _DISCOVERY


@dataclass(frozen=True, slots=True)
class Call:
    """A request, understood.

    Attributes:
        endpoint: The line of the grammar it fits.
        ids: Path parameters by name, percent-decoded.
        path: Path below the family's base, percent-decoded, without query.
        query: Query parameters in their order, repeated keys kept.
        region: ``us-east`` or what the host name says (``eu-de.quantum...``).
    """

    endpoint: Endpoint
    ids: Mapping[str, str]
    path: str
    query: tuple[tuple[str, str], ...]
    region: str


def _parse() -> tuple[Endpoint, ...]:
    rows = (line.split() for line in _SPEC.strip().splitlines())
    return tuple(Endpoint(name, method, family, path) for name, method, family, path in rows)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "/?$")


ENDPOINTS: tuple[Endpoint, ...] = _parse()
BY_NAME: Mapping[str, Endpoint] = MappingProxyType({e.name: e for e in ENDPOINTS})
_PATTERNS = tuple((e, _pattern(e.template)) for e in ENDPOINTS)


def identify(request: Request) -> Call | None:
    """Say which call of the service a request is.

    Args:
        request: Any HTTP request.

    Returns:
        The call; with the endpoint named ``unknown`` for a request that goes to
        the service but fits no line; None for a request to anybody else.
    """
    try:
        call, is_service = _understood(request.method, request.url)
    except ValueError:
        return None
    if not is_service and not _speaks_the_protocol(request, call.endpoint.family):
        return None
    return call


def understand(request: Request) -> Call | None:
    """Say which call a request is where everything is meant for the service, whatever its host.

    Args:
        request: Any HTTP request.

    Returns:
        The call; with the endpoint named ``unknown`` for one that fits no line; None if its
        URL is none.
    """
    try:
        return _understood(request.method, request.url)[0]
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def _understood(method: str, url: str) -> tuple[Call, bool]:
    """The call, and whether it goes to a host of the service. A poll asks for the same each time."""
    parts = urlsplit(url)
    family, path = _family(parts)
    query = tuple(parse_qsl(parts.query, keep_blank_values=True))
    host = parts.hostname or ""
    for endpoint, pattern in _PATTERNS:
        if endpoint.family != family or endpoint.method != method:
            continue
        if found := pattern.match(path):
            ids = {key: unquote(value) for key, value in found.groupdict().items()}
            call = Call(endpoint, MappingProxyType(ids), unquote(path), query, _region(host))
            return call, is_service(host)
    unknown = Endpoint("unknown", method, family, path)
    return Call(unknown, MappingProxyType({}), unquote(path), query, _region(host)), is_service(host)


def _family(parts: SplitResult) -> tuple[str, str]:
    path, host = parts.path or "/", (parts.hostname or "").lower()
    if path.endswith("/identity/token"):
        return "iam", "/identity/token"
    if path.endswith("/v3/resources/search"):
        return "search", "/v3/resources/search"
    if "/v2/resource_instances" in path:
        return "resource", path[path.index("/v2/resource_instances") :]
    base = _RUNTIME_BASE.match(path)
    if host.startswith(_CATALOG_HOSTS) or "/globalcatalog/" in path:
        return "catalog", "/api/v1" + (base["rest"] if base else path)
    return ("runtime", base["rest"]) if base else ("runtime", path)


def _speaks_the_protocol(request: Request, family: str) -> bool:
    # A user's own web service may have a path such as /api/v1/jobs too: on a host
    # that is not IBM's, only what the client always sends makes it the service.
    if family == "iam":
        return b"grant_type=urn" in request.body
    if family in {"search", "catalog", "resource"}:
        return "authorization" in request.headers
    return "ibm-api-version" in request.headers or "service-crn" in request.headers


def _region(host: str) -> str:
    found = re.match(r"^(?:private\.)?([a-z]{2}-[a-z]+)\.quantum(?:-computing)?\.", host)
    return found[1] if found else "us-east"
