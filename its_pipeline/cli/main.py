"""The command ``its-pipeline``.

What belongs here: the commands' names, options and the way they talk to a person. What does not:
anything they do; every command imports what it needs when it runs, because that takes seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from its_pipeline.cli import analyze as cli_analyze
from its_pipeline.cli import demo as cli_demo
from its_pipeline.cli import events as cli_events
from its_pipeline.cli import interventions as cli_interventions
from its_pipeline.cli import servers as cli_servers
from its_pipeline.cli.support import fail, plain_errors, print_table
from its_pipeline.its.estimand_names import HEADLINE

app = typer.Typer(
    name="its-pipeline",
    help="Did the thing one person changed work? Interrupted time series, gated and traceable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(cli_interventions.app, name="intervention")
app.command("demo")(cli_demo.demo)
app.command("import")(cli_events.import_events)
app.command("analyze")(cli_analyze.analyze)
app.command("ui")(cli_servers.ui)
app.command("mlflow")(cli_servers.mlflow)
app.command("serve")(cli_servers.serve)
app.command("home")(cli_servers.home)


@app.command()
@plain_errors
def run() -> None:
    """Bring everything up to date: events, daily outcomes, stale experiments, evidence."""
    from its_pipeline.defs.local import local_runner
    from its_pipeline.defs.names import PURPOSE_MANUAL
    from its_pipeline.settings import get_settings

    settings = get_settings()
    with local_runner(settings, PURPOSE_MANUAL) as runner:
        ingested = runner.ingest()
        if not ingested.success:
            fail(f"ingest_events failed (run {ingested.run_id}): {ingested.message}", code=1)
        typer.echo(f"{ingested.numbers.get('days', 0)} days of events ingested")
        _refresh(runner, None, "stale")


@app.command()
@plain_errors
def refresh(
    keys: Annotated[
        list[str] | None,
        typer.Argument(help="Experiments (user_id|intervention_id); default: all that are stale."),
    ] = None,
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
    runner: object, keys: list[str] | None, select: str, part: tuple[int, int] = (0, 1)
) -> None:
    from its_pipeline.cli.support import progress_shown
    from its_pipeline.defs.local import LocalRunner
    from its_pipeline.stores.verdict import STATUSES

    if not isinstance(runner, LocalRunner):
        raise TypeError(f"runner should be a LocalRunner but got {type(runner).__name__}")
    with progress_shown():
        refreshed = runner.refresh(keys, select, *part)
    collected = runner.evidence()
    rows = [
        (name.replace("_", " "), str(refreshed.numbers[name]))
        for name in (*STATUSES, "unchanged")
        if refreshed.numbers.get(name)
    ]
    print_table("Experiments", ("verdict", "number"), rows)
    typer.echo(f"index: {runner.settings.reports_dir / 'index.html'}")
    for outcome, name in ((refreshed, "refresh_experiments"), (collected, "collect_evidence")):
        if not outcome.success:
            fail(f"{name} failed (run {outcome.run_id}): {outcome.message}", code=1)


@app.command()
@plain_errors
def status(
    user_id: Annotated[str | None, typer.Argument(help="Only this person's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Show every experiment's newest verdict."""
    import json

    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import open_store
    from its_pipeline.settings import get_settings

    settings = get_settings()
    store = open_store(settings)
    keys = [
        key
        for key in Snapshot(settings).experiment_keys()
        if user_id is None or key.split("|")[0] == user_id
    ]
    found = {key: store.verdict(key) for key in keys}
    if as_json:
        typer.echo(
            json.dumps({key: v.to_dict() if v else None for key, v in found.items()}, indent=1)
        )
        return
    from its_pipeline.cli.support import verdict_row

    rows = [verdict_row(key, verdict) for key, verdict in found.items()]
    print_table("Experiments", ("experiment", "verdict", "effect", "P(benefit)", "note"), rows)


@app.command()
@plain_errors
def history(
    user_id: Annotated[str, typer.Argument(help="Whose analyses.")],
    intervention_id: Annotated[str | None, typer.Option(help="Only of this intervention.")] = None,
    status: Annotated[str | None, typer.Option(help="Only with this verdict.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
) -> None:
    """Show a person's past analyses from the run store, newest first."""
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.runs import RunStore

    page = RunStore.from_settings(get_settings()).history(
        user_id, intervention_id, status, page_size=limit
    )
    rows = [
        (
            run.started_at.isoformat(sep=" ", timespec="minutes"),
            run.intervention_id,
            run.status,
            _interval(run.numbers),
            run.run_id,
        )
        for run in page.runs
    ]
    print_table("Analyses", ("when (UTC)", "intervention", "verdict", "effect", "run"), rows)


def _interval(numbers: Mapping[str, float]) -> str:
    name = HEADLINE.name
    if f"{name}.mean" not in numbers:
        return ""
    mean, lower, upper = (numbers[f"{name}.{part}"] for part in ("mean", "ci_lower", "ci_upper"))
    return f"{mean:.2f} ({lower:.2f} to {upper:.2f})"


@app.command()
@plain_errors
def posterior(
    key: Annotated[str, typer.Argument(help="Experiment: user_id|intervention_id.")],
    to: Annotated[Path, typer.Option(help="NetCDF file to write.", dir_okay=False)],
) -> None:
    """Write the draws of an experiment's newest analysis as compressed NetCDF, for ArviZ."""
    from its_pipeline.experiments.service import load_analysis, open_store
    from its_pipeline.settings import get_settings

    settings = get_settings()
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


@app.command()
@plain_errors
def prune(
    keep: Annotated[int, typer.Option(min=1, help="Analyses to keep of each experiment.")],
) -> None:
    """Delete older analyses; MLflow keeps all about them but their draws."""
    from its_pipeline.experiments.preparation import Snapshot
    from its_pipeline.experiments.service import open_store
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.runs import RunStore

    settings = get_settings()
    store, runs = open_store(settings), RunStore.from_settings(settings)
    removed = sum(
        store.prune(key, keep, runs.drop_posterior) for key in Snapshot(settings).experiment_keys()
    )
    typer.echo(f"{removed} old analyses deleted")


@app.command("settings")
@plain_errors
def show_settings() -> None:
    """Show every setting: its environment variable, its value now, its meaning."""
    from its_pipeline.settings import Settings, get_settings

    now = get_settings()
    rows = [
        (f"ITS_{name.upper()}", str(getattr(now, name)), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    print_table("Settings", ("variable", "value", "meaning"), rows)
