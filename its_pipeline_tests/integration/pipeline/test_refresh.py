"""A bulk run over good, waiting, refused, crashing and stuck experiments, on a real instance."""

from __future__ import annotations

import errno

import dagster as dg
import pytest

import its_pipeline.its as engine
from its_pipeline.defs.build import build_defs
from its_pipeline.defs.names import TAG_MLFLOW_RUN
from its_pipeline.experiments.service import open_store
from its_pipeline.stores.runs import RunStore
from its_pipeline_tests.integration.pipeline.conftest import make_store, people
from tools.stores import log_intervention, series, write_daily


def key(user):
    return f"{user}|morning"


def status(settings, user):
    verdict = open_store(settings).verdict(key(user))
    assert verdict is not None
    return verdict.status


def checks(instance, asset, name):
    """The newest evaluation of a check by partition."""
    records = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(asset), name), limit=100
    )
    found = {}
    for record in records:
        evaluation = record.event.dagster_event.asset_check_evaluation_data
        found.setdefault(evaluation.partition, evaluation)
    return found


def test_every_experiment_gets_its_verdict_and_a_crash_fails_the_run_alone(night):
    assert {user: status(night.settings, user) for user in people()} == {
        "ada": "analysed",
        "bob": "analysed",
        "wait": "waiting",
        "flat": "refused",
        "crash": "crashed",
        "stuck": "not_converged",
    }
    assert night.outcome.success is False
    assert "1 of 6 experiments crashed" in night.outcome.message
    assert "the model fell over" in night.outcome.message
    assert night.outcome.numbers["analysed"] == 2
    assert night.outcome.numbers["computed"] == 3
    run = night.instance.get_run_by_id(night.outcome.run_id)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert run.tags["its/analysed"] == "2"


def test_the_run_ends_with_a_table_of_its_verdicts_and_one_of_its_problems(night):
    failures = night.instance.all_logs(
        night.outcome.run_id, of_type=dg.DagsterEventType.STEP_FAILURE
    )
    shown = failures[0].dagster_event.step_failure_data.user_failure_data.metadata
    counts = {row.data["verdict"]: row.data["experiments"] for row in shown["summary"].records}
    assert counts == {
        "analysed": 2, "waiting": 1, "refused": 1, "not converged": 1, "crashed": 1,
    }  # fmt: skip
    problems = {row.data["experiment"]: row.data["reason"] for row in shown["problems"].records}
    assert set(problems) == {key("crash"), key("stuck")}
    assert "the model fell over" in problems[key("crash")]


def test_only_what_converged_is_published(night):
    materialized = {
        asset: set(night.instance.get_materialized_partitions(dg.AssetKey(asset)))
        for asset in ("its_plan", "its_fit", "its_report")
    }
    sound = {key("ada"), key("bob")}
    assert materialized["its_report"] == sound
    assert materialized["its_fit"] == sound | {key("stuck")}
    assert materialized["its_plan"] == sound | {key("stuck"), key("wait"), key("flat")}
    stuck = open_store(night.settings).verdict(key("stuck"))
    assert stuck is not None
    assert stuck.effects is None
    assert not list((night.settings.reports_dir / "stuck").rglob("*.png"))
    gate = checks(night.instance, "its_fit", "sampler_converged")
    assert {k: e.passed for k, e in gate.items()} == {
        key("ada"): True,
        key("bob"): True,
        key("stuck"): False,
    }
    days = checks(night.instance, "its_plan", "enough_days")
    assert days[key("wait")].passed is False
    assert days[key("wait")].severity == dg.AssetCheckSeverity.WARN


def test_a_single_run_records_the_same_as_the_bulk_run(night, moody_engine):
    in_bulk = {
        asset: night.materializations(asset, key("ada"))[0] for asset in ("its_plan", "its_fit")
    }
    report_in_bulk = night.materializations("its_report", key("ada"))[0]
    gate_in_bulk = checks(night.instance, "its_fit", "sampler_converged")[key("ada")]
    result = night.analyse(key("ada"))
    assert result.success
    for asset, before in {**in_bulk, "its_report": report_in_bulk}.items():
        after = night.materializations(asset, key("ada"))[0]
        assert after.run_id == result.run_id
        assert after.asset_materialization.metadata == before.asset_materialization.metadata
        assert after.asset_materialization.partition == key("ada")
    gate = checks(night.instance, "its_fit", "sampler_converged")[key("ada")]
    for name in ("passed", "severity", "description", "metadata", "blocking", "partition"):
        assert getattr(gate, name) == getattr(gate_in_bulk, name), name
    bulk_target = gate_in_bulk.target_materialization_data
    assert bulk_target.storage_id == in_bulk["its_fit"].storage_id
    assert gate.target_materialization_data.run_id == result.run_id


def test_the_thumbnail_and_the_answer_are_in_the_report(night):
    metadata = night.materializations("its_report", key("ada"))[0].asset_materialization.metadata
    assert "data:image/png;base64," in metadata["counterfactual_plot"].value
    assert len(metadata["counterfactual_plot"].value) < 50_000
    assert "helped" in metadata["answer"].value
    verdict = open_store(night.settings).verdict(key("ada"))
    assert verdict is not None
    assert verdict.effects is not None
    assert metadata["effect"].value == (verdict.effects["counterfactual"] or {})["mean"]
    assert metadata["probability_of_benefit"].value == verdict.probability_of_benefit


