"""A damaged file of one experiment: the others go on, and one refresh makes it again."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from its_pipeline.defs.databases import mend_run_store
from its_pipeline.experiments.bulk import RefreshSummary, refresh
from its_pipeline.experiments.doctor import findings, repair
from its_pipeline.experiments.evidence import collect_evidence
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.experiments.publish import page_path
from its_pipeline.experiments.service import LostAnalysisError, load_analysis, open_store
from its_pipeline.files.damage import set_aside_files
from its_pipeline.settings import Settings
from its_pipeline.stores.keeping import prune
from its_pipeline.stores.runs import RunStore
from tools.faults.state import digest
from tools.stores import (
    log_intervention,
    series,
    short_settings,
    with_another_last_day,
    write_daily,
)

KEY, OTHER = "ada|morning", "bob|morning"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a store with two analysed, published and recorded people."""
    settings = short_settings(tmp_path_factory.mktemp("whole") / "store")
    write_daily(settings, {"ada": series(seed=1, effect=6.0), "bob": series(seed=2)})
    for user in ("ada", "bob"):
        log_intervention(settings, user)
    assert run(settings).computed == 2
    return settings


@pytest.fixture
def settings(whole: Settings, tmp_path: Path) -> Settings:
    """Return a copy of it, hard links and times included."""
    copy = tmp_path / "store"
    _copied(whole.store_root, copy)
    return whole.model_copy(update={"store_root": copy})


def _copied(source: Path, target: Path) -> None:
    links: dict[int, Path] = {}

    def linked(here: str, there: str) -> None:
        inode = Path(here).stat().st_ino
        if inode in links:
            os.link(links[inode], there)
        else:
            shutil.copy2(here, there)
            links[inode] = Path(there)

    shutil.copytree(source, target, copy_function=linked)


def run(settings: Settings) -> RefreshSummary:
    snapshot = Snapshot(settings)
    summary = refresh(
        snapshot,
        snapshot.experiment_keys(),
        lambda _: None,
        recorder=RunStore.from_settings(settings),
    )
    collect_evidence(settings)
    return summary


def files(settings: Settings) -> dict[str, str]:
    """Return the digests of all that was made of both people, in store, reports and artifacts."""
    folders = (settings.experiments_dir, settings.reports_dir, settings.mlflow_artifact_dir)
    return {
        path.relative_to(settings.store_root).as_posix(): digest(path)
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in (".contents.json", ".lock")
    }


def analysis(settings: Settings) -> Path:
    (folder,) = (open_store(settings).folder(KEY) / "runs").glob("[!.]*")
    return folder


def artifacts(settings: Settings) -> Path:
    run_id = open_store(settings).recorded_run(KEY, analysis(settings).name)
    assert run_id is not None
    return settings.mlflow_artifact_dir / run_id / "artifacts"


