"""All verdicts in one table and one page: every state, and effects of converged ones only."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.evidence_rows import evidence_table
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import publish_experiment
from its_pipeline.experiments.service import fit_experiment
from its_pipeline.files.atomic import UNFINISHED_PREFIX
from tools.faults.state import leftovers
from tools.faults.world import give_shards
from tools.stores import log_intervention, series, short_settings, write_daily


def test_every_state_is_in_table_page_and_checklist(tmp_path):
    settings = short_settings(tmp_path)
    flat = series().assign(value=50.0)
    write_daily(settings, {"clear": series(effect=12.0), "flat": flat, "late": series()})
    for user in ("clear", "flat"):
        log_intervention(settings, user)
    log_intervention(settings, "late", started_on=date(2026, 6, 18))
    snapshot = Snapshot(settings)
    for key in snapshot.experiment_keys():
        fit_experiment(snapshot, key)
        publish_experiment(settings, key, snapshot=snapshot)

    evidence = collect_evidence(settings)
    assert evidence.counts == {
        "analysed": 1,
        "waiting": 1,
        "not_converged": 0,
        "refused": 1,
        "closed": 0,
        "crashed": 0,
    }
    stored = pd.read_parquet(evidence.table_path).set_index("user_id")
    assert stored["counterfactual_mean"].notna().to_dict() == {
        "clear": True,
        "flat": False,
        "late": False,
    }
    html = evidence.index_path.read_text()
    for user in ("clear", "flat", "late"):
        assert f"{user}/morning/index.html" in html
    compliance = pd.read_parquet(settings.compliance_path)
    assert set(compliance["experiment"]) == {"clear|morning", "flat|morning", "late|morning"}
    assert compliance.groupby("experiment").size().eq(44).all()
    assert "CENT" in html


def test_the_table_has_its_columns_and_types_without_any_experiment(tmp_path):
    settings = short_settings(tmp_path)
    empty = collect_evidence(settings)
    assert empty.n_rows == 0
    assert empty.index_path.is_file()
    assert "counterfactual_ci_lower" in evidence_table([]).columns
    assert str(evidence_table([]).dtypes["counterfactual_mean"]) == "float64"


@pytest.mark.parametrize("partition_limit", [0, 20_000])
def test_what_a_killed_collection_left_is_removed_by_the_next_one(
    tmp_path, monkeypatch, partition_limit
):
    settings = short_settings(tmp_path, partition_limit=partition_limit)
    give_shards(settings, 1)
    written: dict[str, str] = {}
    replace = Path.replace

    def watched(path: Path, target: Path) -> Path:
        written[target.name] = path.relative_to(tmp_path).as_posix()
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", watched)
        collect_evidence(settings)
    assert {"evidence.parquet", "index.html", "trust.html"} <= written.keys()
    left = tmp_path / ".evidence" / f"{UNFINISHED_PREFIX}killed.parquet"
    left.write_bytes(b"rows of everybody")
    assert leftovers(tmp_path)
    collect_evidence(settings)
    assert leftovers(tmp_path) == []
    # Nothing that a kill can leave lies anywhere but there.
    assert {Path(place).parent.as_posix() for place in written.values()} == {".evidence"}
