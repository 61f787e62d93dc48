from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
from emulator_caller import GRANT, T0

from qsession.emulator import Emulator, EmulatorServer
from qsession.errors import UsageError

HEADERS = {
    "authorization": "Bearer planted-token",
    "service-crn": "crn:x",
    "ibm-api-version": "2026-04-15",
    "content-type": "application/json",
}
FLOW = """
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ibm_runtime import EstimatorV2, QiskitRuntimeService, SamplerV2, Session

service = QiskitRuntimeService()
backend = service.backend("ibm_fez")
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
passes = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7)
bell = passes.run(circuit)
measured = passes.run(circuit.measure_all(inplace=False))
with Session(backend=backend, max_time="1h") as session:
    job = SamplerV2(mode=session).run([measured], shots=1000)
    seen = [job.status()]
    counts = job.result()[0].data.meas.get_counts()
    assert set(counts) == {"00", "11"} and sum(counts.values()) == 1000, counts
    observable = SparsePauliOp("ZZ").apply_layout(bell.layout)
    value = EstimatorV2(mode=session).run([(bell, observable)]).result()[0].data.evs
    assert float(value) == 1.0, value
    details = session.details()
    assert (details["state"], details["max_time"], details["usage_time"]) == ("active", 3600, None), details
    assert session.status() == "In progress, accepting new jobs", session.status()
    assert session.usage() is None
assert session.status() == "Closed"
assert session.usage() > 0.6
again = Session.from_id(session.session_id, service=service)
assert again.details()["state"] == "closed"
assert job.metrics()["usage"]["status"] == "complete"
assert job.usage() == 0.3
assert service.job(job.job_id()).result()[0].data.meas.get_counts() == counts
assert service.instances()[0]["plan"] == "premium"
assert len(service.jobs(session_id=session.session_id)) == 2
print(seen[0])
"""


class SteppedClock:
    """A clock that stands still."""

    def now(self) -> int:
        return T0

    def wait(self, length: int) -> None:
        raise AssertionError("nobody waits here")


@pytest.fixture
def server():
    with EmulatorServer(Emulator(backends=("ibm_fez",)), clock=SteppedClock()) as running:
        yield running


def talk(server, method="GET", target="/api/v1/versions", body=None, headers=None, connection=None):
    connection = connection or http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, target, body, HEADERS if headers is None else headers)
    response = connection.getresponse()
    return response.status, response.read(), connection


def test_client_runs_a_whole_session_against_the_server():
    """An unmodified client, led by environment variables alone, sees a service."""
    emulator = Emulator(strict=True, api_key="a-key-made-for-this-test")
    with EmulatorServer(emulator) as server:
        environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, **server.environment()}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FLOW],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout in {"QUEUED\n", "RUNNING\n"}
    assert emulator.open_sessions(4 * 10**15) == ()


def test_environment_leads_every_way_here(server):
    """Each variable that the client reads points at this server, IAM's above all."""
    base = f"http://127.0.0.1:{server.port}"
    environment = server.environment()
    assert {name: environment[name] for name in environment if name.lower() != "no_proxy"} == {
        "QISKIT_IBM_TOKEN": "emulated-key-that-opens-nothing",
        "QISKIT_IBM_URL": f"{base}/experimental/api/v1",
        "QISKIT_IBM_INSTANCE": server.emulator.instances[0].crn,
        "QISKIT_IBM_QPU": "ibm_fez",
        "IAM_URL": base,
        "GLOBAL_SEARCH_URL": base,
        "GLOBAL_CATALOG_URL": f"{base}/globalcatalog/api/v1",
        "RESOURCE_CONTROLLER_URL": base,
    }
    assert environment["no_proxy"].endswith("127.0.0.1")


def test_connection_stays_open(server):
    """Several requests, an error among them, go over one connection."""
    status, _, connection = talk(server, target="/experimental/api/v1/backends")
    before = connection.sock
    assert status == 200
    assert talk(server, target="/nothing", connection=connection)[0] == 404
    assert talk(server, "POST", "/api/v1/sessions", b"{", connection=connection)[0] == 400
    body = json.dumps({"mode": "batch", "backend": "ibm_fez"})
    status, answer, _ = talk(server, "POST", "/api/v1/sessions", body, connection=connection)
    session = json.loads(answer)["id"]
    path = f"/api/v1/sessions/{session}"
    assert talk(server, "PATCH", path, '{"accepting_jobs":false}', connection=connection)[:2] == (204, b"")
    assert talk(server, target=path, connection=connection)[0] == 200
    assert connection.sock is before
    connection.close()


def test_requests_are_not_held_up_by_nagle(server):
    """Twenty writes on one connection take nothing like 42 ms each."""
    _, _, connection = talk(server)
    talk(server, "POST", "/api/v1/sessions", b'{"mode":"batch","backend":"ibm_fez"}', connection=connection)
    started = time.perf_counter()
    for _ in range(20):
        talk(
            server, "POST", "/api/v1/sessions", b'{"mode":"batch","backend":"ibm_fez"}', connection=connection
        )
    assert time.perf_counter() - started < 0.4
    connection.close()


