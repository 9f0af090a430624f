"""What a page is made from: small frozen records of plain facts.

Here belongs the shape of what the reports, the checklist and the index are given, and the rule that
unpublishable numbers cannot be given at all. Gathering the facts from stores belongs to the caller;
writing and drawing to the other modules of this package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final, Protocol

from its_pipeline.schedules.cadence import DAYS, Cadence
from its_pipeline.stores.verdict import STATUSES, Status

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention
    from its_pipeline.events.metrics import OutcomeMetric
    from its_pipeline.its import Analysis
    from its_pipeline.its.decisions.looks import Look
    from its_pipeline.its.decisions.standing import Standing
    from its_pipeline.its.planning.summary import PlanSummary

STATUS_LABELS: Final[Mapping[Status, str]] = {
    "analysed": "Analysed",
    "waiting": "Waiting for days",
    "not_converged": "Not converged",
    "refused": "Refused",
    "closed": "Closed",
    "crashed": "Crashed",
}


class CutLike(Protocol):
    """Why one side of a window ends where it does; `experiments.window.Cut` is one."""

    @property
    def side(self) -> str:
        """Return "pre", "post" or "with"."""
        ...

    @property
    def on(self) -> date:
        """Return the day that the rule sets, INCLUSIVE."""
        ...

    @property
    def reason(self) -> str:
        """Return the rule in words."""
        ...


class WindowLike(Protocol):
    """The days of an experiment, every bound INCLUSIVE; `experiments.window.Window` is one."""

    @property
    def pre_start_on(self) -> date:
        """Return the first day of the baseline."""
        ...

    @property
    def started_on(self) -> date:
        """Return the first day of the intervention."""
        ...

    @property
    def fit_start_on(self) -> date:
        """Return the first day after the washout."""
        ...

    @property
    def post_end_on(self) -> date:
        """Return the last day that is counted now."""
        ...

    @property
    def final_end_on(self) -> date:
        """Return the last day that can ever be counted."""
        ...

    @property
    def cuts(self) -> Sequence[CutLike]:
        """Return the reasons for both ends."""
        ...


@dataclass(frozen=True)
class DataFacts:
    """Which data went in. None means "not known here", and the page says so.

    Parameters
    ----------
    n_events
        Valid events behind the daily values of the window.
    rejected_rows
        Events of this person, and maybe of this outcome, that the contract rejected: in the
        window's days, or with a time that cannot be read.
    rejected_reasons
        Rule to number of rows.
    """

    n_events: int | None = None
    rejected_rows: int | None = None
    rejected_reasons: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Provenance:
    """Where every number comes from. Empty or None fields are shown as "not recorded".

    Parameters
    ----------
    fingerprint
        Identity of the analysis: same fingerprint, same answer.
    model_version, versions, code_version, seed
        Model, library name to version, the project's commit or version, the sampler's seed.
    mlflow_run_id, mlflow_url, dagster_run_id, dagster_url
        The runs that hold this analysis, and addresses to look at them.
    event_partitions
        First and last UTC day of the event partitions that were read.
    command
        Shell command that reproduces the analysis.
    decided_at
        UTC instant of the verdict.
    computed_seconds
        Time the analysis took.
    """

    fingerprint: str | None = None
    model_version: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    code_version: str | None = None
    seed: int | None = None
    mlflow_run_id: str | None = None
    mlflow_url: str | None = None
    dagster_run_id: str | None = None
    dagster_url: str | None = None
    event_partitions: tuple[str, str] | None = None
    command: str = ""
    decided_at: datetime | None = None
    computed_seconds: float | None = None


@dataclass(frozen=True)
class ReportInput:
    """Everything one report is made from.

    Parameters
    ----------
    intervention
        As logged, in its newest version; names the person.
    metric
        The outcome's declaration; None where it is not registered any more.
    analysis
        A converged analysis.
    window
        The experiment's days, with the reason for each end.
    data, provenance
        See there.
    index_href, trust_href
        Relative addresses of the index page and of the page on how far intervals can be trusted, or
        None.
    looks, standing
        The looks taken at it, in order, and what they come to; none of a question asked once.

    Raises
    ------
    ValueError
        If the analysis did not converge: that experiment gets a state page.
    """

    intervention: Intervention
    metric: OutcomeMetric | None
    analysis: Analysis
    window: WindowLike | None = None
    data: DataFacts = DataFacts()
    provenance: Provenance = Provenance()
    index_href: str | None = None
    trust_href: str | None = None
    looks: tuple[Look, ...] = ()
    standing: Standing | None = None

    @property
    def calendar(self) -> Cadence:
        """The unit of time of its days."""
        return self.analysis.spec.calendar

    def __post_init__(self) -> None:
        if self.analysis.effects is None:
            raise ValueError(
                f"a report needs a converged analysis but that of {self.intervention.key} has no "
                "effects; use StateInput and render_state_page"
            )


@dataclass(frozen=True)
class StateInput:
    """Everything the page of an experiment without a published effect is made from.

    Parameters
    ----------
    intervention, metric, window, data, provenance, index_href, trust_href
        As in `ReportInput`.
    state
        Any state but "analysed".
    reason
        Why, in a sentence.
    n_pre, n_post
        Observed days in the two phases; None where they were not counted.
    analysable_on
        First date on which a waiting experiment can be analysed; None where there is none.
    analysis
        Of a "not_converged" experiment, for its diagnostics; must have no effects.
    planned
        Of a waiting experiment, how many days it needs; None where there was nothing to plan from.
    calendar
        The unit of time of its days.

    Raises
    ------
    ValueError
        If the state is "analysed" or unknown, or the analysis has effects.
    """

    intervention: Intervention
    metric: OutcomeMetric | None
    state: Status
    reason: str
    n_pre: int | None = None
    n_post: int | None = None
    analysable_on: date | None = None
    window: WindowLike | None = None
    data: DataFacts = DataFacts()
    provenance: Provenance = Provenance()
    analysis: Analysis | None = None
    planned: PlanSummary | None = None
    index_href: str | None = None
    trust_href: str | None = None
    calendar: Cadence = DAYS

    def __post_init__(self) -> None:
        if self.state not in STATUSES or self.state == "analysed":
            allowed = ", ".join(state for state in STATUSES if state != "analysed")
            raise ValueError(f"state must be one of {allowed} but got {self.state!r}")
        if self.analysis is not None and self.analysis.effects is not None:
            raise ValueError(
                f"a state page must not carry effects but the analysis of {self.intervention.key} "
                "has some; use ReportInput and render_report"
            )

    @property
    def is_withdrawn(self) -> bool:
        """Whether it is closed because it was withdrawn, not because its days are over."""
        return self.state == "closed" and self.intervention.status == "withdrawn"


@dataclass(frozen=True)
class EffectNumbers:
    """One published effect, in outcome units.

    Parameters
    ----------
    mean, sd, ci_lower, ci_upper
        Posterior mean, standard deviation and 95 % interval of the counterfactual effect.
    probability_positive
        P(effect > 0).
    probability_of_benefit
        P(effect beats the minimum effect in the declared direction).
    """

    mean: float
    sd: float
    ci_lower: float
    ci_upper: float
    probability_positive: float
    probability_of_benefit: float


@dataclass(frozen=True)
class IndexRow:
    """One experiment on the index page.

    Parameters
    ----------
    user_id, intervention_id, name, outcome, unit, direction, minimum_effect, started_on
        As logged; `outcome` is the metric's label.
    state, reason, n_pre, n_post, analysable_on
        As in `StateInput`.
    effect
        None unless `state` is "analysed".
    warning_codes
        Codes of the analysis' warnings.
    standing
        What the looks at it come to; None of a question asked once.
    is_on_and_off, by_lot
        Whether it was on and off again in the analysis, and on days drawn by lot ahead of them.
    ongoing_until
        Last day the post-period can still reach, while it is not there yet; else None.
    report_href, mlflow_url, dagster_url
        Links; None where there is none.
    is_drawn
        Whether the page that `report_href` leads to is there, or drawn when somebody opens it.
    cent_reported, cent_applicable
        Answered items of the CENT checklist, and how many apply; None where it was not filled.
    calendar
        The unit of time of its days.

    Raises
    ------
    ValueError
        If the state is unknown, or an effect comes with a state other than "analysed", or an
        analysed row has none.
    """

    user_id: str
    intervention_id: str
    name: str
    outcome: str
    unit: str
    direction: str
    started_on: date
    state: Status
    minimum_effect: float = 0.0
    reason: str = ""
    n_pre: int | None = None
    n_post: int | None = None
    analysable_on: date | None = None
    effect: EffectNumbers | None = None
    warning_codes: tuple[str, ...] = ()
    standing: Standing | None = None
    is_on_and_off: bool = False
    by_lot: bool = False
    ongoing_until: date | None = None
    report_href: str | None = None
    is_drawn: bool = True
    mlflow_url: str | None = None
    dagster_url: str | None = None
    cent_reported: int | None = None
    cent_applicable: int | None = None
    calendar: Cadence = DAYS

    def __post_init__(self) -> None:
        if self.state not in STATUSES:
            raise ValueError(f"state must be one of {', '.join(STATUSES)} but got {self.state!r}")
        if (self.effect is None) == (self.state == "analysed"):
            raise ValueError(
                f"a row must carry an effect exactly when it is analysed, but "
                f"{self.user_id}|{self.intervention_id} is {self.state} with effect {self.effect}"
            )
