"""What is on while something of wide scope is set up or torn down, or a module imported."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import NoReturn
from urllib.parse import urlsplit

from qsession import _explain, _wire
from qsession._endpoints import Call, identify
from qsession._model import Asked, Request, Response
from qsession._run import Run
from qsession._sharing import is_account, is_common
from qsession._suite._commons import Commons
from qsession._traceback import asking
from qsession.errors import QSessionError

Refuse = Callable[[Call], QSessionError]
"""Says why there is no answer."""


class Scene:
    """Answers what all tests read in common; whoever asks for more gets a run of its own, from then on.

    Args:
        commons: Answers what all tests read in common.
        open_run: Makes a run and lets it be on; None where there is to be none.
        nothing_common: Why there is no answer to a read in common.
        nothing_more: Why there is no answer to anything else, where there is no run.
        check: Raises where nobody may be asked.
        tell: Takes up what was refused.
        sharing: Whether nothing reaches the service.
    """

    def __init__(
        self,
        commons: Commons,
        *,
        open_run: Callable[[Call], Run] | None,
        nothing_common: Refuse,
        nothing_more: Refuse,
        check: Callable[[], None],
        tell: Callable[[QSessionError], None],
        sharing: bool,
    ) -> None:
        self._commons, self._open_run, self._tell = commons, open_run, tell
        self._nothing_common, self._nothing_more = nothing_common, nothing_more
        self._check, self._sharing = check, sharing
        self._hooks = ExitStack()
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._is_on = False

    @contextmanager
    def on(self) -> Iterator[None]:
        """Be on for the length of a block.

        Yields:
            Nothing. What is new is written at the end, and everything put back.
        """
        self._is_on = True
        self._watch()
        try:
            yield
        finally:
            self._is_on = False
            self._hooks.close()
            self._commons.keep()

    def _watch(self) -> None:
        hooked = _wire.hooked(
            self._ask, stand_in=self._commons.stand_in, wished=self._commons.wished, sharing=self._sharing
        )
        self._hooks.enter_context(hooked)
        self._hooks.enter_context(_wire.installed(self._handle))

    def _ask(self, asked: Asked) -> None:
        if self._commons.discovery is not None:
            self._commons.discovery.ask(asked)

    def _handle(self, request: Request, send: _wire.Send) -> Response:
        call = identify(request)
        if call is None:
            return send(request)
        if self._run is None and not self._is_on:
            return self._outside(request, send)
        with self._lock:
            if self._run is None and not self._is_common(call):
                self._begin_run(call)
        if self._run is not None:
            return self._run._handle(request, send)
        try:
            self._check()
            answer = self._commons.answer(call, request, send)
        except QSessionError as trouble:
            self._refuse(trouble)
        return answer or self._refuse(self._nothing_common(call))

    def _outside(self, request: Request, send: _wire.Send) -> Response:
        # A connection lives on in the pool of a service, and somebody else's test uses that.
        if not self._sharing:
            return send(request)
        return self._refuse(_explain.outside_of_a_run(urlsplit(request.url).hostname or "", asking()))

    def _is_common(self, call: Call) -> bool:
        return is_account(call) or is_common(call, at_import=self._open_run is None)

    def _begin_run(self, call: Call) -> None:
        if self._open_run is None:
            self._refuse(self._nothing_more(call))
        # The run has hooks of its own.
        self._hooks.close()
        try:
            self._run = self._open_run(call)
        except QSessionError as trouble:
            self._watch()
            self._refuse(trouble)

    def _refuse(self, refusal: QSessionError) -> NoReturn:
        self._tell(refusal)
        raise refusal
