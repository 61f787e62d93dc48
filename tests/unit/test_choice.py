"""Requests with values that a test invents anew, answered from the recorded ones."""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from qsession._discovery import Discovery
from qsession._drawn import Drawn, watched
from qsession._model import MEANING, Interaction, Match, Place, Provenance, Recording, Request, Response
from qsession._order import Order
from qsession._replay import Replay
from qsession.errors import ReplayMismatch

BASE = "https://quantum.cloud.ibm.com/api/v1"
SECOND = 1_000_000
START = 1_767_614_400 * SECOND
LATER = 400 * 86_400 * SECOND

OLD, NEW = "0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"
OLD2, NEW2 = "16fd2706-8baf-433b-82eb-8c7fada847da", "6fa459ea-ee8a-3ca4-894e-db77e160355e"


def exchange(
    name: str, method: str, path: str, at: float, answer: object, body: object = None, **more: Any
) -> Interaction:
    raw = json.dumps(body).encode() if body is not None else b""
    text = json.dumps(answer).encode() if answer is not None else b""
    response = Response(more.get("status", 200), "OK", {}, text)
    return Interaction(name, 0, Request(method, BASE + path, {}, raw), response, int(at * SECOND), 1000)


def submit(at: float, job: str, tags: Sequence[str], *, number: int = 1) -> Interaction:
    body = {"program_id": "other", "backend": "b", "params": {"x": number}, "tags": list(tags)}
    return exchange("jobs.create", "POST", "/jobs", at, {"id": job, "backend": "b"}, body)


def read(at: float, job: str, tags: Sequence[str]) -> Interaction:
    answer = {"id": job, "state": {"status": "Completed"}, "tags": list(tags)}
    return exchange("jobs.get", "GET", f"/jobs/{job}", at, answer)


def retag(at: float, job: str, tags: Sequence[str]) -> Interaction:
    return exchange("jobs.tags", "PUT", f"/jobs/{job}/tags", at, None, {"tags": list(tags)}, status=204)


def listed(at: float, query: str, jobs: dict[str, Sequence[str]]) -> Interaction:
    answer = {"jobs": [{"id": job, "tags": list(tags)} for job, tags in jobs.items()], "count": len(jobs)}
    return exchange("jobs.list", "GET", f"/jobs?{query}", at, answer)


def moment(seconds: float) -> str:
    return (datetime.fromtimestamp(START / SECOND, UTC) + timedelta(seconds=seconds)).isoformat()


def replaying(*interactions: Interaction, real: int = START + LATER, match: Match = MEANING) -> Replay:
    recording = Recording(Provenance("emulator", START), tuple(sorted(interactions, key=lambda i: i.at)))
    replay = Replay(recording, Discovery(()), Place("a.yaml"), allow_unused=True, match=match)
    replay._choice.bonds.real = lambda: real
    return replay


def ask(replay: Replay, asked: Interaction) -> Any:
    body = replay.answer(asked.request, START + asked.at).body
    return json.loads(body) if body else None


def refused(replay: Replay, asked: Interaction) -> ReplayMismatch:
    with pytest.raises(ReplayMismatch) as caught:
        ask(replay, asked)
    return caught.value


def test_invented_tag_is_bound_and_echoed() -> None:
    """The job shows the tag of this run, not the recorded one, and is found by it."""
    replay = replaying(
        submit(0, "j", [OLD, "mine"]),
        read(1, "j", [OLD, "mine"]),
        listed(2, f"tags={OLD}&tags=mine", {"j": [OLD, "mine"]}),
    )

    assert ask(replay, submit(0, "?", [NEW, "mine"]))["id"] == "j"
    assert ask(replay, read(1, "j", []))["tags"] == [NEW, "mine"]
    assert ask(replay, listed(2, f"tags={NEW}&tags=mine", {}))["jobs"] == [{"id": "j", "tags": [NEW, "mine"]}]


def test_literal_tag_that_changed_is_refused() -> None:
    """It is of no kind that tests invent."""
    error = refused(replaying(submit(0, "j", ["mine"])), submit(0, "?", ["yours"]))

    assert error.code == "QS302"
    assert '    tags: asked ["yours"], recorded ["mine"]' in str(error).splitlines()


