"""Daily outcomes in plain Python, written from the definitions: the oracle of the SQL."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from its_pipeline.events.metrics import OutcomeMetric

Row = tuple[float, int, float | None, float | None, float | None, float | None]
"""value, n_events, shares of morning, afternoon, evening, night."""


def daily_outcomes(
    events: Iterable[dict[str, Any]], metrics: Iterable[OutcomeMetric]
) -> dict[tuple[str, str, date], Row]:
    """Return rows by (user, outcome, local day)."""
    newest: dict[str, dict[str, Any]] = {}
    for event in events:
        known = newest.get(event["event_id"])
        if known is None or event["ingested_at"] > known["ingested_at"]:
            newest[event["event_id"]] = event
    homes: dict[str, tuple[Any, str]] = {}
    for event in newest.values():
        if event["time_zone"] is not None:
            seen = (event["occurred_at"], event["time_zone"])
            homes[event["user_id"]] = max(homes.get(event["user_id"], seen), seen)
    grouped: dict[tuple[str, str, date], list[tuple[float, int]]] = defaultdict(list)
    spans: dict[str, set[date]] = defaultdict(set)
    for event in newest.values():
        home = homes.get(event["user_id"], (None, "UTC"))[1]
        local = event["occurred_at"].astimezone(ZoneInfo(event["time_zone"] or home))
        spans[event["user_id"]].add(local.date())
        for metric in metrics:
            value = _value(event, metric)
            if value is not None:
                key = (event["user_id"], metric.name, local.date())
                grouped[key].append((value, local.hour))
    rows = {key: _row(key[1], values, metrics) for key, values in grouped.items()}
    for metric in metrics:
        if metric.zero_days:
            for user, days in spans.items():
                day = min(days)
                while day <= max(days):
                    rows.setdefault((user, metric.name, day), (0.0, 0, None, None, None, None))
                    day += timedelta(days=1)
    return rows


def _value(event: dict[str, Any], metric: OutcomeMetric) -> float | None:
    if metric.event_types and event["event_type"] not in metric.event_types:
        return None
    if metric.column is None and metric.json_path is None:
        return 1.0
    if metric.json_path is not None:
        data = json.loads(event["event_data"]) if event["event_data"] else {}
        value = data.get(metric.json_path.removeprefix("$."))
    else:
        value = event[metric.column or ""]
    if value is None:
        return None
    if metric.aggregation == "rate":
        return float(value == metric.equals)
    return 1.0 if metric.aggregation == "count" else float(value)


def _row(name: str, values: list[tuple[float, int]], metrics: Iterable[OutcomeMetric]) -> Row:
    metric = next(m for m in metrics if m.name == name)
    numbers = [value for value, _ in values]
    count = len(numbers)
    total = math.fsum(numbers)
    value = {
        "mean": total / count,
        "rate": total / count,
        "sum": total,
        "count": float(count),
        "median": float(median(numbers)),
    }[metric.aggregation]
    hours = [hour for _, hour in values]
    morning = sum(5 <= hour < 12 for hour in hours) / count
    afternoon = sum(12 <= hour < 17 for hour in hours) / count
    evening = sum(17 <= hour < 22 for hour in hours) / count
    night = sum(hour < 5 or hour >= 22 for hour in hours) / count
    return value, count, morning, afternoon, evening, night
