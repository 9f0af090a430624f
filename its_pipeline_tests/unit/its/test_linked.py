"""Counts and yes/no outcomes through `analyze`: what is told, and that two methods tell it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import Analysis, AnalysisSpec, InvalidSeries, analyze, linked, models
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.likelihoods.linked import POISSON_COUNTS
from its_pipeline.its.linked import linked_posterior
from its_pipeline_tests.support import shared_data_dir
from its_pipeline_tests.unit.its.likelihoods_cases import outcome_of

START = 30


def asked(outcome, likelihood, **settings):
    spec = AnalysisSpec(likelihood=likelihood, **settings)
    return analyze(outcome, outcome.index[len(outcome) // 2], spec, audited=False)


def effects_of(analysis):
    assert analysis.effects is not None
    return analysis.effects


@pytest.fixture(scope="module")
def counted():
    outcome = outcome_of("negative_binomial", n=120, seed=3, base=6.0, effect=np.log(0.5))
    return outcome, asked(outcome, "negative_binomial", direction="decrease")


@pytest.mark.parametrize(
    ("kind", "base", "per"),
    [
        ("poisson", 2.0, 1),
        ("negative_binomial", 5.0, 1),
        ("binomial", 0.3, 1),
        ("binomial", 0.3, 5),
    ],
)
def test_the_sampler_tells_the_same_as_the_weighed_draws(kind, base, per):
    trials = np.full(60, per)
    outcome = outcome_of(kind, seed=5, base=base, effect=0.4, per=trials)
    denominator = pd.Series(trials.astype(float), outcome.index) if per > 1 else None
    found = analyze(
        outcome, outcome.index[START], AnalysisSpec(likelihood=kind), denominator=denominator
    )
    assert found.converged, found.diagnostics.failures
    verdict = found.diagnostics
    assert verdict.weighed_draws > 1000.0
    assert verdict.quadrature_error < 0.02
    assert verdict.audit_difference < 0.15
    assert type(verdict.audit_difference) is float  # Dagster takes no other numbers
    assert verdict.is_sampled


def test_a_halved_rate_is_found_with_its_ratio(counted):
    effects = effects_of(counted[1])
    assert effects.ratio is not None
    assert effects.ratio.ci_lower < 0.5 < effects.ratio.ci_upper
    assert effects.ratio.ci_upper < 1.0
    assert effects.ratio.probability_negative > 0.99
    assert effects.counterfactual.ci_upper < 0.0
    assert counted[1].probability_of_benefit > 0.99


def test_what_is_told_hangs_together(counted):
    outcome, analysis = counted
    effects, daily = effects_of(analysis), analysis.daily
    post = daily["phase"] == "post"
    assert effects.counterfactual.mean == pytest.approx(daily["effect"][post].mean(), rel=1e-6)
    assert effects.cumulative.mean == pytest.approx(60 * effects.counterfactual.mean)
    assert daily["cumulative_effect"].iloc[-1] == pytest.approx(effects.cumulative.mean, rel=1e-6)
    assert effects.relative is not None
    assert effects.ratio is not None
    assert effects.relative.mean == pytest.approx(100.0 * (effects.ratio.mean - 1.0), abs=1e-6)
    drawn = analysis.draws["counterfactual_effect"]
    assert effects.counterfactual.mean == pytest.approx(drawn.mean(), rel=1e-9)
    assert (daily["counterfactual_lower"] > 0.0).all()
    fitted = daily["fitted"][post].mean()
    assert fitted == pytest.approx(outcome[60:].mean(), rel=0.15)


def test_the_same_seed_gives_the_same_answer(counted):
    outcome, analysis = counted
    again = asked(outcome, "negative_binomial", direction="decrease")
    assert again.effects == analysis.effects


def test_an_answer_comes_back_from_disk(counted, tmp_path):
    analysis = counted[1]
    back = Analysis.load(analysis.save(tmp_path))
    assert back.effects == analysis.effects
    assert back.diagnostics == analysis.diagnostics
    assert back.posterior is not None
    predictive = back.posterior_predictive(40, 1)
    assert predictive.shape == (40, 120)
    assert np.array_equal(predictive, np.rint(predictive))
    assert predictive[:, :60].mean() == pytest.approx(6.0, rel=0.3)


def test_person_time_is_taken_into_account():
    per = np.where(np.arange(80) < 40, 1.0, 3.0)
    outcome = outcome_of("poisson", n=80, seed=1, base=4.0, per=per)
    spec = AnalysisSpec(likelihood="poisson")
    days = pd.Series(per, outcome.index)
    told = analyze(outcome, outcome.index[40], spec, denominator=days, audited=False)
    plain = analyze(outcome, outcome.index[40], spec, audited=False)
    ratios = [effects_of(each).ratio for each in (told, plain)]
    assert ratios[0] is not None
    assert ratios[1] is not None
    assert ratios[0].ci_lower < 1.0 < ratios[0].ci_upper
    assert ratios[1].ci_lower > 1.5


def test_nothing_at_all_after_the_start_is_an_answer():
    outcome = outcome_of("poisson", seed=2, base=3.0)
    outcome.iloc[START:] = 0.0
    effects = effects_of(asked(outcome, "poisson", direction="decrease"))
    before = outcome.iloc[:START].mean()
    assert effects.counterfactual.probability_negative > 0.99
    assert effects.counterfactual.mean == pytest.approx(-before, rel=0.3)
    assert effects.ratio is not None
    assert effects.ratio.ci_upper < 0.2


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0)])
def test_a_phase_without_any_event_has_a_ratio_of_its_own(before, after):
    values = np.repeat([before, after], 14) * np.tile([2.0, 0.0, 1.0, 0.0], 7)
    outcome = pd.Series(values, pd.date_range("2026-01-01", periods=28))
    effects = effects_of(asked(outcome, "negative_binomial"))
    assert effects.ratio is not None
    assert effects.relative is not None
    # 10 events against none: far off from 1, and how far nobody knows.
    assert effects.ratio.ci_upper > 15.0 * effects.ratio.ci_lower > 0.0
    assert (effects.ratio.ci_lower > 1.0) == (after > before)
    assert (effects.ratio.ci_upper < 1.0) == (after < before)
    told = [effects.ratio.ci_upper, effects.relative.ci_lower, effects.relative.ci_upper]
    assert np.isfinite(told).all()


def test_days_off_without_any_event_say_nothing_of_how_rates_differ():
    is_off = np.arange(20) < 10
    none, one = np.where(is_off, 0.0, 1.0), np.where(is_off, 0.0, 1.0)
    one[3] = 1.0
    scales = [POISSON_COUNTS.observations(y, None, is_off).scale for y in (none, one)]
    assert scales[0] == scales[1] == 0.5


@pytest.mark.parametrize(
    ("freq", "likelihood", "has_small"),
    [
        ("D", "negative_binomial", True),
        ("7D", "negative_binomial", True),
        ("MS", "negative_binomial", False),
        ("MS", "normal", True),
    ],
)
def test_counts_of_months_have_a_trend_that_is_not_small(freq, likelihood, has_small):
    days = pd.date_range("2020-01-01", periods=48, freq=freq)
    outcome = pd.Series(np.random.default_rng(2).poisson(40.0, 48).astype(float), days)
    analysis = analyze(outcome, days[30], AnalysisSpec(likelihood=likelihood), audited=False)
    spec = analysis.spec
    assert spec.has_secular_trend is not has_small


def test_a_trend_of_months_is_not_taken_for_an_effect():
    rng, months = np.random.default_rng(7), np.arange(59)
    days = pd.date_range("2002-01-01", periods=59, freq="MS")
    told = []
    for slope in (0.0025, -0.0025):
        rate = 850.0 * np.exp(slope * (months - 18.0))
        events = pd.Series(rng.poisson(rate).astype(float), days)
        found = analyze(events, days[36], AnalysisSpec(likelihood="poisson"), audited=False)
        ratio = effects_of(found).ratio
        assert ratio is not None
        told.append(np.log(ratio.mean))
    # With the trend of people's days they lie .05 apart, the one above 0 and the other below.
    assert told == pytest.approx([0.0, 0.0], abs=0.045)
    assert told[0] - told[1] < 0.03


def test_a_change_of_probability_is_told_as_one_with_its_odds_ratio():
    outcome = outcome_of("binomial", n=160, seed=4, base=0.2, effect=2.0, sd=0.2)
    effects = effects_of(asked(outcome, "binomial"))
    difference = outcome[80:].mean() - outcome[:80].mean()
    assert effects.counterfactual.mean == pytest.approx(difference, abs=0.08)
    assert effects.counterfactual.unit == "probability"
    assert effects.ratio is not None
    assert effects.ratio.ci_lower < np.exp(2.0) < effects.ratio.ci_upper


def test_missing_days_are_bridged_and_days_on_and_off_have_their_phases():
    from its_pipeline.its import Schedule

    outcome = outcome_of("poisson", n=80, seed=6, base=5.0)
    on = [(outcome.index[20], outcome.index[39]), (outcome.index[60], outcome.index[79])]
    outcome = outcome.drop(outcome.index[[5, 6, 45]])
    outcome[on[0][0] : on[0][1]] += 6.0
    outcome[on[1][0] : on[1][1]] += 6.0
    schedule = Schedule.periods([(first.date(), last.date()) for first, last in on])
    found = analyze(outcome, schedule, AnalysisSpec(likelihood="poisson"), audited=False)
    assert effects_of(found).counterfactual.ci_lower > 2.0
    told = found.phases[found.phases["on"]]
    assert (told["effect"] > 2.0).all()
    assert len(found.daily) == 80


def test_a_spike_is_an_outlier_and_counts_of_the_model_are_not():
    outcome = outcome_of("poisson", n=100, seed=8, base=4.0, sd=0.1)
    usual = asked(outcome, "poisson")
    outcome.iloc[70] = 40.0
    odd = asked(outcome, "poisson")
    assert "outlier_days" not in [each.code for each in usual.warnings]
    assert "outlier_days" in [each.code for each in odd.warnings]


def test_a_rare_yes_is_no_outlier_and_a_share_far_off_is():
    rare = outcome_of("binomial", n=120, seed=1, base=0.03, sd=0.1)
    assert rare.sum() > 0.0
    assert "outlier_days" not in [each.code for each in asked(rare, "binomial").warnings]
    trials = np.full(100, 40)
    shares = outcome_of("binomial", n=100, seed=1, base=0.3, sd=0.1, per=trials)
    shares.iloc[70] = 1.0
    per = pd.Series(40.0, shares.index)
    spec = AnalysisSpec(likelihood="binomial")
    odd = analyze(shares, shares.index[50], spec, denominator=per, audited=False)
    assert "outlier_days" in [each.code for each in odd.warnings]


@pytest.mark.parametrize(
    ("likelihood", "value", "code"),
    [
        ("poisson", 1.5, "not_counts"),
        ("negative_binomial", -1.0, "not_counts"),
        ("binomial", 2.0, "not_shares"),
        ("binomial", 0.5, "not_shares"),
    ],
)
def test_numbers_of_another_kind_are_refused(likelihood, value, code):
    outcome = outcome_of("binomial", seed=0, base=0.5)
    outcome.iloc[3] = value
    with pytest.raises(InvalidSeries) as caught:
        asked(outcome, likelihood)
    assert caught.value.code == code
    assert f"{value:g}" in str(caught.value)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_outcome_without_any_change_is_refused(value):
    outcome = outcome_of("binomial", seed=0, base=0.5)
    outcome[:] = value
    with pytest.raises(InvalidSeries) as caught:
        asked(outcome, "binomial")
    assert caught.value.code == "constant_outcome"


def test_a_denominator_must_be_there_on_each_observed_day():
    outcome = outcome_of("poisson")
    per = pd.Series(2.0, outcome.index)
    per.iloc[10] = np.nan
    with pytest.raises(InvalidSeries) as caught:
        analyze(outcome, outcome.index[START], AnalysisSpec(likelihood="poisson"), denominator=per)
    assert caught.value.code == "bad_denominator"


def test_a_forecast_of_counts_is_refused():
    with pytest.raises(InvalidSeries) as caught:
        asked(outcome_of("poisson"), "poisson", estimator="forecast")
    assert caught.value.code == "forecast_of_link"


def test_draws_that_are_worth_too_little_are_replaced_by_the_sampler_s(monkeypatch):
    from its_pipeline.its import linked

    outcome = outcome_of("poisson", seed=1)
    likelihood = POISSON_COUNTS
    spec = AnalysisSpec(likelihood="poisson")
    fit, _ = prepared_fit(outcome, outcome.index[START], spec, None, models.likelihood("poisson"))
    usual = linked_posterior(fit, likelihood, spec, audited=False)
    monkeypatch.setattr(
        linked, "weighed", lambda *args: linked.replace(usual.response.drawn, error=1.0)
    )
    found = linked_posterior(fit, likelihood, spec, audited=False)
    assert found.diagnostics.is_sampled
    assert not found.diagnostics.by_quadrature
    means = [each.effects().counterfactual.mean for each in (usual, found)]
    assert means[0] == pytest.approx(means[1], abs=0.2 * usual.effects().counterfactual.sd)


def test_nodes_of_which_half_hold_no_mass_have_no_small_error():
    from its_pipeline.its.likelihoods.latent_grid import error_of_halves

    weights, means, variances = np.array([0.5, 0.5]), np.zeros((3, 1, 1)), np.ones((3, 1, 1))
    error = error_of_halves(weights, np.array([0, 1]), means, variances)
    assert error == pytest.approx(0.0, abs=1e-12)
    assert np.isinf(error_of_halves(weights, np.array([0, 2]), means, variances))


def test_the_shift_and_the_spike_of_published_counts_are_found():
    cases = pd.read_csv(shared_data_dir() / "campy_counts.csv")["cases"].astype(float)
    # Four-week periods; Liboschik, Fokianos & Fried (2017), J. Stat. Softw. 82(5), section 5.1.
    outcome = pd.Series(cases.to_numpy(), pd.date_range("1990-01-01", periods=140, freq="28D"))
    spec = AnalysisSpec(likelihood="negative_binomial", season="none")
    found = analyze(outcome, outcome.index[83], spec, audited=False)
    effects = effects_of(found)
    # Their shift of 3.08 enters the feedback anew each period: 3.08 / (1 - .369 - .220) in the end.
    assert (
        effects.counterfactual.ci_lower
        < 3.08 / (1.0 - 0.369 - 0.220)
        < (effects.counterfactual.ci_upper)
    )
    assert effects.counterfactual.probability_positive > 0.95
    [odd] = [each for each in found.warnings if each.code == "outlier_days"]
    assert f"{outcome.index[99]:%Y-%m-%d}" in odd.text


def test_an_audit_that_fails_is_asked_again_elsewhere(monkeypatch):
    runs = []
    real, judge = linked.sampled, linked._audited

    def sampled(problem, seen, near, steps, settings, cores):
        runs.append(settings)
        return real(problem, seen, near, steps, settings, cores)

    def audited(*options, escalated):
        found = judge(*options, escalated=escalated)
        return found if len(runs) == 3 else replace(found, converged=False)

    monkeypatch.setattr(linked, "sampled", sampled)
    monkeypatch.setattr(linked, "_audited", audited)
    monkeypatch.setattr(linked, "AUDIT_DRAWS", 300)
    outcome = outcome_of("binomial", n=28, seed=2, base=0.3)
    found = analyze(outcome, outcome.index[14], AnalysisSpec(likelihood="binomial"))
    assert len({each.seed for each in runs}) == 3
    assert [each.target_accept for each in runs] == [0.9, 0.98, 0.98]
    assert found.diagnostics.escalated
