"""From a stored verdict to the page people open: what is shown, and what never is."""

from __future__ import annotations

from datetime import date

import pytest

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.experiments.preparation import Options, Snapshot
from its_pipeline.experiments.publish import is_published, page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment, open_store
from its_pipeline.its.plots import DRAWINGS
from its_pipeline.settings import Settings
from tools.stores import (
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
        self.artifacts: dict[str, bytes] = {}

    def record_analysis(self, verdict, told, files, context, on_run=None):
        return "0" * 32

    def add_artifacts(self, run_id, files):
        assert run_id == "0" * 32
        self.artifacts.update({name: path.read_bytes() for name, path in files.items()})

    def link_page(self, run_id, address):
        raise AssertionError("every page is drawn here")


@pytest.fixture
def settings(tmp_path) -> Settings:
    chosen = short_settings(tmp_path)
    write_daily(chosen, {"u": series(effect=12.0)})
    log_intervention(chosen)
    return chosen


def test_an_analysed_experiment_gets_its_page_plots_and_copies(settings):
    recorder = Recorder()
    verdict = fit_experiment(Snapshot(settings), KEY, None, recorder).verdict
    assert not is_published(settings, verdict)
    publication = publish_experiment(settings, KEY, recorder)
    html = publication.page.read_text()
    assert "Study in the morning" in html
    assert verdict.fingerprint is not None
    assert verdict.fingerprint in html
    for sentence in publication.sentences:
        assert sentence.split()[0] in html
    assert set(publication.plots) == set(DRAWINGS)
    assert publication.plots["predictive_check"].name == "predictive.png"
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in publication.plots.values())
    assert publication.thumbnail_png is not None
    assert len(publication.thumbnail_png) < 36_000
    assert recorder.artifacts["report/report.html"] == publication.page.read_bytes()
    assert {"plots/counterfactual.png", "plots/predictive.png"} <= set(recorder.artifacts)
    assert is_published(settings, verdict)
    assert publish_experiment(settings, KEY, recorder).unchanged


def test_a_changed_verdict_is_published_anew(settings):
    fit_experiment(Snapshot(settings), KEY)
    publish_experiment(settings, KEY)
    write_daily(settings, {"u": with_another_last_day(series(effect=12.0))})
    second = fit_experiment(Snapshot(settings), KEY).verdict
    publication = publish_experiment(settings, KEY)
    assert not publication.unchanged
    assert second.fingerprint is not None
    assert second.fingerprint in publication.page.read_text()


def test_what_did_not_converge_shows_no_effect_and_takes_the_old_plots_away(settings):
    good = fit_experiment(Snapshot(settings), KEY).verdict
    assert good.effects is not None
    publish_experiment(settings, KEY)
    fit_experiment(Snapshot(settings, Options(HEAVY, draws=10, tune=50, chains=2)), KEY)
    publication = publish_experiment(settings, KEY)
    assert publication.verdict.status == "not_converged"
    assert publication.plots == {}
    assert publication.thumbnail_png is None
    assert not list(publication.page.parent.glob("*.png"))
    html = publication.page.read_text()
    effect = good.effects["counterfactual"]
    assert effect is not None
    assert f"{effect['mean']:.1f}" not in html
    assert "R-hat" in html


def test_a_waiting_experiment_says_until_when(settings):
    early = settings.model_copy(update={"today_on": date(2026, 5, 6)})
    fit_experiment(Snapshot(early), KEY)
    publication = publish_experiment(early, KEY)
    assert publication.verdict.analysable_on == "2026-05-09"
    assert "9 May 2026" in publication.page.read_text()


def test_nothing_is_published_before_anybody_looked(settings):
    with pytest.raises(LookupError, match="no verdict yet"):
        publish_experiment(settings, KEY)
    assert not page_path(settings, KEY).exists()
    assert open_store(settings).verdict(KEY) is None
