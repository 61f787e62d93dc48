"""What can be set, and whether anybody did. No more: every start of pytest loads this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    "emulator": (
        "CONFIG",
        "what the target emulator is like: a configuration that ships by its name, or a YAML file",
    ),
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

FLAGS: Mapping[str, str] = {
    "record": "short for --qsession-mode=record",
    "resume": "go on with recordings that were cut off or parked; other tests as the mode says",
    "allow_ci": "reach the service although CI is set",
    "all": "treat every collected test as one of ours, its fixtures of every scope included",
}
"""Help of each option that is set or not, by stem."""

INI: Mapping[str, tuple[str | None, object, str]] = {
    **{stem: (None, None, text) for stem, (_, text) in OPTIONS.items()},
    "allow_ci": ("bool", False, FLAGS["allow_ci"]),
    "all": ("bool", False, FLAGS["all"]),
    "allowed_hosts": ("args", [], "hosts besides this machine that a replay may reach"),
    "redact": ("linelist", [], "what to keep out of recordings"),
    "expire": (None, None, "when a recording is stale: a number of days (90d), or never"),
    "on_stale": (None, None, "what happens then: warn, error or ignore"),
}
"""Type, default and help of each key of the configuration file, by stem."""

MARKER = (
    "qsession(*, backend, max_time, mode, cassette, scenario, match, polls, beyond, allow_unused, scope): "
    "run this test against a recording, a scenario, the emulator or the service"
)


@dataclass(frozen=True, slots=True)
class Told:
    """What a project and whoever starts pytest in it say.

    Attributes:
        command_line: Values by stem.
        ini: Values by stem.
        root: Folder of the configuration.
    """

    command_line: Mapping[str, object]
    ini: Mapping[str, object]
    root: Path

    def concerns_us(self) -> bool:
        """Whether a project has to do with us: an option is set, or there are cassettes of ours."""
        # Cassettes in another folder need an option that says so.
        options = (*self.command_line.values(), *self.ini.values())
        return any(options) or is_ours(self.root / CASSETTES)
