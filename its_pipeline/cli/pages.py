"""``its-pipeline pages``: the pages of experiments as files.

What belongs here: options and output. What does not: writing a page (`experiments.static_pages`).
"""

from __future__ import annotations

from typing import Annotated

import typer

from its_pipeline.cli.support import (
    SomeUser,
    check_known,
    fail,
    plain_errors,
    print_table,
    progress_shown,
)


@plain_errors
def pages(
    user_id: SomeUser = None,
    every: Annotated[
        bool, typer.Option("--all", help="Draw again even pages that are up to date.")
    ] = False,
) -> None:
    """Write the pages that are missing or stale as files, for everybody or one person.

    Broken off, it goes on where it was when it is started again. Some 0.7 MB a page.
    """
    from its_pipeline.defs.progress import ProgressLog
    from its_pipeline.experiments.evidence import collect_evidence
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.static_pages import write_pages
    from its_pipeline.settings import get_settings

    settings = get_settings()
    check_known(settings, user_id)
    snapshot = Snapshot(settings)
    with progress_shown():
        progress = ProgressLog(lambda _: None, "pages")
        found = write_pages(snapshot, user_id, anew=every, on_progress=progress.update)
    print_table(
        "Pages",
        ("what became of them", "number"),
        sorted((name, str(count)) for name, count in found.counts.items()),
    )
    if found.counts["written"]:
        # Its links lead to the files now.
        collect_evidence(settings, snapshot)
    typer.echo(f"index: {settings.reports_dir / 'index.html'}")
    if found.problems:
        key, reason = next(iter(found.problems.items()))
        fail(f"{len(found.problems)} pages could not be written. First: {key}: {reason}", code=1)
