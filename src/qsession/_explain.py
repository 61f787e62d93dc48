"""Why the recording has no answer, with the nearest candidates and what to do next."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from qsession import _meaning
from qsession._bodies import read_object
from qsession._endpoints import Call
from qsession._hosts import is_service
from qsession._invented import moment
from qsession._model import MEANING, SECOND, Interaction, Match, Micros, Place, Request
from qsession.errors import ReplayMismatch

_QUARTER: Micros = 900 * SECOND
_FARTHEST: Micros = 26 * 3600 * SECOND
_NEAREST = 3
_LINES = 6
_UNDECIDED = "cannot be "
_SEED = (
    "transpile with a seed: the fixture qsession_isa, or generate_preset_pass_manager(..., seed_transpiler=7)"
)
_ASKING = ("qiskit", "qiskit-ibm-runtime")

Rival = tuple[Interaction, Sequence[str], bool]
"""A recorded write, how it differs from what was asked, whether it was sent already."""


def no_write(
    key: _meaning.Key,
    asked: _meaning.Ask,
    rivals: Sequence[Rival],
    others: Iterable[_meaning.Key],
    place: Place,
    *,
    match: Match = MEANING,
) -> ReplayMismatch:
    """A write that was not recorded, or not like this."""
    evidence = [_asked(key, asked)]
    if asked.job is not None and not asked.job.understood:
        evidence.append(f"compared byte by byte, in whole or in part: {asked.job.note}")
    if len(rivals) > 1 and all(sent for _, _, sent in rivals):
        evidence.append(f"each of the {len(rivals)} that were recorded was answered already")
    nearest = sorted(rivals, key=_distance)[:_NEAREST]
    for interaction, differences, sent in nearest:
        used = ", answered already" if sent else ""
        evidence.append(f"recorded at {_moment(interaction)}{used}, but:")
        evidence += [f"  {line}" for line in differences[:_LINES]]
        if len(differences) > _LINES:
            evidence.append(f"  and {len(differences) - _LINES} more")
    if not rivals:
        evidence += _nearest(key, others)
    if match.strict and rivals:
        what = "A request is not value by value what was recorded (match='strict'). Nothing was sent."
        return _mismatch(
            "QS311", what, evidence, place, intended='leave match="strict" out: then its meaning counts'
        )
    if match.routed and nearest and any(_UNDECIDED in line for line in nearest[0][1]):
        what = "It cannot be decided whether a job is the recorded one in another routing. Nothing was sent."
        return _mismatch("QS312", what, evidence, place, intended=_SEED)
    what = "submits a job" if key.path == "/jobs" else "asks for something"
    return _mismatch(
        "QS302" if rivals else "QS301",
        f"The code under test {what} that was not recorded. Nothing was sent.",
        evidence,
        place,
    )


def only_routing(
    key: _meaning.Key, asked: _meaning.Ask, recorded: Interaction, place: Place
) -> ReplayMismatch:
    """A job whose circuits are the recorded ones with another layout and routing."""
    evidence = [
        _asked(key, asked),
        f"recorded at {_moment(recorded)}, with another layout and routing; all else is the same",
    ]
    return _mismatch(
        "QS310",
        "The code under test submits the recorded job, transpiled in another way. Nothing was sent.",
        evidence,
        place,
        fix=_SEED,
        intended='match="routed", in @pytest.mark.qsession(...) or in qsession.replay(...)',
    )


def _distance(rival: Rival) -> tuple[int, bool]:
    """How far a recorded write is from what was asked; of equals, one that is still due is nearer."""
    _, differences, sent = rival
    return len(differences), sent


def no_read(key: _meaning.Key, others: Iterable[_meaning.Key], place: Place) -> ReplayMismatch:
    """A read that was not recorded."""
    what = "The code under test reads something that was not recorded. Nothing was sent."
    return _mismatch("QS301", what, [f"asked: {key}", *_nearest(key, others)], place)


def not_in_common(key: _meaning.Key, layer: str, place: Place, *, exists: bool) -> ReplayMismatch:
    """A read that all tests have in common, which none of them made when they were recorded.

    Args:
        key: What is asked.
        layer: Name of the file that would tell.
        place: Where the replay stands.
        exists: Whether the file is there.
    """
    words = f"it is not in {layer}" if exists else f"{layer} is missing"
    what = "A backend is looked at that no recording of this folder looked at. Nothing was sent."
    evidence = [f"asked: {key}", f"{words}: what all tests read in common"]
    return _mismatch("QS241", what, evidence, place)


def no_moment(key: _meaning.Key, write: Interaction, place: Place, *, sent: bool) -> ReplayMismatch:
    """A read on the other side of a write than all its recorded answers."""
    return no_state(key, _side(write, sent=sent), place)


def no_state(key: _meaning.Key, words: str, place: Place) -> ReplayMismatch:
    """A read of a moment for which no answer was recorded.

    Args:
        key: What is asked.
        words: When its answers were recorded.
        place: Where the replay stands.
    """
    what = "The code under test reads something at a moment that was not recorded. Nothing was sent."
    return _mismatch("QS301", what, [f"asked: {key}", words], place)


def other_order(
    key: _meaning.Key, asked: _meaning.Ask, write: Interaction, place: Place, *, sent: bool
) -> ReplayMismatch:
    """A write on the other side of another one than when it was recorded."""
    evidence = [_asked(key, asked), _side(write, sent=sent)]
    what = "The code under test sends a request in another order than it was recorded. Nothing was sent."
    return _mismatch("QS302", what, evidence, place)


def used_up(key: _meaning.Key, times: int, asked: _meaning.Ask, place: Place) -> ReplayMismatch:
    """A write that was recorded fewer times than it is now sent."""
    plural = "once" if times == 1 else f"{times} times"
    evidence = [_asked(key, asked), f"recorded: {plural}"]
    what = f"The code under test sends a request once more than it was recorded ({plural}). Nothing was sent."
    return _mismatch("QS303", what, evidence, place)


def past_the_end(
    key: _meaning.Key, late: Micros, waiting: Sequence[Interaction], place: Place, *, moved: bool
) -> ReplayMismatch:
    """A read past the last moment of the recording, of something that may have changed since."""
    evidence = [f"asked: {key}, {late / SECOND:.3f} s after the recording ended"]
    if waiting:
        first = min(waiting, key=lambda interaction: interaction.at)
        evidence.append(f"the recording goes on with {_name(first)}, which was not sent")
    else:
        evidence.append("the recording ends with this in a state that is not final")
    if moved:
        evidence.append("the model of a session's life cannot tell what became of it")
    intended = 'to let a model of the service answer: beyond="model" in @pytest.mark.qsession(...)'
    what = "The code under test waits for what the recording does not hold."
    return _mismatch("QS304", what, evidence, place, intended=intended)


def stranger(request: Request, place: Place) -> ReplayMismatch:
    """A request that is none of the service's."""
    return ReplayMismatch(
        "QS305",
        "A request to another host than IBM's was refused: a replay sends nothing.",
        evidence=[f"{request.method} {request.url.split('?')[0]}"],
        fix="keep the request out of the test, or serve it from this machine (localhost is allowed)",
        intended="name the host in the ini option qsession_allowed_hosts",
        where=_where(place),
    )


