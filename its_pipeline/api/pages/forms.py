"""What forms of the pages say, from texts to what the rest of the house takes.

What belongs here: reading fields, with an error that names the field as the page does. What does
not: the pages (`files`, `people`), or rules of what is read (they are where they always are).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final, cast, get_args

from starlette.datastructures import UploadFile
from starlette.requests import Request

from its_pipeline.api.questions.preparing import ADHOC_PREFIX
from its_pipeline.api.workers.file_jobs import FileRead, When
from its_pipeline.events.cell_texts import DateOrder, Decimal
from its_pipeline.events.intervention import Intervention, zone_names
from its_pipeline.schedules.assignments import draw_schedule
from its_pipeline.schedules.cadence import read_session
from its_pipeline.schedules.mechanism import Mechanism
from its_pipeline.tables.asking import Said, answered
from its_pipeline.tables.days import AGGREGATES

if TYPE_CHECKING:
    from its_pipeline.schedules.cadence import Cadence
    from its_pipeline.tables.days import Aggregate

_MOST_FIELDS: Final = 40
_LONGEST_ID: Final = 48

Form = Mapping[str, str]


async def read_form(request: Request) -> dict[str, str]:
    """Return a form's texts by field, without spaces around them."""
    form = await request.form(max_files=0, max_fields=_MOST_FIELDS)
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


async def read_dropped(request: Request) -> tuple[str, bytes]:
    """Return the name and the content of a form's one file; both are empty where there is none."""
    async with request.form(max_files=1, max_fields=_MOST_FIELDS) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            return "", b""
        return file.filename or "", await file.read()


def said_in(form: Form, said: Said, read: FileRead | None) -> Said:
    """Return what was said with what a form adds: answers to questions, or corrections.

    Parameters
    ----------
    form
        Its fields; an empty one says nothing.
    said
        What was said before.
    read
        What is known of the file, with its questions.

    Raises
    ------
    ValueError
        If an answer is none of the choices, or no zone, order or sign of that name is known.
    """
    for question in read.questions if read is not None else ():
        if form.get(question.about):
            said = answered(said, question, form[question.about])
    zone = form.get("time_zone") or said.time_zone
    if zone not in zone_names():
        raise ValueError(
            f"Time zone: {zone!r} is none; write one such as Europe/Berlin or America/New_York"
        )
    said = replace(said, time_zone=zone)
    for name, known in (("date_order", get_args(DateOrder)), ("decimal", get_args(Decimal))):
        if form.get(f"correct_{name}"):
            said = replace(said, **{name: _choice(form, f"correct_{name}", known)})
    columns = read.columns if read is not None else ()
    for name in ("time", "user"):
        if form.get(f"correct_{name}"):
            said = replace(said, **{name: _choice(form, f"correct_{name}", columns)})
    if form.get("unit"):
        said = replace(said, unit=form["unit"][:40])
    return said


def aggregate_in(form: Form) -> Aggregate | None:
    """Return how several rows of a day become one, or None where nothing is said."""
    if not form.get("aggregate"):
        return None
    return cast("Aggregate", _choice(form, "aggregate", AGGREGATES))


def when_in(form: Form, calendar: Cadence) -> When:
    """Return when it was on.

    Parameters
    ----------
    form
        Its fields.
    calendar
        The file's unit of time: sessions are told by their numbers.

    Raises
    ------
    ValueError
        If the way that was chosen is not filled in, or a number or date is none.
    """
    way = _choice(form, "way", ("first", "periods", "column"))
    if way == "first":
        if calendar.is_sessions:
            label = "First session with it"
            return When(first_on=read_session(label, _required(form, "first_on", label)))
        return When(first_on=day_in(form, "first_on", "First day with it"))
    lot = _choice(form, "lot", ("", "total", "block", "none"))
    by_lot = f"block:{_whole(form, 'block_days', 'Days in a block')}" if lot == "block" else lot
    more: dict[str, Any] = {
        "by_lot": by_lot,
        "carryover_days": _whole(form, "carryover_days", "Days left out after a switch", 0),
    }
    if way == "column":
        return When(on_column=_required(form, "on_column", "Column of days with it"), **more)
    lines = re.split(r"[\s,;]+", _required(form, "periods", "Periods"))
    return When(periods=tuple(line for line in lines if line), **more)


