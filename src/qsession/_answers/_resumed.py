"""The journal of a run that was cut off answers, and then the service."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qsession._answers import Served
from qsession._endpoints import Call, identify
from qsession._journal import Answered, Asked, Journal, Past, Playback, Unanswered, arrived, lost
from qsession._model import Interaction, Request, Response


@dataclass(slots=True, kw_only=True)
class Resumed(Served):
    """The journal of a run that was cut off answers, and then the service.

    Attributes:
        journal: What is written on.
        past: What it tells.
        playback: Gives its answers.
        record: The command that records anew, for messages.
        where: The test, for messages.
    """

    journal: Journal
    past: Past
    playback: Playback | None
    record: str
    where: str
    _caught_up: bool = False

    def answer(self, call: Call, request: Request, send: Callable[[Request], Response]) -> Response:
        """Answer from the journal while it has an answer."""
        # Tokens and instances are asked for anew: their answers are nobody's to keep.
        if self.playback is None or call.endpoint.family != "runtime":
            return self.serve(call, request, send)
        with self._lock:
            playback = self.playback
            outgoing = self.recorder.outgoing(call, request)
            instance = self.recorder.instance_of(call, request)
            reply = playback.reply(call, request, instance)
            if isinstance(reply, Answered):
                return self._again(call, outgoing, reply.interaction)
            if isinstance(reply, Unanswered):
                return self._settle(reply.asked, call, request, send)
            self._catch_up()
            self.playback = None
        return self.serve(call, request, send)

    def _again(self, call: Call, outgoing: Request, interaction: Interaction) -> Response:
        sent = self.past.head.recorded_at + interaction.at
        answer = self.recorder.ids.real(interaction.response)
        self.money.resumed(identify(outgoing) or call, outgoing, answer, sent, sent + interaction.took)
        return interaction.response

    def _catch_up(self) -> None:
        """Find out what became of everything meanwhile, and go on only if it is still there."""
        if self._caught_up:
            return
        problems = self.money.catch_up()
        if self.past.parked:
            self.journal.taken_up()
        if problems:
            raise lost(problems, self.record, where=self.where)
        self._caught_up = True
        self.recorder.go_on(self.clock.now())

    def _settle(
        self, asked: Asked, call: Call, request: Request, send: Callable[[Request], Response]
    ) -> Response:
        """Answer what was about to be sent when the process died: it may have arrived."""
        outgoing = self.recorder.outgoing(call, request)
        known = frozenset(made.real for made in self.past.made if made is not asked.made)
        began = self.clock.now()
        answer = arrived(asked, outgoing, known, send, where=self.where)
        if answer is None:
            # It did not arrive.
            self._catch_up()
            self.journal.answering(asked.number)
            self.journal.failed()
            return self.serve(call, request, send)
        real = identify(outgoing) or call
        self.money.resumed(real, outgoing, answer, asked.at, began)
        self._catch_up()
        began = self.clock.now()
        self.journal.answering(asked.number)
        return self.recorder.incoming(call, request, answer, began, self.clock.now())
