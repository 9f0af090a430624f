"""SQLite files written anew: nothing of deleted rows is left in the file or its journal."""

from __future__ import annotations

import sqlite3

from its_pipeline.files.sqlite import rewrite_sqlite

WHO = b"zoe.q7312x"


def test_what_was_deleted_is_in_neither_file_nor_journal(tmp_path):
    path = tmp_path / "rows.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = wal")
    # As SQLite is by itself; some systems build it to overwrite what is deleted.
    connection.execute("PRAGMA secure_delete = off")
    connection.execute("CREATE TABLE rows (who TEXT)")
    connection.executemany("INSERT INTO rows VALUES (?)", [(WHO.decode(),), ("ben",)] * 500)
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.execute("DELETE FROM rows WHERE who <> 'ben'")
    connection.commit()
    files = [path, tmp_path / "rows.db-wal"]
    assert any(WHO in file.read_bytes() for file in files)
    rewrite_sqlite(path)
    assert not any(WHO in file.read_bytes() for file in files)
    assert connection.execute("SELECT count(*) FROM rows").fetchone() == (500,)
    connection.close()
