"""Asking the service on the guard's own account, with what the client was seen to use.

Credentials live in memory only. Their ``repr`` is empty, because tracebacks and test
reports print local variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from qsession._bodies import read_object
from qsession._model import Request, Response
from qsession._money._observe import is_success, text

Send: TypeAlias = Callable[[Request], Response]

_PASSED_ON = ("authorization", "service-crn", "ibm-api-version")
_GRANT_HEADERS = ("accept", "authorization", "content-type")
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
# What an already closed session answers to a cancel is not documented; these are
# asked about instead of being believed.
_DOUBTFUL = frozenset({400, 409, 410})


@dataclass(frozen=True, slots=True)
class Access:
    """What a request to one instance needs.

    Attributes:
        headers: Authorization, instance and API version, by lower-case name.
        grant: The request that fetched the token, to fetch another one.
    """

    headers: Mapping[str, str] = field(repr=False)
    grant: Request | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a session or job lives.

    Attributes:
        base: Base URL of the API, such as ``https://quantum.cloud.ibm.com/api/v1``.
        instance: CRN of its instance.
    """

    base: str
    instance: str = field(repr=False)

    @property
    def server(self) -> tuple[str, str]:
        """Who answers there, and for which instance: what credentials are for."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", self.instance


@dataclass(frozen=True, slots=True)
class Target:
    """A session to cancel, and what is needed for it.

    Attributes:
        id: Id of the service.
        base: Base URL of the API.
        access: Credentials.
    """

    id: str
    base: str
    access: Access = field(repr=False)


class Keyring:
    """The latest working credentials of each instance, learned from the client's requests."""

    def __init__(self) -> None:
        self._grants: dict[str, Request] = {}
        self._access: dict[tuple[str, str], Access] = {}

    def learn_grant(self, request: Request, response: Response) -> None:
        """Remember which request gave which token."""
        token = text(read_object(response.body), "access_token")
        if is_success(response) and token:
            self._grants[token] = replace(request, headers=_pick(request.headers, _GRANT_HEADERS))

    def learn(self, request: Request, response: Response) -> None:
        """Remember the credentials of a request that the service accepted."""
        headers = _pick(request.headers, _PASSED_ON)
        if response.status in {_UNAUTHORIZED, _FORBIDDEN} or "authorization" not in headers:
            return
        scheme, _, token = headers["authorization"].partition(" ")
        grant = self._grants.get(token) if scheme.lower() == "bearer" else None
        self.put(Address(request.url, headers.get("service-crn", "")), Access(headers, grant))

    def put(self, address: Address, access: Access) -> None:
        """Set the credentials of an instance."""
        self._access[address.server] = access

    def find(self, base: str, is_it: Callable[[str], bool]) -> Access | None:
        """The credentials of an instance of which only a mark is known; None when none were seen.

        Args:
            base: Base URL of the API.
            is_it: Whether a CRN is that of the instance.
        """
        server = Address(base, "").server[0]
        # Others learn meanwhile.
        known = self._access.copy().items()
        return next((access for (where, crn), access in known if where == server and is_it(crn)), None)

    def get(self, address: Address) -> Access:
        """The credentials of an instance, without any when none were seen."""
        return self._access.get(address.server, Access({}))


def ask(access: Access, method: str, url: str, send: Send) -> tuple[Response, Access]:
    """Send one request; when the token has expired, fetch another and send it again.

    Returns:
        The answer, and the credentials that it was given for.
    """
    response = send(Request(method, url, access.headers))
    renewed = _renew(access, send) if response.status == _UNAUTHORIZED else None
    if renewed is None:
        return response, access
    return send(Request(method, url, renewed.headers)), renewed


def cancel_session(target: Target, send: Send) -> tuple[str, Target]:
    """Cancel a session or batch: no queued job will run (documented).

    Returns:
        Why it may still be open, empty when it is closed; and the target with the
        credentials that worked.
    """
    url = session_url(target.base, target.id)
    try:
        response, access = ask(target.access, "DELETE", f"{url}/close", send)
        target = replace(target, access=access)
        if response.status in _DOUBTFUL and _is_closed(access, url, send):
            return "", target
    except Exception as error:  # noqa: BLE001 - whatever broke, the other sessions come next
        # The text of a transport's error may quote a proxy's password; its name does not.
        return type(error).__name__, target
    return ("" if response.status == _NOT_FOUND else problem_of(response)), target


def problem_of(response: Response) -> str:
    """What the service answered, where it did not do what was asked; else nothing."""
    if is_success(response):
        return ""
    return f"the service answered {response.status} {response.reason}".rstrip()


def session_url(base: str, session_id: str) -> str:
    """The URL of a session."""
    return f"{base}/sessions/{quote(session_id, safe='')}"


def job_url(base: str, job_id: str) -> str:
    """The URL of a job."""
    return f"{base}/jobs/{quote(job_id, safe='')}"


def address_of(request: Request, path: str) -> Address:
    """Where the thing lives that a creating request makes.

    Args:
        request: A request such as POST .../api/v1/sessions.
        path: Its path below the base, such as ``/sessions``.
    """
    parts = urlsplit(request.url)
    prefix = parts.path.rstrip("/").removesuffix(path.rstrip("/"))
    host = parts.netloc.rpartition("@")[2]
    return Address(f"{parts.scheme}://{host}{prefix}", request.headers.get("service-crn", ""))


def _renew(access: Access, send: Send) -> Access | None:
    if access.grant is None:
        return None
    answer = send(access.grant)
    token = text(read_object(answer.body), "access_token")
    if not is_success(answer) or not token:
        return None
    return replace(access, headers={**access.headers, "authorization": f"Bearer {token}"})


def _is_closed(access: Access, url: str, send: Send) -> bool:
    answer, _ = ask(access, "GET", url, send)
    return text(read_object(answer.body), "state").lower() == "closed"


def _pick(headers: Mapping[str, str], names: tuple[str, ...]) -> Mapping[str, str]:
    return {name: headers[name] for name in names if name in headers}
