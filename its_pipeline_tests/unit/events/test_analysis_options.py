"""The options of an analysis: read alike from anywhere, refused in words, one over the other."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from its_pipeline.events import analysis_options
from its_pipeline.events.analysis_options import (
    UNSAID,
    USUAL,
    AnalysisOptions,
    SeriesOptions,
)
from its_pipeline.its.registry import LIKELIHOODS
from its_pipeline.its.spec import AnalysisSpec, Season


def test_names_values_and_defaults_are_those_of_the_statistics() -> None:
    assert tuple(LIKELIHOODS) == analysis_options.LIKELIHOODS
    assert SeriesOptions.seasons == get_args(Season)
    assert AnalysisSpec(**USUAL.model_settings()) == AnalysisSpec()
    assert set(USUAL.said()) == set(AnalysisOptions.model_fields), "every option is said"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, {}),
        ({"slope": None, "trend": None}, {}),
        ({"slope": "yes"}, {"slope": True}),
        ({"slope": "no"}, {"slope": False}),
        ({"slope": "auto", "trend": False}, {"slope": "auto", "trend": False}),
        ({"covariates": "none"}, {"covariates": []}),
        ({"covariates": []}, {"covariates": []}),
        (
            {"covariates": ["share_evening", "share_morning"]},
            {"covariates": ["share_morning", "share_evening"]},
        ),
    ],
)
def test_what_is_said_is_read_into_one_form_and_back(
    values: dict[str, Any], said: dict[str, Any]
) -> None:
    read = AnalysisOptions.read(values)
    assert read.said() == said
    assert AnalysisOptions.read(said) == read
    assert AnalysisOptions.read(read) == read


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        (5, ["must map options", "5"]),
        (
            {"colour": 1},
            ["no option colour", "likelihood, season, slope, trend, carryover, covariates"],
        ),
        ({"carryover": "yes"}, ["none, decay", "'yes'", "leave it out"]),
        ({"likelihood": "cauchy"}, ["normal, student_t", "'cauchy'", "leave it out"]),
        ({"season": "month"}, ["day_of_week, none", "'month'", "its-pipeline analyze"]),
        ({"slope": 1}, ["auto, yes or no", "got 1", "leave it out"]),
        ({"trend": "yes"}, ["true or false", "'yes'", "leave it out"]),
        ({"covariates": "share_morning"}, ["a list of share_morning", "'share_morning'"]),
        ({"covariates": ["share_night"]}, ["'share_night'", "compared with"]),
        ({"covariates": ["mood"]}, ["'mood'", "leave it out"]),
        ({"covariates": ["share_morning"] * 2}, ["share_morning is there twice", "leave one out"]),
        ({"slope": True, "trend": False}, ["slope is yes but trend is no", "say slope auto"]),
        ({"likelihood": "x", "season": "y"}, ["'x'", "'y'"]),
    ],
)
def test_a_refusal_names_value_rule_and_remedy(values: Any, parts: list[str]) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        AnalysisOptions.read(values)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_goes_over_the_other_and_what_is_so_anyway_is_left_out() -> None:
    above = AnalysisOptions(trend=False, covariates=())
    below = AnalysisOptions(trend=True, season="none", covariates=("share_morning",))
    assert above.over(below) == AnalysisOptions(trend=False, covariates=(), season="none")
    assert above.over(below).over(USUAL).said().keys() == USUAL.said().keys()
    assert AnalysisOptions(trend=True, slope=False).beyond(USUAL) == AnalysisOptions(slope=False)
    assert USUAL.beyond(USUAL) == UNSAID
    with pytest.raises(ValueError, match="slope is yes but trend is no"):
        above.over(AnalysisOptions(slope=True))


def test_a_plain_series_has_columns_and_months_of_its_own() -> None:
    read = SeriesOptions.read({"season": "month", "covariates": ["sleep", "none"]})
    assert read.covariates == ("sleep", "none"), "a column may have that name"
    assert read.model_settings() == {"season": "month"}


def test_comparison_series_are_names_in_one_order():
    chosen = AnalysisOptions.read({"comparisons": ["weather", "Steps"]})
    assert chosen.comparisons == ("Steps", "weather")
    assert AnalysisOptions.read(chosen.said()) == chosen
    assert AnalysisOptions.read({"comparisons": "none"}).comparisons == ()
    assert USUAL.comparisons == ()
    assert chosen.over(USUAL).model_settings() == USUAL.model_settings()
    below = AnalysisOptions(comparisons=("a",))
    assert AnalysisOptions(comparisons=()).over(below).comparisons == ()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("weather", "must be a list"),
        ([1], "must be a list"),
        (["a", "a"], "each once"),
        ([f"s{number}" for number in range(9)], "at most 8"),
        (["share_morning"], "must not begin with share_"),
        (["a b"], "'a b'"),
    ],
)
def test_what_cannot_be_comparison_series_is_refused(value, words):
    with pytest.raises(ValueError, match=words):
        AnalysisOptions.read({"comparisons": value})
