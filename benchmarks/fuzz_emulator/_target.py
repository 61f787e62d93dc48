"""What the fuzzer aims at: an emulator behind its real server, and what must stay there as it was."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import requests

from qsession.emulator import Backend, Emulator, EmulatorServer, Instance
from qsession.emulator._instances import fake_crn

DESCRIPTION = Path(__file__).parents[2] / "schemas" / "emulator.openapi.yaml"
KEY = "fuzzed-key-that-opens-nothing"
BOUND = 10.0
"""Seconds that an answer may take; more is a hang."""

FUZZED = Instance(fake_crn(1), "fuzzed")
KEPT = Instance(fake_crn(2), "kept")
BACKENDS = ("ibm_fez", "ibm_torino", "mock_fez", "ibm_brisbane")
GRANT = "urn:ibm:params:oauth:grant-type:apikey"

_CLIENT = """
import json, os
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import QiskitRuntimeService, SamplerV2, Session

service = QiskitRuntimeService()
backend = service.backend("ibm_fez")
bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(bell)
with Session(backend=backend) as session:
    job = SamplerV2(mode=session).run([isa], shots=100)
    counts = job.result()[0].data.meas.get_counts()
assert set(counts) <= {"00", "11"} and sum(counts.values()) == 100, counts
assert session.status() == "Closed", session.status()
assert session.usage() > 0
"""


def emulator() -> Emulator:
    """An emulator as `qsession serve` has one: strict, with one key; one backend is paused, one a mock."""
    backends = (
        Backend("ibm_fez"),
        Backend("ibm_torino", status="paused", reason="calibration"),
        Backend("mock_fez", mock=True),
        Backend("ibm_brisbane"),
    )
    return Emulator(
        backends=backends,
        instances=(FUZZED, KEPT),
        strict=True,
        api_key=KEY,
        queue_seconds=0.05,
        run_seconds=0.05,
    )


@dataclass
class Findings:
    """What is not as it must be, each kind with its count and its first example."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, what: str, example: str = "") -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
        self.examples.setdefault(what, example)

    def lines(self) -> list[str]:
        return [f"{count} x {what}\n    {self.examples[what][:600]}" for what, count in self.counts.items()]


@dataclass
class Tally:
    """Requests by what they were, answers by their status, and how long the slowest took."""

    sent: dict[str, int] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    slowest: float = 0.0
    slowest_what: str = ""

    def note(self, kind: str, what: str, status: int, seconds: float) -> None:
        self.sent[kind] = self.sent.get(kind, 0) + 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if seconds > self.slowest:
            self.slowest, self.slowest_what = seconds, what

    @property
    def total(self) -> int:
        return sum(self.sent.values())


@functools.cache
def bell_params(*, measured: bool = True) -> dict[str, Any]:
    """The parameters of a job that works: one qubit, put half-way."""
    from qiskit import QuantumCircuit
    from qiskit_ibm_runtime import RuntimeEncoder

    circuit = QuantumCircuit(1, 1, name="kept")
    circuit.sx(0)
    if measured:
        circuit.measure(0, 0)
    inputs = {"pubs": [[circuit, None, 50]], "options": {}, "version": 2, "support_qiskit": True}
    params: dict[str, Any] = json.loads(json.dumps(inputs, cls=RuntimeEncoder))
    return params


@dataclass
class Caller:
    """Plain requests to a server, with a token that the emulator gave."""

    server: EmulatorServer
    instance: Instance
    token: str = ""

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        form = {"grant_type": GRANT, "apikey": KEY, "response_type": "cloud_iam"}
        answer = requests.post(f"{self.server.url}/identity/token", data=form, timeout=BOUND)
        self.token = answer.json()["access_token"]

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            "Authorization": f"Bearer {self.token}",
            "Service-CRN": self.instance.crn,
            "IBM-API-Version": "2026-04-15",
        }

    def send(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self.server.url}/api/v1{path}"
        return requests.request(method, url, json=body, headers=self.headers, timeout=BOUND)

    def job(self, **more: object) -> str:
        body = {"program_id": "sampler", "backend": "ibm_fez", "params": bell_params(), **more}
        ident: str = self.send("POST", "/jobs", body).json()["id"]
        return ident

    def session(self, mode: str = "dedicated") -> str:
        ident: str = self.send("POST", "/sessions", {"mode": mode, "backend": "ibm_fez"}).json()["id"]
        return ident


class Kept:
    """A session and a job with its result, made before, which must read the same afterwards.

    Args:
        server: The server.
    """

    def __init__(self, server: EmulatorServer) -> None:
        self._caller = Caller(server, KEPT)
        session = self._caller.session()
        job = self._caller.job(session_id=session, tags=["kept"])
        self._caller.send("PATCH", f"/sessions/{session}", {"accepting_jobs": False})
        _until(lambda: self._caller.send("GET", f"/sessions/{session}").json()["state"] == "closed")
        self._paths = (
            f"/sessions/{session}",
            *(f"/jobs/{job}{part}" for part in ("", "/results", "/metrics", "/logs")),
            "/jobs?exclude_params=false",
            "/tags?type=job&search=kept",
            "/instances/usage",
            "/instances/configuration",
        )
        self._before = self._read()

    def _read(self) -> dict[str, tuple[int, bytes]]:
        answers = {path: self._caller.send("GET", path) for path in self._paths}
        return {path: (answer.status_code, answer.content) for path, answer in answers.items()}

    def check(self, findings: Findings) -> None:
        """What reads otherwise now is a finding."""
        self._caller.renew()  # A long run outlives a token.
        now = self._read()
        for path, before in self._before.items():
            if before[0] != 200 or now[path] != before:
                findings.add(f"state not intact: GET {path}", f"{before} became {now[path]}")


def client_runs(server: EmulatorServer, findings: Findings) -> None:
    """The real client opens a session, runs a job and reads it, in a process of its own."""
    led = {**server.environment(), "QISKIT_IBM_INSTANCE": KEPT.crn}
    environment = {**{n: v for n, v in os.environ.items() if not n.startswith("QISKIT_")}, **led}
    command = [sys.executable, "-W", "ignore", "-c", _CLIENT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        findings.add("a client's session does not work afterwards", done.stderr[-600:])


def _until(holds: Callable[[], bool]) -> None:
    began = perf_counter()
    while not holds():
        if perf_counter() - began > BOUND:
            raise SystemExit("the emulator does not do what the fuzzer needs before it begins")
        sleep(0.02)
