"""What a table means: its time, outcomes and person, and how they are written.

What belongs here: the order in which a table is found out, and what comes out of it. What does
not: each single decision (`layout`, `dates`, `numbers`), or how it is told (`words`).

What a person has said always wins. What neither they nor the contents decide is a question; what
contradicts itself is refused with the two rows that do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from its_pipeline.events.file_rules import is_column_name, missing_column
from its_pipeline.events.mapping import (
    ImportMapping,
    MappingError,
    TimeKind,
    make_mapping,
    outcomes_of,
)
from its_pipeline.tables.asking import Question, Said
from its_pipeline.tables.cells import cell_batches, column_names
from its_pipeline.tables.columns import (
    Column,
    about_outcomes,
    counts_rows,
    find_user,
    is_numeric_time,
    is_time,
    numbers_sessions,
    shown_column,
    unit_of,
)
from its_pipeline.tables.dates import OrderFound, find_order, numeric_kind
from its_pipeline.tables.days import DayCount, count_days
from its_pipeline.tables.layout import Layout, UndecidedError, find_layout
from its_pipeline.tables.numbers import SignsFound, find_signs
from its_pipeline.tables.profile import ColumnProfile, TableProfile, profile_table
from its_pipeline.tables.words import example_lines, outcomes_line, table_line, time_line

EXAMPLE_ROWS: Final = 2
NOBODY: Final = "nobody"
"""Stands for the person until somebody says who it is."""


@dataclass(frozen=True)
class Understanding:
    """What a table means, as far as its contents and what was said decide it.

    Attributes
    ----------
    path, said
        What was asked.
    layout
        How the table lies in the file; None where even that is a question.
    rows
        How many rows it has.
    columns
        Its columns.
    questions
        What is left to be decided; without any, `mapping` answers.
    order
        In which order dates are written, and why.
    signs
        How numbers are written.
    days
        Which days there are rows on; None while the time is a question.
    """

    path: Path
    said: Said
    layout: Layout | None
    rows: int = 0
    columns: tuple[Column, ...] = ()
    questions: tuple[Question, ...] = ()
    order: OrderFound | None = None
    signs: SignsFound | None = None
    days: DayCount | None = None
    draft: ImportMapping | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What was understood in three lines, and two rows as they are understood."""
        if self.layout is None:
            return ()
        first = table_line(self.path, self.layout, self.rows)
        if self.draft is None or self.days is None or self.signs is None:
            return (first,)
        header = self.layout.lines_ahead
        person = "" if self.needs_user else self.draft.user_constant
        return (
            first,
            time_line(self.draft, self.order, self.days, header),
            outcomes_line(self.draft, person, self.days),
            *example_lines(self.draft, self.days, header),
        )

    @property
    def needs_user(self) -> bool:
        """Whether nothing says who the table is about."""
        return self.draft is not None and self.draft.user_constant == NOBODY

    def mapping(self, user_constant: str | None = None) -> ImportMapping:
        """Return the complete mapping.

        Parameters
        ----------
        user_constant
            The one person the table is about, where no column says it.

        Raises
        ------
        MappingError
            If a question is open, or nobody says whom the table is about.
        """
        if self.draft is None:
            raise MappingError(f"{self.path}: " + "; ".join(map(str, self.questions)))
        if user_constant is not None:
            return self.draft.model_copy(update={"user": None, "user_constant": user_constant})
        if self.needs_user:
            raise MappingError(
                f"{self.path}: no column says whom it is about; say --user-id ID or --user COLUMN "
                "(user_constant or user in a mapping)"
            )
        return self.draft


def understand(path: Path, said: Said | None = None) -> Understanding:
    """Find out what a table means.

    Parameters
    ----------
    path
        CSV in any form, Excel, OpenDocument, Parquet or JSON Lines.
    said
        What a person has said of it.

    Raises
    ------
    ImportFileError
        If the file cannot be read, lacks a column that was said, or contradicts itself.
    """
    said = said or Said()
    try:
        layout = find_layout(path, said)
    except UndecidedError as undecided:
        return Understanding(path, said, None, questions=(undecided.question,))
    names = column_names(path, layout)
    for name in _said_columns(said):
        if name not in names:
            raise missing_column(path, name, list(names))
    profile = profile_table(path, layout, names, said.empty)
    return _Finder(path, said, layout, profile).found()


def completed_mapping(path: Path, declared: Mapping[str, Any]) -> ImportMapping:
    """Return a declared mapping with what it leaves out found in the file, if that decides.

    A mapping that needs nothing keeps its exact meaning.

    Parameters
    ----------
    path
        The file.
    declared
        Fields of `ImportMapping`.

    Raises
    ------
    MappingError
        If a field is wrong, or the file leaves something open.
    ImportFileError
        If the file cannot be read or contradicts itself.
    """
    filled = {"time": "time", "outcomes": {"outcome": "outcome"}, **declared}
    if not (declared.get("user") or declared.get("user_constant")):
        filled["user_constant"] = NOBODY
    checked = make_mapping(filled, str(path))
    if filled == declared:
        return checked
    known = {name: getattr(checked, name) for name in Said.__dataclass_fields__ if name in declared}
    if "decimal_comma" in declared:
        known["decimal"] = "comma" if checked.decimal_comma else "point"
    if "null_values" in declared:
        known["empty"] = checked.null_values
    found = understand(path, Said(**known)).mapping()
    return make_mapping({**found.model_dump(exclude_defaults=True), **declared}, str(path))


def _said_columns(said: Said) -> list[str]:
    named = [said.time, said.user, said.time_zone_column, *said.outcomes.values()]
    return [name for name in [*named, *said.other.values()] if name is not None]


