"""``its-pipeline ui | webserver | daemon | mlflow | serve``: the servers of this installation.

What belongs here: handing over to another program with the right environment. What does not: what
the servers do, or whether they answer (`watch`).
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from its_pipeline.cli.support import plain_errors

Host = Annotated[str, typer.Option(help="Address to listen on.")]


def _module(name: str) -> list[str]:
    # Safe path (-P): a file of that name in the folder one stands in is not what is meant.
    return [sys.executable, "-P", "-m", name]


def _become(arguments: list[str], environment: dict[str, str]) -> NoReturn:
    # In the place of this process: signals reach the server, and no parent is left waiting.
    os.execve(arguments[0], arguments, {**os.environ, **environment})  # noqa: S606


def _become_dagster(program: list[str], options: list[str]) -> NoReturn:
    from its_pipeline.defs.home import WORKSPACE_FILE, prepare_home
    from its_pipeline.settings import get_settings

    settings = get_settings()
    environment = {
        "DAGSTER_HOME": str(prepare_home(settings)),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "ITS_STORE_ROOT": str(settings.store_root),
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # In the home: a dagster.yaml in the folder one stands in is not the one in use.
    os.chdir(settings.dagster_home)
    # Colours are for people: a journal would keep their codes.
    format_of_log = [] if sys.stdout.isatty() else ["--log-format", "json"]
    _become([*program, "-w", str(WORKSPACE_FILE), *format_of_log, *options], environment)


@plain_errors
def ui(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
) -> None:
    """Start Dagster's UI with its daemon, for a look around: schedules, sensors and runs."""
    _become_dagster([*_module("dagster"), "dev"], ["-h", host, "-p", str(port)])


@plain_errors
def webserver(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 3000,
) -> None:
    """Start Dagster's UI alone, as a service beside `its-pipeline daemon`."""
    _become_dagster(_module("dagster_webserver"), ["-h", host, "-p", str(port)])


@plain_errors
def daemon() -> None:
    """Start Dagster's daemon, which starts nights and analyses; once a store."""
    _become_dagster([*_module("dagster._daemon"), "run"], [])


@plain_errors
def mlflow(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 5000,
) -> None:
    """Start MLflow's UI on the run store, and print the address of the list of all analyses."""
    from its_pipeline.settings import get_settings
    from its_pipeline.stores.run_fields import analyses_address
    from its_pipeline.stores.runs import RunStore

    settings = get_settings()
    _, experiment_id = RunStore.from_settings(settings).open()
    typer.echo(f"all analyses: {analyses_address(f'http://{host}:{port}', experiment_id)}")
    arguments = [*_module("mlflow"), "ui", "--host", host, "--port", str(port), "--workers", "1"]
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Not as options: everybody on the machine sees those, and the address may hold a password.
        "MLFLOW_BACKEND_STORE_URI": settings.resolved_mlflow_tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(settings.mlflow_artifact_dir),
        # Judges and scorers of language models, in processes of their own: nobody here has any.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    _become(arguments, environment)


@plain_errors
def serve(
    host: Host = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
) -> None:
    """Start the server: a page to drop a file on and ask, and the HTTP API.

    On this machine alone and without any token, everybody who uses the machine may ask.
    """
    from its_pipeline.api.http.server_settings import ServerSettings, is_loopback
    from its_pipeline.api.server import serve as serve_api

    here = is_loopback(host) and not ServerSettings().token_records()
    changes = {"host": host, "port": port} | ({"allow_anonymous": True} if here else {})
    server_settings = ServerSettings().model_copy(update=changes)
    server_settings.check_safe()
    name = f"[{host}]" if ":" in host else host
    typer.echo(f"open http://{name}:{port} in a browser, and drop a file there (Ctrl+C ends it)")
    if here:
        typer.echo("it answers on this machine alone, without tokens; files stay on it")
    serve_api(server_settings=server_settings)
