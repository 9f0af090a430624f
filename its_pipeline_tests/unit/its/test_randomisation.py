"""The randomisation test against published p values, brute force, and its level under the null."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its.decisions.randomisation import (
    N_SAMPLED,
    Randomisation,
    days_exposed,
    randomisation_test,
    whitened_statistic,
)
from its_pipeline.its.models import noise_model
from its_pipeline.schedules.assignments import draw, every_assignment, sampled_assignments
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline_tests.support import shared_data_dir

AR1 = {"phi": 0.5, "share_new": 0.3, "sigma": 2.0}


def _whitening(parameters, steps):
    model = noise_model("ar1_white")

    def whiten(columns):
        return np.column_stack([model.whiten(column, steps, parameters) for column in columns.T])

    return whiten


def _mean_difference(y):
    """Return the statistic off minus on of all observations."""

    def statistic(z):
        return ((~z) @ y) / (~z).sum(axis=1) - (z @ y) / z.sum(axis=1)

    return statistic


def _mean_of_phase_means(y):
    """Return the statistic off minus on of the means of phases."""

    def of_one(z):
        changes = np.flatnonzero(np.diff(z)) + 1
        means = [part.mean() for part in np.split(y, changes)]
        return np.mean(means[0::2]) - np.mean(means[1::2])

    return lambda z: np.array([of_one(row) for row in z])


@pytest.mark.parametrize(
    ("statistic_of", "n_extreme"), [(_mean_of_phase_means, 4), (_mean_difference, 5)]
)
def test_published_p_values_of_a_reversal_by_lot(statistic_of, n_extreme):
    data = pd.read_csv(shared_data_dir() / "scrt_ABAB.csv")
    observed = data["phase"].str.startswith("B").tolist()
    mechanism = Mechanism(phases=4, shortest_run=4, first="off")
    statistic = statistic_of(data["score"].to_numpy(float))
    answer = randomisation_test(statistic, observed, mechanism, 24, seed=0, alternative="greater")
    assert answer.statistic == pytest.approx(2.0)
    assert answer.exact
    assert answer.n_assignments == 165
    assert answer.p_value == n_extreme / 165
    # The other side, and both: the statistic turned round says the same.
    less = randomisation_test(
        lambda z: -statistic(z), observed, mechanism, 24, seed=0, alternative="less"
    )
    assert less.p_value == n_extreme / 165
    both = randomisation_test(statistic, observed, mechanism, 24, seed=0)
    assert both.p_value >= answer.p_value


def _melatonin(rows):
    """Return outcome, nuisance columns and calendar days of some rows, and which were on.

    The lot was drawn over the study's 70 days, which are not all neighbours on the calendar.
    """
    data = pd.read_csv(shared_data_dir() / "melatonin_mood_nof1_daily.csv", parse_dates=["date"])
    days = (data["date"] - data["date"].iloc[0]).dt.days.to_numpy()
    weekday = np.eye(7)[data["date"].dt.dayofweek.to_numpy()][:, 1:]
    nuisance = np.column_stack([np.ones(70), days / 70, weekday])
    assert data["melatonin"].sum() == 35
    return data["mood"].to_numpy(float)[rows], nuisance[rows], days[rows], data["melatonin"] == 1


NUISANCE_SD = np.array([100.0, 20.0, *np.full(6, 5.0)])
#: So that units and rows are not the same thing.
SOME_ROWS = np.flatnonzero(np.arange(70) % 9 != 4)


@pytest.mark.parametrize(
    ("phi", "lowest", "highest"),
    [
        # Welch's test of the study, which takes days as independent, has p = .489.
        (0.0, 0.469, 0.509),
        # With the day-level autocorrelation that the study gives another effect is estimated.
        (0.341, 0.25, 0.7),
    ],
)
def test_melatonin_does_nothing_for_mood_that_the_lot_alone_could_not_do(phi, lowest, highest):
    y, nuisance, days, on = _melatonin(np.arange(70))
    whiten = _whitening({"phi": phi, "share_new": 0.0, "sigma": 6.0}, days)
    exposure = days_exposed(1, np.arange(70))
    statistic = whitened_statistic(y, nuisance[:, :1], NUISANCE_SD[:1], whiten, exposure)
    answer = randomisation_test(statistic, on.tolist(), Mechanism(balance="total"), 70, seed=1)
    assert not answer.exact
    assert answer.n_assignments == N_SAMPLED
    assert lowest < answer.p_value < highest


def test_the_statistic_is_the_regression_of_each_assignment():
    y, nuisance, days, _ = _melatonin(SOME_ROWS)
    whiten = _whitening(AR1, days)
    statistic = whitened_statistic(y, nuisance, NUISANCE_SD, whiten, days_exposed(1, SOME_ROWS))
    assignments = sampled_assignments(Mechanism(balance="total"), 70, 60, seed=2)
    wanted = []
    for z in assignments:
        X = np.column_stack([z[SOME_ROWS].astype(float), nuisance])
        rows = np.vstack([whiten(X), np.eye(9)[1:] / NUISANCE_SD[:, None]])
        outcome = np.concatenate([whiten(y[:, None])[:, 0], np.zeros(8)])
        coefficients = np.linalg.lstsq(rows, outcome, rcond=None)[0]
        wanted.append(coefficients[0] / np.sqrt(np.linalg.inv(rows.T @ rows)[0, 0]))
    np.testing.assert_allclose(statistic(assignments), wanted, rtol=1e-9, atol=1e-9)


def test_estimating_the_sd_anew_for_each_assignment_would_not_change_the_order():
    y, nuisance, days, _ = _melatonin(SOME_ROWS)
    whiten = _whitening(AR1, days)
    assignments = sampled_assignments(Mechanism(balance="total"), 70, 200, seed=2)
    exposure = days_exposed(1, SOME_ROWS)
    T = whitened_statistic(y, nuisance, np.full(8, 1e6), whiten, exposure)(assignments)
    t = []
    for z in assignments:
        rows = whiten(np.column_stack([z[SOME_ROWS], nuisance]).astype(float))
        b, (rss,), *_ = np.linalg.lstsq(rows, whiten(y[:, None])[:, 0], rcond=None)
        se = np.sqrt(rss / (len(y) - 9) * np.linalg.inv(rows.T @ rows)[0, 0])
        t.append(b[0] / se)
    np.testing.assert_array_equal(np.argsort(T), np.argsort(t))


MECHANISM = Mechanism(balance="block", block_days=4)


def _statistic(y, parameters=AR1):
    days = np.arange(len(y))
    nuisance = np.column_stack([np.ones(len(y)), days / len(y)])
    whiten = _whitening(parameters, days)
    return whitened_statistic(y, nuisance, np.full(2, 10.0), whiten, days_exposed(1, days))


def _series(rng, n, phi):
    y = np.zeros(n + 50)
    for i in range(1, n + 50):
        y[i] = phi * y[i - 1] + rng.standard_normal()
    return y[50:]


def test_no_more_false_alarms_than_promised():
    rng = np.random.default_rng(1)
    n, n_units = 400, 16
    alarms = 0
    for seed in range(n):
        # The statistic's noise is not the series': the level holds all the same.
        statistic = _statistic(_series(rng, n_units, 0.8))
        observed = draw(replace(MECHANISM, seed=seed), n_units)
        answer = randomisation_test(statistic, observed, MECHANISM, n_units, seed=0)
        alarms += answer.p_value <= 0.05
    assert alarms / n <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / n)
    assert alarms / n >= 0.05 - 3 * np.sqrt(0.05 * 0.95 / n)


@pytest.mark.parametrize("alternative", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("rounded", [False, True])
def test_every_assignment_as_the_observed_one_keeps_every_level(alternative, rounded):
    # Exactness itself: the lot gives each assignment the same chance of having been the real one.
    y = _series(np.random.default_rng(2), 12, 0.5)
    statistic = _mean_difference(np.round(y)) if rounded else _statistic(y)
    every = every_assignment(MECHANISM, 12)
    p = np.sort(
        [
            randomisation_test(statistic, z.tolist(), MECHANISM, 12, 0, alternative).p_value
            for z in every
        ]
    )
    assert len(p) == 216
    assert (p >= np.arange(1, 217) / 216 - 1e-12).all()
    assert p[-1] == 1


def test_a_real_effect_is_found():
    mechanism = replace(MECHANISM, seed=3)
    observed = draw(mechanism, 28)
    y = _series(np.random.default_rng(3), 28, 0.5) + 4.0 * np.array(observed)
    answer = randomisation_test(_statistic(y), observed, mechanism, 28, seed=0)
    assert not answer.exact
    assert answer.p_value < 0.01
    assert answer.statistic > 3
    wrong_side = randomisation_test(_statistic(y), observed, mechanism, 28, 0, "less")
    assert wrong_side.p_value > 0.9


def test_sampled_p_values_are_near_the_exact_one_and_never_zero(monkeypatch):
    mechanism = replace(MECHANISM, seed=5)
    observed = draw(mechanism, 20)
    statistic = _statistic(_series(np.random.default_rng(8), 20, 0.5))
    exact = randomisation_test(statistic, observed, mechanism, 20, seed=0)
    assert exact.exact
    monkeypatch.setattr("its_pipeline.its.decisions.randomisation.MOST_LISTED", 100)
    sampled = randomisation_test(statistic, observed, mechanism, 20, seed=0)
    assert not sampled.exact
    assert sampled.statistic == exact.statistic
    assert abs(sampled.p_value - exact.p_value) < 0.015
    assert sampled == randomisation_test(statistic, observed, mechanism, 20, seed=0)
    assert sampled != randomisation_test(statistic, observed, mechanism, 20, seed=1)
    # Nothing sampled is as extreme, but what was observed is.
    pattern = np.array(observed)
    alone = randomisation_test(
        lambda z: (z == pattern).mean(axis=1) ** 9, observed, mechanism, 20, seed=3
    )
    n_same = (sampled_assignments(mechanism, 20, N_SAMPLED, 3) == pattern).all(axis=1).sum()
    assert alone.p_value == (n_same + 1) / (N_SAMPLED + 1)


def test_ties_count_whatever_rounding_did_to_them():
    y = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2])

    def with_rounding(sign):
        # Each assignment's own error, of the size that sums in another order have.
        return lambda z: np.round(z @ y, 9) + sign * 1e-15 * (z @ np.arange(8))

    observed = draw(Mechanism(balance="total", seed=1), 8)
    mechanism = Mechanism(balance="total")
    up, down = (
        randomisation_test(with_rounding(sign), observed, mechanism, 8, 0, "greater").p_value
        for sign in (1, -1)
    )
    assert up == down


def test_the_histogram_holds_every_assignment():
    observed = draw(replace(MECHANISM, seed=1), 20)
    statistic = _statistic(_series(np.random.default_rng(4), 20, 0.5))
    answer = randomisation_test(statistic, observed, MECHANISM, 20, seed=0)
    assert len(answer.bin_counts) == 60
    assert len(answer.bin_edges) == 61
    assert sum(answer.bin_counts) == answer.n_assignments == 6**5
    assert answer.bin_edges[0] <= answer.statistic <= answer.bin_edges[-1]
    assert Randomisation.from_dict(json.loads(json.dumps(answer.to_dict()))) == answer
    # What was observed lies inside also where nothing that was sampled reaches it.
    pattern = np.array(draw(MECHANISM, 28))
    alone = randomisation_test(
        lambda z: (z == pattern).mean(axis=1), pattern.tolist(), MECHANISM, 28, seed=0
    )
    assert alone.p_value == 1 / (N_SAMPLED + 1)
    assert alone.bin_edges[-1] == alone.statistic == 1.0


def test_what_the_lot_could_not_have_drawn_is_refused():
    y = np.arange(8.0)
    with pytest.raises(ValueError, match=r"could not have drawn .* units 1 to 4 must be on, 2"):
        randomisation_test(_mean_difference(y), [True] * 3 + [False] * 5, MECHANISM, 8, seed=0)
    with pytest.raises(ValueError, match=r"must have shape \(8,\) but got \(4,\)"):
        randomisation_test(_mean_difference(y), [True, False] * 2, MECHANISM, 8, seed=0)
    with pytest.raises(ValueError, match=r"alternative must be one of .* but got 'both'"):
        randomisation_test(
            _mean_difference(y),
            [True, False] * 4,
            MECHANISM,
            8,
            seed=0,
            alternative="both",  # pyright: ignore[reportArgumentType]
        )


def test_a_statistic_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="must be finite for every assignment but 37 are not"):
        randomisation_test(
            lambda z: np.full(len(z), np.nan), [True, False] * 4, MECHANISM, 8, seed=0
        )


def test_an_assignment_that_tells_nothing_has_the_statistic_zero():
    # Days 0 to 3 alone are observed; an assignment that is off on all of them has no effect there.
    days = np.arange(4)
    statistic = whitened_statistic(
        np.array([1.0, 3.0, 2.0, 5.0]),
        np.ones((4, 1)),
        np.array([10.0]),
        _whitening(AR1, days),
        days_exposed(1, days),
    )
    z = np.array([[0, 0, 0, 0, 1, 1], [0, 1, 0, 0, 1, 1]], dtype=bool)
    assert statistic(z)[0] == 0.0
    assert statistic(z)[1] != 0.0


def test_what_does_not_fit_or_cannot_be_a_prior_is_refused():
    whiten, exposure = _whitening(AR1, np.arange(4)), days_exposed(1, np.arange(4))
    y, N = np.arange(4.0), np.ones((4, 1))
    for sd in (np.array([np.inf]), np.array([0.0]), np.array([-1.0])):
        with pytest.raises(ValueError, match="nuisance_sd must be positive and finite"):
            whitened_statistic(y, N, sd, whiten, exposure)
    with pytest.raises(ValueError, match=r"need an outcome of shape \(4,\) .* but got \(3,\)"):
        whitened_statistic(y[:3], N, np.ones(1), whiten, exposure)
    with pytest.raises(ValueError, match=r"sds of shape \(1,\) but got \(4,\) and \(2,\)"):
        whitened_statistic(y, N, np.ones(2), whiten, exposure)


def test_units_lie_on_their_days_and_what_was_not_drawn_is_off():
    z = np.array([[True, False, True], [False, True, False]])
    exposure = days_exposed(2, np.array([-2, -1, 0, 1, 3, 4, 6, 7]))
    np.testing.assert_array_equal(exposure(z), [[0, 0, 1, 1, 0, 1, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0]])
