"""Run a program inside a recording or a replay: ``python _client_run.py record|replay CASSETTE PROGRAM``.

A file of its own that is run by its path, since it runs in environments that know nothing of ``benchmarks``.
"""

from __future__ import annotations

import runpy
import sys

import qsession
from qsession.emulator import Emulator, Instance

CRN = "crn:v1:bluemix:public:quantum-computing:us-east:a/00000000000000000000000000000007:research::"


def main(mode: str, cassette: str, program: str) -> None:
    if mode == "record":
        emulator = Emulator(instances=(Instance(CRN, name="research"),))
        run = qsession.record(cassette, target="emulator", emulator=emulator)
    else:
        run = qsession.replay(cassette)
    with run:
        runpy.run_path(program, run_name="__main__")
    assert run.live_requests == 0, run.live_requests


if __name__ == "__main__":
    main(*sys.argv[1:])
