"""What is refused outside of the runs of tests."""

from __future__ import annotations

from qsession._endpoints import Call
from qsession._store import display
from qsession._suite._wide import Wide
from qsession.errors import CassetteError, UsageError


def _asked(call: Call) -> str:
    return f"asked: {call.endpoint.method} {call.path}"


def no_layer(wide: Wide, call: Call) -> CassetteError:
    """A fixture asks for what only its recording could answer, and it has none."""
    return CassetteError(
        "QS240",
        f"There is no recording of what {wide.title} does with the service.",
        evidence=[_asked(call), f"it would be {display(wide.path)}"],
        fix=f"pytest '{wide.test}' --qsession-record --qsession-target=emulator (or ibm, for QPU time)",
        where=wide.test,
    )


def at_import(call: Call, line: str) -> UsageError:
    """A module does more than look for backends while it is imported."""
    return UsageError(
        "QS242",
        "While a module is imported, only an account and its backends are there.",
        evidence=[_asked(call), line],
        fix="do it in a fixture; one of scope 'module' or 'session' does it once",
    )


def of_a_test(call: Call, wide: Wide, thing: str, test: str) -> UsageError:
    """The recording of a fixture would depend on which tests ran."""
    return UsageError(
        "QS243",
        f"What {wide.title} does depends on the tests that ran: it cannot be recorded.",
        evidence=[f"{_asked(call)} in its teardown", f"{thing} was made by {test}"],
        fix="let the test end what it began, or give the fixture the scope 'function'",
        where=display(wide.path),
    )
