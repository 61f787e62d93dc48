"""Recording under threads loses nothing, and the threads of a replay may come in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from crowd import REQUESTS, THREADS, work_in_a_crowd

import qsession


@pytest.fixture(scope="module")
def cassette(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("crowd") / "crowd.yaml"


@pytest.fixture(scope="module")
def answers(cassette: Path) -> Mapping[int, list[object]]:
    """What each thread was answered while it was recorded against the emulator."""
    with qsession.record(cassette, target="emulator"):
        return work_in_a_crowd()


@pytest.fixture
def interactions(answers: Mapping[int, list[object]], cassette: Path) -> list[dict[str, dict[str, object]]]:
    assert len(answers) == THREADS
    return yaml.load(cassette.read_text(), Loader=yaml.CSafeLoader)["interactions"]


def test_recording_of_16_threads_holds_every_request(
    interactions: list[dict[str, dict[str, object]]],
) -> None:
    """320 requests, with equal polls of one session counted as one interaction."""
    counted: Counter[str] = Counter()
    for each in interactions:
        counted[str(each["request"]["method"])] += int(each["qsession"].get("seen", 1))
    assert counted == {"POST": 2 * THREADS, "PATCH": 2 * THREADS, "GET": (REQUESTS - 4) * THREADS}


def test_recording_of_16_threads_answers_each_its_own(answers: Mapping[int, list[object]]) -> None:
    """Each thread is told of its own session only."""
    for number, (mine, ttl, _, *polls) in answers.items():
        assert ttl == 100 + number
        assert set(polls) == {(mine, 100 + number, "open")}


def test_recording_of_16_threads_gives_each_session_an_id(answers: Mapping[int, list[object]]) -> None:
    """Sessions that were asked for in the same words have different ids, too."""
    ids = [name for mine, _, same, *_ in answers.values() for name in (mine, same)]
    assert len(set(ids)) == 2 * THREADS


def test_recording_of_16_threads_refers_only_to_ids_that_it_made(
    answers: Mapping[int, list[object]], interactions: list[dict[str, dict[str, object]]]
) -> None:
    """What is read and changed in the cassette are the sessions that the threads saw."""
    ids = {name for mine, _, same, *_ in answers.values() for name in (mine, same)}
    uris = [str(each["request"]["uri"]) for each in interactions]
    assert {uri.rsplit("/", 1)[1] for uri in uris if "/sessions/" in uri} == ids


@pytest.mark.parametrize("order", range(3))
def test_replay_by_threads_in_another_order_answers_the_same(
    answers: Mapping[int, list[object]], cassette: Path, order: int
) -> None:
    """Each thread sees what it saw; who gets which of the equal sessions is left to chance."""
    with qsession.replay(cassette) as run:
        again = work_in_a_crowd(order=order)
    assert run.live_requests == 0
    assert {n: (seen[:2], seen[3:]) for n, seen in again.items()} == {
        n: (seen[:2], seen[3:]) for n, seen in answers.items()
    }
    assert sorted(str(seen[2]) for seen in again.values()) == sorted(str(s[2]) for s in answers.values())
