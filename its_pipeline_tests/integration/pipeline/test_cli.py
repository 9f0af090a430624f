"""The command line, run as a person runs it, on stores in temporary folders."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import xarray
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline_tests.support import shared_data_dir

FEW = ["--draws", "500"]


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.setenv("ITS_STORE_ROOT", str(tmp_path / "store"))
    monkeypatch.setenv("ITS_DRAWS", "500")
    monkeypatch.setenv("ITS_TUNE", "500")
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def call(*arguments, code=0):
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return call


@pytest.fixture(scope="module")
def series_file(tmp_path_factory):
    rng = np.random.default_rng(5)
    days = pd.date_range("2026-01-01", periods=80)
    value = 50 + 8 * (np.arange(80) >= 40) + 3 * rng.standard_normal(80)
    path = tmp_path_factory.mktemp("series") / "mine.csv"
    pd.DataFrame({"day": days, "score": value, "sleep": rng.normal(7, 1, 80)}).to_csv(
        path, index=False
    )
    return path


def test_analyze_says_the_answer_in_words_and_numbers(run, series_file):
    output = run(
        "analyze", series_file, "--date", "day", "--outcome", "score",
        "--intervention", "2026-02-10", "--unit", "points", *FEW,
    )  # fmt: skip
    assert "points higher since" in output
    assert "counterfactual" in output
    assert "40 pre and 40 post days" in output


def test_analyze_as_json_agrees_with_itself_under_direction(run, series_file):
    common = ["--date", "day", "--outcome", "score", "--intervention", "2026-02-10", *FEW]
    more = json.loads(run("analyze", series_file, *common, "--covariate", "sleep", "--json"))
    fewer = json.loads(
        run("analyze", series_file, *common, "--json", "--covariate", "sleep",
            "--direction", "decrease")
    )  # fmt: skip
    assert more["diagnostics"]["converged"] is True
    effect = more["effects"]["counterfactual"]
    assert effect["ci_lower"] < 8 < effect["ci_upper"]
    assert more["probability_of_benefit"] > 0.99
    assert fewer["probability_of_benefit"] == pytest.approx(1 - more["probability_of_benefit"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--date": "when"}, "column 'when' is missing; the file has day, score, sleep"),
        ({"--intervention": "tomorrow"}, "--intervention should be a date"),
        ({"--direction": "up"}, "direction must be one of increase, decrease but got 'up'"),
        ({"--intervention": "2026-03-18"}, "8"),
        ({"--outcome": "day"}, "'day' has '2026-01-01'"),
        ({"--minimum-effect": "-1"}, "minimum_effect"),
        ({"--slope": "maybe"}, "slope must be auto, yes or no (true, false) but got 'maybe'"),
        (
            {"--season": "week"},
            "season must be one of day_of_week, month, year, none but got 'week'",
        ),
        ({"--likelihood": "cauchy"}, "likelihood must be one of normal, student_t, lognormal"),
    ],
)
def test_analyze_refuses_bad_input_with_status_2(run, series_file, changes, message):
    options = {"--date": "day", "--outcome": "score", "--intervention": "2026-02-10"} | changes
    flat = [part for pair in options.items() for part in pair]
    output = run("analyze", series_file, *flat, *FEW, code=2)
    assert message in output
    assert "Traceback" not in output


def test_analyze_takes_slope_and_trend(run, series_file):
    common = ["--date", "day", "--outcome", "score", "--intervention", "2026-02-10", "--json"]

    def spec_of(*options):
        answer = json.loads(run("analyze", series_file, *common, *options, *FEW))
        return answer["spec"]["slope"], answer["spec"]["trend"], answer["has_slope"]

    assert spec_of() == ("auto", True, True)
    assert spec_of("--slope", "no") == (False, True, False)
    assert spec_of("--slope", "yes") == (True, True, True)
    assert spec_of("--no-trend") == ("auto", False, False)
    refused = run(
        "analyze", series_file, *common, "--slope", "yes", "--no-trend", *FEW, code=2
    )  # fmt: skip
    assert "slope is yes but trend is no" in refused
    assert "say slope auto or no" in refused


@pytest.fixture(scope="module")
def days_file(tmp_path_factory):
    """Days by lot in blocks of eight, and a walk from the 40th day on, each worth 8."""
    lot = Mechanism(balance="block", block_days=8, longest_run=3, seed=2)
    schedule = draw_schedule(lot, "2026-01-01", 80, None)
    days = pd.date_range("2026-01-01", periods=80)
    on = np.array([int(schedule.is_on(day.date())) for day in days])
    noise = 3 * np.random.default_rng(7).standard_normal(80)
    table = pd.DataFrame({"day": days, "score": 50 + 8 * on + 8 * (np.arange(80) >= 40) + noise})
    path = tmp_path_factory.mktemp("days") / "mine.csv"
    table.assign(on=on, dose=on + on.cumsum() // 40).to_csv(path, index=False)
    return path


WALK = ["--also", "walk=2026-02-10.."]
BLOCKS = ["--by-lot", "block:8", "--longest-run", "3"]


def test_analyze_takes_periods_a_column_and_a_lot(run, days_file):
    common = ["analyze", days_file, "--date", "day", "--outcome", "score", *WALK, *FEW]
    said = run(*common, "--on-column", "on", *BLOCKS, "--unit", "points")
    assert "40 days off and 40 days on" in said
    assert "on days with" in said
    assert "as the lot alone decided the days" in said
    assert "the lot alone would have made a difference at least as large in less than 1 %" in said
    assert "phases are not shown" in said
    [walk] = [line.split() for line in said.splitlines() if line.strip().startswith("walk ")]
    assert 6 < float(walk[1]) < 10

    by_column = json.loads(run(*common, "--on-column", "on", *BLOCKS, "--json"))
    periods = [
        part
        for first, last in by_column["by_schedule"]["schedule"]["on_periods"]
        for part in ("--on", f"{first}..{last}")
    ]
    by_periods = json.loads(run(*common, *periods, *BLOCKS, "--json"))
    assert by_periods["by_schedule"] == by_column["by_schedule"]
    lot = by_column["by_schedule"]["randomisation"]
    assert lot["p_value"] < 0.01
    drawn = json.loads(
        run(*common, "--on-column", "on", *BLOCKS, "--drawn", "2026-01-01..2026-03-21", "--json")
    )
    assert drawn["by_schedule"]["randomisation"] == lot
    chosen = json.loads(run(*common, "--on-column", "on", "--carryover-days", "1", "--json"))
    assert chosen["by_schedule"]["randomisation"] is None
    assert chosen["spec"]["carryover_days"] == 1
    assert chosen["n_pre"] < 40


def test_analyze_says_phases_and_how_alike_they_are(run, series_file):
    said = run(
        "analyze", series_file, "--date", "day", "--outcome", "score",
        "--on", "2026-01-21..2026-02-09", "--on", "2026-03-02..", *FEW,
    )  # fmt: skip
    assert "21 January to 9 February 2026" in said
    assert "the first time less the later ones is" in said
    assert "the lot" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "when it was on should be said once, by one of --intervention, --on, --on-column, but "
         "got none of them"),
        (["--on", "2026-02-01..", "--on-column", "on"], "but got --on and --on-column"),
        (["--on-column", "dose"], "column 'dose' must hold 1 on days on and 0 on days off but has "
         "2.0 on"),
        (["--on-column", "walk"], "column 'walk' is missing; the file has day, score, on, dose"),
        (["--on", "soon"], "a period on should be first..last"),
        (["--on-column", "on", "--also", "2026-02-10.."], "should be NAME=first..last"),
        (["--on-column", "on", "--by-lot", "coin"], "should be total, block:DAYS"),
        (["--on-column", "on", "--longest-run", "3"], "--by-lot is not given"),
        (["--intervention", "2026-02-10", "--by-lot", "total"], "--intervention is on for good"),
        (["--intervention", "2026-02-10", "--carryover-days", "1"], "or use --washout-days"),
    ],
)  # fmt: skip
def test_analyze_refuses_schedules_that_say_nothing(run, days_file, options, message):
    output = run("analyze", days_file, "--date", "day", "--outcome", "score", *options, code=2)
    assert message in " ".join(output.split())


@pytest.fixture(scope="module")
def sleep_file(tmp_path_factory):
    """A series that sleep moves by 2 an hour, and the intervention by a fifth."""
    rng = np.random.default_rng(6)
    sleep = rng.normal(7, 1, 80)
    value = 40 + 2 * sleep + 10 * (np.arange(80) >= 40) + rng.standard_normal(80)
    path = tmp_path_factory.mktemp("sleep") / "mine.csv"
    days = pd.date_range("2026-01-01", periods=80)
    pd.DataFrame({"day": days, "score": value, "sleep": sleep}).to_csv(path, index=False)
    return path


def test_analyze_shows_the_coefficients_of_covariates_and_of_nothing_else(run, sleep_file):
    common = ["--date", "day", "--outcome", "score", "--intervention", "2026-02-10", *FEW]
    assert "Covariates" not in run("analyze", sleep_file, *common)
    output = run("analyze", sleep_file, *common, "--covariate", "sleep", "--unit", "points")
    table = output[output.index("Covariates") :]
    rows = [line.split() for line in table.splitlines()]
    [row] = [row for row in rows if row[:1] == ["sleep"]]
    assert row[3] == "points"
    assert abs(float(row[1]) - 2) < 3 * float(row[2]) < 1
    assert "day_of_week" not in table
    told = json.loads(run("analyze", sleep_file, *common, "--covariate", "sleep", "--json"))
    assert told["coefficients"]["sleep"][0] == pytest.approx(float(row[1]), abs=0.01)


def test_of_a_logarithm_there_is_one_percentage_and_it_is_the_outcomes(run, sleep_file):
    common = ["--date", "day", "--outcome", "score", "--intervention", "2026-02-10", "--log", *FEW]
    told = json.loads(run("analyze", sleep_file, *common, "--json"))
    assert "relative" not in told["effects"]
    effect, change = told["effects"]["counterfactual"], told["percent_change"]
    for name in ("mean", "ci_lower", "ci_upper"):
        assert change[name] == pytest.approx(100 * np.expm1(effect[name]))
    # A fifth of 54; percent of its logarithm would be 4.6.
    assert change["ci_lower"] < 18.5 < change["ci_upper"]
    assert change["ci_lower"] > 8
    output = run("analyze", sleep_file, *common)
    assert len([line for line in output.splitlines() if line.rstrip().endswith("%")]) == 1
    assert "relative" not in output
    [row] = [line for line in output.splitlines() if "percent change" in line]
    assert f"{change['mean']:.2f}" in row


def test_analyze_refuses_a_file_that_is_not_there_or_not_a_table(run, tmp_path):
    options = ["--date", "d", "--outcome", "y", "--intervention", "2026-02-10"]
    assert "there is no such file" in run("analyze", tmp_path / "no.csv", *options, code=2)
    (tmp_path / "empty.csv").write_text("")
    assert "the file is empty" in run("analyze", tmp_path / "empty.csv", *options, code=2)


def test_an_intervention_is_logged_listed_shown_amended_and_withdrawn(run):
    run("intervention", "log", "ada", "mornings", "--from", "2026-02-10", "--name", "Mornings",
        "--protocol", "registration=none")  # fmt: skip
    listed = json.loads(run("intervention", "list", "--json"))
    assert [(e["user_id"], e["started_on"]) for e in listed] == [("ada", "2026-02-10")]
    assert listed[0]["protocol"] == {"registration": "none"}
    run("intervention", "amend", "ada", "mornings", "--from", "2026-02-12", "--reason", "typo")
    assert "typo" in run("intervention", "show", "ada", "mornings")
    run("intervention", "withdraw", "ada", "mornings", "--reason", "gave up")
    assert json.loads(run("intervention", "list", "--json")) == []
    assert len(json.loads(run("intervention", "show", "ada", "mornings", "--json"))) == 3


def test_an_intervention_takes_options_of_its_analysis(run, tmp_path):
    run("intervention", "log", "ada", "mornings", "--from", "2026-02-10", "--slope", "no",
        "--season", "none", "--likelihood", "student_t", "--covariate", "share_evening",
        "--covariate", "share_morning")  # fmt: skip

    def options():
        return json.loads(run("intervention", "list", "--json"))[0]["analysis"]

    assert options() == {
        "likelihood": "student_t",
        "season": "none",
        "slope": False,
        "covariates": ["share_morning", "share_evening"],
    }
    amend = ("intervention", "amend", "ada", "mornings", "--reason", "r")
    run(*amend, "--name", "Mornings")
    assert options()["season"] == "none"
    run(*amend, "--no-trend", "--covariate", "none")
    assert options() == {"trend": False, "covariates": []}
    assert "give one of the two" in run(*amend, "--as-metric", "--trend", code=2)
    run(*amend, "--as-metric")
    assert options() == {}
    file = tmp_path / "two.csv"
    file.write_text(
        "user_id,intervention_id,outcome_metric,started_on,analysis\n"
        'bob,tea,sessionPerformanceScore,2026-02-10,"{""slope"": ""yes""}"\n'
        "bob,run,sessionPerformanceScore,2026-03-10,\n"
    )
    run("intervention", "load", file)
    listed = json.loads(run("intervention", "list", "--user-id", "bob", "--json"))
    assert [entry["analysis"] for entry in listed] == [{"slope": True}, {}]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["log", "a" * 65, "x", "--from", "2026-02-10"], "too long"),
        (["log", "a", "x/y", "--from", "2026-02-10"], "x/y"),
        (["log", "a", "x", "--from", "10.2.2026"], "--from should be a date"),
        (["log", "a", "x", "--from", "2026-02-10", "--outcome", "no"], "unknown outcome metric"),
        (["log", "a", "x", "--from", "2026-02-10", "--to", "2026-01-10"], "2026-01-10"),
        (["log", "a", "x", "--from", "2026-02-10", "--protocol", "x"], "ITEM=TEXT"),
        (["log", "a", "x", "--from", "2026-02-10", "--season", "month"], "outcomes are daily"),
        (["log", "a", "x", "--from", "2026-02-10", "--covariate", "share_night"], "leave it out"),
        (["show", "a", "x"], "no intervention"),
        (["withdraw", "a", "x", "--reason", "r"], "no intervention"),
        (["load", "nowhere.csv"], "there is no file"),
    ],
)
def test_the_log_refuses_with_status_2(run, arguments, message):
    output = run("intervention", *arguments, code=2)
    assert message in output
    assert "Traceback" not in output


def test_import_log_run_status_history(run, tmp_path):
    rng = np.random.default_rng(2)
    rows = [
        {"who": user, "at": f"{day.date()}T{hour:02d}:00:00", "mood": value}
        for user in ("ada", "bob")
        for day, level in zip(
            pd.date_range("2026-01-01", periods=24), 5 + 2 * (np.arange(24) >= 12), strict=True
        )
        for hour, value in ((9, level + rng.normal()), (18, level + rng.normal()))
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "moods.csv", index=False)
    assert "96 events" in run(
        "import", tmp_path / "moods.csv", "--time", "at", "--user", "who", "--outcome", "mood",
        "--unit", "points",
    )  # fmt: skip
    assert "nothing to do" in run(
        "import", tmp_path / "moods.csv", "--time", "at", "--user", "who", "--outcome", "mood",
        "--unit", "points",
    )  # fmt: skip
    run("intervention", "log", "ada", "walks", "--from", "2026-01-13", "--outcome", "mood")
    run("intervention", "log", "bob", "walks", "--from", "2026-01-22", "--outcome", "mood")
    first = run("run")
    assert "analysed" in first
    assert "index.html" in first
    verdicts = json.loads(run("status", "--json"))
    assert verdicts["ada|walks"]["status"] == "analysed"
    effect = verdicts["ada|walks"]["effects"]["counterfactual"]
    assert effect["ci_lower"] < 2 < effect["ci_upper"]
    assert verdicts["bob|walks"]["status"] == "closed"
    assert "walks" in run("history", "ada")
    assert "unchanged" in run("refresh")
    assert "analysed" in run("refresh", "--force", "ada|walks")
    assert "0 old analyses deleted" in run("prune", "--keep", "1")
    assert "4 chains of" in run("posterior", "ada|walks", "--to", tmp_path / "ada.nc")
    draws = xarray.open_dataset(tmp_path / "ada.nc", group="posterior")["counterfactual_effect"]
    assert draws.dims == ("chain", "draw")
    error = 5 * effect["sd"] / draws.size**0.5
    assert float(draws.mean()) == pytest.approx(effect["mean"], abs=error)
    assert "so it has no posterior" in run(
        "posterior", "bob|walks", "--to", tmp_path / "bob.nc", code=2
    )
    assert "error: experiment key" in run("refresh", "nonsense", code=2)
    assert "too long" in run("history", "x" * 65, code=2)


def test_import_needs_a_time_and_an_outcome(run, tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    assert "--time" in run("import", tmp_path / "x.csv", code=2)
    output = run(
        "import", tmp_path / "x.csv", "--time", "when", "--outcome", "b", "--user-id", "me", code=2
    )
    assert "when" in output


def test_settings_and_home_are_told(run, tmp_path):
    assert "ITS_STORE_ROOT" in run("settings")
    home = run("home").strip()
    assert home == str(tmp_path / "store" / "dagster")


def test_the_demo_has_only_so_many_people(run, tmp_path):
    assert "1 to 18 people but was asked for 19" in run("demo", "--people", "19", code=2)
    assert "was asked for 0" in run("demo", "--people", "0", code=2)
    assert not (tmp_path / "store").exists()


def test_bad_settings_are_named(run, monkeypatch):
    monkeypatch.setenv("ITS_DRAWS", "7")
    assert "draws" in run("settings", code=2)


def test_seatbelts_agree_with_the_published_effect(run):
    """Harvey & Durbin (1986): drivers killed or seriously injured fell by 20 to 26 percent."""
    file = shared_data_dir() / "uk_seatbelts.csv"
    output = run(
        "analyze", file, "--date", "date", "--outcome", "drivers", "--intervention", "1983-02-01",
        "--season", "month", "--direction", "decrease", "--log", "--json", *FEW,
    )  # fmt: skip
    change = json.loads(output)["percent_change"]
    assert change["ci_lower"] < -20
    assert change["ci_upper"] > -26
    assert -30 < change["mean"] < -15
