"""A person goes out of the log, its looks and its copies, and the log goes on where it was."""

from __future__ import annotations

import shutil
import sqlite3
from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from its_pipeline.events.intervention_table import open_engine
from its_pipeline.events.interventions import InterventionLog
from its_pipeline.events.log_copies import DamagedLogError, keep_nightly_copy
from its_pipeline.events.log_deletion import delete_from_log
from its_pipeline.stores.look_log import LOOKS
from its_pipeline_tests.postgres import postgres_server  # noqa: F401 - a fixture

WHO = "zoe.q7312x"


def log(url, *users):
    opened = InterventionLog(url)
    try:
        return [
            opened.log(
                user_id=user,
                intervention_id="tea",
                outcome_metric="m",
                started_on=date(2026, 5, 1),
                name=f"tea of {user}",
            )
            for user in users
        ]
    finally:
        opened.close()


def look(url, user):
    engine = open_engine(url)
    values = {
        column.name: 1.0 if isinstance(column.type, sa.Float) else "x" for column in LOOKS.columns
    }
    days = {name: date(2026, 5, 1) for name in ("started_on", "looked_on", "planned_until_on")}
    values |= {"user_id": user, "number": 1, "taken_at": datetime.now(UTC), **days}
    with engine.begin() as connection:
        connection.execute(sa.insert(LOOKS).values(values))
    engine.dispose()


def rows(url):
    engine = open_engine(url)
    with engine.connect() as connection:
        found = [
            connection.execute(sa.text(f"SELECT user_id FROM {table} ORDER BY 1")).scalars().all()
            for table in ("interventions", "intervention_looks")
        ]
    engine.dispose()
    return found


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/interventions.sqlite"
    server = request.getfixturevalue("postgres_server")
    return server.create_database("departure")


def test_only_their_rows_go_and_no_sequence_is_given_twice(url):
    kept = log(url, "ben")
    log(url, WHO)
    look(url, WHO)
    look(url, "ben")
    opened = InterventionLog(url)
    amended = opened.amend(WHO, "tea", washout_days=1)
    opened.close()
    assert delete_from_log(url, WHO) == 2
    assert rows(url) == [["ben"], ["ben"]]
    opened = InterventionLog(url)
    assert opened.list() == kept
    opened.close()
    [new] = log(url, "carl")
    assert new.sequence == amended.sequence + 1
    assert delete_from_log(url, WHO) == 0
    [newer] = log(url, "dora")
    assert newer.sequence == new.sequence + 1


def test_no_byte_is_left_in_file_journal_or_copies(tmp_path):
    file = tmp_path / "interventions.sqlite"
    url = f"sqlite:///{file}"
    log(url, "ben", WHO)
    look(url, WHO)
    keep_nightly_copy(url)
    shutil.copy(file, tmp_path / "interventions.before-0004.sqlite")
    (tmp_path / "interventions.before-0003.sqlite").write_bytes(f"damaged, {WHO}".encode())
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = wal")
    delete_from_log(url, WHO)
    left = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert [name for name, content in left.items() if WHO.encode() in content] == []
    assert b"tea of ben" in left["interventions.sqlite"] + left["interventions.copy.sqlite"]
    assert "interventions.before-0003.sqlite" not in left
    copy = keep_nightly_copy(url)
    connection.close()
    assert copy is not None
    assert copy.read_bytes() == left["interventions.copy.sqlite"], "the copy is not behind"


def test_a_log_that_is_lost_is_not_taken_for_one_without_them(tmp_path):
    url = f"sqlite:///{tmp_path}/interventions.sqlite"
    assert delete_from_log(url, WHO) == 0
    assert list(tmp_path.iterdir()) == [], "none is made"
    log(url, WHO)
    keep_nightly_copy(url)
    (tmp_path / "interventions.sqlite").unlink()
    with pytest.raises(DamagedLogError):
        delete_from_log(url, WHO)
