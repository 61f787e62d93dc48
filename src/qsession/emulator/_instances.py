"""The instances that an emulated account has."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from qsession._refusals import Refused

_FAKE_ACCOUNT = "0" * 32
_OPEN_PLAN_SECONDS = 600
_OPEN_PLAN_PENDING = 3


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
        backends: Names of the backends that it sees; empty for all.
        usage_limit_seconds: QPU seconds after which jobs are refused (documented: 409); None
            for the plan's, which is 600 in 28 days on the open plan (documented) and none elsewhere.
        usage_allocation_seconds: QPU seconds set aside for it, a target and no limit (documented).
        pending_jobs: Most jobs that may wait or run at once; None for the plan's, which is
            3 on the open plan (observed) and none elsewhere.
        archived: Whether the catalog's entry of its plan is archived: 403 (the client's code).
    """

    crn: str
    name: str = "emulated-premium"
    plan: str = "Premium"
    pricing_type: str = "paid"
    region: str = "us-east"
    tags: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    usage_limit_seconds: int | None = None
    usage_allocation_seconds: int | None = None
    pending_jobs: int | None = None
    archived: bool = False

    @property
    def plan_id(self) -> str:
        """Id of the plan's entry in the Global Catalog: the same for equal plans."""
        parts = f"{self.plan}|{self.pricing_type}{'|archived' if self.archived else ''}"
        return f"emulated-plan-{hashlib.sha256(parts.encode()).hexdigest()[:12]}"

    @property
    def account(self) -> str:
        """Id of the account, from the cloud resource name; empty if that has none."""
        return self.crn.partition(":a/")[2].partition(":")[0]

    @property
    def is_open_plan(self) -> bool:
        """Whether it is on IBM's free plan."""
        return self.plan.lower() == "open"

    @property
    def limit(self) -> int | None:
        """QPU seconds after which jobs are refused, the plan's if it has no limit of its own."""
        if self.usage_limit_seconds is None and self.is_open_plan:
            return _OPEN_PLAN_SECONDS
        return self.usage_limit_seconds

    @property
    def pending_cap(self) -> int | None:
        """Most jobs that may wait or run at once; None where there is no such limit."""
        if self.pending_jobs is None and self.is_open_plan:
            return _OPEN_PLAN_PENDING
        return self.pending_jobs

    def sees(self, backend: str) -> bool:
        """Whether a backend of this name is among its own."""
        return not self.backends or backend in self.backends


class Directory:
    """The instances of an account, which the resource controller can rename and limit.

    Safe for concurrent use.

    Args:
        instances: As they are at the start.
    """

    def __init__(self, instances: Sequence[Instance]) -> None:
        self._lock = threading.Lock()
        self._instances = tuple(instances)

    def all(self) -> tuple[Instance, ...]:
        """All instances as they are now, in their order."""
        with self._lock:
            return self._instances

    def fill(self, instances: Sequence[Instance]) -> None:
        """Have other instances instead, as an account that was changed elsewhere."""
        with self._lock:
            self._instances = tuple(instances)

    def find(self, crn: str) -> Instance | None:
        """The instance of a cloud resource name."""
        return next((instance for instance in self.all() if instance.crn == crn), None)

    def rename(self, crn: str, name: str) -> None:
        """Give an instance another name.

        Raises:
            Refused: If another one has it already.
        """
        with self._lock:
            if any(other.name == name and other.crn != crn for other in self._instances):
                raise Refused("invalid", f"there is an instance named {name} already")
            self._replace(crn, lambda instance: replace(instance, name=name))

    def limit(self, crn: str, seconds: int | None) -> None:
        """Set how many QPU seconds an instance may use; None for the plan's own limit."""
        with self._lock:
            self._replace(crn, lambda instance: replace(instance, usage_limit_seconds=seconds))

    def allocate(self, crn: str, seconds: int | None) -> None:
        """Set how many QPU seconds are set aside for an instance."""
        with self._lock:
            self._replace(crn, lambda instance: replace(instance, usage_allocation_seconds=seconds))

    def _replace(self, crn: str, change: Callable[[Instance], Instance]) -> None:
        self._instances = tuple(change(i) if i.crn == crn else i for i in self._instances)


def fake_crn(number: int, *, region: str = "us-east") -> str:
    """A well-formed CRN that cannot be anybody's: its account id is all zeros."""
    ident = f"00000000-0000-4000-8000-{number:012d}"
    return f"crn:v1:bluemix:public:quantum-computing:{region}:a/{_FAKE_ACCOUNT}:{ident}::"


DEFAULT_INSTANCES: tuple[Instance, ...] = (Instance(fake_crn(1)),)
