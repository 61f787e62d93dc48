"""The emulated service as a source: from a request to the handler that answers it."""

from __future__ import annotations

import copy
import hmac
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from qsession._endpoints import ENDPOINTS, Call, understand
from qsession._hosts import is_service
from qsession._lifecycle import Rules
from qsession._model import SECOND, Instant, Request, Response
from qsession._refusals import Refused, refusal
from qsession.emulator import _versions
from qsession.emulator._backends import Backend, served
from qsession.emulator._ceilings import Ceilings
from qsession.emulator._exchange import Exchange, IamState, World
from qsession.emulator._handlers import HANDLERS
from qsession.emulator._history import History, PastJob
from qsession.emulator._instances import DEFAULT_INSTANCES, Directory, Instance
from qsession.emulator._replies import derived_uuid
from qsession.emulator._state import Pace, State
from qsession.emulator._tokens import Tokens
from qsession.errors import UsageError

DEFAULT_BACKENDS = ("ibm_fez", "ibm_marrakesh", "ibm_torino", "ibm_brisbane")
"""Backends unless somebody asks for others; the first is the default of every run."""

_MILLISECOND = SECOND // 1000
_METHODS = tuple(sorted({endpoint.method for endpoint in ENDPOINTS}))
_WITHOUT_TOKEN = frozenset({"iam.token", "versions.list", "catalog.entry"})


