"""What is known for a secret by its shape alone, and what is written in its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qsession._redaction._values import REDACTED, USER

NOBODY_MAIL = "nobody@example.invalid"
"""The e-mail address that is written in the place of every other."""

NO_TRACE = "00000000-0000-4000-8000-000000000000"
NO_ACCOUNT = "0" * 32

Replace = Callable[[re.Match[str]], str]


@dataclass(frozen=True, slots=True)
class Shape:
    """One pattern.

    Attributes:
        kind: What it is, for messages.
        hint: Lower-case text without which there is none: most texts are not searched further.
        pattern: Where it stands.
        replace: What is written instead.
        text: Whether only text is searched: random bytes could have this shape by chance.
        only: ``recording`` or ``report`` where it is taken out of nothing else.
    """

    kind: str
    hint: bytes
    pattern: re.Pattern[str]
    replace: Replace
    text: bool = False
    only: str = ""


CRN = re.compile(r"crn:v1:[a-z0-9-]*:[a-z0-9-]*:[a-z0-9-]*:[a-z0-9-]*:[^\s\"'\\&?,;<>]*", re.IGNORECASE)
"""A cloud resource name (documented): account and instance stand in it."""

_VALUE = r"(?!REDACTED)(?=[A-Za-z._~+/=-]*\d)[A-Za-z0-9._~+/=-]{16,4096}"


def _redacted(_: re.Match[str]) -> str:
    return REDACTED


SHAPES: tuple[Shape, ...] = (
    Shape(
        "token",
        b"eyj",
        re.compile(r"eyJ[A-Za-z0-9_-]{8,1024}\.[A-Za-z0-9_-]{4,16384}\.[A-Za-z0-9_-]*"),
        _redacted,
    ),
    Shape(
        "API key",
        b"key",
        # As forms, headers, JSON, reprs and assignments spell it.
        re.compile(rf"(?i)(\bapi[_-]?key(?:[\"']?\s?(?:[:=,]|%3d)\s?[\"']?| ))({_VALUE})"),
        lambda found: found[1] + REDACTED,
    ),
    Shape(
        "credential of a header",
        b"authorization",
        re.compile(rf"(?i)(authorization[\"']?\s?[:=,]\s?[\"']?(?:bearer|basic|apikey)\s)({_VALUE})"),
        lambda found: found[1] + REDACTED,
    ),
    Shape(
        "credential of a header",
        b"bearer ",
        re.compile(rf"(?i)(\bbearer )({_VALUE})"),
        lambda found: found[1] + REDACTED,
    ),
    Shape(
        "account id",
        b"a/",
        re.compile(r"(?<![\w/-])a/(?!0{32})[0-9a-fA-F]{32}(?![0-9a-fA-F])"),
        lambda found: "a/" + NO_ACCOUNT,
    ),
    Shape(
        "account id",
        b"/accounts/",
        re.compile(r"(?<=/accounts/)(?!0{32})[0-9a-fA-F]{32}(?![0-9a-fA-F])"),
        lambda found: NO_ACCOUNT,
    ),
    # What is left where pytest cut the middle out of a long value.
    Shape("token", b"eyj", re.compile(r"eyJ[A-Za-z0-9_-]{16,}[A-Za-z0-9_.-]*"), _redacted, only="report"),
    Shape("account id", b":a/", re.compile(r"(?<=:a/)(?!0{4})[0-9a-fA-F]{4,31}\b"), _redacted, only="report"),
    Shape(
        "user id",
        b"ibmid-",
        re.compile(rf"(?i)ibmid-(?!{USER[6:]}\b)[0-9a-z]{{4,64}}"),
        lambda found: USER,
    ),
    Shape(
        "service id",
        b"iam-",
        re.compile(r"(?i)\biam-(serviceid|profile)-(?!0{8}-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        lambda found: f"iam-{found[1]}-{NO_TRACE}",
    ),
    Shape(
        "id of an API key",
        b"apikey-",
        re.compile(r"(?i)\bapikey-(?!0{8}-)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        lambda found: f"ApiKey-{NO_TRACE}",
    ),
    Shape(
        "password of a URL",
        b"@",
        re.compile(r"(?<=://)(?!REDACTED@)[^\s/@:\"'<>]{0,256}:[^\s/@\"'<>]{1,256}@"),
        lambda found: REDACTED + "@",
        text=True,
    ),
    Shape(
        "e-mail address",
        b"@",
        re.compile(
            r"(?<![\w.%+-])(?!REDACTED@|nobody@example\.invalid)"
            r"[^\W_][\w.%+-]{0,254}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
        ),
        lambda found: NOBODY_MAIL,
        text=True,
    ),
    Shape(
        "name of a user in a path",
        b"/home/",
        re.compile(r"(?<![\w.])/home/(?!user\b)[\w.-]+"),
        lambda found: "/home/user",
        text=True,
        only="recording",
    ),
    Shape(
        "name of a user in a path",
        b"users",
        re.compile(r"(?<![\w.])((?:[A-Za-z]:)?[/\\]{1,4}Users[/\\]{1,4})(?!user\b)[\w.-]+"),
        lambda found: found[1] + "user",
        text=True,
        only="recording",
    ),
)
"""Everything but CRNs, whose substitute depends on which instances were seen."""

PRIVATE: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("user_id", "userid", "iam_id", "iamid"), ("user id", USER)),
    "ims_user_id": ("user id", USER),
    "users": ("user id", USER),
    **dict.fromkeys(("account_id", "accountid", "bss", "subscription_id"), ("account id", NO_ACCOUNT)),
    "subscriptions": ("account id", NO_ACCOUNT),
    **dict.fromkeys(
        ("given_name", "family_name", "subscription_name"), ("name of a person or account", REDACTED)
    ),
    "instance_name": ("instance name", REDACTED),
    "email": ("e-mail address", NOBODY_MAIL),
    **dict.fromkeys(("apikey", "api_key", "iam_apikey", "password", "client_secret"), ("API key", REDACTED)),
    **dict.fromkeys(("access_token", "refresh_token", "delegated_refresh_token"), ("token", REDACTED)),
    # The service's correlation id: it means nothing elsewhere and differs each time.
    "trace": ("trace", NO_TRACE),
}
"""JSON fields whose texts are private whatever they look like, by lower-case name, and what is written.

