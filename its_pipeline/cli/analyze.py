"""``its-pipeline analyze``: one plain series, without any store.

What belongs here: reading the series and saying the answer. What does not: the analysis (`its`),
its wording (`report.sentence`, `report.schedule_views`, `report.logarithms`), or schedules as text
(`schedules`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from its_pipeline.cli.support import (
    Aggregate,
    Cadence,
    Carryover,
    DateOrder,
    DaysOfInstants,
    DecimalSign,
    Delimiter,
    Empty,
    Encoding,
    HeaderLine,
    Likelihood,
    Sheet,
    Slope,
    Thousands,
    Trend,
    analysis_options,
    checked_aggregate,
    fail,
    number,
    plain_errors,
    print_table,
    said_of_file,
    understand_or_ask,
)
from its_pipeline.cli.when import when_on

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its import Analysis
    from its_pipeline.its.results import Effects

#: Exit status of an analysis whose sampler did not converge: there is no answer.
NOT_CONVERGED = 3


@plain_errors
def analyze(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV of any kind, Excel, OpenDocument or Parquet; by day, week, month, session."
        ),
    ],
    date_column: Annotated[
        str | None, typer.Option("--date", help="Column of the dates; found if there is one.")
    ] = None,
    outcome_column: Annotated[
        str | None, typer.Option("--outcome", help="Column of the outcome; found if there is one.")
    ] = None,
    intervention: Annotated[
        str | None, typer.Option(help="First day with it, INCLUSIVE (YYYY-MM-DD), or session.")
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on",
            help="A period with it: first..last, both INCLUSIVE, first.. or one day; repeatable. "
            "In the place of --intervention.",
        ),
    ] = None,
    on_column: Annotated[
        str | None,
        typer.Option(help="Column of 1 (on) and 0 (off). In the place of --intervention."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Another intervention in the same model, NAME=first..last; repeatable."),
    ] = None,
    carryover_days: Annotated[
        int, typer.Option(min=0, help="Days left out of the fit after every switch on or off.")
    ] = 0,
    by_lot: Annotated[
        str | None,
        typer.Option(
            help="The days on were drawn by lot, ahead of the first one: total, block:DAYS or none "
            "says where as many were to be on as off."
        ),
    ] = None,
    unit_days: Annotated[int | None, typer.Option(help="Days drawn at once; 1.")] = None,
    longest_run: Annotated[int | None, typer.Option(help="Most units alike in a row.")] = None,
    drawn: Annotated[
        str | None,
        typer.Option(help="Days that were drawn, first..last; those of the file if not said."),
    ] = None,
    direction: Annotated[str, typer.Option(help="Which change is a benefit.")] = "increase",
    season: Annotated[
        str | None, typer.Option(help="day_of_week (by default), month, year or none.")
    ] = None,
    slope: Slope = None,
    trend: Trend = None,
    carryover: Carryover = None,
    cadence: Cadence = None,
    washout_days: Annotated[int, typer.Option(help="Days left out of the fit.")] = 0,
    minimum_effect: Annotated[float, typer.Option(help="Smallest benefit.")] = 0.0,
    covariate: Annotated[
        list[str] | None,
        typer.Option(help="Column of what the intervention does not affect; repeatable."),
    ] = None,
    denominator: Annotated[
        str | None,
        typer.Option(help="Column of what counts are of (person-time), or shares (trials)."),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Analyse the natural logarithm of the outcome.")
    ] = False,
    estimator: Annotated[str, typer.Option(help="segmented or forecast.")] = "segmented",
    likelihood: Likelihood = None,
    draws: Annotated[int, typer.Option(help="Posterior draws a chain, where sampled.")] = 2000,
    chains: Annotated[int, typer.Option(help="Markov chains.")] = 4,
    seed: Annotated[int, typer.Option(help="Same seed, same numbers.")] = 0,
    unit: Annotated[str, typer.Option(help="Unit of the outcome, for the texts.")] = "",
    aggregate: Aggregate = None,
    time_zone: DaysOfInstants = "UTC",
    date_order: DateOrder = None,
    decimal: DecimalSign = None,
    thousands: Thousands = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = None,
    empty: Empty = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Analyse one plain series, and say whether the outcome changed with the intervention."""
    from its_pipeline.events.analysis_options import SeriesOptions
    from its_pipeline.its import AnalysisSpec
    from its_pipeline.schedules.as_text import read_named_periods

    options = SeriesOptions.read(analysis_options(context.params))
    spec = AnalysisSpec.from_dict(
        {
            "direction": direction,
            "washout_days": washout_days,
            "carryover_days": carryover_days,
            "minimum_effect": minimum_effect,
            "estimator": estimator,
            "draws": draws,
            "chains": chains,
            "seed": seed,
            "unit": "" if log else unit,
            **options.model_settings(),
        }
    )
    others = read_named_periods(also or ())
    columns = list(options.covariates or ())
    beside = [*columns, *([denominator] if denominator else [])]
    numbers, are_sessions = _numbers(context.params, beside)
    if are_sessions and options.cadence is None:
        spec = replace(spec, cadence="session")
    outcome_column = str(numbers.columns[0])
    schedule = when_on(context.params, numbers, sessions=are_sessions)
    outcome = _outcome(numbers[outcome_column], outcome_column, log)
    covariates = numbers[columns] if columns else None
    from its_pipeline.its import analyze as analyze_series
    from its_pipeline.report.logarithms import as_plain

    per = numbers[denominator] if denominator else None
    analysis = analyze_series(outcome, schedule, spec, covariates, others=others, denominator=per)
    if as_json:
        typer.echo(json.dumps(as_plain(analysis, log), indent=1))
    else:
        _say(analysis, outcome_column, log, columns)
    if analysis.effects is None:
        fail(
            "the computation did not pass its checks, so there is no answer: "
            + "; ".join(analysis.diagnostics.failures),
            code=NOT_CONVERGED,
        )


