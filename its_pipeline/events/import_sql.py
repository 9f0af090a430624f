"""The expressions that turn a mapped file's text columns into raw events."""

from __future__ import annotations

from datetime import datetime

from its_pipeline.events.duck import literal
from its_pipeline.events.mapping import ImportMapping
from its_pipeline.events.metrics import SESSION_PERFORMANCE
from its_pipeline.events.schema import FIRST_DAY, INSTANT_TEXT, NO_TIME, NUMBER

_LOCAL_DATE = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}\s*$"
_LOCAL_TIME = r"^\s*[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?\s*$"
_WHOLE = r"^\s*[+-]?[0-9]{1,6}(\.0*)?\s*$"
_UTC_TEXT = "'%Y-%m-%dT%H:%M:%S.%fZ'"


def event_expressions(mapping: ImportMapping, name: str, taken_at: datetime) -> str:
    """Return the select list: contract columns as text, `assigned_day` and `file_row`.

    Parameters
    ----------
    mapping
        Which column means what.
    name
        Name of the import, part of the event ids.
    taken_at
        When the file was taken: the events' `ingested_at`.
    """
    zone = _coalesced(mapping.time_zone_column, mapping.time_zone)
    instant = f"({_instant(mapping, zone)})"
    user = _column(mapping.user) if mapping.user else literal(mapping.user_constant or "")
    event_id = f"{literal(name + '-')} || file_row::VARCHAR"
    if mapping.event_id:
        event_id = _column(mapping.event_id)
    ingested = literal(taken_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
    score = "NULL::VARCHAR"
    if SESSION_PERFORMANCE in mapping.outcomes:
        score = _number(mapping.outcomes[SESSION_PERFORMANCE], mapping)
    text = f"coalesce(strftime({instant}, {_UTC_TEXT}), {_column(mapping.time)})"
    expressions = {
        "event_id": event_id,
        "user_id": user,
        "occurred_at": text,
        "event_type": _coalesced(mapping.event_type_column, mapping.event_type),
        "time_zone": zone,
        "session_performance_score": score,
        "engagement_level": _other(mapping, "engagement_level"),
        "completion_quality": _other(mapping, "completion_quality"),
        "content_type": _other(mapping, "content_type"),
        "difficulty_level": _other(mapping, "difficulty_level"),
        "experiment_phase": _other(mapping, "experiment_phase"),
        "event_data": _event_data(mapping),
        "ingested_at": ingested,
    }
    plausible = (
        f"CASE WHEN {instant} >= TIMESTAMP '{FIRST_DAY} 00:00:00' "
        f"AND {instant} <> TIMESTAMP '{NO_TIME:%Y-%m-%d %H:%M:%S}' "
        f"AND {instant} <= TIMESTAMP '{taken_at:%Y-%m-%d %H:%M:%S}' + INTERVAL 1 DAY "
        f"THEN {instant}::DATE ELSE DATE '{taken_at:%Y-%m-%d}' END"
    )
    listed = [f'{expression} AS "{column}"' for column, expression in expressions.items()]
    return ", ".join([*listed, f"{plausible} AS assigned_day", "file_row"])


def _column(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _coalesced(column: str | None, constant: str) -> str:
    return f"coalesce({_column(column)}, {literal(constant)})" if column else literal(constant)


def _other(mapping: ImportMapping, column: str) -> str:
    return _column(mapping.other[column]) if column in mapping.other else "NULL::VARCHAR"


def _instant(mapping: ImportMapping, zone: str) -> str:
    """Return the UTC timestamp a row's time means, null where it does not read as one.

    A date without a time is taken at noon of that local date, so that it stays on its day.
    """
    time = _column(mapping.time)
    if mapping.day_zero is not None:
        start = f"TIMESTAMP '{mapping.day_zero} 12:00:00'"
        local = (
            f"CASE WHEN regexp_full_match({time}, {literal(_WHOLE)}) "
            f"THEN {start} + to_days(TRY_CAST({time} AS DOUBLE)::INTEGER) END"
        )
        return _from_local(local, mapping, zone)
    if mapping.time_kind in ("unix_seconds", "unix_milliseconds"):
        scale = 1_000_000 if mapping.time_kind == "unix_seconds" else 1_000
        return (
            f"CASE WHEN regexp_full_match({time}, {literal(NUMBER)}) "
            f"AND abs(TRY_CAST({time} AS DOUBLE)) < 1e14 "
            f"THEN make_timestamp((TRY_CAST({time} AS DOUBLE) * {scale})::BIGINT) END"
        )
    with_offset = (
        f"WHEN regexp_full_match({time}, {literal(INSTANT_TEXT)}) "
        f"THEN TRY_CAST(trim({time}) AS TIMESTAMPTZ) AT TIME ZONE 'UTC'"
    )
    local = (
        f"CASE WHEN regexp_full_match({time}, {literal(_LOCAL_DATE)}) "
        f"THEN TRY_CAST(trim({time}) AS DATE) + TIME '12:00:00' "
        f"WHEN regexp_full_match({time}, {literal(_LOCAL_TIME)}) "
        f"THEN TRY_CAST(trim({time}) AS TIMESTAMP) END"
    )
    return f"CASE {with_offset} ELSE {_from_local(local, mapping, zone)} END"


def _from_local(local: str, mapping: ImportMapping, zone: str) -> str:
    if not mapping.time_zone_column:
        return f"timezone({zone}, {local}) AT TIME ZONE 'UTC'"
    # A zone that DuckDB does not know must be rejected by the contract, not stop the import.
    known = "(SELECT list(name) FROM pg_timezone_names())"
    safe = f"CASE WHEN list_contains({known}, {zone}) THEN {zone} ELSE 'UTC' END"
    return f"timezone({safe}, {local}) AT TIME ZONE 'UTC'"


def _number(column: str, mapping: ImportMapping) -> str:
    text = _column(column)
    return f"replace({text}, ',', '.')" if mapping.decimal_comma else text


def _event_data(mapping: ImportMapping) -> str:
    """Return a JSON object of the outcomes: numbers as numbers, anything else as text."""
    parts = []
    for name, column in mapping.outcomes.items():
        if name == SESSION_PERFORMANCE:
            continue
        number = _number(column, mapping)
        value = (
            f"CASE WHEN {number} IS NULL THEN 'null' "
            f"WHEN regexp_full_match({number}, {literal(NUMBER)}) "
            f"AND isfinite(TRY_CAST({number} AS DOUBLE)) "
            f"THEN TRY_CAST({number} AS DOUBLE)::VARCHAR ELSE to_json({number})::VARCHAR END"
        )
        parts.append(f"{literal(json_key(name))} || {value}")
    if not parts:
        return "NULL::VARCHAR"
    return "'{' || " + " || ', ' || ".join(parts) + " || '}'"


def json_key(name: str) -> str:
    """Return a metric's name as a JSON object's key with its colon."""
    return f'"{name}": '
