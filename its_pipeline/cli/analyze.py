"""``its-pipeline analyze``: one plain series, without any store.

What belongs here: reading the series and saying the answer. What does not: the analysis (`its`) or
its wording (`report.sentence`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from its_pipeline.cli.support import (
    Carryover,
    Likelihood,
    Slope,
    Trend,
    analysis_options,
    fail,
    number,
    plain_errors,
    print_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its import Analysis
    from its_pipeline.its.results import AnalysisWarning, Effect, Effects

#: Exit status of an analysis whose sampler did not converge: there is no answer.
NOT_CONVERGED = 3


@plain_errors
def analyze(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file, one row a day (or month).")],
    date_column: Annotated[str, typer.Option("--date", help="Column of the dates.")],
    outcome_column: Annotated[str, typer.Option("--outcome", help="Column of the outcome.")],
    intervention: Annotated[
        str, typer.Option(help="First day with the intervention, INCLUSIVE (YYYY-MM-DD).")
    ],
    direction: Annotated[str, typer.Option(help="Which change is a benefit.")] = "increase",
    season: Annotated[
        str | None, typer.Option(help="day_of_week (by default), month or none.")
    ] = None,
    slope: Slope = None,
    trend: Trend = None,
    carryover: Carryover = None,
    washout_days: Annotated[int, typer.Option(help="Days left out of the fit.")] = 0,
    minimum_effect: Annotated[float, typer.Option(help="Smallest benefit.")] = 0.0,
    covariate: Annotated[
        list[str] | None, typer.Option(help="Column to adjust for; repeatable.")
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
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Analyse one plain series, and say whether the outcome changed with the intervention."""
    from its_pipeline.events.analysis_options import SeriesOptions
    from its_pipeline.its import AnalysisSpec

    options = SeriesOptions.read(analysis_options(context.params))
    spec = AnalysisSpec.from_dict(
        {
            "direction": direction,
            "washout_days": washout_days,
            "minimum_effect": minimum_effect,
            "estimator": estimator,
            "draws": draws,
            "chains": chains,
            "seed": seed,
            "unit": "" if log else unit,
            **options.model_settings(),
        }
    )
    started_on = _day(intervention)
    columns = list(options.covariates or ())
    outcome, covariates = read_series(file, date_column, outcome_column, columns, log)
    from its_pipeline.its import analyze as analyze_series

    analysis = analyze_series(outcome, started_on, spec, covariates)
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


def read_series(
    file: Path, date_column: str, outcome_column: str, covariates: list[str], log: bool = False
) -> tuple[pd.Series, pd.DataFrame | None]:
    """Read an outcome and its covariates from a file, on a daily (or monthly) index.

    Parameters
    ----------
    file
        CSV or Parquet.
    date_column, outcome_column, covariates
        Columns.
    log
        Take the natural logarithm of the outcome.

    Raises
    ------
    FileNotFoundError, ValueError
        Naming file, column or value, and the rule.
    """
    import numpy as np
    import pandas as pd

    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    try:
        table = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read as CSV: {error}") from error
    wanted = [date_column, outcome_column, *covariates]
    missing = [name for name in wanted if name not in table.columns]
    if missing:
        raise ValueError(
            f"{file} has no column {missing[0]!r}; it has {', '.join(map(str, table.columns))}"
        )
    numbers = pd.DataFrame(
        {name: _converted(file, table, name, pd.to_numeric) for name in wanted[1:]}
    ).astype(float)
    numbers.index = pd.DatetimeIndex(
        _converted(file, table, date_column, pd.to_datetime), name="day"
    )
    numbers = numbers.sort_index()
    outcome = numbers[outcome_column]
    if log:
        if (outcome <= 0).any():
            raise ValueError(
                f"--log needs an outcome above zero but {outcome_column!r} has "
                f"{outcome[outcome <= 0].iloc[0]!r}"
            )
        outcome = outcome.map(np.log)
    return outcome, numbers[covariates] if covariates else None


def _converted(file: Path, table: pd.DataFrame, name: str, convert: Callable[..., Any]) -> Any:
    try:
        return convert(table[name]).to_numpy()
    except (ValueError, TypeError) as error:
        raise ValueError(f"{file}: column {name!r}: {error}") from error


