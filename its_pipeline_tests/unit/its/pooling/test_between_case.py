"""The single-case field's effect sizes against what was published of the same data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its.pooling.between_case import between_case
from its_pipeline.its.pooling.between_case_reml import between_case_reml
from its_pipeline_tests.support import shared_data_dir


def _read(name):
    return pd.read_csv(shared_data_dir() / f"scdhlm_{name}.csv")


def _close(found, **published):
    for name, value in published.items():
        assert getattr(found, name) == pytest.approx(value, abs=1e-6), name


def test_lamberts_reversals_are_as_published():
    data = _read("Lambert")
    found = between_case(
        data[data["measure"] == "disruptive behavior"].sample(frac=1, random_state=0),
        "SSR",
        reversal=True,
    )
    _close(
        found,
        mean_change=-5.457995,
        variance=4.673913,
        autocorrelation=0.224680,
        intraclass_correlation=0.029868,
        df=164.492271,
        standardised=-2.513073,
    )
    assert found.standardised_variance == pytest.approx(0.04054616, abs=1e-8)


def test_laskis_multiple_baseline_is_as_published():
    found = between_case(_read("Laski"), "baseline", reversal=False)
    _close(found, mean_change=31.822475, standardised=1.388385, df=13.100415)
    assert found.standardised_variance == pytest.approx(0.10050132, abs=1e-8)


@pytest.mark.parametrize(
    ("measure", "standardised"),
    [
        ("writing quality", 1.963073),
        ("T-unit length", 0.785400),
        ("number of constructions", 0.747554),
    ],
)
def test_saddlers_writers_are_as_published(measure, standardised):
    data = _read("Saddler")
    found = between_case(data[data["measure"] == measure], "baseline", reversal=False)
    _close(found, standardised=standardised)


def test_laskis_children_by_reml_are_as_published():
    """Effect, error and components as `scdhlm`'s vignette prints them."""
    found = between_case_reml(
        _read("Laski").sample(frac=1, random_state=0), "baseline", reversal=False
    )
    for name, value in {
        "mean_change": 30.68366,
        "standardised": 1.4048872,
        "autocorrelation": 0.2527690,
        "intraclass_correlation": 0.5606064,
        "df": 18.5524061,
    }.items():
        assert getattr(found, name) == pytest.approx(value, rel=2e-6), name
    assert found.standardised_variance**0.5 == pytest.approx(0.2863249, abs=1e-6)
    assert found.variance == pytest.approx(15.68278**2 + 13.8842**2, rel=1e-5)


def test_saddlers_writers_by_reml_are_as_published():
    data = _read("Saddler")
    found = between_case_reml(
        data[data["measure"] == "writing quality"], "baseline", reversal=False
    )
    assert found.mean_change == pytest.approx(2.181029, abs=1e-5)
    assert found.autocorrelation == pytest.approx(0.3819756, abs=1e-5)
    assert found.variance == pytest.approx(0.6621631**2 + 0.6656806**2, abs=1e-5)
    told = (found.uncorrected, found.standardised, found.standardised_variance**0.5, found.df)
    assert told == pytest.approx((2.323, 2.174, 0.557, 11.963), abs=5e-4)


def _simulated(between, phi, seed, n_cases=40, n=30):
    rng = np.random.default_rng(seed)
    rows = []
    for case in range(n_cases):
        error = np.empty(n)
        error[0] = rng.normal()
        for at in range(1, n):
            error[at] = phi * error[at - 1] + np.sqrt(1.0 - phi**2) * rng.normal()
        level = 5.0 + between**0.5 * rng.normal()
        for at in range(n):
            on = at >= 8 + case % 12
            rows.append((case, at, "b" if on else "a", level + error[at] + 1.5 * on))
    return pd.DataFrame(rows, columns=["case", "time", "treatment", "outcome"])


@pytest.mark.parametrize(("between", "phi"), [(0.0, 0.0), (1.0, 0.4), (3.0, -0.3)])
def test_reml_finds_what_was_simulated(between, phi):
    several = [
        between_case_reml(_simulated(between, phi, seed), "a", reversal=False) for seed in range(6)
    ]
    true = 1.5 / (1.0 + between) ** 0.5
    effects = np.array([each.standardised for each in several])
    errors = np.array([each.standardised_variance**0.5 for each in several])
    assert abs(effects.mean() - true) < 3.0 * errors.mean() / len(several) ** 0.5
    assert np.mean([each.autocorrelation for each in several]) == pytest.approx(phi, abs=0.06)
    shares = np.mean([each.intraclass_correlation for each in several])
    assert shares == pytest.approx(between / (1.0 + between), abs=0.08)


def test_reml_takes_occasions_with_gaps():
    data = _simulated(1.0, 0.4, 9).sample(frac=0.7, random_state=1)
    assert between_case_reml(data, "a", reversal=False).autocorrelation == pytest.approx(
        0.4, abs=0.1
    )


@pytest.mark.parametrize("estimator", [between_case, between_case_reml])
def test_an_outcome_that_does_not_vary_has_no_unit(estimator):
    with pytest.raises(ValueError, match="does not vary"):
        estimator(_data().assign(outcome=1.0), "off", reversal=False)


def _data():
    rows = [
        (case, t, "on" if t >= 3 + case else "off", float((7 * t + 3 * case) % 5 + t))
        for case in range(3)
        for t in range(9)
    ]
    return pd.DataFrame(rows, columns=["case", "time", "treatment", "outcome"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d[d["case"] < 2], "at least 3 cases but got 2"),
        (lambda d: d.assign(treatment="on"), "two conditions"),
        (lambda d: d.drop(columns="time"), r"columns \['time'\]"),
        (lambda d: pd.concat([d, d.iloc[:1]]), "more than once"),
        (lambda d: d[(d["case"] != 1) | (d["treatment"] == "off")], "lack a condition"),
        (lambda d: d.assign(outcome=[None, *d["outcome"][1:]]), "needs all its values"),
    ],
)
def test_what_cannot_be_told_is_refused(change, says):
    with pytest.raises(ValueError, match=says):
        between_case(change(_data()), "off", reversal=False)


def test_an_outcome_in_other_units_has_the_same_standardised_effect():
    one = between_case(_data(), "off", reversal=False)
    scaled = _data().assign(outcome=lambda d: 7.0 * d["outcome"] - 100.0)
    other = between_case(scaled, "off", reversal=False)
    assert other.standardised == pytest.approx(one.standardised, rel=1e-9)
    assert other.mean_change == pytest.approx(7.0 * one.mean_change, rel=1e-9)
