"""The app's PostgreSQL table ``behavioral_events`` (camelCase columns) as a source, through ADBC.

Read-only, one snapshot a day read, streamed: memory does not grow with the table. A day's version
is made of its number of rows and their ids, and inside the late window of the rows' contents too,
so that late, deleted and (for some days) corrected rows are found without any stored watermark.
Credentials come from the settings and never reach a message.
"""

# ruff: noqa: S608 (statements are built of checked names and dates, never of values from outside)

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from its_pipeline.events.duck import literal
from its_pipeline.events.schema import EVENT_SCHEMA, FIRST_DAY, NO_TIME, raw_schema
from its_pipeline.events.sources.base import DayRead, SourceError

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

COLUMNS = {
    "event_id": "id",
    "user_id": "userId",
    "occurred_at": "timestamp",
    "event_type": "eventType",
    "time_zone": "timeZone",
    "session_performance_score": "sessionPerformanceScore",
    "engagement_level": "engagementLevel",
    "completion_quality": "completionQuality",
    "content_type": "contentType",
    "difficulty_level": "difficultyLevel",
    "experiment_phase": "experimentPhase",
    "event_data": "eventData",
    "ingested_at": "ingestedAt",
}
"""The table's column by contract column; the one place where names are mapped."""

REQUIRED = ("id", "userId", "timestamp", "eventType")

BATCH_BYTES = 8 * 1024 * 1024
"""About how much the driver hands over at a time."""

_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


