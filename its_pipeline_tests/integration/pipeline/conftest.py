"""A store with one experiment of each kind, refreshed once for the tests that only look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import pytest

import its_pipeline.its as engine
from its_pipeline.defs.build import build_defs
from its_pipeline.defs.home import open_instance
from its_pipeline.defs.local import LocalRunner, RunOutcome
from its_pipeline.settings import Settings
from tools.stores import log_intervention, series, short_settings, write_daily

#: Levels by which the engine double below knows whom to fail.
CRASHES_AT, STUCK_AT = 1000.0, 2000.0


def moody_analyze(
    outcome: Any, intervention_on: Any, spec: Any, covariates: Any = None, **options: Any
) -> Any:
    """The real engine, but it crashes on one level and is starved of draws on another."""
    level = round(float(outcome.mean()), -3)
    if level == CRASHES_AT:
        raise ZeroDivisionError("the model fell over")
    if level == STUCK_AT:
        spec = replace(spec, likelihood="student_t", draws=100, tune=50, chains=2)
    return _real_analyze(outcome, intervention_on, spec, covariates, **options)


_real_analyze = engine.analyze


def people() -> dict[str, Any]:
    """One person of each kind."""
    constant = series()
    constant["value"] = 50.0
    return {
        "ada": series(effect=8.0, seed=1),
        "bob": series(seed=2),
        "wait": series(n_post=4),
        "flat": constant,
        "crash": series(level=CRASHES_AT, seed=3),
        "stuck": series(level=STUCK_AT, seed=4),
    }


def make_store(settings: Settings) -> Settings:
    """Write the people's daily outcomes and log their interventions."""
    write_daily(settings, people())
    for user in people():
        log_intervention(settings, user)
    return settings


@dataclass(frozen=True)
class Night:
    """A store after one bulk run."""

    settings: Settings
    instance: dg.DagsterInstance
    outcome: RunOutcome

    def runner(self) -> LocalRunner:
        return LocalRunner(self.settings, self.instance, "test")

    def analyse(self, key: str) -> dg.ExecuteInProcessResult:
        job = build_defs(self.settings).resolve_job_def("analyse_experiment")
        return job.execute_in_process(
            partition_key=key, instance=self.instance, raise_on_error=False
        )

    def materializations(self, asset: str, key: str) -> list[dg.EventLogRecord]:
        records = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[key]), limit=20
        )
        return list(records.records)


@pytest.fixture
def moody_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the moody engine in the engine's place."""
    monkeypatch.setattr(engine, "analyze", moody_analyze)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """One bulk run over everybody, with the moody engine."""
    settings = make_store(short_settings(tmp_path_factory.mktemp("night")))
    with pytest.MonkeyPatch.context() as patch, open_instance(settings) as instance:
        patch.setattr(engine, "analyze", moody_analyze)
        outcome = LocalRunner(settings, instance, "test").refresh()
        yield Night(settings, instance, outcome)
