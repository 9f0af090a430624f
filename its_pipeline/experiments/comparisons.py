"""Comparison series of an experiment: found in the store, and laid on the outcome's days.

What belongs here: what a name means, which series have days enough to be in the model, and which
days of the outcome are left out because one of them has no value there: none is ever filled. What
does not: what the series do to the answer (`its.sensitivity.comparisons`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.intervention import Intervention
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.experiments.options import OptionsError
from its_pipeline.experiments.scheduled_days import off_and_on
from its_pipeline.experiments.window import Window
from its_pipeline.settings import Settings
from its_pipeline.stores.external_series import list_external, read_external

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from its_pipeline.its.results import AnalysisWarning

LEAST_SHARE: Final = 0.75
"""A comparison series is in the model where at least this share of the outcome's days before the
start, and of those since, are left with a value of it and of those taken before it. With fewer,
what is lost in days may outweigh what is gained, and the days left are a choice of somebody's."""

ILLEGAL_COMPARISON: Final = "illegal_comparison"

FindSeries = Callable[[str], "pd.Series"]


class ComparisonSources:
    """What the names of comparison series mean: each is read once.

    Parameters
    ----------
    metrics
        The registered metrics.
    daily_of
        Returns the days of a person's outcome: columns ``day`` and ``value``.
    external
        Returns an external series by day; None where there is none of a name.
    external_names
        Returns the names of external series.
    """

    def __init__(
        self,
        metrics: Mapping[str, OutcomeMetric],
        daily_of: Callable[[str, str], pd.DataFrame],
        external: Callable[[str], pd.Series | None],
        external_names: Callable[[], Sequence[str]],
    ) -> None:
        self._metrics = metrics
        self._daily_of = daily_of
        self._read_external = external
        self._external_names = external_names
        self._external: dict[str, pd.Series | None] = {}

    @classmethod
    def of_store(
        cls,
        settings: Settings,
        metrics: Mapping[str, OutcomeMetric],
        daily_of: Callable[[str, str], pd.DataFrame],
    ) -> ComparisonSources:
        """Return what they mean in a store, whose external series are read from their files."""
        return cls(
            metrics,
            daily_of,
            lambda name: read_external(settings, name),
            lambda: [each.name for each in list_external(settings)],
        )

    def check(self, names: Sequence[str], outcome: str) -> None:
        """Hold that each name means one series, and none the outcome itself.

        Parameters
        ----------
        names
            As declared.
        outcome
            Name of the outcome's metric.

        Raises
        ------
        OptionsError
            If one does not.
        """
        for name in names:
            is_external = self._read(name) is not None
            if name == outcome:
                wrong = "is the outcome itself; declare another series"
            elif name in self._metrics and is_external:
                wrong = (
                    "is the name of an outcome metric and of an external series; rename one of "
                    "them (`its-pipeline series list`)"
                )
            elif name not in self._metrics and not is_external:
                known = self._external_names()
                wrong = (
                    f"is no outcome metric ({', '.join(sorted(self._metrics))}) and no external "
                    f"series ({', '.join(known) or 'there is none'}); import it "
                    "(`its-pipeline series import`), or amend the intervention's --comparison"
                )
            else:
                continue
            raise OptionsError(ILLEGAL_COMPARISON, f"the comparison series {name!r} {wrong}")

    def find(self, user_id: str, name: str) -> pd.Series:
        """Return a series by day: the person's own where it is a metric, else the store's.

        Parameters
        ----------
        user_id, name
            Whose, and a name that `check` let pass.
        """
        import pandas as pd

        external = self._read(name)
        if external is not None:
            return external
        daily = self._daily_of(user_id, name)
        # Preloaded days are dates, and those of one person timestamps.
        index = pd.DatetimeIndex(daily["day"].to_numpy().astype("datetime64[ns]"))
        return pd.Series(daily["value"].to_numpy(dtype=float), index)

    def _read(self, name: str) -> pd.Series | None:
        if name not in self._external:
            self._external[name] = self._read_external(name)
        return self._external[name]


@dataclass(frozen=True)
class LeftOut:
    """A comparison series with too few days to be in the model.

    Attributes
    ----------
    name
        The series.
    common, observed
        The outcome's days before the start and since (off and on, with a schedule): those that
        would be left with it, and all.
    """

    name: str
    common: tuple[int, int]
    observed: tuple[int, int]


