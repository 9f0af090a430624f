"""``python -m its_pipeline.api``: serve, make a token, write the reference.

What belongs here: these commands' options and output. What does not: anything they do.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The HTTP API.")


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port.")] = None,
    without_tokens: Annotated[
        bool, typer.Option(help="Answer anyone on this machine; loopback addresses only.")
    ] = False,
) -> None:
    """Serve the HTTP API; settings are environment variables with the prefix ITS_API_."""
    from its_pipeline.api.http.server_settings import UnsafeSettingsError
    from its_pipeline.api.server import serve as run

    try:
        run(host, port, allow_anonymous=True if without_tokens else None)
    except UnsafeSettingsError as error:
        typer.echo(f"not started: {error}", err=True)
        raise typer.Exit(2) from error


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Its name in the audit log.")],
    user: Annotated[
        str | None, typer.Option(help="The one person it is for; without it, a service token.")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires.")] = None,
) -> None:
    """Make a token: prints the secret, shown this once, and the record for ITS_API_TOKENS."""
    from its_pipeline.api.http.tokens import make_token

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    secret, record = make_token(name, user, expires_at)
    typer.echo(f"token:  {secret}")
    typer.echo(f"record: {json.dumps(record.model_dump(mode='json', exclude_none=True))}")


@app.command()
def reference(
    file: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("docs/api.md"),
) -> None:
    """Write the reference page from the OpenAPI document."""
    from its_pipeline.api.reference import reference_text

    file.write_text(reference_text(), encoding="utf-8")
    typer.echo(f"wrote {file}")


if __name__ == "__main__":
    app()
