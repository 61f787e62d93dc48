"""Kills at random moments: what is left of a cassette, and how often a job is submitted.

``python -m benchmarks.kills`` kills 1,000 processes that record over a cassette, as many that save
one with stock vcrpy, and 100 that wait for a job, which another process then goes on with.
``--quick`` does a few of each; ``recordings``, ``vcrpy`` and ``resumed`` choose some of them (``vcrpy``
saves what ``recordings`` made). Exit status 1 on a finding.

Children are forked from a process that has everything imported, so that a kill costs milliseconds.
Needs a system with fork.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import requests
from vcr.cassette import Cassette
from vcr.persisters.filesystem import FilesystemPersister
from vcr.serializers import yamlserializer

import qsession
from benchmarks._measuring import Real
from benchmarks._platform import served, submitted
from qsession import _answers, _store
from qsession.errors import QSessionError

URL = "https://quantum.cloud.ibm.com/api/v1"
HEADERS = {"Service-CRN": "crn", "IBM-API-Version": "2026-04-15", "Authorization": "Bearer a.b.c"}
EVERY_FIFTH = 5


@dataclass
class Tally:
    """What kills left behind.

    Attributes:
        counts: How many of which outcome.
        findings: What must not be.
    """

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


class Child:
    """A forked process that does something and says on a pipe when the moments begin that matter.

    Args:
        act: Is given a function that says so.
    """

    def __init__(self, act: Callable[[Callable[[], None]], None]) -> None:
        self._said, say = os.pipe()
        self.began = Real.now()
        with warnings.catch_warnings():
            # Threads of numerical libraries: the child does not use them.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                act(lambda: os.write(say, b"."))
                status = 0
            except QSessionError as error:
                os.write(2, b"" if error.code == "QS213" else f"{error}\n".encode())
                status = 3 if error.code == "QS213" else 1
            finally:
                os._exit(status)
        os.close(say)

    def heard(self) -> bool:
        """Wait until it says so, or ends."""
        select.select([self._said], [], [], 60)
        return bool(os.read(self._said, 1))

    def kill(self, after: float) -> None:
        """Kill it some seconds from now, unless it ends before."""
        select.select([], [], [], max(0.0, after))
        os.kill(self.pid, signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end, and say how it ended."""
        _, status = os.waitpid(self.pid, 0)
        os.close(self._said)
        return os.waitstatus_to_exitcode(status)


def record(path: Path, number: int, say: Callable[[], None]) -> None:
    """Record something that knows its number, with a large body of its own."""
    real = _store.Store.save

    def save(*args: object) -> Path:
        say()
        return real(*args)

    _store.Store.save = save
    with qsession.record(path, target="emulator"):
        for page in range(20):
            requests.get(f"{URL}/jobs?tags=number-{number}&offset={page}", headers=HEADERS, timeout=5)
        large = json.dumps({"number": number, "note": f"{number:06d} " * 6_000})
        requests.post(f"{URL}/sessions", data=large, headers=HEADERS, timeout=5)
        requests.get(f"{URL}/backends/ibm_fez/properties", headers=HEADERS, timeout=5)


def whole(path: Path) -> int:
    """The number of a recording, every byte of which was verified."""
    store = _store.Store(path.parent, path.parent / "nowhere")
    _store._opened = _store.Recent(0)
    recording = store.load(path)
    (large,) = (i.request.body for i in recording.interactions if i.endpoint == "sessions.create")
    assert all(len(i.response.body) >= 0 for i in recording.interactions)
    number = int(json.loads(large)["number"])
    assert f"number-{number}&" in recording.interactions[0].request.url
    return number


def recordings(folder: Path, kills: int, seed: int) -> Tally:
    """Kill processes that record over a cassette: half of them anywhere, half while they save."""
    tally, dice, path = Tally(), random.Random(seed), folder / "a.yaml"
    os.chdir(folder)
    took, saving = _lengths(lambda number, say: record(path, number, say))
    former = whole(path)
    for number in range(1000, 1000 + kills):
        child = Child(lambda say, number=number: record(path, number, say))
        if number % 2:
            child.heard()
            child.kill(dice.uniform(0, saving * 1.2))
        else:
            child.kill(dice.uniform(0, took * 1.1))
        try:
            found = whole(path)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            tally.findings.append(f"kill {number}: {type(error).__name__}: {error}".splitlines()[0])
            continue
        if found not in (former, number):
            tally.findings.append(f"kill {number}: recording {found}, neither {former} nor {number}")
        tally.counts["the new one" if found == number else "the old one"] += 1
        former = found
    tally.counts["files of killed writers left"] = sum(1 for _ in folder.rglob(".writing-*"))
    return tally


def _lengths(act: Callable[[int, Callable[[], None]], None]) -> tuple[float, float]:
    """How long a recording takes, and of that how long it is saved."""
    lengths = []
    for number in range(3):
        child = Child(lambda say, number=number: act(number, say))
        child.heard()
        heard = Real.now()
        assert child.wait() == 0
        lengths.append((Real.now() - child.began, Real.now() - heard))
    return min(took for took, _ in lengths), min(saving for _, saving in lengths)


