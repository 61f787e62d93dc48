"""What ``serve`` and ``emulate`` have in common: which emulator, and where its requests are noted."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession.emulator import Emulator, Instance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of both commands."""
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--config",
        metavar="NAME|FILE",
        help="configuration of the emulator: one that ships by its name, or a YAML file",
    )
    kind.add_argument(
        "--instance",
        metavar="CRN|NAME",
        help="the account's one instance, for a program that names its own (default: a made-up one)",
    )
    parser.add_argument("--seed", type=int, help="seed of the simulated results (default 0)")
    add_log(parser)


def add_log(parser: argparse.ArgumentParser) -> None:
    """The argument that `log_of` reads."""
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="write a line for each request, without keys, tokens or bodies; - is standard error",
    )


def make(arguments: argparse.Namespace, *, api_key: str | None) -> Emulator:
    """The emulator that the arguments ask for, strict.

    Args:
        arguments: Parsed ones.
        api_key: The only key that it takes; None for any.

    Raises:
        UsageError: QS154, if the CRN is none; QS140 to QS142, if the configuration is wrong.
    """
    from qsession.emulator import Emulator

    if arguments.config is None:
        return Emulator(
            instances=_instances(arguments.instance),
            seed=arguments.seed or 0,
            strict=True,
            api_key=api_key,
        )
    return Emulator.from_config(arguments.config, strict=True, api_key=api_key, seed=arguments.seed)


def _instances(named: str | None) -> tuple[Instance, ...]:
    from qsession.emulator._instances import DEFAULT_INSTANCES, Instance, fake_crn

    if named is None:
        return DEFAULT_INSTANCES
    if not named.startswith("crn:"):
        return (Instance(fake_crn(1), name=named),)
    fields = named.split(":")
    if len(fields) < 8 or not fields[5]:
        raise UsageError(
            "QS154",
            "The instance is no CRN: it has no region.",
            evidence=[f"fields: {len(fields)}, and the sixth is the region"],
            fix="--instance crn:v1:bluemix:public:quantum-computing:us-east:a/ACCOUNT:INSTANCE::",
        )
    return (Instance(named, region=fields[5]),)


@contextmanager
def log_of(arguments: argparse.Namespace) -> Iterator[TextIO | None]:
    """Where to note requests, open for as long as it is needed.

    Raises:
        UsageError: QS151, if the file cannot be written to.
    """
    if arguments.log is None or arguments.log == "-":
        yield None if arguments.log is None else sys.stderr
        return
    try:
        file = Path(arguments.log).open("a", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError as problem:
        raise UsageError(
            "QS151",
            "The request log cannot be written.",
            evidence=[str(problem)],
            fix="--log - writes it to standard error",
        ) from problem
    with file:
        yield file
