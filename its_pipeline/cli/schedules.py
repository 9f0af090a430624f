"""``its-pipeline intervention draw | otherwise``: days by lot, and days on which it was not so.

What belongs here: options, output and files of these commands. What does not: drawing, counting and
the texts of files (`schedules`), or the log (`events.interventions`).
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from its_pipeline.cli.support import ExpectedVersion, Id, User, plain_errors, read_date
from its_pipeline.events.keys import shown_experiment

if TYPE_CHECKING:
    from its_pipeline.events.intervention import Intervention

#: Options of `draw` that are rules of the lot, by the field's name.
RULES: Final = (
    "unit_days",
    "balance",
    "block_days",
    "longest_run",
    "shortest_run",
    "phases",
    "first",
    "seed",
)
#: Options of `draw` that are fields of the intervention.
FIELDS: Final = (
    "name",
    "direction",
    "minimum_effect",
    "baseline_days",
    "horizon_days",
    "hypothesis",
    "time_zone",
    "carryover_days",
    "kind",
    "looks",
)
#: Beyond as many digits nobody reads a number.
_MOST_DIGITS: Final = 15


@plain_errors
def draw(
    context: typer.Context,
    user_id: User,
    intervention_id: Id,
    first_on: Annotated[
        str, typer.Option("--from", help="First day that is drawn, in the future (YYYY-MM-DD).")
    ],
    n_days: Annotated[int, typer.Option("--days", min=2, max=3650, help="Days that are drawn.")],
    outcome: Annotated[str, typer.Option(help="Outcome metric.")] = "sessionPerformanceScore",
    unit_days: Annotated[int | None, typer.Option(help="Days all on or all off; 1.")] = None,
    balance: Annotated[
        str | None, typer.Option(help="As many units on as off: block, total or none.")
    ] = None,
    block_days: Annotated[int | None, typer.Option(help="Days in a block.")] = None,
    longest_run: Annotated[int | None, typer.Option(help="Most units alike in a row.")] = None,
    shortest_run: Annotated[int | None, typer.Option(help="Fewest units alike in a row.")] = None,
    phases: Annotated[int | None, typer.Option(help="How many runs, 4 for off-on-off-on.")] = None,
    first: Annotated[str | None, typer.Option(help="First unit: off, on or either.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Same seed, same days; the machine's chance if not.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="In the person's words.")] = None,
    direction: Annotated[str | None, typer.Option(help="increase or decrease.")] = None,
    minimum_effect: Annotated[float | None, typer.Option(help="Smallest benefit.")] = None,
    baseline_days: Annotated[int | None, typer.Option(help="Days ahead of the start.")] = None,
    horizon_days: Annotated[
        int | None, typer.Option(help="Days from the start on; those that are drawn.")
    ] = None,
    hypothesis: Annotated[str | None, typer.Option(help="What is expected and why.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="The person's IANA zone.")] = None,
    carryover_days: Annotated[
        int | None, typer.Option(help="Days left out after every switch.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="What groups it over people.")] = None,
    looks: Annotated[str | None, typer.Option(help="How it is looked at; daily if not.")] = None,
    into: Annotated[Path, typer.Option(help="Folder for the calendar and the table.")] = Path(),
) -> None:
    """Draw by lot on which days a person does it, log that, and write a calendar and a table.

    Repeated with the same seed it changes nothing.
    """
    from its_pipeline.events.interventions import Intervention
    from its_pipeline.experiments.drawn import log_drawn
    from its_pipeline.schedules.as_text import period_text
    from its_pipeline.schedules.assignments import count_assignments, draw_schedule
    from its_pipeline.schedules.mechanism import Mechanism
    from its_pipeline.settings import get_settings

    given = context.params
    if not into.is_dir():
        raise NotADirectoryError(f"--into should be a folder that is there but got {into}")
    rules = {"seed": secrets.randbelow(2**63), **_given(given, RULES)}
    mechanism = Mechanism(**rules)
    fields = {"horizon_days": n_days, **_given(given, FIELDS)}
    wanted = Intervention.declared(
        user_id=user_id,
        intervention_id=intervention_id,
        outcome_metric=outcome,
        schedule=draw_schedule(mechanism, read_date("--from", first_on), n_days, None),
        **fields,
    )
    logged = log_drawn(get_settings(), wanted, lambda: _check_is_free(into, wanted))
    schedule = logged.schedule
    if schedule is None:
        raise ValueError(f"{logged.key} was logged without the days that were drawn")
    count = count_assignments(mechanism, n_days // mechanism.unit_days)
    typer.echo(
        f"logged {shown_experiment(logged.key)} (version {logged.version}): drawn with seed "
        f"{mechanism.seed} among {_count_text(count)} possible sequences; on are"
    )
    for period in schedule.on_periods:
        typer.echo(f"  {period_text(period)}")
    for file, text in _files(into, logged).items():
        _write_once(file, text)
        typer.echo(f"{file}")


@plain_errors
def otherwise(
    user_id: User,
    intervention_id: Id,
    days: Annotated[list[str], typer.Argument(help="Days (YYYY-MM-DD), one or more.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the history.")],
    undo: Annotated[
        bool, typer.Option("--undo", help="These days were as the schedule says after all.")
    ] = False,
    expected_version: ExpectedVersion = None,
) -> None:
    """Say on which days a person did the other thing than the schedule says."""
    from its_pipeline.experiments.drawn import say_otherwise
    from its_pipeline.schedules.as_text import schedule_text
    from its_pipeline.settings import get_settings

    amended = say_otherwise(
        get_settings(),
        user_id,
        intervention_id,
        {read_date("DAYS", day) for day in days},
        reason,
        undo=undo,
        expected_version=expected_version,
    )
    if amended.schedule is None:
        raise ValueError(f"{amended.key} was logged without its schedule")
    text = schedule_text(amended.schedule, amended.time_zone)
    typer.echo(f"{shown_experiment(amended.key)} is now version {amended.version}: {text}")


def _given(given: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given[name] is not None}


def _check_is_free(into: Path, wanted: Intervention) -> None:
    taken = [file for file in _files(into, wanted) if file.exists()]
    if taken:
        raise ValueError(
            f"{taken[0]} is there already and is not overwritten; move it, or choose another "
            "folder with --into"
        )


def _files(into: Path, entry: Intervention) -> dict[Path, str]:
    """Return the files of a drawn schedule and their texts."""
    from its_pipeline.experiments.drawn import schedule_files

    return {into / name: text for name, text in schedule_files(entry).items()}


def _write_once(file: Path, text: str) -> None:
    """Write a file that is not there yet; leave one that says the same, refuse another."""
    content = text.encode()
    try:
        with file.open("xb") as handle:
            handle.write(content)
    except FileExistsError:
        if file.read_bytes() != content:
            raise ValueError(
                f"{file} is there already with other contents and is not overwritten; move it and "
                "repeat the command with the seed that is logged"
            ) from None


def _count_text(count: int) -> str:
    digits = len(str(count))
    return f"{count:,}" if digits <= _MOST_DIGITS else f"about 10^{digits - 1}"
