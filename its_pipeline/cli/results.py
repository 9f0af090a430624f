"""``its-pipeline status | history | posterior | prune``: what was found out, and how much is kept.

What belongs here: options and tables. What does not: where results lie (`stores`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from its_pipeline.cli.support import (
    Experiment,
    SomeUser,
    User,
    check_known,
    fail,
    interval_text,
    plain_errors,
    print_table,
    standing_text,
)
from its_pipeline.events.keys import shown_experiment
from its_pipeline.its.estimand_names import HEADLINE

if TYPE_CHECKING:
    from its_pipeline.settings import Settings
    from its_pipeline.stores.verdict import Verdict

#: Of very many experiments at most so many that failed are listed.
MOST_PROBLEMS_SHOWN: Final = 50


@plain_errors
def status(
    user_id: SomeUser = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show every experiment's newest verdict; of very many, how many have which."""
    import json

    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import open_store
    from its_pipeline.experiments.sharding import has_shards
    from its_pipeline.settings import get_settings

    settings = get_settings()
    check_known(settings, user_id)
    if user_id is None and has_shards(settings):
        _status_of_many(settings, as_json=as_json)
        return
    store = open_store(settings)
    snapshot = Snapshot(settings) if user_id is None else Snapshot.of_person(settings, user_id)
    found = {key: store.verdict(key) for key in snapshot.experiment_keys()}
    if as_json:
        typer.echo(
            json.dumps({key: v.to_dict() if v else None for key, v in found.items()}, indent=1)
        )
        return
    rows = [_verdict_row(key, verdict) for key, verdict in found.items()]
    print_table("Experiments", ("experiment", "verdict", "effect", "P(benefit)", "note"), rows)


def _status_of_many(settings: Settings, *, as_json: bool) -> None:
    """Show how many experiments stand how, and the first of those that somebody should look at."""
    from its_pipeline.events.log_counts import count_interventions
    from its_pipeline.experiments.service import open_store
    from its_pipeline.stores.standing import overview_of, standing_tables
    from its_pipeline.stores.verdict import STATUSES

    store = open_store(settings)
    if as_json:
        # One after the other: all of them together would not fit into memory.
        mark = "{"
        for table in standing_tables(store):
            for key, verdict in zip(
                *(table[n].to_pylist() for n in ("key", "verdict")), strict=True
            ):
                typer.echo(f'{mark}\n "{key}": {verdict}', nl=False)
                mark = ","
        typer.echo("\n}" if mark == "," else "{}")
        return
    counts, problems = overview_of(store, MOST_PROBLEMS_SHOWN)
    rows = [(name.replace("_", " "), f"{counts[name]:,}") for name in STATUSES if counts[name]]
    missing = count_interventions(settings) - counts.total()
    if missing > 0:
        rows.append(("not evaluated", f"{missing:,}"))
    print_table("Experiments", ("verdict", "number"), rows)
    if problems:
        n = counts["crashed"] + counts["not_converged"]
        shown = [(*_verdict_row(each.key, each)[:2], each.reason) for each in problems]
        caption = f"the first {len(shown)} of {n:,}" if n > len(shown) else ""
        print_table("To look at", ("experiment", "verdict", "why"), shown, caption)
    typer.echo("one person's: its-pipeline status PERSON; all of them: its-pipeline status --json")


def _verdict_row(key: str, verdict: Verdict | None) -> tuple[str, ...]:
    """Return a verdict as a table's row."""
    if verdict is None:
        return shown_experiment(key), "not evaluated", "", "", "run its-pipeline refresh"
    effect = verdict.told_headline
    benefit = verdict.probability_of_benefit
    return (
        shown_experiment(key),
        verdict.status.replace("_", " "),
        interval_text(effect) if effect else "",
        f"{benefit:.3f}" if benefit is not None else "",
        verdict.reason
        if verdict.standing is None
        else standing_text(verdict.standing, verdict.calendar),
    )


