"""The page of a kind: what it says, how numbers are rounded, what hostile text becomes of."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

import pytest

from its_pipeline.report import kind_words as words
from its_pipeline.report.index import render_index
from its_pipeline.report.kind_drawings import StartLine, starts_svg
from its_pipeline.report.kind_page import chosen, render_kind
from its_pipeline.report.kinds import Interval, KindRow, Series
from its_pipeline.report.page import figure_pngs, render_report, render_state_page
from its_pipeline.report.people_like_you import section_html, section_of, with_section
from its_pipeline_tests.unit.report.factories import make_analysis, make_report, make_state
from its_pipeline_tests.unit.report.kind_factories import (
    make_kind,
    make_member,
    make_series,
    pooled_kind,
)
from its_pipeline_tests.unit.report.test_index import make_row
from its_pipeline_tests.unit.report.test_page import HOSTILE, Skeleton


def test_the_average_and_a_next_person_in_one_sentence_each():
    kind = make_kind()
    assert words.average_sentence(kind) == (
        "On average, session performance of the 8 people has been 3.0 points higher with “Study in "
        "the morning” than expected without it (95 % interval 1.0 to 5.0 points higher)."
    )
    assert words.next_sentence(kind) == (
        "A next person may expect between 2.0 points lower and 8.0 points higher (95 %); about 8 "
        "of 10 people would benefit."
    )
    named = replace(kind, outcome="HRV", minimum_effect=2.0)
    assert "On average, HRV of the" in words.average_sentence(named)
    assert "would benefit by at least 2 points." in words.next_sentence(named)


@pytest.mark.parametrize(
    ("mean", "expected"),
    [
        (Interval(0.4, 1.0, -1.6, 2.4), "goes from 1.6 points lower to 2.4 points higher"),
        (Interval(-3.0, 1.0, -5.0, -1.0), "3.0 points lower"),
        (Interval(0.001, 1.0, -2.0, 2.0), "about where it was expected to be"),
        (Interval(12.0, 40.0, 1.0, 90.0), "12 points higher"),
    ],
)
def test_the_average_is_rounded_as_answers_are(mean: Interval, expected: str):
    assert expected in words.average_sentence(make_kind(mean=mean))


@pytest.mark.parametrize(
    ("mean", "probability", "minimum", "expected"),
    [
        (Interval(3.0, 1.0, 1.0, 5.0), 0.99, 0.0, "Very likely helps on average"),
        (Interval(3.0, 1.0, 1.0, 5.0), 0.4, 3.0, "Helps on average, maybe too little"),
        (Interval(-3.0, 1.0, -5.0, -1.0), 0.01, 0.0, "Makes it worse on average"),
        (Interval(1.0, 1.0, -1.0, 3.0), 0.84, 0.0, "No clear effect on average"),
    ],
)
def test_the_badge_says_no_more_than_the_interval(mean, probability, minimum, expected):
    assert words.headline(mean, "increase", probability, minimum) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [(0.01, "fewer than 1 of 10"), (0.84, "about 8 of 10"), (0.97, "more than 9 of 10")],
)
def test_a_frequency_is_never_none_and_never_all(probability: float, expected: str):
    assert words.of_ten(probability) == expected


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        (4.0, "more than the average itself"),
        (0.5, "little beside"),
        (2.0, "well above or below"),
    ],
)
def test_how_much_people_differ_is_held_against_the_average(spread: float, expected: str):
    kind = make_kind(spread=Interval(spread, 0.5, 0.1, spread + 1))
    said = words.spread_sentence(kind)
    assert expected in said
    assert f"about {spread:.1f} points" in said or f"about {spread:.2f} points" in said


def test_who_has_no_estimate_is_told_by_reason_with_what_they_may_change():
    kind = make_kind(
        without_estimate={"stopped early": 2, "waiting": 1},
        imputed=Interval(2.2, 1.0, 0.2, 4.2),
    )
    assert words.missing_sentence(kind) == (
        "3 more people have no estimate and so no part in this: 2 stopped early, 1 waiting for "
        "days. If it changed nothing for them, the average goes from 3.0 to 2.2 points (95 % "
        "interval 0.2 to 4.2)."
    )
    assert "nobody is left out" in words.missing_sentence(make_kind())


def test_who_moves_the_average_most_is_named_only_where_it_moves():
    members = (make_member(0, moved_in_sds=0.02), make_member(1, moved_in_sds=-1.5))
    kind = make_kind(members=members, heavy_tailed=Interval(2.4, 1.0, 0.4, 4.4))
    assert words.odd_sentence(kind) == (
        "Where odd ones count for less, the average is 2.4 instead of 3.0; user001 moves it most: "
        "without them it would be 1.5 points lower."
    )
    calm = replace(kind, members=members[:1], heavy_tailed=None)
    assert words.odd_sentence(calm) == "Nobody alone moves it noticeably."


@pytest.mark.parametrize(
    ("own_sd", "pooled_sd", "expected"),
    [(1.0, 0.95, "hardly change"), (1.0, 0.8, "make it surer"), (4.0, 1.5, "leave much open")],
)
def test_one_person_is_told_what_the_others_change(own_sd, pooled_sd, expected):
    member = make_member(0, 5.0, own_sd, pooled=Interval.normal(4.0, pooled_sd))
    said = words.meaning_sentence(make_kind(), member)
    assert expected in said
    assert "(80 %)" in said


def test_a_word_is_capped_where_the_interval_covers_no_change():
    sure = make_member(0, pooled=Interval(4.0, 1.0, 2.0, 6.0), probability_of_benefit=0.97)
    open_ = replace(sure, pooled=Interval(4.0, 3.0, -2.0, 10.0))
    assert "it is very likely that" in words.meaning_sentence(make_kind(), sure)
    assert "it is likely that" in words.meaning_sentence(make_kind(), open_)


def test_a_real_pool_goes_through_the_page_and_says_the_pools_numbers():
    kind = pooled_kind(
        [6.0, 2.0, 5.0, 1.0, 7.0, 3.0], [2.0, 1.5, 3.0, 2.5, 2.0, 4.0], {"stopped early": 3}
    )
    page = render_kind(kind, "../../index.html")
    said = Skeleton(page).words
    assert f"{kind.mean.mean:.1f} points higher" in said
    assert "3 more people have no estimate" in said
    assert said.count("given the others") >= 1
    rows = re.findall(r'<tr><th scope="row"><bdi><a href="([^"]+)">(user\d+)', page)
    by_effect = sorted(kind.members, key=lambda m: -m.pooled.mean)
    assert [person for _, person in rows] == [m.user_id for m in by_effect]
    assert all(href == f"../../{person}/morning/index.html" for href, person in rows)
    assert all(
        min(m.own.mean, kind.mean.mean) < m.pooled.mean < max(m.own.mean, kind.mean.mean)
        for m in kind.members
    )


def test_a_fall_can_be_the_benefit():
    kind = make_kind(
        direction="decrease",
        mean=Interval(-3.0, 1.0, -5.0, -1.0),
        members=tuple(make_member(n, pooled=Interval.normal(-float(n), 1.0)) for n in range(5)),
    )
    page = render_kind(kind)
    assert "Very likely helps on average" in page
    assert "← better" in page
    assert re.findall(r"<bdi><a[^>]*>(user\d+)<", page)[0] == "user004"


def test_of_many_members_some_are_drawn_and_all_are_listed():
    kind = make_kind(members=tuple(make_member(n, n / 20) for n in range(200)))
    page = render_kind(kind)
    assert page.count('<g class="own">') == 60
    assert page.count('<td class="num eff"') == 200
    assert "60 of 200 people, evenly from the best effect to the worst" in page
    assert 'class="members many"' in page
    assert len(page.encode()) < 400_000
    ordered = list(kind.members)
    few = chosen(ordered, 12)
    assert (len(few), few[0], few[-1]) == (12, ordered[0], ordered[-1])


def test_starts_are_drawn_only_where_they_differ_and_days_are_at_hand():
    members = tuple(
        make_member(n, series=make_series(make_member(n).started_on, seed=n)) for n in range(4)
    )
    page = render_kind(make_kind(members=members, is_staggered=True))
    assert page.count('class="start"') == 4
    assert "from 1 May 2026 to 4 May 2026" in page
    assert 'class="starts"' not in render_kind(make_kind(members=members))
    assert 'class="starts"' not in render_kind(make_kind(is_staggered=True))


def test_a_day_between_two_gaps_is_drawn():
    days = tuple(date(2026, 5, 1) + timedelta(days=n) for n in range(6))
    line = StartLine("ada", Series(days, (1.0, None, 2.0, None, 3.0, 4.0)), days[2])
    [path] = re.findall(r'class="line" d="([^"]+)"', starts_svg([line], "One person"))
    assert (path.count("M"), path.count("h0"), path.count("L")) == (3, 3, 1)


def test_standardised_effects_say_in_what_they_are():
    told = "standard deviations of each person's own days without it"
    assert told in render_kind(make_kind(unit="standard deviations", is_standardised=True))
    assert told not in render_kind(make_kind())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str):
    kind = make_kind(name=text, outcome=text, unit=text, without_estimate={"waiting": 1})
    skeleton = Skeleton(render_kind(kind, "javascript:x"))
    assert skeleton.tags.count("script") == 1
    assert skeleton.tags.count("img") == 0
    assert "style" not in skeleton.attributes
    assert not any(name.startswith("on") for name in skeleton.attributes)
    assert "javascript:x" not in skeleton.addresses


def test_the_page_needs_nothing_but_itself():
    page = render_kind(make_kind(members=tuple(make_member(n, href=None) for n in range(5))))
    assert [a for a in Skeleton(page).addresses if not a.startswith(("data:", "#"))] == []


@pytest.fixture(scope="module")
def report() -> str:
    facts = make_report(make_analysis(9.0, 0.1))
    return render_report(facts, figure_pngs(facts))


def test_the_section_goes_into_a_page_and_out_again_without_a_trace(report: str):
    kind = make_kind()
    section = section_html(kind, kind.members[0])
    page = with_section(report, section)
    assert section_of(page) == section
    assert page.index('aria-labelledby="others"') < page.index('aria-labelledby="figures"')
    assert page.index('aria-labelledby="answer"') < page.index('aria-labelledby="others"')
    other = section_html(kind, kind.members[1])
    assert with_section(with_section(page, other), section) == page
    assert with_section(page, None) == report
    assert section_of(report) is None


def test_the_section_names_nobody_else():
    kind = make_kind()
    section = section_html(kind, kind.members[0])
    assert "user" not in section
    assert "7 other people" in section
    assert "3.0" in section


def test_a_page_without_an_answer_gets_no_section():
    kind = make_kind()
    page = render_state_page(make_state("waiting"))
    assert with_section(page, section_html(kind, kind.members[0])) == page


def test_kinds_on_the_index_have_their_numbers_only_of_enough_people():
    rows = [
        KindRow(
            ("morning", "score"),
            "Study",
            "Score",
            "points",
            "increase",
            8,
            Interval(3.0, 1.0, 1.0, 5.0),
            0.995,
            "kinds=/morning/score.html",
        ),
        KindRow(("tea", "score"), "tea", "Score", "", "increase", 3),
    ]
    page = render_index([make_row()], kinds=rows)
    said = Skeleton(page).words
    assert "Study Score Very likely helps on average +3.0 points 1.0 to 5.0 > 99 % 8" in said
    assert "tea Score Too few people yet 3" in said
    assert 'href="kinds=/morning/score.html"' in page
    assert "No average over people" not in said
    assert "For many people" not in Skeleton(render_index([make_row()])).words
