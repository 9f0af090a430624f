"""The contract as a document for people, made from the Pandera schema: `docs/data-contract.md`."""

from __future__ import annotations

from collections.abc import Iterable

from its_pipeline.events.analysis_options import (
    LIKELIHOODS,
    SHARE_COLUMNS,
    USUAL,
    AnalysisOptions,
)
from its_pipeline.events.contract import CONTRACT_VERSION, ColumnRule, column_rules
from its_pipeline.events.example_metrics import EXAMPLES
from its_pipeline.events.intervention import (
    DEFAULT_BASELINE_DAYS,
    DEFAULT_HORIZON_DAYS,
    MAXIMUM_DAYS,
)
from its_pipeline.events.metrics import SHIPPED, OutcomeMetric
from its_pipeline.events.parsing import NOT_A_NUMBER, NOT_AN_INSTANT
from its_pipeline.events.schema import DUPLICATE_RULE, OPEN_RULE
from its_pipeline.schedules.cadence import NAMED
from its_pipeline.schedules.look_plans import LOOK_PLANS

_HEAD = """# Data contract

Generated from the Pandera schema in `its_pipeline/events/contract.py`; do not edit. After a change
there run `python -m its_pipeline.events.contract_docs > docs/data-contract.md`; a test compares.

Contract version {version}.

## Events

Every exported event is read, judged and either kept in `valid_events` or put into
`rejected_events` with its raw values and the rule, column and value that rejected it. Nothing is
coerced in silence: text that is not a number, an instant with an offset, or JSON is rejected.
`read = valid + rejected + duplicates` holds for every UTC day.
"""

