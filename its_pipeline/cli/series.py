"""``its-pipeline series``: external series, which belong to the store and to no person.

What belongs here: options and output. What does not: finding out what a file means (`tables`), or
keeping a series (`stores.external_series`).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from its_pipeline.cli.support import (
    Aggregate,
    DateOrder,
    DaysOfInstants,
    DecimalSign,
    Delimiter,
    Empty,
    Encoding,
    HeaderLine,
    Sheet,
    Thousands,
    checked_aggregate,
    plain_errors,
    print_table,
    said_of_file,
    understand_or_ask,
)

app = typer.Typer(
    help="Series that belong to no person, such as the weather: for --comparison.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="By which interventions declare it (--comparison).")]


@app.command("import")
@plain_errors
def import_series(
    context: typer.Context,
    name: Name,
    file: Annotated[
        Path, typer.Argument(help="CSV of any kind, Excel, OpenDocument or Parquet; a row a day.")
    ],
    date_column: Annotated[
        str | None, typer.Option("--date", help="Column of the dates; found if there is one.")
    ] = None,
    value_column: Annotated[
        str | None, typer.Option("--value", help="Column of the values; found if there is one.")
    ] = None,
    aggregate: Aggregate = None,
    time_zone: DaysOfInstants = "UTC",
    date_order: DateOrder = None,
    decimal: DecimalSign = None,
    thousands: Thousands = None,
    delimiter: Delimiter = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    header_line: HeaderLine = None,
    empty: Empty = None,
) -> None:
    """Take a column of a file as an external series; one of the same name is replaced whole."""
    from its_pipeline.events.mapping import outcomes_of
    from its_pipeline.events.metrics import registered_metrics
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.external_series import write_external
    from its_pipeline.tables.daily import read_daily
    from its_pipeline.tables.understanding import NOBODY

    settings = get_settings()
    if name in registered_metrics(settings):
        raise ValueError(
            f"{name!r} is the name of an outcome metric of this store; give the series another one"
        )
    said = replace(said_of_file(context.params), time=date_column)
    if value_column is not None:
        said = replace(said, outcomes=outcomes_of([value_column]))
    understood = understand_or_ask(file, said)
    columns = list(understood.mapping(user_constant=NOBODY).outcomes.values())
    if len(columns) != 1:
        raise ValueError(
            f"{file}: which column holds the values? say --value with one of "
            f"{', '.join(map(repr, columns))}"
        )
    for line in understood.lines:
        typer.echo(line)
    values = read_daily(file, understood, columns[0], checked_aggregate(aggregate))
    kept = write_external(settings, name, values)
    typer.echo(
        f"external series {name}: {kept.n_days} days, {kept.first_on} to {kept.last_on}; "
        f"next: its-pipeline intervention log ... --comparison {name}"
    )


@app.command("list")
@plain_errors
def list_series() -> None:
    """List the external series of the store."""
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.external_series import list_external

    rows = [
        (each.name, str(each.n_days), str(each.first_on), str(each.last_on))
        for each in list_external(get_settings())
    ]
    print_table("External series", ("name", "days", "first", "last"), rows)


@app.command("remove")
@plain_errors
def remove_series(name: Name) -> None:
    """Take an external series away; experiments that declare it say so until they are amended."""
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.external_series import remove_external

    remove_external(get_settings(), name)
    typer.echo(f"external series {name} is gone")
