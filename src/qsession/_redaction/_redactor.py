"""Learns what is secret while a recording runs, takes it out, and proves it gone."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from qsession._bodies import read_object
from qsession._discovery import fake_crn, region_of
from qsession._endpoints import Call, identify
from qsession._model import Interaction, Provenance, Recording, Request, Response
from qsession._redaction import _json
from qsession._redaction._edit import Editor
from qsession._redaction._layers import unbase64
from qsession._redaction._marks import Mark, mark
from qsession._redaction._rules import CIRCUIT_NAMES, LOGS, TAGS, Rules
from qsession._redaction._search import Search
from qsession._redaction._shapes import NO_TRACE, PRIVATE, private
from qsession._redaction._urls import canonical_url
from qsession._redaction._values import REDACTED, Values
from qsession.errors import CassetteError

KEPT_REQUEST = ("accept", "content-type", "ibm-api-version")
KEPT_RESPONSE = ("content-type", "retry-after")
_ACCOUNT = re.compile(r":a/([0-9A-Za-z]{6,64})")
_LEARNED = frozenset({"user id", "account id", "API key", "token"})
_REMEMBERED = 64
_MOST_SHOWN = 5

STRANGER = 2**32 - 2
"""The number of an instance that was mentioned and not used."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret that is in what would be written, and that nothing takes out.

    Attributes:
        kind: What it is.
        where: Where it is; never the secret itself.
    """

    kind: str
    where: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind} (the value is not shown)"


def few(findings: Sequence[object]) -> list[str]:
    """The first of some findings as lines, and how many more there are."""
    rest = len(findings) - _MOST_SHOWN
    return [str(each) for each in findings[:_MOST_SHOWN]] + ([f"and {rest} more"] if rest > 0 else [])


def not_written(evidence: str, *, where: str) -> CassetteError:
    """QS207: the last net, before something is written."""
    return CassetteError(
        "QS207",
        "A secret would have been written. Nothing was.",
        evidence=[evidence],
        fix="keep the value out of what the test sends: circuit names, tags, options",
        where=where,
    )


class Redactor:
    """Keeps secrets out of one recording. Safe for concurrent use.

    Args:
        rules: What a user wants taken out besides.
    """

    def __init__(self, rules: Rules | None = None) -> None:
        self.rules = rules or Rules()
        self.values = Values()
        # Held for moments only: what is cleaned may be what a thread logs that holds a handler's lock.
        self._lock = threading.Lock()
        self._crns: list[str] = []
        self._tags: dict[str, str] = {}
        # A poll says the same each time.
        self._cleaned = lru_cache(_REMEMBERED)(lambda _generation, body: self._editor.data(body))
        self._look_for(Search(self.values, self.rules.own))

    def _look_for(self, search: Search) -> None:
        tag = self._tag if TAGS in self.rules.kinds and not search.report else None
        wipe = CIRCUIT_NAMES in self.rules.kinds and not search.report
        self._search, self._editor = search, Editor(search, self._stand_in, self._saw, tag, wipe)

    def for_reports(self, values: Values) -> Redactor:
        """One that cleans what is said: the same rules, other values, paths of this machine as they are."""
        new = Redactor(self.rules)
        new.values = values
        new._look_for(Search(values, self.rules.own, report=True))
        return new

    @property
    def known(self) -> int:
        """Grows with each new secret: what was proven before must then be again."""
        return self.values.generation

    def learn_account(self, crn: str) -> None:
        """Remember an instance that may be used, its account and its id."""
        self._learn_parts(crn, NO_TRACE)

    def learn(self, kind: str, value: str, *, substitute: str = REDACTED) -> None:
        """Remember a value that must never be written.

        Args:
            kind: What it is, for messages: the value itself is never shown.
            value: The secret. Shorter than 8 characters is ignored: it would be
                found by chance.
            substitute: What to write in its place.
        """
        self.values.learn(kind, value, substitute=substitute)

    def learn_crn(self, crn: str) -> int:
        """Remember an instance that is used, its account and its id.

        Args:
            crn: Cloud resource name.

        Returns:
            Which instance it is, in the order of first sight.
        """
        with self._lock:
            if crn in self._crns:
                return self._crns.index(crn)
            self._crns.append(crn)
            index = len(self._crns) - 1
        self._learn_parts(crn, fake_crn(index, "us-east").split(":")[7])
        return index

    def _learn_parts(self, crn: str, instance: str) -> None:
        if any(crn == fake_crn(other, region_of(crn) or "us-east") for other in range(len(self._crns) + 8)):
            return
        parts = crn.split(":")
        if account := _ACCOUNT.search(crn):
            self.learn("account id", account[1], substitute="0" * len(account[1]))
        if len(parts) > 7:
            self.learn("instance id", parts[7], substitute=instance)

    def learn_request(self, call: Call, request: Request) -> None:
        """Remember the credentials that a request carries."""
        for header in ("authorization", "proxy-authorization"):
            scheme, _, credential = request.headers.get(header, "").partition(" ")
            self.learn("API key" if scheme.lower() == "apikey" else "token", credential.strip())
        self._learn_cookies(request.headers.get("cookie", ""))
        if password := urlsplit(request.url).password:
            self.learn("password", password)
        if call.endpoint.name == "iam.token":
            form = parse_qs(request.body.decode("utf-8", "replace"))
            for key in ("apikey", "refresh_token", "password", "client_secret"):
                for value in form.get(key, ()):
                    self.learn("API key" if key == "apikey" else key, value)
        if self._editor.tag is not None:
            self._number_tags(call, request)

    def learn_response(self, call: Call, response: Response) -> None:
        """Remember whom an answer tells of: tokens, claims, cookies, all instances of the account."""
        self._learn_cookies(response.headers.get("set-cookie", ""))
        if call.endpoint.name == "iam.token":
            document = read_object(response.body)
            for key in ("access_token", "refresh_token", "delegated_refresh_token"):
                self.learn("token", str(document.get(key, "")))
            self._learn_claims(str(document.get("access_token", "")))
        elif call.endpoint.name == "search.resources":
            items = read_object(response.body).get("items")
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict):
                    self._learn_item(item)

    def _learn_item(self, item: Mapping[str, object]) -> None:
        crn, name = str(item.get("crn", "")), str(item.get("name", ""))
        if crn not in self._crns:
            self.learn_account(crn)
        self.values.learn("instance name", name, word=True)

    def _learn_claims(self, token: str) -> None:
        claims = read_object(unbase64(token.split(".")[1].encode())) if token.count(".") == 2 else {}
        account = claims.get("account")
        bss = str(account.get("bss", "")) if isinstance(account, dict) else ""
        self.learn("account id", bss, substitute="0" * len(bss))
        for name in ("iam_id", "id", "email", "sub", "identifier"):
            self.learn(f"{name} of the user", str(claims.get(name) or ""))
        self.values.learn("name of the user", str(claims.get("name") or ""), word=True)

    def _learn_cookies(self, header: str) -> None:
        try:
            morsels = SimpleCookie(header).values() if header else ()
        except CookieError:
            return
        for morsel in morsels:
            self.learn("cookie", morsel.value)

    def clean_request(self, call: Call, request: Request) -> Request:
        """A request as it may be written: canonical host, few headers, no credential."""
        url = canonical_url(call, clean=self._clean_part)
        body = b"" if _is_private(call) else self.clean_body(request.body)
        headers = self._headers(request.headers, KEPT_REQUEST)
        if not request.body and not _is_private(call):
            # The client goes on to send that of its last body, whichever test that was in.
            headers.pop("content-type", None)
        return Request(request.method, url, headers, body)

    def clean_response(self, call: Call, response: Response) -> Response:
        """A response as it may be written."""
        headers = self._headers(response.headers, KEPT_RESPONSE)
        reason = self.clean_text(response.reason)
        if _is_private(call):
            return Response(response.status, reason, headers, _outcome(response))
        if call.endpoint.name == "jobs.logs" and LOGS in self.rules.kinds and response.body:
            return Response(response.status, reason, headers, REDACTED.encode())
        return Response(response.status, reason, headers, self.clean_body(response.body))

    def clean(self, interaction: Interaction) -> Interaction:
        """An interaction as it may be written; what was cleaned before is without what was learned since."""
        call = identify(interaction.request)
        if call is None:
            return interaction
        return replace(
            interaction,
            request=self.clean_request(call, interaction.request),
            response=self.clean_response(call, interaction.response),
        )

    def clean_recording(self, recording: Recording) -> Recording:
        """A recording that was cleaned before, without what was learned since."""
        return replace(recording, interactions=tuple(map(self.clean, recording.interactions)))

    def clean_provenance(self, provenance: Provenance) -> Provenance:
        """Where a recording comes from, without secrets in names."""
        return replace(
            provenance,
            test=self.clean_text(provenance.test),
            backend=self.clean_text(provenance.backend),
        )

    def clean_body(self, body: bytes) -> bytes:
        """A body without credentials and identities; the same bytes when there are none."""
        return self._cleaned(self.values.generation, body)

    def clean_text(self, text: str) -> str:
        """A text without cloud resource names, tokens and seen secrets."""
        return self._editor.text(text)

    def prove(self, interaction: Interaction) -> tuple[Finding, ...]:
        """What is still in a cleaned interaction; nothing when it may be written.

        Args:
            interaction: As it is about to be written.
        """
        request, response = interaction.request, interaction.response
        asked = f"{request.method} {interaction.endpoint}"
        parts = (
            ("URL", request.url.encode()),
            (
                "headers",
                json.dumps([dict(request.headers), dict(response.headers), response.reason]).encode(),
            ),
            ("request", request.body),
            ("response", response.body),
        )
        return tuple(
            Finding(kind, f"{asked}, {name}{where}")
            for name, data in parts
            for kind, where in self._located(data)
        )

    def find(self, data: bytes) -> tuple[str, ...]:
        """Kinds of secrets that are present in bytes about to be written.

        Args:
            data: The bytes, text or compressed.

        Returns:
            Kinds such as ``API key``, each once; empty when the bytes are clean.
        """
        return tuple(sorted(self._search.kinds(data)))

    def marks(self, kinds: Collection[str], *, salt: str) -> tuple[Mark, ...]:
        """Marks of all values of some kinds, by which they can be found again."""
        return tuple(mark(kind, value, salt) for kind, value in self.values.each() if kind in kinds)

    def _located(self, data: bytes) -> Iterator[tuple[str, str]]:
        found = list(self._search.found(data))
        if not found:
            return
        places: dict[tuple[str, str], None] = {}
        text = data.decode("utf-8", "surrogateescape")

        def look(path: _json.Path, value: _json.Scalar) -> _json.Scalar:
            name = next((step for step in reversed(path) if isinstance(step, str)), "")
            if private(name, value) != value:
                places[PRIVATE[name.lower()][0], self._shown(path, ())] = None
            elif isinstance(value, str):
                for kind, how in self._search.found(value.encode("utf-8", "surrogatepass")):
                    places[kind, self._shown(path, how)] = None
            return value

        if _json.document(text):
            _json.rewrite(text, look, lambda name: name)
        yield from places or dict.fromkeys((kind, self._shown((), how)) for kind, how in found)

    def _shown(self, path: _json.Path, how: tuple[str, ...]) -> str:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        inside = f" (in {', in '.join(how)})" if how else ""
        shown = "".join(steps).removeprefix(".")
        # A name can be the secret.
        return (f" {shown}" if shown and not self.find(shown.encode()) else "") + inside

    def _headers(self, headers: Mapping[str, str], kept: tuple[str, ...]) -> dict[str, str]:
        return {name: self.clean_text(headers[name]) for name in kept if name in headers}

    def _clean_part(self, name: str, value: str) -> str:
        """A value of a URL: of its path, or of a parameter."""
        if self._editor.tag is not None and value and name in {"tags", "search"}:
            return self._tag(value)
        new = private(name, value)
        if new != value:
            self._saw(name, value)
            return str(new)
        return self.clean_text(value)

    def _saw(self, name: str, value: str) -> None:
        kind, substitute = PRIVATE[name.lower()]
        if kind in _LEARNED and value != substitute:
            self.learn(kind, value, substitute=substitute)

    def _stand_in(self, crn: str) -> str:
        known = [i for i, c in enumerate(self._crns) if crn.startswith(c) or c.startswith(crn)]
        if not known:
            self.learn_account(crn)
        # One name for all that are not used: in a replay others are seen, and in another order.
        return fake_crn(known[0] if known else STRANGER, region_of(crn) or "us-east")

    def _tag(self, tag: str) -> str:
        return self._tags.get(tag, tag if tag in self._tags.values() else REDACTED)

    def _number_tags(self, call: Call, request: Request) -> None:
        # In the order in which they are asked for, which is the same in a replay.
        named = [value for name, value in call.query if name in {"tags", "search"}]
        tags = read_object(request.body).get("tags") if call.endpoint.family == "runtime" else None
        for tag in [*named, *(tags if isinstance(tags, list) else ())]:
            with self._lock:
                self._tags.setdefault(str(tag), f"{REDACTED}-{len(self._tags) + 1}")


def _is_private(call: Call) -> bool:
    # What IAM and discovery say belongs to an account; only their outcome is kept.
    return call.endpoint.family == "iam" or call.endpoint.is_discovery


def _outcome(response: Response) -> bytes:
    if response.status < 400:
        return b""
    code = read_object(response.body).get("errorCode")
    return json.dumps({"errorCode": str(code)}).encode() if code else b""
