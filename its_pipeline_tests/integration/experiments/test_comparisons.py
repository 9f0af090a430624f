"""Comparison series in a store, from command to page; and on a series with a published answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from its_pipeline.api.questions.bodies import analysis_answer
from its_pipeline.cli.main import app
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import publish_experiment
from its_pipeline.experiments.service import fit_experiment, is_stale, load_analysis, open_store
from its_pipeline.settings import Settings
from its_pipeline.stores.verdict import Verdict
from its_pipeline_tests.support import shared_data_dir
from its_pipeline_tests.unit.experiments.test_comparisons import write_two
from tools.stores import START_ON, log_intervention, series, short_settings, write_daily

KEY = "u|morning"
EFFECT = 6.0
#: R CausalImpact's, as PROVENANCE.md gives it.
PUBLISHED = {"mean": -657.0, "sd": 736.0, "ci_lower": -2076.0, "ci_upper": 832.0}


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path))
    return short_settings(tmp_path)


def _cli(*words: Any, status: int = 0) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == status, (words, result.output, result.exception)
    return result.output


def _walker(settings: Settings, *, moved: float = 0.0, comparison: str = "steps") -> Verdict:
    """Evaluate somebody whose steps carry most of what moves their mood from day to day."""
    steps = series(level=9000.0, sd=1500.0, rho=0.6, seed=1, effect=moved)
    mood = series(effect=EFFECT, sd=3.0, seed=2)
    mood["value"] += 0.004 * (steps["value"] - 9000.0)
    write_two(settings, mood, steps)
    log_intervention(settings, analysis={"comparisons": comparison and [comparison]})
    return fit_experiment(Snapshot(settings), KEY).verdict


def _interval(effects: Any) -> tuple[float, float]:
    found = effects["counterfactual"]
    return found["ci_lower"], found["ci_upper"]


def _told(settings: Settings, verdict: Verdict) -> dict[str, Any]:
    assert verdict.fingerprint is not None
    folder = open_store(settings).analysis_folder(verdict.key, verdict.fingerprint)
    return json.loads((folder / "analysis.json").read_bytes())


def test_a_metric_that_explains_much_narrows_the_answer_and_all_say_so(settings):
    verdict = _walker(settings)
    lower, upper = _interval(verdict.effects)
    assert lower < EFFECT < upper
    analysis = load_analysis(settings, verdict)
    assert analysis is not None
    assert analysis.comparisons is not None
    without = analysis.comparisons.without
    assert without.ci_lower < EFFECT < without.ci_upper
    assert upper - lower < 0.7 * (without.ci_upper - without.ci_lower)
    assert "comparison_changed" not in {warning["code"] for warning in verdict.warnings}
    page = publish_experiment(settings, KEY).page.read_text()
    assert "With and without comparison series" in page
    assert "That is a claim" in page
    assert "It did not affect steps." in page
    assert "steps: its own change" in page
    told = _told(settings, verdict)
    answer = analysis_answer(settings, verdict, None, cached=False, told=told)
    assert answer.comparisons is not None
    assert answer.comparisons.without.estimate == without.mean
    assert [each.name for each in answer.comparisons.series] == ["steps"]
    assert verdict.fingerprint is not None
    folder = open_store(settings).analysis_folder(KEY, verdict.fingerprint)
    assert list(pd.read_parquet(folder / "comparisons.parquet")) == ["day", "steps"]


def test_a_metric_that_changed_itself_is_warned_of_on_the_page(settings):
    verdict = _walker(settings, moved=3000.0)
    warning = next(w for w in verdict.warnings if w["code"] == "comparison_changed")
    assert warning["numbers"]["change_ci_lower"] < 3000.0 < warning["numbers"]["change_ci_upper"]
    told = _told(settings, verdict)
    assert warning["numbers"]["without_mean"] == told["comparisons"]["without"]["mean"]
    page = publish_experiment(settings, KEY).page.read_text()
    assert "A comparison series changed too" in page
    assert "the claim that it is not affected does not hold" in page


def test_an_external_series_is_imported_declared_changed_and_taken_back(settings, tmp_path):
    mood = series(effect=EFFECT, seed=2)
    write_daily(settings, {"u": mood})
    file = tmp_path / "sun.csv"
    sun = pd.DataFrame({"date": mood["day"], "hours": np.arange(80) * 7 % 13, "rain": 0.5})
    sun.drop(index=[50]).to_csv(file, index=False)
    assert "say --value with one of 'hours', 'rain'" in _cli(
        "series", "import", "sun", file, status=2
    )
    assert "79 days" in _cli("series", "import", "sun", file, "--value", "hours")
    _cli("intervention", "log", "u", "morning", "--from", START_ON, "--comparison", "sun")
    verdict = fit_experiment(Snapshot(settings), KEY).verdict
    assert (verdict.status, verdict.n_pre, verdict.n_post) == ("analysed", 40, 39)
    (warning,) = [w for w in verdict.warnings if w["code"] == "days_without_comparison"]
    assert warning["numbers"]["days"] == 1.0
    assert "Days without a comparison series" in publish_experiment(settings, KEY).page.read_text()
    assert not is_stale(Snapshot(settings), KEY)

    sun["hours"] += sun.index == 10
    sun.to_csv(file, index=False)
    _cli("series", "import", "sun", file, "--value", "hours")
    assert is_stale(Snapshot(settings), KEY)
    whole = fit_experiment(Snapshot(settings), KEY).verdict
    assert whole.n_post == 40
    assert "sun" in _cli("series", "list")

    _cli("series", "remove", "sun")
    refused = fit_experiment(Snapshot(settings), KEY).verdict
    assert refused.status == "refused"
    assert "no external series (there is none)" in refused.reason
    _cli("intervention", "amend", "u", "morning", "--comparison", "none", "--reason", "no sun")
    plain = fit_experiment(Snapshot(settings), KEY).verdict
    assert plain.status == "analysed"
    assert _told(settings, plain)["comparisons"] is None


def test_what_cannot_be_imported_or_declared_says_why(settings, tmp_path):
    write_daily(settings, {"u": series()})
    file = tmp_path / "sun.csv"
    file.write_text("date,hours\n2026-05-01,1\n2026-05-01,2\n2026-05-02,3\n")
    assert "2026-05-01" in _cli("series", "import", "sun", file, status=2)
    assert "2 days" in _cli("series", "import", "sun", file, "--aggregate", "mean")
    metric = "sessionPerformanceScore"
    assert "is the name of an outcome metric" in _cli("series", "import", metric, file, status=2)
    words = ("intervention", "log", "u", "morning", "--from", START_ON, "--comparison", metric)
    assert "is the outcome" in _cli(*words, status=2)
    assert "'9lives'" in _cli(*words[:-1], "9lives", status=2)


@pytest.fixture(scope="module")
def controls() -> Path:
    return shared_data_dir() / "causalimpact_comparison_data.csv"


def test_the_published_answer_with_control_series_through_analyze(controls):
    names = [f"NOT_CHANGED_{number}" for number in (1, 2, 3)]
    chosen = [word for name in names for word in ("--covariate", name)]
    words = ("analyze", controls, "--date", "DATE", "--outcome", "CHANGED", *chosen)
    answer = json.loads(_cli(*words, "--intervention", "2019-07-15", "--json"))
    _holds_what_was_published(answer["effects"]["counterfactual"], answer["comparisons"])
    said = _cli(*words, "--intervention", "2019-07-15")
    assert "With and without comparison series" in said
    assert "NOT_CHANGED_2: its own change" in said


def test_the_published_answer_with_control_series_in_a_store(controls, settings):
    table = pd.read_csv(controls, parse_dates=["DATE"])
    days = series(len(table), 0, started_on=START_ON)
    write_daily(settings, {"u": days.assign(day=table["DATE"], value=table["CHANGED"])})
    names = [f"control_{number}" for number in (1, 2, 3)]
    for name in names:
        column = f"NOT_CHANGED_{name[-1]}"
        _cli("series", "import", name, controls, "--date", "DATE", "--value", column)
    chosen = [word for name in names for word in ("--comparison", name)]
    words = ("intervention", "log", "u", "morning", "--from", "2019-07-15")
    _cli(*words, *chosen, "--covariate", "none")
    verdict = fit_experiment(Snapshot(settings), KEY).verdict
    assert verdict.effects is not None
    told = _told(settings, verdict)
    _holds_what_was_published(verdict.effects["counterfactual"], told["comparisons"])


def _holds_what_was_published(effect: Any, comparisons: Any) -> None:
    assert effect["mean"] == pytest.approx(PUBLISHED["mean"], abs=0.1 * PUBLISHED["sd"])
    assert effect["sd"] == pytest.approx(PUBLISHED["sd"], rel=0.15)
    for end in ("ci_lower", "ci_upper"):
        assert effect[end] == pytest.approx(PUBLISHED[end], abs=0.4 * PUBLISHED["sd"])
    # Without the control series the days say next to nothing.
    assert comparisons["without"]["sd"] > 4 * effect["sd"]
    for each in comparisons["series"]:
        assert each["change"]["ci_lower"] < 0.0 < each["change"]["ci_upper"]
