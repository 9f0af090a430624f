"""The rules of the answer, as a table of cases, and what no answer may ever say."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from datetime import date
from typing import Any

import pytest

from its_pipeline.report.sentence import (
    PROBABILITY_WORDS,
    Finding,
    answer_sentences,
    decimals_for,
    finding_of,
    number_text,
    percent,
    probability_word,
)
from its_pipeline_tests.unit.report.factories import make_analysis

UNTIL = date(2026, 11, 12)

FORBIDDEN = re.compile(
    r"significan|proved|proven|proof|certain|definite|guarantee|because of|caused|no effect\b"
    r"|100 %|\b0 %|-\d",
    re.IGNORECASE,
)


def make_finding(mean: float, sd: float, direction: str = "increase", **fields: Any) -> Finding:
    """A finding whose numbers fit together: a normal posterior."""
    minimum = float(fields.pop("minimum_effect", 0.0))

    def below(x: float) -> float:
        return 0.5 * math.erfc(-(x - mean) / sd / math.sqrt(2))

    benefit = 1 - below(minimum) if direction == "increase" else below(-minimum)
    values: dict[str, Any] = {
        "name": "Study in the morning",
        "outcome": "session performance",
        "unit": "points",
        "direction": direction,
        "mean": mean,
        "sd": sd,
        "ci_lower": mean - 1.96 * sd,
        "ci_upper": mean + 1.96 * sd,
        "probability_positive": 1 - below(0.0),
        "probability_of_benefit": benefit,
        "minimum_effect": minimum,
    }
    return Finding(**{**values, **fields})


CASES = [
    pytest.param(
        make_finding(6.1, 1.9),
        "Very likely helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is very "
        "likely that it helped, if nothing else changed at that time: the probability is more "
        "than 99 %.",
        id="rise wanted, rise found",
    ),
    pytest.param(
        make_finding(-6.1, 1.9),
        "Very likely made it worse",
        "Session performance has been on average 6.1 points lower since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points lower). It is very "
        "likely that it made things worse, if nothing else changed at that time: the "
        "probability that it helped is less than 1 %.",
        id="rise wanted, fall found",
    ),
    pytest.param(
        make_finding(-6.1, 1.9, "decrease"),
        "Very likely helped",
        "Session performance has been on average 6.1 points lower since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points lower). It is very "
        "likely that it helped, if nothing else changed at that time: the probability is more "
        "than 99 %.",
        id="fall wanted, fall found",
    ),
    pytest.param(
        make_finding(6.1, 1.9, "decrease"),
        "Very likely made it worse",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is very "
        "likely that it made things worse, if nothing else changed at that time: the "
        "probability that it helped is less than 1 %.",
        id="fall wanted, rise found",
    ),
    pytest.param(
        make_finding(1.2, 1.6),
        "No clear effect",
        "Session performance has been on average 1.2 points higher since “Study in the morning” "
        "began than expected without it, but the 95 % interval goes from 1.9 points lower to "
        "4.3 points higher and includes no change. The data do not tell whether it helped: the "
        "probability is 77 % (likely).",
        id="interval covers zero",
    ),
    pytest.param(
        make_finding(3.0, 1.6),
        "No clear effect",
        "Session performance has been on average 3.0 points higher since “Study in the morning” "
        "began than expected without it, but the 95 % interval goes from 0.1 points lower to "
        "6.1 points higher and includes no change. The data do not tell whether it helped: the "
        "probability is 97 % (likely).",
        id="interval barely covers zero, word stays likely",
    ),
    pytest.param(
        make_finding(1.2, 1.6, ongoing_until=UNTIL),
        "Too early to tell",
        "Session performance has been on average 1.2 points higher since “Study in the morning” "
        "began than expected without it, but the 95 % interval goes from 1.9 points lower to "
        "4.3 points higher and includes no change. It is too early to tell whether it helped: "
        "the probability is 77 % (likely), and days are counted until 12 November 2026.",
        id="interval covers zero while days still come",
    ),
    pytest.param(
        make_finding(0.0, 1.6),
        "No clear effect",
        "Session performance has been on average about where it was expected to be without "
        "“Study in the morning”, but the 95 % interval goes from 3.1 points lower to 3.1 points "
        "higher and includes no change. The data do not tell whether it helped: the probability "
        "is 50 % (about as likely as not).",
        id="mean of zero",
    ),
    pytest.param(
        make_finding(0.4, 0.6, minimum_effect=5.0),
        "No effect that matters",
        "Session performance has been on average 0.40 points higher since “Study in the "
        "morning” began than expected without it, but the 95 % interval goes from 0.78 points "
        "lower to 1.58 points higher and includes no change. If there is an effect, it is "
        "likely smaller than the 5 points that you named as the least that matters: the "
        "probability that it helped by at least as much is less than 1 %.",
        id="whole interval below the minimum effect",
    ),
    pytest.param(
        make_finding(6.1, 1.9, minimum_effect=6.0),
        "Very likely helped, maybe too little",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is very "
        "likely that it helped, if nothing else changed at that time (probability more than 99 "
        "%), and about as likely as not that it helped by at least 6 points (52 %).",
        id="clear benefit, minimum effect uncertain",
    ),
    pytest.param(
        make_finding(6.1, 1.9, minimum_effect=20.0),
        "Very likely helped, but too little",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is very "
        "likely that it helped, if nothing else changed at that time (probability more than 99 "
        "%), and very unlikely that it helped by at least 20 points (less than 1 %).",
        id="clear benefit, far below the minimum effect",
    ),
    pytest.param(
        make_finding(3.0, 2.2, minimum_effect=2.0),
        "No clear effect",
        "Session performance has been on average 3.0 points higher since “Study in the morning” "
        "began than expected without it, but the 95 % interval goes from 1.3 points lower to "
        "7.3 points higher and includes no change. The data do not tell whether it helped: the "
        "probability is 91 % (likely), and 68 % that it helped by at least 2 points.",
        id="interval covers zero with a minimum effect",
    ),
    pytest.param(
        make_finding(6.1, 1.9, warning_codes=("short_phase", "estimators_disagree")),
        "Likely helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is likely "
        "that it helped, if nothing else changed at that time: the probability is more than 99 "
        "%; but the warnings weaken this (there are few days; a second method disagrees).",
        id="warnings temper the word",
    ),
    pytest.param(
        make_finding(-6.1, 1.9, warning_codes=("placebo_effect",)),
        "Likely made it worse",
        "Session performance has been on average 6.1 points lower since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points lower). It is likely "
        "that it made things worse, if nothing else changed at that time: the probability that "
        "it helped is less than 1 %; but the warnings weaken this (a similar change shows on a "
        "date when nothing happened).",
        id="warnings temper harm too",
    ),
    pytest.param(
        make_finding(6.1, 1.9, unit=""),
        "Very likely helped",
        "Session performance has been on average 6.1 higher since “Study in the morning” began "
        "than expected without it (95 % interval 2.4 to 9.8 higher). It is very likely that it "
        "helped, if nothing else changed at that time: the probability is more than 99 %.",
        id="no unit",
    ),
]


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
        ((), ("short_phase",), ("heavy_tails", "something_new"), ("no_relative_effect",)),
        (None, UNTIL),
    )
]


def test_no_combination_claims_more_than_its_numbers():
    for finding in GRID:
        answer = answer_sentences(finding)
        assert len(answer.sentences) == 2
        assert FORBIDDEN.search(answer.text) is None, answer.text
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
