"""However an account was given while recording, any other account replays it."""

from __future__ import annotations

import pytest
from emulated_service import CRNS, KEY, EmulatedService, Outcome

_OTHER_CRN = (
    "crn:v1:bluemix:public:quantum-computing:us-east:a/"
    + "5" * 32
    + ":55555555-5555-4555-8555-555555555555::"
)

RECORDED = {
    "bare": {},
    "crn": {"instance": CRNS[0]},
    "name": {"instance": "real-premium"},
    "region": {"region": "eu-de"},
    "plans": {"plans_preference": ["flex"]},
    "tags": {"tags": ["team-red"]},
    "url": {
        "channel": "ibm_quantum_platform",
        "url": "https://cloud.ibm.com",
        "token": KEY,
        "instance": CRNS[1],
    },
}

REPLAYED = {
    "as recorded": None,
    "none": {},
    "other crn": {"token": "another-key", "instance": _OTHER_CRN},
    "other name": {"token": "another-key", "instance": "somebody-elses"},
    "saved account of another machine": {"name": "saved-elsewhere"},
    "other region": {"token": "another-key", "region": "eu-de"},
    "other plan and tag": {"plans_preference": ["open"], "tags": ["nowhere"]},
}


@pytest.fixture(scope="module")
def recordings(service: EmulatedService, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    runs = [{"steps": "account", "cassette": f"{way}.yaml", **asked} for way, asked in RECORDED.items()]
    account = {"QISKIT_IBM_TOKEN": KEY}
    return service.run(tmp_path_factory.mktemp("accounts"), "record", runs, account=account)


@pytest.fixture(scope="module")
def replays(service: EmulatedService, recordings: Outcome) -> dict[tuple[str, str], object]:
    pairs = [(way, other) for way in RECORDED for other in REPLAYED]
    runs = []
    for way, other in pairs:
        asked = REPLAYED[other]
        runs.append(
            {"steps": "account", "cassette": f"{way}.yaml", **(RECORDED[way] if asked is None else asked)}
        )
    outcome = service.run_alone(recordings.folder, runs)
    assert (outcome.status, outcome.events) == (0, {}), outcome.stderr
    return dict(zip(pairs, outcome.runs, strict=True))


@pytest.mark.parametrize("way", RECORDED)
def test_recording_with_an_account_given_in_some_way_succeeds(recordings: Outcome, way: str) -> None:
    """The real client finds its instance through search and catalog, and opens its session."""
    run = recordings.runs[list(RECORDED).index(way)]
    assert (run["error"], run["seen"]["status"]) == ("", "Closed")


@pytest.mark.parametrize("other", REPLAYED)
@pytest.mark.parametrize("way", RECORDED)
def test_replay_with_another_account_sees_the_same(
    recordings: Outcome, replays: dict[tuple[str, str], object], way: str, other: str
) -> None:
    """The same session, details and status, whoever asks."""
    recorded = recordings.runs[list(RECORDED).index(way)]
    replayed = replays[way, other]
    assert (replayed["error"], replayed["seen"]) == ("", recorded["seen"])