def _day(text: str) -> Any:
    from datetime import date

    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"--intervention should be a date like 2026-08-15 but got {text!r}"
        ) from None


def _percent_change(effect: Effect) -> dict[str, Any]:
    """Return the change of the outcome in percent that a difference of its logarithms is."""
    from math import expm1

    return {
        "mean": 100 * expm1(effect.mean),
        "ci_lower": 100 * expm1(effect.ci_lower),
        "ci_upper": 100 * expm1(effect.ci_upper),
        "probability_positive": effect.probability_positive,
        "probability_negative": effect.probability_negative,
        "unit": "%",
    }


def _warnings(analysis: Analysis, log: bool) -> list[AnalysisWarning]:
    """Return the warnings; with `log`, without the one about percent of the logarithm."""
    from its_pipeline.its.warning_codes import NO_RELATIVE_EFFECT

    unsaid = NO_RELATIVE_EFFECT.code if log else ""
    return [warning for warning in analysis.warnings if warning.code != unsaid]


def as_plain(analysis: Analysis, log: bool) -> dict[str, Any]:
    """Return an analysis as JSON-able values.

    With `log`, the change of the outcome in percent is in the place of the relative effect, which
    would be percent of a logarithm and mean nothing.

    Parameters
    ----------
    analysis
        Any.
    log
        Whether the outcome was a logarithm.
    """
    from its_pipeline.its.estimand_names import RELATIVE

    plain = {name: value for name, value in analysis.to_dict().items() if name != "daily"}
    plain["warnings"] = [warning.to_dict() for warning in _warnings(analysis, log)]
    if log and analysis.effects is not None:
        effects = dict(plain["effects"])
        del effects[RELATIVE.name]
        plain["effects"] = effects
        plain["percent_change"] = _percent_change(analysis.effects.counterfactual)
    return plain


def _say(analysis: Analysis, outcome: str, log: bool, covariates: Sequence[str]) -> None:
    from its_pipeline.report.sentence import answer_sentences, finding_of

    if analysis.effects is not None:
        name = f"log({outcome})" if log else outcome
        finding = finding_of(analysis, "the intervention", name)
        for sentence in answer_sentences(finding).sentences:
            typer.echo(sentence)
        columns = ("estimand", "mean", "95 % interval", "P(> 0)", "unit")
        print_table("Effects", columns, _effect_rows(analysis.effects, log))
    rows = [
        (name, number(mean), number(sd), analysis.spec.unit)
        for name, (mean, sd) in analysis.coefficients.items()
        if name in covariates
    ]
    if rows:
        told = "log of the outcome" if log else "outcome"
        caption = f"Change of the {told} with one unit more of the covariate."
        print_table("Covariates", ("covariate", "mean", "sd", "unit"), rows, caption)
    diagnostics = analysis.diagnostics
    told = [f"{analysis.n_pre} pre and {analysis.n_post} post {analysis.spec.step}s"]
    if diagnostics.by_quadrature:
        told.append(f"error of the quadrature {diagnostics.quadrature_error:.4f} sd")
    if diagnostics.is_sampled:
        ess = min(diagnostics.min_ess_bulk, diagnostics.min_ess_tail)
        told.append(f"largest R-hat {diagnostics.max_r_hat:.4f}")
        told.append(f"smallest effective sample size {ess:.0f}")
        told.append(f"{diagnostics.divergences} divergences")
    typer.echo("; ".join(told))
    for warning in _warnings(analysis, log):
        typer.echo(f"warning: {warning.text}")


def _effect_rows(effects: Effects, log: bool) -> list[tuple[str, ...]]:
    from its_pipeline.its.estimand_names import ESTIMANDS, RELATIVE

    rows = []
    for estimand in ESTIMANDS:
        effect = getattr(effects, estimand.name)
        name, numbers = estimand.name, None if effect is None else effect.to_dict()
        if log and estimand is RELATIVE:
            name, numbers = "percent change", _percent_change(effects.counterfactual)
        if numbers is None:
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
