"""A finished simulation: where its files lie, and what was planted in each person's series.

What belongs here: the records, reading them back, and taking a person out. What does not: drawing
events (`simulator`), or people (`people`).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.schema import pc
from its_pipeline.files.atomic import write_json
from its_pipeline.files.parquet import unfinished_file


@dataclass(frozen=True)
class Truth:
    """What was planted in one person's series by one intervention, in outcome units.

    Attributes
    ----------
    user_id, intervention_id
        The experiment.
    story
        One line for the demo's table.
    started_on
        First post day; with a schedule the first day that it says something of.
    immediate, slope_per_week
        The planted effects.
    counterfactual_effect
        Mean planted effect of this intervention over the observed days on.
    n_pre, n_post
        Observed local days that were off, and on.
    clipped
        Session values that had to be clipped to the legal range; the truth is exact when 0.
    """

    user_id: str
    intervention_id: str
    story: str
    outcome_metric: str
    direction: str
    started_on: date
    immediate: float
    slope_per_week: float
    counterfactual_effect: float
    n_pre: int
    n_post: int
    expected: str
    clipped: int


@dataclass(frozen=True)
class Simulation:
    """A finished simulation.

    Attributes
    ----------
    folder
        Where its files lie.
    version
        Changes when people, seed, dates or the simulator change.
    events
        Number of delivered events, defects included.
    truth
        What was planted, by person and intervention.
    """

    folder: Path
    version: str
    events: int
    truth: tuple[Truth, ...]


def read_simulation(folder: Path) -> Simulation:
    """Read back what `simulator.simulate` returned.

    Raises
    ------
    FileNotFoundError
        If the folder holds no simulation.
    ValueError
        If one of its files is damaged.
    """
    summary, truths = _read(folder / "simulation.json"), _read(folder / "truth.json")
    for truth in truths:
        truth["started_on"] = date.fromisoformat(truth["started_on"])
    return Simulation(
        folder, summary["version"], summary["events"], tuple(Truth(**truth) for truth in truths)
    )


def _read(path: Path) -> Any:
    """Return the contents of a JSON file of a simulation; nothing else can make it again."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}); simulate the events again, into an empty store"
        ) from error


def write_simulation(
    folder: Path, truths: Sequence[Truth], *, version: str, events: int, seed: int,
    start_on: date, days: int,
) -> None:  # fmt: skip
    """Write what `read_simulation` reads beside the simulation's events.

    Parameters
    ----------
    folder
        Of the simulation.
    truths
        What was planted.
    version, events
        As in `Simulation`.
    seed, start_on, days
        What it was drawn with.
    """
    write_json(
        folder / "truth.json",
        [dataclasses.asdict(t) | {"started_on": t.started_on.isoformat()} for t in truths],
    )
    summary = {"version": version, "events": events, "seed": seed, "days": days}
    write_json(folder / "simulation.json", {**summary, "start_on": start_on.isoformat()})


def delete_from_simulation(folder: Path, user_id: str) -> int:
    """Delete a person's events and truths from a finished simulation; return how many events.

    The version stays: nobody else's events are other ones.

    Parameters
    ----------
    folder
        Of the simulation; one that is not there has nobody in it.
    user_id
        Whose.
    """
    deleted = 0
    for block in sorted(folder.glob("block-*.parquet")):
        deleted += _delete_from_block(block, user_id)
    if (folder / "truth.json").is_file():
        truths = _read(folder / "truth.json")
        kept = [truth for truth in truths if truth["user_id"] != user_id]
        if kept != truths:
            write_json(folder / "truth.json", kept)
    return deleted


def _delete_from_block(block: Path, user_id: str) -> int:
    file = pq.ParquetFile(block)
    days = json.loads((file.metadata.metadata or {})[b"its.days"])
    groups = [file.read_row_group(number) for number in range(file.num_row_groups)]
    kept = [(day, _without(group, user_id)) for day, group in zip(days, groups, strict=True)]
    deleted = sum(group.num_rows for group in groups) - sum(group.num_rows for _, group in kept)
    if deleted:
        kept = [(day, group) for day, group in kept if group.num_rows]
        with (
            unfinished_file(block) as unfinished,
            pq.ParquetWriter(
                unfinished, file.schema_arrow, compression="zstd", store_schema=False
            ) as writer,
        ):
            for _, group in kept:
                writer.write_table(group, row_group_size=group.num_rows)
            writer.add_key_value_metadata({"its.days": json.dumps([day for day, _ in kept])})
    return deleted


def _without(rows: pa.Table, user_id: str) -> pa.Table:
    users = pc.utf8_trim_whitespace(rows["user_id"].cast(pa.string()))
    return rows.filter(pc.fill_null(pc.not_equal(users, user_id), True))
