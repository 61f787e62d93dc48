"""Options, resolved once, each remembering where it came from; and what a run is made of."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from qsession._model import ASPECTS, MEANING, Match, Micros
from qsession._options import BUDGET_SECONDS, MODES, TARGETS
from qsession._staleness import Expiry
from qsession.errors import UsageError

if TYPE_CHECKING:
    from qsession._money import Purse
    from qsession._redaction import Screen
    from qsession.emulator import Emulator

Mode: TypeAlias = Literal["record", "replay", "live", "scenario"]
Target: TypeAlias = Literal["ibm", "emulator"]
Polls: TypeAlias = Literal["default", "leap", "exact"]
BeyondMode: TypeAlias = Literal["error", "model"]

MATCH = ("meaning", "routed", "strict")

_WORDS: Mapping[str, tuple[str, Sequence[str]]] = {
    "mode": ("QS101", MODES),
    "target": ("QS102", TARGETS),
    "polls": ("QS118", ("default", "leap", "exact")),
    "beyond": ("QS119", ("error", "model")),
}
"""Code of the error, and what it may be, of each option that is one of a few words."""

_LATER = {"verify": "comparing the service with the cassettes"}


@dataclass(frozen=True, slots=True)
class Layer:
    """What is to be known of the recording of a fixture.

    Attributes:
        is_first: Says whether this process is the first that has recorded it, and notes that.
        stays: Whether one that went the same way is left as it is: who records one test anew changes
            nothing of the others.
    """

    is_first: Callable[[], bool]
    stays: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is made of.

    Attributes:
        mode: ``record``, ``replay``, ``live`` or ``scenario``.
        target: ``ibm`` or ``emulator``; without meaning in a replay.
        path: The cassette; None in a live run and in a scenario.
        folder: The cassette folder; None for the cassette's own.
        scratch: Where notes of open sessions and rejected recordings go.
        test: Test id, or empty.
        backend: Name of the backend, or None.
        account: Name of a saved account, or None for the default.
        instance: Instance name or CRN, or None.
        budget: QPU seconds that may be used on the service, by all runs with the same purse.
        purse: What they spent of it; None where the budget is this run's alone.
        allow_ci: Whether the service may be reached where ``CI`` is set.
        allow_unused: Whether recorded writes may be left out.
        layer: What is to be known of it where it is the recording of a fixture; None for a test.
        may_be_empty: Whether a test that has no cassette may be one that asks for nothing.
        allowed_hosts: Hosts besides this machine that a replay may reach.
        emulator: An emulator to use instead of a fresh one.
        template: An emulator of which each run has a fork, instead of a fresh one.
        scenario: Name of the scenario that answers, or empty.
        polls: ``leap`` where every wait between two polls may leap, ``exact`` where none
            may; by default those of the client itself do.
        resume: Whether to go on with a recording that was cut off or parked.
        park: How long a job may be queued before the run is parked, in microseconds; None for ever.
        beyond: Who answers past the end of the recording where the test only waited:
            nobody (``error``) or the ``model``.
        match: How alike a job must be to a recorded one.
        redact: Rules of redaction besides what is always taken out.
        screen: Keeps what a recording learns out of what is said meanwhile.
        expiry: When a recording is stale, and what happens then.
        record_command: The command that records this anew, for messages; ``{target}``
            stands for the target of the recording.
    """

    mode: Mode
    target: Target = "ibm"
    path: Path | None = None
    folder: Path | None = None
    scratch: Path = Path(".qsession")
    test: str = ""
    backend: str | None = None
    account: str | None = None
    instance: str | None = field(default=None, repr=False)
    budget: float = BUDGET_SECONDS
    purse: Purse | None = field(default=None, repr=False)
    allow_ci: bool = False
    allow_unused: bool = False
    layer: Layer | None = None
    may_be_empty: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    emulator: Emulator | None = None
    template: Emulator | None = field(default=None, repr=False)
    scenario: str = ""
    polls: Polls = "default"
    beyond: BeyondMode = "error"
    match: Match = MEANING
    resume: bool = False
    park: Micros | None = None
    redact: tuple[str, ...] = field(default=(), repr=False)
    screen: Screen | None = field(default=None, repr=False)
    expiry: Expiry = field(default_factory=Expiry)
    record_command: str = "pytest --qsession-record --qsession-target={target}"

    @property
    def reaches_the_service(self) -> bool:
        """Whether requests of the run leave for IBM."""
        return self.target == "ibm" and self.mode != "replay"

    @property
    def resume_command(self) -> str:
        """The command that goes on with this recording."""
        if self.test:
            return f"pytest '{self.test}' --qsession-resume"
        return f"qsession.record({str(self.path)!r}, resume=True)"


@dataclass(frozen=True, slots=True)
class Option:
    """A value and where it came from.

    Attributes:
        value: The text, or None when nobody set it.
        origin: ``command line``, ``marker``, ``ini``, an environment variable, or ``default``.
    """

    value: str | None
    origin: str = "default"


