"""Sentences about traits and about the between-case effect, and units that agree with numbers."""

from __future__ import annotations

import pytest

from its_pipeline.report.kind_page import render_kind
from its_pipeline.report.kind_traits import between_case_sentences, trait_sentences
from its_pipeline.report.kinds import Interval, KindBetweenCase, KindSlope, KindTraits
from its_pipeline.report.sentence import amount_text, unit_text
from its_pipeline_tests.unit.report.kind_factories import make_kind


def slope(trait="runs", low=1.0, high=5.0, **fields):
    values = {"groups": (0.0, 1.0), "n_in_higher_group": 12, "trait_sd": 0.5}
    middle, sd = (low + high) / 2, (high - low) / 4
    return KindSlope(trait, Interval(middle, sd, low, high), **{**values, **fields})


def traits(*slopes, **fields):
    values = {
        "names": tuple(each.trait for each in slopes),
        "refused": "",
        "n_people": 30,
        "n_without": 0,
        "spread": Interval(1.2, 0.5, 0.2, 2.6),
        "spread_without": Interval(1.9, 0.5, 0.9, 3.1),
    }
    return KindTraits(slopes=slopes, **{**values, **fields})


@pytest.mark.parametrize(
    ("told", "direction", "sentence"),
    [
        (slope(), "increase", "People with runs (12 of 30) benefit more: by 3.0 points "
         "(95 % interval 1.0 to 5.0)."),
        (slope(), "decrease", "People with runs (12 of 30) benefit less: by 3.0 points "
         "(95 % interval 1.0 to 5.0)."),
        (slope(low=-5.0, high=-1.0), "decrease", "People with runs (12 of 30) benefit more: by "
         "3.0 points (95 % interval 1.0 to 5.0)."),
        (slope(low=-1.0, high=3.0), "increase", "People with runs (12 of 30) may benefit as much "
         "as others: the difference is 1.0 points more benefit (95 % interval −1.0 to 3.0)."),
        (slope("on_and_off"), "increase", "People who went on and off again (12 of 30) benefit "
         "more: by 3.0 points (95 % interval 1.0 to 5.0)."),
        (slope("shift", groups=(1.0, 3.0)), "increase", "People with shift 3, not 1, (12 of 30) "
         "benefit more: by 6.0 points (95 % interval 2.0 to 10.0)."),
        (slope("baseline_days", 0.1, 0.5, groups=None, n_in_higher_group=None, trait_sd=12.0),
         "increase", "People with more baseline days benefit more: by 3.6 points for every 12 "
         "more, one standard deviation (95 % interval 1.2 to 6.0)."),
    ],
)  # fmt: skip
def test_who_benefits_more(told, direction, sentence):
    assert trait_sentences(traits(told), "points", direction)[0] == sentence


def test_what_traits_leave_open_is_said():
    said = trait_sentences(traits(slope(), n_without=2), "points", "increase")
    assert said[1] == (
        "People who are alike in runs still differ by about 1.20 points (standard deviation); "
        "without a look at runs it is 1.90."
    )
    assert said[2] == ("2 with an estimate have no value of runs and no part in this comparison.")
    one = trait_sentences(traits(slope(), n_without=1), "points", "increase")
    assert one[2].startswith("1 person with an estimate has no value of runs")
    assert len(trait_sentences(traits(slope()), "points", "increase")) == 3


def test_a_refusal_is_said_with_its_reason():
    refused = KindTraits(("runs",), "fewer than 5 people differ", 0, 0)
    [said] = trait_sentences(refused, "points", "increase")
    assert said == "Whether it helps some more by runs is not told: fewer than 5 people differ."


BETWEEN = KindBetweenCase(
    "",
    "multiple baseline",
    1.46,
    Interval.normal(1.39, 0.317),
    Interval.normal(1.405, 0.286),
    8,
    240,
    21.6,
    11.5,
    2.6,
    "points",
)


def test_the_between_case_effect_beside_ours():
    said, why = between_case_sentences(BETWEEN)
    assert (
        "(multiple baseline over 8 people and 240 observed values), the effect is g = 1.39" in said
    )
    assert "0.77 to 2.01" in said
    assert "d = 1.46); by restricted maximum likelihood g = 1.41 (0.84 to 1.97)." in said
    assert "The average above is 2.60 standard deviations" in said
    assert "over people and days together (21.6 points)" in why
    assert "own days vary (11.5 points)" in why
    [refused] = between_case_sentences(KindBetweenCase("some changed once", "reversal"))
    assert refused.endswith("is not there: some changed once.")


def test_the_page_shows_both():
    html = render_kind(make_kind(traits=traits(slope()), between_case=BETWEEN))
    assert "Whom it helps more" in html
    assert "benefit more: by 3.0 points" in html
    assert "As single-case studies report it" in html
    bare = render_kind(make_kind())
    assert "Whom it helps more" not in bare
    assert "single-case" not in bare


@pytest.mark.parametrize(
    ("number", "unit", "told"),
    [
        ("1", "points", "point"),
        ("−1", "percentage points", "percentage point"),
        ("1", "beats per minute", "beat per minute"),
        ("1", "standard deviations", "standard deviation"),
        ("1", "stress", "stress"),
        ("1", "ms", "ms"),
        ("1", "", ""),
        ("1.0", "points", "points"),
        ("2", "points", "points"),
        ("11", "points", "points"),
    ],
)
def test_a_unit_agrees_with_its_number(number, unit, told):
    assert unit_text(number, unit) == told


def test_amounts_agree():
    assert amount_text(-1.0, "points", 0) == "1 point"
    assert amount_text(1.0, "points", 1) == "1.0 points"
    assert "by at least 1 point." in render_kind(make_kind(minimum_effect=1.0))
