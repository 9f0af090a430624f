"""One kind on one page: does it work for people, for whom, and what one person should believe.

Here belong the order of the page, which members are drawn, and the table of members. Sentences
belong to `kind_words`, pictures to `kind_drawings`, what a member's own page shows to
`people_like_you`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from markupsafe import Markup

from its_pipeline.events.keys import shown_id
from its_pipeline.report import kind_words as words
from its_pipeline.report.drawing import Span, Tone, interval_svg, scale_svg
from its_pipeline.report.html import (
    Site,
    data_uri,
    isolate,
    one_line,
    own_direction,
    png_size,
    render_page,
    safe_href,
)
from its_pipeline.report.kind_drawings import ForestLine, StartLine, forest_svg, starts_svg
from its_pipeline.report.kind_traits import between_case_sentences, trait_sentences
from its_pipeline.report.kinds import Interval, KindInput, KindMember, KindRow
from its_pipeline.report.sentence import date_text, decimals_for, number_text, percent

#: Members that are drawn in the forest; of more, every so many, so that the page stays readable.
MOST_DRAWN: Final = 60
#: Members whose own pictures are shown.
MOST_PICTURES: Final = 12

#: Weight in the heavy-tailed pool below which a member is marked: it lies so far from the others
#: that it counts for less than half there.
ODD_WEIGHT: Final = 0.5

_SITE: Final = Site("its_pipeline.report", ("style.css", "kind.css"), "'none'", "no-referrer")


@dataclass(frozen=True)
class _Picture:
    """One small picture with its way to the member's page."""

    person: str
    effect: str
    uri: str
    width: int
    height: int
    href: str | None


@dataclass(frozen=True)
class MemberRow:
    """One line of the table of members as text; sort keys beside it."""

    person: str
    href: str | None
    began: str
    began_key: str
    own: str
    own_interval: str
    own_key: str
    pooled: str
    pooled_interval: str
    pooled_key: str
    drawing: Markup
    benefit: str
    benefit_key: str
    moved: str
    moved_key: str
    is_odd: bool


def chosen(members: Sequence[KindMember], most: int) -> list[KindMember]:
    """Return at most so many members in their order, evenly spread, the two at the ends kept.

    Parameters
    ----------
    members
        Sorted.
    most
        >= 2.
    """
    if len(members) <= most:
        return list(members)
    step = (len(members) - 1) / (most - 1)
    return [members[round(n * step)] for n in range(most)]


def by_effect(kind: KindInput) -> list[KindMember]:
    """Return the members from the most wanted effect given the others to the least."""
    sign = -1 if kind.direction == "increase" else 1
    return sorted(kind.members, key=lambda m: (sign * m.pooled.mean, m.user_id))


def pictured(kind: KindInput) -> list[KindMember]:
    """Return the members whose pictures the page shows: evenly from the best to the worst."""
    return chosen(by_effect(kind), MOST_PICTURES)


def render_kind(kind: KindInput, index_href: str | None = None) -> str:
    """Return the page of one kind as a self-contained HTML page.

    Parameters
    ----------
    kind
        What the pool said; pictures and series of the members in `pictured` are enough.
    index_href
        Relative address of the page over all experiments, or None.
    """
    ordered = by_effect(kind)
    drawn = chosen(ordered, MOST_DRAWN)
    pictures = [_picture(kind, m) for m in pictured(kind) if m.picture is not None]
    mean_text, mean_interval = words.effect_text(kind.mean, kind.unit)
    view: dict[str, Any] = {
        "name": kind.name,
        "plain_title": one_line(f"{kind.name}, {kind.n_people} people"),
        "outcome": kind.outcome,
        "unit": kind.unit,
        "hoped": "more" if kind.direction == "increase" else "less",
        "people": kind.n_people,
        "made_on": date_text(kind.made_on),
        "index_href": safe_href(index_href),
        "tone": tone(kind.mean, kind.direction),
        "headline": words.headline(
            kind.mean, kind.direction, kind.probability_helps_people, kind.minimum_effect
        ),
        "average": isolate(words.average_sentence(kind), kind.name),
        "next": isolate(words.next_sentence(kind), ""),
        "spread": isolate(words.spread_sentence(kind), ""),
        "missing": isolate(words.missing_sentence(kind), ""),
        "odd": isolate(words.odd_sentence(kind), ""),
        "scale": _scale(kind),
        "key_average": mean_text,
        "key_next": " ".join(words.effect_text(kind.next_person, "")[1:]),
        "helps_name": (
            f"P(average is {kind.minimum_effect:g} or better)"
            if kind.minimum_effect
            else "P(helps on average)"
        ),
        "helps": percent(kind.probability_helps_people),
        "forest": _forest(kind, drawn, mean_interval),
        "drawn": len(drawn),
        "rows": _rows(kind, ordered),
        "pictures": pictures,
        "starts": _starts(kind),
        "is_standardised": kind.is_standardised,
        "traits": _sentences(
            [] if kind.traits is None else trait_sentences(kind.traits, kind.unit, kind.direction)
        ),
        "between_case": _sentences(
            [] if kind.between_case is None else between_case_sentences(kind.between_case)
        ),
    }
    return render_page("kind.html", view, "index.js", _SITE)


def _sentences(texts: Sequence[str]) -> list[Markup]:
    return [isolate(text, "") for text in texts]


def tone(effect: Interval, direction: str) -> Tone:
    """Return the class that colours an effect: open while its interval covers no change."""
    if effect.covers_zero:
        return "open"
    return "good" if (effect.mean > 0) == (direction == "increase") else "bad"


@dataclass(frozen=True)
class KindLine:
    """One kind in the table of kinds, as text; its key is the store's."""

    key: tuple[str, str]
    name: str
    outcome: str
    href: str | None
    people: int
    headline: str
    tone: str
    mean: str
    interval: str
    helps: str


