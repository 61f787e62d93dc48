"""Programs outside of this process, answered from a recording.

Their clocks are their own, so nothing is known of their waits, and nobody wants to wait for a
recorded queue. Time is what they do: each answer takes as long as it took, and who looks at
the same job or session again sees its next state.
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from qsession import _explain
from qsession._clock import SystemClock
from qsession._endpoints import Call, identify
from qsession._model import Instant, Request, Response
from qsession._replay import LIVING, Replay
from qsession.errors import ReplayMismatch

_CONFLICT = 409
"""A status that the client does not retry (its code, ``api/session.py``: 500 to 524 are)."""


class Visitors:
    """Answers other programs from a recording, one request after the other.

    All of them share one clock, which begins where the recording does. A context manager.

    Args:
        replay: The recording, and where its replay stands.
        on_refusal: Told of each request that has no answer.
    """

    def __init__(self, replay: Replay, on_refusal: Callable[[ReplayMismatch, Call | None], None]) -> None:
        self._replay = replay
        self._on_refusal = on_refusal
        self._now: Instant = replay.recording.provenance.recorded_at
        self._looked: dict[str, bytes] = {}
        self._machine = SystemClock()
        self._lock = threading.Lock()
        # One thread: whose write came before whose read is chance among several.
        self._worker = ThreadPoolExecutor(1, "qsession-visitors")
        self.answered = 0

    def close(self) -> None:
        """Answer nobody any more."""
        self._worker.shutdown()

    def answer(self, request: Request, _at: Instant) -> Response:
        """Answer one request of a program; a refusal is an answer too.

        Args:
            request: What came.
        """
        with self._lock:
            asked: Future[Response] = self._worker.submit(self._answer, request)
        return asked.result()

    def _answer(self, request: Request) -> Response:
        call = identify(request)
        try:
            if call is None:
                raise _explain.stranger(request, self._replay.place)
            answer = self._reply(call, request)
        except ReplayMismatch as refusal:
            self._on_refusal(refusal, call)
            return _refused(refusal)
        self.answered += 1
        return answer

    def _reply(self, call: Call, request: Request) -> Response:
        if call.endpoint.name in LIVING and request.url in self._looked:
            change = self._replay.change_of(call, request, self._now)
            if change is not None and self._would_see_the_same(request):
                self._now = max(self._now, change)
        reply = self._replay.reply(request, self._now)
        self._now = max(self._now, reply.until)
        self._looked[request.url] = reply.response.body
        if call.endpoint.name == "iam.token" and reply.response.status < 400:
            # The program compares its end with the machine's clock.
            return self._replay.discovery.answer(call, self._machine.now()) or reply.response
        return reply.response

    def _would_see_the_same(self, request: Request) -> bool:
        now = self._replay.reply(request, self._now)
        return now.response.body == self._looked[request.url]


def _refused(refusal: ReplayMismatch) -> Response:
    """What a program is told, in the form of the service's errors."""
    error = {"code": refusal.code, "message": f"qsession: {refusal}", "solution": refusal.fix}
    body = json.dumps({"errors": [error], "trace": str(uuid.uuid4())}).encode()
    return Response(_CONFLICT, "Conflict", {"content-type": "application/json"}, body)
