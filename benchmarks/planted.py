"""Secrets planted in every place that is known to hold one, and looked for in all that is left behind.

``python -m benchmarks.planted [--quick]`` records a test project against the emulator, whose answers
are made to tell too much, with ``--showlocals``, ``-rA``, a junit file and a log file, alone and under
pytest-xdist, and replays it. Then a search of its own goes through every file and every line of output.
The same program is recorded with stock vcrpy and its documented filters. Exit status 1 for any find.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

from benchmarks._planted_project import CODINGS, FILES, Plant, own, plants, write
from benchmarks._planted_search import found_below, found_in

_ASIDE = ("plants.json",)
_SHOWN = 12

_VCR = """
import os, warnings
warnings.simplefilter("ignore")
import vcr
from qsession.emulator import Emulator, EmulatorServer, Instance
from planting import planted
from plants import CRN, OWN
import flow

answer = Emulator.answer
Emulator.answer = lambda self, request, at: planted(request, answer(self, request, at))
emulator = Emulator(instances=[Instance(crn=CRN, name="theirs", plan="Premium", region="us-east")])
recorder = vcr.VCR(
    record_mode="all",
    filter_headers=[
        "authorization", "service-crn", "cookie", "parent-job-id", "x-qx-client-application", "user-agent",
    ],
    filter_post_data_parameters=["apikey", "refresh_token", "instance", "access_token"],
    filter_query_parameters=["user_id", "instance", "tags", "search"],
    decode_compressed_response=True,
)
with EmulatorServer(emulator) as server:
    os.environ.update(server.environment())
    with recorder.use_cassette("vcr/flow.yaml"):
        from qiskit_ibm_runtime import QiskitRuntimeService
        flow.flow(QiskitRuntimeService(), url=os.environ["QISKIT_IBM_URL"])
"""


Found: TypeAlias = dict[str, set[str]]
"""Names of what was found, by file or stream."""


def measure(folder: Path, *, quick: bool, ours: bool = False) -> tuple[list[Plant], Found, Found, Found]:
    """What was planted; what was found with redaction, without it, and in vcrpy's cassette.

    Raises:
        RuntimeError: If the project did not run as it should.
    """
    planted = plants(quick=quick)
    values = {plant.name: plant.value for plant in planted} | own()
    runs = _runs(quick=quick)
    with_it = _searched(folder / "project", planted, values, runs)
    if ours:
        return planted, with_it, {}, {}
    without = _searched(folder / "without", planted, values, runs[:1], PLANTED_WITHOUT_REDACTION="1")
    return planted, with_it, without, _vcr(folder, planted, values)


def _searched(
    project: Path,
    planted: Sequence[Plant],
    values: Mapping[str, str],
    runs: Sequence[tuple[str, Sequence[str], str]],
    **environment: str,
) -> Found:
    write(project, planted)
    found: Found = {}
    for name, options, expected in runs:
        ended = _pytest(project, *options, **environment)
        if expected not in ended.stdout.decode():
            raise RuntimeError(f"{name}: {ended.stdout.decode()[-4000:]}{ended.stderr.decode()[-2000:]}")
        found |= {
            f"{name}, stdout": found_in(ended.stdout, values),
            f"{name}, stderr": found_in(ended.stderr, values),
        }
    return found | found_below(project, values, but=_ASIDE)


def _runs(*, quick: bool) -> Sequence[tuple[str, Sequence[str], str]]:
    target = ("--qsession-record", "--qsession-target=emulator")
    told = (
        "-rA",
        "--showlocals",
        "--log-level=DEBUG",
        "-o",
        "junit_logging=all",
        "-o",
        "junit_duration_report=total",
    )
    told = (*target, *told, "--continue-on-collection-errors")
    failed = "4 failed, 4 passed, 1 skipped"
    alone = ("recording", (*told, "--junitxml=junit.xml", "--log-file=all.log", "-o", "log_cli=true"), failed)
    native = ("recording, native tracebacks", (*told, "--tb=native", "-vv"), failed)
    workers = ("recording with workers", (*told, "-n", "1", "--junitxml=workers.xml"), failed)
    replay = ("replay", ("test_flow.py",), "1 passed")
    return (alone, replay) if quick else (alone, native, workers, replay)


def _pytest(project: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    off = [text for name in ("randomly", "hypothesispytest", "recording") for text in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-W", "ignore::DeprecationWarning", *off, *options]
    env = _environment() | environment
    return subprocess.run(command, cwd=project, env=env, capture_output=True, check=False)


def _environment() -> dict[str, str]:
    drop = ("PYTEST_", "QISKIT_", "IAM_", "CI")
    return {name: value for name, value in os.environ.items() if not name.startswith(drop)}


def _vcr(folder: Path, planted: Sequence[Plant], values: Mapping[str, str]) -> dict[str, set[str]]:
    project = folder / "with-vcr"
    write(project, planted)
    for name in set(FILES) - {"plants.py", "planting.py", "flow.py"}:
        (project / name).unlink()
    (project / "main.py").write_text(_VCR)
    ended = subprocess.run(
        [sys.executable, "main.py"], cwd=project, env=_environment(), capture_output=True, check=False
    )
    if ended.returncode:
        raise RuntimeError(f"vcrpy: {ended.stderr.decode()[-3000:]}")
    return found_below(project / "vcr", values, but=())


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant, search, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planted", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the values, one recording")
    parser.add_argument("--ours", action="store_true", help="neither without redaction nor with vcrpy")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as name:
        planted, found, without, vcr = measure(Path(name), quick=options.quick, ours=options.ours)
    places = {plant.place for plant in planted}
    print(f"planted: {len(planted)} secrets in {len(places)} places, in up to {len(CODINGS)} spellings,")
    print(f"  and {len(own())} of the account itself, used wherever the client uses them")
    print(f"searched: {len(found)} files and streams")
    hits = sorted({hit for each in found.values() for hit in each})
    print(f"found with qsession: {len(hits)}")
    for hit in hits[:_SHOWN]:
        print(f"  {hit}: {', '.join(name for name, each in found.items() if hit in each)[:200]}")
    if without:
        _print_peers(planted, without, vcr)
    return 1 if hits else 0


def _print_peers(planted: Sequence[Plant], without: Found, vcr: Found) -> None:
    seen = {hit for each in without.values() for hit in each}
    print(f"found by the same search with redaction switched off: {len(seen)} of {len(planted) + len(own())}")
    for miss in sorted({plant.name for plant in planted} - seen)[:_SHOWN]:
        print(f"  not: {miss}")
    wire = sum(not plant.place.startswith("pytest") for plant in planted) + len(own())
    theirs = {hit for each in vcr.values() for hit in each}
    print(f"found with stock vcrpy and its filters, of {wire} that go over the wire: {len(theirs)}")


if __name__ == "__main__":
    sys.exit(main())
