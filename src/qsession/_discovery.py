"""The instances of an account, made to fit whoever asks, and tokens made for them.

A replay has no account. The client lists the instances of one, refuses an instance
that the list lacks, and filters by region, plan and tag on its own side
(``qiskit_ibm_runtime/qiskit_runtime_service.py``), so the list is made from what the
caller asked for: one matching instance for each that the recording used.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import quote

from qsession._endpoints import Call
from qsession._model import SECOND, Asked, InstanceShape, Instant, Provenance, Response

STAND_IN_TOKEN = "qsession-stand-in-key-that-opens-nothing"  # noqa: S105 - opens nothing
"""API key of the account that stands in where the machine has none."""

TOKEN_SECONDS = 3600
"""How long a token is valid: an hour, as IAM's are (documented)."""

_JSON = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class _Entry:
    index: int
    crn: str = field(repr=False)
    name: str
    shape: InstanceShape
    tags: tuple[str, ...] = ()


class Discovery:
    """Answers the calls that find instances. Safe for concurrent use.

    Args:
        shapes: The instances that the recording used, in the order of first use.
        unmet: Digests of what no instance must fit, as none did when it was recorded.
    """

    def __init__(self, shapes: Sequence[InstanceShape], unmet: Collection[str] = ()) -> None:
        shapes = tuple(shapes) or (InstanceShape(),)
        kept = [(i, shape) for i, shape in enumerate(shapes) if shape.used] or list(enumerate(shapes))
        self._lock = threading.Lock()
        self._unmet = frozenset(unmet)
        self._handed_out = False
        self._indices = [i for i, _ in kept]
        self._named: set[str] = set()
        self._bound: dict[str, int] = {}
        self._entries = [_Entry(i, _stand_in(i, s), f"instance-{i + 1}", s) for i, s in kept]
        self._aliases = {s.alias: i for i, s in kept if s.alias}
        self._regions = {i: s.region for i, s in kept}

    @classmethod
    def of(cls, provenance: Provenance) -> Self:
        """The account of a recording: what it used, and what it was not.

        Args:
            provenance: Where the recording comes from.
        """
        return cls(provenance.instances, provenance.unmet)

    @property
    def default_crn(self) -> str | None:
        """The instance of an account that stands in; None when several were used."""
        return self._entries[0].crn if len({e.index for e in self._entries}) == 1 else None

    def ask(self, asked: Asked) -> None:
        """Make sure that the list holds an instance that fits, unless there was none.

        Args:
            asked: What a caller wants its instance to be.
        """
        with self._lock:
            if digest_of(asked) in self._unmet or any(_fits(entry, asked) for entry in self._entries):
                return
            known = self._stands_for(asked.crn, self._indices) if asked.crn else None
            at = next((n for n, entry in enumerate(self._entries) if entry.index == known), 0)
            entry = _made_to_fit(self._entries[at], asked)
            if self._handed_out:
                # What a service was told already must stay true: add, do not change.
                own = asked.crn or fake_crn(len(self._entries), entry.shape.region)
                self._entries.insert(0, entry := replace(entry, crn=own))
            else:
                self._entries[at] = entry
            if asked.crn or asked.name:
                self._named.add(entry.crn)

    def index_of(self, crn: str) -> int:
        """Which instance of the recording a CRN stands for.

        A recording counts instances in the order of first use and does not know what
        the caller called them. So an instance that the caller named stands for the
        first one that nothing stands for yet, of its region if there is one, when it is used for the
        first time.

        Args:
            crn: As the client sent it; empty for a request that goes to none.
        """
        if not crn:
            return 0
        with self._lock:
            if crn in self._bound:
                return self._bound[crn]
            listed = {e.crn: e.index for e in self._entries if e.crn not in self._named}
            taken = self._bound.values()
            free = [index for index in self._indices if index not in taken]
            known = self._stands_for(crn, free or self._indices)
            return self._bound.setdefault(crn, listed.get(crn, known))

    def _stands_for(self, crn: str, free: Sequence[int]) -> int:
        if (known := self._aliases.get(alias_of(crn))) is not None:
            return known
        return next((index for index in free if self._regions[index] == region_of(crn)), free[0])

    def answer(self, call: Call, at: Instant) -> Response | None:
        """Answer a call of discovery or for a token.

        Args:
            call: The request, understood.
            at: Now; tokens are issued from here.

        Returns:
            The answer, or None for a call that is not discovery's.
        """
        name = call.endpoint.name
        if name == "iam.token":
            return _token(at)
        with self._lock:
            self._handed_out = self._handed_out or name == "search.resources"
            entries = tuple(self._entries)
        if name == "search.resources":
            return _answer({"items": [_item(e) for e in entries], "limit": 100, "search_cursor": None})
        if name == "catalog.entry":
            return _catalog(call.ids["plan"], entries)
        if name == "resources.list":
            wanted = dict(call.query).get("name")
            rows = [{"crn": e.crn, "name": e.name} for e in entries if wanted in (None, e.name)]
            return _answer({"rows_count": len(rows), "resources": rows})
        if name == "resources.get":
            return self._resource(call.ids["crn"])
        return None

    def _resource(self, crn: str) -> Response:
        self.ask(asked := Asked(crn=crn))
        with self._lock:
            fits = next((entry for entry in self._entries if _fits(entry, asked)), None)
        if fits is None:
            return _answer({"message": "Resource not found", "status_code": 404}, status=404)
        return _answer({"id": fits.crn, "crn": fits.crn, "name": fits.name})


