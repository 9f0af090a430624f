"""The store of `benchmarks.million`, and the stub in the place of the work.

What belongs here: a log and days of very many people, written in bulk, and rows of results that
nobody computed. What does not: running or timing anything.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from benchmarks._store import METRIC
from its_pipeline.events.intervention_schema import bring_up_to_date
from its_pipeline.events.intervention_table import VERSIONS, open_engine
from its_pipeline.experiments.shard_work import ChunkResult, ChunkSettings
from its_pipeline.settings import Settings
from its_pipeline.stores.result_rows import STANDING, ResultRow, compact_json

#: Of so many people one waits for days, and one's sampler did not converge.
WAITING, STUCK = 7, 500
STARTED_ON: Final = date(2026, 3, 1)
_PEOPLE_AT_A_TIME: Final = 20_000


def settings_of(root: Path, *, analysed: bool) -> Settings:
    """Return the settings of the store, for a night whose analyses are real or stubbed."""
    settings = Settings(
        store_root=root,
        today_on=STARTED_ON + timedelta(days=91),
        partition_limit=0,
        mlflow_url="http://127.0.0.1:5000",
    )
    # A run of stubs has a hundred times as many: what nobody computes is there in no time.
    how = {"audit_share": 0.02} if analysed else {"refresh_workers": 1, "shard_size": 1_000}
    return settings.model_copy(update=how)


def user_name(number: int) -> str:
    """Return the identifier of the person with this number."""
    return f"person-{number:07d}"


def write_log(settings: Settings, people: int) -> None:
    """Log one intervention a person, in bulk."""
    settings.store_root.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.resolved_intervention_log_url)
    bring_up_to_date(engine)
    at = datetime(2026, 2, 1, tzinfo=UTC)
    with engine.begin() as connection:
        for start in range(0, people, _PEOPLE_AT_A_TIME):
            connection.execute(
                sa.insert(VERSIONS),
                [
                    {
                        "sequence": number + 1,
                        "user_id": user_name(number),
                        # Everybody's own: no kind has enough people to be pooled.
                        "intervention_id": f"mornings-{number}",
                        "version": 1,
                        "status": "open",
                        "name": "Study in the morning",
                        "outcome_metric": METRIC,
                        "started_on": STARTED_ON,
                        "direction": "increase",
                        "baseline_days": 90,
                        "horizon_days": 90,
                        "minimum_effect": 0.0,
                        "washout_days": 0,
                        "hypothesis": "",
                        "time_zone": "UTC",
                        "protocol": "{}",
                        "logged_at": at,
                        "recorded_at": at,
                        "reason": "logged",
                    }
                    for number in range(start, min(start + _PEOPLE_AT_A_TIME, people))
                ],
            )
    engine.dispose()


def write_days(settings: Settings, people: int, days: int) -> None:
    """Write so many daily outcomes a person, half of them ahead of the start."""
    rng = np.random.default_rng(0)
    first = np.datetime64(STARTED_ON) - np.timedelta64(days // 2, "D")
    schema: pa.Schema | None = None
    writer: pq.ParquetWriter | None = None
    for start in range(0, people, _PEOPLE_AT_A_TIME):
        numbers = range(start, min(start + _PEOPLE_AT_A_TIME, people))
        n = len(numbers) * days
        shares = rng.dirichlet([3.0, 4.0, 2.0, 1.0], size=n)
        table = pa.table(
            {
                "user_id": pa.array(np.repeat([user_name(each) for each in numbers], days)),
                "outcome": pa.array([METRIC] * n),
                "day": pa.array(np.tile(first + np.arange(days), len(numbers))).cast(pa.date32()),
                "value": pa.array(60 + 6 * rng.standard_normal(n)),
                "n_events": pa.array(rng.integers(2, 6, size=n), pa.int32()),
                **{
                    f"share_{name}": pa.array(shares[:, at])
                    for at, name in enumerate(("morning", "afternoon", "evening", "night"))
                },
            }
        )
        if writer is None:
            schema = table.schema
            writer = pq.ParquetWriter(settings.daily_outcomes_path, schema)
        writer.write_table(table, row_group_size=8192)
    if writer is not None:
        writer.close()


class Stub:
    """Stands in the place of `shard_work.evaluate_chunk`: rows of results, nothing computed.

    Parameters
    ----------
    verdict
        A real analysed verdict, whose numbers everybody gets.
    """

    def __init__(self, verdict: dict[str, Any]) -> None:
        self._verdict = verdict

    def __call__(self, people: pa.Table, settings: ChunkSettings) -> ChunkResult:
        """Give every experiment of a chunk its rows."""
        rows: list[ResultRow] = []
        counts: Counter[str] = Counter()
        problems = {}
        computed = []
        decided_at = json.loads(settings.shared)["decided_at"]
        for person in people.select(["user_id", "interventions", "digest"]).to_pylist():
            for entry in json.loads(person["interventions"]):
                user_id, intervention_id = person["user_id"], entry["intervention_id"]
                key = f"{user_id}|{intervention_id}"
                told = {
                    **self._verdict,
                    "key": key,
                    "user_id": user_id,
                    "intervention_id": intervention_id,
                    "decided_at": decided_at,
                    "dagster_run_id": settings.run.dagster_run_id,
                }
                number = int(user_id.rpartition("-")[2])
                fingerprint = f"{number:064x}"
                if number % WAITING == 0:
                    told |= _without_effects("waiting", "too few post days")
                elif number % STUCK == 1:
                    told |= _without_effects("not_converged", "max_r_hat 1.2 is above 1.01")
                    problems[key] = told["reason"]
                else:
                    told["fingerprint"] = fingerprint
                    rows.append(
                        ResultRow(key, user_id, fingerprint, decided_at, "{}", analysis=b"stub")
                    )
                    computed.append(key)
                counts[told["status"]] += 1
                rows.append(
                    ResultRow(
                        key,
                        user_id,
                        STANDING,
                        decided_at,
                        compact_json(told),
                        input_digest=person["digest"],
                        holds_on="",
                        of_analysis=told["fingerprint"],
                    )
                )
        return ChunkResult(
            rows=tuple(rows),
            looks=(),
            counts=dict(counts),
            problems=problems,
            crashes=(),
            computed=tuple(computed),
            people=people.num_rows,
        )


def _without_effects(status: str, reason: str) -> dict[str, Any]:
    return {
        "status": status,
        "reason": reason,
        "reason_code": status,
        "fingerprint": None,
        "effects": None,
        "probability_of_benefit": None,
        "standing": None,
        "diagnostics": None,
    }


def files_under(root: Path) -> Iterator[tuple[str, int, int]]:
    """Yield of each folder of a store, and of its own files: name, files, bytes."""
    for path in sorted(root.iterdir()):
        found = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
        yield path.name, len(found), sum(each.stat().st_size for each in found)