_TAIL = """
A column whose name has a dot is computed from the column ahead of the dot, checked, and not
stored. For every metric read from `event_data` there is a column `metric.NAME`: empty, or a finite
number in the metric's range.

Besides the rules above:

| rule | means |
|---|---|
| `required` | a column that must not be empty is empty |
| `{number}` | the text is not a decimal number (`NaN`, `inf` and hexadecimal are none) |
| `{instant}` | the text is not a date and time with an offset or `Z` (ISO 8601) |
| `{duplicate}` | the event was delivered again with a later `ingested_at`; the newest one counts |
| `{closed}` | it came when its day's events were not kept any more (`ITS_KEEP_EVENTS_DAYS`): the \
day's outcomes stay as they were computed; if sources deliver so late, keep more days |

A row that breaks several rules is counted under the first, in the order of the table; all of them
are listed in its column `all_rules`.

A time zone may change from event to event: the event's own zone decides its local day and time of
day. Where it is empty, the person's latest known zone does, and UTC where none is known.

## Outcome metrics

{metrics}
Others are added in `metrics.yaml` in the store, as a list under `metrics:` with these fields:
`name`, `event_types`, `column` or `json_path`, `aggregation` (`mean`, `median`, `sum`, `count`,
`rate`), `equals` (for `rate`), `minimum`, `maximum`, `unit`, `zero_days`, `label`, `likelihood`,
`analysis`, `pooled_in`, `pooled_by`.

`zero_days: true` makes a day without events, between a person's first and last one, a zero. Such a
day has no time of day, so the shares of events by time of day are not in the model of the metric.

`analysis` says how the metric is analysed. What is left out is as by default:

| option | values | default | means |
|---|---|---|---|
| `likelihood` | {likelihoods} | `{likelihood}` | how days scatter (below) |
| `season` | {seasons} | `{season}` | whether days of the week differ; and the time of the year, \
where a window has a year and a half of days |
| `slope` | `auto`, `yes`, `no` | `{slope}` | whether the trend may change at the intervention |
| `trend` | `true`, `false` | `{trend}` | whether a straight trend is in the model |
| `carryover` | `none`, `decay` | `{carryover}` | whether what is left after stopping is estimated |
| `covariates` | a list of {shares}, or `none` | all | what is adjusted for |
| `comparisons` | a list of names, or `none` | none | series it does not affect, by your claim |
| `cadence` | `auto`, {cadences}, or such as `14-day` | `{cadence}` | the unit of time, see below |

Likelihoods: `student_t` where a few days lie far from the rest, `lognormal` for positive times and
amounts, `negative_binomial` for counts (`poisson` where they scatter no more than chance does),
`binomial` for yes/no (0 and 1) and for shares (a `rate`, or the mean of a day's 0 and 1).

The shares are those of a day's events by time of day; night is what they are compared with. A
comparison series is another outcome metric of the person, or an external series of the store
([comparison series](guides/comparison-series.md)).

`cadence: auto` finds the unit of time from the dates of a person's values: weeks (from any weekday
on), months, quarters, years (whatever day in them), a constant number of days or months (`14-day`,
`6-month`), days, or irregular dates, which are analysed as days without a season. Numbered sessions
are declared by their import. Everything is counted in it: effects, baseline, horizon, washout, the
eight values a phase needs. A month that is dated by its first day is on when it holds the
intervention's first day; any other date is on from that day on. `season: day_of_week` means the
unit's own season: that of months where 24 of them were observed ahead of the start, else none.

A logged intervention may say the same options where it differs (`analysis`), and so may a request
over HTTP; the request goes over the intervention, and the intervention over the metric.
`its-pipeline analyze`, for a series of one's own, has `--likelihood`, `--season` (also `month`),
`--cadence`, `--slope`, `--trend`, `--no-trend` and, for columns of the file, `--covariate`.

`pooled_in` says in what the effects of [many people](guides/people-like-you.md) are pooled: `unit`,
the metric's own (the default), or `baseline_sd`, standard deviations of each person's own days
without the intervention, where people's units or scales are not the same. `pooled_by` names one or
two traits that they are regressed on: traits of people that the store was told of
(`its-pipeline trait`), or of designs, which are known: `baseline_days`, `on_and_off`, `by_lot`,
`normal_likelihood`.

A file with every key; two metrics are needed to show all, for `equals` belongs to a rate:

```yaml
metrics:
  - name: distractionMinutes            # what interventions refer to: letters, digits and _
    label: Minutes of distraction       # what people read; the name where it is not said
    event_types: [SESSION_ENDED]        # events that count; [] means all
    json_path: $.distraction_minutes    # where in event_data the number stands, or a column
    aggregation: sum                    # a day's values become one number
    minimum: 0                          # values outside are rejected, both ends inclusive
    maximum: 1440
    unit: minutes
    zero_days: true                     # a day without events inside the observed span is 0
    pooled_in: unit                     # or baseline_sd
    pooled_by: [age, on_and_off]        # at most two traits; left out, nobody is compared
    analysis:                           # where it differs from the defaults above
      likelihood: student_t
      season: day_of_week
      cadence: auto
      slope: auto
      trend: true
      carryover: none
  - name: shareThorough
    event_types: [MISSION_COMPLETED]
    column: completion_quality
    aggregation: rate
    equals: THOROUGH                    # the value whose share is taken
    analysis:
      covariates: [share_morning]       # no zero_days here: such a day has no time of day
      comparisons: none
```

An error names the file, the entry, the key, the value and what to do; nothing is taken meanwhile.

To choose options for a metric that is there already, declare the metric again in `metrics.yaml`
with all its fields, or add the lines to the file in `metrics.d` that an import wrote; an import of
newer data keeps them. Changing them analyses the metric's experiments anew. `likelihood` may also
stand beside `analysis`, as it did before there was any:

```yaml
metrics:
  - name: sessionPerformanceScore
    event_types: [SESSION_ENDED]
    column: session_performance_score
    minimum: 0
    maximum: 100
    unit: points
    label: Session performance
    likelihood: student_t
    analysis:
      slope: no
      covariates: [share_morning]
```

## Interventions

`its-pipeline intervention load` reads a CSV file whose columns are the fields of an intervention;
empty cells take the default. `user_id`, `intervention_id`, `outcome_metric`, and `started_on` or
`schedule` are needed.

| field | type | default | means |
|---|---|---|---|
| `started_on` | date | the schedule's first day | first day with it, **INCLUSIVE** |
| `ended_on` | date | it goes on; the schedule's last day | last day with it, **INCLUSIVE** |
| `direction` | `increase`, `decrease` | `increase` | which change is the benefit |
| `baseline_days`, `horizon_days` | 1 to {most} | {baseline}, {horizon} | days wanted ahead \
of the start, and from it on |
| `minimum_effect` | number from 0 | 0 | smallest effect that counts as a benefit |
| `washout_days` | 0 to {most} | 0 | days from the start that are left out of the fit |
| `time_zone` | IANA name | `UTC` | whose calendar the dates are of |
| `protocol`, `analysis` | JSON object | `{{}}` | texts for the reporting checklist; \
options as above |
| `schedule` | JSON object | none | on which days it acts, where that is not every day from \
`started_on` to `ended_on` |
| `carryover_days` | 0 to {most} | 0 | with a schedule: days left out of the fit after \
every switch |
| `kind` | identifier | its `intervention_id` | groups the same intervention over people |
| `looks` | {looks} | `daily` | how it is looked at while it goes on |

A schedule has these fields; the first is needed:

| field | means |
|---|---|
| `on_periods` | pairs of first and last day with it, both **INCLUSIVE**, in order and apart; the \
last one's end may be `null` |
| `mechanism` | the lot that the days were drawn by: `unit_days`, `balance` (`none`, `block`, \
`total`), `block_days`, `longest_run`, `shortest_run`, `phases`, `first`, `seed`, `algorithm` |
| `drawn_from_on`, `drawn_to_on` | first and last day that was drawn, with it or without; with a \
mechanism alone |
| `done_otherwise` | days on which the person did the other thing than these fields say |

```json
{{"on_periods": [["2026-03-01", "2026-03-14"], ["2026-04-01", null]],
 "done_otherwise": ["2026-03-05"]}}
```

Without a lot, the days after the last one with it are days without it, up to `horizon_days` from
the start; with one, the last day drawn ends them. A schedule with it from one day on for good is
what `started_on` alone means, and is kept as that.

The log sets `drawn_at` of a mechanism, whatever is sent: the instant at which it first held these
days by this lot. Days count as drawn by lot only if that was ahead of the first of them, where the
person lives.
"""


