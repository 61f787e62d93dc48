"""A service with sessions and jobs, and a clock, both moved by the tests alone."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from qsession._endpoints import identify
from qsession._model import SECOND, Instant, Micros, Request, Response
from qsession._money import MoneyGuard, Purse
from qsession._money._pace import Pace

BASE = "https://quantum.cloud.ibm.com/api/v1"
TOKEN = "planted-token-5f1c"
CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/plantedaccount0001:planted-instance::"
KEY = "planted-api-key-77aa"
START = 1_767_225_600 * SECOND  # 2026-01-01T00:00:00Z


class FakeClock:
    def __init__(self) -> None:
        self.moment = START
        self.waits: list[Micros] = []

    def now(self) -> Instant:
        return self.moment

    def wait(self, length: Micros) -> None:
        if length > 0:
            self.waits.append(length)
            self.moment += length

    def advance(self, seconds: float) -> None:
        self.moment += round(seconds * SECOND)


def reply(status: int, body: object = None) -> Response:
    return Response(
        status, "OK" if status < 300 else "Bad", {}, b"" if body is None else json.dumps(body).encode()
    )


def runtime(method: str, path: str, body: object = None, *, token: str = TOKEN) -> Request:
    headers = {"authorization": f"Bearer {token}", "service-crn": CRN, "ibm-api-version": "2026-04-15"}
    return Request(method, BASE + path, headers, b"" if body is None else json.dumps(body).encode())


@dataclass
class FakeService:
    """Answers what the guard and the tests ask; jobs change state when told."""

    sessions: dict[str, dict[str, object]] = field(default_factory=dict)
    jobs: dict[str, dict[str, object]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: dict[str, int | Exception] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})

    def __call__(self, request: Request) -> Response:
        path = request.url.removeprefix(BASE).split("?")[0]
        self.asked.append(f"{request.method} {path}")
        trouble = self.broken.get(f"{request.method} {path}")
        if isinstance(trouble, Exception):
            raise trouble
        if trouble is not None:
            return reply(trouble)
        if path.endswith("/identity/token"):
            self.tokens.add("renewed-token-0002")
            return reply(200, {"access_token": "renewed-token-0002"})
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            return reply(401)
        return self._runtime(request, path)

    def _runtime(self, request: Request, path: str) -> Response:
        fields = json.loads(request.body) if request.body else {}
        if (request.method, path) == ("POST", "/sessions"):
            name = f"session-{len(self.sessions) + 1}"
            self.sessions[name] = {
                "id": name,
                "state": "open",
                "mode": fields["mode"],
                "backend_name": fields["backend"],
            }
            return reply(200, self.sessions[name])
        if (request.method, path) == ("POST", "/jobs"):
            name = f"job-{len(self.jobs) + 1}"
            self.jobs[name] = {
                "id": name,
                "state": {"status": "Queued"},
                "session_id": fields.get("session_id", ""),
            }
            return reply(200, {"id": name, "backend": fields["backend"]})
        found = re.fullmatch(r"/(sessions|jobs)/([^/]+)(/\w+)?", path)
        assert found, path
        table = self.sessions if found[1] == "sessions" else self.jobs
        if found[2] not in table:
            return reply(404)
        if found[3] == "/close":
            table[found[2]].update(state="closed", elapsed_time=table[found[2]].get("elapsed_time", 0))
            return reply(204)
        if found[3] == "/cancel":
            table[found[2]].update(state={"status": "Cancelled"})
            return reply(204)
        return reply(200, table[found[2]])

    def deletes(self) -> list[str]:
        return [line for line in self.asked if line.startswith("DELETE")]


class Recorder:
    """Does what a run does around each request of the code under test."""

    def __init__(
        self,
        folder: Path,
        *,
        budget: float = 60.0,
        reaper: bool = False,
        purse: Purse | None = None,
        beside: Recorder | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.clock = clock or (beside.clock if beside else FakeClock())
        self.service = beside.service if beside else FakeService()
        self.folder = folder
        # With a purse of the test's own, its pace counts as well.
        self.guard = MoneyGuard(
            purse=purse,
            pace=None if purse else Pace(),
            budget_seconds=budget,
            folder=folder,
            clock=self.clock,
            send=self.service,
            reaper=reaper,
            look_seconds=3600.0,  # the tests look themselves
        )

    def __enter__(self) -> Self:
        self.guard.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.guard.__exit__(kind, error, trace)

    def ask(self, request: Request, *, takes: float = 0.0) -> Response:
        call = identify(request)
        assert call is not None
        self.guard.before(call, request, self.clock.now())
        response = self.service(request)
        self.clock.advance(takes)
        self.guard.after(call, request, response, self.clock.now())
        return response

    def open_session(self, mode: str = "dedicated", **extra: object) -> str:
        body = {"mode": mode, "backend": "ibm_fez", "instance": CRN, **extra}
        return str(json.loads(self.ask(runtime("POST", "/sessions", body)).body)["id"])

    def submit(self, session: str = "", **extra: object) -> str:
        body = {"program_id": "sampler", "backend": "ibm_fez", "params": {}, **extra}
        if session:
            body["session_id"] = session
        return str(json.loads(self.ask(runtime("POST", "/jobs", body)).body)["id"])

    def ask_about(self, job: str) -> Response:
        return self.ask(runtime("GET", f"/jobs/{job}?exclude_params=true"))

    def run_job(self, job: str) -> None:
        """The service starts a job, and its session with it."""
        self.service.jobs[job].update(state={"status": "Running"})
        session = str(self.service.jobs[job]["session_id"])
        if session:
            self.service.sessions[session].update(state="active", started_at="2026-01-01T00:00:00Z")

    def spent(self) -> float:
        return self.guard.spent(self.clock.now())

    def total(self) -> float:
        """What everybody who spends from the purse may have spent."""
        return self.guard._count.total(self.clock.now())

    def notes(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "open").glob("*.json"))
