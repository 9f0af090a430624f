"""Which sign is the decimal one: decided by all numbers of the table together, or asked.

What belongs here: decimal and thousands signs and percent. What does not: which columns are numbers
(`understanding`). A file is written by one program in one place, so its columns share their signs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from its_pipeline.events.cell_texts import COMMA, POINT, Decimal, number_readings
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.tables.asking import Question, Said
from its_pipeline.tables.profile import ColumnProfile, Tally


@dataclass(frozen=True)
class SignsFound:
    """How numbers are written, or the question that decides it.

    Attributes
    ----------
    decimal, thousands
        The signs; `thousands` is empty where there is none.
    percent, yes_no
        As in `ImportMapping`.
    question
        What decides the decimal sign, where the numbers do not.
    """

    decimal: Decimal
    thousands: str
    percent: bool
    yes_no: bool
    question: Question | None = None


def find_signs(
    where: str,
    columns: Sequence[ColumnProfile],
    others: Sequence[ColumnProfile],
    header: int,
    said: Said,
) -> SignsFound:
    """Return how the numbers of some columns are written.

    Parameters
    ----------
    where
        The file, for messages.
    columns
        The columns of numbers that are taken.
    others
        All columns of numbers; they decide where those taken do not.
    header
        Lines ahead of the first row, so that messages count as the file does.
    said
        What a person has said.

    Raises
    ------
    ImportFileError
        If numbers contradict each other: two of them are named.
    """
    for column in columns:
        _refuse_half_percent(where, column, header)
    by_point, by_comma = (_first(columns, frozenset((sign,))) for sign in (POINT, COMMA))
    either = _first(columns, frozenset((POINT, COMMA)))
    decimal: Decimal = POINT
    question = None
    if said.decimal is not None:
        decimal = said.decimal
    elif said.thousands in (".", ","):
        decimal = COMMA if said.thousands == "." else POINT
    elif by_point and by_comma:
        raise _contradiction(where, header, by_point, by_comma)
    elif by_comma:
        decimal = COMMA
    elif either and not by_point:
        elsewhere = [sign for sign in (POINT, COMMA) if _first(others, frozenset((sign,)))]
        if elsewhere == [COMMA]:
            decimal = COMMA
        elif elsewhere != [POINT]:
            question = _question(either, header)
    return SignsFound(
        decimal,
        _thousands(where, columns, decimal, said),
        any(column.percents.count for column in columns),
        any(column.words.count for column in columns),
        question,
    )


def _first(
    columns: Sequence[ColumnProfile], signs: frozenset[str]
) -> tuple[ColumnProfile, Tally] | None:
    found = [(column, column.numbers[signs]) for column in columns if signs in column.numbers]
    return min(found, key=lambda entry: entry[1].row) if found else None


def _thousands(where: str, columns: Sequence[ColumnProfile], decimal: Decimal, said: Said) -> str:
    if said.thousands is not None:
        return said.thousands
    signs: Counter[str] = Counter()
    for column in columns:
        for (read_with, sign), count in column.thousands.items():
            if read_with == decimal:
                signs[sign] += count
    if len(signs) > 1:
        listed = " and ".join(map(repr, sorted(signs)))
        raise ImportFileError(
            f"{where}: thousands are divided by {listed}; repair the file, or say --thousands SIGN"
        )
    return next(iter(signs), "")


def _contradiction(
    where: str, header: int, one: tuple[ColumnProfile, Tally], other: tuple[ColumnProfile, Tally]
) -> ImportFileError:
    told = " and ".join(
        f"row {tally.row + header} of {column.name!r} has {tally.text.strip()!r}"
        for column, tally in sorted((one, other), key=lambda entry: entry[1].row)
    )
    return ImportFileError(
        f"{where}: numbers are written with two decimal signs: {told}; repair the file, or say "
        "--decimal point or comma: what does not read so is then rejected"
    )


def _refuse_half_percent(where: str, column: ColumnProfile, header: int) -> None:
    if column.percents.count and column.bare_numbers.count:
        one, other = column.percents, column.bare_numbers
        raise ImportFileError(
            f"{where}: column {column.name!r} has numbers with and without a percent sign: row "
            f"{one.row + header} has {one.text.strip()!r}, row {other.row + header} has "
            f"{other.text.strip()!r}; write all of them one way"
        )


def _question(found: tuple[ColumnProfile, Tally], header: int) -> Question:
    column, tally = found
    readings = number_readings(tally.text)
    return Question(
        "decimal",
        f"row {tally.row + header} of {column.name!r} has {tally.text.strip()}, which is "
        f"{readings[POINT].text} (decimal {POINT}) or {readings[COMMA].text} (decimal {COMMA}), "
        "and no other number decides it",
        (POINT, COMMA),
        "--decimal",
    )
