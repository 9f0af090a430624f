"""How often the auditor asks again, and of whom: real chains of a real density."""

from dataclasses import replace

import numpy as np
import pytest

from its_pipeline.its import AnalysisSpec, Schedule
from its_pipeline.its.exact import integrate_posterior
from its_pipeline.its.fitting import prepared_fit
from its_pipeline.its.inference import audit as auditor
from its_pipeline.its.likelihoods.normal import NORMAL
from its_pipeline.its.targets import effect_contrasts
from its_pipeline_tests.unit.its.series_factory import make_series

LABELS = ("counterfactual_effect", "immediate_effect")


@pytest.fixture(scope="module")
def integrated():
    outcome, day = make_series(60, level_change=8, seed=1)
    fit, _ = prepared_fit(outcome, Schedule.since(day), AnalysisSpec(), None, NORMAL)
    return fit, integrate_posterior(fit)[0]


@pytest.fixture
def asked(monkeypatch):
    """Settings of every run that is sampled."""
    found = []
    real = auditor.sample

    def sample(density, settings, cores=None):
        found.append(settings)
        return real(density, settings, cores)

    monkeypatch.setattr(auditor, "sample", sample)
    return found


def audited(integrated, **options):
    fit, mixture = integrated
    collapsed = fit.noise_model.collapsed(fit.problem, mixture)
    targets = effect_contrasts(fit.series, fit.design)
    return auditor.audit(
        fit.problem, fit.noise_model, collapsed, mixture, targets, LABELS, 7, 1, **options
    )


def test_an_audit_that_passes_is_not_asked_again(integrated, asked):
    found = audited(integrated)
    assert found.diagnostics.converged
    assert len(asked) == 1
    assert found.trace["phi"].shape == (auditor.AUDIT_CHAINS, auditor.AUDIT_DRAWS)


def test_chains_too_few_are_joined_by_others(integrated, asked):
    found = audited(integrated, draws=220)
    runs = len(asked)
    assert 1 < runs <= auditor.MOST_RUNS
    assert len({each.seed for each in asked}) == runs
    assert {replace(each, seed=0) for each in asked} == {replace(asked[0], seed=0)}
    assert found.diagnostics.converged
    assert not found.diagnostics.escalated
    chains = found.trace["sigma"]
    assert chains.shape == (runs * auditor.AUDIT_CHAINS, 220)
    assert len(np.unique(chains[:, 0])) == len(chains)
    assert found.diagnostics.chains == len(chains)


def test_what_too_few_chains_cannot_reach_is_asked_of_a_stricter_run(integrated, asked):
    found = audited(integrated, draws=60)
    assert [each.draws for each in asked] == [60] * auditor.MOST_RUNS + [240]
    assert asked[-1].target_accept == auditor.ESCALATION_TARGET_ACCEPT
    assert len({each.seed for each in asked}) == len(asked)
    assert found.diagnostics.escalated
    assert found.trace["phi"].shape == (auditor.AUDIT_CHAINS, 240)


def test_other_chains_do_not_outvote_one_that_diverged(integrated, asked, monkeypatch):
    watched = auditor.sample

    def sample(density, settings, cores=None):
        chains = watched(density, settings, cores)
        if len(asked) == 1:
            chains.diverging[2, 5] = True
        return chains

    monkeypatch.setattr(auditor, "sample", sample)
    found = audited(integrated)
    assert [each.target_accept for each in asked] == [
        auditor.AUDIT_TARGET_ACCEPT,
        auditor.ESCALATION_TARGET_ACCEPT,
    ]
    assert found.diagnostics.converged
    assert found.diagnostics.escalated
