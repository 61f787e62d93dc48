"""What can be set, and whether anybody did. No more: every start of pytest loads this room."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qsession._naming import is_ours

TARGETS = ("emulator", "ibm")
MODES = ("replay", "record", "missing", "live")
BUDGET_SECONDS = 60.0
"""QPU seconds that runs against the service may use unless told otherwise."""
CASSETTES = "cassettes"
"""Folder of the cassettes, beside the configuration, unless told otherwise."""

OPTIONS: Mapping[str, tuple[str, str]] = {
    "mode": ("MODE", f"{', '.join(MODES)}: replay is the default; missing records what has no cassette"),
    "target": ("TARGET", "where the modes that do not replay go: ibm (default) or emulator"),
    "backend": ("NAME", "backend for the fixtures"),
    "instance": ("NAME", "instance name or CRN, passed on to the client"),
    "account": ("NAME", "saved account, passed on to the client"),
    "budget": (
        "SECONDS",
        f"QPU seconds that a run against ibm may use (default {BUDGET_SECONDS:.0f}), shared by all workers",
    ),
    "park": (
        "SECONDS",
        "leave a test whose batch or single job is still queued after that long, such as 60s",
    ),
    "cassettes": ("DIR", f"folder of the cassettes (default: {CASSETTES}, beside the configuration)"),
}
"""Placeholder and help of each option that takes a value, by stem."""

MARKER = (
    "qsession(*, backend, max_time, mode, cassette, scenario, polls, beyond, allow_unused): "
    "run this test against a recording, a scenario, the emulator or the service"
)


def in_use(*, command_line: Mapping[str, object], ini: Mapping[str, object], root: Path) -> bool:
    """Whether a project has to do with us: an option is set, or there are cassettes of ours.

    Args:
        command_line: Values by stem.
        ini: Values by stem.
        root: Folder of the configuration.
    """
    # Cassettes in another folder need an option that says so.
    return any(command_line.values()) or any(ini.values()) or is_ours(root / CASSETTES)
