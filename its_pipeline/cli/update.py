"""``its-pipeline run | refresh``: bringing the store up to date.

What belongs here: which jobs run in which order, and saying what they came to. What does not: the
jobs (`defs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from its_pipeline.cli.support import Experiments, fail, plain_errors, print_table, progress_shown

if TYPE_CHECKING:
    from its_pipeline.defs.local import LocalRunner, RunOutcome


@plain_errors
def run() -> None:
    """Bring everything up to date: events, daily outcomes, stale experiments, kinds, evidence."""
    # Said before anything is loaded, which takes seconds.
    typer.echo("looking for events that are new or changed", err=True)
    from its_pipeline.defs.local import local_runner
    from its_pipeline.defs.names import PURPOSE_MANUAL
    from its_pipeline.settings import get_settings

    settings = get_settings()
    with local_runner(settings, PURPOSE_MANUAL) as runner:
        with progress_shown():
            ingested = runner.ingest()
        if not ingested.success:
            _fail_with("ingest_events", ingested)
        typer.echo(f"{ingested.numbers.get('days', 0)} days of events ingested")
        if ingested.numbers.get("left_out"):
            typer.echo(f"left out: {ingested.numbers['left_out']} events of forgotten people")
        _say_rejected(ingested)
        _refresh(runner, None, "stale")
        _say_what_was_left(ingested)


def _say_rejected(ingested: RunOutcome) -> None:
    """Say how many events of the days that were read the contract rejected, by rule."""
    from its_pipeline.defs.names import REJECTED_BY

    if ingested.numbers.get("rejected"):
        by_rule = ", ".join(
            f"{name.removeprefix(REJECTED_BY)} {count:,}"
            for name, count in ingested.numbers.items()
            if name.startswith(REJECTED_BY)
        )
        typer.echo(
            f"of {ingested.numbers['read']:,} events {ingested.numbers['rejected']:,} were "
            f"rejected: {by_rule}"
        )


def _say_what_was_left(ingested: RunOutcome) -> None:
    """Say which files and days were not taken, after everything else was done."""
    refused, failed = (ingested.numbers.get(name, 0) for name in ("files_refused", "days_failed"))
    if refused:
        typer.echo(f"{refused} files of the inbox were not taken: see NAME.error.txt beside them")
    if failed:
        fail(
            f"{failed} days of events could not be taken, and are as they were (run "
            f"{ingested.run_id} says why); `its-pipeline doctor` looks for what is damaged",
            code=1,
        )


def _fail_with(job: str, outcome: RunOutcome) -> NoReturn:
    fail(f"{job} failed: {outcome.message}\nDagster has the trace: run {outcome.run_id}", code=1)


@plain_errors
def refresh(
    keys: Experiments = None,
    force: Annotated[
        bool, typer.Option("--force", help="Publish again even what cannot have changed.")
    ] = False,
    shard: Annotated[
        str, typer.Option(help="Only part I/N, e.g. 1/2; the parts may run on several machines.")
    ] = "1/1",
) -> None:
    """Analyse stale experiments, publish what converged, collect the evidence."""
    from its_pipeline.defs.local import local_runner
    from its_pipeline.defs.names import PURPOSE_MANUAL
    from its_pipeline.events.keys import parse_experiment_key
    from its_pipeline.settings import get_settings

    settings = get_settings()
    for key in keys or []:
        parse_experiment_key(key)
    with local_runner(settings, PURPOSE_MANUAL) as runner:
        _refresh(runner, keys, "all" if force else "stale", _shard(shard))


def _shard(text: str) -> tuple[int, int]:
    """Read ``I/N``, which counts from 1, as (shard from 0, shards)."""
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise ValueError(f"--shard should be I/N with 1 <= I <= N but got {text!r}")
    return int(number) - 1, int(count)


def _refresh(
    runner: LocalRunner, keys: list[str] | None, select: str, part: tuple[int, int] = (0, 1)
) -> None:
    from its_pipeline.stores.verdict import STATUSES

    with progress_shown():
        refreshed = runner.refresh(keys, select, *part)
    pooled = runner.pooled()
    collected = runner.evidence()
    rows = [
        (name.replace("_", " "), str(refreshed.numbers[name]))
        for name in (*STATUSES, "unchanged")
        if refreshed.numbers.get(name)
    ]
    print_table("Experiments", ("verdict", "number"), rows)
    typer.echo(f"index: {runner.settings.reports_dir / 'index.html'}")
    if pooled is not None and pooled.success:
        kinds, made = pooled.numbers["kinds"], pooled.numbers["made"]
        typer.echo(f"people who tried the same: {kinds} kinds, {made} made anew")
    for outcome, name in (
        (refreshed, "refresh_experiments"),
        (pooled, "refresh_pooled_effects"),
        (collected, "collect_evidence"),
    ):
        if outcome is not None and not outcome.success:
            _fail_with(name, outcome)
