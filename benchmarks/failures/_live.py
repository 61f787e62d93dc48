"""What reaches a service although it should not, and what a recording of threads lacks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import requests

from benchmarks.failures._lab import (
    API,
    HEADERS,
    RECORD,
    Experiment,
    Lab,
    Seen,
    Site,
    get,
    in_threads,
    outcome,
    outside,
    read,
    recorded,
    refusal,
    run_pytest,
    trapped,
)


def _campaign(way: str, lab: Lab) -> Seen:
    from benchmarks.never_live import Trap

    number = 320 if lab.quick else 3_200
    trap = Trap(lab.folder)
    trap.record()
    finding = trap.go(way, number)
    sent, answered = sum(finding.told.values()), finding.told.get("answered", 0)
    words = f"{finding.connections} connections to the service in {sent:,} requests, {answered:,} answered"
    return Seen(words, finding.connections > 0)


def _stock_threads(lab: Lab) -> Seen:
    return _campaign("stock", lab)


def _ours_threads(lab: Lab) -> Seen:
    return _campaign("threads", lab)


_CROWD = """
import threading
import pytest, requests

def ask(number, told):
    for each in range(number, 16, 4):
        told.append(requests.get("{url}/jobs?offset=%d" % each, headers={headers}).status_code)

@pytest.mark.{mark}
def test_it():
    told = []
    threads = [threading.Thread(target=ask, args=(number, told)) for number in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert told == [200] * 16
"""


def _stock_plugin(lab: Lab) -> Seen:
    import vcr

    path = lab.folder / "cassettes" / "test_it" / "test_it.yaml"
    with Site() as site:
        with vcr.use_cassette(str(path)):
            for number in range(16):
                requests.get(f"{site.url}/jobs?offset={number}", timeout=30)
        recorded_by = site.hits
        text = _CROWD.format(url=site.url, mark="vcr", headers={})
        (lab.folder / "test_it.py").write_text(text)
        done = run_pytest(lab.folder, "stock")
        live = site.hits - recorded_by
    return Seen(f"{live} of 16 requests of 4 threads are live; {outcome(done)}", live > 0)


def _ours_plugin(lab: Lab) -> Seen:
    (lab.folder / "test_it.py").write_text(_CROWD.format(url=API, mark="qsession", headers=HEADERS))
    with trapped(lab.folder) as (environment, accepted):
        made = run_pytest(lab.folder, "ours", *RECORD, environment=environment)
        done = run_pytest(lab.folder, "ours", environment=environment)
        live = accepted()
    fine = "1 passed" in outcome(made) and "1 passed" in outcome(done)
    return Seen(f"{live} of 16 requests of 4 threads are live; {outcome(done)}", live > 0 or not fine)


def _stock_recording(lab: Lab) -> Seen:
    import vcr

    with Site() as site, vcr.use_cassette(str(lab.folder / "a.yaml"), record_mode="all") as cassette:
        in_threads(lambda each: requests.get(f"{site.url}/{each}", timeout=30), count=64, threads=16)
    return Seen(f"{len(cassette)} of 64 requests of 16 threads are recorded", len(cassette) < 64)


def _ours_recording(lab: Lab) -> Seen:
    import qsession
    from qsession._store import Store

    path = lab.folder / "a.yaml"
    with qsession.record(path, target="emulator"):
        in_threads(lambda each: get(f"/jobs?offset={each}"), count=64, threads=16)
    kept = sum(each.seen for each in Store(lab.folder, lab.folder).load(path).interactions)
    return Seen(f"{kept} of 64 requests of 16 threads are recorded", kept != 64)


_OUTSIDE = """
import pytest, requests

def test_other():
    try:
        requests.get("{url}", timeout=5)
    except Exception:
        pass

@pytest.mark.{mark}
def test_it(): pass
"""


def _ours_project(lab: Lab, text: str, url: str, *options: str) -> tuple[str, int]:
    (lab.folder / "test_it.py").write_text(text.format(url=url, mark="qsession"))
    with trapped(lab.folder) as (environment, accepted):
        return outcome(run_pytest(lab.folder, "ours", *options, environment=environment)), accepted()


def _stock_outside(lab: Lab) -> Seen:
    with Site() as site:
        (lab.folder / "test_it.py").write_text(_OUTSIDE.format(url=site.url, mark="vcr"))
        done = run_pytest(lab.folder, "stock")
    return Seen(
        f"a test without a cassette reaches the service {site.hits} time; {outcome(done)}", site.hits > 0
    )


def _ours_outside(lab: Lab) -> Seen:
    (lab.folder / "pytest.ini").write_text("[pytest]\nqsession_mode = replay\n")
    told, live = _ours_project(lab, _OUTSIDE, f"{API}/backends")
    return Seen(f"a test that is not ours reaches the service {live} times; {told}", live > 0)


_BLOCKED = """
import pytest, requests

@pytest.mark.{mark}
def test_it():
    try:
        requests.get("{url}", timeout=5)
    except Exception:
        pass
"""


def _stock_block_recording(lab: Lab) -> Seen:
    with Site() as site:
        (lab.folder / "test_it.py").write_text(_BLOCKED.format(url=site.url, mark="vcr"))
        run_pytest(lab.folder, "stock", "--block-network", "--record-mode=once")
    told = f"with `--block-network` and a mode that records, {site.hits} request reaches the service"
    return Seen(told, site.hits > 0)


def _ours_block_recording(lab: Lab) -> Seen:
    with Site() as site:  # of no process that pytest started
        told, _ = _ours_project(lab, _BLOCKED, site.url, *RECORD)
    words = f"while it records on the emulator, {site.hits} requests reach the service; {told}"
    return Seen(words, site.hits > 0 or "1 failed" not in told)


def _stock_block_nested(lab: Lab) -> Seen:
    from pytest_recording import network

    with Site() as site:
        network.block()
        network.block(allowed_hosts=["127.0.0.1"])
        try:
            requests.get(site.url, timeout=30)
        except RuntimeError:
            pass
        finally:
            network.unblock()
    return Seen(f"a second `block()` lifts the first: {site.hits} request gets through", site.hits > 0)


def _ours_block_nested(lab: Lab) -> Seen:
    import socket

    import qsession

    path = recorded(lab.folder, read("/backends/ibm_fez/status", "{}"))

    def ask() -> None:
        with qsession.replay(path):
            inner = refusal(lambda: qsession.replay(path).__enter__())
            assert inner == "QS103", inner
            socket.create_connection(("192.0.2.1", 80), timeout=1)

    code = refusal(ask)
    return Seen(f"a run inside of a run is refused, and the outer one still guards: {code}", not code)


_LOOK_UP = """
import _socket
real = _socket.getaddrinfo
def look_up(host, *args, **kwargs):
    open({log!r}, "a").write(str(host) + "\\n")
    raise _socket.gaierror(-2, "no name server here")
_socket.getaddrinfo = look_up
"""


def _looked_up(lab: Lab, side: str, mark: str, *options: str) -> tuple[list[str], str]:
    log = lab.folder / "log"
    home = lab.folder / "home"
    home.mkdir()
    (home / "sitecustomize.py").write_text(_LOOK_UP.format(log=str(log)))
    text = _BLOCKED.format(url="https://quantum.cloud.ibm.com/api/v1/backends", mark=mark)
    (lab.folder / "test_it.py").write_text(text)
    paths = ":".join([str(home), str(Path(__file__).parents[2])])
    done = run_pytest(lab.folder, side, *options, environment=outside() | {"PYTHONPATH": paths})
    return log.read_text().split() if log.exists() else [], outcome(done)


def _stock_names(lab: Lab) -> Seen:
    names, told = _looked_up(lab, "stock", "block_network")
    return Seen(f"with `block_network` {len(names)} name is looked up; {told}", bool(names))


def _ours_names(lab: Lab) -> Seen:
    recorded(lab.folder, read("/backends/ibm_fez/status", "{}"))
    (lab.folder / "made.yaml").rename(lab.folder / "made")
    folder = lab.folder / "cassettes" / "test_it"
    folder.mkdir(parents=True)
    (lab.folder / "made").rename(folder / "test_it.yaml")
    names, told = _looked_up(lab, "ours", "qsession")
    return Seen(
        f"in a replay {len(names)} names are looked up; {told}", bool(names) or "1 failed" not in told
    )


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    "threads-live": (_stock_threads, _ours_threads),
    "threads-live-plugin": (_stock_plugin, _ours_plugin),
    "threads-recorded": (_stock_recording, _ours_recording),
    "outside-live": (_stock_outside, _ours_outside),
    "block-recording": (_stock_block_recording, _ours_block_recording),
    "block-twice": (_stock_block_nested, _ours_block_nested),
    "block-names": (_stock_names, _ours_names),
}