@pytest.mark.parametrize(
    ("asked", "recorded"),
    [
        ([f"a-{NEW}"], [f"b-{OLD}"]),
        ([NEW, "x"], [OLD]),
        ([NEW], [OLD, OLD2]),
        ([NEW.replace("-", "")], [OLD]),
        (["run-8"], ["run-7"]),
        ([NEW, NEW], [OLD, OLD2]),
    ],
)
def test_tags_that_cannot_stand_for_each_other(asked: list[str], recorded: list[str]) -> None:
    """Another text around it, another number of them, another kind, one in the place of two."""
    assert refused(replaying(submit(0, "j", recorded)), submit(0, "?", asked)).code == "QS302"


def test_tags_come_in_any_order() -> None:
    """The client sends a set of them."""
    replay = replaying(submit(0, "j", [OLD, "mine"]), retag(1, "j", ["x", OLD2]))
    ask(replay, submit(0, "?", ["mine", NEW]))

    assert ask(replay, retag(1, "j", [NEW2, "x"])) is None


def test_bound_value_stands_for_one_recorded_value_only() -> None:
    """The same invented tag cannot stand for two recorded ones, nor two for one."""
    replay = replaying(
        submit(0, "j", [OLD]), submit(1, "k", [OLD2], number=2), submit(2, "m", [OLD], number=3)
    )
    ask(replay, submit(0, "?", [NEW]))

    assert "    tags: what the test invented stands for something else, or is of another time" in str(
        refused(replay, submit(1, "?", [NEW], number=2))
    )
    assert refused(replay, submit(2, "?", [NEW2], number=3)).code == "QS302"
    assert ask(replay, submit(2, "?", [NEW], number=3))["id"] == "m"
    assert ask(replay, submit(1, "?", [NEW2], number=2))["id"] == "k"


def test_writes_that_differ_in_invented_values_only_are_used_once_in_order() -> None:
    """A loop that submits under a new tag each time gets each job once."""
    replay = replaying(*(submit(i, f"j{i}", [tag]) for i, tag in enumerate((OLD, OLD2))))

    assert [ask(replay, submit(i, "?", [tag]))["id"] for i, tag in enumerate((NEW, NEW2))] == ["j0", "j1"]
    assert refused(replay, submit(2, "?", [OLD])).code == "QS303"


def test_bound_value_finds_its_own_write() -> None:
    """Once it is known what a value stands for, order does not matter."""
    replay = replaying(
        listed(0, f"tags={OLD2}", {}), submit(1, "j", [OLD]), submit(2, "k", [OLD2]), read(3, "k", [OLD2])
    )
    ask(replay, listed(0, f"tags={NEW2}", {}))

    assert ask(replay, submit(1, "?", [NEW2]))["id"] == "k"
    assert ask(replay, submit(2, "?", [NEW]))["id"] == "j"
    assert ask(replay, read(3, "k", []))["tags"] == [NEW2]


def test_search_that_was_invented() -> None:
    """A search for what nobody has: the recorded one stands for it."""
    recorded = exchange("tags.list", "GET", f"/tags?type=job&search={OLD}", 0, {"tags": [f"{OLD} 1"]})
    asked = exchange("tags.list", "GET", f"/tags?type=job&search={NEW}", 0, None)

    assert ask(replaying(recorded), asked) == {"tags": [f"{NEW} 1"]}
    other = exchange("tags.list", "GET", "/tags?type=job&search=bell", 0, None)
    assert refused(replaying(recorded), other).code == "QS301"


@pytest.mark.parametrize("shift", [0.0, 5.0, -290.0])
def test_moment_in_a_query_counts_from_now(shift: float) -> None:
    """A week ago is a week ago, in whatever second it is asked."""
    recorded = listed(3, f"created_after={moment(3 - 7 * 86400)}&limit=1".replace("+", "%2B"), {})
    replay = replaying(recorded, submit(60, "j", []))
    asked = listed(9, f"limit=1&created_after={moment(9.5 - 7 * 86400 + shift)}".replace("+", "%2B"), {})

    assert ask(replay, asked) == {"jobs": [], "count": 0}


