"""``python -m benchmarks.never_live``: whether anything of a replay leaves this machine.

Every name of IBM's leads to a TLS server that counts connections, below any guard. Each way in
which a replay could go live is gone twice: as it is, and with the guard taken away, which shows
that the way leads there. For many threads that is shown by stock vcrpy, from whose stubs ours
differ there.

Exit status 1 if a connection was counted with the guard up, if something was answered by
somebody else, or if a way without the guard led nowhere.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks._listening import listener, mapped, proxy
from qsession._loopback._authority import make_authority

_CONFTEST = """
import os
import pytest

if os.environ.get("QSESSION_BENCH_UNGUARDED"):
    from benchmarks._live_ways import unguard
    unguard()
"""

_TESTS: Mapping[str, str] = {
    # A module that makes its service at once, as many do.
    "import": """
from qiskit_ibm_runtime import QiskitRuntimeService

try:
    service = QiskitRuntimeService(token="planted-key", channel="ibm_quantum_platform")
except Exception:
    service = None

def test_it(): pass
""",
    # A thread that goes on polling, over connections of its own, when its test is over.
    "thread": """
import threading
import pytest
import requests

over, told = threading.Event(), []

def poll():
    over.wait(60)
    for _ in range(20):
        try:
            told.append(requests.get("https://quantum.cloud.ibm.com/api/v1/backends", timeout=5).status_code)
        except BaseException as problem:
            told.append(type(problem).__name__)

@pytest.mark.qsession(cassette="session.yaml", allow_unused=True)
def test_one():
    global thread
    thread = threading.Thread(target=poll)
    thread.start()

def test_other():
    over.set()
    thread.join()
""",
    # A proxy on this machine, named by the environment and by the code, in a run and outside of one.
    "proxy": """
import os
import pytest
import requests

def ask():
    for proxies in (None, {"https": os.environ["BENCH_PROXY"]}):
        try:
            requests.get("https://iam.cloud.ibm.com/identity/token", proxies=proxies, timeout=5)
        except BaseException:
            pass

def test_other(): ask()

@pytest.mark.qsession(cassette="session.yaml", allow_unused=True)
def test_one():
    import urllib.request
    ask()
    for open_ in (urllib.request.urlopen, urllib.request.build_opener(
        urllib.request.ProxyHandler({"https": os.environ["BENCH_PROXY"]})).open):
        try:
            open_("https://iam.cloud.ibm.com/identity/token", timeout=5)
        except BaseException:
            pass
""",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one way.

    Attributes:
        way: Its name.
        connections: Connections that were counted.
        told: Requests by what became of them.
    """

    way: str
    connections: int
    told: Mapping[str, int]

    @property
    def is_clean(self) -> bool:
        """Whether all was answered from the recording or refused, without a connection."""
        return self.connections == 0 and all(what.startswith(("answered", "refused")) for what in self.told)

    def __str__(self) -> str:
        told = ", ".join(f"{what} {times:,}" for what, times in sorted(self.told.items()))
        return f"{self.way:<24} connections {self.connections:>7,}" + (f"   {told}" if told else "")


