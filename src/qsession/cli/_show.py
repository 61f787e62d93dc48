"""``qsession show``: a cassette as a timeline that a reviewer can read."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qsession.cli._say import say, say_json

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

    from qsession._model import Recording
    from qsession.cli._files._results import Measured, Numbers
    from qsession.cli._files._telling import Entry

_BAR = 40
_MOST_OUTCOMES = 16
_MOST_OPERATIONS = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.epilog = (
        "example:\n  qsession show cassettes/test_bell/test_bell.yaml\n"
        "  git config diff.qsession.textconv 'qsession show --no-times'   # and in .gitattributes:\n"
        "  cassettes/**/*.yaml diff=qsession"
    )
    parser.add_argument("cassette", type=Path, metavar="CASSETTE", help="the file")
    parser.add_argument(
        "--circuits",
        choices=("drawing", "qasm3", "none"),
        default="drawing",
        help="how circuits are shown: as drawings, as OpenQASM 3, or not at all (default: drawing)",
    )
    parser.add_argument("--no-times", action="store_true", help="leave out what differs in every recording")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("cassettes"),
        help="where large bodies are, for a copy that lies elsewhere (default: cassettes)",
    )
    parser.add_argument("--json", action="store_true", help="print the timeline as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show.

    Returns:
        0.

    Raises:
        UsageError: If the file cannot be read (QS175).
        CassetteError: If it cannot be trusted.
    """
    from qsession.cli._files._opening import open_cassette

    recording = open_cassette(arguments.cassette, folder=arguments.folder)
    if arguments.json:
        say_json(_document(recording, arguments.circuits))
        return 0
    for line in _lines(recording, arguments.circuits, times=not arguments.no_times):
        say(line, most=len(line))
    return 0


def _lines(recording: Recording, how: str, *, times: bool) -> Iterator[str]:
    from qsession.cli._files._telling import head_of, told

    for name, value in head_of(recording.provenance, moments=times):
        yield f"{name + ':':<23}{value}"
    yield ""
    for entry in told(recording, circuits=how != "none"):
        yield _headline(entry, times=times)
        if entry.job:
            yield f"    {entry.job}"
        for number, circuit in enumerate(entry.circuits):
            yield from (f"    {line}" for line in _circuit(number, circuit, how))
        for each in entry.results:
            yield from (f"    {line}" for line in _result(each))
        if entry.note:
            yield f"    (not shown: {entry.note})"


def _headline(entry: Entry, *, times: bool) -> str:
    from qsession.cli._files._telling import seconds

    interaction = entry.interaction
    start = f"{seconds(interaction.at):>12}  " if times else ""
    polls = f" ({interaction.seen} times, until {seconds(interaction.last)})" if interaction.seen > 1 else ""
    about = f" [{entry.about}]" if entry.about else ""
    status = f": refused, {entry.status}" if entry.status >= 400 else ""
    return f"{start}{entry.what}{about}{polls if times else ''}{status}"


def _circuit(number: int, circuit: QuantumCircuit | str, how: str) -> Iterator[str]:
    if isinstance(circuit, str):
        yield f"circuit {number}: cannot be read: {circuit}"
        return
    operations = dict(sorted(circuit.count_ops().items()))
    counted = ", ".join(f"{name} {times}" for name, times in operations.items())
    used = sum(1 for bit in circuit.qubits if any(bit in each.qubits for each in circuit.data))
    yield f"circuit {number}: {used} of {circuit.num_qubits} qubits used; {counted}"
    if len(circuit.data) > _MOST_OPERATIONS:
        yield f"  (too long to be shown: more than {_MOST_OPERATIONS} operations)"
        return
    yield from (f"  {line}" for line in _text_of(circuit, how).splitlines())


def _text_of(circuit: QuantumCircuit, how: str) -> str:
    # Whatever a circuit of somebody else's holds, the rest of the recording is shown.
    try:
        if how == "qasm3":
            from qiskit import qasm3

            return str(qasm3.dumps(circuit))
        return str(circuit.draw("text", fold=100, idle_wires=False))
    except Exception as problem:  # noqa: BLE001 - exporters promise no types
        return f"(cannot be shown as {how}: {problem})"


def _result(result: Measured | Numbers) -> Iterator[str]:
    from qsession.cli._files._results import Numbers

    if isinstance(result, Numbers):
        values = ", ".join(f"{value:.6g}" for value in result.values)
        more = ", ..." if math.prod(result.shape) > len(result.values) else ""
        yield f"{result.place} {result.shape}: {values}{more}"
        return
    shots = sum(result.counts.values())
    sets = f", over {result.sets} parameter sets" if result.sets > 1 else ""
    yield f"{result.place} ({shots} shots{sets}):"
    ordered = sorted(result.counts.items(), key=lambda item: (-item[1], item[0]))
    highest = ordered[0][1] if ordered else 1
    for outcome, times in ordered[:_MOST_OUTCOMES]:
        yield f"  {outcome} {'#' * max(1, round(_BAR * times / highest)):<{_BAR}} {times}"
    if len(ordered) > _MOST_OUTCOMES:
        rest = sum(times for _, times in ordered[_MOST_OUTCOMES:])
        yield f"  {len(ordered) - _MOST_OUTCOMES} more outcomes, {rest} shots"


def _document(recording: Recording, how: str) -> Mapping[str, object]:
    from qsession.cli._files._telling import head_of, told

    rows = [_row(entry, how) for entry in told(recording, circuits=how != "none")]
    return {"head": dict(head_of(recording.provenance)), "interactions": rows}


def _row(entry: Entry, how: str) -> Mapping[str, object]:
    from qsession.cli._files._results import Measured

    interaction = entry.interaction
    row: dict[str, object] = {
        "endpoint": interaction.endpoint,
        "at_us": interaction.at,
        "took_us": interaction.took,
        "seen": interaction.seen,
        "status": entry.status,
        "what": entry.what,
    }
    optional = {"about": entry.about, "job": entry.job, "note": entry.note}
    row |= {name: value for name, value in optional.items() if value}
    if entry.circuits:
        row["circuits"] = [c if isinstance(c, str) else _text_of(c, how) for c in entry.circuits]
    if counts := {r.place: dict(r.counts) for r in entry.results if isinstance(r, Measured)}:
        row["counts"] = counts
    if numbers := {r.place: [str(v) for v in r.values] for r in entry.results if not isinstance(r, Measured)}:
        row["numbers"] = numbers
    return row
