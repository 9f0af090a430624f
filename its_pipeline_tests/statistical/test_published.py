"""Real series against the independent AR(1) REML reference and against what was published.

The reference is a fit of the AR(1) corner of our model by another method.
Against published figures: Harvey & Durbin (1986) put the seat-belt law's effect on drivers at -23 %
and on front passengers at -30 %; a regression with AR(1) errors gives -14 % and -20 % (log -0.153,
-0.224), because their structural model lets level and season drift. Our noise has a part that
lasts, so our intervals hold both. Schaffer et al. (2021) put quetiapine's step at -3285 with a
seasonal ARIMA (their ramp is 1 in the first month, so our level change at the intervention is their
step plus their ramp); with fixed month effects it is -2585.
"""

import numpy as np
import pandas as pd
import pytest

from its_pipeline.its import AnalysisSpec
from its_pipeline_tests.support import shared_data_dir
from its_pipeline_tests.unit.its.series_factory import run

CLOSE = 0.5


def _reference(series, term, model=None):
    table = pd.read_csv(shared_data_dir() / "reference_gls_ar1_reml.csv")
    chosen = table[(table["series"] == series) & (table["term"] == term)]
    if model:
        chosen = chosen[chosen["model"] == model]
    assert len(chosen) == 1
    return chosen.iloc[0]


@pytest.mark.parametrize("who", ["drivers", "front", "rear"])
def test_seat_belts(who):
    data = pd.read_csv(shared_data_dir() / "uk_seatbelts.csv", index_col="date", parse_dates=True)
    covariates = data[["kms", "PetrolPrice"]].apply(np.log)
    spec = AnalysisSpec(direction="decrease", season="month", slope=False)
    a = run(np.log(data[who]), "1983-02-01", spec, covariates)
    reference = _reference(f"log({who})", "law")
    ours = a.effects.immediate
    # AR(1) errors are a corner of ours: what they say lies inside, and ours is no narrower.
    assert ours.ci_lower < reference["gls_ar1_reml"] < ours.ci_upper
    assert ours.sd > 0.9 * reference["se"]


@pytest.mark.parametrize(
    ("who", "published_percent"), [("drivers", -23.0), ("front", -30.0), ("rear", 3.0)]
)
def test_seat_belts_hold_what_was_published(who, published_percent):
    data = pd.read_csv(shared_data_dir() / "uk_seatbelts.csv", index_col="date", parse_dates=True)
    covariates = data[["kms", "PetrolPrice"]].apply(np.log)
    spec = AnalysisSpec(direction="decrease", season="month", slope=False)
    a = run(np.log(data[who]), "1983-02-01", spec, covariates)
    ours = a.effects.counterfactual
    assert ours.ci_lower < np.log1p(published_percent / 100) < ours.ci_upper
    if who != "rear":
        assert a.probability_of_benefit > 0.975


def test_quetiapine_step_and_ramp():
    data = pd.read_csv(shared_data_dir() / "quetiapine_dispensings.csv")
    outcome = pd.Series(
        data["dispensings"].to_numpy(float), pd.to_datetime(data["month"], format="%d-%b-%y")
    )
    a = run(outcome, "2014-01-01", AnalysisSpec(season="month", slope=True))
    step = a.draws["level_change"] - a.draws["slope_change"]
    reference = _reference("dispensings", "step")
    assert abs(step.mean() - reference["gls_ar1_reml"]) < CLOSE * reference["se"]
    reference = _reference("dispensings", "ramp")
    assert abs(a.effects.sustained.mean - reference["gls_ar1_reml"]) < CLOSE * reference["se"]
    assert a.effects.sustained.unit == "per month"


@pytest.mark.parametrize("trend", [False, True])
@pytest.mark.parametrize("pupil", ["Adam", "Berta", "Christian", "David"])
def test_pupils(pupil, trend):
    data = pd.read_csv(shared_data_dir() / "scan_Huber2014.csv")
    data = data[data["case"] == pupil]
    days = pd.Timestamp("2020-01-01") + pd.to_timedelta(data["mt"].to_numpy(), unit="D")
    start = days[(data["phase"] == "B").to_numpy()][0]
    spec = AnalysisSpec(season="none", slope=False, trend=trend)
    a = run(pd.Series(data["compliance"].to_numpy(float), index=days), start, spec)
    reference = _reference(pupil, "B", "y~t+B, AR1" if trend else "y~B, AR1")
    ours = a.effects.immediate
    # Two dozen days of a pupil who drifts: an AR(1) calls the drift an effect, ours leaves it open.
    assert ours.ci_lower < reference["gls_ar1_reml"] < ours.ci_upper


def test_covid_deaths_of_every_installation():
    from importlib.resources import files

    data = pd.read_csv(str(files("causalpy") / "data" / "deaths_and_temps_england_wales.csv"))
    outcome = pd.Series(data["deaths"].to_numpy(float), pd.to_datetime(data["date"]))
    covariates = pd.DataFrame({"temp": data["temp"].to_numpy(float)}, index=outcome.index)
    spec = AnalysisSpec(direction="decrease", season="month", slope=False, unit="deaths")
    a = run(outcome, "2020-01-01", spec, covariates)
    # excess deaths: thousands a month, and no fewer than none
    assert a.converged
    assert 1_000 < a.effects.counterfactual.mean < 15_000
    assert a.probability_of_benefit < 0.05
