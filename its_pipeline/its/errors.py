"""What `analyze` raises: refusals of input, and the refusal to show what did not converge.

Every exception carries its data as attributes and survives pickling, because analyses cross
processes. Nothing here computes; the rules live in `series` and `diagnostics`.
"""

from __future__ import annotations

from collections.abc import Mapping


class InsufficientData(ValueError):  # noqa: N818 - a public name of the contract
    """A phase has too few observed days to be analysed.

    Parameters
    ----------
    n_pre, n_post
        Observed days before the intervention, and after it (after the washout); where it is on and
        off again, days off and days on.
    minimum_days
        What each phase must have at least.
    unit
        Name of time steps in the message, as "days" or "months".
    is_schedule
        Whether the intervention is on and off again.
    """

    def __init__(
        self,
        n_pre: int,
        n_post: int,
        minimum_days: int,
        unit: str = "days",
        is_schedule: bool = False,
    ) -> None:
        self.n_pre = n_pre
        self.n_post = n_post
        self.minimum_days = minimum_days
        self.unit = unit
        self.is_schedule = is_schedule
        self.missing_pre = max(0, minimum_days - n_pre)
        self.missing_post = max(0, minimum_days - n_post)
        off, on = ("without", "with") if is_schedule else ("before", "after")
        remedies = []
        if self.missing_post:
            remedies.append(f"go on for {_counted(self.missing_post, unit)} {on} it")
        if self.missing_pre and is_schedule:
            remedies.append(f"add {_counted(self.missing_pre, unit)} without it")
        elif self.missing_pre:
            # Nobody can wait for days that are over.
            remedies.append(
                f"let the series begin {_counted(self.missing_pre, unit)} earlier, or give a later "
                f"first {unit.removesuffix('s')} of the intervention"
            )
        super().__init__(
            f"observed {unit}: {n_pre} {off} and {n_post} {on} the intervention; each phase "
            f"needs at least {minimum_days}: {', and '.join(remedies)}"
        )

    def __reduce__(self) -> tuple[type[InsufficientData], tuple[int, int, int, str, bool]]:
        return type(self), (
            self.n_pre,
            self.n_post,
            self.minimum_days,
            self.unit,
            self.is_schedule,
        )


def _counted(n: int, unit: str) -> str:
    return f"{n} more {unit.removesuffix('s') if n == 1 else unit}"


class InvalidSeries(ValueError):  # noqa: N818 - a public name of the contract
    """The series or its covariates break a rule of the analysis.

    Parameters
    ----------
    code
        Which rule, as a stable word: "constant_outcome", "not_finite", "duplicate_days",
        "not_increasing", "one_sided", "not_days", "not_month_starts", "not_numeric",
        "empty", "time_zone", "covariate_missing", "covariate_index", "too_many_columns",
        "forecast_of_schedule", "slope_of_schedule", "schedules", "irregular_dates",
        "outcome_too_large".
    message
        Value, rule and remedy.
    numbers
        The figures behind the message.
    """

    def __init__(self, code: str, message: str, numbers: Mapping[str, float] | None = None) -> None:
        self.code = code
        self.message = message
        self.numbers = dict(numbers or {})
        super().__init__(message)

    def __reduce__(self) -> tuple[type[InvalidSeries], tuple[str, str, dict[str, float]]]:
        return type(self), (self.code, self.message, self.numbers)


class NotConverged(RuntimeError):  # noqa: N818 - a public name of the contract
    """Draws were asked of an analysis whose sampler did not pass the gate.

    Parameters
    ----------
    failures
        The thresholds that failed, value beside threshold.
    """

    def __init__(self, failures: tuple[str, ...] = ()) -> None:
        self.failures = tuple(failures)
        reasons = "; ".join(self.failures) if self.failures else "the sampler was not assessed"
        super().__init__(
            f"this analysis did not converge ({reasons}), so it has no effects and no draws. "
            "See `analysis.diagnostics`, and `analysis.sampler_trace` for the nuisance chains."
        )

    def __reduce__(self) -> tuple[type[NotConverged], tuple[tuple[str, ...]]]:
        return type(self), (self.failures,)
