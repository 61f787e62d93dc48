"""Waiting for the client's jobs on the virtual clock: exact, or from event to event."""

import asyncio
import os
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import SamplerV2
from qiskit_ibm_runtime.exceptions import RuntimeJobTimeoutError

import qsession
from qsession.emulator import Emulator

FINAL = ("DONE", "ERROR", "CANCELLED")


def pause(seconds):
    time.sleep(seconds)  # noqa: TID251 - what the code under test does


def submit(run, shots=10):
    circuit = QuantumCircuit(1, name="one")
    circuit.x(0)
    circuit.measure_all()
    return SamplerV2(mode=run.service().backend("ibm_fez")).run([circuit], shots=shots)


def poll(job, wait):
    while job.status() not in FINAL:
        wait(1)


def poll_in_asyncio(job):
    async def loop():
        while job.status() not in FINAL:
            await asyncio.sleep(1)

    asyncio.run(loop())


def empty_queue(seconds):
    with pytest.raises(queue.Empty):
        queue.Queue().get(timeout=seconds)


LOOPS = {
    "sleep": lambda job: poll(job, pause),
    "event": lambda job: poll(job, lambda seconds: threading.Event().wait(seconds)),
    "queue": lambda job: poll(job, empty_queue),
    "asyncio": poll_in_asyncio,
}


def recording(path, body, queue_seconds=250.0, **options):
    emulator = Emulator(queue_seconds=queue_seconds, run_seconds=0.5)
    with qsession.record(path, target="emulator", emulator=emulator, **options) as run:
        return body(run), run.clock.monotonic()


def replayed(path, body, **options):
    with qsession.replay(path, **options) as run:
        return body(run), run.clock.monotonic()


@pytest.fixture(scope="module")
def leapt(tmp_path_factory):
    """A queue of 250 s that the client's own wait leapt over when it was recorded."""
    path = tmp_path_factory.mktemp("leaps") / "leapt.yaml"
    recording(path, lambda run: submit(run).wait_for_final_state())
    return path


@pytest.mark.parametrize("loop", LOOPS)
def test_loop_of_ones_own_ends_at_the_same_moment_with_every_kind_of_wait(loop, leapt, tmp_path):
    """Recorded or replayed, also from a recording whose polls leapt."""
    own = tmp_path / "own.yaml"
    ends = [
        recording(own, lambda run: LOOPS[loop](submit(run)))[1],
        replayed(own, lambda run: LOOPS[loop](submit(run)))[1],
        replayed(leapt, lambda run: LOOPS[loop](submit(run)))[1],
    ]
    assert ends == [ends[0]] * 3


def test_loop_without_a_wait_ends_when_the_job_does(tmp_path):
    """Each request takes a millisecond at least."""
    path = tmp_path / "a.yaml"
    recording(path, lambda run: submit(run).wait_for_final_state(), queue_seconds=0.1)

    def body(run):
        job = submit(run)
        begin = run.clock.monotonic()
        poll(job, lambda _: None)
        return run.clock.monotonic() - begin

    again = tmp_path / "b.yaml"
    took = [recording(again, body, queue_seconds=0.1)[0], replayed(again, body)[0], replayed(path, body)[0]]
    assert took == pytest.approx([0.6] * 3, abs=1e-9)


@pytest.mark.parametrize("polls", ["default", "leap", "exact"])
def test_result_is_the_same_however_polls_go(polls, leapt):
    """Only how many there are differs."""

    def body(run):
        job = submit(run)
        begin, before = run.clock.monotonic(), run.requests
        assert job.result()[0].data.meas.get_counts() == {"1": 10}
        return run.clock.monotonic() - begin, run.requests - before, run.clock.leaps

    (_, requests, leaps), _ = recording(leapt.parent / f"{polls}.yaml", body, polls=polls)
    again = replayed(leapt.parent / f"{polls}.yaml", body, polls=polls)[0]
    assert again[1:] == (requests, leaps)
    assert (requests > 400, leaps) == ((True, 0) if polls == "exact" else (False, 1))


def test_recording_with_leaps_is_replayed_without_them(leapt):
    """The client sees the end at its first poll after it."""

    def body(run):
        job = submit(run)
        begin = run.clock.now()
        job.wait_for_final_state()
        return (run.clock.now() - begin).total_seconds(), run.clock.leaps

    leapt_over, exact = replayed(leapt, body)[0], replayed(leapt, body, polls="exact")[0]
    # The job ends 250.5 s after its submission; exact polls come each 501 ms.
    assert leapt_over == (250.5, 1)
    assert exact == (250.501, 0)


