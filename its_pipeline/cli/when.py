"""When an intervention was on, as the options of a command say it.

What belongs here: from options to a date or a schedule. What does not: texts of periods and lots
(`schedules.as_text`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from its_pipeline.cli.support import read_day

if TYPE_CHECKING:
    import pandas as pd


def when_on(given: Mapping[str, Any], numbers: pd.DataFrame, *, sessions: bool) -> Any:
    """Return when the intervention was on, from the options that say it: a date or a schedule.

    Parameters
    ----------
    given
        Options of the command.
    numbers
        The table's columns by day.
    sessions
        Whether its days stand for sessions.

    Raises
    ------
    ValueError
        If it is said twice, not at all, or by a lot that does not go with it.
    """
    from its_pipeline.schedules.as_text import read_lot, read_periods
    from its_pipeline.schedules.day_column import days_on
    from its_pipeline.schedules.schedule import Schedule

    ways = {"--intervention": "intervention", "--on": "on", "--on-column": "on_column"}
    said = [option for option, name in ways.items() if given[name]]
    if len(said) != 1:
        raise ValueError(
            f"when it was on should be said once, by one of {', '.join(ways)}, but got "
            f"{' and '.join(said) or 'none of them'}"
        )
    lot = {name: given[name] for name in ("unit_days", "longest_run") if given[name] is not None}
    if given["by_lot"] is None and (lot or given["drawn"]):
        raise ValueError(
            "--unit-days, --longest-run and --drawn describe a lot but --by-lot is not given; add "
            "--by-lot total, block:DAYS or none"
        )
    if given["intervention"]:
        if given["by_lot"] is not None or given["carryover_days"]:
            raise ValueError(
                "--by-lot and --carryover-days are for days that go on and off but --intervention "
                "is on for good; say the days with --on or --on-column, or use --washout-days"
            )
        return read_day("--intervention", given["intervention"], sessions=sessions)
    if given["on"]:
        schedule = read_periods(given["on"])
    else:
        name = given["on_column"]
        column = numbers[name]
        days = [day.date() for day in column.index]
        schedule = Schedule.days(days_on(name, zip(days, column.tolist(), strict=True)))
    if given["by_lot"] is None:
        return schedule
    drawn = read_periods([given["drawn"]]).on_periods[0] if given["drawn"] else None
    return replace(
        schedule,
        mechanism=read_lot(given["by_lot"], **lot),
        drawn_from_on=drawn and drawn.from_on,
        drawn_to_on=drawn and drawn.to_on,
    )
