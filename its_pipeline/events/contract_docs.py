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
from its_pipeline.events.metrics import EXAMPLES, SHIPPED, OutcomeMetric
from its_pipeline.events.parsing import NOT_A_NUMBER, NOT_AN_INSTANT
from its_pipeline.events.schema import DUPLICATE_RULE

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

A row that breaks several rules is counted under the first, in the order of the table; all of them
are listed in its column `all_rules`.

A time zone may change from event to event: the event's own zone decides its local day and time of
day. Where it is empty, the person's latest known zone does, and UTC where none is known.

## Outcome metrics

{metrics}
Others are added in `metrics.yaml` in the store, as a list under `metrics:` with these fields:
`name`, `event_types`, `column` or `json_path`, `aggregation` (`mean`, `median`, `sum`, `count`,
`rate`), `equals` (for `rate`), `minimum`, `maximum`, `unit`, `zero_days`, `label`, `likelihood`,
`analysis`.

`zero_days: true` makes a day without events, between a person's first and last one, a zero. Such a
day has no time of day, so the shares of events by time of day are not in the model of the metric.

`analysis` says how the metric is analysed. What is left out is as by default:

| option | values | default | means |
|---|---|---|---|
| `likelihood` | {likelihoods} | `{likelihood}` | how days scatter; far days move `student_t` less |
| `season` | {seasons} | `{season}` | whether days of the week differ |
| `slope` | `auto`, `yes`, `no` | `{slope}` | whether the trend may change at the intervention |
| `trend` | `true`, `false` | `{trend}` | whether a straight trend is in the model |
| `covariates` | a list of {shares}, or `none` | all | what is adjusted for |

The shares are those of a day's events by time of day; night is what they are compared with.

A logged intervention may say the same options where it differs (`analysis`), and so may a request
over HTTP; the request goes over the intervention, and the intervention over the metric.
`its-pipeline analyze`, for a series of one's own, has `--likelihood`, `--season` (also `month`),
`--slope`, `--trend`, `--no-trend` and, for columns of the file, `--covariate`.

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
            metrics=_metric_table(SHIPPED, EXAMPLES),
            **_option_values(),
        )
    )


def _option_values() -> dict[str, str]:
    usual = USUAL.said()
    named = {
        "likelihoods": LIKELIHOODS,
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
