"""The columns of on and off again: one shared effect, deviations, carry-over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, Schedule, priors
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline_tests.unit.its.series_factory import make_series


def _fit(schedule, spec=None, others=None, n=60) -> Any:
    outcome, _ = make_series(n)
    return prepared_fit(outcome, schedule, spec or AnalysisSpec(), None, NORMAL, others)[0]


ABAB = Schedule.periods([("2024-01-16", "2024-01-30"), ("2024-02-15", None)])


def test_phases_share_an_effect_and_deviate_together():
    design = _fit(ABAB).design
    names = list(design.names)
    on, first, second = (names.index(n) for n in ("level_change", "phase[1]", "phase[2]"))
    reported = design.reported
    assert (reported[:, on] == reported[:, first] + reported[:, second]).all()
    assert reported[15:30, first].all()
    assert reported[:, first].sum() == 15
    column = {name: int(np.argmax(np.abs(design.back[names.index(name)]))) for name in names}
    sds = design.prior.sd[:, [column["phase[1]"], column["phase[2]"]]]
    assert (sds[:, 0] == sds[:, 1]).all()
    assert set(sds[:, 0]) == set(priors.PHASE_SDS)
    small = sds[:, 0] == min(priors.PHASE_SDS)
    assert design.prior.weights[small].sum() == pytest.approx(priors.SMALL_WEIGHT)
    assert design.prior.weights.sum() == pytest.approx(1.0)


def test_a_single_phase_on_has_no_deviation():
    design = _fit(Schedule.periods([("2024-01-16", "2024-01-30")])).design
    assert not [name for name in design.names if name.startswith("phase[")]


def test_the_carryover_is_full_on_the_first_day_off_and_fades():
    design = _fit(ABAB, AnalysisSpec(carryover="decay")).design
    left = design.reported[:, list(design.names).index("carryover")]
    assert left[30] == 1.0
    assert left[33] == pytest.approx(np.exp(-3 / priors.CARRYOVER_DAYS))
    assert left[:30].max() == 0.0
    assert left[45:].max() == 0.0


def test_another_interventions_columns_are_its_own_and_part_of_the_counterfactual():
    design = _fit("2024-01-31", others={"walks": Schedule.since("2024-02-10")}).design
    named = [name for name in design.names if name.endswith("(walks)")]
    assert named == ["level_change(walks)", "slope_change(walks)"]
    walks = design.others["walks"]
    assert (design.intervention * walks == 0.0).all()
    assert walks[:40].max() == 0.0
    assert walks[40:].any()
    assert (design.counterfactual[40:] != 0.0)[:, walks.any(axis=0)].any()


def test_the_trend_is_the_same_whoever_is_asked_about():
    both = {"tea": "2024-01-31", "walks": "2024-02-10"}
    tea = _fit(both["tea"], others={"walks": both["walks"]}).design
    walks = _fit(both["walks"], others={"tea": both["tea"]}).design
    np.testing.assert_allclose(tea.matrix[:, 1], walks.matrix[:, 1])
