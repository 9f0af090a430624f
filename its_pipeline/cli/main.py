"""The command ``its-pipeline``: every command by its name.

What belongs here: the names and their order in ``--help``. What does not: any command; each lies in
a module of this room and imports what it needs when it runs, because that takes seconds. Modules of
this room import `support` and nothing else of it; this one imports them all.
"""

from __future__ import annotations

import typer

from its_pipeline.cli import (
    analyze,
    audit,
    demo,
    doctor,
    events,
    installation,
    interventions,
    leaving,
    pages,
    peers,
    planning,
    pooled,
    results,
    schedules,
    series,
    servers,
    traits,
    update,
    watch,
)

app = typer.Typer(
    name="its-pipeline",
    help="Did the thing one person changed work? Interrupted time series, gated and traceable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("simulate")(demo.simulate)
app.command("analyze")(analyze.analyze)
app.command("import")(events.import_events)
interventions.app.command("draw")(schedules.draw)
interventions.app.command("otherwise")(schedules.otherwise)
app.add_typer(interventions.app, name="intervention")
app.add_typer(series.app, name="series")
app.add_typer(traits.app, name="trait")
app.command("plan")(planning.plan)
app.command("looks")(planning.looks)
app.command("run")(update.run)
app.command("refresh")(update.refresh)
app.command("pages")(pages.pages)
app.command("audit")(audit.audit)
app.command("status")(results.status)
app.command("pooled")(pooled.pooled)
app.command("history")(results.history)
app.command("posterior")(results.posterior)
app.command("peers")(peers.peers)
app.command("prune")(results.prune)
app.command("export")(leaving.export)
app.command("forget")(leaving.forget)
app.command("ui")(servers.ui)
app.command("webserver")(servers.webserver)
app.command("daemon")(servers.daemon)
app.command("mlflow")(servers.mlflow)
app.command("serve")(servers.serve)
app.command("watch")(watch.watch)
app.command("doctor")(doctor.doctor)
app.add_typer(doctor.app, name="store")
app.command("settings")(installation.show_settings)
app.command("home")(installation.home)