@dataclass(frozen=True, slots=True)
class Options:
    """Options by stem (``mode``, ``target``, ...), resolved in order of precedence.

    Attributes:
        layers: Name of the origin and its values, the strongest first.
    """

    layers: Sequence[tuple[str, Mapping[str, object]]] = field(default=())

    def get(self, stem: str, default: str | None = None) -> Option:
        """The strongest value of an option.

        Args:
            stem: Name without its prefix.
            default: Used when no layer sets it.
        """
        for origin, values in self.layers:
            value = values.get(stem)
            if value is not None and value != "" and value is not False:
                return Option(str(value), origin)
        return Option(default)


def check_word(what: str, option: Option) -> Any:
    """One of the words that an option may be.

    Args:
        what: ``mode``, ``target``, ``polls`` or ``beyond``.
        option: What somebody said.

    Raises:
        UsageError: If it is none (QS101, QS102, QS118, QS119).
    """
    value, (code, known) = str(option.value), _WORDS[what]
    if value in known:
        return value
    if what == "mode" and value in _LATER:
        evidence = [f"{value!r} (from {option.origin}) is for {_LATER[value]}, which is not there yet"]
    else:
        evidence = [f"{value!r} (from {option.origin}); {did_you_mean(value, known)}"]
    nearest = (difflib.get_close_matches(value, known, n=1) or known)[0]
    in_python = option.origin.startswith("the argument")
    raise UsageError(
        code,
        f"There is no {what} of this name.",
        evidence=evidence,
        fix=f'{what}="{nearest}"' if in_python else f"--qsession-{what}={nearest}",
    )


def check_match(value: object) -> Match:
    """How alike a job must be to a recorded one.

    Args:
        value: ``meaning``, ``routed`` or ``strict``, or a tuple of aspects, in which ``routed``
            stands for circuits with any layout and routing.

    Raises:
        UsageError: If it is none of these (QS160).
    """
    if evidence := wrong_match(value):
        raise UsageError(
            "QS160",
            "There is no such way to match jobs.",
            evidence=[evidence],
            fix='match="routed", or a tuple of aspects such as match=("circuits", "values", "shots")',
        )
    words = {value} if isinstance(value, str) else set(value) if isinstance(value, tuple) else set()
    routed, aspects = "routed" in words, words & ASPECTS.keys()
    if isinstance(value, str):
        return Match(routed=routed, strict="strict" in words)
    return Match(frozenset(aspects | ({"circuits"} if routed else set())), routed)


def wrong_match(value: object) -> str:
    """What is wrong with a way to match, in a line; nothing if it is one."""
    if isinstance(value, str):
        hint = f"a tuple: match=({value!r},)" if value in ASPECTS else did_you_mean(value, MATCH)
        return "" if value in MATCH else f"match={value!r}; {hint}"
    if not isinstance(value, tuple) or not value:
        return f"match={value!r}; it takes {', '.join(MATCH)}, or a tuple of {', '.join(ASPECTS)}"
    known = (*ASPECTS, "routed")
    wrong = [each for each in value if each not in known]
    return f"match={value!r}: {wrong[0]!r}; {did_you_mean(str(wrong[0]), known)}" if wrong else ""


def check_budget(option: Option) -> float:
    """QPU seconds, more than 0.

    Raises:
        UsageError: If it is no such number (QS105).
    """
    try:
        seconds = float(str(option.value))
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < float("inf"):
        raise UsageError(
            "QS105",
            "The budget is a number of QPU seconds, more than 0.",
            evidence=[f"{option.value!r} (from {option.origin})"],
            fix="--qsession-budget=60",
        )
    return seconds


def check_park(option: Option) -> Micros | None:
    """How long a job may be queued, in microseconds; None when nobody says.

    Raises:
        UsageError: If it is no length of time (QS167).
    """
    if option.value is None:
        return None
    # Only here: the clock's room is not needed to read options.
    from qsession._clock import read_length

    try:
        text = option.value.strip()
        return read_length(float(text) if text.replace(".", "", 1).isdecimal() else text)
    except UsageError:
        raise UsageError(
            "QS167",
            "This is no length of time after which a test can be parked.",
            evidence=[f"{option.value!r} (from {option.origin})"],
            fix="--qsession-park=60s, or 10m, or a number of seconds",
        ) from None


def nothing_to_resume(where: str = "") -> UsageError:
    """The emulator of a process dies with it, and its queues take no real time."""
    return UsageError(
        "QS165",
        "On the emulator there is nothing to resume and nothing to park: its jobs end with the process.",
        fix="leave out --qsession-resume and --qsession-park; recording on the emulator again costs nothing",
        intended="a run against the service, or a served emulator, needs --qsession-target=ibm",
        where=where,
    )


def nothing_recorded() -> UsageError:
    """A live run leaves nothing that could be gone on with."""
    return UsageError(
        "QS165",
        "In the mode live nothing is recorded, so there is nothing to resume and nothing to park.",
        fix="leave out --qsession-resume and --qsession-park, or record: --qsession-record",
    )


def not_emulated(option: Option) -> UsageError:
    """Who names an emulator wants no answer from the service, and no bill."""
    return UsageError(
        "QS143",
        "An emulator was named, but this run goes to the service. Nothing was sent.",
        evidence=[f"--qsession-emulator={option.value}, and the target is 'ibm'"],
        fix="--qsession-target=emulator",
        intended="leave out --qsession-emulator; as an ini key it is for runs on the emulator only",
    )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """A sentence that names the nearest known word, or lists all."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
