"""A recording as a plain cassette of vcrpy, which needs nothing of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from qsession import _cassette
from qsession._discovery import Discovery
from qsession._endpoints import identify
from qsession._model import SECOND, Instant, Interaction, Recording, Request, Response

_CENTURY = 100 * 365 * 24 * 3600
# What the client adds to the search for instances; vcrpy compares queries (read in client 0.51's SDK).
_SEARCH = "limit=100"


def plain(recording: Recording) -> str:
    """The text of a plain cassette.

    What a recording leaves out because it belongs to an account (tokens, instances, plans) is
    made up as in a replay of ours; the token is valid for a century, since stock vcrpy has no clock.

    Args:
        recording: The recording.

    Raises:
        CassetteError: If a large body is missing or damaged (QS206).
    """
    return _cassette.dump({"version": 1, "interactions": list(_entries(recording))})


def _entries(recording: Recording) -> Iterator[dict[str, Any]]:
    discovery = Discovery.of(recording.provenance)
    plans = _plans(discovery, recording.provenance.recorded_at)
    asked = 0
    for interaction in recording.interactions:
        # Stock vcrpy gives each answer once.
        for _ in range(interaction.seen):
            told = interaction
            if interaction.endpoint == "catalog.entry":
                told = _at(interaction, interaction.request.url.replace("{plan}", plans[asked % len(plans)]))
                asked += 1
            yield _entry(_answered(told, discovery, recording.provenance.recorded_at))


def _answered(interaction: Interaction, discovery: Discovery, start: Instant) -> Interaction:
    call = identify(interaction.request)
    if call is None or interaction.response.status >= 400:
        return interaction
    if call.endpoint.name == "search.resources":
        interaction = _at(interaction, f"{interaction.request.url}?{_SEARCH}")
    made = discovery.answer(call, start + interaction.at)
    if made is None:
        return interaction
    body = _lasting(made.body, start) if call.endpoint.name == "iam.token" else made.body
    return replace(interaction, response=Response(made.status, made.reason, made.headers, body))


def _lasting(body: bytes, start: Instant) -> bytes:
    answer = json.loads(body)
    issued = start // SECOND
    claims = {"iam_id": "IBMid-0000000000", "iat": issued, "exp": issued + _CENTURY}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    token = ".".join(_segment(json.dumps(part).encode()) for part in parts) + "." + _segment(b"qsession")
    answer |= {"access_token": token, "expires_in": _CENTURY, "expiration": issued + _CENTURY}
    return json.dumps(answer, separators=(",", ":")).encode()


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _plans(discovery: Discovery, start: Instant) -> Sequence[str]:
    call = identify(Request("POST", "https://api.global-search-tagging.cloud.ibm.com/v3/resources/search"))
    assert call is not None
    found = discovery.answer(call, start)
    assert found is not None
    return [str(item["service_plan_unique_id"]) for item in json.loads(found.body)["items"]]


def _at(interaction: Interaction, url: str) -> Interaction:
    return replace(interaction, request=replace(interaction.request, url=url))


def _entry(interaction: Interaction) -> dict[str, Any]:
    """As our own cassettes have it, but without what is ours and with large bodies in their place."""
    large: dict[str, bytes] = {}
    entry = _cassette.entry_of(interaction, large)
    ours = entry.pop("qsession")
    if reference := ours.get("request_body"):
        entry["request"]["body"] = _cassette.inline(large[reference])
    if reference := ours.get("response_body"):
        entry["response"]["body"]["string"] = _cassette.inline(large[reference])
    return entry