def vcrpy(folder: Path, kills: int, seed: int) -> Tally:
    """Kill processes that save the same cassette with stock vcrpy, as ``use_cassette`` does at its end."""
    tally, dice, source = Tally(), random.Random(seed), folder / "a.yaml"
    path = folder / "vcrpy" / "a.yaml"
    path.parent.mkdir()
    large = Cassette.load(path=str(source), serializer=yamlserializer)
    content = {"requests": large.requests, "responses": large.responses}
    expected = len(large.requests)

    def save(_number: int, say: Callable[[], None]) -> None:
        say()
        FilesystemPersister.save_cassette(str(path), content, yamlserializer)

    _, saving = _lengths(save)
    for number in range(kills):
        child = Child(lambda say, number=number: save(number, say))
        child.heard()
        child.kill(dice.uniform(0, saving * 1.2))
        try:
            found = len(FilesystemPersister.load_cassette(str(path), yamlserializer)[0])
        except Exception:  # noqa: BLE001 - what it raises for a cut file depends on the cut
            tally.counts["cannot be read"] += 1
        else:
            tally.counts["whole" if found == expected else "cut, and loaded as if it were whole"] += 1
    return tally


def resumed(folder: Path, kills: int, seed: int) -> Tally:
    """Kill processes between submission and result; another one goes on. No job may be there twice."""
    tally, dice = Tally(), random.Random(seed)
    os.chdir(folder)
    with served(folder) as environment:
        os.environ.update(environment)
        os.environ.pop("CI", None)
        waiting, killed = 0.8, 0
        for number in range(10 * kills):
            if killed == kills:
                break
            mode = "batch" if number % EVERY_FIFTH == 0 else "job"
            child = Child(lambda say, number=number, mode=mode: _submit(folder, number, mode, say))
            if not child.heard():
                tally.findings.append(f"case {number}: it did not submit: exit status {child.wait()}")
                continue
            child.kill(dice.uniform(0, waiting))
            if _go_on(folder, number, mode, tally):
                killed += 1
            else:
                # It had its result, which was not between, and does not count: the next kills come sooner.
                waiting = max(0.1, waiting * 0.9)
        if killed < kills:
            tally.findings.append(f"only {killed} of {kills} were killed before they had their result")
        counts = submitted(folder)
    twice = {case: times for case, times in counts.items() if times > 1}
    tally.findings += [f"{case}: submitted {times} times" for case, times in twice.items()]
    tally.counts["jobs submitted twice"] = len(twice)
    tally.counts["jobs submitted"] = len(counts)
    return tally


def _go_on(folder: Path, number: int, mode: str, tally: Tally) -> bool:
    """Go on with what was killed; False if it had its result already."""
    path = folder / f"{number}.yaml"
    if path.exists():
        tally.counts["had ended before it was killed"] += 1
        return False
    status = Child(lambda say: _submit(folder, number, mode, say)).wait()
    if status == 0 and path.exists():
        tally.counts["went on to its result"] += 1
    elif status == 3 and mode == "batch":
        # Its watcher cancelled the batch: said so, and nothing was submitted.
        tally.counts["told that its batch was cancelled when it was killed"] += 1
    else:
        tally.findings.append(f"case {number} ({mode}): resumed with exit status {status}")
    return True


def _submit(folder: Path, number: int, mode: str, say: Callable[[], None]) -> None:
    from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
    from qiskit_ibm_runtime import Batch, QiskitRuntimeService, SamplerV2

    warnings.simplefilter("ignore")
    real = _answers.Service.answer

    def answer(self: _answers.Service, request: qsession._model.Request, at: int) -> qsession._model.Response:
        if request.method == "POST" and request.url.endswith("/jobs"):
            say()
        return real(self, request, at)

    _answers.Service.answer = answer
    circuit = QuantumCircuit(QuantumRegister(156, "q"), ClassicalRegister(1, "meas"))
    circuit.x(1)
    circuit.measure(1, 0)
    with qsession.record(folder / f"{number}.yaml", target="ibm", resume=True):
        backend = QiskitRuntimeService().backend("ibm_fez")
        where = Batch(backend=backend, max_time="50s") if mode == "batch" else backend
        sampler = SamplerV2(mode=where, options={"environment": {"job_tags": [f"case-{number}"]}})
        counts = sampler.run([circuit], shots=10).result()[0].data.meas.get_counts()
        assert counts == {"1": 10}, counts
        if mode == "batch":
            where.close()


def main(arguments: list[str]) -> int:
    """Kill, and say what was left."""
    quick = "--quick" in arguments
    chosen = [each for each in arguments if not each.startswith("-")]
    seed = 5
    # What a child needs is imported before it is forked.
    import qiskit_ibm_runtime  # noqa: F401

    import qsession._answers._resumed
    import qsession._money
    import qsession.emulator  # noqa: F401

    findings = []
    with TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for what, campaign, kills in (
            ("killed while recording over a cassette", recordings, 10 if quick else 1000),
            ("the same with stock vcrpy, killed while saving", vcrpy, 10 if quick else 1000),
            ("killed between submission and result, then resumed", resumed, 3 if quick else 100),
        ):
            if chosen and campaign.__name__ not in chosen:
                continue
            began = Real.now()
            tally = campaign(folder, kills, seed)
            told = ", ".join(f"{outcome}: {count}" for outcome, count in sorted(tally.counts.items()))
            print(f"{what}: {kills} kills in {Real.now() - began:.0f} s; {told}", flush=True)
            findings += tally.findings
    print(f"findings: {len(findings)} (seed {seed})")
    for finding in findings:
        print(f"  {finding}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
