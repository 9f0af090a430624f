"""``its-pipeline intervention``: log, list, show, amend, withdraw, load.

What belongs here: options and output. What does not: the log and its rules
(`events.interventions`), or commands that are about a schedule alone (`schedules`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from its_pipeline.cli.support import (
    Cadence,
    Carryover,
    ExpectedVersion,
    Id,
    Likelihood,
    Slope,
    Trend,
    User,
    analysis_options,
    key_of_person,
    plain_errors,
    print_table,
    read_day,
)
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.keys import shown_experiment
from its_pipeline.schedules.as_text import read_periods, schedule_text

app = typer.Typer(help="The log of what people tried.", no_args_is_help=True, rich_markup_mode=None)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]

Season = Annotated[str | None, typer.Option("--season", help="day_of_week or none.")]
Covariate = Annotated[
    list[str] | None,
    typer.Option(
        "--covariate",
        help="Time-of-day share to adjust for (share_morning, share_afternoon, share_evening), or "
        "none; repeatable.",
    ),
]
Comparison = Annotated[
    list[str] | None,
    typer.Option(
        "--comparison",
        help="A series that it does NOT affect, by your claim: another outcome metric of the "
        "person, or an external series (`its-pipeline series`); or none; repeatable.",
    ),
]

On = Annotated[
    list[str] | None,
    typer.Option(
        "--on",
        help="A period with it: first..last, both INCLUSIVE, or first.. while it goes on, or one "
        "day; repeatable. In the place of --from and --to.",
    ),
]
CarryoverDays = Annotated[
    int | None,
    typer.Option("--carryover-days", help="With --on: days left out after every switch."),
]
Kind = Annotated[
    str | None, typer.Option(help="What groups the same intervention over people; its ID if not.")
]


Looks = Annotated[
    str | None,
    typer.Option(
        help="How it is looked at while it goes on: daily (default), pocock, hwang_shih_decani, "
        "haybittle_peto, at_end or always_valid."
    ),
]


#: Options of `log` and `amend` that are fields of an intervention, by the field's name.
FIELDS: Final = (
    "started_on",
    "ended_on",
    "name",
    "direction",
    "minimum_effect",
    "washout_days",
    "baseline_days",
    "horizon_days",
    "hypothesis",
    "time_zone",
    "carryover_days",
    "kind",
    "looks",
)


def _fields(context: typer.Context) -> dict[str, Any]:
    """Return the fields of an intervention that the command was given, in their types."""
    given = context.params
    fields = {name: given[name] for name in FIELDS if given[name] is not None}
    if given["outcome"] is not None:
        fields["outcome_metric"] = given["outcome"]
    for name, option in (("started_on", "--from"), ("ended_on", "--to")):
        if name in fields:
            sessions = _is_numbered(given["outcome"]) and fields[name].isdecimal()
            fields[name] = read_day(option, fields[name], sessions=sessions)
    if given["on"]:
        fields["schedule"] = read_periods(given["on"])
    if given["protocol"]:
        pairs = [entry.partition("=") for entry in given["protocol"]]
        wrong = [name for name, separator, _ in pairs if not separator]
        if wrong:
            raise ValueError(f"--protocol should be ITEM=TEXT but got {wrong[0]!r}")
        fields["protocol"] = {name: text for name, _, text in pairs}
    options = analysis_options(given)
    if given["comparison"]:
        options["comparisons"] = list(given["comparison"])
    for name in ("covariates", "comparisons"):
        if options.get(name) == ["none"]:
            options[name] = "none"
    if options:
        fields["analysis"] = options
    return fields


def _is_numbered(outcome: str | None) -> bool:
    """Tell whether an outcome is numbered by sessions; of one that is not named here it may be."""
    from its_pipeline.events.metrics import registered_metrics
    from its_pipeline.settings import get_settings

    metric = registered_metrics(get_settings()).get(outcome) if outcome else None
    return metric is None or metric.calendar.is_sessions


def _told(entry: Intervention) -> str:
    """Return when an intervention acts, sessions by their numbers."""
    from its_pipeline.events.metrics import registered_metrics
    from its_pipeline.schedules.cadence import DAYS
    from its_pipeline.settings import get_settings

    metric = registered_metrics(get_settings()).get(entry.outcome_metric)
    calendar = DAYS if metric is None else metric.calendar
    if entry.schedule is not None:
        return schedule_text(entry.schedule, entry.time_zone, calendar)
    ended = "open" if entry.ended_on is None else calendar.told(entry.ended_on)
    return f"{calendar.told(entry.started_on)} to {ended}"


@app.command("log")
@plain_errors
def log_intervention(
    context: typer.Context,
    user_id: User,
    intervention_id: Id,
    started_on: Annotated[
        str | None, typer.Option("--from", help="First day, INCLUSIVE (YYYY-MM-DD), or session.")
    ] = None,
    on: On = None,
    outcome: Annotated[str, typer.Option(help="Outcome metric.")] = "sessionPerformanceScore",
    name: Annotated[str | None, typer.Option(help="In the person's words.")] = None,
    ended_on: Annotated[str | None, typer.Option("--to", help="Last day, INCLUSIVE.")] = None,
    direction: Annotated[str | None, typer.Option(help="increase or decrease.")] = None,
    minimum_effect: Annotated[float | None, typer.Option(help="Smallest benefit.")] = None,
    washout_days: Annotated[int | None, typer.Option(help="Days left out of the fit.")] = None,
    baseline_days: Annotated[int | None, typer.Option(help="Days ahead of the start.")] = None,
    horizon_days: Annotated[int | None, typer.Option(help="Days from the start on.")] = None,
    hypothesis: Annotated[str | None, typer.Option(help="What is expected and why.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="The person's IANA zone.")] = None,
    protocol: Annotated[
        list[str] | None, typer.Option(help="ITEM=TEXT for the reporting checklist; repeatable.")
    ] = None,
    carryover_days: CarryoverDays = None,
    kind: Kind = None,
    looks: Looks = None,
    likelihood: Likelihood = None,
    season: Season = None,
    slope: Slope = None,
    trend: Trend = None,
    carryover: Carryover = None,
    cadence: Cadence = None,
    covariate: Covariate = None,
    comparison: Comparison = None,
) -> None:
    """Log what a person tries, from which day on (--from), or in which periods (--on).

    Options of the analysis are given where they differ from the metric's.
    """
    from its_pipeline.events.interventions import open_log
    from its_pipeline.settings import get_settings

    fields = _fields(context)
    if not fields.keys() & {"started_on", "schedule"}:
        raise ValueError("give --from, the first day, or the periods with it as --on first..last")
    log = open_log(get_settings())
    try:
        logged = log.log(user_id=user_id, intervention_id=intervention_id, **fields)
    finally:
        log.close()
    days = _told(logged)
    if logged.schedule is None and logged.ended_on is None:
        days = f"from {days.removesuffix(' to open')} on"
    typer.echo(f"logged {shown_experiment(logged.key)} {days} (version {logged.version})")
    if direction is None:
        typer.echo("a benefit is an increase, as by default; if less is better, amend --direction")


@app.command("list")
@plain_errors
def list_interventions(
    user_id: Annotated[
        str | None, typer.Option(help="Only this person's.", parser=key_of_person)
    ] = None,
    withdrawn: Annotated[bool, typer.Option("--withdrawn", help="Withdrawn ones too.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the newest version of every intervention."""
    from its_pipeline.events.interventions import open_log
    from its_pipeline.settings import get_settings

    log = open_log(get_settings())
    try:
        found = log.list(user_id, include_withdrawn=withdrawn)
    finally:
        log.close()
    if as_json:
        typer.echo(json.dumps([entry.to_dict() for entry in found], indent=1))
        return
    rows = [
        (
            shown_experiment(entry.key),
            entry.name,
            entry.outcome_metric,
            _told(entry),
            entry.direction,
            f"{entry.status}, version {entry.version}",
        )
        for entry in found
    ]
    print_table(
        "Interventions", ("experiment", "name", "outcome", "days", "benefit", "state"), rows
    )


