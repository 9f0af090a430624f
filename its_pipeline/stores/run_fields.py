"""What one MLflow run of an analysis holds: its tags, parameters and numbers, and filters on them.

What belongs here: the names under which an analysis is recorded, reading a run back, and filter
clauses that no value can break out of. What does not: talking to MLflow (`stores.runs`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from its_pipeline.schedules.as_text import schedule_text
from its_pipeline.schedules.schedule import Schedule
from its_pipeline.stores.provenance import code_version, library_versions
from its_pipeline.stores.verdict import RunContext, Verdict

if TYPE_CHECKING:
    from mlflow.entities import Run

TAG_USER: Final = "its.user_id"
TAG_INTERVENTION: Final = "its.intervention_id"
TAG_FINGERPRINT: Final = "its.fingerprint"
TAG_STATUS: Final = "its.status"
#: "pruned" where the draws were deleted to save space.
TAG_POSTERIOR: Final = "its.posterior"
#: Address of the experiment's page, where a bulk run left it to be drawn on demand.
TAG_PAGE: Final = "its.page"
TAG_DAGSTER_RUN: Final = "dagster.run_id"
TAG_DAGSTER_PARTITION: Final = "dagster.partition"
#: The tag by which dagster-mlflow finds the parent run of a Dagster run.
TAG_PARENT_DAGSTER_RUN: Final = "dagster_run_id"
TAG_PARENT: Final = "mlflow.parentRunId"


#: What follows from what is recorded anyway; every number costs a fifth of a millisecond.
_IMPLIED: Final = frozenset({"probability_negative", "diagnostics.draws", "diagnostics.chains"})
#: MLflow's own limit on a parameter's length, with room to spare.
_LONGEST_PARAMETER = 500
_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class RunSummary:
    """One analysis as MLflow remembers it.

    Attributes
    ----------
    run_id
        MLflow's identifier.
    user_id, intervention_id, fingerprint, status
        The experiment, the analysis and its verdict's status.
    started_at, ended_at
        UTC instants; `ended_at` is None while the run is being written.
    numbers, params, tags
        As recorded (MLflow calls the numbers metrics); those of effects exist for a converged
        analysis alone.
    """

    run_id: str
    user_id: str
    intervention_id: str
    fingerprint: str
    status: str
    started_at: datetime
    ended_at: datetime | None
    numbers: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class RunPage:
    """One page of a history, newest first; `next_page` is None on the last one."""

    runs: tuple[RunSummary, ...]
    next_page: str | None


def analysis_tags(verdict: Verdict, context: RunContext) -> dict[str, str]:
    """Return the tags by which an analysis is found."""
    tags = {
        TAG_USER: verdict.user_id,
        TAG_INTERVENTION: verdict.intervention_id,
        TAG_FINGERPRINT: verdict.fingerprint,
        TAG_STATUS: verdict.status,
        TAG_DAGSTER_RUN: context.dagster_run_id,
        TAG_DAGSTER_PARTITION: context.dagster_partition,
        TAG_PARENT: context.parent_mlflow_run_id,
    }
    return {name: value for name, value in tags.items() if value}


def verdict_numbers(verdict: Verdict, stored: Mapping[str, Any]) -> dict[str, float]:
    """Return the finite numbers of a verdict by name; none of an effect without convergence.

    The probability of being negative is one less that of being positive, and not among them.

    Parameters
    ----------
    verdict
        Its effects, diagnostics and counts.
    stored
        ``ExperimentStore.told``; its ``timing`` gives the seconds of fit and audit, its
        ``by_schedule`` how many phases there were (``phases.on``, ``phases.off``), how probably
        they are alike (``likeness.probability_alike``), and the p value of the lot
        (``randomisation.p_value``).
    """
    numbers: dict[str, Any] = {
        "n_pre": verdict.n_pre,
        "n_post": verdict.n_post,
        "computed_seconds": verdict.computed_seconds,
        "probability_of_benefit": verdict.probability_of_benefit,
    }
    for estimand, effect in (verdict.effects or {}).items():
        for name, value in (effect or {}).items():
            numbers[f"{estimand}.{name}"] = value
    for name, value in (verdict.diagnostics or {}).items():
        numbers[f"diagnostics.{name}"] = value
    for part in ("fit", "audit"):
        numbers[f"seconds.{part}"] = (stored.get("timing") or {}).get(part)
    numbers |= _numbers_of_schedule(verdict, stored)
    return {
        name: float(value)
        for name, value in numbers.items()
        if name not in _IMPLIED
        and name.rpartition(".")[2] not in _IMPLIED
        and isinstance(value, (int, float))
        and math.isfinite(value)
    }


def _numbers_of_schedule(verdict: Verdict, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schedule adds to an analysis with effects; nothing for one change."""
    found = stored.get("by_schedule") or {}
    if verdict.effects is None or not found:
        return {}
    numbers = {
        "likeness.probability_alike": (found["likeness"] or {}).get("probability_alike"),
        "randomisation.p_value": (found["randomisation"] or {}).get("p_value"),
    }
    if verdict.is_on_and_off:
        n_on = sum(phase["on"] for phase in found["phases"])
        numbers |= {"phases.on": n_on, "phases.off": len(found["phases"]) - n_on}
    return numbers


