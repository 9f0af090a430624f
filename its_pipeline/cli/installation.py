"""``its-pipeline settings | home``: how this installation is set up.

What belongs here: telling it. What does not: the settings themselves (`settings`).
"""

from __future__ import annotations

import typer

from its_pipeline.cli.support import plain_errors, print_table


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


@plain_errors
def home() -> None:
    """Make Dagster's home and print it, for ``export DAGSTER_HOME=$(its-pipeline home)``."""
    from its_pipeline.defs.home import prepare_home
    from its_pipeline.settings import get_settings

    typer.echo(str(prepare_home(get_settings())))