def kind_lines(rows: Sequence[KindRow]) -> tuple[KindLine, ...]:
    """Return the table of kinds: by name and outcome, never by result.

    Parameters
    ----------
    rows
        In any order.
    """
    ordered = sorted(rows, key=lambda row: (row.name.casefold(), row.outcome.casefold()))
    return tuple(_kind_line(row) for row in ordered)


def _kind_line(row: KindRow) -> KindLine:
    mean = interval = helps = ""
    verdict, colour = "Too few people yet", "warn"
    if row.mean is not None and row.probability_helps_people is not None:
        mean, interval = words.effect_text(row.mean, row.unit)
        helps = percent(row.probability_helps_people, short=True)
        verdict = words.headline(
            row.mean, row.direction, row.probability_helps_people, row.minimum_effect
        )
        colour = tone(row.mean, row.direction)
    return KindLine(
        row.key,
        row.name,
        row.outcome,
        safe_href(row.href),
        row.n_people,
        verdict,
        colour,
        mean,
        interval,
        helps,
    )


def _scale(kind: KindInput) -> Markup:
    mean = kind.mean
    decimals = decimals_for(mean.sd, mean.ci_lower, mean.ci_upper)
    lower, middle, upper = (
        number_text(n, decimals) for n in (mean.ci_lower, mean.mean, mean.ci_upper)
    )
    return scale_svg(
        Span(mean.mean, mean.ci_lower, mean.ci_upper, tone(mean, kind.direction)),
        (lower, middle, upper),
        kind.minimum_effect,
        kind.direction == "increase",
        f"Average effect {middle}, 95 % interval {lower} to {upper}",
    )


def _forest(kind: KindInput, drawn: Sequence[KindMember], mean_interval: str) -> Markup:
    mean, expected = kind.mean, kind.next_person
    decimals = decimals_for(mean.sd, mean.ci_lower, mean.ci_upper)
    bold = f"sum {tone(mean, kind.direction)}"
    summary = [
        ForestLine("Average", _line_text(mean, decimals), mean, None, bold),
        ForestLine("A next person", _line_text(expected, decimals), expected, None, "next"),
    ]
    lines = [
        ForestLine(
            own_direction(shown_id(member.user_id)),
            _line_text(member.pooled, decimals),
            member.pooled,
            member.own,
            tone(member.pooled, kind.direction),
        )
        for member in drawn
    ]
    said = (
        f"Effects of {len(drawn)} people in order, each with its 95 % interval alone and given the "
        f"others; on top the average, {mean_interval}. All numbers are in the table of people."
    )
    return forest_svg(summary, lines, "higher" if kind.direction == "increase" else "lower", said)


def _line_text(effect: Interval, decimals: int) -> str:
    mean, interval = words.effect_text(effect, "", decimals)
    return f"{mean} ({interval})"


def _rows(kind: KindInput, ordered: Sequence[KindMember]) -> tuple[MemberRow, ...]:
    reach = max(max(abs(m.pooled.ci_lower), abs(m.pooled.ci_upper)) for m in ordered) or 1.0
    decimals = decimals_for(kind.mean.sd, kind.mean.ci_lower, kind.mean.ci_upper)
    return tuple(_row(kind, member, reach, decimals) for member in ordered)


def _row(kind: KindInput, member: KindMember, reach: float, decimals: int) -> MemberRow:
    own, own_interval = words.effect_text(member.own, "", decimals)
    pooled, pooled_interval = words.effect_text(member.pooled, kind.unit, decimals)
    effect = member.pooled
    span = Span(effect.mean, effect.ci_lower, effect.ci_upper, tone(effect, kind.direction))
    moved = member.moved_in_sds
    return MemberRow(
        person=own_direction(shown_id(member.user_id)),
        href=safe_href(member.href),
        began=date_text(member.started_on),
        began_key=str(member.started_on.toordinal()),
        own=own,
        own_interval=own_interval,
        own_key=f"{member.own.mean:.6g}",
        pooled=pooled,
        pooled_interval=pooled_interval,
        pooled_key=f"{effect.mean:.6g}",
        drawing=interval_svg(span, reach),
        benefit=percent(member.probability_of_benefit, short=True),
        benefit_key=f"{member.probability_of_benefit:.6f}",
        moved=number_text(moved, 2),
        moved_key=f"{abs(moved):.6g}",
        is_odd=member.weight is not None and member.weight < ODD_WEIGHT,
    )


def _picture(kind: KindInput, member: KindMember) -> _Picture:
    png = member.picture
    if png is None:
        raise ValueError(f"{member.user_id} should have a picture")
    width, height = png_size(png)
    effect = f"{words.effect_text(member.pooled, kind.unit)[0]} given the others"
    person = own_direction(shown_id(member.user_id))
    return _Picture(person, effect, data_uri(png), width, height, safe_href(member.href))


def _starts(kind: KindInput) -> Markup:
    """Draw the days on which members began, where they began on different ones."""
    if not kind.is_staggered:
        return Markup("")
    shown = sorted(
        (m for m in pictured(kind) if m.series is not None and m.series.days),
        key=lambda m: (m.started_on, m.user_id),
    )
    if len({m.started_on for m in shown}) < 2:
        return Markup("")
    lines = [
        StartLine(own_direction(shown_id(m.user_id)), m.series, m.started_on)
        for m in shown
        if m.series is not None
    ]
    first, last = date_text(shown[0].started_on), date_text(shown[-1].started_on)
    said = (
        f"Daily values of {len(lines)} people, one row each, with the day on which each began: "
        f"from {first} to {last}."
    )
    return starts_svg(lines, said)
