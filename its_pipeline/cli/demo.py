"""``its-pipeline demo | simulate``: the demo, run through the real jobs; and a crowd to load with.

What belongs here: running the jobs, progress and the table. What does not: the demo's store and how
its answers are judged (`experiments.demo`).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from its_pipeline.cli.support import (
    fail,
    interval_text,
    number,
    plain_errors,
    print_table,
    progress_shown,
    standing_text,
)

if TYPE_CHECKING:
    from its_pipeline.experiments.demo import DemoResult, ExperimentResult


@plain_errors
def demo(
    people: Annotated[
        int | None, typer.Option(help="Only the first so many people; default all.")
    ] = None,
) -> None:
    """Simulate 18 people with planted effects and run the whole pipeline on them."""
    from its_pipeline.defs.local import local_runner
    from its_pipeline.defs.names import PURPOSE_DEMO
    from its_pipeline.experiments.demo import (
        demo_result,
        demo_settings,
        first_people,
        index_page,
        live_earlier_nights,
        prepare_demo,
    )
    from its_pipeline.settings import checkout_root, get_settings

    started = time.perf_counter()
    chosen = first_people(people)
    settings = demo_settings(get_settings())
    typer.echo(f"store: {settings.store_root}")
    simulation = prepare_demo(settings, chosen)
    typer.echo(
        f"{len(chosen)} people, {len(simulation.truth)} experiments, "
        f"{simulation.events} simulated events"
    )
    with local_runner(settings, PURPOSE_DEMO) as runner, progress_shown():
        ingest = runner.ingest()
        if ingest.success:
            live_earlier_nights(settings, simulation)
        outcomes = ingest, runner.refresh(), runner.pooled(), runner.evidence()
    for outcome in outcomes:
        if outcome is not None and not outcome.success:
            fail(f"Dagster run {outcome.run_id} failed: {outcome.message}", code=1)
    ingested, refreshed, *_ = outcomes
    typer.echo(
        f"events: {ingested.numbers.get('read', 0)} read, {ingested.numbers.get('valid', 0)} "
        f"valid, {ingested.numbers.get('rejected', 0)} rejected with their reasons, "
        f"on {ingested.numbers.get('days', 0)} days"
    )
    result = demo_result(settings, simulation, refreshed.numbers.get("computed", 0))
    _say(result)
    typer.echo(f"took {time.perf_counter() - started:.0f} s")
    typer.echo("")
    typer.echo(f"open the evidence:  {index_page(settings)}")
    command = "its-pipeline" if checkout_root() is None else "make"
    typer.echo(f"Dagster's UI:       {command} ui      (runs, partitions, checks, plots)")
    typer.echo(f"MLflow's UI:        {command} mlflow  (every analysis, at the address it prints)")
    if result.problems:
        fail("; ".join(result.problems), code=1)


@plain_errors
def simulate(
    people: Annotated[int, typer.Option(help="How many people.")] = 300,
) -> None:
    """Simulate any number of people into an empty store, to see how an installation bears them.

    They are the demo's, again and again, with 90 days of events and a logged intervention or two
    each; nothing is ingested or analysed. `its-pipeline run` does that, as with real events.
    """
    from its_pipeline.experiments.demo import crowd, demo_settings, prepare_demo
    from its_pipeline.settings import get_settings

    chosen = crowd(people)
    settings = demo_settings(get_settings())
    simulation = prepare_demo(settings, chosen)
    typer.echo(
        f"{len(chosen)} people, {len(simulation.truth)} experiments, {simulation.events} simulated "
        f"events in {settings.store_root}"
    )
    typer.echo("next: its-pipeline run")


def _say(result: DemoResult) -> None:
    if result.computed == 0:
        typer.echo("nothing changed since the last run: no experiment was fitted again")
    else:
        typer.echo(f"{result.computed} experiments were fitted")
    print_table(
        "Did it work? What was planted, and what came out",
        (
            "person",
            "intervention",
            "story",
            "planted",
            "estimate (95 % interval)",
            "P(benefit)",
            "verdict",
            "holds truth",
        ),
        [_row(each) for each in result.experiments],
    )
    covered = f"{result.covered} of {result.analysable} analysable experiments"
    if result.well_covered:
        typer.echo(f"the 95 % interval holds the planted truth for {covered}")
    else:
        typer.echo(
            f"only {covered} have the planted truth inside the 95 % interval, fewer than 9 in 10: "
            "do not trust this installation's intervals before you know why"
        )


def _row(result: ExperimentResult) -> tuple[str, ...]:
    truth, verdict = result.truth, result.verdict
    effect = verdict.told_headline if verdict else None
    times = verdict.told_scale[0] if verdict else 1.0
    benefit = verdict.probability_of_benefit if verdict else None
    status = verdict.status.replace("_", " ") if verdict else "not evaluated"
    if verdict is not None and verdict.standing is not None:
        status = standing_text(verdict.standing, verdict.calendar)
    if verdict is not None and verdict.status == "waiting" and verdict.analysable_on:
        status += f" until {verdict.analysable_on}"
    elif verdict is not None and verdict.status != "analysed":
        status += f": {verdict.reason}"
    holds = {True: "yes", False: "NO", None: ""}[result.holds_truth]
    return (
        truth.user_id,
        truth.intervention_id.replace("_", " "),
        truth.story,
        number(times * truth.counterfactual_effect),
        interval_text(effect) if effect else "",
        f"{benefit:.3f}" if benefit is not None else "",
        status,
        holds,
    )
