"""What other plugins of pytest do to a test of ours, where the two must not be left to themselves.

Loaded with a run of ours, and nowhere else. Most of what makes plugins get along stands where it
belongs: with the guard, the clock and the seam.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from qsession.errors import UsageError

if TYPE_CHECKING:
    import pytest

_NAMES = {"recording": "default_cassette_name", "vcr": "vcr_cassette_name"}
"""The fixture that names a test's cassette, by the end of the plugin's own name."""


def refuse_one_file(request: pytest.FixtureRequest, path: Path | None) -> None:
    """A test of ours may have a cassette of vcrpy's beside its own, but not in the same file.

    Asked before such a plugin opens its cassette: to do so it may remove the file.

    Args:
        request: Of a fixture of a test with the marker ``vcr``.
        path: Our cassette; None where there is none.

    Raises:
        UsageError: If both are one file (QS188).
    """
    for plugin, fixture in _NAMES.items():
        if path is None or not request.config.pluginmanager.has_plugin(plugin):
            continue
        folder, name = request.getfixturevalue("vcr_cassette_dir"), request.getfixturevalue(fixture)
        if path.absolute() in (Path(folder, name).absolute(), Path(folder, f"{name}.yaml").absolute()):
            raise _one_file(path, plugin, request.node.nodeid)


def _one_file(path: Path, plugin: str, nodeid: str) -> UsageError:
    return UsageError(
        "QS188",
        f"The cassettes of qsession and of pytest-{plugin} are one file: each would write over the other's.",
        evidence=[f"both keep this test's in {os.path.relpath(path)}"],
        fix="qsession_cassettes = cassettes/qsession in the ini file, or --qsession-cassettes=DIR",
        where=nodeid,
    )


def lift_limits(config: pytest.Config) -> None:
    """Let pytest-socket lift its limits once more, after the end of a test.

    It does so before the test's fixtures are taken down, among them a run, which puts back what it found.

    Args:
        config: Knows the plugins.
    """
    limits = config.pluginmanager.get_plugin("socket")
    lift = getattr(limits, "pytest_runtest_teardown", None)
    if lift is not None:
        lift()
