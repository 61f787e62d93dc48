"""A project of somebody else's in which tests of ours stand beside another plugin's."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "plugin"))

from neighbour_suite import WARM, Suite

NEIGHBOURS = Path(sys.prefix) / "neighbours" / "site-packages"
"""Where ``./run test`` puts the other plugins: in site-packages every run of pytest would load them, and two
of them refuse one another."""


@pytest.fixture(scope="session")
def warm():
    """All that loads late is loaded: pytester forgets what a run in this process imports first."""
    import coverage.tracer  # noqa: F401

    exec(WARM, {})


@pytest.fixture
def suite(pytester, monkeypatch, warm, cut_off):
    """An empty project, on a machine without an account and without a network."""
    monkeypatch.syspath_prepend(NEIGHBOURS)
    monkeypatch.setenv("PYTHONPATH", str(NEIGHBOURS))
    if find_spec("pytest_socket") is None:
        pytest.skip("the other plugins are not there: ./run test installs them")
    return Suite(pytester)