def test_absolute_request_line_is_understood(server):
    """A client that takes the server for a proxy names the host in the request line."""
    target = "http://iam.qsession.invalid/identity/token"
    form = {"content-type": "application/x-www-form-urlencoded"}
    status, body, connection = talk(server, "POST", target, f"{GRANT}&apikey=k", form)
    connection.close()
    assert (status, json.loads(body)["expires_in"]) == (200, 3600)


def test_head_has_no_body(server):
    """An answer to HEAD ends with its head, and the connection lives on."""
    status, body, connection = talk(server, "HEAD", "/api/v1/backends")
    assert (status, body) == (405, b"")
    assert talk(server, target="/api/v1/backends", connection=connection)[0] == 200
    connection.close()


def test_chunked_body_is_read(server):
    """A body without a length is read to its end."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    chunks = iter([b'{"mode":"batch",', b'"backend":"ibm_fez"}'])
    connection.request("POST", "/api/v1/sessions", chunks, HEADERS, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_too_large_body_is_refused_unread(server):
    """A body that claims to be huge is refused, and the connection ends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
        raw.sendall(b"POST /api/v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-length: 999999999\r\n\r\n")
        with raw.makefile("rb") as answer:
            # The words after the status differ between versions of Python.
            assert answer.readline().startswith(b"HTTP/1.1 413 ")


def test_rubbish_on_the_socket_does_no_harm(server):
    """What is no HTTP is dropped; the next client is served."""
    for rubbish in (
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"POST /api/v1/jobs HTTP/1.1\r\ncontent-length: 9\r\n\r\n{",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
            raw.sendall(rubbish)
    status, _, connection = talk(server, target="/api/v1/backends")
    connection.close()
    assert status == 200


def test_clients_are_served_at_once(server):
    """A client that says nothing keeps nobody waiting."""
    with socket.create_connection(("127.0.0.1", server.port)) as silent:
        silent.sendall(b"GET ")
        status, _, connection = talk(server, target="/api/v1/backends")
        connection.close()
    assert status == 200


def test_stop_ends_idle_connections(server):
    """Stopping waits for no idle client, and takes no new one."""
    _, _, connection = talk(server)
    started = time.perf_counter()
    server.stop()
    assert time.perf_counter() - started < 4
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port)).close()
    connection.close()


def test_stop_finishes_the_answer_under_way(monkeypatch):
    """A request that is being answered when the server stops gets its answer."""
    emulator = Emulator(backends=("ibm_fez",))
    entered, release = threading.Event(), threading.Event()
    real = emulator.answer

    def slow(request, at):
        entered.set()
        assert release.wait(30)
        return real(request, at)

    monkeypatch.setattr(emulator, "answer", slow)
    found = []
    with EmulatorServer(emulator, clock=SteppedClock()) as server:
        asking = threading.Thread(target=lambda: found.append(talk(server, target="/api/v1/backends")))
        asking.start()
        assert entered.wait(30)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        release.set()
        stopping.join()
        asking.join()
    (status, _, connection) = found[0]
    connection.close()
    assert status == 200


def test_server_is_silent(server, capfd):
    """There is no request log unless asked for."""
    talk(server)[2].close()
    server.stop()
    assert capfd.readouterr() == ("", "")


def test_taken_port_is_a_usage_error(server):
    """A port in use is named, with a line to paste."""
    with pytest.raises(UsageError) as caught:
        EmulatorServer(server.emulator, port=server.port)
    assert str(caught.value) == (
        f"The emulator cannot listen on 127.0.0.1:{server.port}. [QS124]\n"
        "  [Errno 98] Address already in use"
        f" (while attempting to bind on address ('127.0.0.1', {server.port}))\n"
        "To fix: EmulatorServer(emulator, port=0)"
    )


def test_unusable_certificate_is_a_usage_error(server, tmp_path):
    """A certificate that cannot be loaded is named."""
    missing = str(tmp_path / "none.pem")
    with pytest.raises(UsageError) as caught:
        EmulatorServer(server.emulator, tls=(missing, missing))
    assert caught.value.code == "QS124"
    assert caught.value.what == "The emulator's certificate or key cannot be used."
    assert caught.value.evidence[:2] == (f"certificate: {missing}", f"key: {missing}")


def test_tls_serves_beside_a_client_that_never_shakes_hands(own_files):
    """HTTPS works, also while a plain client holds a connection open."""
    certificate, key = own_files
    emulator = Emulator(backends=("ibm_fez",))
    with EmulatorServer(emulator, tls=(certificate, key), clock=SteppedClock()) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        context = ssl.create_default_context(cafile=certificate)
        with contextlib.closing(socket.create_connection(("127.0.0.1", server.port))):
            connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=30)
            status, _, _ = talk(server, target="/api/v1/backends", connection=connection)
            again, _, _ = talk(server, target="/api/v1/backends", connection=connection)
            connection.close()
        assert (status, again) == (200, 200)


@pytest.fixture
def own_files(tmp_path):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(2120, 1, 1, tzinfo=datetime.UTC))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*form))
    return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
