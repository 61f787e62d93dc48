"""``qsession demo``: one Bell session, recorded against the emulator and replayed offline."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from qsession._story import story
from qsession.cli._say import say, say_json

if TYPE_CHECKING:
    from qsession._run import Run

_BACKEND = "ibm_fez"
_SHOTS = 1000
_SEED = 7


@dataclass(frozen=True, slots=True)
class _Outcome:
    counts: dict[str, int]
    details: tuple[dict[str, object] | None, ...]
    status: tuple[str | None, ...]
    usage: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = "example:\n  qsession demo --folder my-cassettes"
    parser.add_argument(
        "--folder", type=Path, help="where to keep the cassette (default: a temporary folder)"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Record, replay, compare.

    Returns:
        0 when both runs gave the same, 1 when they did not.
    """
    if arguments.folder is not None:
        return _demo(arguments.folder / "bell.yaml", as_json=arguments.json)
    with tempfile.TemporaryDirectory(prefix="qsession-demo-") as folder:
        return _demo(Path(folder) / "bell.yaml", as_json=arguments.json)


def _demo(path: Path, *, as_json: bool) -> int:
    import qsession
    from qsession._store import Store

    _warm_up()
    recorded, recording_seconds = _timed(qsession.record(path, target="emulator"))
    replayed, replay_seconds = _timed(qsession.replay(path))
    same = recorded == replayed
    if as_json:
        document = {
            "cassette": str(path),
            "same": same,
            "counts": recorded.counts,
            "status": recorded.status,
            "usage": recorded.usage,
            "recording_seconds": round(recording_seconds, 3),
            "replay_seconds": round(replay_seconds, 3),
        }
        say_json(document)
        return 0 if same else 1
    print(f"One Bell session on {_BACKEND}, against qsession's emulator (nothing left this machine):\n")
    recording = Store(path.parent, path.parent / ".qsession").load(path)
    for line in story(recording.interactions):
        say(f"  {line}")
    then, now = recorded.status
    print(f"\n  counts {recorded.counts}, usage {recorded.usage} s")
    print(f"  status {then!r}, after closing {now!r}")
    print(f"\nrecorded in {recording_seconds:.2f} s, replayed offline in {replay_seconds:.2f} s")
    if not same:
        print(f"\nThe replay differs:\n  recorded {recorded}\n  replayed {replayed}")
        return 1
    print("counts, details, status and usage are the same in both")
    return 0


def _warm_up() -> None:
    # The first import of the client takes longer than everything else together,
    # and would be counted to the recording alone.
    import qiskit.transpiler  # noqa: F401
    import qiskit_ibm_runtime  # noqa: F401


def _timed(run: Run) -> tuple[_Outcome, float]:
    began = perf_counter()
    with run:
        outcome = _bell(run)
    return outcome, perf_counter() - began


def _bell(run: Run) -> _Outcome:
    from qiskit import QuantumCircuit
    from qiskit.transpiler import generate_preset_pass_manager
    from qiskit_ibm_runtime import SamplerV2

    from qsession.session import Session

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    backend = run.service().backend(_BACKEND)
    isa = generate_preset_pass_manager(1, backend=backend, seed_transpiler=_SEED).run(circuit)
    with Session(backend=backend, max_time="1h") as session:
        job = SamplerV2(mode=session).run([isa], shots=_SHOTS)
        counts = job.result()[0].data.meas.get_counts()
        details, status = session.details(), session.status()
    return _Outcome(
        dict(sorted(counts.items())),
        (details, session.details()),
        (status, session.status()),
        session.usage(),
    )
