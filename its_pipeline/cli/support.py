"""How commands talk: plain errors, tables, progress, questions, and options of several commands.

What belongs here: output for a terminal or a log, and options that are not one command's alone.
What does not: any command, or the rules of an option's values (`events.analysis_options`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar, cast

import typer

from its_pipeline.its.estimand_names import POINTS

if TYPE_CHECKING:
    from its_pipeline.schedules.cadence import Cadence as UnitOfTime
    from its_pipeline.settings import Settings
    from its_pipeline.tables.asking import Question, Said
    from its_pipeline.tables.understanding import Understanding

#: Exit status of a command that was asked for something impossible; a crash is 1.
BAD_INPUT: Final = 2
#: Columns of a table that is not shown on a terminal.
_WIDE: Final = 160

Command = TypeVar("Command", bound=Callable[..., Any])


def key_of_person(text: str) -> str:
    """Return the key of a person named as in their file, or raise ValueError."""
    from its_pipeline.events.keys import key_of_id

    return key_of_id("user_id", text)


def _key_of_experiment(text: str) -> str:
    from its_pipeline.events.keys import key_of_experiment

    return key_of_experiment(text)


User = Annotated[str, typer.Argument(help="Whose it is, as in your file.", parser=key_of_person)]
SomeUser = Annotated[str | None, typer.Argument(help="Only this person's.", parser=key_of_person)]
Experiment = Annotated[
    str,
    typer.Argument(help="Experiment: user_id|intervention_id.", parser=_key_of_experiment),
]
Experiments = Annotated[
    list[str] | None,
    typer.Argument(
        help="Experiments (user_id|intervention_id); default: all that are stale.",
        parser=_key_of_experiment,
    ),
]
Id = Annotated[str, typer.Argument(help="intervention_id")]
ExpectedVersion = Annotated[
    int | None,
    typer.Option(
        min=1, help="The version that you read (`show`); refused if another one is the newest."
    ),
]

DateOrder = Annotated[
    str | None,
    typer.Option("--date-order", help="How the file writes dates: dmy, mdy or ymd."),
]
DecimalSign = Annotated[
    str | None, typer.Option("--decimal", help="The file's decimal sign: point or comma.")
]
Thousands = Annotated[
    str | None, typer.Option(help="The sign between thousands: one of , . ' or a space.")
]
Delimiter = Annotated[str | None, typer.Option(help="The sign between columns; \\t is a tab.")]
Encoding = Annotated[str | None, typer.Option(help="The file's encoding, e.g. latin-1.")]
Sheet = Annotated[str | None, typer.Option(help="The sheet of a spreadsheet.")]
HeaderLine = Annotated[
    int | None,
    typer.Option(min=0, max=1000, help="Line of the columns' names; 0: there are none."),
]
Empty = Annotated[list[str] | None, typer.Option(help='A text that means "empty"; repeatable.')]

Aggregate = Annotated[
    str | None, typer.Option(help="How several rows a day become one: mean, median or sum.")
]
DaysOfInstants = Annotated[str, typer.Option(help="IANA zone of the days of instants.")]

Likelihood = Annotated[
    str | None,
    typer.Option(
        "--likelihood",
        help="How days scatter: normal, student_t (a few far days), lognormal (positive times and "
        "amounts), negative_binomial or poisson (counts), binomial (yes/no, shares).",
    ),
]
Slope = Annotated[
    str | None,
    typer.Option("--slope", help="Whether the trend may change: auto, yes or no."),
]
Trend = Annotated[
    bool | None,
    typer.Option("--trend/--no-trend", help="Whether a straight trend is in the model."),
]

Carryover = Annotated[
    str | None,
    typer.Option(
        "--carryover",
        help="decay: estimate what is left of the effect after stopping; or none.",
    ),
]

Cadence = Annotated[
    str | None,
    typer.Option(
        "--cadence",
        help="The unit of time: auto (found from the dates), day, week, month, quarter, year, "
        "session, irregular, or a step such as 14-day.",
    ),
]

ANALYSIS_OPTIONS: Final = ("likelihood", "season", "slope", "trend", "carryover", "cadence")
"""Options of commands that are options of the analysis, by their name in both."""


def analysis_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a command was given of the analysis' options, covariates included, by name."""
    said = {name: given[name] for name in ANALYSIS_OPTIONS if given[name] is not None}
    if given["covariate"]:
        said["covariates"] = list(given["covariate"])
    return said


def checked_aggregate(value: str | None) -> Any:
    """Return how several rows a day become one.

    Raises
    ------
    ValueError
        If there is no such way.
    """
    from its_pipeline.tables.days import AGGREGATES

    if value not in (None, *AGGREGATES):
        raise ValueError(f"--aggregate should be one of {', '.join(AGGREGATES)} but got {value!r}")
    return value


