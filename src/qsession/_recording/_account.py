"""What the calls of discovery tell of an account."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from qsession._bodies import field_of
from qsession._discovery import region_of
from qsession._endpoints import Call
from qsession._model import InstanceShape, Request, Response

_REFUSED = 400


@dataclass(slots=True)
class Account:
    """What is known of the instances of an account, and of its credentials: in memory only.

    Attributes:
        grants: The exchanges for tokens, the last for each way to ask.
        api_version: What was asked for first: the client's own version. A test may ask for others.
    """

    grants: dict[bytes, tuple[Call, Request, Response]] = field(default_factory=dict, repr=False)
    api_version: str = ""
    _shapes: dict[str, InstanceShape] = field(default_factory=dict)
    _plans: dict[str, str] = field(default_factory=dict)

    def shape(self, crn: str) -> InstanceShape:
        """What a recording keeps of an instance."""
        return self._shapes.get(crn, unknown_shape(crn))

    def learn(self, call: Call, request: Request, response: Response) -> None:
        """Look at what the calls of discovery tell."""
        self.api_version = self.api_version or request.headers.get("ibm-api-version", "")
        if call.endpoint.name == "iam.token" and response.status < _REFUSED:
            self.grants[request.body] = (call, request, response)
        elif call.endpoint.name == "search.resources":
            self._learn_search(response)
        elif call.endpoint.name == "catalog.entry":
            self._learn_plan(call.ids["plan"], response)

    def _learn_search(self, response: Response) -> None:
        items = field_of(response.body, "items")
        for item in items if isinstance(items, list) else ():
            crn = str(item.get("crn", ""))
            self._shapes.setdefault(crn, unknown_shape(crn))
            self._plans[crn] = str(item.get("service_plan_unique_id", ""))

    def _learn_plan(self, plan_id: str, response: Response) -> None:
        name = field_of(response.body, "overview_ui", "en", "display_name")
        pricing = field_of(response.body, "metadata", "pricing", "type")
        for crn in (crn for crn, known in self._plans.items() if known == plan_id):
            shape = self._shapes[crn]
            plan = name.lower() if isinstance(name, str) else shape.plan
            price = pricing.lower() if isinstance(pricing, str) else shape.pricing
            self._shapes[crn] = replace(shape, plan=plan, pricing=price)


def unknown_shape(crn: str) -> InstanceShape:
    """An instance of which nobody said what it is."""
    return InstanceShape(region=region_of(crn) or "us-east")
