"""The intervention log: append-only, versioned, in order, nothing overwritten."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from its_pipeline.events.analysis_options import AnalysisOptions
from its_pipeline.events.intervention_files import BulkLoadError, bulk_load
from its_pipeline.events.interventions import (
    AlreadyLoggedError,
    Intervention,
    InterventionLog,
    UnknownInterventionError,
    VersionConflictError,
)
from its_pipeline.events.metrics import UnknownMetricError, load_metrics

START = date(2026, 8, 15)


@pytest.fixture
def log(tmp_path: Path) -> InterventionLog:
    return InterventionLog(f"sqlite:///{tmp_path}/new/interventions.sqlite", load_metrics(None))


def declared(**changes: Any) -> dict[str, Any]:
    return {
        "user_id": "ada",
        "intervention_id": "morning",
        "outcome_metric": "sessionPerformanceScore",
        "started_on": START,
        **changes,
    }


def test_what_is_logged_reads_back(log: InterventionLog) -> None:
    logged = log.log(
        **declared(
            ended_on=date(2026, 9, 1),
            direction="decrease",
            minimum_effect=2,
            washout_days=3,
            time_zone="Asia/Kolkata",
            hypothesis="I am awake then",
            protocol={"3a": "n of one"},
        )
    )
    assert log.get("ada", "morning") == logged
    assert (logged.sequence, logged.version, logged.status) == (1, 1, "open")
    assert logged.name == "morning"
    assert logged.protocol == {"3a": "n of one"}
    assert logged.logged_at.tzinfo is not None
    assert logged.to_dict()["started_on"] == "2026-08-15"


def test_repeating_a_log_entry_writes_nothing_and_changing_it_is_refused(
    log: InterventionLog,
) -> None:
    first = log.log(**declared())
    assert log.log(**declared()) == first
    assert log.changed_since(0) == (first,)
    with pytest.raises(AlreadyLoggedError, match=r"started_on is .*15.*, not .*16.*; amend it"):
        log.log(**declared(started_on=date(2026, 8, 16)))


def test_options_of_the_analysis_are_kept_version_by_version(log: InterventionLog) -> None:
    first = log.log(**declared(analysis={"slope": "no"}))
    assert log.get("ada", "morning") == first
    assert first.to_dict()["analysis"] == {"slope": False}
    assert log.log(**declared(analysis={"slope": False})) == first
    with pytest.raises(AlreadyLoggedError, match=r"analysis is \{'slope': False\}, not \{\}"):
        log.log(**declared())
    log.amend("ada", "morning", analysis={"season": "none"})
    said = [entry.analysis.said() for entry in log.history("ada", "morning")]
    assert said == [{"slope": False}, {"season": "none"}]
    with pytest.raises(ValueError, match="analysis: slope must be auto, yes or no"):
        log.log(**declared(intervention_id="tea", analysis={"slope": 3}))


def test_options_that_contradict_the_metrics_are_refused(tmp_path: Path) -> None:
    shipped = load_metrics(None)["sessionPerformanceScore"]
    straight = shipped.model_copy(update={"analysis": AnalysisOptions(trend=False)})
    log = InterventionLog(f"sqlite:///{tmp_path}/log.sqlite", {shipped.name: straight})
    with pytest.raises(ValueError, match="with what sessionPerformanceScore says: slope is yes"):
        log.log(**declared(analysis={"slope": "yes"}))
    assert log.log(**declared(analysis={"slope": "yes", "trend": True})).version == 1


def test_an_amendment_keeps_the_earlier_version(log: InterventionLog) -> None:
    log.log(**declared())
    amended = log.amend("ada", "morning", started_on=date(2026, 8, 20), reason="wrong date")
    assert (amended.version, amended.sequence) == (2, 2)
    assert [v.started_on.day for v in log.history("ada", "morning")] == [15, 20]
    assert [reason for _, _, reason in log.reasons("ada", "morning")] == ["logged", "wrong date"]
    assert log.changed_since(1) == (amended,)
    assert log.changed_since(2) == ()
    assert log.amend("ada", "morning", started_on=date(2026, 8, 20)) == amended


@pytest.mark.parametrize("stale", [1, 3])
def test_a_change_to_another_version_than_the_newest_is_refused(
    log: InterventionLog, stale: int
) -> None:
    log.log(**declared())
    newest = log.amend("ada", "morning", washout_days=2, expected_version=1)
    assert newest.version == 2
    for change in (
        lambda: log.amend("ada", "morning", washout_days=3, expected_version=stale),
        # Even where it would change nothing: whoever asks believes in something else.
        lambda: log.amend("ada", "morning", washout_days=2, expected_version=stale),
        lambda: log.withdraw("ada", "morning", "mistake", expected_version=stale),
    ):
        with pytest.raises(VersionConflictError, match=f"in version 2, not {stale}") as caught:
            change()
        assert (caught.value.expected, caught.value.present) == (stale, 2)
    assert log.get("ada", "morning") == newest
    assert log.withdraw("ada", "morning", "mistake", expected_version=2).version == 3


def _amend_often(url: str, rounds: int, barrier: Any, wins: Any) -> None:
    """Amend what was read, in step with other processes; tell what was written."""
    log = InterventionLog(url)
    for number in range(rounds):
        barrier.wait(60)
        read = log.get("ada", "morning")
        barrier.wait(60)
        try:
            written = log.amend(
                "ada",
                "morning",
                hypothesis=f"{os.getpid()} in round {number}",
                expected_version=read.version,
            )
        except VersionConflictError:
            continue
        wins.put((number, read.version, written.version, written.hypothesis))


def test_of_processes_that_read_the_same_version_one_writes(tmp_path: Path) -> None:
    url, rounds = f"sqlite:///{tmp_path}/interventions.sqlite", 15
    log = InterventionLog(url)
    log.log(**declared())
    spawn = multiprocessing.get_context("spawn")
    barrier, wins = spawn.Barrier(3), spawn.Queue()
    processes = [
        spawn.Process(target=_amend_often, args=(url, rounds, barrier, wins)) for _ in range(3)
    ]
    for process in processes:
        process.start()
    found = sorted(wins.get(timeout=60) for _ in range(rounds))
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert wins.empty()
    assert [(read, written) for _, read, written, _ in found] == [
        (version, version + 1) for version in range(1, rounds + 1)
    ]
    history = log.history("ada", "morning")
    assert [entry.hypothesis for entry in history[1:]] == [text for *_, text in found]


def test_withdrawing_keeps_the_history(log: InterventionLog) -> None:
    log.log(**declared())
    withdrawn = log.withdraw("ada", "morning", "moved house")
    assert log.withdraw("ada", "morning", "again") == withdrawn
    assert log.list() == []
    assert log.list(include_withdrawn=True) == [withdrawn]
    assert len(log.history("ada", "morning")) == 2
    with pytest.raises(AlreadyLoggedError, match="it is withdrawn"):
        log.log(**declared())
    with pytest.raises(ValueError, match="needs a reason"):
        log.withdraw("ada", "morning", " ")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"user_id": "a|b"}, "user_id 'a|b' is not a legal identifier"),
        ({"intervention_id": "../x"}, "intervention_id '../x' is not a legal"),
        ({"ended_on": date(2026, 8, 14)}, "ended_on 2026-08-14 must not be earlier than"),
        ({"direction": "up"}, "direction must be one of increase, decrease but got 'up'"),
        ({"minimum_effect": -1}, "minimum_effect must be finite and at least 0 but got -1"),
        ({"minimum_effect": float("nan")}, "minimum_effect must be finite"),
        ({"baseline_days": 0}, r"baseline_days must be in \[1, 3650\] but got 0"),
        ({"washout_days": 1.5}, "washout_days must be a whole number but got 1.5"),
        ({"time_zone": "CEST!"}, "time_zone must be a name .* but got 'CEST!'"),
        ({"started_on": "2026-08-15"}, "started_on must be a date"),
        ({"colour": "red"}, "has no field colour"),
        ({"sequence": 7}, "has no field sequence"),
    ],
)
def test_a_broken_rule_names_value_and_rule(
    log: InterventionLog, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        log.log(**declared(**changes))
    assert log.list() == []


def test_an_unknown_metric_is_refused_where_it_is_logged(log: InterventionLog) -> None:
    with pytest.raises(UnknownMetricError, match="known metrics are sessionPerformanceScore"):
        log.log(**declared(outcome_metric="mood"))
    log.log(**declared())
    with pytest.raises(UnknownMetricError):
        log.amend("ada", "morning", outcome_metric="mood")


def test_what_cannot_be_amended_says_so(log: InterventionLog) -> None:
    log.log(**declared())
    with pytest.raises(ValueError, match="sequence, version cannot be amended"):
        log.amend("ada", "morning", sequence=7, version=1)
    with pytest.raises(ValueError, match="has no field colour"):
        log.amend("ada", "morning", colour="red")
    with pytest.raises(UnknownInterventionError, match="no intervention 'evening'"):
        log.amend("ada", "evening", name="x")
    with pytest.raises(UnknownInterventionError):
        log.get("ada", "evening")


def test_many_writers_at_once_get_each_sequence_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.sqlite"

    def write(writer: int) -> None:
        log = InterventionLog(url)
        for number in range(20):
            log.log(**declared(user_id=f"u{writer}", intervention_id=f"i{number}"))
        log.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    changed = InterventionLog(url).changed_since(0)
    assert [entry.sequence for entry in changed] == list(range(1, 81))


def test_a_csv_is_loaded_whole_or_refused_with_every_error(
    log: InterventionLog, tmp_path: Path
) -> None:
    log.log(**declared(user_id="eve", intervention_id="tea"))
    file = tmp_path / "interventions.csv"
    header = "user_id,intervention_id,outcome_metric,started_on,ended_on,minimum_effect,protocol\n"
    good = 'ada,tea,sessionPerformanceScore,2026-08-15,,2.5,"{""3a"": ""x""}"\n'
    file.write_text(
        "\ufeff"
        + header
        + good
        + "b|b,tea,sessionPerformanceScore,2026-08-15,,,\n"
        + "bob,tea,mood,2026-08-15,,,\n"
        + "bob,tea2,sessionPerformanceScore,15.8.2026,,,\n"
        + good
        + "eve,tea,sessionPerformanceScore,2026-08-16,,,\n"
        + "bob,tea3,sessionPerformanceScore,2026-08-15,2026-08-01,x,\n",
        encoding="utf-8",
    )
    with pytest.raises(BulkLoadError) as caught:
        bulk_load(log, file)
    assert [error.line for error in caught.value.errors] == [3, 4, 5, 6, 7, 8]
    told = str(caught.value)
    for text in ("'b|b' is not", "'mood'", "'15.8.2026'", "on line 2 already", "amend it"):
        assert text in told
    assert len(log.list()) == 1
    file.write_text(header + good, encoding="utf-8")
    (loaded,) = bulk_load(log, file)
    assert (loaded.minimum_effect, loaded.ended_on, loaded.protocol) == (2.5, None, {"3a": "x"})
    assert bulk_load(log, file) == (loaded,)


def test_a_csv_without_a_needed_column_says_which(log: InterventionLog, tmp_path: Path) -> None:
    file = tmp_path / "interventions.csv"
    file.write_text("user_id,started_on\nada,2026-08-15\n")
    with pytest.raises(BulkLoadError, match="columns intervention_id, outcome_metric are missing"):
        bulk_load(log, file)


def test_an_intervention_is_hashable_by_its_key_and_frozen() -> None:
    entry = Intervention(**declared())
    assert str(entry.key) == "ada|morning"
    with pytest.raises(AttributeError):
        entry.name = "other"  # pyright: ignore[reportAttributeAccessIssue]
