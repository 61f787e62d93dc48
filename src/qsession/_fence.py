"""What stands round a run, and round a whole run of pytest, so that nothing goes live.

Round a run everything is refused that is not of the test itself. Round the tests only the
service is: among them are those of other people, with networks of their own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial, wraps
from pathlib import Path
from shutil import rmtree
from tempfile import gettempdir
from typing import Any, NoReturn

from qsession import _child, _explain
from qsession._discovery import STAND_IN_TOKEN
from qsession._environment import Former, changed
from qsession._guard import Border, Fence, guarded, once_imported, replaced
from qsession._hosts import SERVICE_DOMAINS, STAND_IN, is_service
from qsession._tally import Tally
from qsession._traceback import asking

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy"})

HANDED_ON: Mapping[str, str] = {
    "QISKIT_IBM_TOKEN": STAND_IN_TOKEN,
    "QISKIT_IBM_URL": f"http://{STAND_IN}",
    "IAM_URL": f"http://iam.{STAND_IN}",
    "GLOBAL_SEARCH_URL": f"http://api.global-search-tagging.{STAND_IN}",
    "GLOBAL_CATALOG_URL": f"http://globalcatalog.{STAND_IN}/api/v1",
    "RESOURCE_CONTROLLER_URL": f"http://resource-controller.{STAND_IN}",
}
"""What the client, and others that go by its variables, find in the environment of a child: a key
that opens nothing, and addresses that nobody has (RFC 6761). The account that the environment
names ranks before saved ones (the client's code, ``accounts/management.py``)."""


@contextmanager
def round_run(
    allowed: Collection[str], refuse: Callable[[str], NoReturn], *, tell: Callable[[str], None]
) -> Iterator[tuple[Former, Callable[[], None]]]:
    """Keep this process, and those that are started now, to what is of this process tree.

    Proxies are taken out of the environment, since one on this machine would lead out.

    Args:
        allowed: Hosts, and ports of this machine, that may be reached all the same.
        refuse: Raises for a host, or for a port of this machine.
        tell: Told of each time that a child was refused something: at the end, or when asked to.

    Yields:
        The environment without what is only meant for children, and a function that tells of
        them what there is to tell by now. Everything is put back at the end.
    """
    root = os.environ.get(_child.ROOT) or str(os.getpid())
    told = {
        **_child.environment(os.environ),
        **HANDED_ON,
        _child.ALLOWED: ",".join(sorted(allowed)),
        _child.ROOT: root,
        _child.FOLDER: os.path.join(gettempdir(), f"qsession-{secrets.token_hex(16)}"),  # noqa: PTH118 - no pathlib for a string
    }
    with ExitStack() as undo:
        undo.callback(rmtree, told[_child.FOLDER], ignore_errors=True)
        hear = partial(_pass_on, told[_child.FOLDER], tell)
        undo.callback(hear)
        proxies = [name for name in os.environ if name.lower() in _PROXIES]
        former = undo.enter_context(changed(told, without=proxies))
        undo.enter_context(guarded(Fence(allowed, root=int(root)), refuse))
        yield former, hear


def _pass_on(folder: str, tell: Callable[[str], None]) -> None:
    """Say what children noted, once. The folder is there only if one had something to keep in it."""
    if not os.path.exists(folder):  # noqa: PTH110 - at the end of every run
        return
    notes = Path(folder, _child.REFUSALS)
    if notes.exists():
        for line in notes.read_text("utf-8", "replace").splitlines():
            tell(line)
        notes.unlink()


@contextmanager
def round_tests(allowed: Collection[str], strays: Tally, *, is_inside: Callable[[], bool]) -> Iterator[None]:
    """Keep this process, and those that are started now, off the service.

    Proxies stay for everybody else. Names of the service are asked for without one, and so
    refused as names.

    Args:
        allowed: Hosts that may be reached all the same.
        strays: Takes up what was refused.
        is_inside: Says whether a run is on.

    Yields:
        Nothing. Everything is put back at the end.
    """

    def refuse(host: str) -> NoReturn:
        refusal = _explain.outside_of_a_run(host, asking())
        strays.add(refusal)
        raise refusal

    def explain() -> str:
        # In a run an account stands in: whatever is missing there is another thing.
        return "" if is_inside() else str(_explain.made_outside_of_a_run(asking()))

    root = os.environ.get(_child.ROOT) or str(os.getpid())
    border = Border(lambda host: is_service(host) and host.lower() not in allowed, root=int(root))
    told = {**_child.environment(os.environ), _child.ROOT: root, **_unproxied(os.environ)}
    with ExitStack() as undo:
        undo.enter_context(changed(told))
        undo.enter_context(guarded(border, refuse))
        undo.enter_context(once_imported("qiskit_ibm_runtime", partial(_with_account, explain)))
        yield


def _unproxied(environment: Mapping[str, str]) -> Mapping[str, str]:
    """What says to ask no proxy for the service, where there is one to ask."""
    if not any(name.lower() in _PROXIES for name in environment):
        return {}
    known = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    domains = ",".join(f"{domain},.{domain}" for domain in SERVICE_DOMAINS)
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(filter(None, (known, domains))))


@contextmanager
def _with_account(explain: Callable[[], str], client: Any) -> Iterator[None]:
    """Say whose fault it is where a service finds no account; a run has one that stands in."""
    service = client.QiskitRuntimeService
    original = service.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True  # pytest shows local variables, and here is the token
        try:
            original(self, *args, **kwargs)
        except Exception as problem:
            # The error stays the client's: somebody may expect it.
            if type(problem).__name__ == "AccountNotFoundError" and (words := explain()):
                problem.add_note(words)
            raise

    with replaced(service, "__init__", init):
        yield
