"""What all experiments of a night are evaluated with, as one text that crosses machines.

What belongs here: settings, metrics, factors and series that belong to nobody, read from a store
once. What does not: what belongs to one person (`shard_input`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.metrics import OutcomeMetric, registered_metrics
from its_pipeline.experiments.deciding import now
from its_pipeline.experiments.options import Options

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.settings import Settings

INPUT_VERSION: Final = 1
"""Changes whenever the same input could give another verdict; the model has versions of its own."""


@dataclass(frozen=True)
class SharedInput:
    """What all experiments of a night have in common.

    Attributes
    ----------
    decided_at
        The instant that stands for the clock, and that verdicts are decided at: UTC, ISO 8601.
    today_on
        Today's date where it is pretended.
    draws, tune, chains, seed
        Of the analyses.
    audit_share
        Share of analyses whose quadrature NUTS audits.
    metrics
        The registered outcome metrics by name.
    interval_factors
        By how much the intervals of a metric are widened.
    external
        Series that belong to no person, by name: day (ISO 8601) to value.
    """

    decided_at: str
    today_on: str | None
    draws: int
    tune: int
    chains: int
    seed: int
    audit_share: float
    metrics: Mapping[str, Mapping[str, Any]]
    interval_factors: Mapping[str, float] = field(default_factory=dict)
    external: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of_store(cls, settings: Settings, decided_at: str | None = None) -> SharedInput:
        """Read it from a store, now."""
        from its_pipeline.stores.external_series import list_external, read_external
        from its_pipeline.stores.placebo_audit import interval_factors

        external = {}
        for each in list_external(settings):
            series = read_external(settings, each.name)
            if series is not None:
                days = [f"{day:%Y-%m-%d}" for day in series.index]
                external[each.name] = dict(zip(days, series.tolist(), strict=True))
        today_on = settings.today_on
        return cls(
            decided_at=decided_at or now(),
            today_on=None if today_on is None else today_on.isoformat(),
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            seed=settings.seed,
            audit_share=settings.audit_share,
            metrics={
                name: metric.model_dump(mode="json", exclude_defaults=True)
                for name, metric in sorted(registered_metrics(settings).items())
            },
            interval_factors=dict(sorted(interval_factors(settings).items())),
            external=external,
        )

    def to_json(self) -> str:
        """Return it as text; `of_json` is the inverse."""
        return json.dumps(vars(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def of_json(cls, text: str) -> SharedInput:
        """Read what `to_json` wrote."""
        return _read(text)

    @property
    def options(self) -> Options:
        """What analyses are asked for with."""
        return Options(draws=self.draws, tune=self.tune, chains=self.chains, seed=self.seed)

    @property
    def day_on(self) -> str:
        """The UTC day that it is, or is pretended to be."""
        return self.today_on or self.decided_at[:10]

    def outcome_metrics(self) -> dict[str, OutcomeMetric]:
        """Return the metrics."""
        return {name: OutcomeMetric.model_validate(said) for name, said in self.metrics.items()}

    def external_series(self, name: str) -> pd.Series | None:
        """Return a series that belongs to no person, by day; None where there is none."""
        import pandas as pd

        found = self.external.get(name)
        if found is None:
            return None
        index = pd.DatetimeIndex(pd.to_datetime(list(found)), name="day").as_unit("ns")
        return pd.Series(list(found.values()), index, dtype="float64", name=name)

    def digest(self) -> str:
        """Return a digest of what an answer can depend on besides who it is about and the date."""
        from its_pipeline.its.spec import LINKED_VERSION, MODEL_VERSION, YEARLY_VERSION

        about = {
            name: value
            for name, value in vars(self).items()
            if name not in ("decided_at", "today_on", "audit_share")
        }
        about["versions"] = [INPUT_VERSION, MODEL_VERSION, YEARLY_VERSION, LINKED_VERSION]
        return hashlib.blake2b(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def last_complete_day(self, time_zone: str) -> date:
        """Return the last day that is over in a zone."""
        from its_pipeline.experiments.window import last_complete_day

        today_on = None if self.today_on is None else date.fromisoformat(self.today_on)
        return last_complete_day(time_zone, today_on, datetime.fromisoformat(self.decided_at))


@lru_cache(maxsize=4)
def _read(text: str) -> SharedInput:
    return SharedInput(**json.loads(text))