def way_out(host: str, place: Place) -> ReplayMismatch:
    """A connection or a look-up that did not come through the client's HTTP library.

    Args:
        host: Whom it was for, with a port where only that is what is refused.
        place: Where the run stands.
    """
    if re.fullmatch(r"(\[.*\]|[^:]*):\d+", host):
        return _other_program(host, place)
    whose = "IBM, past the client," if is_service(host) else "another host"
    return ReplayMismatch(
        "QS305",
        f"A connection to {whose} was refused: a replay sends nothing.",
        evidence=[f"to {host}"],
        fix="keep it out of the test, or serve it from this machine (localhost is allowed)",
        intended="name the host in the ini option qsession_allowed_hosts",
        where=_where(place),
    )


def _other_program(address: str, place: Place) -> ReplayMismatch:
    """A connection to a port of this machine at which somebody else listens."""
    return ReplayMismatch(
        "QS316",
        "A connection to another program of this machine was refused: it could lead to the network.",
        evidence=[f"to {address}, where no process of this test run listens"],
        fix="start the server in the test, or as its child process",
        intended=f"name localhost:{address.rpartition(':')[2]} in the ini option qsession_allowed_hosts",
        where=_where(place),
    )


def child_refused(note: str, place: Place) -> ReplayMismatch:
    """A child process asked for somebody, and nobody told its test.

    Args:
        note: Which command asked for whom.
        place: Where the run stands.
    """
    return ReplayMismatch(
        "QS317",
        "A child process of the test was kept off the network. Nothing was sent.",
        evidence=[note, "a recording answers the test's own process only"],
        fix="make the requests in the test's own process",
        intended=f"record and test the command by itself: qsession replay {place.cassette} -- COMMAND",
        where=_where(place),
    )


def outside_of_a_run(host: str, asking: str) -> ReplayMismatch:
    """Something reached for IBM while no run was on.

    Args:
        host: Whom it asked for.
        asking: Where in the user's code; empty if that is not known.
    """
    return ReplayMismatch(
        "QS308",
        "A connection to IBM was refused: it was made outside of the run of a test.",
        evidence=[
            f"host {host}",
            asking or "a fixture of wider scope, an import or a thread that goes on after its test",
        ],
        fix="make the service inside the test, or in a fixture of scope 'function'",
        intended="name the host in the ini option qsession_allowed_hosts",
    )


def made_outside_of_a_run(asking: str) -> ReplayMismatch:
    """A service was made while no run was on, and the machine has no account.

    Args:
        asking: Where in the user's code; empty if that is not known.
    """
    return ReplayMismatch(
        "QS315",
        "A service was made outside of the run of a test, where no account stands in for a real one.",
        evidence=[asking] if asking else [],
        fix="make the service inside the test, or in a fixture of scope 'function'",
    )