def contract_document() -> str:
    """Return the whole document."""
    return (
        _HEAD.format(version=CONTRACT_VERSION)
        + "\n"
        + _column_table(column_rules())
        + _TAIL.format(
            number=NOT_A_NUMBER,
            instant=NOT_AN_INSTANT,
            duplicate=DUPLICATE_RULE,
            closed=OPEN_RULE,
            metrics=_metric_table(SHIPPED, EXAMPLES),
            most=MAXIMUM_DAYS,
            baseline=DEFAULT_BASELINE_DAYS,
            horizon=DEFAULT_HORIZON_DAYS,
            looks=", ".join(f"`{name}`" for name in LOOK_PLANS),
            **_option_values(),
        )
    )


def _option_values() -> dict[str, str]:
    usual = USUAL.said()
    named = {
        "likelihoods": LIKELIHOODS,
        "cadences": tuple(NAMED),
        "seasons": AnalysisOptions.seasons,
        "shares": SHARE_COLUMNS,
    }
    return {
        **{name: ", ".join(f"`{value}`" for value in values) for name, values in named.items()},
        **{name: str(usual[name]).lower() for name in AnalysisOptions.model_fields},
    }


def _column_table(rules: Iterable[ColumnRule]) -> str:
    lines = ["| column | type | may be empty | rules | meaning |", "|---|---|---|---|---|"]
    for rule in rules:
        checks = "; ".join(f"`{name}`: {text}" for name, text in rule.rules).replace("|", "\\|")
        empty = "yes" if rule.nullable else "no"
        lines.append(f"| `{rule.name}` | {rule.type} | {empty} | {checks} | {rule.meaning} |")
    return "\n".join(lines) + "\n"


def _metric_table(shipped: Iterable[OutcomeMetric], examples: Iterable[OutcomeMetric]) -> str:
    lines = [
        "| metric | from | each day | range | unit | days without events | there is |",
        "|---|---|---|---|---|---|---|",
    ]
    for metrics, where in ((shipped, "always"), (examples, "in the demo, as an example")):
        for metric in metrics:
            source = metric.column or metric.json_path or "events"
            types = ", ".join(metric.event_types) or "any event"
            how = metric.aggregation + (f" of `{metric.equals}`" if metric.equals else "")
            zeros = "zero inside the observed span" if metric.zero_days else "missing"
            lines.append(
                f"| `{metric.name}` | `{source}` of {types} | {how} | "
                f"[{metric.minimum:g}, {metric.maximum:g}] | {metric.unit} | {zeros} | {where} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(contract_document(), end="")
