"""What comparison series add to an answer: the effect without them, and their own change.

What belongs here: plain data with serialisation. What does not: how it is computed
(`sensitivity.comparisons`), or when it is warned of (`warnings_of_comparisons`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from its_pipeline.its.results import Effect


@dataclass(frozen=True)
class ComparisonSeries:
    """One comparison series, asked the question that the outcome was asked.

    Parameters
    ----------
    name
        The covariate's.
    change
        Its own average effect: near zero where the intervention did not affect it. In its own unit,
        which is not known here.
    """

    name: str
    change: Effect

    @property
    def probability_of_change(self) -> float:
        """Probability of the likelier sign of its change."""
        return max(self.change.probability_positive, self.change.probability_negative)


@dataclass(frozen=True)
class Comparisons:
    """What comparison series do to an answer, and whether they may be believed.

    A comparison series is a covariate that is no time of day: in the model as not affected by the
    intervention. That is a claim; no model can prove it.

    Parameters
    ----------
    without
        The average effect without any of them in the model, on the same days.
    series
        Those in the model.
    """

    without: Effect
    series: tuple[ComparisonSeries, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-able values."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Comparisons | None:
        """Build it from `to_dict`'s output, or return None for None.

        Parameters
        ----------
        values
            What `to_dict` returned.
        """
        if values is None:
            return None
        series = tuple(
            ComparisonSeries(each["name"], Effect(**each["change"])) for each in values["series"]
        )
        return cls(Effect(**values["without"]), series)
