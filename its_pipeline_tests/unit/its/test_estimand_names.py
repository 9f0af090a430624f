"""The estimands' names, order and units are the ones that an analysis itself gives."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, Effects
from its_pipeline.its.estimand_names import ESTIMANDS, HEADLINE
from its_pipeline.its.estimands import Estimands, summarise

DRAWS = np.linspace(-1.0, 2.0, 50)


def test_effects_have_exactly_these_estimands_in_this_order():
    assert [field.name for field in fields(Effects)] == [each.name for each in ESTIMANDS]
    assert list(Estimands(DRAWS, DRAWS, DRAWS, DRAWS, DRAWS).named()) == [
        each.effect_name for each in ESTIMANDS
    ]
    assert HEADLINE.name == "counterfactual"


@pytest.mark.parametrize("unit", ["points", ""])
@pytest.mark.parametrize("season", ["day_of_week", "month"])
def test_units_are_those_of_an_analysis(unit, season):
    spec = AnalysisSpec(unit=unit, season=season)
    effects = summarise(Estimands(DRAWS, DRAWS, DRAWS, DRAWS, DRAWS), spec)
    for each in ESTIMANDS:
        expected = each.unit_of(spec.unit, spec.step, spec.slope_period)
        assert getattr(effects, each.name).unit == expected
