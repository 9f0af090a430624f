"""Schedules drawn by lot in the log: ahead of their days, as files for people, and days otherwise.

What belongs here: what the command line and the pages do alike with a drawn schedule. What does
not: drawing (`schedules.assignments`), the log's own rules (`events.interventions`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from its_pipeline.events.interventions import Intervention, InterventionLog, open_log
from its_pipeline.experiments.window import last_complete_day
from its_pipeline.schedules.calendar_files import calendar, table

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def log_drawn(
    settings: Settings, wanted: Intervention, check: Callable[[], None] | None = None
) -> Intervention:
    """Log an intervention whose days were drawn; the very same again changes nothing.

    Parameters
    ----------
    settings
        The installation.
    wanted
        With its drawn schedule.
    check
        Called ahead of logging what is not in the log yet; raises where it should not be logged.

    Raises
    ------
    ValueError
        If its first day is not ahead, or the log refuses it.
    """
    log = open_log(settings)
    try:
        if not _is_logged(log, wanted):
            _check_is_ahead(wanted, settings)
            if check is not None:
                check()
        [logged] = log.log_all([wanted])
    finally:
        log.close()
    if logged.schedule is None:
        raise ValueError(f"{logged.key} was logged without the days that were drawn")
    return logged


def say_otherwise(
    settings: Settings,
    user_id: str,
    intervention_id: str,
    said: Collection[date],
    reason: str,
    *,
    undo: bool = False,
    expected_version: int | None = None,
) -> Intervention:
    """Log on which days a person did the other thing than the schedule says.

    Parameters
    ----------
    settings, user_id, intervention_id
        Which one.
    said
        The days.
    reason
        Why; kept in the history.
    undo
        They were as the schedule says after all.
    expected_version
        The version that the writer read; the one read here by default.

    Raises
    ------
    UnknownInterventionError, VersionConflictError
        As of `InterventionLog.amend`.
    ValueError
        If it has no schedule, or a day is not here yet or was not said to be otherwise.
    """
    log = open_log(settings)
    try:
        present = log.get(user_id, intervention_id)
        schedule = present.schedule
        if schedule is None:
            raise ValueError(
                f"{present.key} has no schedule: it is on from {present.started_on} on; give its "
                "periods with `its-pipeline intervention amend ... --on first..last`"
            )
        known, days = set(schedule.done_otherwise), set(said)
        if undo:
            _check(days - known, "was not said to be otherwise; `show` lists the days that were")
        else:
            late = {day for day in days if day > today_of(present, settings)}
            _check(late, "is not here yet: what will be done otherwise is another schedule")
        return log.amend(
            user_id,
            intervention_id,
            reason=reason,
            # What was read is what is changed: somebody else may be adding days as well.
            expected_version=expected_version or present.version,
            schedule=replace(
                schedule, done_otherwise=tuple(known - days if undo else known | days)
            ),
        )
    finally:
        log.close()


def today_of(entry: Intervention, settings: Settings) -> date:
    """Return which day it is where the person is."""
    return last_complete_day(entry.time_zone, settings.today_on) + timedelta(days=1)


def schedule_files(entry: Intervention) -> dict[str, str]:
    """Return the calendar and the table of a drawn schedule, by file name.

    Raises
    ------
    ValueError
        If it has no schedule with a last day.
    """
    schedule = entry.schedule
    if schedule is None or schedule.ends_on is None:
        raise ValueError(f"{entry.key} has no days that were drawn")
    stem = f"{entry.user_id}-{entry.intervention_id}"
    return {
        f"{stem}.ics": calendar(schedule, entry.name, schedule.ends_on),
        f"{stem}.csv": table(schedule, schedule.starts_on, schedule.ends_on),
    }


def _is_logged(log: InterventionLog, wanted: Intervention) -> bool:
    """Tell whether the log holds the very same; raise ValueError where it would refuse it."""
    refusal = log.refusal(wanted)
    if refusal is not None:
        raise ValueError(refusal)
    return bool(log.history(wanted.user_id, wanted.intervention_id))


def _check_is_ahead(wanted: Intervention, settings: Settings) -> None:
    today_on = today_of(wanted, settings)
    if wanted.started_on <= today_on:
        raise ValueError(
            f"--from {wanted.started_on} must be later than today, {today_on} in "
            f"{wanted.time_zone}: a lot that is drawn after its first day is no lot, because "
            "somebody could have looked at the days before drawing; choose a later day"
        )


def _check(days: Collection[date], rule: str) -> None:
    if days:
        raise ValueError(f"{min(days)} {rule}")
