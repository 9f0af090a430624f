"""The single-case field's effect sizes against what was published of the same data."""

from __future__ import annotations

import pandas as pd
import pytest

from its_pipeline.its.pooling.between_case import between_case
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
