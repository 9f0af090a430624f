"""The app's PostgreSQL table as a source: the lake equals the table, and no secret escapes."""

from __future__ import annotations

import json
import traceback
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from its_pipeline.events.interventions import AlreadyLoggedError, InterventionLog
from its_pipeline.events.sources.base import SourceError
from its_pipeline.events.sources.opening import open_source
from its_pipeline.ingest import steps as ingest
from its_pipeline.settings import Settings
from its_pipeline.stores.lake import BEHAVIORAL_EVENTS, VALID_EVENTS
from its_pipeline_tests.postgres import postgres_server
from its_pipeline_tests.support import PROJECT_ROOT
from tools.app_table import CREATE, insert
from tools.postgres import PASSWORD, PostgresServer

__all__ = ["postgres_server"]
pytestmark = pytest.mark.postgres

TODAY = date(2026, 3, 20)


@pytest.fixture
def app(postgres_server: PostgresServer, tmp_path: Path) -> tuple[PostgresServer, str, Settings]:
    name = f"app_{uuid.uuid4().hex[:8]}"
    url = postgres_server.create_database(name)
    postgres_server.run_sql(CREATE + insert(0, 4000, "2026-03-10", 10), name)
    settings = Settings(
        store_root=tmp_path, source="postgres", source_url=SecretStr(url), today_on=TODAY
    )
    return postgres_server, name, settings


def _export_all(settings: Settings) -> list[date]:
    days = ingest.changed_days(settings)
    for day in days:
        ingest.export_day(settings, day)
    return days


def _ids(settings: Settings) -> set[str]:
    lake = ingest.open_lake(settings)
    return {
        event_id
        for day in lake.days(BEHAVIORAL_EVENTS)
        for event_id in lake.read(BEHAVIORAL_EVENTS, day)["event_id"].to_pylist()
    }


def test_lake_equals_table_and_values_keep_their_meaning(app) -> None:
    _, _, settings = app
    days = _export_all(settings)
    assert days == [date(2026, 3, 10) + timedelta(days=n) for n in range(10)]
    assert _ids(settings) == {f"c{n:012d}" for n in range(4000)}
    assert ingest.changed_days(settings) == []
    result = ingest.validate_day_partition(settings, days[0])
    assert (result.summary.rejected, result.summary.duplicates) == (0, 0)
    rows = ingest.open_lake(settings).read(VALID_EVENTS, days[0]).to_pylist()
    event = next(row for row in rows if row["event_id"] == "c000000000001")
    assert event["user_id"] == "user19"
    assert event["occurred_at"] == datetime(2026, 3, 10, 6, 0, 0, 7000, UTC)
    assert event["event_type"] == "SESSION_ENDED"
    assert event["session_performance_score"] == 31.0
    assert event["completion_quality"] == "NORMAL"
    assert event["event_data"] == '{"n": 1, "distraction_minutes": 1}'


def test_late_new_corrected_and_deleted_rows_are_found(app) -> None:
    server, name, settings = app
    _export_all(settings)
    server.run_sql(insert(10_000, 3, "2026-03-11", 1), name)
    assert ingest.changed_days(settings) == [date(2026, 3, 11)]
    _export_all(settings)
    server.run_sql(
        'UPDATE behavioral_events SET "sessionPerformanceScore" = 99 WHERE id IN '
        "(SELECT id FROM behavioral_events WHERE \"timestamp\" >= '2026-03-19' LIMIT 1);",
        name,
    )
    assert ingest.changed_days(settings) == [date(2026, 3, 19)]
    _export_all(settings)
    server.run_sql("DELETE FROM behavioral_events WHERE \"timestamp\" < '2026-03-11';", name)
    assert ingest.changed_days(settings) == [date(2026, 3, 10)]
    assert ingest.export_day(settings, date(2026, 3, 10)).rows == 0
    assert ingest.changed_days(settings) == []


def test_export_again_gives_the_same_bytes(app) -> None:
    _, _, settings = app
    day = date(2026, 3, 12)
    first = ingest.export_day(settings, day).path.read_bytes()
    again = ingest.export_day(settings, day)
    assert again.path.read_bytes() == first
    assert not again.changed


def test_implausible_times_reach_the_quarantine(app) -> None:
    server, name, settings = app
    server.run_sql(
        "UPDATE behavioral_events SET \"timestamp\" = '9999-12-31' WHERE id = 'c000000000001';"
        "UPDATE behavioral_events SET \"timestamp\" = '1970-01-01' WHERE id = 'c000000000002';"
        "UPDATE behavioral_events SET \"timestamp\" = 'infinity' WHERE id = 'c000000000003';",
        name,
    )
    _export_all(settings)
    yesterday = TODAY - timedelta(days=1)
    summary = ingest.validate_day_partition(settings, yesterday).summary
    assert {rule.rule for rule in summary.broken_rules} == {
        "not_in_the_future",
        "not_zero",
        "required",
    }
    assert summary.rejected == 3
    assert summary.adds_up


