"""Which handler answers which call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from qsession._model import Response
from qsession.emulator import (
    _account_calls,
    _analytics_calls,
    _backend_calls,
    _discovery_calls,
    _identity_calls,
    _job_calls,
    _session_calls,
    _workload_calls,
)
from qsession.emulator._exchange import Exchange, World

Handler = Callable[[World, Exchange], Response]

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "iam.token": _identity_calls.token,
        "search.resources": _discovery_calls.search,
        "catalog.entry": _discovery_calls.catalog,
        "resources.list": _discovery_calls.resources,
        "resources.get": _discovery_calls.resource,
        "resources.update": _discovery_calls.update,
        "versions.list": _account_calls.versions,
        "instances.usage": _account_calls.usage,
        "instances.configuration": _account_calls.configuration,
        "instances.configure": _account_calls.configure,
        "instance.get": _account_calls.instance,
        "accounts.get": _account_calls.account,
        "workloads.list": _workload_calls.listing,
        "analytics.usage": _analytics_calls.usage,
        "analytics.grouped": _analytics_calls.grouped,
        "analytics.by_date": _analytics_calls.by_date,
        "analytics.filters": _analytics_calls.filters,
        "backends.list": _backend_calls.listing,
        "backends.configuration": _backend_calls.configuration,
        "backends.properties": _backend_calls.properties,
        "backends.status": _backend_calls.status,
        "backends.defaults": _backend_calls.defaults,
        "sessions.create": _session_calls.create,
        "sessions.get": _session_calls.get,
        "sessions.update": _session_calls.update,
        "sessions.cancel": _session_calls.cancel,
        "jobs.create": _job_calls.create,
        "jobs.list": _job_calls.listing,
        "jobs.get": _job_calls.get,
        "jobs.delete": _job_calls.delete,
        "jobs.results": _job_calls.results,
        "jobs.logs": _job_calls.logs,
        "jobs.metrics": _job_calls.metrics,
        "jobs.cancel": _job_calls.cancel,
        "jobs.tags": _job_calls.tag,
        "tags.list": _job_calls.tags,
    }
)
"""By the name of the call's line in the grammar."""
