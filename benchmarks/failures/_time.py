"""Time: tokens that expire, polls, waits, and what a file tells of its age."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
import yaml

from benchmarks._measuring import stopped
from benchmarks.failures._lab import (
    API,
    HEADERS,
    MOMENT,
    SECOND,
    Experiment,
    Lab,
    Seen,
    Site,
    get,
    read,
    recorded,
    refusal,
)
from qsession._model import Provenance

_STATE = '{"id":"d0000000000000000001","state":{"status":"Queued"}}'
QUEUED, DONE = _STATE, _STATE.replace("Queued", "Completed")
JOB = "/jobs/d0000000000000000001"
LATER = {"at once": 0, "30 minutes": 30, "50 minutes": 50, "2 hours": 120, "30 days": 43_200}


def _usage(times: int = 1) -> None:
    """Make a service, and ask it for something: a token, requests of discovery, reads."""
    from qiskit_ibm_runtime import QiskitRuntimeService

    service = QiskitRuntimeService()
    for _ in range(times):
        service.usage()


def _at(moment: datetime, minutes: float, act: Callable[[], None]) -> str:
    """What an act comes to when it is done so many minutes after a moment."""
    from freezegun import freeze_time

    with freeze_time(moment + timedelta(minutes=minutes), tick=True):
        try:
            act()
        except Exception as error:  # noqa: BLE001 - told by its type
            return type(error).__name__
    return "ok"


def _told(became: Mapping[str, str]) -> Seen:
    failed = [name for name, what in became.items() if what != "ok"]
    told = ", ".join(f"{name}: {what}" for name, what in became.items())
    return Seen(told, bool(failed))


def _stock_iam(lab: Lab) -> Seen:
    import vcr

    from benchmarks._platform import served

    path = str(lab.folder / "a.yaml")
    with served(lab.folder) as environment:
        os.environ.update(environment, USAGE_DATA_OPT_OUT="True")

        def use(mode: str) -> None:
            with vcr.use_cassette(path, record_mode=mode):
                _usage(2)

        moment = datetime.now(UTC)
        use("once")
        return _told({name: _at(moment, minutes, lambda: use("none")) for name, minutes in LATER.items()})


def _ours_iam(lab: Lab) -> Seen:
    import qsession

    path = lab.folder / "a.yaml"

    def use(run: qsession.Run) -> None:
        with run:
            _usage(2)

    moment = datetime.now(UTC)
    use(qsession.record(path, target="emulator"))
    return _told(
        {name: _at(moment, minutes, lambda: use(qsession.replay(path))) for name, minutes in LATER.items()}
    )


def _stock_token(lab: Lab) -> Seen:
    import vcr

    from benchmarks._platform import served

    def scrub(response: dict[str, dict[str, bytes]]) -> dict[str, dict[str, bytes]]:
        if b"access_token" in response["body"]["string"]:
            response["body"]["string"] = (
                b'{"access_token":"REDACTED","token_type":"Bearer","expires_in":3600}'
            )
        return response

    became, path = {}, str(lab.folder / "a.yaml")
    with served(lab.folder) as environment:
        os.environ.update(environment, USAGE_DATA_OPT_OUT="True")
        for mode in ("once", "none"):
            try:
                with vcr.use_cassette(path, record_mode=mode, before_record_response=scrub):
                    _usage()
                became[mode] = "ok"
            except Exception as error:  # noqa: BLE001 - told by its type
                became[mode] = type(error).__name__
    told = f"the token scrubbed to REDACTED: recording {became['once']}, replay {became['none']}"
    return Seen(told, became["once"] == "ok" != became["none"])


def _ours_token(lab: Lab) -> Seen:
    import qsession

    path = lab.folder / "cassettes" / "a.yaml"
    with qsession.record(path, target="emulator"):
        _usage()
    with qsession.replay(path):
        _usage()
    kept = any(word in path.read_text() for word in ("access_token", "eyJ"))
    return Seen(
        "no token is in the file" + (" but one" if kept else ", and the replay makes a new one"), kept
    )


def _stock_polls(lab: Lab, times: int, **options: object) -> str:
    import vcr

    path = str(lab.folder / f"{times}-{len(options)}.yaml")
    with Site(lambda _path, _body, before: QUEUED if before < 3 else DONE) as site:
        with vcr.use_cassette(path):
            for _ in range(4):
                requests.get(site.url, timeout=30)
        seen: list[str] = []
        try:
            with vcr.use_cassette(path, record_mode="none", **options):
                for _ in range(times):
                    seen.append(
                        "Completed" if "Completed" in requests.get(site.url, timeout=30).text else "Queued"
                    )
        except Exception as refused:  # noqa: BLE001 - told by its type
            seen.append(type(refused).__name__)
    return seen[-1]


def _stock_polling(lab: Lab) -> Seen:
    more = _stock_polls(lab, 6)
    fewer = _stock_polls(lab, 2)
    ever = _stock_polls(lab, 20, allow_playback_repeats=True)
    told = f"of 4 recorded polls, 6 end in {more}, 2 in {fewer} without an error; with repeats, 20 in {ever}"
    return Seen(told, "Exception" in more and fewer == "Queued" == ever)


def _ours_polling(lab: Lab) -> Seen:
    import qsession

    path = recorded(lab.folder, read(JOB, QUEUED, seen=3, last=2), read(JOB, DONE, at=3))
    ends = {}
    for every in (0.3, 2.0):
        with qsession.replay(path) as run:
            begun, polls = run.clock.now(), 0
            while "Completed" not in get(JOB).text:
                polls += 1
                time.sleep(every)
            ends[polls + 1] = (run.clock.now() - begun).total_seconds()
    told = " and ".join(f"{polls} polls see the end after {seconds:.1f} s" for polls, seconds in ends.items())
    return Seen(
        f"of 4 recorded polls over 3 s, {told}", not all(3 <= seconds <= 5 for seconds in ends.values())
    )


def _retrying() -> requests.Session:
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    session = requests.Session()
    retries = Retry(3, backoff_factor=0.5, status_forcelist=[503], raise_on_status=False)
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    return session


def _stock_waits(lab: Lab) -> Seen:
    import vcr

    path = str(lab.folder / "a.yaml")
    with Site(lambda _path, _body, before: (503, {}, b"") if before < 3 else "ok") as site:
        with vcr.use_cassette(path), _retrying() as session:
            session.get(site.url, timeout=30)
        with stopped() as watch, vcr.use_cassette(path, record_mode="none"), _retrying() as session:
            session.get(site.url, timeout=30)
            for _ in range(2):
                time.sleep(0.5)
    return Seen(
        f"3 recorded answers of 503 and 2 waits of a poll take {watch.seconds:.1f} s", watch.seconds > 3.5
    )


def _ours_waits(lab: Lab) -> Seen:
    import qsession

    three = [read(JOB, "{}", at=second, status=503) for second in (0, 0.001, 1)]
    path = recorded(lab.folder, *three, read(JOB, DONE, at=2.9))
    with qsession.replay(path) as run, _retrying() as session:
        begun = run.clock.now()
        with stopped() as watch:
            answer = session.get(API + JOB, headers=HEADERS, timeout=30)
            for _ in range(2):
                time.sleep(0.5)
        virtual = (run.clock.now() - begun).total_seconds()
    told = f"the same take {watch.seconds:.2f} s, in which {virtual:.1f} s pass on the virtual clock"
    return Seen(told, answer.status_code != 200 or watch.seconds > 1 or virtual < 3.9)


def _stock_age(lab: Lab) -> Seen:
    import vcr

    path = lab.folder / "a.yaml"
    with Site() as site, vcr.use_cassette(str(path)):
        requests.get(site.url, timeout=30)
    document = yaml.safe_load(path.read_text())
    keys = sorted({*document, *document["interactions"][0]})
    return Seen(
        f"the file holds {', '.join(keys)}: no moment, version or digest", "recorded_at" not in str(keys)
    )


def _ours_age(lab: Lab) -> Seen:
    import qsession
    from qsession._staleness import Expiry

    path = lab.folder / "a.yaml"
    with qsession.record(path, target="emulator"):
        _usage()
    head = yaml.safe_load(path.read_text())["metadata"]["qsession"]
    wanted = ("recorded_at", "api_version", "versions")
    there = [name for name in wanted if name in head]
    aged = Expiry(days=90).of_age(Provenance("ibm", MOMENT), MOMENT + 91 * 86_400 * SECOND, "a.yaml")
    told = (
        f"the file tells {', '.join(there)}, digests; with `qsession_expire = 90d` it is stale after 91 days"
    )
    return Seen(told, len(there) < len(wanted) or not aged)


def _stock_missing(lab: Lab) -> Seen:
    import vcr

    with Site() as site, vcr.use_cassette(str(lab.folder / "gone.yaml")):
        requests.get(site.url, timeout=30)
    return Seen(
        f"the default of vcrpy, `once`, asks the service ({site.hits} time) and records", site.hits > 0
    )


def _ours_missing(lab: Lab) -> Seen:
    import qsession

    path: Path = lab.folder / "gone.yaml"
    code = refusal(lambda: qsession.replay(path).__enter__())
    return Seen(f"{code}, names the command that records it", code != "QS201")


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    "iam-later": (_stock_iam, _ours_iam),
    "token-scrubbed": (_stock_token, _ours_token),
    "polls": (_stock_polling, _ours_polling),
    "waits-real": (_stock_waits, _ours_waits),
    "no-age": (_stock_age, _ours_age),
    "missing-made": (_stock_missing, _ours_missing),
}
