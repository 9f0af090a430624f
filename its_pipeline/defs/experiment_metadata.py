"""What Dagster shows of a plan, a fit, a report: metadata and check results from stored records.

What belongs here: turning plans, verdicts and publications into metadata, the same for a single run
and for a bulk run. What does not: computing anything that is shown.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import dagster as dg

from its_pipeline.experiments.links import mlflow_run_url
from its_pipeline.experiments.service import open_store
from its_pipeline.its.estimand_names import ESTIMANDS, HEADLINE
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    from its_pipeline.experiments.plan import Plan
    from its_pipeline.experiments.publish import Publication

#: A thumbnail is stored with every materialisation; a larger one is left out and only linked.
LARGEST_THUMBNAIL_BYTES: Final = 36_000

Metadata = dict[str, Any]


@dataclass(frozen=True)
class CheckOutcome:
    """One evaluation of a check, before it becomes a Dagster event.

    Attributes
    ----------
    passed
        The verdict.
    severity
        Of a failure.
    description
        In a sentence.
    metadata
        Values beside their thresholds.
    """

    passed: bool
    severity: dg.AssetCheckSeverity
    description: str
    metadata: Metadata

    def result(self) -> dg.AssetCheckResult:
        """Return what an asset check of Dagster returns."""
        return dg.AssetCheckResult(
            passed=self.passed,
            severity=self.severity,
            description=self.description,
            metadata=self.metadata,
        )


def plan_metadata(plan: Plan) -> Metadata:
    """Return what is known of an experiment before its effect is."""
    window = plan.window
    shown: Metadata = {
        "state": plan.state,
        "n_pre": plan.n_pre,
        "n_post": plan.n_post,
        "pre_start_on": window.pre_start_on.isoformat(),
        "started_on": window.started_on.isoformat(),
        "fit_start_on": window.fit_start_on.isoformat(),
        "post_end_on": window.post_end_on.isoformat(),
    }
    for name in ("baseline_mean", "baseline_sd", "baseline_autocorrelation"):
        value = getattr(plan, name)
        if value is not None:
            shown[name] = float(value)
    if plan.reason:
        shown["reason"] = plan.reason
    if plan.left_out:
        shown["left_out"] = plan.left_out
    if plan.analysable_on is not None:
        shown["analysable_on"] = plan.analysable_on.isoformat()
    if plan.planned_effect is not None:
        shown["planned_effect"] = plan.planned_effect
        shown["planned_from"] = plan.planned_from
        shown["days_needed"] = "more than a year" if plan.days_needed is None else plan.days_needed
    return shown


def enough_days(plan: Plan) -> CheckOutcome:
    """Check that both phases have enough observed days; waiting is a warning, never an error."""
    from its_pipeline.its.series import MINIMUM_DAYS

    passed = plan.n_pre >= MINIMUM_DAYS and plan.n_post >= MINIMUM_DAYS
    description = (
        f"{plan.n_pre} pre and {plan.n_post} post days observed, {MINIMUM_DAYS} needed of each"
    )
    if not passed and plan.reason:
        description = plan.reason
    return CheckOutcome(
        passed,
        dg.AssetCheckSeverity.WARN,
        description,
        {
            "n_pre": plan.n_pre,
            "n_post": plan.n_post,
            "minimum_days": MINIMUM_DAYS,
            "state": plan.state,
            **(
                {"analysable_on": plan.analysable_on.isoformat()}
                if plan.analysable_on is not None
                else {}
            ),
        },
    )


def fit_metadata(settings: Settings, verdict: Verdict, mlflow_run_id: str | None) -> Metadata:
    """Return what a fit came to; effects only where the gate was passed."""
    shown: Metadata = {
        "status": verdict.status,
        "fingerprint": verdict.fingerprint or "",
        "n_pre": verdict.n_pre,
        "n_post": verdict.n_post,
        "seconds": float(verdict.computed_seconds),
        "model_version": verdict.model_version,
        **diagnostics_metadata(verdict),
        **effect_metadata(verdict),
    }
    if verdict.reason:
        shown["reason"] = verdict.reason
    if verdict.warnings:
        shown["warnings"] = dg.MetadataValue.md(
            "\n".join(f"- **{warning['code']}**: {warning['text']}" for warning in verdict.warnings)
        )
    if verdict.fingerprint is not None:
        folder = open_store(settings).analysis_folder(verdict.key, verdict.fingerprint)
        shown["analysis"] = dg.MetadataValue.path(str(folder))
    mlflow_url = mlflow_run_url(settings, mlflow_run_id)
    if mlflow_url is not None:
        shown["mlflow_run"] = dg.MetadataValue.url(mlflow_url)
    return shown


def effect_metadata(verdict: Verdict) -> Metadata:
    """Return the published effect, its interval and the probability of benefit; {} without."""
    effect = (verdict.effects or {}).get(HEADLINE.name)
    if effect is None or verdict.probability_of_benefit is None:
        return {}
    return {
        "effect": float(effect["mean"]),
        "effect_ci_lower": float(effect["ci_lower"]),
        "effect_ci_upper": float(effect["ci_upper"]),
        "probability_of_benefit": float(verdict.probability_of_benefit),
        "effects": effects_table(verdict),
    }


def effects_table(verdict: Verdict) -> dg.TableMetadataValue:
    """Return all estimands as a table."""
    records = [
        dg.TableRecord(
            {
                "estimand": estimand.name,
                "mean": round(float(effect["mean"]), 4),
                "ci_lower": round(float(effect["ci_lower"]), 4),
                "ci_upper": round(float(effect["ci_upper"]), 4),
                "probability_positive": round(float(effect["probability_positive"]), 4),
                "unit": str(effect["unit"]),
            }
        )
        for estimand in ESTIMANDS
        if (effect := (verdict.effects or {}).get(estimand.name)) is not None
    ]
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn("estimand", "string"),
            dg.TableColumn("mean", "float", "Posterior mean"),
            dg.TableColumn("ci_lower", "float", "Lower end of the equal-tailed 95 % interval"),
            dg.TableColumn("ci_upper", "float", "Upper end of the equal-tailed 95 % interval"),
            dg.TableColumn("probability_positive", "float", "Posterior probability above zero"),
            dg.TableColumn("unit", "string"),
        ]
    )
    return dg.MetadataValue.table(records=records, schema=schema)


def diagnostics_metadata(verdict: Verdict) -> Metadata:
    """Return the gate's numbers; {} where nothing was sampled."""
    from its_pipeline.its.inference.diagnostics import criteria_of

    known: Mapping[str, Any] = verdict.diagnostics or {}
    numbers = {each.figure: known.get(each.figure) for each in criteria_of(known)}
    return {name: number for name, number in numbers.items() if number is not None}


