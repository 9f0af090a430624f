"""All experiments on one page that needs neither server nor network.

Here belong the order of the index, its counts, its forest plots and the texts of its rows. What one
row may carry is ruled by `inputs.IndexRow`: no effect without convergence, so nothing unpublishable
can be shown or sorted by. Gathering rows belongs to the caller.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from markupsafe import Markup

from its_pipeline.events.keys import shown_id
from its_pipeline.report.cent import (
    CentAnswer,
    cent_caveat,
    cent_citation,
    cent_scope,
)
from its_pipeline.report.cent_compliance import CentCount, cent_counts
from its_pipeline.report.drawing import TONES, Span, interval_svg, status_tone
from its_pipeline.report.finding import Finding
from its_pipeline.report.html import own_direction, render_page, safe_href
from its_pipeline.report.inputs import STATUS_LABELS, EffectNumbers, IndexRow
from its_pipeline.report.kind_page import KindLine, kind_lines
from its_pipeline.report.kinds import KindRow
from its_pipeline.report.sentence import (
    answer_sentences,
    date_text,
    decimals_for,
    number_text,
    percent,
)
from its_pipeline.stores.verdict import STATUSES

NAME_LIMIT: Final = 80
REASON_LIMIT: Final = 140
#: Share of intervals of an outcome that fit on its scale whole; wider ones end in an arrow head.
SCALE_SHARE: Final = 0.9


@dataclass(frozen=True)
class TableRow:
    """One line of the index as text; a sort key is empty where there is nothing to sort by."""

    person: str
    name: str
    outcome: str
    state: str
    tone: str
    verdict: str
    note: str
    effect: str
    mean: str
    interval: str
    effect_key: str
    drawing: Markup
    benefit: str
    benefit_key: str
    days: str
    days_key: str
    began: str
    cent: str
    href: str | None
    mlflow: str | None
    dagster: str | None


@dataclass(frozen=True)
class Forest:
    """All people who tried one intervention for one outcome."""

    name: str
    outcome: str
    unit: str
    rows: tuple[TableRow, ...]
    n_all: int
    scale: str


@dataclass(frozen=True)
class IndexView:
    """What the template shows."""

    rows: tuple[TableRow, ...]
    counts: tuple[tuple[str, str, int], ...]
    verdicts: tuple[tuple[str, int], ...]
    outcomes: tuple[str, ...]
    forests: tuple[Forest, ...]
    cent: tuple[CentCount, ...]
    cent_experiments: int
    cent_scope: str
    cent_citation: str
    made_on: str
    has_cent: bool
    trust_href: str | None
    nobodys: int
    kinds: tuple[KindLine, ...]
    n_left: int


def render_index(
    rows: Iterable[IndexRow],
    checklists: Mapping[str, Sequence[CentAnswer]] | None = None,
    made_on: date | None = None,
    trust_href: str | None = None,
    nobodys_events: int = 0,
    kinds: Sequence[KindRow] = (),
) -> str:
    """Return the index over all experiments as one self-contained HTML page.

    Parameters
    ----------
    rows
        One an experiment, in any order; shown by intervention and person, never by result.
    checklists
        Experiment key to its filled CENT checklist, for the table of compliance; may be empty.
    made_on
        Date to print on the page; None prints none.
    trust_href
        Relative address of the page on how far intervals can be trusted, or None.
    nobodys_events
        Rejected events that name no person, and so are on nobody's page.
    kinds
        What people who tried the same come to, in any order.
    """
    ordered = sorted(rows, key=lambda r: (r.name.casefold(), r.user_id, r.intervention_id))
    reaches = _reaches(ordered)
    lines = [_table_row(row, reaches) for row in ordered]
    states = Counter(row.state for row in ordered)
    verdicts = Counter(line.verdict for line in lines if line.effect_key)
    view = IndexView(
        rows=tuple(lines),
        counts=tuple((state, STATUS_LABELS[state], states[state]) for state in STATUSES),
        verdicts=tuple(verdicts.most_common()),
        outcomes=tuple(sorted({line.outcome for line in lines})),
        forests=_forests(ordered, lines, reaches),
        cent=cent_counts(
            ([answer.status for answer in answers], 1) for answers in (checklists or {}).values()
        ),
        cent_experiments=len(checklists or {}),
        cent_scope=cent_scope(),
        cent_citation=f"{cent_citation()} {cent_caveat()}",
        made_on=date_text(made_on) if made_on is not None else "",
        has_cent=any(line.cent for line in lines),
        trust_href=safe_href(trust_href),
        nobodys=nobodys_events,
        kinds=kind_lines(kinds),
        n_left=sum(not row.is_drawn for row in ordered),
    )
    return render_page("index.html", view, "index.js")


def _reaches(rows: Sequence[IndexRow]) -> dict[str, float]:
    """Return half of the scale of each outcome: wide enough for most of its intervals."""
    ends: dict[str, list[float]] = {}
    for row in rows:
        if row.effect is not None:
            widest = max(abs(row.effect.ci_lower), abs(row.effect.ci_upper))
            ends.setdefault(row.outcome, []).append(widest)
    reaches = {}
    for outcome, widths in ends.items():
        widths.sort()
        reaches[outcome] = widths[min(len(widths) - 1, int(SCALE_SHARE * len(widths)))] or 1.0
    return reaches


def table_rows(rows: Sequence[IndexRow]) -> tuple[TableRow, ...]:
    """Return the lines of a list of experiments as text; lines of an outcome share its scale."""
    reaches = _reaches(rows)
    return tuple(_table_row(row, reaches) for row in rows)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _finding(row: IndexRow, effect: EffectNumbers) -> Finding:
    return Finding(
        name=row.name,
        outcome=row.outcome,
        unit=row.unit,
        direction=row.direction,
        mean=effect.mean,
        sd=effect.sd,
        ci_lower=effect.ci_lower,
        ci_upper=effect.ci_upper,
        probability_positive=effect.probability_positive,
        probability_of_benefit=effect.probability_of_benefit,
        minimum_effect=row.minimum_effect,
        warning_codes=row.warning_codes,
        ongoing_until=row.ongoing_until,
        is_on_and_off=row.is_on_and_off,
        by_lot=row.by_lot,
        standing=row.standing,
        calendar=row.calendar,
    )


def _table_row(row: IndexRow, reaches: Mapping[str, float]) -> TableRow:
    effect = row.effect
    verdict, tone = STATUS_LABELS[row.state], status_tone(row.state)
    mean = interval = key = benefit = benefit_key = ""
    note = row.reason
    drawing = Markup("")
    if effect is not None:
        finding = _finding(row, effect)
        answer = answer_sentences(finding)
        verdict, tone = answer.headline, TONES[answer.kind]
        decimals = decimals_for(effect.sd, effect.ci_lower, effect.ci_upper)
        value, lower, upper = (
            number_text(n, decimals) for n in (effect.mean, effect.ci_lower, effect.ci_upper)
        )
        mean, interval = f"{value} {own_direction(row.unit)}".rstrip(), f"{lower} to {upper}"
        key = f"{effect.mean:.6g}"
        benefit = percent(effect.probability_of_benefit, short=True)
        benefit_key = f"{effect.probability_of_benefit:.6f}"
        span = Span(effect.mean, effect.ci_lower, effect.ci_upper, tone)
        drawing = interval_svg(span, reaches[row.outcome])
        count = len(finding.doubts)
        note = f"{count} warning{'s' * (count > 1)}" if count else ""
    elif row.state == "waiting" and row.analysable_on is not None:
        note = f"possible from {date_text(row.analysable_on)}"
    counted = row.n_pre is not None and row.n_post is not None
    unit = "" if row.calendar.is_daily else f" {row.calendar.step}s"
    return TableRow(
        person=shown_id(row.user_id),
        name=_cut(row.name or row.intervention_id, NAME_LIMIT),
        outcome=_cut(row.outcome, NAME_LIMIT),
        state=row.state,
        tone=tone,
        verdict=verdict,
        note=_cut(note, REASON_LIMIT),
        effect=f"{mean} ({interval})" if mean else "",
        mean=mean,
        interval=interval,
        effect_key=key,
        drawing=drawing,
        benefit=benefit,
        benefit_key=benefit_key,
        days=f"{row.n_pre} / {row.n_post}{unit}" if counted else "",
        days_key=str(row.n_post) if counted else "",
        began=row.calendar.told(row.started_on),
        cent=f"{row.cent_reported}/{row.cent_applicable}" if row.cent_reported is not None else "",
        href=safe_href(row.report_href),
        mlflow=safe_href(row.mlflow_url),
        dagster=safe_href(row.dagster_url),
    )


def _forests(
    rows: Sequence[IndexRow], lines: Sequence[TableRow], reaches: Mapping[str, float]
) -> tuple[Forest, ...]:
    """Group the analysed experiments by intervention name and outcome, people in their order."""
    groups: dict[tuple[str, str, str], list[tuple[IndexRow, TableRow]]] = {}
    for row, line in zip(rows, lines, strict=True):
        groups.setdefault((row.name, row.outcome, row.unit), []).append((row, line))
    forests = []
    for (_, outcome, unit), members in groups.items():
        shown = tuple(line for row, line in members if row.effect is not None)
        if not shown:
            continue
        reach = reaches[outcome]
        scale = number_text(reach, decimals_for(reach))
        forests.append(Forest(shown[0].name, shown[0].outcome, unit, shown, len(members), scale))
    return tuple(forests)
