"""The contract: each rule rejects what it should, with column and value, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from its_pipeline.events.contract import event_schema
from its_pipeline.events.contract_docs import contract_document
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.schema import EVENT_SCHEMA
from its_pipeline_tests.support import PROJECT_ROOT
from its_pipeline_tests.unit.events.factories import Validated, event, validated

MINUTES = OutcomeMetric(
    name="minutes", event_types=("SESSION_ENDED",), json_path="$.minutes", minimum=0, maximum=90
)

ILLEGAL = [
    ("event_id", None, "required"),
    ("event_id", "", "plain_text"),
    ("event_id", "a\nb", "plain_text"),
    ("event_id", "x" * 129, "plain_text"),
    ("user_id", None, "required"),
    ("user_id", "../etc/passwd", "legal_id"),
    ("user_id", "a..b", "no_double_dot"),
    ("user_id", "ada|tea", "legal_id"),
    ("user_id", "ada\n", "legal_id"),
    ("user_id", "😀", "legal_id"),
    ("user_id", "\u05d0\u05d1", "legal_id"),
    ("user_id", "\u202eada", "legal_id"),
    ("occurred_at", None, "required"),
    ("occurred_at", "yesterday", "is_instant_with_offset"),
    ("occurred_at", "2026-03-10T10:00:00", "is_instant_with_offset"),
    ("occurred_at", "2026-02-30T10:00:00Z", "is_instant_with_offset"),
    ("occurred_at", "1970-01-01T00:00:00Z", "not_zero"),
    ("occurred_at", "1899-12-31T23:59:59Z", "not_too_old"),
    ("occurred_at", "9999-12-31T23:59:59Z", "not_in_the_future"),
    ("occurred_at", "2026-03-11T00:00:00Z", "in_partition"),
    ("event_type", "", "legal_event_type"),
    ("event_type", "A B", "legal_event_type"),
    ("time_zone", "Mars/Olympus", "known_time_zone"),
    ("time_zone", "+02:00", "known_time_zone"),
    ("session_performance_score", "abc", "is_number"),
    ("session_performance_score", "NaN", "is_number"),
    ("session_performance_score", "inf", "is_number"),
    ("session_performance_score", "0x10", "is_number"),
    ("session_performance_score", "1e400", "finite"),
    ("session_performance_score", "-0.001", "in_range"),
    ("session_performance_score", "100.001", "in_range"),
    ("engagement_level", "high", "one_of"),
    ("completion_quality", "FAST", "one_of"),
    ("content_type", "x\x00", "plain_text"),
    ("event_data", "{", "json"),
    ("event_data", '{"minutes": NaN}', "json"),
    ("event_data", "inf", "json"),
    ("event_data", '{"a": "x\\\\", "b": -Infinity}', "json"),
    ("event_data", '{"minutes": 1e400}', "finite"),
    ("event_data", '{"minutes": 91}', "in_range"),
    ("event_data", '{"minutes": "many"}', "is_number"),
    ("ingested_at", "2026-03-10", "is_instant_with_offset"),
]


LEGAL = [
    ("user_id", "A" + "b" * 63),
    ("user_id", "a.b@c+d-e_f"),
    ("event_type", "SOMETHING_NEW"),
    ("occurred_at", "2026-03-10 12:00:00.123456+02:00"),
    ("occurred_at", "2026-03-10T23:59:59.999999999Z"),
    ("occurred_at", "2026-03-10T10:00Z"),
    ("session_performance_score", "0"),
    ("session_performance_score", "100"),
    ("session_performance_score", " 7e1 "),
    ("session_performance_score", None),
    ("time_zone", None),
    ("time_zone", "Asia/Kathmandu"),
    ("event_data", '{"minutes": "12.5"}'),
    ("event_data", '{"minutes": null}'),
    ("event_data", r'["anything", "Nan said \"inf\""]'),
    ("ingested_at", "2026-03-10T00:00:00Z"),
]


@pytest.fixture(scope="module")
def illegal(tmp_path_factory: pytest.TempPathFactory) -> Validated:
    events = [event(n, **{column: value}) for n, (column, value, _) in enumerate(ILLEGAL)]
    return validated(events, tmp_path_factory.mktemp("illegal"), metrics=(MINUTES,))


@pytest.mark.parametrize(
    "number", range(len(ILLEGAL)), ids=lambda n: f"{ILLEGAL[n][0]}-{n}-{ILLEGAL[n][2]}"
)
def test_an_illegal_value_is_rejected_with_rule_column_and_value(
    illegal: Validated, number: int
) -> None:
    column, value, rule = ILLEGAL[number]
    rejected = illegal.rejected[number]
    assert (rejected["rule"], rejected["column"], rejected["value"]) == (rule, column, value)
    assert f"{rule}({column})" in rejected["all_rules"]
    expected = event(number, **{column: value})
    assert {name: rejected[name] for name in expected} == expected


def test_illegal_values_are_all_that_is_rejected(illegal: Validated) -> None:
    assert illegal.valid == []
    assert illegal.summary.rejected == illegal.summary.read == len(ILLEGAL)
    assert sum(rule.rows for rule in illegal.summary.broken_rules) == len(ILLEGAL)


def test_legal_values_are_kept(tmp_path: Path) -> None:
    events = [event(n, **{column: value}) for n, (column, value) in enumerate(LEGAL)]
    result = validated(events, tmp_path, metrics=(MINUTES,))
    assert [(row["column"], row["value"]) for row in result.rejected] == []
    assert result.summary.valid == len(LEGAL)


def test_a_row_with_several_faults_is_counted_once_under_the_first(tmp_path: Path) -> None:
    bad = event(0, user_id="a|b", session_performance_score="200", event_data="{")
    result = validated([bad, event(1)], tmp_path)
    (rejected,) = result.rejected
    assert rejected["rule"] == "legal_id"
    assert rejected["all_rules"] == (
        "legal_id(user_id), in_range(session_performance_score), json(event_data)"
    )
    assert (result.summary.read, result.summary.valid, result.summary.rejected) == (2, 1, 1)


def test_of_several_deliveries_the_latest_counts_in_any_order_and_batching(tmp_path: Path) -> None:
    deliveries = [
        event(0, session_performance_score="1", ingested_at="2026-03-10T10:59:00Z"),
        event(0, session_performance_score="2", ingested_at="2026-03-10T12:00:00Z"),
        event(0, session_performance_score="3", ingested_at="2026-03-10T11:00:00Z"),
        event(0, session_performance_score="900", ingested_at="2026-03-10T13:00:00Z"),
        event(1),
    ]
    first = validated(deliveries, tmp_path / "a")
    second = validated(deliveries[::-1], tmp_path / "b", batch_rows=1)
    assert [row["session_performance_score"] for row in first.valid] == [2.0, 70.0]
    assert first.valid == second.valid
    assert (first.summary.duplicates, first.summary.rejected) == (2, 1)
    assert sorted(row["rule"] for row in first.rejected) == ["duplicate", "duplicate", "in_range"]
    assert (tmp_path / "a/valid.parquet").read_bytes() == (
        tmp_path / "b/valid.parquet"
    ).read_bytes()


def test_a_day_without_events_is_a_day(tmp_path: Path) -> None:
    result = validated([], tmp_path)
    assert (result.summary.read, result.valid, result.rejected) == (0, [], [])


def test_nothing_is_left_beside_the_results(tmp_path: Path) -> None:
    validated([event(0), event(0)], tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "rejected.parquet",
        "valid.parquet",
    ]


def test_the_schema_covers_every_column_in_order() -> None:
    stored = [name for name in event_schema().columns if "." not in str(name)]
    assert stored == EVENT_SCHEMA.names


def test_the_document_is_current() -> None:
    written = (PROJECT_ROOT / "docs" / "data-contract.md").read_text("utf-8")
    assert written == contract_document(), (
        "run python -m its_pipeline.events.contract_docs > docs/data-contract.md"
    )
