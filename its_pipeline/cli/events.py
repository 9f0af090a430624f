"""``its-pipeline import``: a file of one's own becomes events.

What belongs here: options, questions and what is said. What does not: finding out what a file means
(`tables`), knowing an app's export (`exports`), or taking either (`events.importing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from its_pipeline.cli.support import (
    DateOrder,
    DecimalSign,
    Delimiter,
    Empty,
    Encoding,
    HeaderLine,
    Sheet,
    Thousands,
    plain_errors,
    read_date,
    said_of_file,
    somebody_answers,
    understand_or_ask,
)

if TYPE_CHECKING:
    from its_pipeline.events.exported import Export
    from its_pipeline.events.foretelling import Foretold
    from its_pipeline.events.importing import ImportResult
    from its_pipeline.events.mapping import ImportMapping


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
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV of any kind, Excel, OpenDocument, Parquet, JSON Lines; or an app's export: "
            "file, ZIP, folder."
        ),
    ],
    mapping_file: Annotated[
        Path | None,
        typer.Option("--mapping", help="YAML with the mapping; instead of the options below."),
    ] = None,
    time: Annotated[str | None, typer.Option(help="Column of the time.")] = None,
    outcome: Annotated[
        list[str] | None,
        typer.Option(help="COLUMN, or METRIC=COLUMN; repeatable. All numbers if not said."),
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
    date_order: DateOrder = None,
    decimal: DecimalSign = None,
    thousands: Thousands = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = None,
    empty: Empty = None,
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
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be taken, and take nothing.")
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Take it although most rows would be rejected.")
    ] = False,
) -> None:
    """Take a file into the store as events; `its-pipeline run` brings them into the lake.

    An app's export is recognised by what is in it, and needs no column named.
    """
    typer.echo(f"reading {file}", err=True)
    from its_pipeline.events.importing import foretell_import, import_file
    from its_pipeline.exports.recognising import recognised
    from its_pipeline.settings import get_settings

    said_columns = mapping_file or time or outcome
    if not said_columns and (export := recognised(file)):
        _take_export(export, context.params)
        return
    if mapping_file is not None:
        from its_pipeline.events.mapping import read_mapping_fields
        from its_pipeline.tables.understanding import completed_mapping

        mapping = completed_mapping(file, read_mapping_fields(mapping_file))
    else:
        mapping = _mapping(file, context.params)
    if dry_run:
        _say_rejected(foretell_import(get_settings(), file, mapping))
        typer.echo("nothing was taken (--dry-run)")
        return
    typer.echo("understood; taking its rows in as events", err=True)
    _tell(import_file(get_settings(), file, mapping, name, anyway=anyway), "with this mapping")


def _take_export(export: Export, given: Mapping[str, Any]) -> None:
    from its_pipeline.events.exported import Said, mood_numbers
    from its_pipeline.events.importing import foretell_export, import_export
    from its_pipeline.events.keys import key_of_id
    from its_pipeline.settings import get_settings

    if given["user_id"] is None:
        raise ValueError(f"{export.path}: {export.title}; say whose it is with --user-id")
    said = Said(given["time_zone"], mood_numbers(_pairs("--mood", given["mood"])))
    user_key = key_of_id("--user-id", given["user_id"])
    if given["dry_run"]:
        for line in foretell_export(get_settings(), export, user_key, said):
            typer.echo(line)
        typer.echo("nothing was taken (--dry-run)")
        return
    taken = import_export(get_settings(), export, user_key, said, given["name"])
    _tell(taken, "with these options")


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
    if result.foretold is not None:
        _say_rejected(result.foretold)
    if result.metrics:
        typer.echo(f"outcome metrics: {', '.join(result.metrics)}")
    typer.echo("next: its-pipeline intervention log ..., then its-pipeline run")


def _mapping(file: Path, given: Mapping[str, Any]) -> ImportMapping:
    """Return the mapping that the options and the file say, and say what was understood."""
    from its_pipeline.events.keys import key_of_id
    from its_pipeline.events.mapping import outcomes_of

    outcome = given["outcome"] or []
    if given["user"] and given["user_id"]:
        raise ValueError("say --user (a column) or --user-id (one person), not both")
    said = replace(
        said_of_file(given),
        time=given["time"],
        outcomes=outcomes_of([column for column in outcome if "=" not in column])
        | _pairs("--outcome", [pair for pair in outcome if "=" in pair]),
        user=given["user"],
        user_constant=given["user_id"] and key_of_id("--user-id", given["user_id"]),
        time_zone_column=given["time_zone_column"],
        start_on=given["day_zero"] and read_date("--day-zero", given["day_zero"]),
        unit=given["unit"],
        aggregation=given["aggregation"],
        other=_pairs("--other", given["other"]),
    )
    understood = understand_or_ask(file, said)
    for line in understood.lines:
        typer.echo(line)
    if understood.needs_user and somebody_answers():
        answer = typer.prompt("No column says whom it is about. Whose data is it (user id)?")
        return understood.mapping(user_constant=key_of_id("user id", answer))
    return understood.mapping()


def _say_rejected(foretold: Foretold) -> None:
    """Say how many rows the contract rejects, by rule."""
    if not foretold.rejected:
        typer.echo(f"of {foretold.rows:,} rows the contract rejects none")
        return
    typer.echo(f"of {foretold.rows:,} rows the contract rejects {foretold.rejected:,}:")
    for line in foretold.told:
        typer.echo(f"  {line}")
