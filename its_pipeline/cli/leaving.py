"""``its-pipeline export | forget``: taking one's data along, and being forgotten.

What belongs here: options, asking again, and output. What does not: what is in the ZIP, or what is
deleted (`its_pipeline.leaving`).
"""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from its_pipeline.cli.support import User, fail, plain_errors, print_table

if TYPE_CHECKING:
    from its_pipeline.leaving.departure import Departure
    from its_pipeline.settings import Settings


@plain_errors
def export(
    user_id: User,
    to: Annotated[
        Path | None, typer.Option(help="File to write; default USER.zip.", dir_okay=False)
    ] = None,
) -> None:
    """Write everything that is kept of a person into one ZIP, with a README.txt in it."""
    from its_pipeline.events.keys import validate_id
    from its_pipeline.files.parquet import unfinished_file
    from its_pipeline.leaving.take_along import write_archive
    from its_pipeline.settings import get_settings

    path = to or Path(f"{validate_id('user_id', user_id)}.zip")
    with unfinished_file(path) as unfinished:
        counts = write_archive(get_settings(), user_id, unfinished)
    print_table(str(path), ("file", "entries"), [(n, str(c)) for n, c in counts.items()])


@plain_errors
def forget(
    user_id: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for the id again.")] = False,
    lift: Annotated[
        bool,
        typer.Option("--lift", help="Take a forgotten person's data again; deletes nothing."),
    ] = False,
) -> None:
    """Delete everything of a person, everywhere, for good; no event of theirs is taken again.

    Exit status 1 where something is left that the next run of the pipeline, or you, must see to.
    """
    from its_pipeline.defs.home import end_abandoned_runs, open_instance
    from its_pipeline.events.forgotten import Forgotten
    from its_pipeline.events.keys import shown_id, validate_id
    from its_pipeline.leaving.forget import forget as forget_person
    from its_pipeline.settings import get_settings

    settings = get_settings()
    name = shown_id(validate_id("user_id", user_id))
    if lift:
        if not Forgotten(settings.store_root).lift(user_id):
            fail(f"{name} was not forgotten here")
        _audit(settings, user_id, "forget --lift")
        typer.echo(f"{name} may be taken in again: import their files anew under new names")
        return
    if not yes:
        typer.echo(f"Everything of {name} will be deleted; nothing can bring it back.")
        if typer.prompt("Type the id again") not in (user_id, name):
            fail("that is another id; nothing was deleted")
    _audit(settings, user_id, "forget")
    if settings.dagster_home.is_dir():
        with open_instance(settings) as instance:
            end_abandoned_runs(instance)
    _say(forget_person(settings, user_id))


def _say(departure: Departure) -> None:
    from its_pipeline.events.keys import shown_id

    name = shown_id(departure.user_id)
    rows = [(what, str(count)) for what, count in departure.deleted.items() if count]
    if rows:
        print_table(f"Deleted of {name}", ("what", "how many"), rows)
    else:
        typer.echo(f"nothing of {name} was found")
    for left in departure.left:
        typer.echo(f"left: {left}", err=True)
    if departure.left:
        raise typer.Exit(1)
    typer.echo("events of theirs that come again are left out; --lift ends that")


def _audit(settings: Settings, user_id: str, command: str) -> None:
    """Write down who asks for it, where the API writes who asked for whom."""
    from its_pipeline.api.http.audit import open_audit_log
    from its_pipeline.api.http.server_settings import ServerSettings

    log = open_audit_log(settings.store_root, ServerSettings())
    try:
        log.write(
            {
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "command": f"its-pipeline {command}",
                "by": getpass.getuser(),
                "user_id": user_id,
            }
        )
    finally:
        log.close()