def said_of_file(given: Mapping[str, Any]) -> Said:
    """Return what a command was given of how its file is written.

    Raises
    ------
    ValueError
        If an option has a value that it cannot have.
    """
    from its_pipeline.tables.asking import Said

    for name, allowed in (
        ("date_order", ("dmy", "mdy", "ymd")),
        ("decimal", ("point", "comma")),
        ("thousands", (",", ".", "'", " ")),
    ):
        if given[name] is not None and given[name] not in allowed:
            option = name.replace("_", "-")
            raise ValueError(
                f"--{option} should be one of {', '.join(map(repr, allowed))} but got "
                f"{given[name]!r}"
            )
    delimiter = given["delimiter"]
    return Said(
        date_order=given["date_order"],
        decimal=given["decimal"],
        thousands=given["thousands"],
        delimiter="\t" if delimiter == "\\t" else delimiter,
        encoding=given["encoding"],
        sheet=given["sheet"],
        header_line=given["header_line"],
        empty=tuple(given["empty"] or ()),
        time_zone=given["time_zone"] or "UTC",
    )


def somebody_answers() -> bool:
    """Tell whether a person sits at the terminal."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def understand_or_ask(file: Path, said: Said) -> Understanding:
    """Find out what a table means, and ask what it does not decide itself.

    Raises
    ------
    ValueError
        If something is left open and nobody can answer: it names the choices and the options.
    """
    from its_pipeline.tables.understanding import understand

    understood = understand(file, said)
    while understood.questions:
        if not somebody_answers():
            raise ValueError(f"{file}: " + "\n".join(map(str, understood.questions)))
        for line in understood.lines:
            typer.echo(line)
        understood = understand(file, _asked(understood.said, understood.questions[0]))
    return understood


def _asked(said: Said, question: Question) -> Said:
    """Ask until the answer is one, and return what is said then."""
    from its_pipeline.tables.asking import answered

    choices = f" ({', '.join(question.choices)})" if question.choices else ""
    while True:
        answer = typer.prompt(f"{question.text}. Which is it?{choices}")
        try:
            return answered(said, question, answer)
        except ValueError as error:
            typer.echo(str(error))


def read_date(name: str, text: str) -> date:
    """Return an option's or argument's text as a date, or raise ValueError that names it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} should be a date like 2026-08-15 but got {text!r}") from None


def read_day(name: str, text: str, *, sessions: bool) -> date:
    """Return a text as a date or, of what is numbered by sessions, as a session's day."""
    from its_pipeline.schedules.cadence import read_session

    return read_session(name, text) if sessions else read_date(name, text)


def fail(message: str, code: int = BAD_INPUT) -> NoReturn:
    """Say what is wrong on standard error and end the command."""
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


def plain_errors(command: Command) -> Command:
    """Turn what bad input raises into a message and exit status 2; a crash keeps its traceback."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from pydantic import ValidationError

        try:
            return command(*args, **kwargs)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            fail(f"{where}: {first['msg']} (got {first['input']!r})")
        except (ValueError, LookupError, FileNotFoundError, NotADirectoryError) as error:
            if isinstance(error, KeyError | IndexError | UnicodeError):
                raise
            fail(str(error))

    return cast("Command", wrapped)


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], caption: str = ""
) -> None:
    """Print a table; as wide as it needs where the output is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, caption=caption or None, box=box.SIMPLE_HEAD, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    console.print(table)


def number(value: float) -> str:
    """Return a number with as many digits as a person needs."""
    if value != 0 and abs(value) < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def standing_text(told: Mapping[str, Any], calendar: UnitOfTime) -> str:
    """Return what the looks at an experiment come to in a few words.

    Parameters
    ----------
    told
        As `stores.verdict.Verdict.standing`.
    calendar
        The experiment's unit of time.
    """
    words = str(told["kind"]).replace("_", " ")
    if told["crossed"] is not None:
        crossed = date.fromisoformat(told["crossed"]["looked_on"])
        return f"{words}, since {calendar.told(crossed)}"
    return f"{words} ({told['information_share']:.0%} of the information)"


def interval_text(effect: Any) -> str:
    """Return ``mean (lower to upper)``, and that it is in points where it is of a share.

    Parameters
    ----------
    effect
        Its numbers `mean`, `ci_lower` and `ci_upper`, and its `unit` where it is known.
    """
    points = " points" if effect.get("unit") == POINTS else ""
    lower, upper = number(effect["ci_lower"]), number(effect["ci_upper"])
    return f"{number(effect['mean'])} ({lower} to {upper}){points}"


def check_known(settings: Settings, user_id: str | None) -> None:
    """Refuse to show anything of a person who was forgotten.

    Raises
    ------
    ForgottenPersonError
        They were, or are being so.
    """
    from its_pipeline.events.forgotten import Forgotten

    if user_id is not None:
        Forgotten(settings.store_root).refuse(user_id)


@contextmanager
def progress_shown() -> Iterator[None]:
    """Show the progress of jobs in this process: a bar on a terminal, log lines otherwise."""
    from its_pipeline.defs.progress import listening, progress_line

    if not sys.stderr.isatty():

        def say(done: int, total: int, seconds: float, what: str) -> None:
            typer.echo(progress_line(done, total, seconds, what), err=True)

        with listening(say):
            yield
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def move(done: int, total: int, _seconds: float, what: str) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        with listening(move, every_seconds=0.0):
            yield
