"""The answer's table of cases: which numbers give which headline and which two sentences."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest

from its_pipeline.report.finding import Finding

UNTIL = date(2026, 11, 12)


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
        "Likely too small to matter",
        "Session performance has been on average 0.40 points higher since “Study in the "
        "morning” began than expected without it, but the 95 % interval goes from 0.78 points "
        "lower to 1.58 points higher and includes no change. If there is an effect, it is "
        "likely smaller than the 5 points named as the least that matters: the probability that "
        "it helped by at least as much is less than 1 %.",
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
        "Very likely helped, but likely too little",
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
        make_finding(6.1, 1.9, warning_codes=("short_phase", "heavy_tails")),
        "Likely helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is likely "
        "that it helped, if nothing else changed at that time: the probability is more than 99 "
        "%; but the warnings weaken this (there are few days; some days are far from the "
        "rest).",
        id="warnings temper the word",
    ),
    pytest.param(
        make_finding(6.1, 1.9, warning_codes=("short_phase", "estimators_disagree")),
        "Possibly helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is possible "
        "that it helped, if nothing else changed at that time: the probability is more than 99 "
        "%; but the warnings weaken this (there are few days; a second method disagrees).",
        id="a warning that contradicts leaves no more than possible",
    ),
    pytest.param(
        make_finding(6.1, 1.9, warning_codes=("hangs_on_trend",)),
        "Likely helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is likely "
        "that it helped, if nothing else changed at that time: the probability is more than 99 "
        "%; but the warnings weaken this (it depends on whether there was a trend).",
        id="an answer that hangs on a trend is tempered",
    ),
    pytest.param(
        make_finding(6.1, 1.9, warning_codes=("opposite_means",)),
        "Possibly helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is possible "
        "that it helped, if nothing else changed at that time: the probability is more than 99 "
        "%; but the warnings weaken this (the plain averages say the opposite).",
        id="plain averages that say the opposite leave no more than possible",
    ),
    pytest.param(
        make_finding(6.1, 1.9, minimum_effect=2.0, warning_codes=("near_nonstationary",)),
        "Possibly helped",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is possible "
        "that it helped, if nothing else changed at that time (probability more than 99 %), and "
        "possible that it helped by at least 2 points (98 %); but the warnings weaken this (the "
        "outcome drifts).",
        id="drift leaves no more than possible for the minimum effect too",
    ),
    pytest.param(
        make_finding(6.1, 1.9, ongoing_until=UNTIL),
        "Very likely helped so far",
        "Session performance has been on average 6.1 points higher since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points higher). It is very "
        "likely that it helped so far, if nothing else changed at that time: the probability is "
        "more than 99 %.",
        id="rise wanted, rise found while days still come",
    ),
    pytest.param(
        make_finding(-6.1, 1.9, ongoing_until=UNTIL),
        "Very likely made it worse so far",
        "Session performance has been on average 6.1 points lower since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points lower). It is very "
        "likely that it made things worse so far, if nothing else changed at that time: the "
        "probability that it helped is less than 1 %.",
        id="rise wanted, fall found while days still come",
    ),
    pytest.param(
        make_finding(
            0.4, 0.6, minimum_effect=5.0, ongoing_until=UNTIL, warning_codes=("placebo_effect",)
        ),
        "Possibly too small to matter so far",
        "Session performance has been on average 0.40 points higher since “Study in the "
        "morning” began than expected without it, but the 95 % interval goes from 0.78 points "
        "lower to 1.58 points higher and includes no change. If there is an effect so far, it is "
        "possibly smaller than the 5 points named as the least that matters: the probability "
        "that it helped by at least as much is less than 1 %; but the warnings weaken this (a "
        "change shows on a date when nothing was changed).",
        id="below the minimum effect, contradicted, while days still come",
    ),
    pytest.param(
        make_finding(-6.1, 1.9, warning_codes=("placebo_effect",)),
        "Possibly made it worse",
        "Session performance has been on average 6.1 points lower since “Study in the morning” "
        "began than expected without it (95 % interval 2.4 to 9.8 points lower). It is possible "
        "that it made things worse, if nothing else changed at that time: the probability that "
        "it helped is less than 1 %; but the warnings weaken this (a change shows on a date "
        "when nothing was changed).",
        id="a contradicting warning tempers harm too",
    ),
    pytest.param(
        make_finding(6.1, 1.9, unit=""),
        "Very likely helped",
        "Session performance has been on average 6.1 higher since “Study in the morning” began "
        "than expected without it (95 % interval 2.4 to 9.8 higher). It is very likely that it "
        "helped, if nothing else changed at that time: the probability is more than 99 %.",
        id="no unit",
    ),
    pytest.param(
        make_finding(6.1, 1.9, is_on_and_off=True),
        "Very likely helped",
        "Session performance has been on average 6.1 points higher on days with “Study in the "
        "morning” than expected without it (95 % interval 2.4 to 9.8 points higher). It is very "
        "likely that it helped, if nothing else came and went with it: the probability is more "
        "than 99 %.",
        id="on and off again",
    ),
    pytest.param(
        make_finding(-6.1, 1.9, is_on_and_off=True, by_lot=True),
        "Very likely made it worse",
        "Session performance has been on average 6.1 points lower on days with “Study in the "
        "morning” than expected without it (95 % interval 2.4 to 9.8 points lower). It is very "
        "likely that it made things worse, as the lot alone decided the days: the probability "
        "that it helped is less than 1 %.",
        id="days by lot, fall found",
    ),
    pytest.param(
        make_finding(0.01, 1.9, is_on_and_off=True),
        "No clear effect",
        "Session performance has been on days with “Study in the morning” on average about where "
        "it was expected to be without it, but the 95 % interval goes from 3.7 points lower to 3.7 "
        "points higher and includes no change. The data do not tell whether it helped: the "
        "probability is 50 % (about as likely as not).",
        id="on and off again, nothing found",
    ),
]
