"""What worker processes do with a dropped file: read it, ask it, take it into the store.

What belongs here: these jobs as data, and answering them with what the command line uses too. What
does not: jobs on what is in the store (`jobs`), holding the file, or HTTP (`api.pages`).

Whatever a file can do to its reader, it does to a worker: it is ended when its time is over, and
another one is started where it dies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.mapping import ImportMapping, MappingError
from its_pipeline.events.metrics import MetricError
from its_pipeline.schedules.cadence import Cadence, find_cadence
from its_pipeline.settings import Settings
from its_pipeline.tables.asking import Question, Said

if TYPE_CHECKING:
    import pandas as pd

    from its_pipeline.schedules.schedule import Schedule
    from its_pipeline.tables.days import Aggregate
    from its_pipeline.tables.understanding import Understanding

OWN_ROWS_FILE: Final = "own-rows.parquet"
"""Beside a dropped file about several people, the rows of the one it is asked about."""


@dataclass(frozen=True)
class Refused:
    """Why something could not be done with a file, in words for people, and its HTTP status."""

    words: str
    status: int = 422


@dataclass(frozen=True)
class ReadJob:
    """Find out what a file means; answered with `FileRead`, or `Refused`.

    Attributes
    ----------
    path, said
        The file, and what a person has said of it.
    user_id
        The one person it may be read about where a column says whom; None: anybody.
    chosen
        The person to read about; None: the first one.
    outcome
        The outcome's column; None: the first one.
    aggregate
        How several rows of a day become one; None: there must be one.
    """

    path: Path
    said: Said
    user_id: str | None
    chosen: str | None
    outcome: str | None
    aggregate: Aggregate | None


@dataclass(frozen=True)
class FileRead:
    """What a file means.

    Attributes
    ----------
    lines, questions
        As of an understanding.
    columns
        Names of its columns.
    rejected, rejected_rows, rows
        What the contract will reject, in words by rule; how many rows, and of how many.
    people
        Keys of the people a column names, with their rows; empty where no column does.
    user_id
        The one of `people` who was read about.
    path, mapping
        What is taken into the store: the one person's rows, and the one outcome. None while there
        are questions.
    outcomes
        Columns that may be the outcome.
    outcome
        The one that was read.
    most_a_day
        Most rows of one person on one day.
    days
        Local days in order, with the number of each; None where it is empty.
    refusal
        Why there are no days; empty where there are.
    """

    lines: tuple[str, ...]
    questions: tuple[Question, ...]
    columns: tuple[str, ...]
    rejected: tuple[str, ...] = ()
    rejected_rows: int = 0
    rows: int = 0
    people: Mapping[str, int] | None = None
    user_id: str | None = None
    path: Path | None = None
    mapping: ImportMapping | None = None
    outcomes: tuple[str, ...] = ()
    outcome: str = ""
    most_a_day: int = 0
    days: tuple[tuple[date, float | None], ...] = ()
    refusal: str = ""

    @property
    def calendar(self) -> Cadence:
        """The unit of time of its days."""
        import numpy as np

        if self.mapping is not None and self.mapping.time_kind == "session":
            return Cadence.of("session")
        known = [day for day, value in self.days if value is not None]
        return find_cadence(np.array(known, dtype="datetime64[D]"))


@dataclass(frozen=True)
class When:
    """When it was on, as a form says it: exactly one of the first three.

    Attributes
    ----------
    first_on
        First day, INCLUSIVE; on for good from then on.
    periods
        Texts such as ``2026-03-01..2026-03-14``.
    on_column
        Column of 1 (on) and 0 (off).
    by_lot
        ``total``, ``block:8`` or ``none`` where the days were drawn; empty where they were not.
    carryover_days
        Days left out of the fit after every switch.
    """

    first_on: date | None = None
    periods: tuple[str, ...] = ()
    on_column: str | None = None
    by_lot: str = ""
    carryover_days: int = 0


@dataclass(frozen=True)
class AskJob:
    """Ask a file whether something worked; answered with `FileAnswer`, or `Refused`.

    Attributes
    ----------
    path, mapping, outcome, aggregate
        As of the `FileRead` and its job.
    when
        When it was on.
    name
        What was changed, in the person's words.
    spec
        Fields of `AnalysisSpec`.
    """

    path: Path
    mapping: ImportMapping
    outcome: str
    aggregate: Aggregate | None
    when: When
    name: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class FileAnswer:
    """The answer of a file.

    Attributes
    ----------
    view
        What the page shows of it (`report.page.answer_view`).
    picture
        The days and what was expected, as PNG.
    schedule
        When it was on; a date: from then on for good.
    """

    view: Mapping[str, Any]
    picture: bytes
    schedule: Schedule | date


@dataclass(frozen=True)
class TakeJob:
    """Take a file into the store; answered with None, or `Refused`."""

    path: Path
    mapping: ImportMapping
    name: str


@dataclass(frozen=True)
class IngestJob:
    """Bring days that changed into the daily outcomes; answered with how many are left to do.

    Attributes
    ----------
    most_days
        Most UTC days that are read in by one job.
    """

    most_days: int = 40


def read_file(settings: Settings, job: ReadJob) -> FileRead | Refused:
    """Find out what a file means, read one person's days, and foretell its import."""
    from its_pipeline.tables.understanding import understand

    try:
        found = understand(job.path, job.said)
        columns = tuple(column.name for column in found.columns)
        if found.questions:
            return FileRead(found.lines, found.questions, columns)
        return _about_one(settings, job, FileRead(found.lines, (), columns), found)
    except (ImportFileError, MappingError) as error:
        return Refused(_without_path(error, job.path))


