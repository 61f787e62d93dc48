"""What is said while a recording is made: reports, logs and warnings, without what the recording learned.

Reports show pieces: pytest cuts the middle out of long values. So pieces of credentials are looked
for too, which in a recording would be found by chance in what must stay as it is.
"""

from __future__ import annotations

import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from qsession._redaction._redactor import Redactor
from qsession._redaction._rules import Rules
from qsession._redaction._values import REDACTED, Values

_PIECE = 12
_LATEST = 4
_REMEMBERED = 256
_CREDENTIALS = frozenset(
    {"API key", "token", "account id", "instance id", "cookie", "password", "refresh_token"}
)
# A long value without its middle: where one end is private, so is the other.
_CUT = re.compile(r"([^\s'\"]{8,})\.\.\.([^\s'\"]+)")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_SHORTEST = 4


class Screen:
    """Cleans what a test run says. One for a test run; safe for concurrent use.

    Args:
        rules: The user's own.
        environment: Where the client finds an account, and the machine its proxies.
        accounts: The file of saved accounts.
    """

    def __init__(
        self, rules: Rules, *, environment: Mapping[str, str] = os.environ, accounts: Path | None = None
    ) -> None:
        self._rules = rules
        self._own = Redactor(rules)
        self._watched: deque[Redactor] = deque(maxlen=_LATEST)
        self._current = _Current((), self._own.for_reports(Values()))
        for kind, value in _at_hand(environment, accounts or Path.home() / ".qiskit" / "qiskit-ibm.json"):
            if kind == "instance":
                self._own.learn_account(value)
            else:
                self._own.learn(kind, value)

    def redactor(self) -> Redactor:
        """A redactor for a recording, whose secrets are kept out of what is said from now on."""
        redactor = Redactor(self._rules)
        self._watched.append(redactor)
        return redactor

    def learn(self, credential: str) -> None:
        """Keep a credential out of what is said that no recording brought along."""
        self._own.learn("API key", credential)

    def clean(self, text: str) -> str:
        """A text without secrets; the same where there are none."""
        return text if len(text) < _SHORTEST else self._renewed().clean(text)

    def clean_tree(self, value: object) -> object:
        """Any value with each text in it cleaned: lists, tuples, mappings, and objects of pytest in place."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, list):
            return [self.clean_tree(each) for each in value]
        if isinstance(value, tuple):
            return tuple(map(self.clean_tree, value))
        if isinstance(value, dict):
            return {self.clean_tree(name): self.clean_tree(each) for name, each in value.items()}
        if type(value).__module__.startswith("_pytest."):
            for name, each in list(getattr(value, "__dict__", {}).items()):
                object.__setattr__(value, name, self.clean_tree(each))
        return value

    def _renewed(self) -> _Current:
        redactors = (self._own, *self._watched)
        state = tuple((id(each), each.values.generation) for each in redactors)
        if state == self._current.state:
            return self._current
        values = Values()
        for each in redactors:
            values.take_over(each.values)
        secret = (form for kind, form in values.forms() if kind in _CREDENTIALS)
        pieces = frozenset(piece for form in secret for piece in _pieces(form))
        # At once, without a lock: a thread that logs holds its handler's.
        self._current = _Current(state, self._own.for_reports(values), pieces)
        return self._current


class _Current:
    """What is known at a moment."""

    def __init__(
        self, state: tuple[object, ...], redactor: Redactor, pieces: frozenset[bytes] = frozenset()
    ) -> None:
        self.state = state
        self.clean = lru_cache(_REMEMBERED)(self._clean)
        self._redactor = redactor
        self._pieces = pieces

    def _clean(self, text: str) -> str:
        return self._without_pieces(self._redactor.clean_text(_CUT.sub(self._without_ends, text)))

    def _without_ends(self, found: re.Match[str]) -> str:
        clean = self._redactor.clean_text
        private = any(clean(end) != end or self._without_pieces(end) != end for end in found.groups())
        return f"{REDACTED}...{REDACTED}" if private else found[0]

    def _without_pieces(self, text: str) -> str:
        raw = text.encode("utf-8", "surrogatepass")
        low = raw.lower()
        spans: list[tuple[int, int]] = []
        for start in range(len(raw) - _PIECE + 1):
            end = start + _PIECE
            if low[start:end] in self._pieces or raw[start:end] in self._pieces:
                begin = spans.pop()[0] if spans and start <= spans[-1][1] else start
                spans.append((begin, end))
        for start, end in reversed(spans):
            raw = raw[:start] + REDACTED.encode() + raw[end:]
        return raw.decode("utf-8", "surrogatepass") if spans else text


@lru_cache(maxsize=512)
def _pieces(form: bytes) -> tuple[bytes, ...]:
    return tuple(form[start : start + _PIECE] for start in range(len(form) - _PIECE + 1))


def _at_hand(environment: Mapping[str, str], accounts: Path) -> Iterator[tuple[str, str]]:
    """What the client would use, before it was seen to use it: kinds and values."""
    yield "API key", environment.get("QISKIT_IBM_TOKEN", "")
    yield "instance", environment.get("QISKIT_IBM_INSTANCE", "")
    for name, value in environment.items():
        if name.lower() in _PROXIES:
            yield "password", unquote(urlsplit(value).password or "")
    try:
        saved: object = json.loads(accounts.read_bytes())
    except (OSError, ValueError):
        return
    for account in saved.values() if isinstance(saved, dict) else ():
        if isinstance(account, dict):
            yield "API key", str(account.get("token") or "")
            yield "instance", str(account.get("instance") or "")
