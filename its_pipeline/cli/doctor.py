"""``its-pipeline doctor | store``: what is damaged, telling a store where it lies, making it small.

What belongs here: options and output. What does not: looking (`experiments.doctor`), or the log's
copies (`events.log_copies`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from its_pipeline.cli.support import plain_errors, print_table

app = typer.Typer(help="The store as a whole.", no_args_is_help=True, rich_markup_mode=None)


@plain_errors
def doctor(
    repair: Annotated[
        bool, typer.Option("--repair", help="Set aside what `its-pipeline run` makes again.")
    ] = False,
    restore_log: Annotated[
        bool,
        typer.Option(
            "--restore-log",
            help="Put the newest copy of the log of interventions in the place of a damaged one; "
            "what was logged after that copy is lost.",
        ),
    ] = False,
) -> None:
    """Look at every file of the store; say what is damaged and what would be done about it.

    Exit status 1 where anything is left damaged.
    """
    from its_pipeline.events.log_copies import restore_log as put_copy_back
    from its_pipeline.experiments.doctor import findings
    from its_pipeline.experiments.doctor import repair as set_aside_derived
    from its_pipeline.settings import get_settings

    settings = get_settings()
    if restore_log:
        copy = put_copy_back(settings.resolved_intervention_log_url, settings.store_root)
        typer.echo(f"the log of interventions is what {copy} was")
    found = list(findings(settings))
    if not found:
        typer.echo(f"{settings.store_root}: everything can be read and is as it was written")
        return
    rows = [(str(each.path), each.damage[:300], each.remedy) for each in found]
    print_table("Damaged", ("what", "how", "what is done"), rows)
    left = set_aside_derived(settings, found) if repair else found
    if repair:
        typer.echo(f"{len(found) - len(left)} set aside; next: its-pipeline run")
    if left:
        raise typer.Exit(1)


@app.command("compact")
@plain_errors
def compact() -> None:
    """Move results from folders of their own into a few files, and put small files together.

    It can be interrupted at any time, and goes on when it is asked for again. Bulk runs do the same
    with what they make.
    """
    from its_pipeline.experiments.compaction import compact as compact_results
    from its_pipeline.settings import get_settings

    settings = get_settings()

    def say(done: int, total: int) -> None:
        typer.echo(f"{done} of {total} experiments", err=True)

    moved, merged = compact_results(settings, say)
    typer.echo(f"results of {moved} experiments moved, {merged} files put together with others")


@app.command("move")
@plain_errors
def move() -> None:
    """Tell MLflow's database where the store lies now; needed where it lies elsewhere itself."""
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.run_database import is_database, move_locations

    settings = get_settings()
    uri = settings.resolved_mlflow_tracking_uri
    if not is_database(uri):
        raise ValueError("a tracking server keeps MLflow's artifacts, so there is nothing to move")
    moved = move_locations(uri, settings.mlflow_experiment, settings.mlflow_artifact_dir)
    typer.echo(f"{moved} runs now have their artifacts in {settings.mlflow_artifact_dir}")
