"""What the client was asked for, and an account where there is none.

This module and ``_shared`` alone know names of the client that are not public. Each hook
only looks at arguments and calls the original; the client's own code does the work.
All names exist from client 0.41 to 0.51 (read in the source of both).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import wraps
from typing import Any, TypeAlias
from unittest import mock
from weakref import WeakSet

from qsession._clock import leaping
from qsession._environment import Former, changed
from qsession._model import Asked
from qsession._wire._shared import shared

_NEVER = 2**53
OPT_OUT = "USAGE_DATA_OPT_OUT"
"""The client's own switch for walking the call stack at every request.

Under pytest the walk costs 8 to 17 ms a request (measured, client 0.51).
"""


StandIn: TypeAlias = Callable[[], tuple[str, str | None]]
"""Gives the token and the instance, or None, of an account."""

Wished: TypeAlias = Callable[[Asked, bool], None]
"""Is told what a service was asked to be, and whether any instance was that."""


@contextmanager
def hooked(
    ask: Callable[[Asked], None],
    *,
    stand_in: StandIn,
    wished: Wished = lambda _asked, _is_met: None,
    environment: Former | None = None,
    leaps: bool = True,
    sharing: bool = True,
) -> Iterator[None]:
    """Watch how services are made, and what they wait for.

    Args:
        ask: Told what each service asks for, before its discovery begins.
        stand_in: Gives token and instance of an account to use when the machine
            has none, or raises where only a real one will do.
        wished: Told what a service asked for, and whether the client found such an instance.
        environment: Where the client finds the account that variables name, in the place of
            those that are there for child processes only.
        leaps: Whether the client's own waits may leave polls out, where time is virtual.
        sharing: Whether nothing reaches the service: the client may then reuse what it
            worked out in other runs, and its tokens are never renewed once the run is over.

    Yields:
        Nothing.
    """
    from qiskit_ibm_runtime import QiskitRuntimeService, RuntimeJobV2
    from qiskit_ibm_runtime.accounts import management
    from qiskit_ibm_runtime.accounts.management import AccountManager

    with ExitStack() as undo:
        undo.enter_context(changed({OPT_OUT: "True"}))
        if environment is not None:
            undo.enter_context(mock.patch.object(management, "os", _System(environment)))
        if sharing:
            undo.enter_context(shared())
            undo.enter_context(_tokens_that_stay())
        patch, wishes = mock.patch.object, _Wishes(ask, wished)
        service = QiskitRuntimeService
        undo.enter_context(patch(service, "__init__", _watch_init(service.__init__, wishes)))
        by_name = service._get_crn_from_instance_name
        undo.enter_context(patch(service, "_get_crn_from_instance_name", _watch_name(by_name, wishes)))
        account = _watch_account(AccountManager, wishes.ask, stand_in)
        undo.enter_context(patch(AccountManager, "get", account))
        if leaps:
            waits = RuntimeJobV2.wait_for_final_state
            undo.enter_context(patch(RuntimeJobV2, "wait_for_final_state", _watch_waits(waits)))
        yield


class _System:
    """The module ``os`` with another environment, for the module that looks for an account."""

    def __init__(self, environment: Former) -> None:
        self.getenv = environment.get

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class _Wishes(threading.local):
    """What the calling thread asks a service to be, and whether the client found such an instance."""

    def __init__(self, ask: Callable[[Asked], None], wished: Wished) -> None:
        self._ask, self._wished = ask, wished
        self._open: list[Asked] = []

    def ask(self, asked: Asked) -> None:
        self._open.append(asked)
        self._ask(asked)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Tell what was asked in here, and whether the client says that there is no such instance."""
        from qiskit_ibm_runtime.exceptions import IBMInputValueError

        before = len(self._open)
        try:
            yield
            self._tell(before, is_met=True)
        except IBMInputValueError:
            self._tell(before, is_met=False)
            raise
        finally:
            del self._open[before:]

    def _tell(self, before: int, *, is_met: bool) -> None:
        for asked in self._open[before:]:
            self._wished(asked, is_met)


def _watch_init(original: Callable[..., None], wishes: _Wishes) -> Callable[..., None]:
    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        __tracebackhide__ = True  # pytest shows local variables, and here is the token
        with wishes.watched():
            wishes.ask(_asked(kwargs.get("instance"), kwargs))
            original(self, *args, **kwargs)

    return init


def _watch_name(original: Callable[..., str], wishes: _Wishes) -> Callable[..., str]:
    @wraps(original)
    def crn_from_name(self: Any, account: Any, instance: str) -> str:
        with wishes.watched():
            wishes.ask(Asked(name=instance))
            return original(self, account, instance)

    return crn_from_name


@contextmanager
def _tokens_that_stay() -> Iterator[None]:
    """Once the run is over, services that were made in it go on with the token they have.

    On the machine's clock it expired long ago. To renew it, the SDK would open a connection
    of its own, which is none of this run's and would reach IBM. With the old token the
    request itself goes out on the run's connection, and is refused there.
    """
    from ibm_cloud_sdk_core.token_managers.token_manager import TokenManager

    made: WeakSet[Any] = WeakSet()
    original = TokenManager.__init__

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        made.add(self)

    with mock.patch.object(TokenManager, "__init__", init):
        try:
            yield
        finally:
            for manager in list(made):
                manager.expire_time = manager.refresh_time = _NEVER


def _watch_waits(original: Callable[..., None]) -> Callable[..., None]:
    # result() waits here too, and passes its timeout on.
    @wraps(original)
    def wait_for_final_state(self: Any, timeout: float | None = None, *args: Any, **kwargs: Any) -> None:
        with leaping(timeout):
            original(self, timeout, *args, **kwargs)

    return wait_for_final_state


def _watch_account(
    manager: Any, ask: Callable[[Asked], None], stand_in: StandIn
) -> classmethod[Any, Any, Any]:
    original = manager.get

    def get(_cls: type, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True  # as above
        account = _get_or(original, stand_in, args, kwargs)
        ask(_asked(account.instance, vars(account)))
        return account

    return classmethod(get)


def _get_or(
    original: Callable[..., Any],
    stand_in: StandIn,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    __tracebackhide__ = True  # as above
    from qiskit_ibm_runtime.accounts import Account
    from qiskit_ibm_runtime.accounts.exceptions import AccountNotFoundError

    with suppress(AccountNotFoundError):
        return original(*args, **kwargs)
    token, instance = stand_in()
    return Account.create_account(channel="ibm_quantum_platform", token=token, instance=instance)


def _asked(instance: object, source: dict[str, Any]) -> Asked:
    text = instance if isinstance(instance, str) and instance != "auto" else None
    is_crn = bool(text) and str(text).startswith("crn:")
    return Asked(
        crn=text if is_crn else None,
        name=None if is_crn else text,
        region=source.get("region"),
        plans=tuple(source.get("plans_preference") or ()),
        tags=tuple(source.get("tags") or ()),
    )
