"""What a person has said of a table, and what still has to be asked.

What belongs here: the two records that every module of this room shares. What does not: asking;
that is the command line's or a page's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from its_pipeline.events.cell_texts import DateOrder, Decimal
from its_pipeline.events.mapping import FileFormat, outcomes_of


@dataclass(frozen=True)
class Said:
    """What a person has said of a table; it always wins over what the contents suggest.

    Attributes
    ----------
    time, user, time_zone_column
        Columns; as in `ImportMapping`.
    outcomes
        Column by outcome metric name.
    date_order, decimal, thousands
        How dates and numbers are written.
    start_on
        The time column counts days; this is day 0.
    file_format, delimiter, encoding, sheet, header_line
        How the file is laid out; as in `ImportMapping`.
    empty
        Further texts that mean "empty".
    time_zone, unit, aggregation, user_constant, other
        As in `ImportMapping`.
    """

    time: str | None = None
    user: str | None = None
    time_zone_column: str | None = None
    outcomes: Mapping[str, str] = field(default_factory=dict)
    date_order: DateOrder | None = None
    decimal: Decimal | None = None
    thousands: str | None = None
    start_on: date | None = None
    file_format: FileFormat | None = None
    delimiter: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    header_line: int | None = None
    empty: tuple[str, ...] = ()
    time_zone: str = "UTC"
    unit: str = ""
    aggregation: Literal["mean", "median", "sum"] = "mean"
    user_constant: str | None = None
    other: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """What the contents do not decide.

    Attributes
    ----------
    about
        The field of `Said` that answers it.
    text
        The question, with what of the table raises it.
    choices
        Possible answers; empty where any text may be one.
    option
        The command's option that answers it.
    """

    about: str
    text: str
    choices: tuple[str, ...]
    option: str

    def __str__(self) -> str:
        """Return the question and how to answer it with an option."""
        options = ", ".join(f"{self.option} {_quoted(choice)}" for choice in self.choices[:20])
        return f"{self.text}; say {options or self.option}"


def answered(said: Said, question: Question, answer: str) -> Said:
    """Return what was said with the answer to a question.

    Raises
    ------
    ValueError
        If the answer is none of the choices, or not of the kind that is asked for.
    """
    if question.choices and answer not in question.choices:
        raise ValueError(f"{answer!r} is none of {', '.join(question.choices)}")
    value: Any = answer
    if question.about == "outcomes":
        value = outcomes_of([answer])
    elif question.about == "start_on":
        value = date.fromisoformat(answer)
    elif question.about == "header_line":
        value = int(answer)
    return replace(said, **{question.about: value})


def _quoted(text: str) -> str:
    return text if text.replace("_", "").replace("-", "").isalnum() else f"'{text}'"
