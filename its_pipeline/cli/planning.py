"""``its-pipeline plan | looks``: how long to try, and what each night could say.

What belongs here: options and tables. What does not: planning (`its.planning`, `experiments`), or
taking looks.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Annotated

import typer

from its_pipeline.cli.support import (
    Experiment,
    User,
    check_known,
    fail,
    plain_errors,
    print_table,
)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


@plain_errors
def plan(
    user_id: User,
    outcome: Annotated[str, typer.Argument(help="Outcome metric.")] = "sessionPerformanceScore",
    effect: Annotated[
        float | None,
        typer.Option(help="True average effect, in outcome units; one sd of the days if not."),
    ] = None,
    direction: Annotated[str, typer.Option(help="increase or decrease.")] = "increase",
    power: Annotated[float, typer.Option(help="Wanted probability of a verdict.")] = 0.8,
    looks: Annotated[
        str,
        typer.Option(
            help="daily, pocock, hwang_shih_decani, haybittle_peto, at_end or always_valid."
        ),
    ] = "daily",
    as_json: AsJson = False,
) -> None:
    """Say how many days an effect needs before it can be told from a person's noise."""
    from its_pipeline.experiments.planning import NothingToPlanFromError, plan_for
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.its.planning.summary import PlanSummary
    from its_pipeline.report.plan_views import beyond_text
    from its_pipeline.settings import get_settings

    if direction not in ("increase", "decrease"):
        raise ValueError(f"--direction must be increase or decrease but got {direction!r}")
    settings = get_settings()
    check_known(settings, user_id)
    try:
        found, is_own = plan_for(
            Snapshot(settings),
            user_id,
            outcome,
            effect,
            direction="increase" if direction == "increase" else "decrease",
            power=power,
            looks=looks,
        )
    except NothingToPlanFromError as error:
        fail(str(error))
    told = PlanSummary.of(found, is_own=is_own)
    if as_json:
        typer.echo(json.dumps(told.to_dict(), indent=1))
        return
    whose = "own" if is_own else f"{told.n_people} other people's"
    step, beyond = told.calendar.step, beyond_text(told.calendar)
    needed = beyond if told.days_needed is None else f"{told.days_needed} {step}s"
    typer.echo(
        f"{needed} with it, until an effect of {told.effect:.3g} is told with a probability of "
        f"{told.power:.0%} (planned from {told.n_baseline} {whose} {step}s, sd "
        f"{told.baseline_sd:.3g}; looks: {told.looks})"
    )
    headings = (f"{step}s with it", *(f"effect {f * told.effect:.3g}" for f in (0.5, 1.0, 2.0)))
    rows = [(str(n), *(f"{p:.0%}" for p in powers)) for n, powers in told.curve.items()]
    print_table("Probability of a verdict", headings, rows)
    print_table(
        "Smallest effect that is told",
        (f"{step}s with it", "effect"),
        [
            (str(n), f"{value:.3g}" if isfinite(value) else "none")
            for n, value in told.detectable.items()
        ],
    )
    print_table(
        f"{step.capitalize()}s after the baseline, {step}s off among them",
        ("design", f"{step}s"),
        [
            (told.calendar.worded(name), beyond if days is None else str(days))
            for name, days in told.by_design.items()
        ],
    )


@plain_errors
def looks(
    key: Experiment,
    as_json: AsJson = False,
) -> None:
    """Show the looks that were taken at an experiment: what each saw, and what it said."""
    from its_pipeline.experiments.looking import looks_at
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import open_store
    from its_pipeline.schedules.cadence import DAYS
    from its_pipeline.settings import get_settings

    settings = get_settings()
    found = looks_at(settings, Snapshot(settings).intervention(key))
    if as_json:
        typer.echo(json.dumps([look.to_dict() for look in found], indent=1))
        return
    if not found:
        typer.echo(f"no look was taken at {key} yet: the first comes with its first analysis")
        return
    verdict = open_store(settings).verdict(key)
    calendar = DAYS if verdict is None else verdict.calendar
    rows = [
        (
            str(look.number),
            calendar.told(look.looked_on),
            f"{look.information / look.planned_information:.0%}",
            f"{look.effect_mean:.3g}",
            f"{look.z:.2f}",
            f"{look.boundary:.2f}" if isfinite(look.boundary) else "none",
            f"{look.alpha_spent:.2g}",
            look.said.replace("_", " "),
        )
        for look in found
    ]
    headings = ("look", "days up to", "information", "effect", "z", "needed", "spent", "said")
    print_table(f"Looks at {key}", headings, rows)