PLACES: dict[str, Callable[[Settings], Path]] = {
    "verdict.json": lambda s: open_store(s).folder(KEY) / "verdict.json",
    "announced.json": lambda s: open_store(s).folder(KEY) / "announced.json",
    "recorded": lambda s: next((open_store(s).folder(KEY) / "recorded").iterdir()),
    "run/verdict.json": lambda s: analysis(s) / "verdict.json",
    "run/analysis.json": lambda s: analysis(s) / "analysis.json",
    "run/grid.npz": lambda s: analysis(s) / "grid.npz",
    "run/.contents.json": lambda s: analysis(s) / ".contents.json",
    "page": lambda s: page_path(s, KEY),
    "page/effects.png": lambda s: page_path(s, KEY).with_name("effects.png"),
    "page/checklist.json": lambda s: page_path(s, KEY).with_name("checklist.json"),
    "page/.published.json": lambda s: page_path(s, KEY).with_name(".published.json"),
    "page/.contents.json": lambda s: page_path(s, KEY).with_name(".contents.json"),
}


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def delete(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("place", "way"),
    [(place, truncate) for place in PLACES if place != "run/verdict.json"]
    + [(place, delete) for place in ("verdict.json", "recorded", "run/grid.npz", "page")],
)
def test_one_refresh_makes_a_damaged_file_again(
    settings: Settings, place: str, way: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    before = files(settings)
    path = PLACES[place](settings)
    way(path)
    with caplog.at_level(logging.WARNING, "its_pipeline"):
        collect_evidence(settings)  # Nobody else's page or row is lost by it.
        assert open_store(settings).verdict(OTHER) is not None
        summary = run(settings)
    assert summary.crashed == []
    assert summary.counts["unchanged"] >= 1
    if way is truncate:
        assert path.name in caplog.text or path.parent.name in caplog.text
        assert set_aside_files(settings.store_root)
    after = files(settings)
    assert after.keys() == before.keys()
    made_anew = {"analysis.json", "verdict.json", "announced.json", ".published.json", "index.html"}
    made_anew |= {"report.html", "trust.html"}
    changed = {name for name in before if before[name] != after[name]}
    assert {Path(name).name for name in changed} <= made_anew
    if not place.startswith("run/") or place == "run/.contents.json":
        assert not {name for name in changed if Path(name).name == "analysis.json"}
        assert summary.computed == 0
    assert not [name for name in changed if "bob" in name]
    assert run(settings).counts["unchanged"] == 2
    assert list(findings(settings)) == []


def test_an_artifact_that_is_lost_or_replaced_is_put_there_again(settings: Settings) -> None:
    folder = artifacts(settings)
    (folder / "grid.npz").unlink()
    report = folder / "report" / "report.html"
    report.unlink()
    report.write_text("somebody else's")
    assert run(settings).computed == 0
    assert digest(folder / "grid.npz") == digest(analysis(settings) / "grid.npz")
    assert report.samefile(page_path(settings, KEY))
    assert run(settings).counts["unchanged"] == 2


def test_a_damaged_analysis_is_said_once_to_who_asks_for_it(settings: Settings) -> None:
    truncate(analysis(settings) / "grid.npz")
    verdict = open_store(settings).verdict(KEY)
    assert verdict is not None
    with pytest.raises(LostAnalysisError, match=r"missing or was damaged; `its-pipeline run`"):
        load_analysis(settings, verdict)
    assert run(settings).computed == 1
    assert load_analysis(settings, verdict) is not None


def test_a_verdict_of_somebody_else_is_damage(settings: Settings) -> None:
    store = open_store(settings)
    shutil.copy(store.folder(OTHER) / "verdict.json", store.folder(KEY) / "verdict.json")
    assert store.verdict(KEY) is None
    assert set_aside_files(settings.store_root)


def test_a_store_of_an_earlier_version_is_taken_as_it_is(settings: Settings) -> None:
    for path in settings.store_root.rglob(".contents.json"):
        path.unlink()
    before = files(settings)
    assert run(settings).counts["unchanged"] == 2
    assert {k: v for k, v in files(settings).items() if "/" in k[8:] and "reports" not in k} == {
        k: v for k, v in before.items() if "/" in k[8:] and "reports" not in k
    }
    assert len(list(settings.store_root.rglob(".contents.json"))) == 4


def test_the_doctor_finds_one_changed_byte_and_repairs_it(settings: Settings) -> None:
    assert list(findings(settings)) == []
    path = analysis(settings) / "grid.npz"
    times = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    settings.evidence_path.write_bytes(b"PAR1")
    found = list(findings(settings))
    assert {finding.path for finding in found} == {analysis(settings), settings.evidence_path}
    assert path.exists()
    assert repair(settings, found) == []
    assert run(settings).computed == 1
    assert list(findings(settings)) == []


def test_a_lost_run_store_is_filled_again_from_the_analyses(settings: Settings) -> None:
    (settings.store_root / "mlflow.db").write_bytes(b"garbage" * 1000)
    for suffix in ("-wal", "-shm"):
        settings.store_root.joinpath(f"mlflow.db{suffix}").unlink(missing_ok=True)
    assert mend_run_store(settings)
    summary = run(settings)
    assert (summary.crashed, summary.computed) == ([], 0)
    recorded: list[Any] = list(RunStore.from_settings(settings).history().runs)
    assert sorted(each.user_id for each in recorded) == ["ada", "bob"]
    assert (artifacts(settings) / "report" / "report.html").is_file()
    for each in recorded:
        assert each.run_id in page_path(settings, f"{each.user_id}|morning").read_text()
    assert run(settings).counts["unchanged"] == 2


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_store_elsewhere_touches_nothing_where_it_was(
    settings: Settings, tmp_path: Path, how: str
) -> None:
    old = settings.store_root
    new = settings.model_copy(update={"store_root": tmp_path / "elsewhere" / "store"})
    new.store_root.parent.mkdir()
    if how == "moved":
        old.rename(new.store_root)
    else:
        _copied(old, new.store_root)
    before = files(settings) if how == "copied" else {}
    people = {"ada": series(seed=1, effect=6.0), "bob": series(seed=2)}
    people["ada"] = with_another_last_day(people["ada"])
    write_daily(new, people)
    summary = run(new)
    assert (summary.crashed, summary.computed) == ([], 1)
    runs, store = RunStore.from_settings(new), open_store(new)
    oldest = runs.history("ada").runs[-1].run_id
    assert runs.artifact(oldest, "grid.npz").is_file()
    assert prune(store, [KEY], 1, runs.drop_posterior) == 1
    if how == "moved":
        assert not old.exists()
    else:
        assert files(settings) == before
    left = {path.name for path in (new.mlflow_artifact_dir / oldest / "artifacts").iterdir()}
    assert "grid.npz" not in left
    assert "verdict.json" in left
    assert run(new).counts["unchanged"] == 2
