from __future__ import annotations

import json
from dataclasses import dataclass, field

from emulator_description import problems

from qsession._model import SECOND, Request, Response
from qsession.emulator import Emulator

T0 = 1_700_000_000 * SECOND
BASE = "https://quantum.cloud.ibm.com/api/v1"
GRANT = "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&response_type=cloud_iam"


@dataclass
class Caller:
    """A client made by hand: one emulator, one token, seconds since a fixed start.

    Whatever it is told must be as our description of the API has it.
    """

    emulator: Emulator
    headers: dict[str, str] = field(
        default_factory=lambda: {
            "authorization": "Bearer planted-token",
            "service-crn": "crn:v1:bluemix:public:quantum-computing:us-east:a/1:2::",
            "ibm-api-version": "2026-04-15",
            "x-qx-client-application": "qiskit-version-2/qiskit_ibm_runtime-0.51.0/someone",
        }
    )

    def send(self, method: str, path: str, body: object = None, *, at: float = 0.0, **headers) -> Response:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        url = path if path.startswith("http") else BASE + path
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, url, self.headers | extra, raw)
        response = self.emulator.answer(request, T0 + round(at * SECOND))
        self.told(request, response)
        return response

    def told(self, request: Request, response: Response) -> None:
        assert problems(request, response) == []

    def json(self, method: str, path: str, body: object = None, *, at: float = 0.0, **headers):
        response = self.send(method, path, body, at=at, **headers)
        assert response.status == 200, response
        return json.loads(response.body)

    def refusal(self, method: str, path: str, body: object = None, *, at: float = 0.0, **headers):
        """Status, and the error without its link."""
        response = self.send(method, path, body, at=at, **headers)
        document = json.loads(response.body)
        assert list(document) == ["errors", "trace"]
        assert len(document["trace"]) == 36
        (error,) = document["errors"]
        assert error.pop("more_info") == "https://cloud.ibm.com/apidocs/quantum-computing#error-handling"
        return response.status, error

    def session(self, mode: str = "dedicated", *, at: float = 0.0, **more) -> str:
        body = {"mode": mode, "backend": "ibm_fez", "instance": self.headers["service-crn"], **more}
        return self.json("POST", "/sessions", body, at=at)["id"]

    def job(self, pubs, *, program: str = "sampler", at: float = 0.0, params=None, **more) -> str:
        inputs = {"pubs": pubs, "options": {}, "version": 2, "support_qiskit": True, **(params or {})}
        body = {"program_id": program, "backend": "ibm_fez", "params": inputs, **more}
        return self.json("POST", "/jobs", encoded(body), at=at)["id"]

    def status(self, job: str, *, at: float) -> str:
        return self.json("GET", f"/jobs/{job}?exclude_params=true", at=at)["state"]["status"]

    def result(self, job: str, *, at: float = 1.0):
        from qiskit_ibm_runtime import RuntimeDecoder

        response = self.send("GET", f"/jobs/{job}/results", at=at)
        assert response.status == 200, response
        return json.loads(response.body, cls=RuntimeDecoder)


def encoded(document: object) -> bytes:
    """A body as the client encodes it."""
    from qiskit_ibm_runtime import RuntimeEncoder

    return json.dumps(document, cls=RuntimeEncoder).encode()


def bell_circuit():
    """A Bell pair in instructions of ibm_fez on two of its 156 qubits."""
    import math

    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister

    circuit = QuantumCircuit(QuantumRegister(156, "q"), ClassicalRegister(2, "meas"))
    for qubit in (1, 2):
        circuit.rz(math.pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(math.pi / 2, qubit)
    circuit.cz(1, 2)
    circuit.rz(math.pi / 2, 2)
    circuit.sx(2)
    circuit.rz(math.pi / 2, 2)
    circuit.barrier()
    circuit.measure([1, 2], [0, 1])
    return circuit