def _about_one(
    settings: Settings, job: ReadJob, read: FileRead, found: Understanding
) -> FileRead | Refused:
    """Return what was read with one person's days of one outcome."""
    from its_pipeline.events.importing import foretell_import
    from its_pipeline.events.own_rows import people_of, write_own_rows
    from its_pipeline.tables.days import read_days
    from its_pipeline.tables.understanding import NOBODY

    path = job.path
    people, user_id = None, None
    mapping = found.mapping(NOBODY if found.needs_user else None)
    if mapping.user is not None:
        people = people_of(path, mapping)
        if job.user_id is not None:
            if job.user_id not in people:
                return Refused(
                    f"this is a file in another person's name: column {mapping.user!r} has no "
                    f"row of {job.user_id!r}, and you may take your own days alone. Drop a file of "
                    "your own, or ask whoever runs this server for a token that may see everybody",
                    status=403,
                )
            people = {job.user_id: people[job.user_id]}
        user_id = job.chosen if job.chosen in people else next(iter(people), None)
        if user_id is None:
            return Refused(f"column {mapping.user!r} names nobody")
    if user_id is not None:
        # With every column of numbers: another one may say on which days it was on.
        path = job.path.with_name(OWN_ROWS_FILE)
        mapping = write_own_rows(job.path, mapping, user_id, path)
    outcomes = tuple(mapping.outcomes.values())
    outcome = job.outcome if job.outcome in outcomes else outcomes[0]
    name = next(name for name, column in mapping.outcomes.items() if column == outcome)
    mapping = mapping.model_copy(
        update={
            "outcomes": {name: outcome},
            "units": {key: unit for key, unit in mapping.units.items() if key == name},
            "aggregation": job.aggregate or mapping.aggregation,
        }
    )
    foretold = foretell_import(settings, path, mapping)
    read = replace(
        read,
        rejected=tuple(foretold.told),
        rejected_rows=foretold.rejected,
        rows=foretold.rows,
        people=people,
        user_id=user_id,
        path=path,
        mapping=mapping,
        outcomes=outcomes,
        outcome=outcome,
    )
    try:
        days = read_days(path, mapping, [outcome], job.aggregate or "mean")[outcome]
    except ImportFileError as error:
        return replace(read, refusal=_without_path(error, path))
    return replace(
        read, most_a_day=found.days.most_a_day if found.days else 0, days=_plain_days(days)
    )


def _plain_days(days: pd.Series) -> tuple[tuple[date, float | None], ...]:
    return tuple(
        (day.date(), None if value != value else float(value))
        for day, value in zip(days.index, days.tolist(), strict=True)
    )


def ask_file(job: AskJob) -> FileAnswer | Refused:
    """Analyse one person's days of one outcome."""
    from its_pipeline.its import AnalysisSpec, analyze
    from its_pipeline.its.plots import COUNTERFACTUAL
    from its_pipeline.report.page import answer_view
    from its_pipeline.tables.days import read_days

    columns = list(dict.fromkeys([job.outcome, *filter(None, [job.when.on_column])]))
    try:
        numbers = read_days(job.path, job.mapping, columns, job.aggregate or "mean")
        schedule = _schedule(job.when, numbers)
        spec = AnalysisSpec.from_dict(dict(job.spec))
        if job.mapping.time_kind == "session":
            spec = replace(spec, cadence="session")
        analysis = analyze(numbers[job.outcome], schedule, spec)
    except ValueError as error:
        return Refused(_without_path(error, job.path))
    if analysis.effects is None:
        return Refused(
            "the computation did not pass its checks, so there is no answer: "
            + "; ".join(analysis.diagnostics.failures)
        )
    picture = COUNTERFACTUAL.png(analysis, job.outcome, _DPI)
    return FileAnswer(answer_view(analysis, job.name, job.outcome), picture, schedule)


_DPI: Final = 120


def _schedule(when: When, numbers: pd.DataFrame) -> Schedule | date:
    from its_pipeline.schedules.as_text import read_lot, read_periods
    from its_pipeline.schedules.day_column import days_on
    from its_pipeline.schedules.schedule import Schedule

    if when.first_on is not None:
        return when.first_on
    if when.periods:
        schedule = read_periods(when.periods)
    elif when.on_column is not None:
        column = numbers[when.on_column]
        days = [day.date() for day in column.index]
        schedule = Schedule.days(days_on(when.on_column, zip(days, column.tolist(), strict=True)))
    else:
        raise ValueError("when it was on should be said by a first day, periods or a column")
    return replace(schedule, mechanism=read_lot(when.by_lot)) if when.by_lot else schedule


def take_file(settings: Settings, job: TakeJob) -> Refused | None:
    """Take a file into the store as an import."""
    from its_pipeline.events.importing import import_file

    try:
        import_file(settings, job.path, job.mapping, job.name)
    except (ImportFileError, MetricError) as error:
        return Refused(_without_path(error, job.path))
    return None


def ingest(settings: Settings, job: IngestJob) -> int:
    """Export and validate days whose source changed; with the last of them, aggregate.

    A day that cannot be taken stays as it was, and is the nightly run's, which tells of it.
    """
    from its_pipeline.ingest.daily import build_daily
    from its_pipeline.ingest.steps import changed_days, ingest_days

    days = changed_days(settings)
    for _ in ingest_days(settings, days[: job.most_days]):
        pass
    left = max(0, len(days) - job.most_days)
    if not left:
        build_daily(settings)
    return left


def _without_path(error: Exception, path: Path) -> str:
    """Return what an error says, without where the file lies on this machine."""
    text = str(error)
    for place in (str(path), str(path.parent)):
        text = text.replace(place, path.name)
    return text
