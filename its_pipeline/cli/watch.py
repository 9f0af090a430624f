"""``its-pipeline watch``: do the services answer, and telling somebody when one does not.

What belongs here: asking, and telling each change once. What does not: what Dagster's own sensors
tell (`defs.alert_sensors`): they cannot tell that Dagster's daemon is dead.
"""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Annotated, Final

import typer

from its_pipeline.cli.support import plain_errors

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

#: Seconds that a service may take to answer.
_ANSWER_SECONDS: Final = 10.0
#: So many looks in a row find a service silent before it is told: one that restarts is none.
_LOOKS: Final = 2


@plain_errors
def watch(
    daemon: Annotated[bool, typer.Option("--daemon", help="Look at Dagster's daemon.")] = False,
    url: Annotated[
        list[str] | None, typer.Option(help="An address that answers 200 when all is well.")
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Look again every so many seconds, for ever, and tell by ITS_NOTIFIER of what "
            "was silent twice, and when it answers again; default: look once.",
        ),
    ] = None,
) -> None:
    """Look whether services answer; once, exit status 1 where one does not."""
    from its_pipeline.settings import get_settings

    if not daemon and not url:
        raise ValueError("nothing to look at: give --daemon or --url")
    settings = get_settings()
    if every is None:
        silent = {name: why for name, why in _look(settings, daemon, url or []).items() if why}
        for name, why in silent.items():
            typer.echo(f"{name}: {why}")
        raise typer.Exit(1 if silent else 0)
    _watch(settings, daemon, url or [], every)


def _watch(settings: Settings, daemon: bool, urls: list[str], every: int) -> None:
    from its_pipeline.defs.notify import Alert, tell

    times: dict[str, int] = {}
    told: set[str] = set()
    while True:
        for name, why in _look(settings, daemon, urls).items():
            times[name] = times.get(name, 0) + 1 if why else 0
            if times[name] >= _LOOKS and name not in told:
                title, text = f"its_pipeline: {name} does not answer", why
            elif not why and name in told:
                title, text = f"its_pipeline: {name} answers again", ""
            else:
                continue
            typer.echo(f"{title} {text}".rstrip())
            # What could not be delivered is told at the next look.
            if tell(settings, Alert(title, text, {"service": name, "silent": bool(why)})):
                told ^= {name}
        time.sleep(every)


def _look(settings: Settings, daemon: bool, urls: list[str]) -> dict[str, str]:
    """Return of each service why it is taken for silent; an empty text where it is well."""
    found = {url: _silence(url) for url in urls}
    if daemon:
        found["Dagster's daemon"] = _silence_of_daemon(settings)
    return found


def _silence(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"--url should start with http:// or https:// but got {url!r}")
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_SECONDS):  # noqa: S310 - checked above
            return ""
    except urllib.error.HTTPError as error:
        return f"it answered {error.code}"
    except OSError as error:
        return str(getattr(error, "reason", error))


def _silence_of_daemon(settings: Settings) -> str:
    """Return which parts of Dagster's daemon left no sign of life in its records lately."""
    from sqlalchemy.exc import SQLAlchemyError

    from its_pipeline.defs.home import open_instance

    try:
        with open_instance(settings) as instance:
            dead = [
                name for name, part in instance.get_daemon_statuses().items() if not part.healthy
            ]
    except SQLAlchemyError as error:
        return f"its records cannot be read: {type(error).__name__}"
    return f"no sign of life of {', '.join(sorted(dead))}" if dead else ""
