"""What stays in a file that should not be there, and what scrubbing breaks."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests

from benchmarks.failures._lab import API, HEADERS, Experiment, Lab, Seen, Site, written

KEY = "planted-key-0123456789-abcdefghij"
HIDDEN = base64.b64encode(b"user:" + KEY.encode()).decode()
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpYW1faWQiOiJJQk1pZC1wbGFudGVkIn0.cGxhbnRlZC1zaWduYXR1cmU"
COOKIE = "planted-cookie-9876543210"
NESTED = "planted-nested-5555-secret-value"
CHARSET = "planted-charset-6666-secret-value"
PLACES = {
    "the API key": KEY,
    "the bearer token": TOKEN,
    "Set-Cookie": COOKIE,
    "a nested JSON field": NESTED,
    "JSON with a charset": CHARSET,
}
_SETS = {"Content-Type": "application/json", "Set-Cookie": f"session={COOKIE}"}


def _answer(path: str, _body: bytes, _before: int) -> tuple[int, Mapping[str, str], bytes]:
    token = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}
    return 200, _SETS, json.dumps(token if "token" in path else {"jobs": []}).encode()


def _talk(iam: str, api: str) -> None:
    """What a client tells: its key, its token, and what its user put into a session."""
    requests.post(f"{iam}/identity/token", data={"apikey": KEY, "grant_type": "apikey"}, timeout=30)
    headers = {**HEADERS, "Authorization": f"Bearer {TOKEN}"}
    nested = {"mode": "dedicated", "backend": "ibm_fez", "options": {"apikey": NESTED}}
    requests.post(f"{api}/sessions", data=json.dumps(nested), headers=headers, timeout=30)
    flat = {"mode": "dedicated", "backend": "ibm_fez", "apikey": CHARSET}
    kind = {**headers, "Content-Type": "application/json; charset=utf-8"}
    requests.post(f"{api}/sessions", data=json.dumps(flat), headers=kind, timeout=30)


def _found(content: bytes) -> Seen:
    found = [place for place, value in PLACES.items() if value.encode() in content]
    return Seen(
        f"{len(found)} of {len(PLACES)} are in the file" + (f": {', '.join(found)}" if found else ""),
        bool(found),
    )


def _stock(lab: Lab, **filters: object) -> Seen:
    import vcr

    path = lab.folder / "a.yaml"
    with Site(_answer) as site, vcr.use_cassette(str(path), **filters):
        _talk(site.url, site.url)
    return _found(path.read_bytes())


def _stock_defaults(lab: Lab) -> Seen:
    return _stock(lab)


def _stock_filters(lab: Lab) -> Seen:
    filters = {"filter_headers": ["authorization", "set-cookie"], "filter_post_data_parameters": ["apikey"]}
    return _stock(lab, **filters)


def _telling() -> Any:
    from qsession._model import Instant, Request, Response
    from qsession.emulator import Emulator

    class Telling(Emulator):
        """An emulator that sets a cookie in every answer."""

        def answer(self, request: Request, at: Instant) -> Response:
            answer = super().answer(request, at)
            return replace(answer, headers={**answer.headers, "set-cookie": f"session={COOKIE}"})

    return Telling()


def _ours(lab: Lab) -> Seen:
    import qsession

    with qsession.record(lab.folder / "a.yaml", target="emulator", emulator=_telling()):
        _talk("https://iam.cloud.ibm.com", API)
    seen = _found(content := written(lab.folder))
    whole = content.count(b"/api/v1/sessions") >= 2
    return seen if whole else Seen("the sessions were not recorded", True)


def _stock_base64(lab: Lab) -> Seen:
    import vcr

    path = lab.folder / "a.yaml"
    with Site() as site, vcr.use_cassette(str(path), filter_sensitive_data=[("<KEY>", KEY)]):
        requests.post(site.url, data=json.dumps({"plain": KEY, "hidden": HIDDEN}), timeout=30)
    return _forms(path.read_bytes())


def _forms(content: bytes) -> Seen:
    plain, hidden = KEY.encode() in content, HIDDEN.encode() in content
    there = [name for name, found in (("as it is", plain), ("in base64", hidden)) if found]
    return Seen(
        f"a key is in the file {' and '.join(there)}" if there else "a key is in the file in neither form",
        bool(there),
    )


def _ours_base64(lab: Lab) -> Seen:
    import qsession

    with qsession.record(lab.folder / "a.yaml", target="emulator"):
        requests.post("https://iam.cloud.ibm.com/identity/token", data={"apikey": KEY}, timeout=30)
        body = {"mode": "dedicated", "backend": "ibm_fez", "options": {"plain": KEY, "hidden": HIDDEN}}
        requests.post(f"{API}/sessions", data=json.dumps(body), headers=HEADERS, timeout=30)
    content = written(lab.folder)
    return _forms(content) if b"hidden" in content else Seen("the session was not recorded", True)


def _stock_hook(lab: Lab) -> Seen:
    import vcr

    def scrub(response: dict[str, Any]) -> dict[str, Any]:
        response["body"]["string"] = response["body"]["string"].replace(b"real-id", b"fake-id")
        return response

    told = []
    with Site(lambda *_: '{"id":"real-id"}') as site:
        for mode in ("once", "none"):
            path = str(lab.folder / "a.yaml")
            with vcr.use_cassette(path, record_mode=mode, before_record_response=scrub):
                told.append(requests.get(site.url, timeout=30).json()["id"])
    return Seen(f"the test sees {told[0]} when it is recorded, {told[1]} in its replay", told[0] != told[1])


def _ours_hook(lab: Lab) -> Seen:
    import qsession

    path: Path = lab.folder / "a.yaml"
    told = []
    body = json.dumps({"mode": "dedicated", "backend": "ibm_fez"})
    for run in (qsession.record(path, target="emulator"), qsession.replay(path)):
        with run:
            told.append(requests.post(f"{API}/sessions", data=body, headers=HEADERS, timeout=30).json()["id"])
    return Seen(f"the test sees the same id both times: {told[0] == told[1]}", told[0] != told[1])


EXPERIMENTS: Mapping[str, tuple[Experiment, Experiment]] = {
    "secrets-defaults": (_stock_defaults, _ours),
    "secrets-filters": (_stock_filters, _ours),
    "secrets-base64": (_stock_base64, _ours_base64),
    "scrub-differs": (_stock_hook, _ours_hook),
}