def test_a_stuck_experiment_fails_its_single_run_and_blocks_its_report(night, moody_engine):
    result = night.analyse(key("stuck"))
    assert not result.success
    started = {e.step_key for e in result.all_events if e.event_type_value == "STEP_START"}
    assert "its_fit" in started
    assert "its_report" not in started
    job = build_defs(night.settings).resolve_implicit_global_asset_job_def()
    alone = job.execute_in_process(
        asset_selection=[dg.AssetKey("its_report")],
        partition_key=key("stuck"),
        instance=night.instance,
        raise_on_error=False,
    )
    assert not alone.success
    failure = alone.failure_data_for_node("its_report")
    assert failure is not None
    assert failure.user_failure_data is not None
    described = failure.user_failure_data.description or ""
    assert "only a converged analysis is published" in described


@pytest.mark.parametrize("user", ["wait", "flat"])
def test_waiting_and_refused_are_no_red_runs(night, moody_engine, user):
    result = night.analyse(key(user))
    assert result.success
    materialized = result.get_asset_materialization_events()
    assert [event.asset_key for event in materialized] == [dg.AssetKey("its_plan")]


def test_mlflow_has_one_child_an_analysis_under_the_failed_run(night):
    store = RunStore.from_settings(night.settings)
    client, _ = store.open()
    run = night.instance.get_run_by_id(night.outcome.run_id)
    parent = client.get_run(run.tags[TAG_MLFLOW_RUN])
    assert parent.info.status == "FAILED"
    assert parent.data.tags["dagster_run_id"] == night.outcome.run_id
    page = store.history("ada")
    (child,) = page.runs
    assert child.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.tags["dagster.run_id"] == night.outcome.run_id
    assert child.numbers["counterfactual.mean"] > 4
    (stuck,) = store.history("stuck").runs
    assert stuck.status == "not_converged"
    assert not [name for name in stuck.numbers if name.startswith("counterfactual")]
    assert store.history("wait").runs == ()


def test_the_next_run_passes_over_everything_but_the_crash(night, moody_engine):
    before = len(night.materializations("its_fit", key("bob")))
    again = night.runner().refresh()
    assert again.numbers["unchanged"] == 5
    assert again.numbers["crashed"] == 1
    assert again.numbers["computed"] == 0
    assert len(night.materializations("its_fit", key("bob"))) == before


def test_what_dagster_was_not_told_is_told_by_the_next_run(night, moody_engine):
    # A process that is killed after storing a verdict leaves exactly this.
    (open_store(night.settings).folder(key("bob")) / "announced.json").unlink()
    runs = len(RunStore.from_settings(night.settings).history("bob").runs)
    before = len(night.materializations("its_report", key("bob")))
    again = night.runner().refresh([key("bob")])
    assert again.success
    assert again.numbers["computed"] == 0
    assert len(night.materializations("its_report", key("bob"))) == before + 1
    assert len(RunStore.from_settings(night.settings).history("bob").runs) == runs


def test_the_evidence_is_collected_and_consistent(night):
    import pandas as pd

    collected = night.runner().evidence()
    assert collected.success
    table = pd.read_parquet(night.settings.evidence_path).set_index("user_id")
    assert table.loc["stuck", "counterfactual_mean"] != table.loc["stuck", "counterfactual_mean"]
    assert table.loc["ada", "status"] == "analysed"
    assert (night.settings.reports_dir / "index.html").is_file()
    check = checks(night.instance, "evidence", "evidence_consistent")[None]
    assert check.passed


def test_new_days_make_an_experiment_stale_and_keep_its_history(night, moody_engine):
    changed = people()
    changed["ada"] = series(effect=8.0, seed=1, n_post=45)
    write_daily(night.settings, changed)
    again = night.runner().refresh([key("ada"), key("bob")])
    assert again.numbers["analysed"] == 1
    assert again.numbers["unchanged"] == 1
    assert len(open_store(night.settings).history(key("ada"))) == 2
    assert len(RunStore.from_settings(night.settings).history("ada").runs) == 2
    write_daily(night.settings, people())
    back = night.runner().refresh([key("ada")])
    assert back.numbers["computed"] == 0
    assert back.numbers["analysed"] == 1


def test_an_unknown_key_is_a_crash_with_its_reason(night, moody_engine):
    outcome = night.runner().refresh(["nobody|nothing"])
    assert not outcome.success
    assert "nobody" in outcome.message


def test_a_poisoned_series_does_not_stop_the_others(tmp_path, moody_engine):
    from its_pipeline.defs.home import open_instance
    from its_pipeline.defs.local import LocalRunner
    from tools.stores import short_settings

    settings = make_store(short_settings(tmp_path))
    poisoned = {"ada": people()["ada"], "inf": series(seed=9), "bob": people()["bob"]}
    poisoned["inf"].loc[50, "value"] = float("inf")
    write_daily(settings, poisoned)
    log_intervention(settings, "inf")
    with open_instance(settings) as instance:
        outcome = LocalRunner(settings, instance, "test").refresh(
            [key("ada"), key("bob"), key("inf")]
        )
    assert outcome.numbers["analysed"] == 2
    verdict = open_store(settings).verdict(key("inf"))
    assert verdict is not None
    assert verdict.status in ("refused", "crashed")
    assert verdict.effects is None


def test_a_full_disk_stops_the_run_and_no_verdict_is_blamed(night, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    before = open_store(night.settings).verdict(key("crash"))
    monkeypatch.setattr(engine, "analyze", full)
    outcome = night.runner().refresh([key("crash"), key("ada")])
    assert not outcome.success
    assert "No space left on device" in outcome.message
    assert open_store(night.settings).verdict(key("crash")) == before
