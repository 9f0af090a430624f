"""A noise model, a design and a likelihood are one new file and one line each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, fingerprint, registry
from its_pipeline_tests.unit.its.series_factory import make_series, run

TOYS = "its_pipeline_tests.unit.its.toys"
SHORT: Any = {"draws": 500, "tune": 300}


@pytest.fixture(autouse=True)
def _toys(monkeypatch):
    monkeypatch.setitem(registry.NOISE_MODELS, "white", f"{TOYS}.white:WHITE")
    monkeypatch.setitem(registry.DESIGNS, "fading", f"{TOYS}.fading:FADING")
    monkeypatch.setitem(registry.LIKELIHOODS, "clipped", f"{TOYS}.clipped:CLIPPED")


def test_an_unknown_name_is_refused_with_the_known_ones():
    for setting in ("noise", "design", "likelihood"):
        unknown: Any = {setting: "nowhere"}
        with pytest.raises(ValueError, match=f"{setting} must be one of .* but got 'nowhere'"):
            AnalysisSpec(**unknown)


@pytest.mark.parametrize("estimator", ["segmented", "forecast"])
def test_a_noise_model_of_ones_own_is_analysed_with(estimator):
    outcome, day = make_series(80, rho=0.0, level_change=12, missing=[7, 50], seed=2)
    a = run(outcome, day, AnalysisSpec(noise="white", estimator=estimator, **SHORT))
    ours = run(outcome, day, AnalysisSpec(estimator=estimator, **SHORT))
    assert a.converged
    assert set(a.trace) == {"sigma"}
    assert a.effects.counterfactual.mean == pytest.approx(
        ours.effects.counterfactual.mean, abs=ours.effects.counterfactual.sd
    )
    assert a.effects.counterfactual.ci_lower < 12 < a.effects.counterfactual.ci_upper
    predicted = a.posterior_predictive(400, seed=1)
    # Every day is new: neighbours of replicated series are not alike beyond the mean they share.
    rest = predicted - predicted.mean(axis=0)
    assert abs(np.mean(rest[:, 1:] * rest[:, :-1]) / np.mean(rest**2)) < 0.15


def test_independent_noise_gives_the_narrower_interval_on_alike_days():
    outcome, day = make_series(90, rho=0.7, seed=3)
    wide = run(outcome, day, AnalysisSpec(**SHORT)).effects.counterfactual
    narrow = run(outcome, day, AnalysisSpec(noise="white", **SHORT)).effects.counterfactual
    assert narrow.sd < 0.7 * wide.sd


def test_a_design_of_ones_own_is_analysed_with():
    outcome, day = make_series(90, rho=0.2, seed=4)
    since = (outcome.index - day).days.to_numpy()
    outcome = outcome + np.where(since >= 0, 40.0 * 0.5 ** (since / 10.0), 0.0)
    a = run(outcome, day, AnalysisSpec(design="fading", **SHORT))
    assert a.converged
    assert a.effects.immediate.ci_lower < 40.0 < a.effects.immediate.ci_upper
    assert a.effects.sustained is None
    daily = a.daily[a.daily["phase"] == "post"]["effect"].to_numpy()
    assert daily[20] == pytest.approx(daily[0] / 4.0, rel=1e-6)


def test_a_likelihood_of_ones_own_is_analysed_with():
    outcome, day = make_series(90, rho=0.2, seed=1)
    broken = outcome.copy()
    broken.iloc[[50, 57, 71]] += [200, 180, 220]
    clean = run(outcome, day, AnalysisSpec(**SHORT)).effects.counterfactual.mean
    normal = run(broken, day, AnalysisSpec(**SHORT))
    clipped = run(broken, day, AnalysisSpec(likelihood="clipped", **SHORT))
    moved = abs(normal.effects.counterfactual.mean - clean)
    assert abs(clipped.effects.counterfactual.mean - clean) < 0.6 * moved
    assert "heavy_tails" not in [w.code for w in clipped.warnings]


def test_student_t_says_what_it_needs_of_a_noise_model():
    with pytest.raises(ValueError, match=r"student_t.*'white' has none; use likelihood=\"normal\""):
        run(*make_series(40), AnalysisSpec(noise="white", likelihood="student_t", **SHORT))


def test_a_later_setting_is_part_of_the_fingerprint_only_where_it_is_set():
    outcome, day = make_series(40)
    assert "noise" not in AnalysisSpec().to_dict()
    spec = AnalysisSpec(noise="white")
    assert AnalysisSpec.from_dict(spec.to_dict()) == spec
    assert fingerprint(outcome, day, spec) != fingerprint(outcome, day, AnalysisSpec())
