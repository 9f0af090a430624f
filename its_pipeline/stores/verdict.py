"""What was found out about one experiment, as plain data that can be stored and read back.

What belongs here: the record of one outcome (`Verdict`), who asked for it (`RunContext`), and
the exact JSON form. What does not: deciding it (`its_pipeline.experiments`), where it lies
(`stores.experiment_store`), or how it is shown (`report`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args

from its_pipeline.its.estimand_names import HEADLINE, told_scale
from its_pipeline.schedules.cadence import DAYS, Cadence

#: Every status of an experiment, in the order in which people look for them.
Status = Literal["analysed", "waiting", "not_converged", "refused", "closed", "crashed"]
STATUSES: Final[tuple[Status, ...]] = get_args(Status)


@dataclass(frozen=True)
class RunContext:
    """Who asked for an evaluation, for tracing it back.

    Attributes
    ----------
    dagster_run_id, dagster_partition
        The Dagster run and partition, where one asked.
    parent_mlflow_run_id
        The MLflow run of that Dagster run, where there is one.
    """

    dagster_run_id: str | None = None
    dagster_partition: str | None = None
    parent_mlflow_run_id: str | None = None


@dataclass(frozen=True)
class Verdict:
    """The outcome of one evaluation of one experiment.

    ``effects``, ``probability_of_benefit`` are None unless ``status == "analysed"``; the
    constructor refuses anything else, so that nothing unpublishable can be stored.

    Attributes
    ----------
    key, user_id, intervention_id
        The experiment.
    status
        One of `STATUSES`.
    reason
        Why, in a sentence, where the status is not ``analysed``; empty otherwise.
    reason_code
        The same for programs, e.g. ``too_few_post_days``, ``constant_outcome``.
    fingerprint
        Of the analysis asked for; None where the data did not get that far.
    decided_at
        UTC instant, ISO 8601.
    analysable_on
        First date on which a waiting experiment can be analysed, ISO 8601, or None.
    pre_start_on, started_on, fit_start_on, post_end_on, final_end_on, cuts
        The window's days, ISO 8601, and why they end; see `its_pipeline.experiments.window`.
    n_events
        Events behind the daily outcomes of the window.
    effects
        Estimand name to its numbers (mean, sd, ci_lower, ci_upper, probability_positive,
        probability_negative, unit).
    diagnostics
        The gate's numbers, of any analysis that was sampled.
    warnings
        Each a mapping of code, text and numbers.
    is_on_and_off, by_lot
        Of an analysis with effects: whether the intervention was on and off again in it, and tested
        by the lot that its days were drawn by. What was stored before there were schedules has
        neither.
    standing
        Of an analysis with effects: what the looks at the experiment come to, in the JSON form of
        `its.decisions.standing.Standing`. None for a question that is no logged experiment's own,
        and in what was stored before looks were kept.
    cadence
        The unit of time of its days; see `schedules.cadence`.
    likelihood
        What the outcome was analysed as. "normal" in what was stored before verdicts said it.
    """

    key: str
    user_id: str
    intervention_id: str
    intervention_name: str
    intervention_version: int
    status: Status
    reason: str
    reason_code: str
    fingerprint: str | None
    decided_at: str
    direction: str
    outcome_metric: str
    unit: str
    minimum_effect: float
    started_on: str
    pre_start_on: str | None = None
    fit_start_on: str | None = None
    post_end_on: str | None = None
    analysable_on: str | None = None
    final_end_on: str | None = None
    cuts: tuple[Mapping[str, str], ...] = field(default=())
    n_pre: int = 0
    n_post: int = 0
    n_events: int = 0
    effects: Mapping[str, Mapping[str, Any] | None] | None = None
    probability_of_benefit: float | None = None
    diagnostics: Mapping[str, Any] | None = None
    warnings: tuple[Mapping[str, Any], ...] = field(default=())
    model_version: str = ""
    computed_seconds: float = 0.0
    dagster_run_id: str | None = None
    is_on_and_off: bool = False
    by_lot: bool = False
    standing: Mapping[str, Any] | None = None
    cadence: str = DAYS.name
    likelihood: str = "normal"

    @property
    def told_headline(self) -> dict[str, Any] | None:
        """The effect that answers are about as people are told it; None without effects.

        Its numbers mean, sd, ci_lower and ci_upper, of shares in percentage points, and `unit`.
        """
        effect = (self.effects or {}).get(HEADLINE.name)
        if effect is None:
            return None
        times, unit = self.told_scale
        numbers = ("mean", "sd", "ci_lower", "ci_upper")
        return {**{name: times * effect[name] for name in numbers}, "unit": unit}

    @property
    def told_scale(self) -> tuple[float, str]:
        """What people are told effects times, and in which unit."""
        return told_scale(self.likelihood, self.unit)

    @property
    def calendar(self) -> Cadence:
        """The unit of time."""
        return Cadence.of(self.cadence)

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status should be one of {STATUSES} but got {self.status!r}")
        published = (
            self.effects is not None
            or self.probability_of_benefit is not None
            or self.standing is not None
        )
        if published and self.status != "analysed":
            raise ValueError(
                f"a verdict of status {self.status!r} should carry no effects but got some for "
                f"{self.key}: only a converged analysis has effects"
            )
        if self.status == "analysed" and (self.effects is None or self.fingerprint is None):
            raise ValueError(
                f"an analysed verdict should carry effects and fingerprint: {self.key}"
            )

    @property
    def converged(self) -> bool | None:
        """The sampler's gate: None where nothing was sampled."""
        return None if self.diagnostics is None else bool(self.diagnostics["converged"])

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, to be written and not changed; `from_dict` is its inverse."""
        plain = dict(vars(self))
        for several in ("warnings", "cuts"):
            plain[several] = [dict(each) for each in plain[several]]
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Verdict:
        """Read what `to_dict` wrote; fields of a later version are passed over.

        Raises
        ------
        ValueError, TypeError
            It is not what `to_dict` writes.
        """
        known = {spec.name for spec in fields(cls)}
        values = {name: value for name, value in plain.items() if name in known}
        for several in ("warnings", "cuts"):
            values[several] = tuple(values.get(several, ()))
        found = cls(**values)
        for name, kind in (("key", str), ("decided_at", str), ("started_on", str), ("n_pre", int)):
            if not isinstance(getattr(found, name), kind):
                raise TypeError(f"{name} should be {kind.__name__} but is {values[name]!r:.80}")
        for name in ("effects", "diagnostics"):
            if not isinstance(values.get(name), Mapping | None):
                raise TypeError(f"{name} should be a mapping but is {values[name]!r:.80}")
        return found
