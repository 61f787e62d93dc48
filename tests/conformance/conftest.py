"""One suite over every source: the emulator, recordings, and the service for whoever has an account.

What a test asserts is what `docs/fidelity.md` says of the service. It has been run against the
emulator only: where the service differs, the page and the emulator are wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import requests
from ibm_cloud_sdk_core import IAMTokenManager
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import Batch, SamplerV2

API = "https://quantum.cloud.ibm.com/api/v1"
TIMEOUT = 60


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "qpu: uses some seconds of a QPU, where the target has one")
    config.addinivalue_line("markers", "slow: waits for minutes, where the clock is not a virtual one")


@dataclass
class Caller:
    """Requests as the client makes them, with their answers as they are."""

    token: Callable[[], str]
    crn: str

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> requests.Response:
        mine = {
            "Authorization": f"Bearer {self.token()}",
            "Service-CRN": self.crn,
            "IBM-API-Version": "2026-04-15",
            "Accept": "application/json",
        }
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.request(method, API + path, json=body, headers=mine | given, timeout=TIMEOUT)

    def read(self, path: str) -> dict:
        answer = self("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def error(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, int, str]:
        """Status, code and message of a refusal."""
        answer = self(method, path, body, **headers)
        (error,) = answer.json()["errors"]
        return answer.status_code, error["code"], error["message"]


@pytest.fixture
def call(qsession_service) -> Caller:
    account = qsession_service.active_account()
    tokens = IAMTokenManager(apikey=account["token"])
    return Caller(tokens.get_token, account["instance"])


@pytest.fixture
def bell(qsession_isa):
    """A Bell pair for the backend."""
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return qsession_isa(circuit)


@pytest.fixture
def batch(qsession_backend):
    """An open batch, on every plan."""
    with Batch(backend=qsession_backend) as opened:
        yield opened
        opened.cancel()


@pytest.fixture
def submit(batch, bell):
    """Submits a job of a few shots to the batch."""
    return lambda **options: SamplerV2(mode=batch, options=options).run([bell], shots=16)
