"""External series: weather, a control group's mean, or whatever else belongs to no person.

What belongs here: one Parquet file a series, ``external_series/NAME.parquet``, with the columns
``day`` and the series' own name; put in place whole. What does not: reading people's tables
(`tables`), or which days of it an analysis takes (`experiments.comparisons`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from its_pipeline.events.analysis_options import check_comparison_name
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.files.names import path_of_name
from its_pipeline.settings import Settings

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ExternalSeries:
    """What is known of an external series without reading it whole.

    Attributes
    ----------
    name
        By which interventions declare it.
    n_days
        Days with a value.
    first_on, last_on
        First and last of them.
    """

    name: str
    n_days: int
    first_on: date
    last_on: date


class UnknownSeriesError(LookupError):
    """There is no external series of that name."""


def write_external(settings: Settings, name: str, values: pd.Series) -> ExternalSeries:
    """Put an external series in its place; one of the same name is replaced whole.

    Parameters
    ----------
    settings
        The installation.
    name
        A letter, then letters, digits or underscores.
    values
        By day (DatetimeIndex without time zone, each day once); NaN is a missing day.

    Raises
    ------
    ValueError
        If the name breaks its rule, a value is infinite, or there is none.
    """
    import numpy as np

    from its_pipeline.files.parquet import unfinished_file

    check_comparison_name(name)
    present = values.dropna().astype(float).sort_index()
    if present.empty:
        raise ValueError(f"external series {name!r} needs a value on at least one day but has none")
    infinite = present[~np.isfinite(present)]
    if len(infinite):
        raise ValueError(
            f"external series {name!r} must have finite values but has {infinite.iloc[0]:g} on "
            f"{infinite.index[0]:%Y-%m-%d}; leave that day out"
        )
    table = present.rename(name).rename_axis("day").reset_index()
    with unfinished_file(_path(settings, name)) as unfinished:
        table.to_parquet(unfinished, index=False)
    return _told(table)


def read_external(settings: Settings, name: str) -> pd.Series | None:
    """Return an external series by day; None where there is none, or it was damaged.

    Parameters
    ----------
    settings, name
        The installation, and the series.
    """
    table = read_or_set_aside(_path(settings, name), _read, settings.store_root)
    return None if table is None else table.set_index("day").iloc[:, 0]


def list_external(settings: Settings) -> list[ExternalSeries]:
    """Return what external series there are, by name.

    Parameters
    ----------
    settings
        The installation.
    """
    files = settings.external_series_dir.glob("[!.]*.parquet")
    tables = [read_or_set_aside(file, _read, settings.store_root) for file in files]
    found = [_told(table) for table in tables if table is not None]
    return sorted(found, key=lambda each: each.name)


def remove_external(settings: Settings, name: str) -> None:
    """Take an external series away.

    Parameters
    ----------
    settings, name
        The installation, and the series.

    Raises
    ------
    UnknownSeriesError
        There is none of that name.
    """
    try:
        _path(settings, name).unlink()
    except FileNotFoundError:
        known = ", ".join(each.name for each in list_external(settings)) or "none"
        raise UnknownSeriesError(
            f"there is no external series {name!r}; there are: {known}"
        ) from None


def _path(settings: Settings, name: str) -> Path:
    return path_of_name(settings.external_series_dir, name, suffix=".parquet")


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    table = pd.read_parquet(path)
    if table.columns[0] != "day" or len(table.columns) != 2 or table.empty:
        raise ValueError(f"columns should be day and one more but are {list(table.columns)}")
    return table.astype({"day": "datetime64[ns]", table.columns[1]: "float64"})


def _told(table: pd.DataFrame) -> ExternalSeries:
    days = table["day"]
    return ExternalSeries(
        str(table.columns[1]), len(table), days.iloc[0].date(), days.iloc[-1].date()
    )