@dataclass(frozen=True)
class Compared:
    """The comparison series of an experiment on the days of its outcome.

    Attributes
    ----------
    values
        One row a day of the outcome, one column a series in the model.
    kept
        Days of the outcome without those of the fit on which one of them has no value, shape
        (days,), bool.
    left_out
        Series with too few days.
    n_off, n_on
        Observed days that go into the fit.
    n_without
        Observed days that would have gone into it.
    """

    values: pd.DataFrame
    kept: NDArray[np.bool_]
    left_out: tuple[LeftOut, ...]
    n_off: int
    n_on: int
    n_without: int

    def with_shares(self, shares: pd.DataFrame | None) -> pd.DataFrame | None:
        """Return all covariates on the days that are kept; None where there are none.

        Parameters
        ----------
        shares
            Time-of-day shares on all days, or None.
        """
        import pandas as pd

        tables = [table for table in (shares, self.values) if table is not None]
        found = pd.concat(tables, axis=1)[self.kept]
        return found if len(found.columns) else None

    def identity(self) -> dict[str, Any]:
        """Return what of it an answer's words depend on besides the values."""
        if not self.left_out and not self.n_without:
            return {}
        left_out = {each.name: [*each.common, *each.observed] for each in self.left_out}
        return {"comparisons_left_out": left_out, "days_left_out": self.n_without}

    def warnings(self) -> tuple[AnalysisWarning, ...]:
        """Return what has to be said of it beside an answer."""
        from its_pipeline.its import warning_codes
        from its_pipeline.its.warnings import warning

        told = []
        for each in self.left_out:
            (before, since), (n_before, n_since) = each.common, each.observed
            text = (
                f"The comparison series {each.name!r} was left out of the model: with it "
                f"{before} of {n_before} days without the intervention and {since} of {n_since} "
                f"with it could be compared, and at least {LEAST_SHARE:.0%} of each are needed. "
                "Import the days that it lacks."
            )
            numbers = {
                "common_pre": before,
                "observed_pre": n_before,
                "common_post": since,
                "observed_post": n_since,
            }
            told.append(warning(warning_codes.COMPARISON_LEFT_OUT, text, numbers))
        if self.n_without:
            names = ", ".join(map(repr, self.values.columns))
            text = (
                f"{self.n_without} observed days were left out of the fit because a comparison "
                f"series ({names}) has no value on them."
            )
            numbers = {"days": self.n_without, "kept_pre": self.n_off, "kept_post": self.n_on}
            told.append(warning(warning_codes.DAYS_WITHOUT_COMPARISON, text, numbers))
        return tuple(told)


def compared(
    names: Sequence[str],
    find: FindSeries,
    intervention: Intervention,
    window: Window,
    daily: pd.DataFrame,
) -> Compared:
    """Return the comparison series of an experiment that is ready.

    Parameters
    ----------
    names
        As declared.
    find
        Returns the series of a name by day.
    intervention, window
        Whose outcome it is, and its days.
    daily
        The outcome's days of the window: columns ``day`` and ``value``.
    """
    import numpy as np
    import pandas as pd

    from its_pipeline.its.series import MINIMUM_DAYS

    days = daily["day"].to_numpy().astype("datetime64[D]")
    observed = np.isfinite(daily["value"].to_numpy(dtype=np.float64))
    phases = [phase & observed for phase in _off_and_on(intervention, window, days)]
    index = pd.DatetimeIndex(days.astype("datetime64[ns]"), name="day")

    def counts(mask: NDArray[np.bool_]) -> tuple[int, int]:
        return int((phases[0] & mask).sum()), int((phases[1] & mask).sum())

    in_fit = phases[0] | phases[1]
    kept = np.ones(len(days), dtype=bool)
    total = counts(kept)
    values, left_out = {}, []
    for name in names:
        on_days = find(name).reindex(index).to_numpy(dtype=np.float64)
        common = kept & (np.isfinite(on_days) | ~in_fit)
        found = counts(common)
        if all(
            n >= max(MINIMUM_DAYS, LEAST_SHARE * of) for n, of in zip(found, total, strict=True)
        ):
            values[name], kept = on_days, common
        else:
            left_out.append(LeftOut(name, found, total))
    n_off, n_on = counts(kept)
    return Compared(
        pd.DataFrame(values, index=index),
        kept,
        tuple(left_out),
        n_off,
        n_on,
        sum(total) - n_off - n_on,
    )


def _off_and_on(
    intervention: Intervention, window: Window, days: NDArray[np.datetime64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which days of a window count as off and as on, each of shape (days,)."""
    import numpy as np

    if intervention.schedule is None:
        return days < np.datetime64(window.started_on), days >= np.datetime64(window.fit_start_on)
    off, on = off_and_on(intervention, window, window.pre_start_on, window.post_end_on)
    number = (days - np.datetime64(window.pre_start_on)).astype(int)
    return off[number], on[number]
