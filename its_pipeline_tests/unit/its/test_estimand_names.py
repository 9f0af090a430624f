"""The estimands' names, order and units are the ones that an analysis itself gives."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, Effects
from its_pipeline.its.estimand_names import ESTIMANDS, HEADLINE, RATIO
from its_pipeline.its.estimands import effect_draws, summarise
from its_pipeline.its.posterior import EffectMarginals, SampleMarginal
from its_pipeline.its.series import prepare_series
from its_pipeline_tests.unit.its.series_factory import make_series

DRAWS = np.linspace(-1.0, 2.0, 50)


def test_effects_have_exactly_these_estimands_in_this_order():
    assert [field.name for field in fields(Effects)] == [each.name for each in ESTIMANDS]
    named = effect_draws(np.stack([DRAWS, DRAWS, DRAWS]), n_post=10, observed_sum=100.0)
    # A ratio is told of outcomes with a link alone.
    assert list(named) == [each.effect_name for each in ESTIMANDS if each is not RATIO]
    assert HEADLINE.name == "counterfactual"


@pytest.mark.parametrize("unit", ["points", ""])
@pytest.mark.parametrize("season", ["day_of_week", "month"])
def test_units_are_those_of_an_analysis(unit, season):
    spec = AnalysisSpec(unit=unit, season=season)
    series = prepare_series(*make_series(40), AnalysisSpec())
    marginal = SampleMarginal(DRAWS)
    told = EffectMarginals(marginal, marginal, marginal, ratio=marginal)
    effects = summarise(told, series, spec)
    for each in ESTIMANDS:
        expected = each.unit_of(spec.unit, spec.step, spec.slope_period)
        assert getattr(effects, each.name).unit == expected
