"""One outcome of a table as a series of days: what an analysis of a file is given.

What belongs here: from an understanding to a series. What does not: reading it (`days`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from its_pipeline.tables.days import Aggregate, read_days
from its_pipeline.tables.understanding import NOBODY, Understanding

if TYPE_CHECKING:
    import pandas as pd


def read_daily(
    path: Path, understanding: Understanding, outcome: str, aggregate: Aggregate | None = None
) -> pd.Series:
    """Return one column of a table by local day; empty cells are NaN.

    Parameters
    ----------
    path
        The table.
    understanding
        What it means; without open questions.
    outcome
        The column.
    aggregate
        How several rows of a day become one.

    Raises
    ------
    ImportFileError
        If a cell is no day or no number, or a day has several rows and `aggregate` is not given.
    MappingError
        If a question is open.
    """
    mapping = understanding.mapping(user_constant=NOBODY)
    return read_days(path, mapping, [outcome], aggregate)[outcome]