def _params_of_schedule(stored: Mapping[str, Any]) -> dict[str, str | None]:
    """Return when it acted and what else was in the model, in words; None where there is neither.

    What is stored of an analysis without effects names no other interventions, so neither does it.
    """
    found = stored.get("by_schedule") or {}
    if not found:
        return {}
    schedule = Schedule.from_dict(found["schedule"])
    return {
        "schedule": None if schedule.is_single_change else schedule_text(schedule),
        "in_one_model_with": ", ".join(other["name"] for other in found["others"]) or None,
    }


def analysis_params(verdict: Verdict, stored: Mapping[str, Any]) -> dict[str, str]:
    """Return what the analysis was asked and what it ran on, as MLflow parameters.

    Parameters
    ----------
    verdict
        Whose intervention, window and model these are.
    stored
        ``ExperimentStore.told``; its ``spec`` gives the settings, its ``by_schedule`` the
        parameters ``schedule`` (when it acted, in words; not for one change) and
        ``in_one_model_with`` (names of the person's other interventions in the model).
    """
    params: dict[str, Any] = {
        "outcome_metric": verdict.outcome_metric,
        "intervention_name": verdict.intervention_name,
        "intervention_version": verdict.intervention_version,
        "started_on": verdict.started_on,
        "pre_start_on": verdict.pre_start_on,
        "fit_start_on": verdict.fit_start_on,
        "post_end_on": verdict.post_end_on,
        "model_version": verdict.model_version,
        "code_version": code_version(),
        **_params_of_schedule(stored),
        **{f"spec.{name}": value for name, value in (stored.get("spec") or {}).items()},
        "versions": ", ".join(f"{name} {found}" for name, found in library_versions().items()),
    }
    return {
        name: str(value)[:_LONGEST_PARAMETER] for name, value in params.items() if value is not None
    }


def summarise(run: Run) -> RunSummary:
    """Read an MLflow run back."""
    tags = dict(run.data.tags)
    ended = run.info.end_time
    return RunSummary(
        run_id=str(run.info.run_id),
        user_id=tags.get(TAG_USER, ""),
        intervention_id=tags.get(TAG_INTERVENTION, ""),
        fingerprint=tags.get(TAG_FINGERPRINT, ""),
        status=tags.get(TAG_STATUS, ""),
        started_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        ended_at=None if ended is None else datetime.fromtimestamp(ended / 1000, UTC),
        numbers=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=tags,
    )


def tag_equals(tag: str, value: str) -> str:
    """Return the clause ``tag = value`` for MLflow's search.

    Raises
    ------
    ValueError
        The value could end its own quotes; MLflow's filter has no way to escape them.
    """
    if "'" in value or "\\" in value:
        raise ValueError(f"{tag} {value!r} must hold neither a quote nor a backslash")
    return f"tags.`{tag}` = '{value}'"


def fingerprint_equals(fingerprint: str) -> str:
    """Return the clause that finds one fingerprint; ValueError where it is not one."""
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ValueError(f"fingerprint {fingerprint!r} should be 8 to 64 hexadecimal digits")
    return tag_equals(TAG_FINGERPRINT, fingerprint)


def analyses_address(mlflow_url: str, experiment_id: str) -> str:
    """Return the address of all analyses in MLflow's UI, newest first, each a row of its own.

    MLflow 3.17 opens an experiment on its GenAI view unless the address says otherwise; it reads
    no tag of the experiment for that. Sorted by their start, analyses would lie folded under the
    runs of Dagster that made them.
    """
    shown = {
        "workflowType": "machine_learning",
        "searchFilter": f"tags.`{TAG_STATUS}` != ''",
        "orderByKey": "attributes.end_time",
        "orderByAsc": "false",
    }
    query = urlencode(shown, quote_via=quote)
    return f"{mlflow_url.rstrip('/')}/#/experiments/{experiment_id}/runs?{query}"
