"""Outcome metrics as examples of each kind; the demo registers them.

What belongs here: declarations. What does not: what a metric is, or the shipped one (`metrics`).
"""

from __future__ import annotations

from its_pipeline.events.metrics import OutcomeMetric

EXAMPLES: tuple[OutcomeMetric, ...] = (
    OutcomeMetric(
        name="sessionsPerDay",
        event_types=("SESSION_ENDED",),
        aggregation="count",
        unit="sessions",
        zero_days=True,
        label="Sessions a day",
    ),
    OutcomeMetric(
        name="shareThorough",
        event_types=("MISSION_COMPLETED", "SESSION_ENDED"),
        column="completion_quality",
        aggregation="rate",
        equals="THOROUGH",
        unit="share",
        label="Share of thorough completions",
    ),
    OutcomeMetric(
        name="distractionMinutes",
        event_types=("SESSION_ENDED",),
        json_path="$.distraction_minutes",
        aggregation="mean",
        minimum=0.0,
        maximum=1440.0,
        unit="minutes",
        label="Minutes of distraction in a session",
    ),
    OutcomeMetric(
        name="coffeesPerDay",
        event_types=("SESSION_ENDED",),
        json_path="$.coffees",
        aggregation="sum",
        minimum=0.0,
        maximum=100.0,
        unit="coffees",
        label="Coffees a day",
        likelihood="negative_binomial",
    ),
    OutcomeMetric(
        name="sleptThrough",
        event_types=("SESSION_ENDED",),
        json_path="$.slept_through",
        aggregation="mean",
        minimum=0.0,
        maximum=1.0,
        unit="share of nights",
        label="Slept through",
        likelihood="binomial",
    ),
)
"""Examples of each kind; the demo registers them."""
