"""The types of single fields in requests: identifiers, dates, numbers, texts.

What belongs here: what one value must look like, for Pydantic and for the OpenAPI document at once.
What does not: whole requests and responses (`requests`, `responses`).
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, Strict, WithJsonSchema

from its_pipeline.events.keys import ID_PATTERN, validate_id

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_EARLIEST: Final = date(1970, 1, 1)
_LATEST: Final = date(2199, 12, 31)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _parse_date(value: Any) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise ValueError("should be a date like 2026-05-01")
    parsed = date.fromisoformat(value)
    if not _EARLIEST <= parsed <= _LATEST:
        raise ValueError(f"should lie between {_EARLIEST} and {_LATEST}")
    return parsed


def _parse_instant(value: Any) -> datetime:
    parsed = value
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value)
        except ValueError:
            parsed = None
    if not isinstance(parsed, datetime) or parsed.tzinfo is None:
        raise ValueError("should be an instant with time zone like 2026-05-01T06:30:00Z")
    return parsed


def _without_control_characters(value: str) -> str:
    found = _CONTROL.search(value)
    if found:
        raise ValueError(f"should hold no control character but has {found.group()!r}")
    return value


def _legal_id(value: str) -> str:
    return validate_id("identifier", value)


def _legal_kind(value: str) -> str:
    return validate_id("kind", value) if value else value


LocalDate = Annotated[
    date,
    BeforeValidator(_parse_date),
    WithJsonSchema({"type": "string", "format": "date"}),
]
"""A local calendar date as ``YYYY-MM-DD``; nothing else, no timestamps."""

Instant = Annotated[
    datetime,
    BeforeValidator(_parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""An instant with its time zone, as text."""

Identifier = Annotated[
    str,
    Strict(),
    AfterValidator(_legal_id),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": rf"^(?!.*\.\.){ID_PATTERN}$",
            "maxLength": 64,
            "examples": ["anna"],
        }
    ),
]
"""A user or an intervention; checked before it touches a path or a filter."""

Kind = Annotated[
    str,
    Strict(),
    AfterValidator(_legal_kind),
    WithJsonSchema(
        {"type": "string", "pattern": rf"^(?!.*\.\.)(?:{ID_PATTERN})?$", "maxLength": 64}
    ),
]
"""What groups interventions over people: an identifier, or nothing."""

MetricName = Annotated[str, Strict(), Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
"""The name of an outcome metric."""

Text = Annotated[str, Strict(), AfterValidator(_without_control_characters)]
"""Free text."""

Whole = Annotated[int, Strict()]
"""A whole number; no text and no boolean in its place."""

Flag = Annotated[bool, Strict()]
"""True or false; no text and no number in its place."""

Amount = Annotated[float, Strict(), Field(ge=0, le=1e12, allow_inf_nan=False)]
"""A finite number of outcome units, at least 0."""

RunId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{32}$", examples=["0123456789abcdef0123456789abcdef"])
]
"""MLflow's run id."""