A field with a list of texts counts for each. Where each occurs: the service's OpenAPI document
(documented), IAM's tokens (observed by others) and the client.
"""

_NAMES = "|".join(sorted(PRIVATE, key=len, reverse=True))
FIELD = re.compile(
    rf"""(?i)(?P<quote>(?<!\\)\\*["'])(?P<name>{_NAMES})(?P=quote)(?P<colon>\s*:\s*)"""
    r"""(?:(?P<open>\[?\s*(?P<opened>\\*["']))(?P<value>(?:(?!(?P=opened)).){1,4096})|(?P<number>\d+))"""
)
"""Such a field in a text that is not JSON: a repr, a part of a document, an error that quotes one."""


def replace_field(found: re.Match[str]) -> str:
    """What is written in the place of such a field."""
    name = found["name"]
    head = f"{found['quote']}{name}{found['quote']}{found['colon']}"
    if found["number"] is not None:
        return f"{head}{private(name, int(found['number']))}"
    return f"{head}{found['open']}{private(name, found['value'])}"


def private(name: str, value: str | int | float) -> str | int | float:
    """What is written in the place of a field's value; the value itself where the field is not private."""
    kind, substitute = PRIVATE.get(name.lower(), ("", ""))
    if isinstance(value, str):
        return substitute if kind and value else value
    is_id = kind in {"user id", "account id"} and not isinstance(value, bool)
    return 0 if is_id else value