def test_moment_of_the_machine_counts_from_the_machines_now() -> None:
    """A constant that was made at import is of the real day, not of the recording's."""
    real = START + LATER
    made = datetime.fromtimestamp(real / SECOND - 20.5, UTC).isoformat().replace("+", "%2B")
    recorded = listed(3, f"created_after={moment(0)}".replace("+", "%2B"), {})

    assert ask(replaying(recorded, real=real), listed(4, f"created_after={made}", {}))["count"] == 0


@pytest.mark.parametrize("days", [1, 8, 30])
def test_another_span_is_refused(days: int) -> None:
    """A day ago is not a week ago."""
    recorded = listed(3, f"created_after={moment(3.5 - 7 * 86400)}".replace("+", "%2B"), {})
    asked = listed(3, f"created_after={moment(3.5 - days * 86400)}".replace("+", "%2B"), {})

    assert refused(replaying(recorded), asked).code == "QS301"


def test_literal_moment_that_changed_is_refused() -> None:
    """A date that is written in the test is not of now."""
    recorded = listed(3, "created_after=2024-01-01T00:00:00", {})

    assert ask(replaying(recorded), recorded)["count"] == 0
    assert refused(replaying(recorded), listed(3, "created_after=2024-01-01T00:00:01", {})).code == "QS301"


def test_moment_in_a_tag_must_be_of_now_too() -> None:
    """The time of a run as a tag is invented; the time of some run is a literal."""
    recorded = submit(5, "j", [f"at {moment(5)}"])
    older = submit(5, "j", [f"at {moment(-200_000)}"])

    assert refused(replaying(older), submit(5, "?", [f"at {moment(-200_001)}"])).code == "QS302"
    assert ask(replaying(older), older)["id"] == "j"
    assert ask(replaying(recorded), submit(9, "?", [f"at {moment(9)}"]))["id"] == "j"
    assert refused(replaying(recorded), submit(9, "?", [f"at {moment(-9000)}"])).code == "QS302"


def test_lists_since_now_are_one_thing_over_time() -> None:
    """Asked again and again, each time with another moment, it shows the state of its time."""
    queries = [f"created_after={moment(at - 60)}".replace("+", "%2B") for at in (0, 10, 20)]
    states = [
        listed(at, query, {"j": []} if at else {}) for at, query in zip((0, 10, 20), queries, strict=True)
    ]
    replay = replaying(*states)
    moments = (1, 5, 12, 20)
    asked = [listed(at, f"created_after={moment(at - 59.5)}".replace("+", "%2B"), {}) for at in moments]

    assert [ask(replay, each)["count"] for each in asked] == [0, 0, 1, 1]


def test_strict_takes_every_value_as_it_is() -> None:
    """Nothing is bound where bytes are compared."""
    strict = Match(strict=True)
    replay = replaying(submit(0, "j", [OLD]), listed(1, f"tags={OLD}", {}), match=strict)

    assert refused(replay, listed(1, f"tags={NEW}", {})).code == "QS301"
    assert refused(replay, submit(0, "?", [NEW])).code == "QS311"
    assert ask(replay, submit(0, "?", [OLD]))["id"] == "j"


def test_strict_names_the_first_difference() -> None:
    """Where, and what it is on both sides."""
    replay = replaying(submit(0, "j", [OLD]), match=Match(strict=True))

    assert str(refused(replay, submit(0, "?", [OLD], number=2))) == (
        "A request is not value by value what was recorded (match='strict'). Nothing was sent. [QS311]\n"
        "  asked: POST /jobs (other (not fully understood))\n"
        "  compared byte by byte, in whole or in part: the program 'other' is not known\n"
        "  recorded at 0.000 s, but:\n"
        "    x: asked 2, recorded 1\n"
        "To fix: pytest --qsession-record\n"
        'If this is intended: leave match="strict" out: then its meaning counts\n'
        "Where: a.yaml"
    )


def test_unnamed_tags_are_not_compared() -> None:
    """A tuple says what counts; what is no part of it does not."""
    replay = replaying(submit(0, "j", ["mine"]), match=Match(frozenset({"circuits", "options"})))

    assert ask(replay, submit(0, "?", ["yours"]))["id"] == "j"


