"""The CENT 2015 checklist of an experiment, and how its design stands against standards.

Here belong reading the checklist, filling it and the What Works Clearinghouse rating. What the
system can answer by itself is in `cent_answers`; the items with their sources are in `cent.yaml`;
what is told of many experiments together is in `cent_compliance`.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, Literal, cast

import yaml

from its_pipeline.report.cent_answers import ANSWERS
from its_pipeline.report.facts import Facts

ItemStatus = Literal["reported", "partial", "blank", "not_applicable"]
Source = Literal["data", "system", "protocol", "data and protocol", ""]

N_ITEMS: Final = 25
N_SUB_ITEMS: Final = 44
#: Asks for absolute and relative effects of a yes-or-no outcome.
_OF_RATES: Final = "17b"

#: What Works Clearinghouse, Single-Case Design Technical Documentation 1.0 (Kratochwill et al.
#: 2010), section B: at least three attempts at three points in time, and in each phase at least 5
#: points (3 with reservations); an alternating design repeats its sequence 5 times (4 with
#: reservations). The later handbooks' text was not within reach.
WWC_ATTEMPTS: Final = 3
WWC_POINTS: Final = 5
WWC_POINTS_WITH_RESERVATIONS: Final = 3
WWC_REPEATS: Final = 5
WWC_REPEATS_WITH_RESERVATIONS: Final = 4


@dataclass(frozen=True)
class CentItem:
    """One sub-item of the checklist, in our own wording.

    Parameters
    ----------
    id, section, text
        Number as published, part of the paper, what is asked.
    read
        What the wording was compared with; `cent.yaml` says what each of the three means.
    source
        Where an answer can come from: data, system or protocol.
    field
        Protocol field that fills or completes it; empty where there is none.
    partial
        Whether the data's answer needs the field to be complete.
    series
        Whether it only applies to a series of trials.
    needs
        Protocol field without which the item does not apply.
    """

    id: str
    section: str
    text: str
    read: Literal["cent", "consort", "memory"]
    source: Literal["data", "system", "protocol"]
    field: str = ""
    partial: bool = False
    series: bool = False
    needs: str = ""


@dataclass(frozen=True)
class CentAnswer:
    """How one experiment answers one item.

    Parameters
    ----------
    item
        The item.
    status
        "reported", "partial" (something is missing), "blank" or "not_applicable".
    text
        The answer; for a blank, which field is missing.
    source
        Where the answer came from; empty for a blank.
    """

    item: CentItem
    status: ItemStatus
    text: str
    source: Source


@dataclass(frozen=True)
class WwcCriterion:
    """One criterion of the What Works Clearinghouse; `met` is None where nothing is known."""

    text: str
    met: bool | None
    found: str


@dataclass(frozen=True)
class WwcRating:
    """The design's rating, with the criteria behind it."""

    rating: str
    reason: str
    criteria: tuple[WwcCriterion, ...]


