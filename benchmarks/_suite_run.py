"""A plugin for pytest: everything between collection and the end is one recording, or its replay.

What to do stands in the environment, as JSON, under `ORDER`; what was done is written where it says.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

ORDER = "SUITE_ORDER"
_LEADING = ("QISKIT_IBM_TOKEN", "QISKIT_IBM_URL", "QISKIT_IBM_INSTANCE", "QISKIT_IBM_QPU", "IAM_URL")
"""What leads the client to where it was recorded: a replay by vcrpy must ask for the same."""


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop() -> Generator[None, object, object]:
    """Run the tests of one file inside of one recording."""
    order = json.loads(os.environ[ORDER])
    told: dict[str, Any] = {"wrong": "", "virtual": 0.0}
    began = time.monotonic(), time.process_time()
    result: object = True
    try:
        with _around(order) as run:
            result = yield
            told["virtual"] = run.clock.monotonic() if hasattr(run, "clock") else 0.0
    except Exception as error:  # noqa: BLE001 - told in the report, whatever it is
        told["wrong"] = str(error)
    told["real"] = time.monotonic() - began[0]
    told["processor"] = time.process_time() - began[1]
    Path(order["told"]).write_text(json.dumps(told), "utf-8")
    return result


def _around(order: dict[str, Any]) -> AbstractContextManager[Any]:
    path = Path(order["cassette"])
    if "stock" in order:
        import vcr

        led = {name: os.environ[name] for name in _LEADING if name in os.environ}
        Path(order["environment"]).write_text(json.dumps(led), "utf-8")
        recorder = vcr.VCR(record_mode=order["stock"], match_on=tuple(order["match"]))
        return recorder.use_cassette(str(path))
    import qsession

    if order["mode"] == "record":
        emulator = qsession.Emulator.from_config(Path(order["config"]))
        return qsession.record(path, target="emulator", emulator=emulator)
    return qsession.replay(path, match=order["match"])
