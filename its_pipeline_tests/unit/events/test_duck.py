"""Where DuckDB may put what does not fit into memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb
import pytest

from its_pipeline.events.duck import in_memory
from its_pipeline.files.atomic import remove_unfinished

LARGE = "SELECT count(*) FROM (SELECT DISTINCT range, md5(range::VARCHAR) FROM range(300000))"


def test_what_does_not_fit_lies_where_it_was_said_and_is_gone_after_that(tmp_path: Path) -> None:
    with in_memory("16MB", threads=1, spill_to=tmp_path) as connection:
        assert connection.execute(LARGE).fetchall() == [(300_000,)]
        assert len(list(tmp_path.iterdir())) == 1
        # What a killed process would leave is what every writer of a folder removes.
        assert remove_unfinished(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_put_anywhere_where_no_place_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with in_memory("16MB", threads=1) as connection:
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(LARGE)
        assert list(tmp_path.iterdir()) == []
