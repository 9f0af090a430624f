"""Weeks, months and numbered sessions in a store, from the file to the page, nothing said."""

from __future__ import annotations

import html
import re
from datetime import date

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.events.metrics import registered_metrics
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path, publish_experiment
from its_pipeline.experiments.service import fit_experiment
from its_pipeline.ingest import daily, steps
from its_pipeline.settings import Settings, get_settings
from its_pipeline_tests.support import shared_data_dir
from tools.stores import METRIC, log_intervention, short_settings, write_daily

KEY = "ada|change"
#: Rows of the checklist speak of days and dates in general.
GENERAL = re.compile(
    r"number of days or periods|analysed when its day has come|Event partitions \S+ to \S+"
)


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("ITS_MLFLOW_URL", "")
    monkeypatch.setenv("ITS_TODAY_ON", "2024-09-01")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    return call


def imported(run, tmp_path, column: str, texts: list[str], values: np.ndarray) -> str:
    file = tmp_path / "mood.csv"
    rows = (f"{text},{value:.3f}" for text, value in zip(texts, values, strict=True))
    file.write_text("\n".join([f"{column},mood", *rows]) + "\n")
    told = run("import", file, "--user-id", "ada")
    settings = get_settings()
    for day in steps.changed_days(settings):
        steps.export_day(settings, day)
        steps.validate_day_partition(settings, day)
    daily.build_daily(settings)
    return told


def noise(n: int, effect: float = 5.0) -> np.ndarray:
    rng = np.random.default_rng(8)
    return rng.normal(50.0, 3.0, n) + effect * (np.arange(n) >= n // 2)


def page_text(settings: Settings, key: str) -> str:
    """Publish an experiment and return what its page says."""
    outcome = fit_experiment(Snapshot(settings), key)
    publish_experiment(settings, key)
    page = page_path(settings, key).read_text()
    bare = re.sub(r"<style.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", bare)))
    return f"{outcome.verdict.status}: {GENERAL.sub('', text)}"


def test_a_file_of_weeks_becomes_an_experiment_of_weeks(run, tmp_path):
    days = pd.date_range("2024-01-03", periods=22, freq="7D")
    told = imported(run, tmp_path, "week", [f"{day:%Y-%m-%d}" for day in days], noise(22))
    assert "2024-01-03 to 2024-05-29, one a week" in told
    run("intervention", "log", "ada", "change", "--from", days[11].date(), "--outcome", "mood")
    settings = get_settings()
    prepared = Snapshot(settings).prepare(KEY)
    assert prepared.plan.cadence == "week"
    assert prepared.spec is not None
    assert (prepared.spec.cadence, prepared.spec.season) == ("week", "none")
    assert prepared.plan.window.pre_start_on == days[11].date() - pd.Timedelta(weeks=90)
    text = page_text(settings, KEY)
    assert text.startswith("analysed")
    assert "Weeks before / since 11 / 11" in text
    assert "the baseline is the 90 weeks up to the start" in text
    assert not re.search(r"\b([Dd]ays?|[Dd]aily|weekday)\b", text)
    assert "weeks with it" in run("plan", "ada", "mood")


def test_numbered_sessions_wait_and_are_told_by_their_numbers(run, tmp_path):
    told = imported(run, tmp_path, "session", [str(n) for n in range(1, 18)], noise(17))
    assert "numbers of sessions), session 1 to session 17" in told
    assert registered_metrics(get_settings())["mood"].analysis.cadence == "session"
    logged = run("intervention", "log", "ada", "change", "--from", "12", "--outcome", "mood")
    assert "from session 12 on" in logged
    assert "session 12 to open" in run("intervention", "list")
    text = page_text(get_settings(), KEY)
    assert text.startswith("waiting")
    assert "11 observed sessions before the start and 6 after it" in text
    assert "Possible after session 19" in text
    assert not re.search(r"\b([Dd]ays?|[Dd]aily)\b|1999|2000", text)
    imported(run, tmp_path, "session", [str(n) for n in range(1, 23)], noise(22))
    text = page_text(get_settings(), KEY)
    assert text.startswith("analysed")
    assert "Sessions before / since 11 / 11" in text
    assert "Began session 12" in text
    assert not re.search(r"\b([Dd]ays?|[Dd]aily)\b|1999|2000", text)


