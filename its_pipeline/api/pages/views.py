"""What pages show, from what is known to the values that the templates fill in.

What belongs here: choosing and wording for a page. What does not: HTML (`templates`), or finding
anything out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any, Final

from its_pipeline.api.http.server_settings import ServerSettings
from its_pipeline.api.http.tokens import Caller
from its_pipeline.api.pages.chart import days_svg
from its_pipeline.api.pages.forms import when_in
from its_pipeline.api.pages.uploads import Upload
from its_pipeline.api.questions.bodies_looks import LooksAnswer
from its_pipeline.api.questions.services import Services
from its_pipeline.api.workers.file_jobs import FileAnswer, FileRead, Refused
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.keys import shown_id
from its_pipeline.experiments.drawn import today_of
from its_pipeline.experiments.evidence import index_row
from its_pipeline.experiments.kind_pages import member_of
from its_pipeline.experiments.preparation import Snapshot
from its_pipeline.report.index import table_rows
from its_pipeline.report.look_views import PLAN_WORDS
from its_pipeline.report.people_like_you import section_view
from its_pipeline.report.sentence import date_text, number_text
from its_pipeline.schedules.as_text import schedule_text
from its_pipeline.schedules.cadence import DAYS, Cadence

MOST_LISTED: Final = 200
MOST_FOUND: Final = 50
"""Of what is looked for: whoever finds more types more, and each takes some milliseconds."""
_MOST_LOOKS: Final = 10
_CHOICES: Final = {
    "dmy": "day, month, year",
    "mdy": "month, day, year",
    "ymd": "year, month, day",
    "point": "a point is the decimal sign",
    "comma": "a comma is the decimal sign",
}
_SAID: Final = {"": "nothing yet", "helped": "it helped", "made_worse": "it made it worse"}


def upload_bound(server_settings: ServerSettings) -> dict[str, Any]:
    """Return how large a dropped file may be, and how long it is held, in numbers and words."""
    return {
        "most_bytes": server_settings.upload_bytes,
        "most_megabytes": f"{server_settings.upload_bytes / 1_000_000:g}",
        "held_minutes": f"{server_settings.upload_minutes:g}",
    }


def file_view(
    upload: Upload, read: FileRead | Refused, caller: Caller | None, form: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the page of a dropped file shows.

    Parameters
    ----------
    upload, read
        The file and what it means.
    caller
        Who is asking.
    form
        What the forms are filled with.
    """
    view: dict[str, Any] = {
        "file": upload.path.name,
        "address": f"/files/{upload.upload_id}",
        "said": upload.said,
        "form": _Filled(form),
        "refused": read.words if isinstance(read, Refused) else "",
        "read": read if isinstance(read, FileRead) else None,
        "chart": "",
        "step": DAYS.step,
        "are_sessions": False,
        "answer": None,
    }
    if isinstance(read, FileRead):
        view["said_columns"] = [("", "as found"), *((name, name) for name in read.columns)]
        view["questions"] = [
            {
                "about": question.about,
                "text": f"{question.text[:1].upper()}{question.text[1:]}",
                "choices": [(each, _CHOICES.get(each, each)) for each in question.choices],
            }
            for question in read.questions
        ]
    if isinstance(read, FileRead) and read.mapping is not None:
        people = read.people or {}
        view["person_choices"] = [(k, f"{shown_id(k)} ({n} rows)") for k, n in people.items()]
        view["outcome_choices"] = [(name, name) for name in read.outcomes]
        view["column_choices"] = [(name, name) for name in read.outcomes if name != read.outcome]
        view["aggregate"] = upload.aggregate or "mean"
        view["chart"] = _chart(read, form)
        view["ready"] = bool(read.days)
        calendar = read.calendar
        view["step"], view["are_sessions"] = calendar.step, calendar.is_sessions
        view["own_id"] = caller.user_id if caller is not None else None
        if upload.answer is not None:
            view["answer"] = _answer(upload.answer, read)
    return view


class _Filled(dict[str, str]):
    """A form's values; a field that was not filled in is empty."""

    def __missing__(self, field: str) -> str:
        return ""


def _answer(answer: FileAnswer, read: FileRead) -> dict[str, Any]:
    schedule = answer.schedule
    if isinstance(schedule, date):
        when = f"from {date_text(schedule, read.calendar)} on"
    else:
        when = schedule_text(schedule, calendar=read.calendar)
    return {
        **answer.view,
        "when": when,
        "outcome": read.outcome,
        "picture": f"data:image/png;base64,{base64.b64encode(answer.picture).decode()}",
        "width": int.from_bytes(answer.picture[16:20], "big"),
        "height": int.from_bytes(answer.picture[20:24], "big"),
    }


def _chart(read: FileRead, form: Mapping[str, str]) -> Any:
    known = [value for _, value in read.days if value is not None]
    if not known:
        return ""
    calendar = read.calendar
    first, last = (date_text(read.days[at][0], calendar) for at in (0, -1))
    words = (
        f"{read.outcome} on {len(known)} {calendar.step}s from {first} to {last}, "
        f"between {number_text(min(known), 1)} and {number_text(max(known), 1)}"
    )
    try:
        marked_on = when_in({"way": "first", **form}, calendar).first_on
    except ValueError:
        marked_on = None
    return days_svg(read.days, marked_on, words, calendar)


