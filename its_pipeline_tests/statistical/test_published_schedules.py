"""Real reversals and days by lot against what was published and against REML with AR(1) errors.

REML takes one autocorrelation, the likeliest, and no noise that is new every day; we average over
all that the days allow. With some thirty days that moves the estimate by up to a third of its
standard error; in the corner of our noise that is AR(1), the seventy days of melatonin give REML's
estimate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec, Mechanism, Schedule
from its_pipeline.its.headline import headline
from its_pipeline.its.noise.ar1_white import AutoregressivePlusWhiteNoise
from its_pipeline_tests.support import shared_data_dir
from its_pipeline_tests.unit.its.series_factory import run

SPEC = AnalysisSpec(season="none", trend=False)


def _references() -> pd.DataFrame:
    return pd.read_csv(shared_data_dir() / "reference_gls_ar1_reml.csv")


def _melatonin() -> tuple[pd.Series, pd.DatetimeIndex]:
    data = pd.read_csv(shared_data_dir() / "melatonin_mood_nof1_daily.csv", parse_dates=["date"])
    days = pd.DatetimeIndex(data["date"])
    return pd.Series(data["mood"].to_numpy(float), days), days[data["melatonin"] == 1]


def _lambert() -> dict[str, Any]:
    data = pd.read_csv(shared_data_dir() / "scdhlm_Lambert.csv")
    data = data[data["measure"] == "disruptive behavior"].sort_values("time")
    found = {}
    for case, rows in data.groupby("case"):
        days = pd.Timestamp("2020-01-01") + pd.to_timedelta(rows["time"].to_numpy(), unit="D")
        outcome = pd.Series(rows["outcome"].to_numpy(float), days)
        schedule = Schedule.days(days[(rows["treatment"] != "SSR").to_numpy()])
        found[str(case)] = headline(outcome, schedule, SPEC)
    return found


def test_lamberts_pupils():
    references = _references().set_index("series")
    ours = _lambert()
    assert len(ours) == 9
    away = {
        case: (told.mean - references.loc[case, "gls_ar1_reml"]) / references.loc[case, "se"]
        for case, told in ours.items()
    }
    assert max(map(abs, away.values())) < 0.3
    assert np.median(np.abs(list(away.values()))) < 0.15
    for case, told in ours.items():
        assert told.quantile(0.025) < references.loc[case, "gls_ar1_reml"] < told.quantile(0.975)
    # Hedges, Pustejovsky & Shadish (2012) put the mean change at -5.458; its standard error is that
    # of nine pupils' changes.
    means = np.array([told.mean for told in ours.values()])
    error = means.std(ddof=1) / 3.0
    assert abs(means.mean() - -5.458) < 0.5 * error
    reml = float(references.loc[list(ours), "gls_ar1_reml"].mean())
    assert abs(means.mean() - reml) < 0.15 * error


@pytest.mark.parametrize(("model", "trend"), [("y~mel, AR1", False), ("y~mel+t, AR1", True)])
def test_melatonin_is_remls_where_our_noise_is_ar1(model, trend, monkeypatch):
    outcome, on = _melatonin()
    references = _references()
    reference = references[references["model"] == model].iloc[0]
    spec = AnalysisSpec(season="none", trend=trend)
    ours = headline(outcome, Schedule.days(on), spec)
    assert abs(ours.mean - reference["gls_ar1_reml"]) < 0.3 * reference["se"]
    whole = AutoregressivePlusWhiteNoise.box.fget(AutoregressivePlusWhiteNoise())  # type: ignore[misc]
    corner = property(lambda _self: (whole[0], (0.01, 0.01)))
    monkeypatch.setattr(AutoregressivePlusWhiteNoise, "box", corner)
    ar1 = headline(outcome, Schedule.days(on), spec)
    assert abs(ar1.mean - reference["gls_ar1_reml"]) < 0.15 * reference["se"]


def test_melatonins_days_by_lot():
    outcome, on = _melatonin()
    found = run(outcome, Schedule.days(on, Mechanism(balance="total")), AnalysisSpec())
    assert found.randomisation.p_value == pytest.approx(0.4, abs=0.1)
    effect = found.effects.counterfactual
    # Welch's test of the publication: +0.92, p = .489.
    assert effect.ci_lower < 0.92 < effect.ci_upper


def test_a_reversal_with_change_points_by_lot():
    data = pd.read_csv(shared_data_dir() / "scrt_ABAB.csv")
    days = pd.date_range("2020-01-01", periods=24)
    outcome = pd.Series(data["score"].to_numpy(float), days)
    on = days[data["phase"].str.startswith("B").to_numpy()]
    lot = Mechanism(phases=4, shortest_run=4, first="off")
    found = run(outcome, Schedule.days(on, lot), AnalysisSpec(season="none"))
    tested = found.randomisation
    assert (tested.n_assignments, tested.exact) == (165, True)
    # 4/165 one way with the package's difference of phase means; ours is two-sided.
    assert tested.p_value == pytest.approx(4 / 165)
    effect = found.effects.counterfactual
    assert effect.ci_lower < -2.0 < effect.ci_upper