@plain_errors
def history(
    user_id: User,
    intervention_id: Annotated[str | None, typer.Option(help="Only of this intervention.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this verdict.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
) -> None:
    """Show a person's past analyses, newest first."""
    from its_pipeline.experiments.service import open_store
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.past_analyses import past_analyses
    from its_pipeline.stores.runs import RunStore

    settings = get_settings()
    check_known(settings, user_id)
    page = past_analyses(
        RunStore.from_settings(settings),
        open_store(settings),
        user_id,
        intervention_id,
        status,
        page_size=limit,
    )
    rows = [
        (
            each.recorded_at.isoformat(sep=" ", timespec="minutes"),
            each.intervention_id,
            each.status,
            _interval(each.numbers),
            each.mlflow_run_id or "in its shard",
        )
        for each in page.analyses
    ]
    print_table("Analyses", ("when (UTC)", "intervention", "verdict", "effect", "run"), rows)


def _interval(numbers: Mapping[str, float]) -> str:
    name = HEADLINE.name
    if f"{name}.mean" not in numbers:
        return ""
    parts = ("mean", "ci_lower", "ci_upper")
    return interval_text({part: numbers[f"{name}.{part}"] for part in parts})


@plain_errors
def posterior(
    key: Experiment,
    to: Annotated[Path, typer.Option(help="NetCDF file to write.", dir_okay=False)],
) -> None:
    """Write the draws of an experiment's newest analysis as compressed NetCDF, for ArviZ."""
    from its_pipeline.events.keys import parse_experiment_key
    from its_pipeline.experiments.service import load_analysis, open_store
    from its_pipeline.settings import get_settings

    settings = get_settings()
    check_known(settings, parse_experiment_key(key).user_id)
    verdict = open_store(settings).verdict(key)
    if verdict is None:
        fail(f"{key} was never evaluated: run `its-pipeline refresh`; `status` lists keys")
    if verdict.status != "analysed":
        fail(f"{key} is {verdict.status}, so it has no posterior: {verdict.reason}")
    analysis = load_analysis(settings, verdict)
    if analysis is None:
        fail(
            f"the draws of {key} are not there any more; `its-pipeline refresh --force` makes them"
        )
    analysis.idata.to_netcdf(str(to), compress=True)
    typer.echo(f"{to}: {analysis.spec.chains} chains of {analysis.spec.draws} draws")


@plain_errors
def prune(
    keep: Annotated[
        int | None, typer.Option(min=1, help="Analyses to keep of each experiment.")
    ] = None,
) -> None:
    """Delete older analyses, and events of days older than ITS_KEEP_EVENTS_DAYS.

    MLflow keeps all about the analyses but their draws. Daily outcomes stay.
    """
    from its_pipeline.settings import get_settings

    settings = get_settings()
    if keep is None and settings.keep_events_days is None:
        fail("say what is kept: --keep N analyses of each experiment, or set ITS_KEEP_EVENTS_DAYS")
    if keep is not None:
        _prune_analyses(settings, keep)
    if settings.keep_events_days is not None:
        _prune_events(settings)


def _prune_analyses(settings: Settings, keep: int) -> None:
    from its_pipeline.experiments.own_files import keys_with_files
    from its_pipeline.experiments.service import open_store
    from its_pipeline.experiments.sharding import known_shards
    from its_pipeline.stores.keeping import prune as prune_analyses
    from its_pipeline.stores.keeping import prune_shard
    from its_pipeline.stores.runs import RunStore

    store, runs = open_store(settings), RunStore.from_settings(settings)
    removed = prune_analyses(store, keys_with_files(settings), keep, runs.drop_posterior)
    removed += sum(prune_shard(store, shard, keep) for shard in known_shards(settings))
    typer.echo(f"{removed} old analyses deleted")


def _prune_events(settings: Settings) -> None:
    from its_pipeline.events.closed_days import ClosedDaysError
    from its_pipeline.ingest.closing import close_old_days

    try:
        closing = close_old_days(settings)
    except ClosedDaysError as error:
        fail(str(error), code=1)
    typer.echo(f"events of {closing.deleted} days deleted; their daily outcomes are kept")
    if closing.through is not None:
        typer.echo(f"UTC days up to {closing.through} are closed: what comes for them is refused")
    if closing.waiting_for is not None:
        fail(
            f"{closing.waiting_for} is older than {settings.keep_events_days} days, but its events "
            "are not taken in as they are now, so it and later days stay: run its-pipeline run, "
            "then this again",
            code=1,
        )
