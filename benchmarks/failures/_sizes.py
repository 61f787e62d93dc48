"""What grows: costs of a look-up, files, and the diff of a review."""

from __future__ import annotations

import difflib
import json
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from benchmarks._measuring import seconds
from benchmarks.failures._jobs import bell, job
from benchmarks.failures._lab import HEADERS, Experiment, Lab, Seen, Site, post, posted, read, recorded

GROWTH = 6


def _url(number: int) -> str:
    return f"/jobs/d{number:019d}"


def _spent(act: Callable[[], object]) -> float:
    """Seconds of the processor: what else the machine does is not counted."""
    began = time.process_time()
    act()
    return time.process_time() - began


def _growth(whole: Callable[[int], float], small: int) -> tuple[float, str]:
    """How much dearer a request is in a recording that is larger by a factor."""
    few, many = whole(small) / small, whole(small * GROWTH) / (small * GROWTH)
    told = f"a request costs {many / few:.1f} times as much among {small * GROWTH} as among {small}"
    return many / few, told


def _stock_scaling(lab: Lab) -> Seen:
    from benchmarks._ways import Reads

    def whole(count: int) -> float:
        reads = Reads(count)
        with reads.stock(lab.folder)() as session:
            session.get(reads.url(0))
            return _spent(lambda: [session.get(reads.url(number)) for number in range(1, count)])

    growth, told = _growth(whole, 100 if lab.quick else 250)
    return Seen(told, growth > 2.5)


def _ours_scaling(lab: Lab) -> Seen:
    from benchmarks._ways import Reads

    def whole(count: int) -> float:
        reads = Reads(count)
        with reads.ours()() as session:
            session.get(reads.url(0))
            return _spent(lambda: [session.get(reads.url(number)) for number in range(1, count)])

    whole(50)
    growth, told = _growth(whole, 250 if lab.quick else 1000)
    return Seen(told, growth > 2.5)


def _large(number: int) -> bytes:
    params = {"number": number, "note": "x" * 5_000_000}
    return json.dumps({"program_id": "made-up", "backend": "ibm_fez", "params": params}).encode()


def _stock_lookup(lab: Lab) -> Seen:
    import vcr

    path, many = str(lab.folder / "a.yaml"), [_large(number) for number in range(10)]
    options = {"match_on": ["method", "scheme", "host", "port", "path", "query", "body"]}
    with Site() as site:
        with vcr.use_cassette(path, **options):
            for body in many:
                requests.post(f"{site.url}/jobs", data=body, headers=HEADERS, timeout=60)
        with vcr.use_cassette(path, record_mode="none", **options):
            took = seconds(
                lambda: requests.post(f"{site.url}/jobs", data=many[-1], headers=HEADERS, timeout=60)
            )
    return _looked(took)


def _looked(took: float) -> Seen:
    return Seen(f"one job of 5 MB is answered among ten such after {took:.2f} s", took > 0.4)


def _ours_lookup(lab: Lab) -> Seen:
    import qsession

    many = [_large(number) for number in range(10)]
    path = recorded(lab.folder, *(posted(body, number=number, at=number) for number, body in enumerate(many)))
    with qsession.replay(path, allow_unused=True):
        took = seconds(lambda: post("/jobs", many[-1]))
    return _looked(took)


def _stock_binary(lab: Lab) -> Seen:
    import vcr

    body, path = random.Random(1).randbytes(3_000_000), lab.folder / "a.yaml"
    kind = {"Content-Type": "application/octet-stream"}
    with Site(lambda *_: (200, kind, body)) as site, vcr.use_cassette(str(path)):
        requests.get(site.url, timeout=30)
    return _weighs(path)


def _weighs(folder: Path) -> Seen:
    files = [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else [folder]
    size = sum(path.stat().st_size for path in files) / 1e6
    return Seen(f"a body of 3.00 MB takes {size:.2f} MB on disk", size > 3.3)


def _ours_binary(lab: Lab) -> Seen:
    recorded(lab.folder, read(_url(0), random.Random(1).randbytes(3_000_000)))
    return _weighs(lab.folder)


def _device() -> bytes:
    return json.dumps(
        {"qubits": [{"t1": number / 7, "name": str(number)} for number in range(10_000)]}
    ).encode()


def _stock_shared(lab: Lab) -> Seen:
    import vcr

    content = _device()
    with Site(lambda *_: (200, {}, content)) as site:
        for number in range(10):
            with vcr.use_cassette(str(lab.folder / f"{number}.yaml")):
                requests.get(site.url, timeout=30)
    return _copies(lab.folder, len(content))


def _copies(folder: Path, one: int) -> Seen:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    told = f"ten cassettes with one body of {one / 1e6:.1f} MB take {size / one:.2f} times its size"
    return Seen(told, size > 2 * one)


def _ours_shared(lab: Lab) -> Seen:
    content = _device()
    for number in range(10):
        recorded(lab.folder, read(_url(0), content), name=f"{number}.yaml")
    return _copies(lab.folder, len(content))


def _stock_diff(lab: Lab) -> Seen:
    import vcr

    texts = []
    with Site() as site:
        for turned in (False, True):
            path = lab.folder / f"{turned}.yaml"
            with vcr.use_cassette(str(path)):
                requests.post(site.url, data=job(bell(turned=turned)), timeout=30)
            texts.append(path.read_text().splitlines())
    changed = [line for line in difflib.unified_diff(*texts, lineterm="") if line[:1] == "+" and "eJ" in line]
    return Seen(f"git shows {len(changed)} changed line of base64", bool(changed))


def _ours_diff(lab: Lab) -> Seen:
    import io
    from contextlib import redirect_stdout

    from qsession import cli

    names = [
        recorded(lab.folder, posted(job(bell(turned=turned))), name=f"{turned}.yaml")
        for turned in (False, True)
    ]
    with redirect_stdout(io.StringIO()) as said:
        cli.main(["diff", *map(str, names)])
    line = next((each.strip() for each in said.getvalue().splitlines() if " x " in each), "")
    return Seen(f"`qsession diff`: `{line}`", not line)


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    "scaling": (_stock_scaling, _ours_scaling),
    "large-lookup": (_stock_lookup, _ours_lookup),
    "binary-body": (_stock_binary, _ours_binary),
    "shared-bodies": (_stock_shared, _ours_shared),
    "diff-unreadable": (_stock_diff, _ours_diff),
}