@app.command("show")
@plain_errors
def show(user_id: User, intervention_id: Id, as_json: AsJson = False) -> None:
    """Show one intervention with all its versions."""
    from its_pipeline.events.interventions import open_log
    from its_pipeline.settings import get_settings

    log = open_log(get_settings())
    try:
        newest = log.get(user_id, intervention_id)
        versions = log.history(user_id, intervention_id)
        reasons = {version: reason for version, _, reason in log.reasons(user_id, intervention_id)}
    finally:
        log.close()
    if as_json:
        typer.echo(json.dumps([entry.to_dict() for entry in versions], indent=1))
        return
    values = newest.to_dict()
    if newest.schedule is not None:
        values["schedule"] = _told(newest)
    else:
        del values["schedule"], values["carryover_days"]
    rows = [(name, str(value)) for name, value in values.items() if value not in ("", {})]
    print_table(shown_experiment(newest.key), ("field", "value"), rows)
    print_table(
        "Versions",
        ("version", "started on", "state", "reason"),
        [
            (str(e.version), str(e.started_on), e.status, reasons.get(e.version, ""))
            for e in versions
        ],
    )


@app.command("amend")
@plain_errors
def amend(
    context: typer.Context,
    user_id: User,
    intervention_id: Id,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")],
    started_on: Annotated[str | None, typer.Option("--from", help="First day.")] = None,
    on: On = None,
    ended_on: Annotated[str | None, typer.Option("--to", help="Last day.")] = None,
    name: Annotated[str | None, typer.Option()] = None,
    direction: Annotated[str | None, typer.Option()] = None,
    outcome: Annotated[str | None, typer.Option(help="Outcome metric.")] = None,
    minimum_effect: Annotated[float | None, typer.Option()] = None,
    washout_days: Annotated[int | None, typer.Option()] = None,
    baseline_days: Annotated[int | None, typer.Option()] = None,
    horizon_days: Annotated[int | None, typer.Option()] = None,
    hypothesis: Annotated[str | None, typer.Option()] = None,
    time_zone: Annotated[str | None, typer.Option()] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="ITEM=TEXT; repeatable.")] = None,
    carryover_days: CarryoverDays = None,
    kind: Kind = None,
    looks: Looks = None,
    no_schedule: Annotated[
        bool, typer.Option("--no-schedule", help="It acts from its first day on for good.")
    ] = False,
    likelihood: Likelihood = None,
    season: Season = None,
    slope: Slope = None,
    trend: Trend = None,
    carryover: Carryover = None,
    cadence: Cadence = None,
    covariate: Covariate = None,
    comparison: Comparison = None,
    as_metric: Annotated[
        bool, typer.Option("--as-metric", help="Analyse as the metric says: no options of its own.")
    ] = False,
    expected_version: ExpectedVersion = None,
) -> None:
    """Correct an intervention; the earlier version stays in the history.

    Options of the analysis that are given here take the place of all that were logged, and periods
    that of the schedule, with what was done otherwise.
    """
    from its_pipeline.events.interventions import open_log
    from its_pipeline.settings import get_settings

    changes = _fields(context)
    if as_metric and "analysis" in changes:
        raise ValueError(
            "--as-metric takes the options of the analysis away but "
            f"{', '.join(changes['analysis'])} would set some; give one of the two"
        )
    if as_metric:
        changes["analysis"] = {}
    if no_schedule:
        if "schedule" in changes:
            raise ValueError("--no-schedule takes away what --on would set; give one of the two")
        changes = {"carryover_days": 0, **changes, "schedule": None}
    log = open_log(get_settings())
    try:
        amended = log.amend(
            user_id, intervention_id, reason=reason, expected_version=expected_version, **changes
        )
    finally:
        log.close()
    typer.echo(f"{shown_experiment(amended.key)} is now version {amended.version}")


