"""Attempts to leave the machine from inside of a replay: ``python attempts.py CASSETTE``.

Each attempt has a replay of its own and swallows whatever it gets. Printed is, for each,
what it got and what the end of the replay said, and all connections that were tried.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import sys
import threading
import urllib.request
import warnings
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import requests
from polling import made, noting

import qsession

SERVICE = "quantum.cloud.ibm.com"
# Set aside for documentation; nobody has it.
ADDRESS = "198.51.100.7"


def requests_to_the_service() -> object:
    return requests.get(f"https://{SERVICE}/api/v1/backends/ibm_nowhere/status", timeout=5)


def requests_to_somebody_else() -> object:
    return requests.get("https://somebody.example.invalid/path?key=hidden", timeout=5)


def requests_through_a_proxy() -> object:
    """A proxy of this machine would carry the request out of it."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxies = {"https": f"http://127.0.0.1:{proxy.getsockname()[1]}"}
        return requests.get("https://somebody.example.invalid/path", proxies=proxies, timeout=5)


def http_client() -> object:
    connection = http.client.HTTPSConnection(SERVICE, timeout=5)
    connection.request("GET", "/api/v1/backends")
    return connection.getresponse()


def urllib_request() -> object:
    return urllib.request.urlopen(f"https://{SERVICE}/api/v1/backends", timeout=5)


def create_connection() -> object:
    return socket.create_connection((SERVICE, 443), timeout=5)


def open_connection() -> object:
    return asyncio.run(asyncio.open_connection(SERVICE, 443, ssl=True))


def connect_by_address() -> object:
    with socket.socket() as plain:
        plain.settimeout(5)
        return plain.connect((ADDRESS, 443))


def connect_ex() -> object:
    with socket.socket() as plain:
        plain.settimeout(5)
        return plain.connect_ex((ADDRESS, 443))


def datagram_sendto() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        return plain.sendto(b"hello", (ADDRESS, 9))


def datagram_sendmsg() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        return plain.sendmsg([b"hello"], [], 0, (ADDRESS, 9))


def look_up() -> object:
    return socket.gethostbyname(SERVICE)


def look_up_backwards() -> object:
    return socket.gethostbyaddr(ADDRESS)


def in_a_thread() -> object:
    got: list[object] = []

    def work() -> None:
        try:
            requests_to_somebody_else()
        except Exception as problem:  # noqa: BLE001 - swallowed, as careless code does
            got.append(problem)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    raise got[0]


def loopback() -> object:
    with HTTPServer(("127.0.0.1", 0), _Here) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        text = requests.get(f"http://localhost:{server.server_address[1]}/", timeout=5).text
        thread.join()
    return text


class _Here(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from this machine")

    def log_message(self, *_: object) -> None:
        """Stay silent."""


def forked_child() -> object:
    """The child's outcome comes back through a pipe."""
    back, out = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(out, _got(requests_to_somebody_else).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(out)
    with os.fdopen(back) as pipe:
        return pipe.read()


def unrecorded_job() -> object:
    from qiskit_ibm_runtime import SamplerV2

    backend = _run[0].service().backend("ibm_fez")
    circuit = _bell(backend)
    return SamplerV2(mode=backend).run([circuit], shots=101)


def _bell(backend: object) -> object:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)


ATTEMPTS: tuple[Callable[[], object], ...] = (
    requests_to_the_service,
    requests_to_somebody_else,
    requests_through_a_proxy,
    http_client,
    urllib_request,
    create_connection,
    open_connection,
    connect_by_address,
    connect_ex,
    datagram_sendto,
    datagram_sendmsg,
    look_up,
    look_up_backwards,
    in_a_thread,
    loopback,
    forked_child,
    unrecorded_job,
)
_run: list[Any] = []


def _got(attempt: Callable[[], object]) -> str:
    try:
        return f"answer: {attempt()}"
    except Exception as problem:  # noqa: BLE001 - swallowed, as careless code does
        return str(problem)


def _tried(attempt: Callable[[], object], cassette: Path) -> dict[str, str]:
    got = end = ""
    try:
        with qsession.replay(cassette, allow_unused=True) as run:
            _run[:] = [run]
            got = _got(attempt)
    except qsession.errors.ReplayMismatch as problem:
        end = str(problem)
    return {"got": got.replace(str(cassette), "CASSETTE"), "end": end.replace(str(cassette), "CASSETTE")}


def outliving(cassette: Path) -> dict[str, object]:
    """Threads that go on polling when the replay is over, each with objects of the client."""
    from qiskit_ibm_runtime import Session

    session_id, _ = made(cassette)
    over, answers, refused = threading.Event(), [], []

    def poll(session: Session) -> None:
        answers.append(session.status())
        ready.wait()
        over.wait()
        for _ in range(20):
            try:
                answers.append(session.status())
            except qsession.errors.ReplayMismatch as problem:
                refused.append(str(problem).replace(str(cassette), "CASSETTE"))

    ready = threading.Barrier(5)
    with qsession.replay(cassette, allow_unused=True) as run:
        shared = run.service()
        services = [shared, shared, run.service(), run.service()]
        sessions = [Session.from_id(session_id, service) for service in services]
        threads = [threading.Thread(target=poll, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()
        ready.wait()
    over.set()
    for thread in threads:
        thread.join()
    return {"answers": len(answers), "refused": len(refused), "messages": sorted(set(refused))}


def main(cassette: Path) -> None:
    import qiskit_ibm_runtime  # noqa: F401 - importing is not what is watched

    warnings.filterwarnings("ignore", message=".*SamplerV2.*", category=DeprecationWarning)
    # Python 3.12 warns of a fork beside threads, also those of compiled libraries.
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
    told: dict[str, object] = {}
    with noting() as events:
        for attempt in ATTEMPTS:
            events.clear()
            told[attempt.__name__] = {**_tried(attempt, cassette), "events": dict(events)}
        events.clear()
        told["outliving"] = {**outliving(cassette), "events": dict(events)}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
