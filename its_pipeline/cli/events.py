"""``its-pipeline import``: a file of one's own becomes events.

What belongs here: options. What does not: reading the file (`events.importing`), or knowing an
app's export (`exports`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from its_pipeline.cli.support import plain_errors

if TYPE_CHECKING:
    from its_pipeline.events.exported import Export
    from its_pipeline.events.importing import ImportResult


def _pairs(option: str, entries: list[str] | None) -> dict[str, str]:
    """Read ``NAME=COLUMN`` entries."""
    pairs: dict[str, str] = {}
    for entry in entries or []:
        name, separator, column = entry.partition("=")
        if not separator:
            raise ValueError(f"{option} should be NAME=COLUMN but got {entry!r}")
        pairs[name] = column
    return pairs


@plain_errors
def import_events(
    file: Annotated[
        Path,
        typer.Argument(help="CSV, Parquet, JSON Lines; or an app's export: file, ZIP, folder."),
    ],
    mapping_file: Annotated[
        Path | None,
        typer.Option("--mapping", help="YAML with the mapping; instead of the options below."),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time.")] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN, or METRIC=COLUMN; repeatable."),
    ] = None,
    user: Annotated[str | None, typer.Option(help="Column of the person.")] = None,
    user_id: Annotated[str | None, typer.Option(help="The one person the file is about.")] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="IANA zone of times without an offset; of a table UTC where not given."),
    ] = None,
    time_zone_column: Annotated[str | None, typer.Option(help="Column of the zone.")] = None,
    day_zero: Annotated[
        str | None,
        typer.Option(help="The time column counts days; this date is day 0 (YYYY-MM-DD)."),
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of the outcomes.")] = "",
    aggregation: Annotated[
        str, typer.Option(help="How several values of a day become one: mean, median, sum.")
    ] = "mean",
    other: Annotated[
        list[str] | None, typer.Option(help="CONTRACT_COLUMN=COLUMN; repeatable.")
    ] = None,
    mood: Annotated[
        list[str] | None,
        typer.Option(help="NAME=NUMBER of a mood of one's own, 1 to 5; repeatable. Daylio alone."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the import.")] = None,
) -> None:
    """Take a file into the store as events; `its-pipeline run` brings them into the lake.

    An app's export is recognised by what is in it, and needs no column named.
    """
    from its_pipeline.events.importing import import_file
    from its_pipeline.events.mapping import make_mapping, outcomes_of, read_mapping
    from its_pipeline.exports.recognising import recognised
    from its_pipeline.settings import get_settings

    said_columns = mapping_file or time or outcome
    if not said_columns and (export := recognised(file)):
        _take_export(export, user_id, time_zone, _pairs("--mood", mood), name)
        return
    if mapping_file is not None:
        mapping = read_mapping(mapping_file)
    else:
        if time is None or not outcome:
            raise ValueError(
                f"{file} is no export of an app that is known; give --time and at least one "
                "--outcome, or a --mapping file"
            )
        given: dict[str, Any] = {
            "time": time,
            "outcomes": outcomes_of([column for column in outcome if "=" not in column])
            | _pairs("--outcome", [pair for pair in outcome if "=" in pair]),
            "user": user,
            "user_constant": user_id,
            "time_zone": time_zone or "UTC",
            "time_zone_column": time_zone_column,
            "time_kind": "timestamp" if day_zero is None else "day_number",
            "start_on": day_zero,
            "unit": unit,
            "aggregation": aggregation,
            "other": _pairs("--other", other),
        }
        mapping = make_mapping(given, "the options")
    _tell(import_file(get_settings(), file, mapping, name), "with this mapping")


def _take_export(
    export: Export,
    user_id: str | None,
    time_zone: str | None,
    moods: dict[str, str],
    name: str | None,
) -> None:
    from its_pipeline.events.exported import Said, mood_numbers
    from its_pipeline.events.importing import import_export
    from its_pipeline.settings import get_settings

    if user_id is None:
        raise ValueError(f"{export.path}: {export.title}; say whose it is with --user-id")
    said = Said(time_zone, mood_numbers(moods))
    _tell(import_export(get_settings(), export, user_id, said, name), "with these options")


def _tell(result: ImportResult, how: str) -> None:
    if result.left_out:
        typer.echo(f"left out: {result.left_out} events of people who were forgotten")
    if not result.taken:
        typer.echo(f"{result.name} was imported before {how}; nothing to do")
        return
    for line in result.told:
        typer.echo(line)
    typer.echo(
        f"imported {result.rows} events on {result.days} days as {result.name} "
        f"(version {result.version})"
    )
    if result.metrics:
        typer.echo(f"outcome metrics: {', '.join(result.metrics)}")
    typer.echo("next: its-pipeline intervention log ..., then its-pipeline run")