def timed_out(timeout, **options):
    def body(run):
        job = submit(run)
        begin, before = run.clock.now(), run.requests
        with pytest.raises(RuntimeJobTimeoutError, match=f"after {timeout} secs"):
            job.wait_for_final_state(timeout=timeout, **options)
        return (run.clock.now() - begin).total_seconds(), run.requests - before

    return body


@pytest.mark.parametrize(("timeout", "requests"), [(600, 2), (2879, 2), (3000, 4), (7200, 6)])
def test_wait_with_a_timeout_ends_at_it_to_the_microsecond(timeout, requests, tmp_path):
    """Polls are left out but for those that renew a token."""
    path, body = tmp_path / "a.yaml", timed_out(timeout)
    assert recording(path, body, queue_seconds=20_000)[0] == (timeout, requests)
    assert replayed(path, body)[0] == (timeout, requests)


@pytest.mark.parametrize(
    ("timeout", "exact"), [(0.05, 0.502), (0.7, 1.003), (3, 3.007), (33.333, 33.568)], ids=str
)
def test_wait_with_a_timeout_between_two_polls_ends_at_it(timeout, exact, tmp_path):
    """Without leaps it ends at the next poll, as it does on the service."""
    path, body = tmp_path / "a.yaml", timed_out(timeout)
    assert recording(path, body, queue_seconds=20_000)[0][0] == timeout
    assert replayed(path, body)[0][0] == timeout
    assert replayed(path, body, polls="exact")[0][0] == exact


def test_wait_with_a_timeout_past_the_end_of_the_recording_is_refused(tmp_path):
    """What happened in the second hour nobody knows."""
    path = tmp_path / "a.yaml"
    recording(path, timed_out(60), queue_seconds=20_000, polls="exact")
    with pytest.raises(qsession.errors.ReplayMismatch, match="QS304"):
        replayed(path, timed_out(3600))


@pytest.mark.parametrize("polls", ["default", "leap", "exact"])
def test_wait_of_the_test_takes_exactly_as_long_as_it_says(polls, tmp_path):
    """A loop that counts its tries sees what it would have seen."""

    def body(run):
        job = submit(run)
        begin = run.clock.now()
        for _ in range(600):
            pause(1)
        taken = (run.clock.now() - begin).total_seconds()
        job.wait_for_final_state()
        return taken

    path = tmp_path / "a.yaml"
    assert recording(path, body, polls=polls)[0] == replayed(path, body, polls=polls)[0] == 600.0


def test_wait_of_the_test_is_exact_while_another_thread_leaps(tmp_path):
    """The leap ends at what happens first, and the other loop counts on."""

    def body(run):
        job = submit(run)
        ends = []

        def wait():
            job.wait_for_final_state()
            ends.append(run.clock.now())

        other = threading.Thread(target=wait)
        begin = run.clock.now()
        other.start()
        for _ in range(600):
            pause(1)
        taken = (run.clock.now() - begin).total_seconds()
        other.join()
        return taken, (ends[0] - begin).total_seconds()

    path = tmp_path / "a.yaml"
    recorded = recording(path, body)[0]
    assert recorded[0] == 600.0
    assert 250.5 <= recorded[1] <= 251.0
    assert replayed(path, body)[0] == recorded


def test_loop_over_two_jobs_leaps_past_the_end_of_neither(tmp_path):
    """Whichever of them it looked at last; a replay leaps as the recording did."""

    def body(run):
        jobs = [submit(run)]
        pause(50)
        jobs.append(submit(run, shots=20))
        ends = []
        for wanted in (any, all):
            while not wanted([job.status() in FINAL for job in jobs]):
                pause(1)
            ends.append(run.clock.monotonic())
        return ends, run.requests, run.clock.leaps

    path = tmp_path / "a.yaml"
    recorded = recording(path, body, polls="leap")[0]
    assert replayed(path, body, polls="leap")[0] == recorded
    assert recorded[0] == pytest.approx([250.5, 300.5], abs=0.6)