def test_a_missing_column_names_itself(app) -> None:
    server, name, settings = app
    server.run_sql('ALTER TABLE behavioral_events RENAME COLUMN "userId" TO owner;', name)
    with pytest.raises(SourceError, match=r"lacks the columns userId; it has .*owner"):
        ingest.export_day(settings, TODAY)


def test_reading_is_read_only(app) -> None:
    _, _, settings = app
    from its_pipeline.events.sources.postgres import PostgresSource, _rows

    source = PostgresSource(settings.source_url.get_secret_value(), "behavioral_events", TODAY, 3)
    with (
        pytest.raises(SourceError, match="read-only transaction"),
        source._snapshot() as connection,
    ):
        _rows(connection, "DELETE FROM behavioral_events RETURNING id")


@pytest.mark.parametrize("wrong", ["password", "port", "garbage"])
def test_no_message_holds_a_credential(app, wrong: str, capfd: pytest.CaptureFixture[str]) -> None:
    _, _, settings = app
    url = settings.source_url.get_secret_value()
    secret = PASSWORD if wrong != "password" else "wr0ng%2Dpass"
    url = {
        "password": url.replace(PASSWORD, secret),
        "port": url.replace("127.0.0.1:", "127.0.0.1:1"),
        "garbage": "postgresql//" + url,
    }[wrong]
    broken = settings.model_copy(update={"source_url": SecretStr(url)})
    with pytest.raises(SourceError) as caught:
        ingest.export_day(broken, TODAY)
    told = "".join(traceback.format_exception(caught.value)) + repr(broken) + capfd.readouterr().err
    assert secret not in told
    assert url not in told


def test_the_url_may_come_from_a_file(app, tmp_path: Path) -> None:
    _, _, settings = app
    file = tmp_path / "secret"
    file.write_text(settings.source_url.get_secret_value() + "\n")
    from_file = settings.model_copy(update={"source_url": None, "source_url_file": file})
    assert open_source(from_file).day_versions() == open_source(settings).day_versions()
    with pytest.raises(SourceError, match="ITS_SOURCE_URL"):
        open_source(settings.model_copy(update={"source_url": None}))


def test_the_intervention_log_works_on_postgresql(app) -> None:
    server, name, _ = app
    url = server.url_of(name).replace("postgresql://", "postgresql+psycopg2://")
    log = InterventionLog(url)
    logged = log.log(
        user_id="ada", intervention_id="tea", outcome_metric="m", started_on=date(2026, 1, 2)
    )
    assert (logged.sequence, logged.version) == (1, 1)
    with pytest.raises(AlreadyLoggedError):
        log.log(
            user_id="ada", intervention_id="tea", outcome_metric="m", started_on=date(2026, 1, 3)
        )
    amended = log.amend("ada", "tea", started_on=date(2026, 1, 3))
    assert [v.started_on.day for v in log.history("ada", "tea")] == [2, 3]
    assert InterventionLog(url).changed_since(1) == (amended,)
    log.close()


@pytest.mark.parametrize("table", ["behavioral_events", "its_events"])
def test_the_guides_table_and_view_are_read(postgres_server, tmp_path, table) -> None:
    page = (PROJECT_ROOT / "docs" / "guides" / "own-data.md").read_text()
    statements = "".join(part.partition("```")[0] for part in page.split("```sql\n")[1:])
    name = f"guide_{uuid.uuid4().hex[:8]}"
    url = postgres_server.create_database(name)
    postgres_server.run_sql(
        statements
        + """
        INSERT INTO behavioral_events (id, "userId", "timestamp", "eventType", "eventData")
            VALUES ('workout-1', 'anna', '2026-03-10 07:00', 'WORKOUT', '{"minutes": 30}');
        INSERT INTO workouts VALUES (1, 'anna', '2026-03-10 08:00+01', 30);
        """,
        name,
    )
    settings = Settings(
        store_root=tmp_path,
        source="postgres",
        source_url=SecretStr(url),
        source_table=table,
        today_on=TODAY,
    )
    assert _export_all(settings) == [date(2026, 3, 10)]
    events = ingest.open_lake(settings).read(BEHAVIORAL_EVENTS, date(2026, 3, 10))
    assert events["event_id"].to_pylist() == ["workout-1"]
    assert json.loads(events["event_data"][0].as_py()) == {"minutes": 30}
