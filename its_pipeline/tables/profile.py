"""What a column's cells are, counted over the whole file: times, numbers, yes and no, empty.

What belongs here: counting readings, with the first row of each kind. What does not: deciding what
a column means (`dates`, `numbers`, `understanding`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from its_pipeline.events.cell_texts import (
    COMMA,
    POINT,
    YEAR_FIRST,
    Native,
    NumberText,
    number_readings,
    read_yes_no,
    time_readings,
)
from its_pipeline.events.moments import are_moments, as_texts
from its_pipeline.events.sheets import Cell
from its_pipeline.tables.cells import cell_batches
from its_pipeline.tables.layout import Layout

EMPTY_WORDS: Final = frozenset(
    ("", "na", "n/a", "nan", "null", "none", "-", "--", "\N{EN DASH}", ".", "?", "#n/a", "#na",
     "missing", "nil")
)  # fmt: skip
"""Texts that mean "empty", in small letters."""
EXAMPLES: Final = 3
DISTINCT: Final = 51
"""At most so many distinct texts of a column are told apart."""

_MOMENT: Final = frozenset((YEAR_FIRST,))
"""What a moment as machines write it can mean."""

SAME: Final = "same"
"""A number that is the same by either decimal sign."""


@dataclass
class Tally:
    """How many cells are of a kind, and the first: the number of its row and its text."""

    count: int = 0
    row: int = 0
    text: str = ""

    def add(self, count: int, row: int, text: str) -> None:
        """Count cells that are alike."""
        if not self.count:
            self.row, self.text = row, text
        self.count += count


@dataclass
class ColumnProfile:
    """What a column's cells are.

    Attributes
    ----------
    name
        The column.
    filled
        Cells that are not empty.
    empties
        Texts that mean "empty", and how often each is there.
    examples, distinct
        Its first and its first few distinct texts.
    times
        Cells by the readings they have as a time (`cell_texts.time_readings`).
    numbers
        Texts by the decimal signs by which they are numbers; `SAME` where that makes no difference.
    native_numbers
        Cells that were numbers in the file.
    thousands
        Signs between thousands, by the decimal sign they were read with.
    percents, bare_numbers
        Numbers with and without a percent sign; zeros count as neither.
    words
        Yes and no, true and false.
    smallest, largest, whole
        Range of the numbers, read with a decimal point; whether all are whole.
    """

    name: str
    filled: int = 0
    empties: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    distinct: set[str] = field(default_factory=set)
    times: dict[frozenset[str], Tally] = field(default_factory=dict)
    numbers: dict[frozenset[str], Tally] = field(default_factory=dict)
    native_numbers: int = 0
    thousands: Counter[tuple[str, str]] = field(default_factory=Counter)
    percents: Tally = field(default_factory=Tally)
    bare_numbers: Tally = field(default_factory=Tally)
    words: Tally = field(default_factory=Tally)
    smallest: float = float("inf")
    largest: float = float("-inf")
    whole: bool = True

    @property
    def time_share(self) -> float:
        """Share of the filled cells that read as a time."""
        return sum(tally.count for tally in self.times.values()) / max(self.filled, 1)

    @property
    def number_share(self) -> float:
        """Share of the filled cells that read as a number, or as yes or no."""
        texts = sum(tally.count for tally in self.numbers.values())
        return (texts + self.native_numbers + self.words.count) / max(self.filled, 1)

    @property
    def is_numeric(self) -> bool:
        """Whether it holds numbers alone, as far as it is filled at all with what can be read."""
        return self.number_share > 0.5

    def add(self, first_row: int, cells: Sequence[Cell], empty: frozenset[str]) -> None:
        """Count some cells, the first of which is in a row of this number."""
        counts = Counter(cells)
        rows = dict(zip(reversed(cells), range(first_row + len(cells) - 1, -1, -1), strict=False))
        waiting = iter(counts.items())
        for cell, count in waiting:
            self._add_cell(cell, count, rows[cell], empty)
            if len(self.distinct) == DISTINCT:
                break
        # A column of moments has nearly as many texts as rows: they are counted together.
        others = list(waiting)
        flags = are_moments(as_texts([cell for cell, _ in others])).to_pylist()
        moments = 0
        first: Cell = None
        for (cell, count), is_moment in zip(others, flags, strict=True):
            if is_moment and cell not in empty:
                moments += count
                first = first or cell
            else:
                self._add_cell(cell, count, rows[cell], empty)
        if first is not None:
            self.filled += moments
            self._tally(_MOMENT).add(moments, rows[first], first)

    def _add_cell(self, cell: Cell, count: int, row: int, empty: frozenset[str]) -> None:
        if cell is None or cell.strip().lower() in EMPTY_WORDS or cell in empty:
            self.empties[cell or ""] += count
        else:
            self._add_text(cell, count, row)

    def _tally(self, readings: frozenset[str]) -> Tally:
        return self.times.setdefault(readings, Tally())

    def _add_text(self, text: str, count: int, row: int) -> None:
        self.filled += count
        if len(self.distinct) < DISTINCT:
            self.distinct.add(text)
        if len(self.examples) < EXAMPLES:
            self.examples.append(text)
        if times := time_readings(text):
            self._tally(frozenset(times)).add(count, row, text)
        if read_yes_no(text) is not None:
            self.words.add(count, row, text)
            return
        readings = number_readings(text)
        if not readings:
            return
        if isinstance(text, Native):
            if POINT in readings:
                self.native_numbers += count
                self._measure(readings[POINT])
            return
        alike = len(readings) == 2 and readings[POINT].text == readings[COMMA].text
        signs = frozenset((SAME,)) if alike else frozenset(readings)
        self.numbers.setdefault(signs, Tally()).add(count, row, text)
        for decimal, reading in readings.items():
            if reading.thousands:
                self.thousands[decimal, reading.thousands] += count
        first = next(iter(readings.values()))
        if float(first.text):
            (self.percents if first.percent else self.bare_numbers).add(count, row, text)
        self._measure(readings.get(POINT, first))

    def _measure(self, reading: NumberText) -> None:
        number = float(reading.text)
        self.smallest = min(self.smallest, number)
        self.largest = max(self.largest, number)
        self.whole = self.whole and number.is_integer()


@dataclass(frozen=True)
class TableProfile:
    """Every column's profile, and how many rows there are."""

    columns: dict[str, ColumnProfile]
    rows: int


def profile_table(
    path: Path, layout: Layout, names: Iterable[str], empty: tuple[str, ...]
) -> TableProfile:
    """Look at every cell of some columns.

    Raises
    ------
    ImportFileError
        If the file cannot be read to its end.
    """
    columns = {name: ColumnProfile(name) for name in names}
    rows = 0
    if columns:
        for batch in cell_batches(path, layout, tuple(columns)):
            for name, cells in batch.items():
                columns[name].add(rows + 1, cells, frozenset(empty))
            rows += len(next(iter(batch.values())))
    return TableProfile(columns, rows)