def _outcome(outcome: pd.Series, name: str, log: bool) -> pd.Series:
    """Return the outcome or, with `log`, its natural logarithm."""
    if not log:
        return outcome
    import numpy as np

    if (outcome <= 0).any():
        raise ValueError(
            f"--log needs an outcome above zero but {name!r} has {outcome[outcome <= 0].iloc[0]!r}"
        )
    return outcome.map(np.log)


def _numbers(given: Mapping[str, Any], beside: list[str]) -> tuple[pd.DataFrame, bool]:
    """Return the outcome, the columns beside it and of days on, by day; and if of sessions."""
    from its_pipeline.events.mapping import outcomes_of
    from its_pipeline.tables.days import read_days

    aggregate = checked_aggregate(given["aggregate"])
    on = [given["on_column"]] if given["on_column"] else []
    others = list(dict.fromkeys([*beside, *on]))
    said = replace(said_of_file(given), time=given["date_column"])
    outcome = given["outcome_column"]
    if outcome is not None:
        said = replace(said, outcomes=outcomes_of(dict.fromkeys([outcome, *others])))
    understood = understand_or_ask(given["file"], said)
    mapping = understood.mapping(user_constant="one")
    for line in understood.lines:
        if not given["as_json"]:
            typer.echo(line)
    if outcome is None:
        found = [column for column in mapping.outcomes.values() if column not in others]
        if len(found) != 1:
            raise ValueError(
                f"{given['file']}: which column is the outcome? say --outcome with one of "
                f"{', '.join(map(repr, found))}"
            )
        outcome = found[0]
    columns = list(dict.fromkeys([outcome, *others]))
    numbers = read_days(given["file"], mapping, columns, aggregate)
    return numbers, mapping.time_kind == "session"


