"""A rehearsal finds in each course of days what the analysis itself finds in it."""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline.its.decisions.looks import normal_score
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.planning.assurance import assurance
from its_pipeline.its.planning.plan import prepared_baseline
from its_pipeline.its.planning.rehearsal import COURSES, Rehearsal
from its_pipeline.its.posterior import MixtureMarginal
from its_pipeline.its.sensitivity.estimate import TOLERANCE
from its_pipeline.its.series import prepare_series


@pytest.mark.parametrize(("n_baseline", "n_days"), [(28, 14), (60, 60)])
def test_courses_need_the_effect_at_which_the_analysis_says_helped(n_baseline, n_days):
    spec = AnalysisSpec()
    rng = np.random.default_rng(n_baseline)
    index = pd.date_range("2026-01-01", periods=n_baseline + n_days)
    baseline = pd.Series(50.0 + 5.0 * rng.standard_normal(n_baseline), index[:n_baseline])
    prepared = prepared_baseline(baseline, spec)
    rehearsal = Rehearsal(prepared, spec, n_days)
    start = index[n_baseline]
    whole = pd.Series(np.append(baseline, np.zeros(n_days)), index)
    found = rehearsal.of(prepare_series(whole, start, spec))
    needed = found.needed(1.645)
    missed = []
    for course in range(0, COURSES, 8):
        outcome = prepared.centre + prepared.scale * rehearsal.outcomes[:, course]
        values = pd.Series(outcome, index)
        values[start:] += prepared.scale * needed[course]
        fit, _ = prepared_fit(values, start, spec, None, NORMAL)
        mixture, _ = integrate_posterior(fit, TOLERANCE, only_headline=True)
        above = MixtureMarginal(mixture, 0, fit.series.scale).above(0.0)
        missed.append(normal_score(above) - 1.645)
    assert np.abs(missed).max() < 0.2
    assert abs(np.mean(missed)) < 0.06


def test_courses_go_on_as_the_baseline_does():
    spec = AnalysisSpec(trend=False)
    days = pd.date_range("2026-01-01", periods=84)
    rng = np.random.default_rng(3)
    weekend = np.where(days.dayofweek >= 5, 10.0, 0.0)
    baseline = pd.Series(50.0 + weekend + rng.standard_normal(84), days)
    rehearsal = Rehearsal(prepared_baseline(baseline, spec), spec, 28)
    ahead = rehearsal.outcomes[84:]
    is_weekend = pd.date_range("2026-03-26", periods=28).dayofweek >= 5
    apart = ahead[is_weekend].mean() - ahead[~is_weekend].mean()
    assert apart == pytest.approx(10.0 / baseline.std(), abs=0.3)


def test_assurance_is_the_share_of_courses_and_smooth_between_them():
    needed = np.random.default_rng(0).normal(2.0, 0.5, 400)
    assert assurance(needed, 2.0) == pytest.approx(0.5, abs=0.05)
    assert assurance(needed, 2.5) == pytest.approx(0.841, abs=0.03)
    found = [assurance(needed, effect) for effect in np.linspace(0.0, 4.0, 60)]
    assert np.all(np.diff(found) > 0.0)