def spec_in(form: Form, unit: str) -> dict[str, Any]:
    """Return the settings of an analysis; `unit` is the outcome's."""
    return {
        "direction": _choice(form, "direction", ("increase", "decrease")),
        "minimum_effect": _number(form, "minimum_effect", "Smallest change that counts", 0.0),
        "carryover_days": _whole(form, "carryover_days", "Days left out after a switch", 0)
        if form.get("way") != "first"
        else 0,
        "unit": unit,
    }


def drawn_in(form: Form, user_id: str) -> Intervention:
    """Return the intervention whose days a form has drawn by lot.

    Raises
    ------
    ValueError
        If a field breaks a rule.
    """
    balance = _choice(form, "lot", ("total", "block", "none"))
    rules: dict[str, Any] = {"balance": balance, "seed": secrets.randbelow(2**63)}
    rules["unit_days"] = _whole(form, "unit_days", "Days drawn at once", 1)
    if balance == "block":
        rules["block_days"] = _whole(form, "block_days", "Days in a block")
    if form.get("longest_run"):
        rules["longest_run"] = _whole(form, "longest_run", "Most alike in a row")
    n_days = _whole(form, "n_days", "Days that are drawn")
    name = _required(form, "name", "What will be tried")
    return Intervention.declared(
        user_id=user_id,
        intervention_id=id_of_name(name),
        name=name,
        outcome_metric=_required(form, "outcome", "Outcome"),
        schedule=draw_schedule(
            Mechanism(**rules), day_in(form, "first_on", "First day"), n_days, None
        ),
        horizon_days=n_days,
        direction=_choice(form, "direction", ("increase", "decrease")),
        minimum_effect=_number(form, "minimum_effect", "Smallest change that counts", 0.0),
        carryover_days=_whole(form, "carryover_days", "Days left out after a switch", 0),
        time_zone=form.get("time_zone") or "UTC",
    )


def id_of_name(name: str) -> str:
    """Return a legal identifier for an intervention of that name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST_ID].strip("-")
    plain = plain or "change"
    return f"own-{plain}" if plain.startswith(ADHOC_PREFIX.rstrip("-")) else plain


def day_in(form: Form, field: str, label: str) -> date:
    """Return a date of a form.

    Parameters
    ----------
    form, field, label
        Its fields, the one meant, and what the page calls it.

    Raises
    ------
    ValueError
        If it is empty or no date.
    """
    text = _required(form, field, label)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{label}: should be a date like 2026-08-15 but got {text!r}") from None


def _required(form: Form, field: str, label: str) -> str:
    if not form.get(field):
        raise ValueError(f"{label}: is empty; fill it in")
    return form[field]


def _choice(form: Form, field: str, known: tuple[str, ...]) -> Any:
    value = form.get(field, "")
    if value not in known:
        shown = ", ".join(choice or "nothing" for choice in known[:20])
        raise ValueError(f"{field.replace('_', ' ')}: should be one of {shown} but got {value!r}")
    return value


def _whole(form: Form, field: str, label: str, default: int | None = None) -> int:
    text = form.get(field, "")
    if not text and default is not None:
        return default
    if not re.fullmatch(r"\d{1,4}", text):
        raise ValueError(f"{label}: should be a whole number but got {text!r}")
    return int(text)


def _number(form: Form, field: str, label: str, default: float) -> float:
    text = form.get(field, "").replace(",", ".")
    try:
        return float(text) if text else default
    except ValueError:
        raise ValueError(f"{label}: should be a number but got {text!r}") from None
