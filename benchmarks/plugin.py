"""The bar on the plugin that is loaded but not used, from what ``plugin_weight.py`` measures."""

from __future__ import annotations

from benchmarks._findings import Findings, Row
from benchmarks._scripts import run_script


def measure(*, quick: bool) -> Findings:
    """Run the script in a process of its own."""
    found = run_script("plugin_weight.py", "--pairs", "10" if quick else "40")
    low, high = found["added_middle_half"]
    return Findings(
        (
            Row(
                "plugin.unused",
                "the plugin, loaded but not used, on a start of pytest: time of the processor",
                found["added"],
                "ms",
                ratio=found["ratio"],
                beside=f"pytest without it ({found['without']:.0f} ms)",
                bar=found["goal"],
                note=f"the fastest of {found['pairs']} starts each; middle half {low:.1f} to {high:.1f} ms; "
                f"the import alone {found['import_alone']:.1f} ms",
            ),
        )
    )