class Emulator:
    """The IBM Quantum Platform, emulated. A source; safe for concurrent use.

    Every result and every id derives from the seed, the content of what was asked
    and how often that was asked before, so it depends neither on the order of
    threads nor on polling. Time comes in with each request.

    Args:
        backends: Names such as ``ibm_fez``, each of which serves the snapshot that the
            installed client has of that device, or `Backend` values that say more.
        instances: Instances of the emulated account, at least one.
        seed: Seed of every random draw.
        queue_seconds: How long a job is Queued, on the clock of the requests.
        run_seconds: How long a job is Running.
        run_share: What part of the ``max_ttl`` of its session a job is Running for,
            instead of ``run_seconds``, which counts for a job outside of any session.
        strict: Accept only CRNs of its own instances, bearer tokens that it issued
            and its own key, as a server must. Otherwise any token will do, and a CRN that it
            does not know stands for its first instance.
        api_key: The only key that IAM takes; None for any.
        rules: What is not known of the life of sessions.
        history: Jobs that were there before, counted back from the first request.
        jobs_a_minute: Most submissions within a minute, 5 on the service (documented); None
            for any number.
        iam: Whether IAM grants tokens, knows no key, or is down.
        noise: Whether results suffer from the errors that the backend reports of its
            gates and measurements, as a reduced noise model on the qubits in use. That
            model is ours; results are ideal without it.
        unread_results: Text of the results of every job that the emulator cannot read, because
            its program is none or its parameters are not those of its program. None refuses
            such a job, as the service does.
        usage_after_seconds: How long after its end a job's usage is still pending. That it can be
            is the client's docstring of ``usage()``, how long nobody tells.

    Raises:
        UsageError: QS121 for a backend without a snapshot, QS122 without backends
            or instances, QS123 for a negative time, QS140 for a past job of an unknown backend
            or instance.
    """

    def __init__(
        self,
        *,
        backends: Sequence[str | Backend] = DEFAULT_BACKENDS,
        instances: Sequence[Instance] | None = None,
        seed: int = 0,
        queue_seconds: float = 0.2,
        run_seconds: float = 0.3,
        run_share: float | None = None,
        strict: bool = False,
        api_key: str | None = None,
        rules: Rules | None = None,
        history: Sequence[PastJob] = (),
        jobs_a_minute: int | None = None,
        iam: IamState = "works",
        noise: bool = False,
        unread_results: str | None = None,
        usage_after_seconds: float = 0,
    ) -> None:
        self.has_own_account = instances is not None
        instances = DEFAULT_INSTANCES if instances is None else instances
        _check(backends, instances)
        _check_times(queue_seconds, run_seconds, run_share or 0, usage_after_seconds)
        devices = {found.name: found for found in map(served, backends)}
        _check_history(history, devices, instances)
        self.seed = seed
        self._history = History(history)
        self._world = World(
            directory=Directory(instances),
            devices=devices,
            state=State(
                seed,
                pace=_pace(queue_seconds, run_seconds, run_share),
                rules=rules or Rules(),
                usage_after=_in_milliseconds(round(usage_after_seconds * SECOND)),
            ),
            tokens=Tokens(seed, secret=strict),
            strict=strict,
            api_key=api_key,
            iam=iam,
            queue=_in_milliseconds(round(queue_seconds * SECOND)),
            jobs_a_minute=jobs_a_minute,
            noise=noise,
            unread_results=unread_results,
        )
        self._ceilings = Ceilings(self._world)

    @classmethod
    def from_config(
        cls,
        source: str | Path,
        *,
        strict: bool = False,
        api_key: str | None = None,
        seed: int | None = None,
    ) -> Self:
        """An emulator of the shape that a configuration describes.

        Args:
            source: Name of a configuration that comes with the package, such as ``ibm-suite``,
                or the path of a YAML file.
            strict: As in the class.
            api_key: As in the class.
            seed: Seed of every random draw, instead of the configuration's.

        Raises:
            UsageError: QS141 where there is no such name or file, QS142 for a field that is
                wrong; and what the class raises.
        """
        # PyYAML and the schema are not needed otherwise.
        from qsession.emulator._configuration import load

        arguments = load(source)
        if seed is not None:
            arguments["seed"] = seed
        return cls(**arguments, strict=strict, api_key=api_key)

    def _fork(self, name: str) -> Self:
        """An emulator that begins as this one is now; from then on neither sees what the other does.

        The account, its tokens, devices and rules are the same. Ids of what is made in the fork derive
        from its name too, draws only from what is asked of it and how often. A job that both know and
        that is not simulated yet is simulated once for both, unless it runs at different times.

        Args:
            name: Its name; forks of the same name give the same ids.
        """
        forked = copy.copy(self)
        with self._history.held() as forked._history, self._ceilings.held() as seen:
            state, directory = self._world.state.fork(name), Directory(self.instances)
        forked._world = replace(self._world, state=state, directory=directory)
        forked._ceilings = Ceilings(forked._world, seen=seen)
        return forked

    def _adopt(self, other: Emulator) -> None:
        """Take over all sessions and jobs of another emulator, which as a rule is a fork of the same one.

        Later changes of the other are not seen here. What both know stays as it is here, but for a
        session to which only the other did something. Jobs keep their times, whatever the pace here.

        Raises:
            UsageError: QS144, if it has backends or instances that this one has not.
        """
        _check_account(self, other)
        self._world.state.adopt(other._world.state)
        self._ceilings.look_again()

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The instances of the emulated account."""
        return self._world.instances

    @property
    def backends(self) -> tuple[str, ...]:
        """Names of the backends, in their order."""
        return tuple(self._world.devices)

    @property
    def api_key(self) -> str | None:
        """The only key that IAM takes; None for any."""
        return self._world.api_key

    def open_sessions(self, at: Instant) -> tuple[str, ...]:
        """Ids of the sessions and batches that are not closed at a moment, sorted."""
        at = _in_milliseconds(at)
        self._ceilings.keep(at)
        return self._world.state.open_sessions(at)

    def next_change(self, at: Instant) -> Instant | None:
        """When something changes by itself next.

        Args:
            at: A moment.

        Returns:
            The first moment after it, on the millisecond, at which a job starts, ends or is
            dropped, or a session or batch changes its state: until then every read of
            a job or a session gives the same. None when nothing will change any more.
        """
        at = _in_milliseconds(at)
        change = self._world.state.next_change(at)
        ended = None if change is None else self._ceilings.next_reached(at, change)
        return change if ended is None else ended

    def answer(self, request: Request, at: Instant) -> Response:
        """Answer one request as the service would. Bad input gets its error status.

        Raises:
            UsageError: QS120, if a job is submitted and qiskit-aer is not installed.
        """
        at = _in_milliseconds(at)
        self._history.tell(self._world, at)
        self._ceilings.keep(at, acts=request.method != "GET")
        try:
            return self._dispatch(request, at)
        except Refused as refused:
            return self._refuse(refused, request, at)
        except RecursionError:
            return self._refuse(Refused("invalid", "the body is nested too deeply"), request, at)

    def _refuse(self, refused: Refused, request: Request, at: Instant) -> Response:
        headers = {"allow": ", ".join(_allowed(request))} if refused.kind == "wrong method" else {}
        trace = derived_uuid(self.seed, at, request.method, request.url, refused.kind)
        return refusal(refused, trace, headers=headers)

    def _dispatch(self, request: Request, at: Instant) -> Response:
        call = understand(request)
        if call is None or call.endpoint.name == "unknown":
            raise Refused("wrong method" if _allowed(request) else "unknown path")
        name = call.endpoint.name
        if name not in _WITHOUT_TOKEN:
            self._authenticate(request, at)
        exchange = Exchange(call, request, at)
        if call.endpoint.family == "runtime" and name not in _WITHOUT_TOKEN:
            version = _versions.asked(request.headers)
            exchange = replace(exchange, instance=self._instance(request, call), version=version)
        return HANDLERS[name](self._world, exchange)

    def _authenticate(self, request: Request, at: Instant) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not token or kind.lower() not in {"bearer", "apikey"}:
            raise Refused("unauthenticated")
        if self._world.strict and not self._is_own(kind.lower(), token, at):
            raise Refused("unauthenticated")

    def _is_own(self, kind: str, token: str, at: Instant) -> bool:
        if kind == "bearer":
            return self._world.tokens.is_own(token, at)
        # What the client falls back to where IAM does not answer (its code).
        key = self._world.api_key
        return key is not None and hmac.compare_digest(token.encode(), key.encode())

    def _instance(self, request: Request, call: Call) -> Instance:
        crn = request.headers.get("service-crn", "")
        found = self._world.directory.find(crn)
        if found is None and not self._world.strict:
            return self._world.instances[0]
        if found is None or not _serves(request, call, found):
            raise Refused("unknown instance", crn)
        return found


def _in_milliseconds(at: Instant) -> Instant:
    # The service writes milliseconds; finer moments would let a usage exceed the
    # span between the timestamps that a reader sees.
    return at - at % _MILLISECOND


def _pace(queue_seconds: float, run_seconds: float, run_share: float | None) -> Pace:
    queue, run = (_in_milliseconds(round(seconds * SECOND)) for seconds in (queue_seconds, run_seconds))
    if run_share is None:
        return lambda limits: (queue, run)
    return lambda limits: (queue, _in_milliseconds(round(run_share * limits.max_ttl)) if limits else run)


def _serves(request: Request, call: Call, instance: Instance) -> bool:
    # Each region has a host of its own; elsewhere than on IBM's names one serves all.
    host = request.url.partition("://")[2].partition("/")[0].partition(":")[0]
    return not is_service(host) or call.region == instance.region


def _allowed(request: Request) -> list[str]:
    calls = ((method, understand(replace(request, method=method))) for method in _METHODS)
    return [method for method, call in calls if call is not None and call.endpoint.name != "unknown"]


def _check_history(
    history: Sequence[PastJob], backends: Collection[str], instances: Sequence[Instance]
) -> None:
    known = {"backend": {"", *backends}, "instance": {"", *(instance.name for instance in instances)}}
    for job in history:
        for what, name in (("backend", job.backend), ("instance", job.instance)):
            if name not in known[what]:
                raise UsageError(
                    "QS140",
                    f"A job of the history names {'a backend' if what == 'backend' else 'an instance'}"
                    " that the emulator does not have.",
                    evidence=[f"{what}: {name!r}; known: {', '.join(sorted(known[what] - {''})) or 'none'}"],
                    fix=f"add it to {what}s, or leave it out of the job",
                )


def _check_account(own: Emulator, other: Emulator) -> None:
    crns = {instance.crn for instance in own.instances}
    missing = [f"backend {name!r}" for name in other.backends if name not in own.backends]
    missing += [f"instance {instance.name!r}" for instance in other.instances if instance.crn not in crns]
    if missing:
        raise UsageError(
            "QS144",
            "The emulator of this test cannot take over what a wider fixture made on another account.",
            evidence=[f"not here: {', '.join(missing)}"],
            fix="leave scenario= out of the marker, or give the fixture the scope 'function'",
        )


def _check(backends: Sequence[str | Backend], instances: Sequence[Instance]) -> None:
    if not backends or not instances:
        raise UsageError(
            "QS122",
            "An emulator needs at least one backend and one instance.",
            evidence=[f"backends: {len(backends)}, instances: {len(instances)}"],
            fix="Emulator(backends=('ibm_fez',))",
        )


def _check_times(
    queue_seconds: float, run_seconds: float, run_share: float, usage_after_seconds: float
) -> None:
    rare = {"run_share": run_share, "usage_after_seconds": usage_after_seconds}
    if min(queue_seconds, run_seconds, *rare.values()) < 0:
        more = "".join(f", {name}: {value}" for name, value in rare.items() if value)
        raise UsageError(
            "QS123",
            "A job cannot wait or run for a negative time.",
            evidence=[f"queue_seconds: {queue_seconds}, run_seconds: {run_seconds}{more}"],
            fix="Emulator(queue_seconds=0.2, run_seconds=0.3)",
        )
