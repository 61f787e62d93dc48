"""The recorder: it takes down what is said, and gives it a form that may be kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

from qsession import _meaning, _usage
from qsession._bodies import field_of
from qsession._discovery import alias_of, digest_of
from qsession._endpoints import Call, identify
from qsession._ids import Ids
from qsession._model import (
    Asked,
    InstanceShape,
    Instant,
    Interaction,
    Micros,
    Provenance,
    Recording,
    Request,
    Response,
)
from qsession._recording._account import Account
from qsession._recording._itself import (
    CREATES,
    backend_of,
    calibration_of,
    chooses,
    renumbered,
)
from qsession.errors import CassetteError

if TYPE_CHECKING:
    from qsession._redaction import Finding, Redactor

Settle: TypeAlias = "Callable[[Recording, Redactor], Sequence[Interaction]]"
"""Takes over what is recorded elsewhere, and says what of a recording stays its own."""


class Notes(Protocol):
    """Is told what is recorded, as it happens."""

    def instance(self, index: int, crn: str) -> None:
        """An instance is used for the first time."""
        ...

    def asking(self, endpoint: str, instance: int, request: Request, at: Instant) -> None:
        """A creating request is about to be sent."""
        ...

    def failed(self) -> None:
        """What this thread was about to send had no answer, and the code under test knows."""
        ...

    def made(self, kind: str, real: str, meaning: str) -> None:
        """A session or job was made."""
        ...

    def said(self, interaction: Interaction) -> None:
        """An exchange that is a new interaction."""
        ...

    def again(self, index: int, at: Micros) -> None:
        """The same answer as before, to the same read."""
        ...


class Recorder:
    """Collects the exchanges of one run. Safe for concurrent use.

    Args:
        start: When the recording begins.
        redactor: Keeps secrets out of it; a new one when None.
        proves: Whether it will be written: what cost QPU time is then refused before
            it is sent, if the recording could not be written with it.
        aliased: Whether instances are known again in other recordings; else whatever the
            caller names may be taken for one.
        account: What is known of the account; what a service of another recording learned is
            nobody else's to ask again.
        ids: Real ids and pseudonyms of what was made before; none when None.

    Attributes:
        ids: Real ids and pseudonyms.
        redactor: What must not be written.
        notes: Whoever takes down what is recorded as it happens, or None.
        paused: How long the recording stood still between two runs: no part of its times.
    """

    def __init__(
        self,
        start: Instant,
        *,
        redactor: Redactor | None = None,
        proves: bool = False,
        aliased: bool = False,
        account: Account | None = None,
        ids: Ids | None = None,
    ) -> None:
        # Only here: a replay has no use for it.
        from qsession._redaction import Redactor

        self._start = start
        self.notes: Notes | None = None
        self.paused: Micros = 0
        self._proves, self._aliased = proves, aliased
        self._findings: dict[Finding, None] = {}
        self._paid = False
        self._lock = threading.Lock()
        self._interactions: list[Interaction] = []
        self._latest: dict[_meaning.Key, int] = {}
        self._account = account or Account()
        self._used: list[str] = []
        self._met: set[str] = set()
        self._unmet: set[str] = set()
        self.ids = ids or Ids()
        self.redactor = redactor or Redactor()

    def outgoing(self, call: Call, request: Request) -> Request:
        """What must be sent for a request of the code under test: its ids made real.

        Raises:
            CassetteError: If it would cost QPU time and its recording could not be
                written, since a secret is in it that nothing takes out (QS220).
        """
        self.redactor.learn_request(call, request)
        if self._proves and call.endpoint.name in CREATES:
            self._prove_before(call, request)
        self.ids.mentioned(call.ids)
        return self.ids.outgoing(request)

    @property
    def start(self) -> Instant:
        """When the recording began."""
        return self._start

    def restore(self, interactions: Iterable[Interaction], made: Iterable[tuple[str, str, str]]) -> None:
        """Take up a recording where it was left.

        Args:
            interactions: What was recorded.
            made: Kind, real id and meaning of what was made, in its order.
        """
        for kind, real, meaning in made:
            self.ids.created(kind, real, meaning)
        for interaction in interactions:
            call = identify(interaction.request)
            if call is not None:
                self._latest[_meaning.key_of(call, interaction.instance)] = len(self._interactions)
            self._interactions.append(interaction)

    def wished(self, asked: Asked, *, is_met: bool) -> None:
        """A service was asked to be something.

        Args:
            asked: The wish. Of several in one call the client does not say which was not met.
            is_met: Whether an instance of the account is that.
        """
        with self._lock:
            (self._met if is_met else self._unmet).add(digest_of(asked))

    def go_on(self, at: Instant) -> None:
        """What comes now follows upon what was recorded, however long ago that was.

        Args:
            at: Now.
        """
        with self._lock:
            end = max((max(i.at, i.last) + i.took for i in self._interactions), default=0)
            self.paused = max(0, at - end - self._start)

    def asking(self, call: Call, request: Request, at: Instant) -> None:
        """A request is about to be sent.

        Args:
            call: The request, understood.
            request: As the code under test sent it.
            at: Now.
        """
        if self.notes is not None and call.endpoint.name in CREATES:
            instance = self._learn_instances(call, request)
            cleaned = self.redactor.clean_request(call, request)
            self.notes.asking(call.endpoint.name, instance, cleaned, at)

    def failed(self) -> None:
        """What this thread has sent had no answer."""
        if self.notes is not None:
            self.notes.failed()

    def instance_of(self, call: Call, request: Request) -> int:
        """Which instance a request goes to, in the order of first use."""
        return self._learn_instances(call, request)

    def incoming(
        self, call: Call, request: Request, response: Response, began: Instant, ended: Instant
    ) -> Response:
        """Record an exchange.

        Args:
            call: The request, understood.
            request: As the code under test sent it.
            response: As the source gave it.
            began: When the request was sent.
            ended: When the answer was there.

        Returns:
            The response as the code under test may see it.
        """
        self.redactor.learn_response(call, response)
        self._account.learn(call, request, response)
        instance = self._learn_instances(call, request)
        self._name_created(call, request, response)
        seen = self.ids.incoming(response)
        # The machine's clock may be set back meanwhile; a cassette holds no negative times.
        at = max(0, began - self._start - self.paused)
        interaction = Interaction(
            call.endpoint.name,
            instance,
            self.redactor.clean_request(call, request),
            self.redactor.clean_response(call, seen),
            at,
            max(0, ended - began),
            last=at,
        )
        findings = self.redactor.prove(interaction) if self._proves else ()
        with self._lock:
            self._findings.update(dict.fromkeys(findings))
            self._paid = self._paid or (call.endpoint.name in CREATES and response.status < 300)
            self._append(_meaning.key_of(call, instance), interaction, merge=not call.endpoint.is_write)
        return seen

    def _prove_before(self, call: Call, request: Request) -> None:
        cleaned = self.redactor.clean_request(call, request)
        asked = Interaction(call.endpoint.name, 0, cleaned, Response(200), 0, 0)
        with self._lock:
            # What was paid for is not given up: such a recording ends in quarantine.
            findings = [*(self._findings if not self._paid else ()), *self.redactor.prove(asked)]
        if findings:
            raise _not_to_be_written(findings)

    def finished(self, provenance: Provenance, *, settle: Settle | None = None) -> Recording:
        """The recording as it stands.

        Args:
            provenance: What the run knows; what the exchanges tell is filled in.
            settle: Takes over what is recorded elsewhere, and says what stays. What the recording
                tells of itself then follows from what stayed, so that it is chance in nothing.
        """
        with self._lock:
            interactions = tuple(sorted(self._interactions, key=_place))
            shapes = tuple(self._shaped(crn) for crn in self._used)
        # What was learned late may stand in what was cleaned early.
        interactions = tuple(map(self.redactor.clean, interactions))
        known = self.redactor.clean_provenance(provenance)
        if settle is not None:
            stays = settle(Recording(replace(known, instances=shapes), interactions), self.redactor)
            interactions, shapes = renumbered(stays, shapes)
        busy = {i.instance for i in interactions if chooses(i.endpoint)}
        shapes = tuple(replace(shape, used=index in busy) for index, shape in enumerate(shapes))
        return Recording(
            replace(
                known,
                backend=known.backend or backend_of(interactions),
                calibrated_at=calibration_of(interactions),
                api_version=self._account.api_version if any(map(_is_versioned, interactions)) else "",
                qpu_seconds=_usage.qpu_seconds(interactions),
                instances=shapes,
                paused=self.paused,
                literal_ids=tuple(map(self.redactor.clean_text, self.ids.literal)),
                unmet=tuple(sorted(self._unmet - self._met)),
            ),
            interactions,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nobody has asked for anything."""
        with self._lock:
            return not self._interactions and not self._unmet

    @property
    def crns(self) -> tuple[str, ...]:
        """The instances that were used, in the order of first use."""
        with self._lock:
            return tuple(self._used)

    def _shaped(self, crn: str) -> InstanceShape:
        shape = self._account.shape(crn)
        return replace(shape, alias=alias_of(crn)) if self._aliased else shape

    def qpu_seconds(self) -> float:
        """QPU time so far, as far as the answers tell, in seconds."""
        with self._lock:
            interactions = tuple(self._interactions)
        return _usage.qpu_seconds(interactions)

    def _append(self, key: _meaning.Key, interaction: Interaction, *, merge: bool) -> None:
        index = self._latest.get(key)
        if merge and index is not None:
            former = self._interactions[index]
            if former.response == interaction.response:
                last = max(former.last, interaction.at)
                self._interactions[index] = replace(former, seen=former.seen + 1, last=last)
                if self.notes is not None:
                    self.notes.again(index, interaction.at)
                return
        self._latest[key] = len(self._interactions)
        self._interactions.append(interaction)
        if self.notes is not None:
            self.notes.said(interaction)

    def _name_created(self, call: Call, request: Request, response: Response) -> None:
        kind = CREATES.get(call.endpoint.name)
        real = field_of(response.body, "id") if kind and response.status < 300 else None
        if kind and isinstance(real, str) and real:
            meaning = _meaning.read(call, request).digest
            # In one step: pseudonyms follow from the order, and the notes must tell that order.
            with self._lock:
                if self.notes is not None:
                    self.notes.made(kind, real, meaning)
                self.ids.created(kind, real, meaning)

    def _learn_instances(self, call: Call, request: Request) -> int:
        crn = request.headers.get("service-crn", "")
        if not crn or call.endpoint.family != "runtime":
            return 0
        with self._lock:
            if crn not in self._used:
                self._used.append(crn)
                self.redactor.learn_crn(crn)
                if self.notes is not None:
                    self.notes.instance(len(self._used) - 1, crn)
            return self._used.index(crn)


def _not_to_be_written(findings: Sequence[Finding]) -> CassetteError:
    from qsession._redaction import few

    return CassetteError(
        "QS220",
        "A secret would have been recorded that nothing takes out. Nothing was sent.",
        evidence=few(findings),
        fix="keep the value out of what the test sends: names of registers and variables cannot be changed",
    )


def _place(interaction: Interaction) -> tuple[object, ...]:
    # On the virtual clock threads do things at one moment: their order in the file is fixed all the same.
    request, response = interaction.request, interaction.response
    return (interaction.at, interaction.endpoint, request.url, request.body, response.body)


def _is_versioned(interaction: Interaction) -> bool:
    return "ibm-api-version" in interaction.request.headers
