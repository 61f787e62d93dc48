"""Who answers, outside of the runs of tests, what all tests read in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Protocol

from qsession import _setup
from qsession._clock import SystemClock
from qsession._config import Settings
from qsession._discovery import STAND_IN_TOKEN, Discovery
from qsession._endpoints import Call
from qsession._layer import Shared
from qsession._model import Asked, Instant, Provenance, Request, Response
from qsession._recording import Account, Recorder
from qsession._sharing import is_account
from qsession._sources import Embedded, Service

if TYPE_CHECKING:
    from qsession.emulator import Emulator

Send = Callable[[Request], Response]


class Commons(Protocol):
    """Answers what all tests read in common."""

    @property
    def discovery(self) -> Discovery | None:
        """Answers what belongs to an account; None where a real one is used."""
        ...

    def answer(self, call: Call, request: Request, send: Send) -> Response | None:
        """Answer one request; None for one that has no answer here."""
        ...

    def stand_in(self) -> tuple[str, str | None]:
        """Token and instance of an account where the machine has none."""
        ...

    def wished(self, asked: Asked, is_met: bool) -> None:
        """A service was asked to be something."""
        ...

    def keep(self) -> None:
        """Write down what is new."""
        ...


class ReplayedCommons:
    """The layers of the folder answer.

    Args:
        layers: Those that there may be, the likelier first.
    """

    def __init__(self, layers: Sequence[Shared]) -> None:
        self._layers = layers
        known = next((told for layer in layers if (told := layer.provenance) is not None), None)
        self._discovery = Discovery(()) if known is None else Discovery.of(known)

    @property
    def discovery(self) -> Discovery:
        """Answers what belongs to an account."""
        return self._discovery

    def answer(self, call: Call, request: Request, send: Send) -> Response | None:
        """Answer from what was recorded."""
        if is_account(call):
            return self.discovery.answer(call, SystemClock().now())
        # Of what is read at import only, nobody else asks here.
        found = (layer.read(call, request, at_import=True) for layer in self._layers)
        return next((each.response for each in found if each is not None), None)

    def stand_in(self) -> tuple[str, str | None]:
        """An account that opens nothing."""
        return STAND_IN_TOKEN, self.discovery.default_crn

    def wished(self, asked: Asked, is_met: bool) -> None:
        """The recording knows."""

    def keep(self) -> None:
        """Nothing is new."""


class RecordedCommons:
    """The emulator answers, or the service, and the layer of the folder keeps it.

    Args:
        settings: What runs are made of.
        shared: The layer; None where nothing is recorded.
        account: What is known of the account.
        missing_only: Whether what the layer has is not asked for again.
    """

    def __init__(
        self, settings: Settings, shared: Shared | None, account: Account, *, missing_only: bool
    ) -> None:
        self._settings, self._shared, self._missing_only = settings, shared, missing_only
        self._known = account
        self._is_new = False

    @cached_property
    def _emulator(self) -> Emulator | None:
        # Only when somebody asks: whoever does nothing with the service needs none.
        return _setup.emulator(self._settings) if self._settings.target == "emulator" else None

    @cached_property
    def discovery(self) -> Discovery | None:
        """Answers what belongs to an account; None where there is one."""
        return None if self._emulator is None else _setup.discovery_of(self._emulator)

    @cached_property
    def _recorder(self) -> Recorder:
        return Recorder(
            self._now(),
            redactor=_setup.redactor(self._settings),
            account=self._known,
            aliased=self.discovery is None,
        )

    def answer(self, call: Call, request: Request, send: Send) -> Response | None:
        """Answer from the source, and take it down."""
        if self._missing_only and self._shared is not None:
            known = self._shared.read(call, request, at_import=True)
            if known is not None:
                return known.response
        began = self._now()
        source = Service(send) if self._emulator is None else Embedded(self._emulator, self.discovery)
        answer = source.answer(self._recorder.outgoing(call, request), began)
        self._is_new = True
        return self._recorder.incoming(call, request, answer, began, self._now())

    def _now(self) -> Instant:
        return SystemClock().now() if self._emulator is None else _setup.EMULATED_START

    def stand_in(self) -> tuple[str, str | None]:
        """The account of the emulator; on the service none but a real one will do."""
        if self.discovery is not None:
            return STAND_IN_TOKEN, self.discovery.default_crn
        if self._emulator is not None:
            return _setup.account_of(self._emulator)
        raise _setup.no_account(self._settings)

    def wished(self, asked: Asked, is_met: bool) -> None:
        """A service was asked to be something."""
        self._recorder.wished(asked, is_met=is_met)

    def keep(self) -> None:
        """Write what is new to the layer of the folder."""
        if not self._is_new or self._shared is None:
            return
        self._is_new = False
        seed = None if self._emulator is None else self._emulator.seed
        told = Provenance(self._settings.target, self._recorder.start, versions=_setup.versions(), seed=seed)
        self._recorder.finished(told, settle=partial(self._shared.settle, at_import=True))