@app.command("withdraw")
@plain_errors
def withdraw(
    user_id: User,
    intervention_id: Id,
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")],
    expected_version: ExpectedVersion = None,
) -> None:
    """Withdraw an intervention: its experiment is closed, its history stays."""
    from its_pipeline.events.interventions import open_log
    from its_pipeline.settings import get_settings

    log = open_log(get_settings())
    try:
        withdrawn = log.withdraw(
            user_id, intervention_id, reason, expected_version=expected_version
        )
    finally:
        log.close()
    typer.echo(f"{shown_experiment(withdrawn.key)} is withdrawn (version {withdrawn.version})")


@app.command("load")
@plain_errors
def load(
    file: Annotated[Path, typer.Argument(help="CSV with one intervention a row.")],
) -> None:
    """Log every row of a CSV file, or none; all errors are reported at once.

    Columns: user_id, intervention_id, outcome_metric and started_on are needed; name, ended_on,
    direction, minimum_effect, baseline_days, horizon_days, washout_days, carryover_days, time_zone,
    hypothesis, kind, looks, and as JSON protocol, analysis and schedule (which may say the days in
    the place of started_on) may be there. Empty cells take the default; dates are YYYY-MM-DD.
    """
    from its_pipeline.events.intervention_files import bulk_load
    from its_pipeline.events.interventions import open_log
    from its_pipeline.settings import get_settings

    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")
    log = open_log(get_settings())
    try:
        loaded = bulk_load(log, file)
    finally:
        log.close()
    typer.echo(f"{len(loaded)} interventions are in the log")
