"""What the plugin adds to a pytest start of a project that does not use it.

    python benchmarks/plugin_weight.py [--pairs N] [--json FILE]

Fresh processes run one empty test, in pairs: with the plugin, and without it
(``-p no:qsession``), in turns which comes first. Counted is the time of the processor, as
the operating system accounts for it when a process has ended. The cost is the difference
of the fastest starts of either kind: a busy machine only ever adds to a start, and what
it adds scatters by ten times what the plugin costs. The middle half of the differences
within a pair tells by how much. Other installed plugins are off, and modules are compiled
before the first pair. The plugin's import alone, timed inside fresh processes that have
imported pytest, is most of the cost.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points, version
from pathlib import Path
from tempfile import TemporaryDirectory

IMPORT = """
import pytest
from time import perf_counter
begun = perf_counter()
import qsession.pytest_plugin
print((perf_counter() - begun) * 1000)
"""

GOAL = 5.0
"""Milliseconds that the plugin may add."""


@dataclass(frozen=True, slots=True)
class Weight:
    """What was measured.

    Attributes:
        pairs: How many pairs of processes ran.
        without: Milliseconds of pytest alone, the fastest start.
        added: Milliseconds by which the fastest start with the plugin is slower.
        added_middle_half: First and third quartile of the differences within a pair.
        import_alone: Milliseconds of the plugin's import after pytest's, the median.
        ratio: The fastest start with the plugin by the fastest without it.
    """

    pairs: int
    without: float
    added: float
    added_middle_half: tuple[float, float]
    import_alone: float
    ratio: float


def environment(project: Path) -> dict[str, str]:
    """Ours, without what changes pytest or keeps modules from being compiled."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "QSESSION_"))
    }
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    # A suite of an installed plugin finds its modules compiled.
    kept["PYTHONPYCACHEPREFIX"] = str(project / "compiled")
    return kept


def start(project: Path, *options: str) -> float:
    """Milliseconds of the processor that one run of pytest in a process of its own takes."""
    others = (entry.name for entry in entry_points(group="pytest11") if entry.name != "qsession")
    off = [text for name in sorted({"cacheprovider", *others}) for text in ("-p", f"no:{name}")]
    command = [sys.executable, "-m", "pytest", "-q", *off, *options]
    before = _of_children()
    subprocess.run(command, cwd=project, env=environment(project), check=True, stdout=subprocess.DEVNULL)
    return (_of_children() - before) * 1000


def _of_children() -> float:
    # Not os.times(), which counts in hundredths of a second.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load(project: Path) -> float:
    """Milliseconds of the plugin's import in a process of its own that has pytest."""
    command = [sys.executable, "-c", IMPORT]
    done = subprocess.run(
        command, cwd=project, env=environment(project), check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def measure(pairs: int) -> Weight:
    """Run the pairs."""
    without, loaded, added = [], [], []
    with TemporaryDirectory() as folder:
        project = Path(folder)
        (project / "pytest.ini").write_text("[pytest]\n")
        (project / "test_empty.py").write_text("def test_empty():\n    pass\n")
        kinds: list[tuple[str, ...]] = [(), ("-p", "no:qsession")]
        for number in range(-1, pairs):
            took = {kind: start(project, *kind) for kind in (kinds if number % 2 else kinds[::-1])}
            if number < 0:
                continue
            on, off = (took[kind] for kind in kinds)
            without.append(off)
            loaded.append(on)
            added.append(on - off)
        load(project)
        import_alone = statistics.median(load(project) for _ in range(pairs))
    first, _, third = statistics.quantiles(added, n=4)
    return Weight(
        pairs=pairs,
        without=min(without),
        added=min(loaded) - min(without),
        added_middle_half=(first, third),
        import_alone=import_alone,
        ratio=min(loaded) / min(without),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description="What the plugin adds to a pytest start.")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of processes (default 40)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    options = parser.parse_args(arguments)
    weight = measure(options.pairs)
    low, high = weight.added_middle_half
    print(f"pytest {version('pytest')}, Python {sys.version.split()[0]}, {weight.pairs} pairs")
    print(f"pytest alone   {weight.without:8.1f} ms")
    print(
        f"plugin adds    {weight.added:8.1f} ms (middle half {low:.1f} to {high:.1f}; goal: under {GOAL:g})"
    )
    print(f"import alone   {weight.import_alone:8.1f} ms")
    print(f"ratio          {weight.ratio:8.3f}")
    if options.json:
        found = {
            "python": sys.version.split()[0],
            "pytest": version("pytest"),
            **asdict(weight),
            "goal": GOAL,
        }
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