def _say(analysis: Analysis, outcome: str, log: bool, covariates: Sequence[str]) -> None:
    from its_pipeline.report.comparison_views import comparison_view
    from its_pipeline.report.finding import finding_of
    from its_pipeline.report.logarithms import warnings_told
    from its_pipeline.report.sentence import answer_sentences

    if analysis.effects is not None:
        name = f"log({outcome})" if log else outcome
        finding = finding_of(analysis, "the intervention", name)
        for sentence in answer_sentences(finding).sentences:
            typer.echo(sentence)
        columns = ("estimand", "mean", "95 % interval", "P(> 0)", "unit")
        print_table("Effects", columns, _effect_rows(analysis.effects, log))
        _say_schedule(analysis)
    rows = [
        (name, number(mean), number(sd), analysis.spec.unit)
        for name, (mean, sd) in analysis.coefficients.items()
        if name in covariates
    ]
    if rows:
        told = "log of the outcome" if log else "outcome"
        caption = f"Change of the {told} with one unit more of the covariate."
        print_table("Covariates", ("covariate", "mean", "sd", "unit"), rows, caption)
    if (view := comparison_view(analysis)) is not None:
        rows = [(row.name, row.mean, row.interval, row.probability) for row in view.rows]
        columns = ("average effect", "mean", "95 % interval", "likelier direction")
        print_table("With and without comparison series", columns, rows)
        typer.echo(view.claim)
    diagnostics = analysis.diagnostics
    step = analysis.spec.step
    told = [f"{analysis.n_pre} pre and {analysis.n_post} post {step}s"]
    if analysis.is_on_and_off:
        told = [f"{analysis.n_pre} {step}s off and {analysis.n_post} {step}s on"]
    if diagnostics.by_quadrature:
        told.append(f"error of the quadrature {diagnostics.quadrature_error:.4f} sd")
    if diagnostics.is_sampled:
        ess = min(diagnostics.min_ess_bulk, diagnostics.min_ess_tail)
        told.append(f"largest R-hat {diagnostics.max_r_hat:.4f}")
        told.append(f"smallest effective sample size {ess:.0f}")
        told.append(f"{diagnostics.divergences} divergences")
    typer.echo("; ".join(told))
    for warning in warnings_told(analysis, log):
        typer.echo(f"warning: {warning.text}")


def _say_schedule(analysis: Analysis) -> None:
    """Say what phases, a lot and other interventions add; nothing for one change alone."""
    from its_pipeline.report.schedule_views import schedule_view

    view = schedule_view(analysis)
    if view is None:
        return
    if view["phases"]:
        rows = [(row.days, row.state, row.n, row.mean, row.effect) for row in view["phases"]]
        caption = f"{view['more']} later phases are not shown." if view["more"] else ""
        columns = (
            f"{analysis.spec.step}s",
            "on or off",
            "observed",
            "mean",
            "effect (95 % interval)",
        )
        print_table("Phases", columns, rows, caption)
    if view["likeness"]:
        typer.echo(view["likeness"])
    if view["lot"] is not None:
        typer.echo(f"{view['lot']['words']}.")
    if view["others"]:
        rows = [(row.name, row.effect, row.together, row.correlation) for row in view["others"]]
        columns = ("intervention", "effect (95 % interval)", "both together", "correlation")
        print_table("Others in the same model", columns, rows)


def _effect_rows(effects: Effects, log: bool) -> list[tuple[str, ...]]:
    from its_pipeline.its.estimand_names import ESTIMANDS, RATIO, RELATIVE
    from its_pipeline.report.logarithms import percent_change

    rows = []
    for estimand in ESTIMANDS:
        effect = getattr(effects, estimand.name)
        name, numbers = estimand.name, None if effect is None else effect.to_dict()
        if log and estimand is RELATIVE:
            name, numbers = "percent change", percent_change(effects.counterfactual)
        if numbers is None:
            if estimand is not RATIO:
                rows.append((name, "not in the model", "", "", ""))
            continue
        rows.append(
            (
                name,
                number(numbers["mean"]),
                f"{number(numbers['ci_lower'])} to {number(numbers['ci_upper'])}",
                f"{numbers['probability_positive']:.3f}",
                numbers["unit"],
            )
        )
    return rows
