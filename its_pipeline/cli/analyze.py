"""``its-pipeline analyze``: one plain series, without any store.

What belongs here: reading the series and saying the answer. What does not: the analysis (`its`) or
its wording (`report.sentence`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from its_pipeline.cli.support import fail, number, plain_errors, print_table

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.its import Analysis

#: Exit status of an analysis whose sampler did not converge: there is no answer.
NOT_CONVERGED = 3


@plain_errors
def analyze(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet file, one row a day (or month).")],
    date_column: Annotated[str, typer.Option("--date", help="Column of the dates.")],
    outcome_column: Annotated[str, typer.Option("--outcome", help="Column of the outcome.")],
    intervention: Annotated[
        str, typer.Option(help="First day with the intervention, INCLUSIVE (YYYY-MM-DD).")
    ],
    direction: Annotated[str, typer.Option(help="Which change is a benefit.")] = "increase",
    season: Annotated[str, typer.Option(help="day_of_week, month or none.")] = "day_of_week",
    washout_days: Annotated[int, typer.Option(help="Days left out of the fit.")] = 0,
    minimum_effect: Annotated[float, typer.Option(help="Smallest benefit.")] = 0.0,
    covariate: Annotated[
        list[str] | None, typer.Option(help="Column to adjust for; repeatable.")
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Analyse the natural logarithm of the outcome.")
    ] = False,
    estimator: Annotated[str, typer.Option(help="segmented or forecast.")] = "segmented",
    likelihood: Annotated[str, typer.Option(help="normal or student_t.")] = "normal",
    draws: Annotated[int, typer.Option(help="Posterior draws a chain, where sampled.")] = 2000,
    chains: Annotated[int, typer.Option(help="Markov chains.")] = 4,
    seed: Annotated[int, typer.Option(help="Same seed, same numbers.")] = 0,
    unit: Annotated[str, typer.Option(help="Unit of the outcome, for the texts.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
) -> None:
    """Analyse one plain series, and say whether the outcome changed with the intervention."""
    from its_pipeline.its import AnalysisSpec

    spec = AnalysisSpec.from_dict(
        {
            "direction": direction,
            "season": season,
            "washout_days": washout_days,
            "minimum_effect": minimum_effect,
            "estimator": estimator,
            "likelihood": likelihood,
            "draws": draws,
            "chains": chains,
            "seed": seed,
            "unit": "" if log else unit,
        }
    )
    started_on = _day(intervention)
    outcome, covariates = read_series(file, date_column, outcome_column, covariate or [], log)
    from its_pipeline.its import analyze as analyze_series

    analysis = analyze_series(outcome, started_on, spec, covariates)
    if as_json:
        typer.echo(json.dumps(as_plain(analysis, log), indent=1))
    else:
        _say(analysis, outcome_column, log)
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


def _factor_percent(log_effect: float) -> float:
    """Return the change in percent that a difference of logarithms is."""
    from math import expm1

    return 100 * expm1(log_effect)


def as_plain(analysis: Analysis, log: bool) -> dict[str, Any]:
    """Return an analysis as JSON-able values; with `log`, the effect in percent besides."""
    plain = {name: value for name, value in analysis.to_dict().items() if name != "daily"}
    if log and analysis.effects is not None:
        effect = analysis.effects.counterfactual
        plain["percent_change"] = {
            "mean": _factor_percent(effect.mean),
            "ci_lower": _factor_percent(effect.ci_lower),
            "ci_upper": _factor_percent(effect.ci_upper),
        }
    return plain


def _say(analysis: Analysis, outcome: str, log: bool) -> None:
    from its_pipeline.its.estimand_names import ESTIMANDS
    from its_pipeline.report.sentence import answer_sentences, finding_of

    if analysis.effects is not None:
        name = f"log({outcome})" if log else outcome
        finding = finding_of(analysis, "the intervention", name)
        for sentence in answer_sentences(finding).sentences:
            typer.echo(sentence)
        rows = []
        for estimand in ESTIMANDS:
            effect = getattr(analysis.effects, estimand.name)
            if effect is None:
                rows.append((estimand.name, "not in the model", "", "", ""))
                continue
            rows.append(
                (
                    estimand.name,
                    number(effect.mean),
                    f"{number(effect.ci_lower)} to {number(effect.ci_upper)}",
                    f"{effect.probability_positive:.3f}",
                    effect.unit,
                )
            )
        if log:
            effect = analysis.effects.counterfactual
            lower, upper = _factor_percent(effect.ci_lower), _factor_percent(effect.ci_upper)
            change = number(_factor_percent(effect.mean))
            rows.append(("change", change, f"{number(lower)} to {number(upper)}", "", "percent"))
        print_table("Effects", ("estimand", "mean", "95 % interval", "P(> 0)", "unit"), rows)
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
    for warning in analysis.warnings:
        typer.echo(f"warning: {warning.text}")
