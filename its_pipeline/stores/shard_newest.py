"""Which MLflow run tells of a shard's newest results: a small file each.

What belongs here: reading and writing these files. What does not: the runs (`shard_records`).

``<store root>/shard_records/<shard>.json``
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from its_pipeline.files.atomic import exclusive, remove_unfinished, write_json
from its_pipeline.files.damage import read_or_set_aside
from its_pipeline.stores.experiment_store import ExperimentStore

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

RECORDS_FOLDER: Final = "shard_records"


@dataclass(frozen=True)
class NewestRun:
    """The run that tells of a shard's newest results.

    Attributes
    ----------
    mlflow_run_id
        Its identifier.
    digest
        Of its table.
    experiments
        How many the table has.
    file
        Size and time of the table's file where it lies in the store; empty elsewhere, and of runs
        of earlier versions.
    """

    mlflow_run_id: str
    digest: str
    experiments: int
    file: str = ""


def read_newest(settings: Settings, shard: str) -> NewestRun | None:
    """Return the newest run of a shard, by its name; None where there is none."""

    def read(path: Path) -> NewestRun:
        return NewestRun(**json.loads(path.read_bytes()))

    return read_or_set_aside(_path(settings, shard), read, settings.store_root)


def write_newest(settings: Settings, shard: str, newest: NewestRun) -> None:
    """Remember a shard's newest run."""
    path = _path(settings, shard)
    with exclusive(path.with_name(".lock")):
        remove_unfinished(path.parent)
        write_json(path, asdict(newest))


@contextmanager
def recording(settings: Settings, shard: str) -> Iterator[None]:
    """Let one process at a time record a shard."""
    path = _path(settings, shard)
    with exclusive(path.with_name(f".{path.stem}.lock")):
        yield


def recorded_shard_run(settings: Settings, shard: str) -> str | None:
    """Return the identifier of a shard's newest run; None where there is none."""
    known = read_newest(settings, shard)
    return None if known is None else known.mlflow_run_id


def recorded_experiments(settings: Settings, shard: str) -> int:
    """Return how many experiments a shard's newest run tells of; 0 where there is none."""
    known = read_newest(settings, shard)
    return 0 if known is None else known.experiments


def forget_all_runs(settings: Settings) -> int:
    """Forget the runs of shards and analyses, as when MLflow's database is lost; how many."""
    files = list((settings.store_root / RECORDS_FOLDER).glob("*.json"))
    for file in files:
        file.unlink()
    return len(files) + ExperimentStore(settings.experiments_dir).forget_recorded_runs()


def _path(settings: Settings, shard: str) -> Path:
    return settings.store_root / RECORDS_FOLDER / f"{shard.replace(' ', '-')}.json"
