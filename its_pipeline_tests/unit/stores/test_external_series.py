"""External series in a store: whole, replaced whole, listed, taken away, set aside."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from its_pipeline.settings import Settings
from its_pipeline.stores.external_series import (
    UnknownSeriesError,
    list_external,
    read_external,
    remove_external,
    write_external,
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(store_root=tmp_path)


def _values(*values: float) -> pd.Series:
    return pd.Series(values, pd.date_range("2026-05-01", periods=len(values), freq="D"))


def test_a_series_is_read_as_it_was_written_without_its_missing_days(settings):
    told = write_external(settings, "Weather", _values(0.1, np.nan, 1 / 3)[::-1])
    assert (told.n_days, told.first_on, told.last_on) == (2, date(2026, 5, 1), date(2026, 5, 3))
    found = read_external(settings, "Weather")
    assert found is not None
    assert found.to_dict() == {
        pd.Timestamp("2026-05-01"): 0.1,
        pd.Timestamp("2026-05-03"): 1 / 3,
    }
    assert list_external(settings) == [told]


def test_the_newer_one_of_a_name_takes_the_others_place(settings):
    write_external(settings, "weather", _values(1.0, 2.0))
    write_external(settings, "weather", _values(3.0))
    found = read_external(settings, "weather")
    assert found is not None
    assert found.tolist() == [3.0]
    assert [path.name for path in settings.external_series_dir.iterdir()] == ["weather.parquet"]


def test_names_are_listed_as_they_were_given(settings):
    for name in ("b", "A", "c_1"):
        write_external(settings, name, _values(1.0))
    assert [each.name for each in list_external(settings)] == ["A", "b", "c_1"]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("in the shade", (1.0,), "'in the shade'"),
        ("../weather", (1.0,), "must be a letter"),
        ("share_sun", (1.0,), "must not begin with share_"),
        ("weather", (np.nan,), "needs a value on at least one day"),
        ("weather", (1.0, np.inf), "inf on 2026-05-02"),
    ],
)
def test_what_is_no_series_is_refused_and_nothing_is_written(settings, name, values, words):
    with pytest.raises(ValueError, match=words):
        write_external(settings, name, _values(*values))
    assert not settings.external_series_dir.exists()


def test_one_that_is_taken_away_is_not_there(settings):
    write_external(settings, "weather", _values(1.0))
    remove_external(settings, "weather")
    assert read_external(settings, "weather") is None
    write_external(settings, "sun", _values(1.0))
    with pytest.raises(UnknownSeriesError, match=r"no external series 'weather'; there are: sun"):
        remove_external(settings, "weather")


@pytest.mark.parametrize("content", [b"no parquet", None])
def test_a_damaged_one_is_set_aside(settings, content):
    write_external(settings, "weather", _values(1.0))
    file = settings.external_series_dir / "weather.parquet"
    if content is None:
        pd.DataFrame({"other": [1.0]}).to_parquet(file)
    else:
        file.write_bytes(content)
    assert read_external(settings, "weather") is None
    assert list_external(settings) == []
    assert len(list((settings.store_root / "set-aside" / "external_series").iterdir())) == 1