def test_jobs_in_the_other_order_get_their_own_answers() -> None:
    """Ids, results and metrics belong to what was asked, from threads too."""
    jobs = {1: "j", 2: "k"}
    kinds = [
        exchange(f"jobs.{kind}", "GET", f"/jobs/{job}/{kind}", 5 + n, {"of": job, "kind": kind})
        for n, job in jobs.items()
        for kind in ("results", "metrics")
    ]
    replay = replaying(*(submit(n, job, [OLD], number=n) for n, job in jobs.items()), *kinds)
    seen: dict[int, list[object]] = {}

    def work(number: int) -> None:
        job = ask(replay, submit(3 - number, "?", [NEW], number=number))["id"]
        paths = [
            exchange(f"jobs.{kind}", "GET", f"/jobs/{job}/{kind}", 9, None) for kind in ("results", "metrics")
        ]
        seen[number] = [job, *(ask(replay, path)["of"] for path in paths)]

    for number in (2, 1):
        thread = threading.Thread(target=work, args=(number,))
        thread.start()
        thread.join()

    assert seen == {2: ["k"] * 3, 1: ["j"] * 3}


def test_short_word_that_was_drawn_is_bound() -> None:
    """Five digits look like a literal, but this process has just drawn them."""
    replay = replaying(
        retag(0, "j", ["0a1b2_new_tag_0", "cafe1_new_tag_1", "mine"]),
        read(1, "j", ["0a1b2_new_tag_0", "cafe1_new_tag_1", "mine"]),
    )
    with watched(replay.drawn):
        words = [uuid.uuid4().hex[:5] for _ in range(2)]
    tags = [f"{words[1]}_new_tag_1", "mine", f"{words[0]}_new_tag_0"]

    assert ask(replay, retag(0, "j", tags)) is None
    assert ask(replay, read(1, "j", []))["tags"] == [tags[2], tags[0], "mine"]


@pytest.mark.parametrize(
    ("recorded", "made"),
    [
        ("{word}_new_tag_0", "{word}_new_tag_1"),
        ("12345x_new", "{word}_new"),
        ("1234_new", "{word}_new"),
        ("ABCDE_new", "{word}_new"),
    ],
)
def test_short_word_that_was_drawn_stands_for_its_like_only(recorded: str, made: str) -> None:
    """As many hexadecimal digits, and nothing else may differ."""
    replay = replaying(submit(0, "j", [recorded.format(word="12345")]))
    with watched(replay.drawn):
        word = uuid.uuid4().hex[:5]

    assert refused(replay, submit(0, "?", [made.format(word=word)])).code == "QS302"


def test_short_word_that_nobody_drew_is_a_literal() -> None:
    """A UUID that was drawn elsewhere proves nothing."""
    replay = replaying(submit(0, "j", ["0a1b2_new"]))
    with watched(replay.drawn):
        uuid.uuid4()

    assert refused(replay, submit(0, "?", ["fffff_new"])).code == "QS302"


def test_watching_ends() -> None:
    """What the standard library draws with is put back, unless somebody put something over it."""
    before = os.urandom
    with watched(Drawn()):
        assert os.urandom is not before
    assert os.urandom is before


def test_watching_leaves_a_strangers_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is theirs to put back."""

    def theirs(size: int) -> bytes:
        return bytes(size)

    monkeypatch.setattr(os, "urandom", os.urandom)
    with watched(Drawn()):
        os.urandom = theirs
    assert os.urandom is theirs


@pytest.mark.parametrize("kind", ["distinct", "same", "tagged"])
def test_matching_is_a_lookup(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many writes were recorded, one or two are looked at for each that is asked."""
    count = 200
    tags = {"tagged": lambda: [str(uuid.uuid4())]}.get(kind, lambda: [])

    def jobs() -> list[Interaction]:
        return [submit(i, f"j{i}", tags(), number=i if kind == "distinct" else 0) for i in range(count)]

    replay, looked, fits = replaying(*jobs()), [], Order.fits

    def counting(order: Order, *given: Any) -> bool:
        looked.append(given)
        return fits(order, *given)

    monkeypatch.setattr(Order, "fits", counting)
    assert [ask(replay, each)["id"] for each in jobs()] == [f"j{i}" for i in range(count)]
    assert len(looked) == count