@dataclass
class _Finder:
    """One table while it is found out."""

    path: Path
    said: Said
    layout: Layout
    profile: TableProfile

    def found(self) -> Understanding:
        columns = self.profile.columns
        user = self.said.user or (None if self.said.user_constant else find_user(self.profile))
        questions: list[Question] = []
        time = self._time(user, questions)
        kind: TimeKind = "timestamp"
        order = None
        if time is not None:
            kind, order = self._how(time, user, questions)
        other = {time, user, self.said.time_zone_column, *self.said.other.values()}
        numeric = [c for c in columns.values() if c.name not in other and self._is_outcome(c)]
        outcomes = dict(self.said.outcomes) or outcomes_of(column.name for column in numeric)
        taken = [columns[name] for name in outcomes.values()]
        signs = find_signs(
            str(self.path),
            taken,
            numeric,
            self.layout.lines_ahead,
            self.said,
            commas_divide=self.layout.commas_divide,
        )
        if signs.question:
            questions.append(signs.question)
        shown = tuple(shown_column(column, time, user) for column in columns.values())
        draft, days = None, None
        if time is not None and not any(q.about in ("date_order", "start_on") for q in questions):
            draft = self._draft(time, kind, user, order, signs, outcomes)
            days = count_days(self.path, self.layout, draft, tuple(outcomes.values()), EXAMPLE_ROWS)
            if not self.said.outcomes:
                questions += about_outcomes(self.profile, list(outcomes.values()), days.most_a_day)
        return Understanding(
            self.path,
            self.said,
            self.layout,
            self.profile.rows,
            shown,
            tuple(questions),
            order,
            signs,
            days,
            None if questions else draft,
        )

    def _time(self, user: str | None, questions: list[Question]) -> str | None:
        """Return the column of the time; what cannot be told becomes a question."""
        if self.said.time is not None:
            return self.said.time
        columns = [
            column
            for name, column in self.profile.columns.items()
            if name != user and name not in self.said.outcomes.values()
        ]
        candidates = [c.name for c in columns if is_time(c, self.profile.rows)]
        if not candidates:
            candidates = [c.name for c in columns if is_numeric_time(c)]
        if not candidates:
            candidates = [c.name for c in columns if numbers_sessions(c)]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            text = "several columns hold times"
        else:
            text = "no column could be told to hold days or times"
            # What stands in the first line of something that is no table may be anything.
            candidates = [name for name in self.profile.columns if is_column_name(name)]
        questions.append(Question("time", text, tuple(candidates), "--time"))
        return None

    def _how(
        self, time: str, user: str | None, questions: list[Question]
    ) -> tuple[TimeKind, OrderFound | None]:
        """Return which kind of time a column holds and, of dates, in which order."""
        column = self.profile.columns[time]
        if self.said.start_on is not None:
            return "day_number", None
        if column.is_numeric and column.time_share <= 0.5:
            kind = numeric_kind(column)
            if kind is None and numbers_sessions(column):
                return "session", None
            if kind is None:
                text = (
                    f"column {time!r} has numbers from {column.smallest:g} to {column.largest:g}: "
                    "which date is day 0"
                )
                questions.append(Question("start_on", text, (), "--day-zero YYYY-MM-DD"))
            return kind or "day_number", None
        if self.said.date_order is not None:
            return "timestamp", OrderFound(self.said.date_order, "as said")
        order = find_order(
            str(self.path), column, self.layout.lines_ahead, self._sequences(time, user)
        )
        if order.question is not None:
            questions.append(order.question)
        return "timestamp", order

    def _sequences(self, time: str, user: str | None) -> Iterator[list[str]]:
        """Return the times in the file's order by person; the file is read when they are wanted."""
        by_person: dict[str | None, list[str]] = {}
        names = (time,) if user is None else (time, user)
        for batch in cell_batches(self.path, self.layout, names):
            people = batch[user] if user is not None else [None] * len(batch[time])
            for text, person in zip(batch[time], people, strict=True):
                if text is not None and text.strip():
                    by_person.setdefault(person, []).append(text)
        yield from by_person.values()

    def _is_outcome(self, column: ColumnProfile) -> bool:
        return column.is_numeric and not counts_rows(column, self.profile.rows)

    def _draft(
        self,
        time: str,
        kind: TimeKind,
        user: str | None,
        order: OrderFound | None,
        signs: SignsFound,
        outcomes: Mapping[str, str],
    ) -> ImportMapping:
        said, layout = self.said, self.layout
        used = [self.profile.columns[name] for name in (time, *outcomes.values())]
        empties = {text for column in used for text in column.empties}
        units = {name: unit for name, column in outcomes.items() if (unit := unit_of(column))}
        percents = {name for name, c in outcomes.items() if self.profile.columns[c].percents.count}
        fields: dict[str, Any] = {
            "time": time,
            "time_kind": kind,
            "start_on": said.start_on,
            "outcomes": dict(outcomes) or {"none": time},
            "aggregation": said.aggregation,
            "user": user,
            "user_constant": said.user_constant or (None if user else NOBODY),
            "time_zone": said.time_zone,
            "time_zone_column": said.time_zone_column,
            "other": dict(said.other),
            "file_format": layout.file_format,
            "delimiter": layout.delimiter,
            "encoding": layout.encoding,
            "sheet": layout.sheet,
            "header_line": layout.header_line,
            "decimal_comma": signs.decimal == "comma",
            "thousands": signs.thousands or None,
            "percent": signs.percent,
            "yes_no": signs.yes_no,
            "date_order": order.order if order else None,
            "null_values": tuple(sorted({"", "NA", *empties, *said.empty})),
            "unit": said.unit,
            "units": {} if said.unit else dict.fromkeys(sorted(percents), "%") | units,
            "any_user": True,
        }
        return make_mapping(fields, str(self.path))