@functools.lru_cache(maxsize=1)
def _document() -> Mapping[str, object]:
    text = resources.files("its_pipeline.report").joinpath("cent.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


@functools.lru_cache(maxsize=1)
def cent_items() -> tuple[CentItem, ...]:
    """Return all sub-items in the published order."""
    entries = _document()["items"]
    return tuple(CentItem(**entry) for entry in entries)  # type: ignore[attr-defined]


def cent_citation() -> str:
    """Return the checklist's citation, with its correction."""
    return str(_document()["citation"])


def cent_scope() -> str:
    """Return what the checklist is written for, and what a filled one does not say."""
    return str(_document()["scope"])


def cent_caveat() -> str:
    """Return which items' wording nobody compared with the published statement."""
    unread = [item.id for item in cent_items() if item.read == "memory"]
    return (
        f"Items in our own wording; {', '.join(unread[:-1])} and {unread[-1]} were not compared "
        "with the published statement, nor was its correction."
    )


def checklist(facts: Facts) -> tuple[CentAnswer, ...]:
    """Fill the checklist of one experiment.

    An automatic answer is made from the experiment's own facts. A protocol field of the
    intervention (by the item's field name or its number) completes or replaces it. What neither
    knows is a blank that names the field to fill.
    """
    told = facts.intervention.protocol.items()
    protocol = {name.strip(): text.strip() for name, text in told}
    return tuple(_fill(item, facts, protocol) for item in cent_items())


def _fill(item: CentItem, facts: Facts, protocol: Mapping[str, str]) -> CentAnswer:
    told = protocol.get(item.field) or protocol.get(item.id)
    known = ANSWERS[item.id](facts) if item.id in ANSWERS else None
    schedule = facts.intervention.schedule
    status, source = judged(
        item,
        {name for name, text in protocol.items() if text},
        is_known=bool(known),
        is_rate=facts.metric is not None and facts.metric.aggregation == "rate",
        has_lot=schedule is not None and bool(schedule.mechanism),
    )
    if status == "not_applicable":
        text = _why_not_applicable(item)
    elif status == "blank":
        text = "Not known: there is no published result."
        if item.field:
            text = f"Not known. Protocol field “{item.field}” is empty."
    elif status == "partial":
        text = f"{known} Still missing: protocol field “{item.field}”."
    else:
        text = " ".join(each for each in (known, told) if each)
    return CentAnswer(item, status, text, source)


def judged(
    item: CentItem, filled: Collection[str], *, is_known: bool, is_rate: bool, has_lot: bool
) -> tuple[ItemStatus, Source]:
    """Return how an item is answered, and where its answer comes from.

    Parameters
    ----------
    item
        The item.
    filled
        Fields of the protocol that have a text.
    is_known
        Whether the system has an answer of its own.
    is_rate
        Whether the outcome is a yes-or-no outcome.
    has_lot
        Whether a lot in the log stands for the protocol field on randomisation.
    """
    told = item.field in filled or item.id in filled
    if item.id == _OF_RATES and not is_rate:
        return "not_applicable", ""
    if told:
        return "reported", "data and protocol" if is_known else "protocol"
    if item.series:
        return "not_applicable", ""
    if is_known and item.partial:
        return "partial", "data"
    if is_known:
        return "reported", "system" if item.source == "system" else "data"
    is_needed = item.needs in filled or (item.needs == "randomisation" and has_lot)
    return ("not_applicable" if item.needs and not is_needed else "blank"), ""


def _why_not_applicable(item: CentItem) -> str:
    if item.id == _OF_RATES:
        return "The outcome is not a yes-or-no outcome."
    if item.series:
        return "This is a single trial, not a series."
    return f"Applies only where the protocol field “{item.needs}” is filled."


def plain_answers(answers: Iterable[CentAnswer]) -> list[dict[str, str]]:
    """Return a filled checklist as JSON-able rows; `read_answers` is the inverse."""
    return [
        {"item": a.item.id, "status": a.status, "text": a.text, "source": a.source} for a in answers
    ]


def read_answers(rows: Iterable[Mapping[str, str]]) -> tuple[CentAnswer, ...]:
    """Read what `plain_answers` returned.

    Raises
    ------
    KeyError
        If a row names an item that the checklist does not have.
    """
    items = {item.id: item for item in cent_items()}
    return tuple(
        CentAnswer(
            items[row["item"]],
            cast("ItemStatus", row["status"]),
            row["text"],
            cast("Source", row["source"]),
        )
        for row in rows
    )


def reported_count(answers: Iterable[CentAnswer]) -> tuple[int, int]:
    """Return how many items are fully reported, and how many apply."""
    applicable = [answer for answer in answers if answer.status != "not_applicable"]
    return sum(answer.status == "reported" for answer in applicable), len(applicable)


def wwc_rating(
    points_of: Sequence[int], *, by_lot: bool = False, planned: bool = False
) -> WwcRating:
    """Rate a design by the What Works Clearinghouse's single-case standards.

    Parameters
    ----------
    points_of
        Observed points in each phase; every switch between phases is an attempt to show the effect.
    by_lot
        Whether a lot drew the days ahead of them.
    planned
        Whether the points are those of a plan: how many come to be observed is not known yet.
    """
    attempts = len(points_of) - 1
    fewest = min(points_of)
    repeats = len(points_of) // 2
    # Days by lot are an alternating design: its phases are short, and it counts repetitions.
    alternates = by_lot and fewest < WWC_POINTS_WITH_RESERVATIONS
    points = (
        repeats >= WWC_REPEATS_WITH_RESERVATIONS
        if alternates
        else fewest >= WWC_POINTS_WITH_RESERVATIONS
    )
    criteria = (
        WwcCriterion(
            "The intervention's timing is decided by the researcher",
            True if by_lot else None,
            "drawn by lot ahead" if by_lot else "chosen by the person",
        ),
        WwcCriterion(
            "The outcome is measured repeatedly, with agreement between assessors",
            None,
            "measured automatically; agreement not assessed",
        ),
        WwcCriterion(
            f"The effect is attempted at least {WWC_ATTEMPTS} times at different points in time",
            attempts >= WWC_ATTEMPTS,
            f"{attempts} change" + ("s" if attempts != 1 else ""),
        ),
        WwcCriterion(
            f"The alternating sequence is repeated at least {WWC_REPEATS} times "
            f"({WWC_REPEATS_WITH_RESERVATIONS} with reservations)",
            None if points and planned else points,
            f"{repeats}{' planned' * planned}",
        )
        if alternates
        else WwcCriterion(
            f"Each phase has at least {WWC_POINTS} points "
            f"({WWC_POINTS_WITH_RESERVATIONS} with reservations)",
            None if points and planned else points,
            f"{fewest}{' planned' * planned} in the shortest of {len(points_of)} phases"
            if len(points_of) > 2
            else " and ".join(map(str, points_of)) + " planned" * planned,
        ),
    )
    if attempts < WWC_ATTEMPTS:
        what = "A single change from A to B" if attempts == 1 else "Fewer than three switches"
        return WwcRating(
            "Does not meet the standards",
            f"{what}, however clear, cannot rule out that something else changed at the same "
            "time; the standards ask for at least three attempts.",
            criteria,
        )
    if not points:
        what = (
            "The sequence is repeated too seldom." if alternates else "A phase has too few points."
        )
        return WwcRating("Does not meet the standards", what, criteria)
    return WwcRating(
        "Not rated",
        "Number of attempts and points would allow a rating; timing and agreement between "
        "assessors are not known.",
        criteria,
    )
