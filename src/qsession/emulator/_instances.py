"""The instances that an emulated account has."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_FAKE_ACCOUNT = "0" * 32


@dataclass(frozen=True, slots=True)
class Instance:
    """One service instance of the emulated account.

    Attributes:
        crn: Cloud resource name; the client reads the region from its sixth field.
        name: Name that a user may pass as ``instance``.
        plan: Display name of the plan, such as ``Premium`` or ``Open``. On the open
            plan the service refuses sessions (code 1352, observed).
        pricing_type: One of ``free``, ``trial``, ``paygo``, ``paid``,
            ``subscription``; the client sorts instances by it.
        region: ``us-east`` or ``eu-de``, the two that exist (documented).
        tags: Tags that a user may filter by.
    """

    crn: str
    name: str = "emulated-premium"
    plan: str = "Premium"
    pricing_type: str = "paid"
    region: str = "us-east"
    tags: tuple[str, ...] = ()

    @property
    def plan_id(self) -> str:
        """Id of the plan's entry in the Global Catalog: the same for equal plans."""
        digest = hashlib.sha256(f"{self.plan}|{self.pricing_type}".encode()).hexdigest()
        return f"emulated-plan-{digest[:12]}"

    @property
    def is_open_plan(self) -> bool:
        """Whether it is on IBM's free plan."""
        return self.plan.lower() == "open"


def fake_crn(number: int, *, region: str = "us-east") -> str:
    """A well-formed CRN that cannot be anybody's: its account id is all zeros."""
    ident = f"00000000-0000-4000-8000-{number:012d}"
    return f"crn:v1:bluemix:public:quantum-computing:{region}:a/{_FAKE_ACCOUNT}:{ident}::"


DEFAULT_INSTANCES: tuple[Instance, ...] = (Instance(fake_crn(1)),)