class PostgresSource:
    """One table of a PostgreSQL database.

    Parameters
    ----------
    url
        `postgresql://user:password@host:port/database`.
    table
        Table, optionally with its schema.
    today
        The current UTC day. Rows with a time ahead of 1900, later than tomorrow, or none at all
        are read with the day ahead of it, so that the contract can reject them.
    late_window_days
        Days back from the newest in which corrected rows are looked for as well.

    Raises
    ------
    SourceError
        If the table's name is not a plain name.
    """

    def __init__(self, url: str, table: str, today: date, late_window_days: int) -> None:
        if not _TABLE.fullmatch(table):
            raise SourceError(
                f"source_table must be a name or schema.name of letters, digits and _ but got "
                f"{table!r}"
            )
        self._url = url
        self._table = ".".join(f'"{part}"' for part in table.split("."))
        self._today = today
        self._late_from = today - timedelta(days=late_window_days)

    def day_versions(self) -> Mapping[date, str]:
        """Return, per UTC day, row count, a digest of the ids, and of late days' contents."""
        with self._snapshot() as connection:
            select = self._selection(connection)
            day = self._day(select)
            ids = f"SELECT {day} AS day, {select['id_digest']} FROM {self._table} GROUP BY 1"
            versions = {row[0]: row[1] for row in _rows(connection, ids)}
            window = (
                f"SELECT {day} AS day, {select['row_digest']} FROM {self._table} AS t "
                f"WHERE {select['raw_time']} >= {select['bound'](self._late_from)} GROUP BY 1"
            )
            contents = {row[0]: row[1] for row in _rows(connection, window)}
        return {
            found: f"{version}|{contents[found]}" if found in contents else version
            for found, version in sorted(versions.items())
        }

    @contextmanager
    def read_day(self, day: date) -> Iterator[DayRead]:
        """Open one UTC day in one read-only snapshot; see `EventSource`."""
        with self._snapshot() as connection:
            select = self._selection(connection)
            of_day = self._of_day(select, day)
            digest = (
                f"SELECT count(*), {select['id_digest']}, {select['row_digest']} "
                f"FROM {self._table} AS t WHERE {of_day}"
            )
            count, ids, contents = next(iter(_rows(connection, digest)))
            query = (
                f"SELECT {self._columns(select, day)} FROM {self._table} WHERE {of_day} "
                'ORDER BY 3, id::text COLLATE "C"'
            )
            with connection.cursor() as cursor:
                cursor.adbc_statement.set_options(
                    **{"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
                )
                cursor.execute(query)
                batches = (self._typed(batch) for batch in cursor.fetch_record_batch())
                version = f"{ids}|{contents}" if count else ""
                yield DayRead(version, raw_schema(), self._guarded(batches))

    @contextmanager
    def _snapshot(self) -> Iterator[Any]:
        """Open a read-only transaction that sees one state of the table."""
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError as error:
            raise SourceError(
                "source postgres needs the extra 'postgres': install its-pipeline[postgres]"
            ) from error
        try:
            connection = dbapi.connect(self._url, autocommit=True)
        except dbapi.Error as error:
            raise self._cleaned("cannot connect to the source database", error) from None
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute("SET LOCAL TIME ZONE 'UTC'")
            yield connection
        except dbapi.Error as error:
            raise self._cleaned(f"cannot read {self._table}", error) from None
        finally:
            connection.close()

    def _guarded(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass batches on; an error of the driver in mid-stream becomes one without secrets."""
        try:
            yield from batches
        except (OSError, pa.ArrowException) as error:
            raise self._cleaned(f"reading {self._table} broke off", error) from None

    def _typed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [batch.column(field.name).cast(field.type) for field in EVENT_SCHEMA]
        return pa.record_batch(arrays, schema=raw_schema())

    def _selection(self, connection: Any) -> dict[str, Any]:
        """Find out which columns the table has and build the expressions that depend on it."""
        found = self._types(connection)
        missing = [name for name in REQUIRED if name not in found]
        if missing:
            raise SourceError(
                f"table {self._table} lacks the columns {', '.join(missing)}; it has "
                f"{', '.join(sorted(found)) or 'none (does the table exist?)'}; set source_table "
                "or give the table a view with these names"
            )
        zoned = found["timestamp"] == "timestamp with time zone"
        time = '"timestamp"' if zoned else "(\"timestamp\" AT TIME ZONE 'UTC')"

        def bound(day: date) -> str:
            kind = "timestamptz" if zoned else "timestamp"
            return f"{kind} '{day.isoformat()} 00:00:00{'+00' if zoned else ''}'"

        return {
            "types": found,
            "time": time,
            "raw_time": '"timestamp"',
            "bound": bound,
            "id_digest": (
                "count(*)::text || ':' || "
                "coalesce(sum(hashtextextended(id::text, 0))::text, '') AS ids"
            ),
            "row_digest": "coalesce(sum(hashtextextended(t::text, 0))::text, '') AS contents",
        }

    def _types(self, connection: Any) -> dict[str, str]:
        query = (
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            f"WHERE attrelid = to_regclass({literal(self._table)}) "
            "AND attnum > 0 AND NOT attisdropped"
        )
        return {str(name): str(kind).split("(")[0] for name, kind in _rows(connection, query)}

    def _plausible(self, select: dict[str, Any]) -> str:
        least = select["bound"](FIRST_DAY)
        most = select["bound"](self._today + timedelta(days=2))
        zero = select["bound"](NO_TIME.date())
        return (
            f'("timestamp" IS NOT NULL AND "timestamp" >= {least} AND "timestamp" < {most} '
            f'AND "timestamp" <> {zero})'
        )

    def _day(self, select: dict[str, Any]) -> str:
        """Return the expression of the UTC day a row is read with."""
        holder = (self._today - timedelta(days=1)).isoformat()
        return (
            f"CASE WHEN {self._plausible(select)} "
            f"THEN ({select['time']} AT TIME ZONE 'UTC')::date ELSE date '{holder}' END"
        )

    def _of_day(self, select: dict[str, Any], day: date) -> str:
        following = day + timedelta(days=1)
        inside = (
            f'("timestamp" >= {select["bound"](day)} '
            f'AND "timestamp" < {select["bound"](following)} AND {self._plausible(select)})'
        )
        if following == self._today:
            return f"({inside} OR NOT {self._plausible(select)})"
        return inside

    def _columns(self, select: dict[str, Any], day: date) -> str:
        """Return the select list: contract names, contract types."""
        types = select["types"]
        finite = f"CASE WHEN isfinite({select['time']}) THEN {select['time']} END"
        end = f"timestamptz '{(day + timedelta(days=1)).isoformat()} 00:00:00+00'"
        arrived = f"CASE WHEN {self._plausible(select)} THEN {select['time']} ELSE {end} END"
        listed = []
        for field in EVENT_SCHEMA:
            source = COLUMNS[field.name]
            quoted = f'"{source}"'
            if field.name == "occurred_at":
                expression = finite
            elif field.name == "ingested_at":
                expression = f"coalesce({quoted}::timestamptz, {arrived})"
                expression = expression if source in types else arrived
            elif source not in types:
                expression = "NULL::text" if field.type == pa.string() else "NULL::float8"
            elif field.type == pa.string():
                expression = f"{quoted}::text"
            else:
                expression = f"{quoted}::float8"
            listed.append(f'{expression} AS "{field.name}"')
        return ", ".join(listed)

    def _cleaned(self, what: str, error: BaseException) -> SourceError:
        """Return an error without the URL, its password, or the driver's own exception."""
        text = str(error)
        password = urlsplit(self._url).password
        secrets = [self._url, password, unquote(password) if password else None]
        for secret in secrets:
            if secret:
                text = text.replace(secret, "***")
        return SourceError(f"{what}: {text}")


def open_postgres(settings: Settings) -> PostgresSource:
    """Open the configured table.

    Raises
    ------
    SourceError
        If neither `source_url` nor a readable `source_url_file` is set.
    """
    url = settings.source_url.get_secret_value() if settings.source_url else ""
    if not url and settings.source_url_file is not None:
        try:
            url = settings.source_url_file.read_text("utf-8").strip()
        except OSError as error:
            raise SourceError(
                f"cannot read source_url_file {settings.source_url_file}: {error.strerror}"
            ) from error
    if not url:
        raise SourceError(
            "source postgres needs ITS_SOURCE_URL or ITS_SOURCE_URL_FILE (a file with the URL)"
        )
    return PostgresSource(
        url, settings.source_table, settings.utc_today(), settings.late_window_days
    )


def _rows(connection: Any, query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()
