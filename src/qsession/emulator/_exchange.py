"""What a handler is given: the emulated world and one understood request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from qsession._endpoints import Call
from qsession._model import Instant, Request
from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._devices import Device
from qsession.emulator._instances import Instance
from qsession.emulator._state import State
from qsession.emulator._tokens import Tokens

USER_ID = "IBMid-0000000000"
"""The emulated user."""

_NOBODY = Instance("")


@dataclass(frozen=True, slots=True)
class World:
    """Everything that an emulator consists of.

    Attributes:
        instances: Instances of the account.
        devices: Backends by name, in their order.
        state: Sessions and jobs.
        tokens: Access tokens.
        strict: Whether only own tokens and own CRNs are accepted.
        api_key: The one key that gets a token; None for any.
        noise: Whether results suffer from the errors that backends report.
    """

    instances: tuple[Instance, ...]
    devices: Mapping[str, Device]
    state: State
    tokens: Tokens
    strict: bool
    api_key: str | None
    noise: bool = False

    def device(self, name: str) -> Device:
        """A backend.

        Raises:
            Refused: If there is none of that name.
        """
        if name not in self.devices:
            raise Refused("unknown device")
        return self.devices[name]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, understood, at its moment.

    Attributes:
        call: What is asked.
        request: The request.
        at: When it came.
        instance: The instance it is for; meaningless outside the runtime API.
    """

    call: Call
    request: Request
    at: Instant
    instance: Instance = _NOBODY

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

    def document(self) -> dict[str, Json]:
        """The body as a JSON object.

        Raises:
            Refused: If it is none.
        """
        try:
            found = json.loads(self.request.body)
        except (ValueError, RecursionError) as problem:
            raise Refused("invalid", "the body is not valid JSON") from problem
        if not isinstance(found, dict):
            raise Refused("invalid", "the body must be a JSON object")
        return found


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
    if not isinstance(value, list) or len(value) > 8:
        raise Refused("invalid", "tags must be a list of at most 8 strings")
    tags = tuple(tag for tag in value if isinstance(tag, str) and len(tag) <= 86)
    if len(tags) < len(value):
        raise Refused("invalid", "each tag must be a string of at most 86 characters")
    return tags
