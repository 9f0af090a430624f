"""From a key to a stored verdict, on a real store with real (short) sampling."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.events.interventions import InterventionLog, UnknownInterventionError
from its_pipeline.experiments import service
from its_pipeline.experiments.preparation import Options, Snapshot
from its_pipeline.experiments.service import (
    fit_experiment,
    fit_prepared,
    is_stale,
    open_store,
    record_crash,
)
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import RunContext, Verdict
from tools.stores import (
    METRIC,
    START_ON,
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

#: Heavy tails have to be sampled, so few draws are too few; a quadrature has no draws.
HEAVY = AnalysisOptions(likelihood="student_t")
KEY = "u|morning"


class Recorder:
    """Keeps what it is told, as MLflow would."""

    def __init__(self) -> None:
        self.recorded: list[str] = []
        self.broken = False

    def record_analysis(self, verdict, told, files, context, on_run=None):
        assert told["effects"] == verdict.effects
        assert files["analysis.json"].is_file()
        self.recorded.append(verdict.fingerprint)
        if on_run is not None:
            on_run(f"run-{len(self.recorded)}")
        if self.broken:
            raise RuntimeError("the run store is gone")
        return f"run-{len(self.recorded)}"

    def add_artifacts(self, run_id, files):
        raise AssertionError("nothing is published here")

    def link_page(self, run_id, address):
        raise AssertionError("nothing is published here")


@pytest.fixture
def settings(tmp_path) -> Settings:
    chosen = short_settings(tmp_path)
    write_daily(chosen, {"u": series(effect=12.0)})
    log_intervention(chosen)
    return chosen


def test_a_clear_effect_is_found_stored_and_not_computed_again(settings):
    recorder = Recorder()
    context = RunContext(dagster_run_id="dagster-1")
    outcome = fit_experiment(Snapshot(settings), KEY, context, recorder)
    verdict = outcome.verdict
    assert verdict.status == "analysed"
    assert not outcome.cached
    assert verdict.effects is not None
    counterfactual = verdict.effects["counterfactual"]
    assert counterfactual is not None
    assert counterfactual["ci_lower"] < 12.0 < counterfactual["ci_upper"]
    assert counterfactual["ci_lower"] > 0
    assert (verdict.n_pre, verdict.n_post) == (40, 40)
    assert verdict.dagster_run_id == "dagster-1"

    again = fit_experiment(Snapshot(settings), KEY, RunContext("dagster-2"), recorder)
    assert again.cached
    assert again.verdict == verdict
    assert recorder.recorded == [verdict.fingerprint]
    assert again.mlflow_run_id == outcome.mlflow_run_id == "run-1"
    assert not is_stale(Snapshot(settings), KEY)


def test_what_is_told_is_kept_before_and_completed_after(settings):
    store, recorder = open_store(settings), Recorder()
    prepared = Snapshot(settings).prepare(KEY)
    fingerprint = prepared.fingerprint or ""
    told = []

    def on_known(outcome):
        told.append(outcome)
        # What the looks come to is the experiment's, not the analysis'.
        assert store.finished(KEY, fingerprint) == replace(outcome.verdict, standing=None)
        # Nobody is to find the experiment done whose run is not.
        assert store.recorded_run(KEY, fingerprint) is None
        assert store.verdict(KEY) is None

    outcome = fit_prepared(settings, prepared, recorder=recorder, on_known=on_known)
    assert told == [outcome]
    assert outcome.mlflow_run_id == "run-1"
    assert store.verdict(KEY) == outcome.verdict
    assert store.recorded_run(KEY, fingerprint) == "run-1"


def test_a_look_interrupted_while_it_is_recorded_is_stale_and_completed(settings):
    recorder = Recorder()
    recorder.broken = True
    with pytest.raises(RuntimeError, match="gone"):
        fit_experiment(Snapshot(settings), KEY, recorder=recorder)
    assert open_store(settings).verdict(KEY) is None
    assert is_stale(Snapshot(settings), KEY)
    recorder.broken = False
    outcome = fit_experiment(Snapshot(settings), KEY, recorder=recorder)
    assert outcome.cached
    assert len(recorder.recorded) == 2
    assert not is_stale(Snapshot(settings), KEY)


def test_an_analysis_made_without_a_recorder_is_recorded_by_the_first_look_with_one(settings):
    recorder = Recorder()
    made = fit_experiment(Snapshot(settings), KEY)
    assert made.mlflow_run_id is None
    outcome = fit_experiment(Snapshot(settings), KEY, recorder=recorder)
    assert outcome.cached
    assert outcome.mlflow_run_id == "run-1"
    assert outcome.verdict == made.verdict


def test_a_new_day_changes_the_fingerprint_and_keeps_history(settings):
    first = fit_experiment(Snapshot(settings), KEY).verdict
    write_daily(settings, {"u": with_another_last_day(series(effect=12.0))})
    assert is_stale(Snapshot(settings), KEY)
    second = fit_experiment(Snapshot(settings), KEY).verdict
    assert second.fingerprint != first.fingerprint
    assert len(open_store(settings).history(KEY)) == 2


def test_an_amended_name_is_not_another_analysis(settings):
    first = fit_experiment(Snapshot(settings), KEY)
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.amend("u", "morning", name="Study before noon")
    amended = fit_experiment(Snapshot(settings), KEY)
    assert amended.verdict.intervention_name == "Study before noon"
    assert amended.verdict.fingerprint == first.verdict.fingerprint
    assert amended.cached
    log.amend("u", "morning", started_on=date(2026, 5, 3))
    log.close()
    moved = fit_experiment(Snapshot(settings), KEY)
    assert moved.verdict.fingerprint != first.verdict.fingerprint
    assert not moved.cached


def test_interrupted_after_the_analysis_the_next_look_only_finishes(settings):
    first = fit_experiment(Snapshot(settings), KEY).verdict
    (open_store(settings).folder(KEY) / "verdict.json").unlink()
    recorder = Recorder()
    outcome = fit_experiment(Snapshot(settings), KEY, None, recorder)
    assert outcome.cached
    assert outcome.verdict == first
    assert recorder.recorded == [first.fingerprint]


def test_too_few_days_wait_and_are_looked_at_again_when_their_day_has_come(settings):
    early = settings.model_copy(update={"today_on": date(2026, 5, 6)})
    waiting = fit_experiment(Snapshot(early), KEY).verdict
    assert (waiting.status, waiting.analysable_on) == ("waiting", "2026-05-09")
    assert waiting.effects is None
    assert not is_stale(Snapshot(early), KEY)
    later = settings.model_copy(update={"today_on": date(2026, 5, 9)})
    assert is_stale(Snapshot(later), KEY)
    assert fit_experiment(Snapshot(later), KEY).verdict.status == "analysed"


def test_a_constant_outcome_is_refused_with_its_reason(settings):
    flat = series()
    flat["value"] = 50.0
    write_daily(settings, {"u": flat})
    verdict = fit_experiment(Snapshot(settings), KEY).verdict
    assert (verdict.status, verdict.reason_code) == ("refused", "constant_outcome")
    assert "50" in verdict.reason
    assert fit_experiment(Snapshot(settings), KEY).cached


def test_what_does_not_converge_publishes_nothing_and_is_not_tried_for_ever(settings):
    few = Snapshot(settings, Options(HEAVY, draws=10, tune=50, chains=2))
    verdict = fit_experiment(few, KEY).verdict
    assert verdict.status == "not_converged"
    assert verdict.effects is None
    assert verdict.probability_of_benefit is None
    assert "R-hat" in verdict.reason
    assert "400" in verdict.reason
    assert fit_experiment(few, KEY).cached


def test_a_crash_is_recorded_and_tried_again(settings, monkeypatch):
    snapshot = Snapshot(settings)

    def crash(*_args, **_kwargs):
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr("its_pipeline.its.analyze", crash)
        with pytest.raises(ZeroDivisionError):
            fit_experiment(snapshot, KEY)
    crashed = record_crash(settings, snapshot.prepare(KEY), ZeroDivisionError("a defect"))
    assert crashed.status == "crashed"
    assert "ZeroDivisionError: a defect" in crashed.reason
    assert fit_experiment(snapshot, KEY).verdict.status == "analysed"


def test_withdrawn_is_closed_with_its_history(settings):
    fit_experiment(Snapshot(settings), KEY)
    log = InterventionLog(settings.resolved_intervention_log_url)
    log.withdraw("u", "morning", "logged by mistake")
    log.close()
    snapshot = Snapshot(settings)
    assert snapshot.experiment_keys(include_withdrawn=False) == []
    assert fit_experiment(snapshot, KEY).verdict.status == "closed"
    assert len(open_store(settings).history(KEY)) == 1


def test_an_unknown_metric_or_intervention_is_named(settings):
    log_intervention(settings, intervention_id="odd", outcome_metric="steps")
    verdict = fit_experiment(Snapshot(settings), "u|odd").verdict
    assert (verdict.status, verdict.reason_code) == ("refused", "unknown_metric")
    assert METRIC in verdict.reason
    with pytest.raises(UnknownInterventionError, match="nowhere"):
        fit_experiment(Snapshot(settings), "u|nowhere")


def test_a_person_without_events_waits(settings):
    log_intervention(settings, "nobody")
    verdict = fit_experiment(Snapshot(settings), "nobody|morning").verdict
    assert (verdict.status, verdict.n_pre, verdict.n_post) == ("waiting", 0, 0)


def test_preloading_gives_the_same_series(settings):
    write_daily(settings, {"u": series(effect=12.0), "v": series(seed=1)})
    log_intervention(settings, "v")
    one, many = Snapshot(settings), Snapshot(settings)
    many.preload(["u|morning", "v|morning"])
    for key in ("u|morning", "v|morning"):
        assert one.prepare(key).fingerprint == many.prepare(key).fingerprint


def test_options_and_direction_are_part_of_the_fingerprint(settings):
    snapshot = Snapshot(settings)
    prepared = snapshot.prepare(KEY)
    plain = replace(snapshot.options, analysis=AnalysisOptions(covariates=()))
    assert snapshot.prepare_intervention(prepared.intervention, plain).fingerprint != (
        prepared.fingerprint
    )
    other = replace(prepared.intervention, direction="decrease")
    assert snapshot.prepare_intervention(other).fingerprint != prepared.fingerprint
    assert np.datetime64(START_ON) in prepared.daily["day"].to_numpy().astype("datetime64[D]")


def _look(root: str) -> tuple[Verdict, bool]:
    outcome = service.fit_experiment(Snapshot(short_settings(Path(root))), KEY)
    return outcome.verdict, outcome.cached


def test_two_processes_at_once_compute_it_once(settings):
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        found = list(pool.map(_look, [str(settings.store_root)] * 2))
    assert found[0][0] == found[1][0]
    assert sorted(cached for _, cached in found) == [False, True]
