"""How far the intervals can be trusted in this very store, on one page for everybody.

Here belong the words and tables of that page. What was measured and what it amounts to is handed
in; measuring and judging belong to the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from its_pipeline.report.html import render_page, safe_href
from its_pipeline.report.sentence import date_text
from its_pipeline.stores.placebo_audit import Audit, IntervalFactor, Measured

#: The table of the tool's own benchmark, where people look for it.
BENCHMARK_FILE: Final = "benchmarks/README.md"


@dataclass(frozen=True)
class TrustInput:
    """What the page is made from.

    Parameters
    ----------
    audit
        The newest measurement; None before the first.
    factors
        In force, by metric.
    titles
        Names of metrics for people.
    verdicts
        By metric whether its intervals hold what they promise, and that in a sentence.
    people
        How many the store has daily outcomes of.
    told_people, factor_people, factor_windows
        What it takes to judge a metric, and to have a factor.
    benchmark_href
        Address of the benchmarks' page where it lies beside the store, or None.
    """

    audit: Audit | None
    factors: Mapping[str, IntervalFactor]
    titles: Mapping[str, str]
    verdicts: Mapping[str, tuple[bool, str]] = field(default_factory=dict)
    people: int = 0
    told_people: int = 0
    factor_people: int = 0
    factor_windows: int = 0
    benchmark_href: str | None = None


@dataclass(frozen=True)
class MetricVerdict:
    """One metric's answer; `tone` is a badge's."""

    title: str
    tone: str
    label: str
    sentence: str


@dataclass(frozen=True)
class MeasuredRow:
    """One line of the table, as text."""

    title: str
    length: str
    people: str
    windows: str
    factor: str
    holds: str
    likely: str
    helped: str
    worse: str


@dataclass(frozen=True)
class FactorRow:
    """A factor in force and what the newest measurement would say, as text."""

    title: str
    factor: str
    version: str
    adopted_on: str
    behind: str
    now: str


def render_trust(facts: TrustInput) -> str:
    """Return the page as self-contained HTML.

    Parameters
    ----------
    facts
        What was measured in this store, if anything.
    """
    audit = facts.audit
    view = {
        "lead": _lead(facts),
        "measured_on": "" if audit is None else _day(audit.made_at),
        "people": facts.people,
        "told_people": facts.told_people,
        "factor_people": facts.factor_people,
        "factor_windows": facts.factor_windows,
        "verdicts": _verdicts(facts),
        "rows": [] if audit is None else [_row(row, facts.titles) for row in audit.rows],
        "factors": _factors(facts),
        "benchmark_file": BENCHMARK_FILE,
        "benchmark_href": safe_href(facts.benchmark_href),
    }
    return render_page("trust.html", view)


def _lead(facts: TrustInput) -> str:
    """Return the whole page in a sentence or two."""
    missed = [facts.titles.get(name, name) for name, (ok, _) in facts.verdicts.items() if not ok]
    if missed:
        return (
            f"Not everywhere: {', '.join(missed)}. Below is how far the intervals fall short, or "
            "go beyond what they need."
        )
    some = f"{facts.people} {'person' if facts.people == 1 else 'people'}"
    if facts.people < facts.factor_people:
        return (
            f"There are too few people to tell: {some}, and it takes at least "
            f"{facts.factor_people}. What is known comes from other people's days."
        )
    if facts.audit is None:
        return (
            f"It has not been measured here yet. There are {some}; it is measured once a week, and "
            "whenever somebody runs its-pipeline audit."
        )
    if all(_too_few(facts, name) for name in facts.verdicts):
        return (
            "There are too few people to tell: too few have enough days on which nothing was "
            "changed. What is known comes from other people's days."
        )
    widened = any(each.factor > 1.0 for each in facts.factors.values())
    where = ", widened where they were too narrow," if widened else ""
    return f"As far as this store's own days can tell, the intervals{where} hold what they promise."


def _too_few(facts: TrustInput, metric: str) -> bool:
    rows = facts.audit.rows if facts.audit is not None else ()
    return not any(row.metric == metric and row.people >= facts.factor_people for row in rows)


def _verdicts(facts: TrustInput) -> list[MetricVerdict]:
    found = []
    for metric, (holds, sentence) in facts.verdicts.items():
        tone, label = ("good", "holds") if holds else ("bad", "does not hold")
        if holds and _too_few(facts, metric):
            tone, label = "open", "cannot be told"
        title = facts.titles.get(metric, metric)
        found.append(MetricVerdict(title, tone, label, sentence[0].upper() + sentence[1:]))
    return found


def _row(row: Measured, titles: Mapping[str, str]) -> MeasuredRow:
    return MeasuredRow(
        title=titles.get(row.metric, row.metric),
        length="all" if row.n_days is None else f"{row.n_days} days",
        people=f"{row.people:,}",
        windows=f"{row.windows:,}",
        factor="–" if row.factor == 1.0 else f"× {row.factor:.2f}",
        holds=_share(row.coverage, row.coverage_se),
        likely=f"{_percent(row.coverage_lower)} to {_percent(row.coverage_upper)}",
        helped=_share(row.helped, row.helped_se),
        worse=_share(row.worse, row.worse_se),
    )


def _factors(facts: TrustInput) -> Sequence[FactorRow]:
    needed = facts.audit.needed if facts.audit is not None else {}
    return [
        FactorRow(
            title=facts.titles.get(metric, metric),
            factor=f"{each.factor:.2f}",
            version=str(each.version),
            adopted_on=_day(each.adopted_at),
            behind=f"{each.people:,} people, {each.windows:,} windows; {_percent(each.coverage)} "
            "held without it",
            now=f"{needed[metric]:.2f}" if metric in needed else "too few to compute",
        )
        for metric, each in sorted(facts.factors.items())
    ]


def _share(share: float, se: float) -> str:
    """Return a share with its standard error, unless people do not differ and it is unknown."""
    return f"{_percent(share)} (± {100.0 * se:.1f})" if se > 0.0 else _percent(share)


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f}\N{NO-BREAK SPACE}%"


def _day(instant: str) -> str:
    return date_text(datetime.fromisoformat(instant).date())