def listed(
    services: Services, logged: Iterable[Intervention], *, in_order: bool = False
) -> list[dict[str, Any]]:
    """Return interventions with their states and answers.

    Parameters
    ----------
    services, logged
        The server's parts, and the interventions; at most `MOST_LISTED` of them are shown.
    in_order
        In the order given, not the ones that began last first.
    """
    entries = list(logged)
    if not in_order:
        entries.sort(key=lambda entry: entry.started_on, reverse=True)
    entries = entries[:MOST_LISTED]
    snapshot = Snapshot(services.settings, logged=entries)
    verdicts = [services.store.verdict(str(entry.key)) for entry in entries]
    rows = [index_row(services.settings, snapshot, v) for v in verdicts if v is not None]
    lines = iter(table_rows(rows))
    shown = []
    for entry, verdict in zip(entries, verdicts, strict=True):
        line = next(lines) if verdict is not None else None
        metric = snapshot.metrics.get(entry.outcome_metric)
        calendar = DAYS if metric is None else metric.calendar
        calendar = calendar if verdict is None else verdict.calendar
        shown.append(
            {
                "address": address_of(entry),
                "person_address": f"/people/{entry.user_id}",
                "person": shown_id(entry.user_id),
                "name": entry.name,
                "outcome": metric.title if metric is not None else entry.outcome_metric,
                "when": _when(entry, calendar),
                "calendar": calendar,
                "looks": calendar.worded(PLAN_WORDS[entry.looks]),
                "withdrawn": entry.status == "withdrawn",
                "state": _state(entry, line.verdict if line else ""),
                "tone": "open" if line is None or entry.status == "withdrawn" else line.tone,
                "effect": line.effect if line else "",
                "note": line.note if line else "",
                "has_page": verdict is not None,
            }
        )
    return shown


def _state(entry: Intervention, verdict: str) -> str:
    if entry.status == "withdrawn":
        return "Withdrawn"
    return verdict or "Not analysed yet"


def _when(entry: Intervention, calendar: Cadence) -> str:
    if entry.schedule is not None:
        return schedule_text(entry.schedule, entry.time_zone, calendar)
    ended = f" to {date_text(entry.ended_on, calendar)}" if entry.ended_on else " on"
    return f"from {date_text(entry.started_on, calendar)}{ended}"


def address_of(entry: Intervention) -> str:
    """Return the address of an intervention's page."""
    return f"/people/{entry.user_id}/experiments/{entry.intervention_id}"


def experiment_view(
    services: Services, entry: Intervention, looks: LooksAnswer, form: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the page of one intervention shows.

    Parameters
    ----------
    services, entry, looks
        The server's parts, the intervention, and the looks that were taken at it.
    form
        What the form of a day otherwise is filled with.
    """
    [line] = listed(services, [entry])
    schedule = entry.schedule
    return {
        **line,
        "user_id": entry.user_id,
        "form": _Filled(form),
        "version": entry.version,
        "facts": [
            ("Person", line["person"]),
            ("Outcome", line["outcome"]),
            ("With it", line["when"]),
            (
                f"{line['calendar'].step.capitalize()}s ahead of it, and from it on",
                f"{entry.baseline_days} and {entry.horizon_days} at most",
            ),
            ("Hoped for", "more" if entry.direction == "increase" else "less"),
            ("Looked at", line["looks"]),
            ("Time zone", entry.time_zone),
            ("Logged", f"{entry.logged_at:%Y-%m-%d %H:%M} UTC, now version {entry.version}"),
        ],
        "look_rows": [
            {
                "on": date_text(look.looked_on, line["calendar"]),
                "information": f"{100 * look.information:.0f} %",
                "said": _SAID[look.said],
            }
            for look in looks.looks[-_MOST_LOOKS:]
        ],
        "more_looks": max(0, len(looks.looks) - _MOST_LOOKS),
        "has_schedule": schedule is not None,
        "has_files": schedule is not None and schedule.ends_on is not None,
        "otherwise": [] if schedule is None else [str(day) for day in schedule.done_otherwise],
        "today": str(today_of(entry, services.settings)),
        "others": _others(services, entry),
    }


def _others(services: Services, entry: Intervention) -> dict[str, Any] | None:
    """Return what is told of people who tried the same, none of them by name; None without them."""
    verdict = services.store.verdict(str(entry.key))
    if entry.status == "withdrawn" or verdict is None or verdict.status != "analysed":
        return None
    snapshot = Snapshot(services.settings)
    found = member_of(services.settings, snapshot, entry.key, entry.pooled_as, entry.outcome_metric)
    return None if found is None else section_view(*found)


def person_view(
    services: Services, user_id: str, logged: list[Intervention], form: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the page of a person shows.

    Parameters
    ----------
    services, user_id, logged
        The server's parts, whose page it is, and what they logged.
    form
        What the form of a lot is filled with.
    """
    metrics = Snapshot(services.settings, logged=logged).metrics
    used = [entry.outcome_metric for entry in logged]
    names = sorted(metrics, key=lambda name: (name not in used, name))
    tomorrow = services.settings.utc_today() + timedelta(days=2)
    filled = {"first_on": str(tomorrow), "n_days": "32", "unit_days": "1", "block_days": "8"}
    if logged:
        filled["time_zone"] = logged[-1].time_zone
    return {
        "person": shown_id(user_id),
        "user_id": user_id,
        "experiments": listed(services, logged),
        "metrics": [(name, metrics[name].title) for name in names],
        "form": _Filled({**filled, **form}),
    }
