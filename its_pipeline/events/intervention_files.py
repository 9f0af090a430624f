"""Interventions from a CSV file: every row or none, with all errors reported at once."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from its_pipeline.events.intervention import Intervention

if TYPE_CHECKING:
    from its_pipeline.events.interventions import InterventionLog

REQUIRED = ("user_id", "intervention_id", "outcome_metric")
ONE_OF = ("started_on", "schedule")
DATES = ("started_on", "ended_on")
WHOLE_NUMBERS = ("baseline_days", "horizon_days", "washout_days", "carryover_days")

JSON_OBJECTS = ("protocol", "analysis", "schedule")


@dataclass(frozen=True)
class RowError:
    """Why one row cannot be logged; `line` counts the file's lines from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class BulkLoadError(ValueError):
    """A file of interventions was refused as a whole.

    Attributes
    ----------
    file
        The file.
    errors
        Every row error found.
    """

    def __init__(self, file: str, errors: tuple[RowError, ...]) -> None:
        super().__init__(file, errors)
        self.file = file
        self.errors = errors

    def __str__(self) -> str:
        listed = "\n".join(str(error) for error in self.errors)
        return f"{self.file}: {len(self.errors)} rows refused, nothing was logged\n{listed}"


def bulk_load(log: InterventionLog, csv_file: Path | str) -> tuple[Intervention, ...]:
    """Log every row of a CSV file in one transaction, or none.

    The columns are the fields of `Intervention`; empty cells take the default; `protocol`,
    `analysis` and `schedule` are JSON objects. Beside a `schedule`, `started_on` may be empty.
    UTF-8, with or without byte order mark.

    Raises
    ------
    BulkLoadError
        If any row is refused; it carries every row's error.
    """
    file = Path(csv_file)
    entries: list[Intervention] = []
    errors: list[RowError] = []
    first_lines: dict[tuple[str, str], int] = {}
    with file.open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle, strict=True)
        columns = reader.fieldnames or []
        missing = [name for name in REQUIRED if name not in columns]
        if not any(name in columns for name in ONE_OF):
            missing.append(ONE_OF[0])
        if missing:
            text = f"the columns {', '.join(missing)} are missing"
            raise BulkLoadError(str(file), (RowError(1, text),))
        for row in reader:
            line = reader.line_num
            try:
                entry = _parse(row)
            except ValueError as error:
                errors.append(RowError(line, str(error)))
                continue
            key = (entry.user_id, entry.intervention_id)
            if key in first_lines:
                text = f"{entry.key} is on line {first_lines[key]} already"
                errors.append(RowError(line, text))
                continue
            first_lines[key] = line
            refusal = log.refusal(entry)
            if refusal is not None:
                errors.append(RowError(line, refusal))
            entries.append(entry)
    if errors:
        raise BulkLoadError(str(file), tuple(errors))
    return tuple(log.log_all(entries))


def _parse(row: dict[str | None, Any]) -> Intervention:
    if None in row:
        raise ValueError(f"has more cells than the header: {row[None]!r}")
    given = {str(name): text for name, text in row.items() if text not in (None, "")}
    problems: list[str] = [f"{name} is empty" for name in REQUIRED if name not in given]
    if not any(name in given for name in ONE_OF):
        problems.append("started_on is empty, and there is no schedule that says it")
    fields: dict[str, Any] = {}
    for name, text in given.items():
        try:
            fields[name] = _cell(name, text)
        except ValueError:
            problems.append(f"{name} cannot be read from {text!r}")
    if problems:
        raise ValueError("; ".join(problems))
    return Intervention.declared(**fields)


def _cell(name: str, text: str) -> Any:
    if name in DATES:
        return date.fromisoformat(text)
    if name in WHOLE_NUMBERS:
        return int(text)
    if name == "minimum_effect":
        return float(text)
    if name in JSON_OBJECTS:
        return json.loads(text)
    return text
