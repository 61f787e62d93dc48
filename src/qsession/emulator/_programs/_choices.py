"""The options of a sampler or estimator job, as far as they decide what it gives back.

Read by the documentation of the client's options. Imports no qiskit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from qsession._session_document import Json
from qsession.emulator._replies import derived_seed

DEFAULT_SHOTS = 4096
"""Shots where nobody says a number (documented)."""

DEFAULT_PRECISION = 0.015625
"""Precision where nobody says one: 1/sqrt(4096) (documented)."""

_DEFAULT_LEVEL = 1
_TWIRLING = {"num_randomizations": "auto", "shots_per_randomization": "auto", "strategy": "active-accum"}
_DECOUPLING = {"sequence_type": "XX", "extra_slack_distribution": "middle", "scheduling_method": "alap"}
_FEWEST_SHOTS = 64
_RANDOMIZATIONS = 32


@dataclass(frozen=True, slots=True)
class Choices:
    """What the options of a job come to.

    Attributes:
        level: ``resilience_level`` of an estimator, 1 unless set (documented); 0 for
            a sampler, which has none.
        options: ``options`` as posted.
        params: ``params`` as posted.
    """

    level: int
    options: Mapping[str, Json]
    params: Mapping[str, Json]

    def part(self, name: str) -> Mapping[str, Json]:
        """A group of options, empty where it was not set."""
        found = self.options.get(name)
        return found if isinstance(found, dict) else {}

    @property
    def twirls_gates(self) -> bool:
        """Whether two-qubit gates are twirled: from level 2 on unless set (documented)."""
        return _switch(self.part("twirling").get("enable_gates"), default=self.level > 1)

    @property
    def twirls_measurements(self) -> bool:
        """Whether measurements are twirled: from level 1 on unless set (documented)."""
        return _switch(self.part("twirling").get("enable_measure"), default=self.level > 0)

    @property
    def mitigates_measurements(self) -> bool:
        """Whether readout errors are taken out: from level 1 on unless set (documented)."""
        return _switch(self.part("resilience").get("measure_mitigation"), default=self.level > 0)

    def seed(self, default: int) -> int:
        """The seed that a job asks for: its results are then the same each time (documented).

        Args:
            default: The seed of a job that asks for none.
        """
        asked = self.options.get("seed_estimator")
        if asked is None:
            asked = self.part("simulator").get("seed_simulator")
        if isinstance(asked, int) and not isinstance(asked, bool):
            return derived_seed("asked", asked)
        return default

    def twirled_shots(self) -> int | None:
        """``num_randomizations`` times ``shots_per_randomization``, None unless both are set.

        The product goes before ``default_shots``, and the shots of a PUB or of
        ``run()`` before both (documented).
        """
        twirling = self.part("twirling")
        counts = [twirling.get(name) for name in ("num_randomizations", "shots_per_randomization")]
        if not (self.twirls_gates or self.twirls_measurements):
            return None
        found = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n > 0]
        return math.prod(found) if len(found) == len(counts) else None

    def randomizations(self, shots: int) -> int | None:
        """Over how many randomizations shots are spread; None where nothing is twirled.

        At least 64 shots each and no more than 32 randomizations where neither number
        is set (documented).
        """
        if not (self.twirls_gates or self.twirls_measurements):
            return None
        twirling = self.part("twirling")
        count, each = twirling.get("num_randomizations"), twirling.get("shots_per_randomization")
        if isinstance(count, int) and count > 0:
            return count
        if not isinstance(each, int) or each <= 0:
            each = max(_FEWEST_SHOTS, math.ceil(shots / _RANDOMIZATIONS))
        return math.ceil(shots / each)

    def sampler_shots(self) -> int:
        """Shots of a sampler PUB that names none."""
        given = number(self.params.get("shots"))
        chosen = self.twirled_shots() or number(self.options.get("default_shots")) or DEFAULT_SHOTS
        return int(chosen if given is None else given)

    def precision(self) -> float:
        """Precision of an estimator PUB that names none; shots go before it (documented)."""
        given = number(self.params.get("precision"))
        if given is not None:
            return given
        shots = self.twirled_shots() or number(self.options.get("default_shots"))
        if shots is not None and shots > 0:
            return 1 / math.sqrt(shots)
        default = number(self.options.get("default_precision"))
        return DEFAULT_PRECISION if default is None else default

    def metadata(self, mitigated: Mapping[str, object]) -> dict[str, object]:
        """What the result of an estimator says of its options, in the form of IBM's schema.

        Args:
            mitigated: What else belongs under ``resilience``.
        """
        decoupling, twirling, resilience = map(self.part, ("dynamical_decoupling", "twirling", "resilience"))
        return {
            "dynamical_decoupling": {"enable": _switch(decoupling.get("enable"), default=False)}
            | _given(decoupling, _DECOUPLING),
            "twirling": {"enable_gates": self.twirls_gates, "enable_measure": self.twirls_measurements}
            | _given(twirling, _TWIRLING)
            | {"interleave_randomizations": True},
            "resilience": {
                "measure_mitigation": self.mitigates_measurements,
                "zne_mitigation": _switch(resilience.get("zne_mitigation"), default=self.level > 1),
                "pec_mitigation": _switch(resilience.get("pec_mitigation"), default=False),
                **mitigated,
            },
            "version": 2,
        }


def choices(program: str, params: Mapping[str, Json], options: Mapping[str, Json]) -> Choices:
    """The options of a job.

    Args:
        program: ``sampler`` or ``estimator``.
        params: ``params`` of ``POST /jobs``.
        options: Its ``options``.
    """
    level = params.get("resilience_level", options.get("resilience_level"))
    if program == "sampler":
        level = 0
    elif not isinstance(level, int) or isinstance(level, bool):
        level = _DEFAULT_LEVEL
    return Choices(level, options, params)


def number(value: Json) -> float | None:
    """A number that is one, else None."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _switch(value: Json, *, default: bool) -> bool:
    return value if isinstance(value, bool) else default


def _given(group: Mapping[str, Json], defaults: Mapping[str, Json]) -> dict[str, Json]:
    return {name: default if group.get(name) is None else group[name] for name, default in defaults.items()}