def too_late(call: Call, request: Request, *, where: str, owner: str = "") -> ReplayMismatch:
    """A request after the end of its run.

    Args:
        call: The request, understood.
        request: The request.
        where: The run.
        owner: The fixture that made what it is about, if that has ended.
    """
    from qsession._redaction import Redactor, canonical_url

    # In this form the path of the resource controller names no CRN.
    evidence = [f"{request.method} {Redactor().clean_text(canonical_url(call).split('?')[0])}"]
    fix = "end the threads of a test, and its services, before the test ends"
    if owner:
        evidence.append(f"it is about what {owner} made, which has ended")
        fix = "end it in the fixture itself, after its `yield`; then record a test that uses it"
    what = "A request came after its run had ended. Nothing was sent."
    return ReplayMismatch("QS307", what, evidence=evidence, fix=fix, where=where)


def unused(interactions: Sequence[Interaction], place: Place) -> ReplayMismatch:
    """Recorded writes that the code under test did not send."""
    lines = [f"not sent: {_name(i)}, recorded at {_moment(i)}" for i in interactions[:_LINES]]
    if len(interactions) > _LINES:
        lines.append(f"and {len(interactions) - _LINES} more")
    return ReplayMismatch(
        "QS306",
        f"The code under test left out {len(interactions)} recorded request(s) that change something.",
        evidence=lines,
        fix=place.record,
        intended="allow_unused=True, in @pytest.mark.qsession(...) or in qsession.replay(...)",
        where=_where(place),
    )


def created_id(interaction: Interaction) -> str | None:
    """The id of the session or job that a recorded write made, if it made one."""
    if interaction.endpoint not in {"sessions.create", "jobs.create"} or interaction.response.status >= 300:
        return None
    made = read_object(interaction.response.body).get("id")
    return made if isinstance(made, str) else None


def _mismatch(
    code: str, what: str, evidence: Sequence[str], place: Place, *, fix: str = "", intended: str = ""
) -> ReplayMismatch:
    from qsession._redaction import Redactor

    intended = (
        intended or "the command above records the new behaviour; review the difference before you commit it"
    )
    # What the code under test asked may name an account or an instance, or carry a token.
    evidence = [Redactor().clean_text(line) for line in (*evidence, *_other_versions(place))]
    return ReplayMismatch(
        code, what, evidence=evidence, fix=fix or place.record, intended=intended, where=_where(place)
    )


def _other_versions(place: Place) -> Iterator[str]:
    """What it was recorded with, where that is not installed: it may read and transpile otherwise."""
    for name, recorded in sorted(place.versions.items()):
        if name in _ASKING and recorded != (installed := _installed(name)):
            yield f"recorded with {name} {recorded}, installed is {installed}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


def _nearest(key: _meaning.Key, others: Iterable[_meaning.Key]) -> list[str]:
    names = {str(other): other for other in others}
    same = [name for name, other in names.items() if other.method == key.method]
    close = difflib.get_close_matches(str(key), same, n=_NEAREST, cutoff=0.4)
    # Nothing like it under this method: the same thing may be there under another.
    close = close or [name for name, other in names.items() if other.path == key.path][:_NEAREST]
    found = [f"recorded: {name}" + _elsewhere(key, names[name]) for name in close]
    return found or ["recorded: nothing like it"]


def _elsewhere(key: _meaning.Key, other: _meaning.Key) -> str:
    """What tells two requests apart that read the same, or nearly so."""
    if str(key) == str(other) and key.instance != other.instance:
        return ", on another instance"
    if shift := _zones_apart(key, other):
        return f", {shift:g} h apart: a datetime without a time zone is of the machine's own"
    return ""


def _zones_apart(key: _meaning.Key, other: _meaning.Key) -> float:
    """By how many hours the moments of two queries differ, if by nothing else and as time zones do; or 0."""
    if (key.path, [n for n, _ in key.query]) != (other.path, [n for n, _ in other.query]):
        return 0
    pairs = [(a, b) for a, b in zip(key.query, other.query, strict=True) if a != b]
    shifts = set()
    for (name, mine), (_, recorded) in pairs:
        moments = moment(mine), moment(recorded)
        if not name.endswith(_meaning.MOMENTS) or None in moments:
            return 0
        shifts.add(abs((moments[0] or 0) - (moments[1] or 0)))
    shift = shifts.pop() if len(shifts) == 1 else 0
    return shift / (3600 * SECOND) if not shift % _QUARTER and shift <= _FARTHEST else 0


def _name(interaction: Interaction) -> str:
    request = interaction.request
    return f"{request.method} /{request.url.split('/api/v1/', 1)[-1]}"


def _side(write: Interaction, *, sent: bool) -> str:
    if sent:
        return f"recorded only before {_name(write)}, which was sent already"
    return f"recorded only after {_name(write)}, which was not sent"


def _asked(key: _meaning.Key, asked: _meaning.Ask) -> str:
    return f"asked: {key}" + (f" ({asked.summary})" if asked.summary else "")


def _moment(interaction: Interaction) -> str:
    return f"{interaction.at / SECOND:.3f} s"


def _where(place: Place) -> str:
    return f"{place.cassette}, {place.test}" if place.test else place.cassette
