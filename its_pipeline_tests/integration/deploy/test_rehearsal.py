"""The guide to operating, rehearsed: backup, loss of everything, restore, and the same answers."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.settings import get_settings
from its_pipeline.stores.runs import RunStore
from its_pipeline_tests.integration.deploy.files import DEPLOY
from its_pipeline_tests.integration.pipeline.processes import make_kill_store, state
from its_pipeline_tests.pages import blocks
from its_pipeline_tests.postgres import postgres_server
from its_pipeline_tests.support import PROJECT_ROOT
from tools.postgres import PASSWORD
from tools.stores import log_intervention, short_settings

__all__ = ["postgres_server"]

GUIDE = PROJECT_ROOT / "docs" / "guides" / "operating.md"
DATABASES = ("its_dagster", "its_mlflow", "its_interventions")

pytestmark = pytest.mark.skipif(
    shutil.which("sqlite3") is None, reason="no sqlite3 (apt-get install sqlite3)"
)


def section(name: str) -> str:
    """Return the text of a section of the guide."""
    return GUIDE.read_text().split(f"\n## {name}\n")[1].split("\n## ")[0]


def commands_of(name: str) -> list[str]:
    """Return the blocks of a section that the guide gives to the user `its`."""
    return [block.text for block in blocks(section(name)) if block.language == "sh"]


class Server:
    """A machine as the guide has it: its folders and settings lie under the test's folder."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._folder = folder
        (folder / "bin").mkdir()
        shutil.copy(DEPLOY / "its-backup", folder / "bin")
        (folder / "its.env").write_text("".join(f"{n}={v}\n" for n, v in settings.items()))

    def run(self, *commands: str) -> str:
        """Run blocks in one shell, with the settings; the first command that fails raises."""
        setting_up, _ = commands_of("Backup")
        script = "\n".join((setting_up, *commands))
        for here, there in (
            ("/etc/its/its.env", self._folder / "its.env"),
            ("/opt/its/venv/bin", Path(sys.executable).parent),
            ("/opt/its/bin", self._folder / "bin"),
            ("/var/backups/its", self._folder / "backups"),
        ):
            script = script.replace(here, str(there))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ITS_")}
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            env={**clean, "PGPASSWORD": PASSWORD},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def files(root: Path) -> dict[str, str]:
    """Return the digest of every file but databases and what holds nothing."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and not {".db", ".sqlite"} & set(path.suffixes)
        and not path.name.endswith((".lock", ".db-wal", ".db-shm"))
        and path.name != "warehouse.duckdb"
    }


@pytest.mark.timeout(360)
def test_a_store_that_was_lost_is_back_with_the_same_answers(tmp_path, monkeypatch):
    root = tmp_path / "store"
    settings = make_kill_store(root, people=1, days=24)
    monkeypatch.setenv("ITS_STORE_ROOT", str(root))
    with open_instance(get_settings()) as instance:
        runner = LocalRunner(get_settings(), instance, "test")
        assert runner.ingest().success
        assert runner.refresh().numbers["analysed"] == 1
        assert runner.evidence().success
    server = Server(tmp_path, {"ITS_STORE_ROOT": str(root)})
    # In use meanwhile: what was written last is in the journal and not in the file itself.
    user = sqlite3.connect(root / "mlflow.db")
    user.execute("pragma wal_autocheckpoint = 0")
    user.execute("create table in_use (word text)")
    user.execute("insert into in_use values ('yes')")
    user.commit()
    (backup,) = server.run(commands_of("Backup")[1]).split()
    assert b"in_use" not in (root / "mlflow.db").read_bytes()
    user.close()
    before, answers = files(root), state(settings)
    assert len(answers["pages"]) > 1
    shutil.rmtree(root)
    root.mkdir()
    from_files, _, afterwards = commands_of("Restore")
    server.run(from_files)
    assert files(root) == before
    with sqlite3.connect(root / "mlflow.db") as restored:
        assert restored.execute("select word from in_use").fetchall() == [("yes",)]
    said = server.run(*commands_of("Upgrade"), *commands_of("Move"), afterwards)
    assert said.count("everything can be read and is as it was written") == 2
    assert "unchanged" in said
    assert state(settings) == answers
    answered = {name: digest for name, digest in before.items() if name.startswith("experiments")}
    assert {name: files(root).get(name) for name in answered} == answered
    # A backup that was changed since is not restored.
    with (Path(backup) / "files.tar.gz").open("ab") as file:
        file.write(b"x")
    with pytest.raises(AssertionError, match=r"files.tar.gz: FAILED"):
        server.run(from_files)


@pytest.mark.postgres
@pytest.mark.timeout(360)
def test_databases_that_were_lost_are_back(postgres_server, tmp_path, monkeypatch):
    names = ("ITS_DAGSTER_DATABASE_URL", "ITS_MLFLOW_TRACKING_URI", "ITS_INTERVENTION_LOG_URL")
    at = f"tester@127.0.0.1:{postgres_server.port}"
    given = {
        name: f"postgresql+psycopg2://{at}/{database}"
        for name, database in zip(names, DATABASES, strict=True)
    }
    for database in DATABASES:
        postgres_server.run_sql(
            f"DROP DATABASE IF EXISTS {database} WITH (FORCE)", database="postgres"
        )
        postgres_server.create_database(database)
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    root = tmp_path / "store"
    settings = short_settings(
        root, mlflow_tracking_uri=given[names[1]], intervention_log_url=given[names[2]],
        dagster_database_url=given[names[0]],
    )  # fmt: skip
    log_intervention(settings, "ada")
    RunStore.from_settings(settings).open()
    with open_instance(settings) as instance:
        instance.add_dynamic_partitions("experiment", ["ada|morning"])
    server = Server(tmp_path, {"ITS_STORE_ROOT": str(root), **given})
    server.run(commands_of("Backup")[1])
    before = {database: dumped(postgres_server, database) for database in DATABASES}
    assert "ada|morning" in before["its_dagster"]
    assert "Study in the morning" in before["its_interventions"]
    shutil.rmtree(root)
    root.mkdir()
    for database in DATABASES:
        postgres_server.run_sql(f"DROP DATABASE {database} WITH (FORCE)", database="postgres")
        postgres_server.create_database(database)
    server.run(*commands_of("Restore")[:2])
    assert {database: dumped(postgres_server, database) for database in DATABASES} == before
    assert (root / "dagster" / "dagster.yaml").is_file()


def dumped(server, database: str) -> str:
    """Return all rows of a database as text; the tables' own text is not the same twice."""
    command = ["pg_dump", "--data-only", server.url_of(database)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    # Newer ones fence the text with a word of their own that differs each time.
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def test_only_the_newest_backups_are_kept_and_a_broken_off_one_is_none(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    (root / "metrics.yaml").write_text("metrics: []\n")
    server = Server(tmp_path, {"ITS_STORE_ROOT": str(root), "ITS_BACKUPS": "2"})
    backups = tmp_path / "backups"
    for name in ("2026-01-01T000000Z", "2026-01-02T000000Z", ".unfinished-2026-01-03T000000Z"):
        (backups / name).mkdir(parents=True)
    (made,) = server.run(commands_of("Backup")[1]).split()
    kept = sorted(path.name for path in backups.iterdir())
    assert kept == [".unfinished-2026-01-03T000000Z", "2026-01-02T000000Z", Path(made).name]
    (root / "broken.db").write_text("no database at all, and longer than nothing")
    with pytest.raises(AssertionError, match="not a database"):
        server.run(commands_of("Backup")[1])
    assert len([path for path in backups.iterdir() if path.name.startswith("20")]) == 2
