"""A pytest plugin: IBM's unit tests, with an emulator of ours in the place of their registry.

Loaded with ``-p`` when ``benchmarks.ibm_unit`` runs them. Their fixtures stay as they are: the ``responses``
mock still takes what the client sends, and asks its registry for the answer. That question is answered
here. How many requests a test made, and how many jobs it submitted that nobody could read, goes into the
junit file, as the properties ``requests`` and ``unread``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from responses import BaseResponse, CallbackResponse

from benchmarks._unit_world import Stage
from qsession._model import Request

if TYPE_CHECKING:
    from requests import PreparedRequest

_ANY = re.compile("")
_counted: Counter[str] = Counter()


@pytest.hookimpl(trylast=True)
def pytest_sessionstart() -> None:
    """Put the emulator in, before a test module can make a registry."""
    # From the suite, whose folder is the first on the path.
    from test.registries import BaseRegistry

    BaseRegistry.find = _find


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Count what a test asks."""
    _counted.clear()
    try:
        yield
    finally:
        item.user_properties += [(name, _counted[name]) for name in ("requests", "unread")]


def _find(registry: Any, request: PreparedRequest) -> tuple[BaseResponse, list[str]]:
    """What answers a request: a response that the test itself added, or else the emulator."""
    for response in registry.registered:
        is_registrys = getattr(getattr(response, "callback", None), "__self__", None) is registry
        if not is_registrys and response.matches(request)[0]:
            return response, []
    return CallbackResponse(request.method or "GET", _ANY, lambda asked: _answered(registry, asked)), []


def _answered(registry: Any, asked: PreparedRequest) -> tuple[int, dict[str, str], bytes]:
    stage: Stage | None = vars(registry).get("stage")
    if stage is None:
        stage = registry.stage = Stage(registry)
    unread = stage.unread
    answer = stage.answer(_request(asked))
    _counted.update(requests=1, unread=stage.unread - unread)
    headers = {name.title(): value for name, value in answer.headers.items()}
    return answer.status, headers, answer.body


def _request(asked: PreparedRequest) -> Request:
    body = asked.body or b""
    raw = body.encode() if isinstance(body, str) else body
    headers = {name.lower(): value for name, value in asked.headers.items()}
    return Request(asked.method or "GET", asked.url or "", headers, raw)
