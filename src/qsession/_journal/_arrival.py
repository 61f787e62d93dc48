"""What became of a submission whose answer nobody saw: asked of the service before it is sent again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote

from qsession import _payload
from qsession._bodies import read_object
from qsession._clock import isoformat
from qsession._journal import _messages
from qsession._journal._past import Asked
from qsession._model import SECOND, Request, Response
from qsession.errors import CassetteError

_PAGE = 200
_APART = 120 * SECOND
"""How far our clock and the service's may be apart."""
_HEADERS = ("accept", "authorization", "ibm-api-version", "service-crn", "user-agent")

Send = Callable[[Request], Response]


def arrived(
    asked: Asked, request: Request, known: frozenset[str], send: Send, *, where: str
) -> Response | None:
    """The answer that a submission would have got, if it arrived.

    Where the service gave an id before the process died, that is it. Else the jobs of
    its session are looked through, which nobody else submits to; for a job without a
    session those of the instance since the moment at which it was asked. A job is taken
    for it when it means the same and is not one of the recording's others.

    Args:
        asked: What the journal says.
        request: The same request as it would be sent now.
        known: Real ids of the recording's other jobs and sessions.
        send: Sends a request to the service.
        where: The test, for messages.

    Returns:
        None if it did not arrive, so that it can be sent.

    Raises:
        CassetteError: If the service cannot tell (QS215).
    """
    fields = read_object(request.body)
    if asked.made is not None:
        return _answer(asked.made.real, fields)
    if asked.endpoint == "sessions.create":
        # One without a job costs nothing and closes after 30 minutes (documented).
        return None
    look = _Look(request, fields, asked, send, where)
    candidates = [job for job in look.listed() if job not in known]
    same = [job for job in candidates if look.means_the_same(job)]
    if len(same) > 1:
        raise look.doubt([f"may be: job {job}" for job in same])
    return _answer(same[0], fields) if same else None


class _Look:
    """Questions about one submission."""

    def __init__(
        self, request: Request, fields: Mapping[str, object], asked: Asked, send: Send, where: str
    ) -> None:
        self._base = request.url.partition("?")[0].rstrip("/")
        self._headers = {name: request.headers[name] for name in _HEADERS if name in request.headers}
        self._fields = fields
        self._asked = asked
        self._send = send
        self._where = where

    def listed(self) -> Iterator[str]:
        """Ids of the jobs that may be it."""
        session = self._fields.get("session_id")
        since = isoformat(self._asked.at - _APART)
        chosen = f"session_id={quote(str(session), safe='')}" if session else f"created_after={since}"
        found = self._get(f"{self._base}?limit={_PAGE}&offset=0&{chosen}")
        jobs = found.get("jobs")
        if not isinstance(jobs, list) or len(jobs) >= _PAGE:
            raise self.doubt(["the service lists too many jobs, or none can be read"])
        for job in jobs:
            if isinstance(job, Mapping) and isinstance(job.get("id"), str):
                yield job["id"]

    def means_the_same(self, job: str) -> bool:
        """Whether a job has the same program, parameters and tags, on the same backend."""
        found = self._get(f"{self._base}/{quote(job, safe='')}?exclude_params=false")
        program = found.get("program")
        name = program.get("id") if isinstance(program, Mapping) else program
        if name != self._fields.get("program_id") or found.get("backend") != self._fields.get("backend"):
            return False
        if _tags(found) != _tags(self._fields):
            return False
        params = found.get("params")
        if isinstance(params, str):
            # Documented as an object; clients of old got a text.
            params = json.loads(params)
        return _payload.read(str(name), params).digest == self._digest()

    def doubt(self, evidence: list[str]) -> CassetteError:
        """The service cannot tell."""
        what = f"a {self._fields.get('program_id')} job on {self._fields.get('backend')}"
        return _messages.unknown_outcome(what, evidence, self._asked.at, where=self._where)

    def _digest(self) -> str:
        return _payload.read(str(self._fields.get("program_id")), self._fields.get("params")).digest

    def _get(self, url: str) -> Mapping[str, object]:
        answer = self._send(Request("GET", url, self._headers))
        if answer.status != 200:
            raise self.doubt([f"asked for it, the service answered {answer.status} {answer.reason}"])
        return read_object(answer.body)


def _tags(fields: Mapping[str, object]) -> list[str]:
    tags = fields.get("tags")
    return sorted(str(tag) for tag in tags) if isinstance(tags, list) else []


def _answer(real: str, fields: Mapping[str, object]) -> Response:
    """What the service says to a submission: its id, and the backend of a job (documented)."""
    said: dict[str, object] = {"id": real}
    said |= {name: fields[name] for name in ("backend", "session_id") if fields.get(name)}
    return Response(200, "OK", {"content-type": "application/json"}, json.dumps(said).encode())
