"""IBM's own schemas of what jobs ask and give, by program and version.

Imports pydantic with the schemas; they come with clients from about 0.44 on.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError
from qiskit.exceptions import QiskitError

from qsession._refusals import Refused
from qsession._session_document import Json
from qsession.emulator._programs._work import UNREADABLE, unloadable

_LONGEST = 300
_MEMBER = re.compile(r"Model$|\]$|^constrained-|^(int|float|str|bool|none)$")


def schema(program: str, version: Json, known: tuple[str, ...]) -> ModuleType:
    """The schemas of one version.

    Args:
        program: Name of the package of schemas, such as ``executor``.
        version: ``schema_version`` of the job.
        known: Versions that the installed client knows, the first the oldest.

    Raises:
        Refused: If the version is none of them.
    """
    if not isinstance(version, str) or version not in known:
        raise Refused("invalid", f"schema_version must be one of {', '.join(known)}")
    name = version.removeprefix("v").replace(".", "_")
    return importlib.import_module(f"ibm_quantum_schemas.{program}.version_{name}")


def validated(model: type[BaseModel], params: Mapping[str, Json], circuits: str, *, prefix: str = "") -> Any:
    """Parameters of a job as a schema reads them.

    Args:
        model: The model of parameters.
        params: ``params`` of ``POST /jobs``, weighed.
        circuits: What the reason of a failed job calls its circuits.
        prefix: Where in the job's parameters these are.

    Raises:
        Refused: If they are not of its form.
        Failed: If a circuit in them does not load.
    """
    try:
        return model.model_validate(dict(params))
    except ValidationError as problem:
        raise Refused("invalid", _worded(problem, prefix)) from problem
    except (QiskitError, *UNREADABLE) as problem:
        with unloadable(circuits):
            raise problem


def _worded(problem: ValidationError, prefix: str) -> str:
    first = problem.errors(include_url=False, include_input=False, include_context=False)[0]
    # A union names each of its members on the way; keys and indices say enough.
    place = ".".join(str(part) for part in first["loc"] if not _MEMBER.search(str(part)))
    said = " ".join(str(first["msg"]).removeprefix("Value error, ").split())
    return f"{prefix}{place}: {said}"[:_LONGEST] if place else said[:_LONGEST]


def written(model: BaseModel) -> str:
    """A result as its schema writes it."""
    return json.dumps(model.model_dump(mode="json"), separators=(",", ":"))
