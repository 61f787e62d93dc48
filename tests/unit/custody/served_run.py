"""A run against a served emulator, in this process, cut off by copying what is on the disk at that moment."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit_ibm_runtime import RuntimeEncoder

import qsession
from qsession._endpoints import identify
from qsession._model import Instant, Request, Response
from qsession.emulator import Emulator, EmulatorServer, Instance

ACCOUNT = "f00dfacef00dfacef00dfacef00dface"
CRN = f"crn:v1:bluemix:public:quantum-computing:us-east:a/{ACCOUNT}:1eaf1eaf-aaaa-4bbb-8ccc-0123456789ab::"
OTHER_CRN = CRN.replace("1eaf1eaf", "2eaf2eaf")
TOKEN = "FAKE-token-0123456789abcdef"


def job(shots: int, **more: object) -> dict[str, object]:
    """A job of one circuit in instructions of ibm_fez; another number of shots is another job."""
    circuit = QuantumCircuit(QuantumRegister(156, "q"), ClassicalRegister(1, "meas"))
    circuit.x(1)
    circuit.measure(1, 0)
    params = {"pubs": [[circuit, None, shots]], "options": {}, "version": 2, "support_qiskit": True}
    return {"program_id": "sampler", "backend": "ibm_fez", "params": params, **more}


class Platform(Emulator):
    """An emulator that counts what it is asked, and the ids that it gave."""

    def __init__(self, **more: object) -> None:
        instances = [
            Instance(crn=crn, name=name, plan="premium", region="us-east")
            for crn, name in ((CRN, "one"), (OTHER_CRN, "two"))
        ]
        super().__init__(instances=instances, backends=("ibm_fez",), seed=3, **more)
        self.asked: list[str] = []
        self.made: list[str] = []

    def answer(self, request: Request, at: Instant) -> Response:
        call = identify(request)
        name = call.endpoint.name if call else "stranger"
        self.asked.append(name)
        response = super().answer(request, at)
        if name in ("jobs.create", "sessions.create") and response.status == 200:
            self.made.append(json.loads(response.body)["id"])
        return response

    def count(self, name: str) -> int:
        return self.asked.count(name)


@dataclass
class Service:
    """A served emulator, and code under test that asks it."""

    platform: Platform
    server: EmulatorServer
    folder: Path
    crn: str = CRN
    saved: list[Path] = field(default_factory=list)

    @property
    def cassette(self) -> Path:
        return self.folder / "cassettes" / "a.yaml"

    @property
    def scratch(self) -> Path:
        return self.folder / ".qsession"

    @property
    def journal(self) -> Path:
        (found,) = self.scratch.glob("journal/*.jsonl")
        return found

    def record(self, **more: object) -> qsession._run.Run:
        return qsession.record(self.cassette, target="ibm", **more)

    def send(self, method: str, path: str, document: object = None) -> requests.Response:
        headers = {
            "Service-CRN": self.crn,
            "IBM-API-Version": "2026-04-15",
            "Authorization": f"Bearer {TOKEN}",
        }
        headers["Content-Type"] = "application/json"
        data = None if document is None else json.dumps(document, cls=RuntimeEncoder)
        url = f"{self.server.url}/experimental/api/v1{path}"
        return requests.request(method, url, data=data, headers=headers, timeout=10)

    def submit(self, shots: int = 100, **more: object) -> str:
        answer = self.send("POST", "/jobs", job(shots, **more))
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def open(self, mode: str = "batch") -> str:
        answer = self.send("POST", "/sessions", {"mode": mode, "backend": "ibm_fez"})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def state(self, job: str) -> str:
        return self.send("GET", f"/jobs/{job}?exclude_params=true").json()["state"]["status"]

    def until_done(self, job: str) -> str:
        while (state := self.state(job)) in ("Queued", "Running"):
            pass
        return state

    def save(self) -> None:
        """Keep what is on the disk now: what a kill at this moment would leave."""
        copy = self.folder / f"saved-{len(self.saved)}"
        shutil.copytree(self.scratch, copy)
        self.saved.append(copy)

    def restore(self, number: int = -1) -> None:
        """Put back what a kill would have left."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        shutil.copytree(self.saved[number], self.scratch)


class Killed(BaseException):
    """Stands for a kill."""


@contextmanager
def killed(service: Service) -> Iterator[None]:
    """A block at whose end the process would have been killed."""
    try:
        yield
    except Killed:
        service.restore()
    else:
        raise AssertionError("nothing was cut off")


def cut(service: Service) -> None:
    """Be killed here."""
    service.save()
    raise Killed