def digest_of(asked: Asked) -> str:
    """Equal for equal wishes; tells no name."""
    told = json.dumps([asked.crn, asked.name, asked.region, asked.plans, sorted(asked.tags)])
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def alias_of(crn: str) -> str:
    """Which instance it is, in a word that does not tell its name."""
    return hashlib.sha256(crn.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def fake_crn(index: int, region: str) -> str:
    """A well-formed cloud resource name that belongs to nobody.

    Args:
        index: Which of the instances, counted from 0.
        region: ``us-east`` or ``eu-de``.
    """
    return _nobodys(f"{index + 1:012x}", region)


def _stand_in(index: int, shape: InstanceShape) -> str:
    # The same in every recording of a folder: services of wide fixtures are used in the runs of tests.
    return _nobodys(shape.alias, shape.region) if shape.alias else fake_crn(index, shape.region)


def _nobodys(word: str, region: str) -> str:
    account, instance = "0" * 32, f"00000000-0000-4000-8000-{word:0>12}"
    return f"crn:v1:bluemix:public:quantum-computing:{region}:a/{account}:{instance}::"


def mint_token(at: Instant) -> str:
    """A JSON web token that the SDK can read: it decodes ``iat`` and ``exp``, and verifies nothing.

    Args:
        at: The moment of issue; it is valid for an hour.
    """
    issued = at // SECOND
    claims = {"iam_id": "IBMid-0000000000", "iat": issued, "exp": issued + TOKEN_SECONDS}
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(_segment(json.dumps(part).encode()) for part in parts) + "." + _segment(b"qsession")


def _token(at: Instant) -> Response:
    return _answer(
        {
            "access_token": mint_token(at),
            "refresh_token": "not_supported",
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "expiration": at // SECOND + TOKEN_SECONDS,
            "scope": "ibm openid",
        }
    )


def _fits(entry: _Entry, asked: Asked) -> bool:
    return (
        asked.crn in (None, entry.crn)
        and asked.name in (None, entry.name)
        and asked.region in (None, entry.shape.region)
        and (not asked.plans or entry.shape.plan in {plan.lower() for plan in asked.plans})
        and {tag.lower() for tag in asked.tags} <= set(entry.tags)
    )


def _made_to_fit(entry: _Entry, asked: Asked) -> _Entry:
    plans = [plan.lower() for plan in asked.plans]
    plan = entry.shape.plan if not plans or entry.shape.plan in plans else plans[0]
    region = region_of(asked.crn) or asked.region or entry.shape.region
    own_crn = entry.crn if region == entry.shape.region else fake_crn(entry.index, region)
    return replace(
        entry,
        crn=asked.crn or own_crn,
        name=asked.name or entry.name,
        shape=replace(entry.shape, plan=plan, region=region),
        tags=tuple(sorted(set(entry.tags) | {tag.lower() for tag in asked.tags})),
    )


def region_of(crn: str | None) -> str | None:
    """Region of a cloud resource name; None where it names none."""
    parts = (crn or "").split(":")
    return parts[5] if len(parts) > 5 else None


def _item(entry: _Entry) -> dict[str, object]:
    return {
        "crn": entry.crn,
        "name": entry.name,
        "tags": list(entry.tags),
        "service_plan_unique_id": _plan_id(entry),
        # Instances whose extensions are empty are left out by the client.
        "doc": {"extensions": {"backends": ["*"]}},
    }


def _plan_id(entry: _Entry) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{entry.shape.plan}/{entry.shape.pricing}"))


def _catalog(plan_id: str, entries: Sequence[_Entry]) -> Response:
    for entry in entries:
        if plan_id in (_plan_id(entry), quote(_plan_id(entry))):
            overview = {"en": {"display_name": entry.shape.plan}}
            pricing = {"pricing": {"type": entry.shape.pricing}}
            return _answer({"id": plan_id, "overview_ui": overview, "metadata": pricing})
    return _answer({"errors": [{"code": "not_found", "message": "no such plan"}]}, status=404)


def _answer(document: object, *, status: int = 200) -> Response:
    reason = "OK" if status == 200 else "Not Found"
    return Response(status, reason, _JSON, json.dumps(document, separators=(",", ":")).encode())


def _segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
