"""The rules of the answer, as a table of cases, and what no answer may ever say."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from typing import Any

import pytest

from its_pipeline.report.finding import Finding, finding_of
from its_pipeline.report.sentence import (
    PROBABILITY_WORDS,
    answer_sentences,
    decimals_for,
    number_text,
    percent,
    probability_word,
)
from its_pipeline_tests.unit.report.factories import make_analysis
from its_pipeline_tests.unit.report.sentence_cases import CASES, UNTIL, make_finding

FORBIDDEN = re.compile(
    r"significan|proved|proven|proof|certain|definite|guarantee|because of|caused|no effect\b"
    r"|100 %|\b0 %|-\d",
    re.IGNORECASE,
)


@pytest.mark.parametrize(("finding", "headline", "text"), CASES)
def test_answer_is_the_sentence_of_the_table(finding: Finding, headline: str, text: str):
    answer = answer_sentences(finding)
    assert (answer.headline, answer.text) == (headline, text)


GRID = [
    make_finding(
        mean, sd, direction, minimum_effect=minimum, warning_codes=codes, ongoing_until=until
    )
    for mean, sd, direction, minimum, codes, until in itertools.product(
        (-12.0, -3.0, -0.02, 0.0, 0.02, 3.0, 12.0),
        (0.5, 1.6, 9.0),
        ("increase", "decrease"),
        (0.0, 2.0, 30.0),
        (
            (),
            ("short_phase",),
            ("heavy_tails", "something_new"),
            ("no_relative_effect",),
            ("short_phase", "estimators_disagree"),
        ),
        (None, UNTIL),
    )
]


def test_no_combination_claims_more_than_its_numbers():
    for finding in GRID:
        answer = answer_sentences(finding)
        assert len(answer.sentences) == 2
        said = f"{answer.headline}. {answer.text}"
        assert FORBIDDEN.search(said) is None, said
        assert all(s.endswith(".") and ". " not in s for s in answer.sentences), answer.text


def test_interval_that_covers_zero_is_said_and_never_gets_a_strong_word():
    covering = [finding for finding in GRID if finding.covers_zero]
    assert covering
    for finding in covering:
        answer = answer_sentences(finding)
        assert "includes no change" in answer.sentences[0]
        assert "very likely" not in answer.text.lower()
        assert "helped" not in answer.headline
        assert "worse" not in answer.headline


def test_helped_and_harmed_follow_sign_and_direction():
    for finding in GRID:
        if finding.covers_zero:
            continue
        wanted = (finding.mean > 0) == (finding.direction == "increase")
        answer = answer_sentences(finding)
        assert answer.kind == ("helped" if wanted else "harmed")
        assert ("higher" if finding.mean > 0 else "lower") in answer.sentences[0]
        assert "if nothing else changed at that time" in answer.sentences[1]


def test_every_weakening_warning_is_told_and_lowers_the_word():
    for finding in GRID:
        answer = answer_sentences(finding)
        weakened = any(code != "no_relative_effect" for code in finding.warning_codes)
        assert ("warnings weaken this" in answer.text) == weakened
        if weakened:
            assert "very likely" not in answer.text.lower()
            assert "very unlikely" not in answer.text.lower()


def test_a_contradicted_answer_is_never_called_likely():
    contradicted = [f for f in GRID if "estimators_disagree" in f.warning_codes]
    assert {f.kind for f in contradicted} == {"helped", "harmed", "negligible", "unclear", "open"}
    for finding in contradicted:
        answer = answer_sentences(finding)
        assert not answer.headline.lower().startswith(("likely", "very"))
        plain = re.sub("unlikely|about as likely as not", "", answer.text)
        assert "likely" not in plain, answer.text


def test_an_answer_holds_so_far_exactly_while_days_still_come():
    for finding in GRID:
        answer = answer_sentences(finding)
        if finding.kind in ("helped", "harmed", "negligible"):
            ongoing = finding.ongoing_until is not None
            assert ("so far" in answer.headline) == ("so far" in answer.sentences[1]) == ongoing


def test_too_early_is_said_only_while_days_still_come():
    for finding in GRID:
        answer = answer_sentences(finding)
        early = "too early to tell" in answer.text
        assert early == (finding.kind == "open")
        assert not early or "12 November 2026" in answer.text


@pytest.mark.parametrize(
    ("probability", "word"),
    [
        (1.0, "very likely"),
        (0.90, "very likely"),
        (0.8999, "likely"),
        (0.66, "likely"),
        (0.6599, "about as likely as not"),
        (0.33, "about as likely as not"),
        (0.3299, "unlikely"),
        (0.10, "unlikely"),
        (0.0999, "very unlikely"),
        (0.0, "very unlikely"),
    ],
)
def test_words_change_at_their_bounds(probability: float, word: str):
    assert probability_word(probability) == word
    assert probability_word(probability, capped=True) == word.removeprefix("very ")


def test_words_are_in_falling_order_down_to_zero():
    bounds = [bound for bound, _ in PROBABILITY_WORDS]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] == 0.0


@pytest.mark.parametrize(
    ("probability", "long", "short"),
    [
        (1.0, "more than 99 %", "> 99 %"),
        (0.99, "99 %", "99 %"),
        (0.5, "50 %", "50 %"),
        (0.0, "less than 1 %", "< 1 %"),
    ],
)
def test_percent_is_never_zero_or_hundred(probability: float, long: str, short: str):
    assert percent(probability) == long
    assert percent(probability, short=True) == short


def test_numbers_have_two_digits_of_their_uncertainty():
    assert decimals_for(1.9) == 1
    assert decimals_for(0.034) == 3
    assert decimals_for(150.0) == 0
    assert decimals_for(0.0, 12.0) == 0
    assert decimals_for(1.9, 0.02, 7.4) == 2, "a bound that is not zero must not read as zero"
    assert number_text(-1234.5, 1) == "−1,234.5"
    assert number_text(-0.001, 1) == "0.0"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"direction": "sideways"}, "direction must be increase or decrease but got 'sideways'"),
        ({"mean": math.nan}, "must be finite"),
        ({"ci_lower": 9.0, "ci_upper": 1.0}, "ci_lower must not exceed ci_upper"),
        ({"probability_positive": 1.2}, r"probability_positive must be in the interval \[0, 1\]"),
    ],
)
def test_impossible_numbers_are_refused(fields: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        dataclasses.replace(make_finding(1.0, 1.0), **fields)


def test_finding_of_an_analysis_has_its_numbers_and_none_without_convergence():
    analysis = make_analysis(9.0, minimum_effect=2.0)
    finding = finding_of(analysis, "x", "y", UNTIL)
    assert analysis.effects is not None
    assert finding.mean == analysis.effects.counterfactual.mean
    assert finding.probability_of_benefit == analysis.probability_of_benefit
    assert (finding.unit, finding.minimum_effect) == ("points", 2.0)
    with pytest.raises(ValueError, match="did not converge"):
        finding_of(make_analysis(converged=False), "x", "y")