@pytest.mark.parametrize("polls", ["default", "exact"])
@pytest.mark.parametrize("count", [2, 4])
def test_threads_that_poll_end_at_the_exact_moment(count, polls, tmp_path):
    """Each waits for its own job, and all time is shared."""

    def body(run):
        jobs = [submit(run, shots=10 + n) for n in range(count)]
        ends = {}

        def wait(n):
            jobs[n].wait_for_final_state()
            ends[n] = run.clock.monotonic()

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(wait, range(count)))
        return ends

    path = tmp_path / "a.yaml"
    recorded = recording(path, body, polls=polls, queue_seconds=30.0)
    assert [replayed(path, body, polls=polls) for _ in range(5)] == [recorded] * 5
    assert 30.5 < recorded[1] < 32


@pytest.mark.parametrize("count", [2, 4])
def test_threads_that_submit_and_poll_end_at_the_exact_moment(count, tmp_path):
    """Also where each thread makes its job itself."""

    def body(run):
        backend = run.service().backend("ibm_fez")
        ends = {}

        def work(n):
            circuit = QuantumCircuit(1, name="one")
            circuit.x(0)
            circuit.measure_all()
            pause(n)
            job = SamplerV2(mode=backend).run([circuit], shots=10 + n)
            poll(job, pause)
            ends[n] = run.clock.monotonic()

        threads = [threading.Thread(target=work, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return ends

    path = tmp_path / "a.yaml"
    recorded = recording(path, body, queue_seconds=30.0)
    assert [replayed(path, body) for _ in range(5)] == [recorded] * 5


@pytest.fixture
def tokens(monkeypatch):
    """When IAM was asked for a token, in seconds from the start of the emulated time."""
    from qsession import _discovery, _setup

    asked, mint = [], _discovery.mint_token
    monkeypatch.setattr(
        _discovery, "mint_token", lambda at: asked.append((at - _setup.EMULATED_START) / 1e6) or mint(at)
    )
    return asked


def test_token_is_renewed_after_it_expired(tokens, tmp_path):
    """The client looks at the virtual clock, as does who makes the tokens."""

    def body(run):
        service = run.service()
        service.usage()
        before = len(tokens)
        run.clock.advance("61m")
        service.usage()
        return len(tokens) - before

    path = tmp_path / "a.yaml"
    assert recording(path, body)[0] == 1
    assert tokens[-1] > 3660
    recorded = tokens[:]
    tokens.clear()
    assert replayed(path, body)[0] == 1
    assert tokens == recorded


@pytest.mark.parametrize("wait", ["own loop", "client"])
def test_two_hours_of_polling_renew_the_token_twice(wait, tokens, tmp_path):
    """IAM's client library asks for a new one after four fifths of the old one's hour."""

    def body(run):
        job = submit(run)
        if wait == "client":
            job.wait_for_final_state()
        else:
            poll(job, lambda _: pause(30))
        return [moment // 60 for moment in tokens if moment > 60]

    path = tmp_path / "a.yaml"
    recorded = recording(path, body, queue_seconds=7200.0)[0]
    tokens.clear()
    assert replayed(path, body)[0] == recorded
    assert len(recorded) == 2


class Busy(Emulator):
    """Says at first that it is busy, to some requests."""

    def __init__(self, status, headers, wanted, times=1):
        super().__init__(queue_seconds=0.2, run_seconds=0.3)
        self.left = dict.fromkeys(wanted, times)
        self.refused = (status, headers)

    def answer(self, request, at):
        from qsession._endpoints import identify
        from qsession._model import Response

        name = identify(request).endpoint.name
        if self.left.get(name):
            self.left[name] -= 1
            status, headers = self.refused
            return Response(status, "Busy", {"content-type": "application/json", **headers}, b'{"errors":[]}')
        return super().answer(request, at)


@pytest.mark.parametrize(("status", "name"), [(503, "jobs.create"), (503, "jobs.get"), (429, "jobs.get")])
def test_retry_after_takes_as_long_as_it_says_and_no_real_time(status, name, tmp_path):
    """The client's HTTP library waits, on the virtual clock."""

    def body(run):
        backend = run.service().backend("ibm_fez")
        begin = run.clock.now()
        circuit = QuantumCircuit(1, name="one")
        circuit.x(0)
        circuit.measure_all()
        job = SamplerV2(mode=backend).run([circuit], shots=10)
        job.status()
        return (run.clock.now() - begin).total_seconds()

    path, real = tmp_path / "a.yaml", time.monotonic()
    emulator = Busy(status, {"retry-after": "90"}, [name])
    with qsession.record(path, target="emulator", emulator=emulator) as run:
        recorded = body(run)
    assert 90 < recorded < 90.1
    assert replayed(path, body)[0] == recorded
    assert time.monotonic() - real < 60


def test_back_off_doubles_on_the_virtual_clock(tmp_path):
    """0, 1, 2 and 4 seconds: half a second, doubled for each try but the first."""

    def body(run):
        service = run.service()
        begin = run.clock.now()
        service.usage()
        return (run.clock.now() - begin).total_seconds()

    path = tmp_path / "a.yaml"
    emulator = Busy(503, {}, ["instances.usage"], times=4)
    with qsession.record(path, target="emulator", emulator=emulator) as run:
        recorded = body(run)
    # Five answers, of a millisecond each.
    assert recorded == 7.005
    assert replayed(path, body)[0] == recorded


SCRIPT = """
import sys
import threading
from datetime import datetime, timedelta
import qsession
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_ibm_runtime import SamplerV2
from qsession.emulator import Emulator

def circuit(name=None):
    made = QuantumCircuit(1, name=name)
    made.rz(Parameter("theta"), 0)
    made.measure_all()
    return made

def parameters(run):
    backend = run.service().backend("ibm_fez")
    with qsession.Session(backend=backend) as session:
        for shots in (10, 20):
            SamplerV2(mode=session).run([(circuit(), [0.5])], shots=shots).result()
        session.usage()

def threads(run):
    backend = run.service().backend("ibm_fez")

    def work(n):
        fixed = QuantumCircuit(1, name=f"fixed-{n % 2}")
        fixed.x(0)
        fixed.measure_all()
        job = SamplerV2(mode=backend).run([fixed], shots=10)
        job.wait_for_final_state()
        job.metrics()

    every = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in every:
        thread.start()
    for thread in every:
        thread.join()

def queries(run):
    service = run.service()
    fixed = QuantumCircuit(1, name="fixed")
    fixed.measure_all()
    job = SamplerV2(mode=service.backend("ibm_fez")).run([fixed], shots=10)
    job.result()
    hour = timedelta(hours=1)
    found = service.jobs(created_after=datetime.now() - hour, created_before=datetime.now() + hour)
    assert [one.job_id() for one in found] == [job.job_id()]
    assert service.jobs(created_after=datetime.now().astimezone() + hour) == []
    assert abs(job.creation_date - datetime.now().astimezone()) < timedelta(seconds=30)
    print(datetime.now().isoformat(), datetime.now().astimezone().utcoffset())

mode, path, body = sys.argv[1:]
with getattr(qsession, mode)(path, **({"target": "emulator"} if mode == "record" else {})) as run:
    globals()[body](run)
"""


def in_another_process(mode, path, body, **environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, mode, str(path), body],
        env={**os.environ, **environment},
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("body", ["parameters", "threads"])
def test_recorded_again_in_another_process_gives_the_same_bytes(body, tmp_path):
    """Though a parameter has another identity and a circuit another name each time, and threads run as they like."""
    path = tmp_path / "a.yaml"
    in_another_process("record", path, body, PYTHONHASHSEED="1")
    before = path.read_bytes()
    in_another_process("record", path, body, PYTHONHASHSEED="2")
    assert path.read_bytes() == before


def test_threads_recorded_twice_give_the_same_bytes(tmp_path):
    """Also where there was nothing before."""
    for name in ("a.yaml", "b.yaml"):
        in_another_process("record", tmp_path / name, "threads")
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="Windows has one time zone a machine")
def test_recording_of_one_time_zone_is_replayed_in_another(tmp_path):
    """Local times in a query mean the same moment, and the clock shows the machine's own."""
    path = tmp_path / "a.yaml"
    here = in_another_process("record", path, "queries", TZ="America/New_York")
    there = in_another_process("replay", path, "queries", TZ="Asia/Kathmandu")
    assert here.startswith("2026-01-05T07:00:0")
    assert here.endswith(" -1 day, 19:00:00\n")
    assert there.startswith("2026-01-05T17:45:0")
    assert there.endswith(" 5:45:00\n")
