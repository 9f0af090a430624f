"""Past analyses of a store that has crossed the limit: with runs of their own, and in shards."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from its_pipeline.cli.main import app
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner
from its_pipeline.experiments.service import open_store
from its_pipeline.settings import Settings
from its_pipeline.stores.past_analyses import offsets_of, past_analyses
from its_pipeline.stores.runs import RunStore
from tools.live_api import running
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

ADA = series(effect=8.0, seed=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """One night below the limit, and two above it, each with other days of ada."""
    below = short_settings(tmp_path_factory.mktemp("crossing"))
    above = below.model_copy(update={"partition_limit": 0})
    days = ADA
    for user in ("ada", "bob"):
        log_intervention(below, user)
    log_intervention(below, "ada", intervention_id="evening", name="Study in the evening")
    with open_instance(below) as instance:
        for chosen in (below, above, above):
            write_daily(chosen, {"ada": days, "bob": series(effect=0.0, seed=2)})
            assert LocalRunner(chosen, instance, "test").refresh().success
            days = with_another_last_day(days)
    return above


def listed(settings: Settings, **options):
    found = past_analyses(RunStore.from_settings(settings), open_store(settings), "ada", **options)
    return list(found.analyses), found.next_page


def test_a_history_has_what_was_analysed_on_either_side_of_the_limit_newest_first(settings):
    found, after = listed(settings)
    assert after is None
    instants = [each.recorded_at for each in found]
    assert instants == sorted(instants, reverse=True)
    store = open_store(settings)
    wanted = {
        (key, verdict.fingerprint)
        for key in ("ada|morning", "ada|evening")
        for verdict in store.history(key)
    }
    told = [(f"ada|{each.intervention_id}", each.fingerprint) for each in found]
    assert len(told) == len(set(told)) == 6
    assert set(told) == wanted
    assert [each.mlflow_run_id is None for each in found] == [True] * 4 + [False] * 2
    # The same is said of either kind.
    for each in found:
        verdict = store.finished(f"ada|{each.intervention_id}", each.fingerprint)
        assert verdict is not None
        assert verdict.effects is not None
        effect = verdict.effects["counterfactual"]
        assert effect is not None
        assert each.numbers["counterfactual.mean"] == effect["mean"]
        assert (each.status, each.started_on) == ("analysed", verdict.started_on)
        assert each.outcome_metric == verdict.outcome_metric


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_pages_of_any_size_have_each_analysis_once(settings, size):
    whole, _ = listed(settings)
    seen, page = [], None
    for _ in range(len(whole)):
        found, page = listed(settings, page=page, page_size=size)
        assert len(found) <= size
        seen += found
        if page is None:
            break
    assert seen == whole


def test_only_of_one_intervention_and_only_with_a_verdict(settings):
    found, _ = listed(settings, intervention_id="evening")
    assert [each.intervention_id for each in found] == ["evening"] * 3
    assert listed(settings, status="not_converged") == ([], None)
    with pytest.raises(ValueError, match="status should be one of"):
        listed(settings, status="fine")


def test_whoever_has_no_result_has_no_history(settings):
    found = past_analyses(RunStore.from_settings(settings), open_store(settings), "nobody")
    assert found.analyses == ()


def test_the_command_lists_them_too(settings):
    environment = {"ITS_STORE_ROOT": str(settings.store_root), "ITS_PARTITION_LIMIT": "0"}
    told = CliRunner().invoke(app, ["history", "ada", "--limit", "5"], env=environment)
    assert told.exit_code == 0
    assert told.output.count("in its shard") == 4


def test_so_does_the_server_a_page_at_a_time(settings):
    whole, _ = listed(settings)
    path = "/analytics/its/history/ada"
    with running(settings) as live:
        first = live.request("GET", path, params={"limit": 3}).json()
        then = live.request("GET", path, params={"limit": 3, "page": first["next_page"]}).json()
    entries = first["runs"] + then["runs"]
    assert [each["fingerprint"] for each in entries] == [each.fingerprint for each in whole]
    assert [each["mlflow_run_id"] for each in entries] == [each.mlflow_run_id for each in whole]
    assert entries[0]["counterfactual_effect_estimate"] == whole[0].numbers["counterfactual.mean"]
    assert entries[0]["n_pre"] > 0
    assert then["next_page"] is None


@pytest.mark.parametrize("page", ["eyJvZmZzZXQiOiAxLCAicm93cyI6IC0xfQ==", "x", "W10="])
def test_a_page_that_nobody_gave_out_is_refused(page):
    with pytest.raises(ValueError, match="should be a `next_page`"):
        offsets_of(page)