@pytest.mark.parametrize(
    ("file", "case", "number", "value", "phase", "off"),
    [
        ("scan_Huber2014.csv", "Adam", "mt", "compliance", "phase", "A"),
        ("scdhlm_Laski.csv", "Case 1", "time", "outcome", "treatment", "baseline"),
        ("scdhlm_Saddler.csv", "Case 1", "time", "outcome", "treatment", "baseline"),
        ("scdhlm_Lambert.csv", "case A1", "time", "outcome", "treatment", "SSR"),
    ],
)
def test_published_sessions_go_through_a_store(
    run, tmp_path, file, case, number, value, phase, off
):
    data = pd.read_csv(shared_data_dir() / file)
    rows = data[data["case"] == case].sort_values(number)
    if "measure" in rows:
        rows = rows[rows["measure"] == rows["measure"].iloc[0]]
    numbers = rows[number].to_numpy(int)
    told = imported(run, tmp_path, "session", list(map(str, numbers)), rows[value].to_numpy(float))
    assert f"session {numbers[0]} to session {numbers[-1]}" in told
    on = rows[phase].to_numpy() != off
    starts = np.flatnonzero(on & ~np.r_[False, on[:-1]])
    ends = np.flatnonzero(on & ~np.r_[on[1:], False])
    periods = [f"{numbers[a]}..{numbers[b]}" for a, b in zip(starts, ends, strict=True)]
    given = [word for period in periods for word in ("--on", period)]
    run("intervention", "log", "ada", "change", "--outcome", "mood", *given)
    text = page_text(get_settings(), KEY)
    n_off, n_on = int((~on).sum()), int(on.sum())
    assert text.startswith(("analysed", "waiting", "refused", "closed")), text[:200]
    if min(n_off, n_on) >= 8:
        assert text.startswith("analysed"), text[:300]
    else:
        assert f"{n_on} observed session" in text or f"{n_off} observed session" in text
    assert not re.search(r"\b([Dd]ays?|[Dd]aily|weekday)\b|1999|2000", text)


def test_years_go_through_a_store(run, tmp_path):
    years = [f"{year}-01-01" for year in range(1950, 2010)]
    told = imported(run, tmp_path, "year", years, noise(60))
    assert "one a year" in told
    run("intervention", "log", "ada", "change", "--from", years[30], "--outcome", "mood")
    settings = get_settings()
    prepared = Snapshot(settings).prepare(KEY)
    assert prepared.plan.cadence == "year"
    text = page_text(settings, KEY)
    assert text.startswith("analysed")
    assert "Years before / since 30 / 30" in text
    assert not re.search(r"\b([Dd]ays?|[Dd]aily|weekday)\b", text)


def stored(tmp_path, days, values, started_on: date, **changes) -> Settings:
    settings = short_settings(tmp_path, **changes)
    rows = pd.DataFrame({"day": pd.DatetimeIndex(days), "value": values, "n_events": 1})
    shares = {f"share_{part}": 0.0 for part in ("morning", "evening", "night")}
    write_daily(settings, {"u": rows.assign(share_afternoon=1.0, **shares)})
    log_intervention(settings, started_on=started_on, direction="decrease")
    return settings


@pytest.mark.parametrize(
    ("file", "dates", "value", "started_on", "n_pre"),
    [
        ("uk_seatbelts.csv", "date", "drivers", date(1983, 2, 20), 90),
        ("quetiapine_dispensings.csv", "month", "dispensings", date(2014, 1, 1), 36),
    ],
)
def test_published_months_are_analysed_as_months(tmp_path, file, dates, value, started_on, n_pre):
    data = pd.read_csv(shared_data_dir() / file)
    form = "%d-%b-%y" if dates == "month" else None
    settings = stored(tmp_path, pd.to_datetime(data[dates], format=form), data[value], started_on)
    prepared = Snapshot(settings).prepare("u|morning")
    # The month that holds the day is the first one on.
    assert prepared.plan.window.started_on == started_on.replace(day=1)
    assert prepared.plan.n_pre == n_pre
    assert prepared.spec is not None
    assert (prepared.spec.cadence, prepared.spec.season) == ("month", "month")
    verdict = fit_experiment(Snapshot(settings), "u|morning").verdict
    assert verdict.status == "analysed"
    assert verdict.cadence == "month"
    assert verdict.effects is not None
    effect = (verdict.effects or {})["counterfactual"]
    assert effect is not None
    assert effect["ci_upper"] < 0.0


def test_a_waiting_month_is_awaited_in_months_and_a_metric_may_say_its_own(tmp_path):
    days = pd.date_range("2024-01-01", periods=30, freq="MS")
    settings = stored(tmp_path, days, noise(30), date(2026, 3, 1))
    plan = Snapshot(settings).prepare("u|morning").plan
    assert (plan.state, plan.n_pre, plan.n_post) == ("waiting", 26, 4)
    assert plan.analysable_on == date(2026, 11, 1)
    assert "26 observed months before the start" in plan.reason
    (tmp_path / "metrics.yaml").write_text(
        f"metrics:\n  - name: {METRIC}\n    column: session_performance_score\n"
        "    analysis: {cadence: quarter}\n"
    )
    refused = Snapshot(settings).prepare("u|morning").plan
    assert refused.state == "refused"
    assert "2024-01-01 and 2024-02-01 lie in the same quarter" in refused.reason
