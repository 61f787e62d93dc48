"""The emulated service as the tests see it: start, stop, ask, and run scripts that reach it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from mapped_names import mapped_environment, unused_port
from own_authority import Authority

KEY = "planted-Key/of+tests_0123456789-that-opens=nothing"
ACCOUNT = "f00dfacef00dfacef00dfacef00dface"
USER = "IBMid-6660planted0001"
MAIL = "planted.person@example.invalid"
INSTANCE_IDS = ("1eaf1eaf-aaaa-4bbb-8ccc-0123456789ab", "2eaf2eaf-aaaa-4bbb-8ccc-0123456789ab")
REGIONS = ("us-east", "eu-de")
CRNS = tuple(
    f"crn:v1:bluemix:public:quantum-computing:{region}:a/{ACCOUNT}:{ident}::"
    for region, ident in zip(REGIONS, INSTANCE_IDS, strict=True)
)
SECRETS = {
    "key": KEY,
    "account": ACCOUNT,
    "user": USER,
    "mail": MAIL,
    "first instance": INSTANCE_IDS[0],
    "second instance": INSTANCE_IDS[1],
}

ACCOUNT_OF_THE_ENVIRONMENT = {"QISKIT_IBM_TOKEN": KEY, "QISKIT_IBM_INSTANCE": CRNS[0]}
_INSTANCES = [
    {"crn": CRNS[0], "name": "real-premium", "plan": "Premium", "tags": ["team-blue"], "region": "us-east"},
    {"crn": CRNS[1], "name": "real-flex", "plan": "Flex", "tags": ["team-red"], "region": "eu-de"},
]
_HERE = Path(__file__).parent
_STEPS = _HERE / "service_steps.py"
_PYTHON = (sys.executable, "-W", "error")


Run = Mapping[str, object]
"""One run of the steps: their name, the cassette, and their arguments."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a process that ran the steps did, said and saw."""

    folder: Path
    status: int
    stdout: str
    stderr: str
    runs: Sequence[Mapping[str, object]]
    events: Mapping[str, int]
    asked: Sequence[Mapping[str, object]] = ()

    @property
    def seen(self) -> Mapping[str, object]:
        """What the code of the only run saw."""
        (run,) = self.runs
        assert run["error"] == "", run["error"]
        return run["seen"]

    def statuses(self, call: str) -> list[object]:
        """Statuses with which the service answered a kind of request, in order."""
        return [each["status"] for each in self.asked if each["call"] == call]


class EmulatedService:
    """A context manager round the process of the service."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self._folder = folder
        self._authority = authority
        self._process: subprocess.Popen[bytes] | None = None
        self._address: dict[str, int] = {}

    def __enter__(self) -> Self:
        spec = {
            "key": KEY,
            "claims": {
                "iam_id": USER,
                "email": MAIL,
                "sub": MAIL,
                "account": {"bss": ACCOUNT, "valid": True},
            },
            "instances": _INSTANCES,
            "certificate": str(self._authority.certificate),
            "tls_key": str(self._authority.key),
        }
        (self._folder / "spec.json").write_text(json.dumps(spec))
        command = [sys.executable, str(_HERE / "platform_process.py"), str(self._folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        # It says one line when it listens; a process that died says nothing.
        first = self._process.stdout.readline()
        if not first:
            self.__exit__(None, None, None)
        assert first, "the service did not start; its last words are above"
        self._address = json.loads(first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.communicate()

    def open_sessions(self) -> list[str]:
        """Real ids of the sessions and batches that are open now."""
        return self._ask("open")

    def asked(self) -> list[dict[str, object]]:
        """Every call so far, in order: its name, scheme, host and the status of its answer."""
        return self._ask("asked")

    def handed_out(self) -> dict[str, list[str]]:
        """Real ids of sessions and jobs, and the tokens, that the service gave so far."""
        return self._ask("handed_out")

    def stumble(self, call: str, status: int) -> None:
        """Answer the next request of a kind with an error of what stands before a service."""
        self._ask(f"stumble?call={call}&status={status}")

    def environment(self, folder: Path, **more: str) -> dict[str, str]:
        """The environment of a process that finds this service under IBM's names."""
        port = self._address["port"]
        return mapped_environment(folder / "home", port=port, bundle=self._authority.bundle, **more)

    def run(
        self, folder: Path, mode: str, runs: Sequence[Run], *, account: Mapping[str, str] | None = None
    ) -> Outcome:
        """Run the steps with this service under IBM's names."""
        before = len(self.asked())
        environment = self.environment(folder, **(ACCOUNT_OF_THE_ENVIRONMENT if account is None else account))
        outcome = _finished(folder, [mode, json.dumps(runs)], environment)
        return replace(outcome, asked=tuple(self.asked()[before:]))

    def run_alone(self, folder: Path, runs: Sequence[Run]) -> Outcome:
        """Replay the steps where IBM's names lead to a port at which nobody listens."""
        bundle = self._authority.bundle
        environment = mapped_environment(folder / "alone", port=unused_port(), bundle=bundle)
        return _finished(folder, ["replay", json.dumps(runs)], environment)

    def start(self, folder: Path, runs: Sequence[Run]) -> subprocess.Popen[str]:
        """Start a recording and leave it to the test."""
        return subprocess.Popen(
            [*_PYTHON, str(_STEPS), "record", json.dumps(runs)],
            cwd=folder,
            env=self.environment(folder, **ACCOUNT_OF_THE_ENVIRONMENT),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _ask(self, order: str) -> object:
        # Not through the environment's proxies.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://127.0.0.1:{self._address['line']}/{order}", timeout=30) as answer:
            return json.load(answer)


def _finished(folder: Path, arguments: Sequence[str], environment: dict[str, str]) -> Outcome:
    done = subprocess.run(
        [*_PYTHON, str(_STEPS), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    last = (done.stdout.splitlines() or [""])[-1]
    told = json.loads(last) if last.startswith("{") else {"runs": [], "events": {}}
    return Outcome(folder, done.returncode, done.stdout, done.stderr, told["runs"], told["events"])
