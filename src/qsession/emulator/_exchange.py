"""What a handler is given: the emulated world and one understood request."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from qsession._clock import from_datetime
from qsession._endpoints import Call
from qsession._model import Instant, Micros, Request
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator import _versions
from qsession.emulator._devices import Device
from qsession.emulator._instances import Directory, Instance
from qsession.emulator._state import State
from qsession.emulator._tokens import Tokens

USER_ID = "IBMid-0000000000"
"""The emulated user."""

MOST_TAGS = 8
"""Tags that a job may have (documented)."""

LONGEST_TAG = 86
"""Characters that a tag may have (documented)."""

LONGEST_BODY = 1_000_000
"""Bytes of a body, but for a job's: read, megabytes take many times their size in memory (ours)."""

MOST_CONTAINERS = 300_000
"""Lists and objects that a body may hold (ours)."""

MOST_VALUES = 2_000_000
"""Values that a body may hold (ours)."""

IamState = Literal["works", "unknown key", "unavailable"]
"""How IAM takes requests for tokens: grants them, knows no key, or is down."""

_NOBODY = Instance("")


@dataclass(frozen=True, slots=True)
class World:
    """Everything that an emulator consists of.

    Attributes:
        directory: Instances of the account.
        devices: Backends by name, in their order.
        state: Sessions and jobs.
        tokens: Access tokens.
        strict: Whether only own tokens and own CRNs are accepted.
        api_key: The one key that gets a token; None for any.
        iam: How IAM takes requests for tokens.
        queue: How long a job waits.
        jobs_a_minute: Most submissions within a minute; None for any number.
        noise: Whether results suffer from the errors that backends report.
        unread_results: What a job comes to that cannot be read; None to refuse it.
    """

    directory: Directory
    devices: Mapping[str, Device]
    state: State
    tokens: Tokens
    strict: bool
    api_key: str | None
    iam: IamState = "works"
    queue: Micros = 0
    jobs_a_minute: int | None = None
    noise: bool = False
    unread_results: str | None = None

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Instances of the account as they are now."""
        return self.directory.all()

    def backends(self, instance: Instance, *, mocks: bool = True) -> list[Device]:
        """The backends that an instance sees, in their order.

        Args:
            instance: The instance.
            mocks: Whether those of class ``mock`` are among them.
        """
        return [d for d in self.devices.values() if instance.sees(d.name) and (mocks or not d.mock)]

    def backend(self, name: str, instance: Instance) -> Device | None:
        """A backend, None if the instance does not see one of that name."""
        return self.devices.get(name) if instance.sees(name) else None

    def device(self, name: str, instance: Instance) -> Device:
        """A backend.

        Raises:
            Refused: If the instance sees none of that name.
        """
        if (found := self.backend(name, instance)) is None:
            raise Refused("unknown device")
        return found


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, understood, at its moment.

    Attributes:
        call: What is asked.
        request: The request.
        at: When it came.
        instance: The instance it is for; meaningless outside the runtime API.
        version: Version of the API that answers; meaningless outside the runtime API.
    """

    call: Call
    request: Request
    at: Instant
    instance: Instance = _NOBODY
    version: str = _versions.LIVE

    def query(self, name: str) -> str | None:
        """The last value of a query parameter."""
        return dict(self.call.query).get(name)

    def queries(self, name: str) -> list[str]:
        """Every value of a repeated query parameter (observed: brackets are ignored)."""
        return [value for key, value in self.call.query if key == name]

    def flag(self, name: str) -> bool | None:
        """A boolean query parameter; None when absent or unreadable."""
        return {"true": True, "false": False}.get((self.query(name) or "").lower())

    def integer(self, name: str, default: int, *, lowest: int, highest: int) -> int:
        """A whole number; outside its range the default, no error (documented)."""
        value = self.query(name) or ""
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else default
        return number if lowest <= number <= highest else default

    def moment(self, name: str) -> Instant | None:
        """A moment, None when absent.

        Raises:
            Refused: If it is no date and time with its zone.
        """
        value = self.query(name)
        if value is None:
            return None
        try:
            # A plus sign that was not percent-encoded arrives as a space.
            return from_datetime(datetime.fromisoformat(value.replace(" ", "+")))
        except (ValueError, OverflowError) as problem:
            raise Refused("invalid query", f"{name} must be a date and time with its zone") from problem

    def document(self, *, longest: int = LONGEST_BODY) -> dict[str, Json]:
        """The body as a JSON object.

        Args:
            longest: Bytes that it may have.

        Raises:
            Refused: If it is none, or longer.
        """
        body = self.request.body
        if len(body) > longest:
            raise Refused("too large")
        _check_count(body)
        try:
            # Python would read UTF-16 and 32 too, and its NaN and Infinity, which is also what 1e400
            # is to it, are no JSON and would make our answers none.
            found = json.loads(body.decode(), parse_constant=_no_constant, parse_float=_finite)
        except (ValueError, RecursionError) as problem:
            raise Refused("invalid", "the body is not valid JSON") from problem
        if not isinstance(found, dict):
            raise Refused("invalid", "the body must be a JSON object")
        return found


def _check_count(body: bytes) -> None:
    # Python takes many seconds to read millions of values, and keeps everybody else waiting. Counted
    # in the bytes, those within strings too; base64, of which large jobs consist, has none.
    containers = body.count(b"[") + body.count(b"{")
    if containers > MOST_CONTAINERS:
        raise Refused("invalid", f"the body must not hold more than {MOST_CONTAINERS} lists and objects")
    if containers + body.count(b",") > MOST_VALUES:
        raise Refused("invalid", f"the body must not hold more than {MOST_VALUES} values")


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


def words(document: Mapping[str, Json], name: str, *, longest: int) -> str | None:
    """A string of a body, None when absent.

    Raises:
        Refused: If it is no string, empty or too long.
    """
    return None if document.get(name) is None else required_words(document, name, longest=longest)


def required_words(document: Mapping[str, Json], name: str, *, longest: int) -> str:
    """A string of a body.

    Raises:
        Refused: If it is missing, no string, empty or too long.
    """
    value = document.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise Refused("invalid", f"{name} must be a string of 1 to {longest} characters")
    return value


def whole(document: Mapping[str, Json], name: str, *, lowest: int, highest: int) -> int | None:
    """A whole number of a body, None when absent.

    Raises:
        Refused: If it is no whole number or out of range.
    """
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise Refused("invalid", f"{name} must be a whole number from {lowest} to {highest}")
    return value


def flag(document: Mapping[str, Json], name: str, *, default: bool | None = None) -> bool:
    """A boolean of a body.

    Raises:
        Refused: If it is no boolean, or missing without a default.
    """
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise Refused("invalid", f"{name} must be true or false")
    return value


def labels(document: Mapping[str, Json]) -> tuple[str, ...]:
    """The tags of a body: at most 8 of at most 86 characters (documented).

    Raises:
        Refused: If they are not.
    """
    value = document.get("tags", [])
    if not isinstance(value, list):
        raise Refused("invalid", "tags must be a list of strings")
    tags = tuple(tag for tag in value if isinstance(tag, str))
    if len(tags) < len(value):
        raise Refused("invalid", "tags must be a list of strings")
    if len(tags) > MOST_TAGS:
        raise Refused("too many tags", str(len(tags)))
    if any(len(tag) > LONGEST_TAG for tag in tags):
        raise Refused("tag too long", str(max(map(len, tags))))
    return tags