def sampler_converged(verdict: Verdict) -> CheckOutcome:
    """Check the stored verdict of the gate: quadrature and sampler, each beside its threshold."""
    from its_pipeline.its.inference.diagnostics import criteria_of

    numbers = diagnostics_metadata(verdict)
    records = [
        dg.TableRecord(
            {
                "diagnostic": name,
                "value": f"{numbers[name]:.4g}" if name in numbers else "not computable",
                "threshold": f"{criterion.comparison} {criterion.threshold:g}",
            }
        )
        for name, criterion in (
            (each.figure, each) for each in criteria_of(verdict.diagnostics or {})
        )
    ]
    schema = dg.TableSchema(
        columns=[dg.TableColumn(name, "string") for name in ("diagnostic", "value", "threshold")]
    )
    passed = verdict.converged is True and verdict.status == "analysed"
    return CheckOutcome(
        passed,
        dg.AssetCheckSeverity.ERROR,
        "every diagnostic is within its threshold"
        if passed
        else verdict.reason or f"the verdict is {verdict.status}",
        {
            **numbers,
            "gate": dg.MetadataValue.table(records=records, schema=schema),
            "status": verdict.status,
            "fingerprint": verdict.fingerprint or "",
        },
    )


def thumbnail_metadata(png: bytes | None) -> Metadata:
    """Return the thumbnail as Markdown that Dagster's UI shows; {} where it is too large."""
    if not png or len(png) > LARGEST_THUMBNAIL_BYTES:
        return {}
    data = base64.b64encode(png).decode()
    return {
        "counterfactual_plot": dg.MetadataValue.md(
            f"![observed and counterfactual](data:image/png;base64,{data})"
        )
    }


def report_metadata(settings: Settings, verdict: Verdict, publication: Publication) -> Metadata:
    """Return the published answer: sentence, effect, thumbnail, where the page lies."""
    return {
        "answer": dg.MetadataValue.md("\n\n".join(publication.sentences)),
        **effect_metadata(verdict),
        **thumbnail_metadata(publication.thumbnail_png),
        "report": _report_metadata(settings, publication),
        "index": dg.MetadataValue.path(str(settings.reports_dir / "index.html")),
        "fingerprint": verdict.fingerprint or "",
    }


def _report_metadata(settings: Settings, publication: Publication) -> dg.MetadataValue:
    """Return where the page is: its file, or what draws it when somebody opens it."""
    from its_pipeline.experiments.links import page_url

    if publication.drawn:
        return dg.MetadataValue.path(str(publication.page))
    address = page_url(settings, publication.verdict.key)
    if address is not None:
        return dg.MetadataValue.url(address)
    return dg.MetadataValue.text(
        "Drawn when somebody opens it: `its-pipeline serve` does that, `its-pipeline pages` draws "
        "all pages as files."
    )
