"""A factor moves sds, intervals, bands, draws and probabilities together, and no mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, Schedule, analyze
from its_pipeline.its.fingerprinting import fingerprint
from its_pipeline.its.posterior import SampleMarginal, WidenedMarginal, widened
from its_pipeline_tests.unit.its.series_factory import make_series, run

FACTOR = 1.5
EFFECTS = ("immediate", "sustained", "counterfactual", "cumulative")
SHORT = {"draws": 600, "tune": 600, "trend": False, "slope": False}


@pytest.fixture(
    scope="module",
    params=[{}, {"estimator": "forecast"}, {"likelihood": "student_t", **SHORT}],
    ids=["segmented", "forecast", "sampled"],
)
def pair(request):
    """One series as the model says, and widened."""
    outcome, day = make_series(70, level_change=25.0, seed=3)
    outcome = outcome.drop(outcome.index[[10, 50]])
    # A minimum on the other side of the mean, so that P(benefit) has to fall.
    given = {"minimum_effect": 1.0, **request.param}
    plain = run(outcome, day, AnalysisSpec(**given))
    wide = run(outcome, day, AnalysisSpec(**given, interval_factor=FACTOR))
    return plain, wide


def test_sds_and_interval_ends_move_by_the_factor_and_means_stay(pair):
    plain, wide = pair
    for name in EFFECTS:
        told, found = getattr(plain.effects, name), getattr(wide.effects, name)
        if told is None:
            assert found is None
            continue
        assert found.mean == pytest.approx(told.mean)
        assert found.sd == pytest.approx(FACTOR * told.sd)
        for end in ("ci_lower", "ci_upper"):
            away = getattr(told, end) - told.mean
            assert getattr(found, end) - found.mean == pytest.approx(FACTOR * away)


def test_the_effect_in_percent_follows_the_widened_one(pair):
    _, wide = pair
    observed = wide.daily.loc[wide.daily["phase"] == "post", "observed"].sum()
    cumulative, relative = wide.effects.cumulative, wide.effects.relative
    for end in ("ci_lower", "ci_upper"):
        amount = getattr(cumulative, end)
        expected = 100.0 * amount / (observed - amount)
        assert getattr(relative, end) == pytest.approx(expected)


def test_an_interval_that_reaches_zero_goes_with_its_probability(pair):
    plain, _ = pair
    # Widened until the lower end is 0, the probability below 0 is that below the old lower end.
    effect = plain.effects.counterfactual
    reaching = effect.mean / (effect.mean - effect.ci_lower)
    assert reaching > 1.0
    outcome = plain.daily.set_index("day")["observed"].dropna()
    spec = AnalysisSpec.from_dict({**plain.spec.to_dict(), "interval_factor": reaching})
    found = run(outcome, plain.intervention_on, spec).effects
    assert found.counterfactual.ci_lower == pytest.approx(0.0, abs=1e-6)
    assert found.counterfactual.probability_positive == pytest.approx(0.975, abs=2e-3)
    assert found.cumulative.probability_positive == found.counterfactual.probability_positive


def test_the_probability_of_benefit_is_that_of_the_draws(pair):
    plain, wide = pair
    assert wide.probability_of_benefit < plain.probability_of_benefit
    draws = wide.draws["counterfactual_effect"]
    assert np.mean(draws > 1.0) == pytest.approx(wide.probability_of_benefit, abs=0.01)
    assert np.std(draws) == pytest.approx(wide.effects.counterfactual.sd, rel=0.05)
    relative = wide.draws["relative_effect"]
    assert np.quantile(relative, 0.975) == pytest.approx(wide.effects.relative.ci_upper, rel=0.05)


def test_bands_of_days_move_likewise(pair):
    plain, wide = pair
    for mean, ends in (
        ("counterfactual", ("counterfactual_lower", "counterfactual_upper_50")),
        ("effect", ("effect_lower", "effect_upper")),
        ("cumulative_effect", ("cumulative_lower", "cumulative_upper")),
    ):
        np.testing.assert_allclose(wide.daily[mean], plain.daily[mean])
        for end in ends:
            away = plain.daily[end] - plain.daily[mean]
            np.testing.assert_allclose(
                wide.daily[end] - wide.daily[mean], FACTOR * away, rtol=1e-6, atol=1e-9
            )
    last = wide.daily.iloc[-1]
    whole = wide.effects.cumulative
    # Bands are computed of fewer nodes than effects.
    assert last["cumulative_lower"] == pytest.approx(whole.ci_lower, abs=0.15 * whole.sd)


def test_what_is_told_beside_the_effect_is_widened_as_well(pair):
    plain, wide = pair
    for told, found in zip(plain.what_if, wide.what_if, strict=True):
        assert np.isfinite(told.ci_lower)
        assert found.mean == pytest.approx(told.mean)
        assert found.ci_upper - found.mean == pytest.approx(FACTOR * (told.ci_upper - told.mean))
        assert abs(found.probability_positive - 0.5) <= abs(told.probability_positive - 0.5)


def test_a_marginals_quantiles_and_probabilities_are_each_others_inverse():
    told = SampleMarginal(np.random.default_rng(0).gamma(2.0, size=20_000))
    found = WidenedMarginal(told, 2.0)
    for probability in (0.025, 0.3, 0.5, 0.975):
        at = found.quantile(probability)
        assert found.above(at) == pytest.approx(1.0 - probability, abs=1e-3)
    assert widened(told, 1.0) is told


def test_a_factor_makes_another_fingerprint_and_the_default_none():
    outcome, day = make_series(40)
    assert "interval_factor" not in AnalysisSpec().to_dict()
    plain, wide = (
        fingerprint(outcome, day, spec)
        for spec in (AnalysisSpec(interval_factor=1), AnalysisSpec(interval_factor=1.01))
    )
    assert plain == fingerprint(outcome, day, AnalysisSpec())
    assert plain != wide


@pytest.mark.parametrize("value", [0.99, -2.0, float("nan"), float("inf"), True, "2", 101.0])
def test_no_factor_narrows(value):
    with pytest.raises(ValueError, match=r"interval_factor must be .* but got"):
        AnalysisSpec(interval_factor=value)


def test_what_a_schedule_adds_is_widened_alike():
    outcome, _ = make_series(80, rho=0.2, seed=4)
    on = [("2024-01-21", "2024-02-09"), ("2024-03-01", None)]
    schedule = replace(Schedule.periods(on), done_otherwise=(date(2024, 1, 23),))
    others = {"walks": "2024-02-15"}

    def told(factor):
        spec = AnalysisSpec(season="none", interval_factor=factor)
        found = analyze(outcome, schedule, spec, others=others, audited=False).by_schedule
        assert found is not None
        assert found.likeness is not None
        (other,) = found.others
        effects = [phase.effect for phase in found.phases if phase.on]
        return [*effects, found.likeness.first_less_later, other.effect, other.together,
                found.as_done]  # fmt: skip

    for plain, wide in zip(told(1.0), told(FACTOR), strict=True):
        assert plain is not None
        assert wide is not None
        assert wide.mean == pytest.approx(plain.mean, abs=1e-6)
        assert wide.sd == pytest.approx(FACTOR * plain.sd)
        assert wide.ci_upper - wide.mean == pytest.approx(FACTOR * (plain.ci_upper - plain.mean))