class Trap:
    """A server under IBM's names, a proxy before it, and programs that are led there."""

    def __init__(self, folder: Path) -> None:
        authority = make_authority()
        self._listener = listener(authority)
        self._proxy = proxy(self._listener.port)
        self._folder = folder
        self.cassette = folder / "cassettes" / "session.yaml"
        address = f"http://127.0.0.1:{self._proxy.port}"
        self._environment = mapped(folder, port=self._listener.port, authority=authority, BENCH_PROXY=address)

    def record(self) -> None:
        """Record a session against the emulator."""
        code = "import sys; from benchmarks.never_live import record_session; record_session(sys.argv[1])"
        self._run(sys.executable, "-W", "ignore", "-c", code, str(self.cassette))

    def go(self, way: str, requests: int, *, guarded: bool = True) -> Finding:
        """One of ``benchmarks._live_ways``."""
        with self._counted() as counted:
            command = [sys.executable, "-W", "ignore", "-m", "benchmarks._live_ways", way]
            said = self._run(*command, str(self.cassette), str(requests), guarded=guarded, counted=counted)
        return Finding(_named(way, guarded), counted["connections"], json.loads(said.splitlines()[-1]))

    def test(self, name: str, *, guarded: bool = True) -> Finding:
        """One of the test files above, by pytest."""
        (self._folder / "conftest.py").write_text(_CONFTEST)
        (self._folder / "pytest.ini").write_text("[pytest]\nqsession_mode = replay\n")
        file = self._folder / f"test_{name}.py"
        file.write_text(_TESTS[name])
        more = {"https_proxy": self._environment["BENCH_PROXY"]} if name == "proxy" else {}
        with self._counted() as counted:
            options = ("-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-W", "ignore")
            self._run(
                sys.executable, "-m", "pytest", *options, file.name, guarded=guarded, status=(0, 1, 2), **more
            )
        return Finding(_named(name, guarded), counted["connections"], {})

    @contextmanager
    def _counted(self) -> Iterator[Counter[str]]:
        counted: Counter[str] = Counter()
        before = self._connections()
        yield counted
        counted["connections"] += self._connections() - before - counted.pop("recorded", 0)

    def _connections(self) -> int:
        # What came by the proxy is counted once, at the server behind it.
        return self._listener.accepted

    def _run(
        self,
        *command: str,
        guarded: bool = True,
        counted: Counter[str] | None = None,
        status: Sequence[int] = (0,),
        **more: str,
    ) -> str:
        unguarded = {} if guarded else {"QSESSION_BENCH_UNGUARDED": "1"}
        before = self._connections()
        with subprocess.Popen(
            command,
            env={**self._environment, **unguarded, **more},
            cwd=self._folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            said = first = process.stdout.readline()
            if first == "recorded\n" and counted is not None:
                counted["recorded"] = self._connections() - before
                process.stdin.write("\n")
                process.stdin.flush()
            said += process.stdout.read()
        if process.returncode not in status:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{said}")
        return said


def record_session(path: str) -> None:
    """Record one whole session, with looks at it and at its job."""
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import SamplerV2, Session

    import qsession

    with qsession.record(path, target="emulator") as run:
        backend = run.service().backend("ibm_fez")
        circuit = QuantumCircuit(2)
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.measure_all()
        isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=7).run(circuit)
        with Session(backend=backend, max_time="10m") as session:
            job = SamplerV2(mode=session).run([isa], shots=100)
            job.result()
            session.details()
        session.details()
        job.status()
        backend.status()


def _named(way: str, guarded: bool) -> str:
    return way if guarded or way == "stock" else f"{way}, no guard"


def campaign(*, requests: int, few: int) -> tuple[list[Finding], list[str]]:
    """Go every way.

    Args:
        requests: How many to send from threads in a replay.
        few: How many to send each other way.

    Returns:
        What came of each, and what is wrong about it.
    """
    found: list[Finding] = []
    wrong: list[str] = []
    with TemporaryDirectory(prefix="never-live-") as name:
        trap = Trap(Path(name))
        trap.record()

        def note(finding: Finding, *, leads: bool = False) -> None:
            found.append(finding)
            print(finding, flush=True)
            if leads and finding.connections == 0:
                wrong.append(f"{finding.way}: leads nowhere, so that nothing is shown")
            if not leads and not finding.is_clean:
                wrong.append(f"{finding.way}: {finding}")

        note(trap.go("threads", requests))
        note(trap.go("stock", few), leads=True)
        for way in ("spawn", "fork", "forkserver"):
            note(trap.go(way, min(few, 100)))
            note(trap.go(way, 10, guarded=False), leads=True)
        for file in _TESTS:
            note(trap.test(file))
            note(trap.test(file, guarded=False), leads=True)
    return found, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """The whole campaign.

    Returns:
        0 if nothing went live, and the same ways without the guard did.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.never_live", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer requests: a minute")
    options = parser.parse_args(arguments)
    requests, few = (2_000, 320) if options.quick else (100_000, 3_200)
    found, wrong = campaign(requests=requests, few=few)
    guarded = [each for each in found if "no guard" not in each.way and each.way != "stock"]
    print(f"with the guard: {sum(each.connections for each in guarded)} connections, {len(wrong)} findings")
    for line in wrong:
        print(f"FINDING {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    sys.exit(main())
