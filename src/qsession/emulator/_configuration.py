"""The shape of an emulator, read from a YAML file or by the name of one that comes along."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from importlib import resources
from pathlib import Path
from typing import Any

from qsession._discovery import region_of
from qsession._lifecycle import Rules
from qsession.emulator._backends import Backend
from qsession.emulator._configuration_check import Document, checked
from qsession.emulator._history import PastJob
from qsession.emulator._instances import Instance, fake_crn
from qsession.errors import UsageError

_AS_THEY_ARE = (
    "queue_seconds",
    "run_seconds",
    "run_share",
    "seed",
    "noise",
    "jobs_a_minute",
    "iam",
    "unread_results",
    "usage_after_seconds",
)


def names() -> tuple[str, ...]:
    """Names of the configurations that come with the package, sorted."""
    folder = resources.files("qsession.emulator") / "configurations"
    return tuple(sorted(Path(file.name).stem for file in folder.iterdir() if file.name.endswith(".yaml")))


def load(
    source: str | Path, *, folder: Path | None = None, told: str = "Emulator.from_config({!r})"
) -> dict[str, Any]:
    """Arguments for an emulator.

    Args:
        source: The name of a configuration that comes with the package, or the path of a
            YAML file of the form that ``schemas/emulator-configuration.schema.json`` describes.
        folder: What that path is relative to; None for the working folder.
        told: How whoever names a configuration does so, for the message; ``{}`` stands for the name.

    Raises:
        UsageError: QS141 where there is neither, QS142 where a field is wrong.
    """
    text, where = _read(source, folder or Path(), told)
    document = checked(text, where)
    arguments: dict[str, Any] = {name: document[name] for name in _AS_THEY_ARE if name in document}
    if "backends" in document:
        arguments["backends"] = tuple(_backend(entry) for entry in document["backends"])
    if "instances" in document:
        listed = enumerate(document["instances"], 1)
        arguments["instances"] = tuple(_instance(entry, number) for number, entry in listed)
    if "rules" in document:
        arguments["rules"] = Rules(**document["rules"])
    if "history" in document:
        arguments["history"] = tuple(PastJob(**_plain(PastJob, entry)) for entry in document["history"])
    return arguments


def _read(source: str | Path, folder: Path, told: str) -> tuple[str, str]:
    if str(source) in names():
        shipped = resources.files("qsession.emulator") / "configurations" / f"{source}.yaml"
        return shipped.read_text("utf-8"), f"{source} (comes with qsession)"
    try:
        return (folder / source).read_text("utf-8"), str(source)
    except (OSError, ValueError) as problem:
        raise _unreadable(str(source), problem, told) from problem


def _unreadable(source: str, problem: Exception, told: str) -> UsageError:
    near = difflib.get_close_matches(source, names(), n=1)
    meant = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names())}"
    return UsageError(
        "QS141",
        "There is no configuration of this name, and no file that can be read.",
        evidence=[f"{source!r}; {meant}", str(problem)],
        fix=told.format((near or names())[0]),
        intended="a file of your own: give its path",
    )


def _backend(entry: Document) -> Backend:
    plain = {key: value for key, value in entry.items() if key not in {"class", "ecr"}}
    pairs = tuple((first, second) for first, second in entry.get("ecr", ()))
    return Backend(**plain, mock=entry.get("class") == "mock", ecr=pairs)


def _instance(entry: Document, number: int) -> Instance:
    region = region_of(entry.get("crn")) or entry.get("region", "us-east")
    own = fake_crn(entry.get("number", number), region=region)
    defaults = {"crn": own, "name": f"instance-{number}", "region": region}
    return Instance(**{**defaults, **_plain(Instance, entry)})


def _plain(kind: type[Instance | PastJob], entry: Mapping[str, Any]) -> dict[str, Any]:
    known = {field.name for field in fields(kind)}
    values = {key: value for key, value in entry.items() if key in known}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
