"""What one cell's text can mean: a day or a moment, a number, yes or no.

What belongs here: every reading of one text, and the one that declared rules choose. What does not:
deciding the rules from a whole column (`tables`), or applying them to a file (`normal_rows`).

Nothing is guessed: `01/02/2021` has two readings, and both are told.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

DateOrder = Literal["ymd", "dmy", "mdy"]
DATE_ORDERS: Final[tuple[DateOrder, ...]] = ("ymd", "dmy", "mdy")

YEAR_FIRST: Final = "year first"
"""Reading of a date whose first part is a year of four digits: no order has to be known."""
NAMED: Final = "named"
"""Reading of a date with the name of its month, or of a month alone."""

PIVOT_YEAR: Final = 69
"""Years of two digits from this one on are of the 20th century, as POSIX' `strptime` has it."""
EXCEL_DAY_ZERO: Final = date(1899, 12, 30)
"""Day 0 of Excel's serial numbers, exact from 1900-03-01 on (Excel counts a 1900-02-29)."""
EXCEL_DAYS: Final = (61, 73_051)
"""Serial numbers of 1900-03-01 to 2100-01-01."""

_MONTHS: Final = tuple(
    tuple(names.split())
    for names in (
        "january januar janvier enero",
        "february februar fevrier febrero",
        "march marz mrz mars marzo",
        "april avril abril",
        "may mai mayo",
        "june juni juin junio",
        "july juli juillet julio",
        "august aout agosto",
        "september septembre septiembre",
        "october oktober octobre octubre",
        "november novembre noviembre",
        "december dezember decembre diciembre",
    )
)
"""Months in English, German, French and Spanish, without accents; three letters are enough."""

_TIME = (
    r"(?:(?:[T ]|, ?)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})"
    r"(?:[.,](?P<fraction>\d{1,9}))?)?(?: ?(?P<half>[AaPp])\.?[Mm]\.?)?"
    r" ?(?P<zone>Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?"
)
_WEEKDAY = r"(?:[^\W\d_]{2,10}\.?,? )?"
_NUMERIC = re.compile(r"(\d{1,4})(?P<sign>[-/.]) ?(\d{1,2})(?P=sign) ?(\d{1,4})" + _TIME)
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?)"
    r"(Z|[+-]\d{2}(?::?\d{2})?)?",
    re.ASCII,
)
"""The form that machines write; of other forms that mean the same, `_NUMERIC` is the first."""
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})" + _TIME)
_DAY_FIRST_NAME = re.compile(
    _WEEKDAY + r"(\d{1,2})(?:st|nd|rd|th|\.)?[ .-]*([^\W\d_]{3,10})\.?[ .,-]*(\d{4}|\d{2})" + _TIME
)
_NAME_FIRST = re.compile(
    _WEEKDAY + r"([^\W\d_]{3,10})\.?[ -]*(\d{1,2})(?:st|nd|rd|th)?,?[ -]+(\d{4})" + _TIME
)
_YEAR_NAME = re.compile(r"(\d{4})[ -]([^\W\d_]{3,10})[ -](\d{1,2})" + _TIME)
_MONTH = re.compile(r"(?:(?P<y1>\d{4})[-/](?P<m1>\d{1,2})|(?P<m2>\d{1,2})[-/](?P<y2>\d{4}))")
_NAMED_MONTH = re.compile(r"([^\W\d_]{3,10})\.?[ -]*(\d{4})")

_TRUE: Final = frozenset(("yes", "y", "true", "t", "ja", "oui", "si", "sí", "on"))
_FALSE: Final = frozenset(("no", "n", "false", "f", "nein", "non", "off"))

POINT: Final = "point"
COMMA: Final = "comma"
Decimal = Literal["point", "comma"]

_GROUPS: Final = {"point": ",", "comma": "."}
_SPACES: Final = "\u00a0\u202f\u2009"
_NUMBER: Final = {
    sign: re.compile(
        rf"(?P<sign>[+-]?)(?:(?P<grouped>[1-9]\d{{0,2}}(?P<by>[{_GROUPS[name]} '])\d{{3}}"
        rf"(?:(?P=by)\d{{3}})*)|(?P<plain>\d+))?(?:\{sign}(?P<part>\d*))?(?P<power>[eE][+-]?\d{{1,5}})?"
    )
    for name, sign in (("point", "."), ("comma", ","))
}


class Native(str):
    """A cell that was no text where it comes from: a number, yes or no, a day."""

    __slots__ = ()


@dataclass(frozen=True)
class NumberText:
    """One reading of a number's text.

    Attributes
    ----------
    text
        The number with a decimal point and nothing between thousands.
    thousands
        The sign between thousands, or empty.
    percent
        Whether a percent sign follows; the number stays what stands there.
    """

    text: str
    thousands: str
    percent: bool


@lru_cache(maxsize=65_536)
def time_readings(text: str) -> Mapping[str, str]:
    """Return everything that a text can mean as a local day or a moment.

    Parameters
    ----------
    text
        A cell.

    Returns
    -------
    Mapping
        ISO text by the reading: `ymd`, `dmy` and `mdy` for dates of numbers alone,
        `YEAR_FIRST` and `NAMED` for those that need no order. Months are their first day.
    """
    text = text.strip()
    if not 6 <= len(text) <= 64:
        return {}
    if (found := _ISO.fullmatch(text)) and _is_day(found[1]):
        return {YEAR_FIRST: f"{found[1]} {found[2]}{found[3] or ''}"}
    if found := _NUMERIC.fullmatch(text):
        return _numeric(found)
    if found := _COMPACT.fullmatch(text):
        return _one(YEAR_FIRST, found, int(found[1]), int(found[2]), int(found[3]))
    if found := _DAY_FIRST_NAME.fullmatch(text):
        return _one(NAMED, found, _year(found[3]), _month(found[2]), int(found[1]))
    if found := _NAME_FIRST.fullmatch(text):
        return _one(NAMED, found, int(found[3]), _month(found[1]), int(found[2]))
    if found := _YEAR_NAME.fullmatch(text):
        return _one(NAMED, found, int(found[1]), _month(found[2]), int(found[3]))
    if found := _MONTH.fullmatch(text):
        year, month = int(found["y1"] or found["y2"]), int(found["m1"] or found["m2"])
        return _one(NAMED, None, year, month, 1)
    if found := _NAMED_MONTH.fullmatch(text):
        return _one(NAMED, None, int(found[2]), _month(found[1]), 1)
    return {}


@lru_cache(maxsize=65_536)
def _is_day(iso: str) -> bool:
    try:
        date.fromisoformat(iso)
    except ValueError:
        return False
    return True


def read_time(text: str, order: DateOrder) -> str | None:
    """Return a text as an ISO day or moment, read in an order where one is needed; or None."""
    readings = time_readings(text)
    for reading in (YEAR_FIRST, NAMED, order):
        if reading in readings:
            return readings[reading]
    return None


def is_month(text: str) -> bool:
    """Tell whether a text names a month and no day."""
    text = text.strip()
    return bool(_MONTH.fullmatch(text) or (_NAMED_MONTH.fullmatch(text) and time_readings(text)))


def read_year(text: str) -> str | None:
    """Return the first day of a year of four digits as an ISO day; or None."""
    found = re.fullmatch(r"\s*([12]\d{3})(?:\.0*)?\s*", text)
    return f"{found[1]}-01-01" if found else None


def read_excel_day(text: str) -> str | None:
    """Return Excel's serial number of a day as an ISO day, or moment where it has a part; or None.

    Only days of 1900-03-01 to 2100-01-01 are read: before, Excel's count is off by one.
    """
    if not re.fullmatch(r"\s*\d{1,5}(?:\.\d+)?\s*", text):
        return None
    number = float(text)
    if not EXCEL_DAYS[0] <= number < EXCEL_DAYS[1]:
        return None
    day = EXCEL_DAY_ZERO + timedelta(days=int(number))
    seconds = round((number % 1) * 86_400)
    if not seconds:
        return day.isoformat()
    return (datetime.combine(day, datetime.min.time()) + timedelta(seconds=seconds)).isoformat(" ")


@lru_cache(maxsize=65_536)
def number_readings(text: str) -> Mapping[str, NumberText]:
    """Return everything that a text can mean as a number, by its decimal sign.

    Parameters
    ----------
    text
        A cell.

    Returns
    -------
    Mapping
        Readings by `POINT` and `COMMA`; both where the sign makes no difference.
    """
    text = (
        text.strip().replace("\N{MINUS SIGN}", "-").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    for space in _SPACES:
        text = text.replace(space, " ")
    percent = text.endswith("%")
    text = text.removesuffix("%").rstrip()
    found = {}
    if not text or len(text) > 400 or ":" in text:
        return found
    for name, sign in ((POINT, "."), (COMMA, ",")):
        match = _NUMBER[sign].fullmatch(text)
        whole = match and (match["grouped"] or match["plain"])
        if match and (whole or match["part"]):
            by = match["by"] or ""
            digits = (whole or "0").replace(by, "") if by else whole or "0"
            part = f".{match['part']}" if match["part"] else ""
            number = f"{match['sign']}{digits}{part}{match['power'] or ''}"
            found[name] = NumberText(number, by, percent)
    return found


def read_number(text: str, decimal: Decimal, thousands: str | None, percent: bool) -> str | None:
    """Return a text as a number with a decimal point, read by declared signs; or None.

    Parameters
    ----------
    text
        A cell.
    decimal
        Which sign divides whole from part.
    thousands
        The sign that may stand between thousands.
    percent
        Whether a percent sign may follow.
    """
    reading = number_readings(text).get(decimal)
    if reading is None or (reading.percent and not percent):
        return None
    if reading.thousands and reading.thousands != thousands:
        return None
    return reading.text


def read_yes_no(text: str) -> str | None:
    """Return 1 for yes, 0 for no, in English, German, French or Spanish; or None."""
    word = text.strip().lower()
    return "1" if word in _TRUE else "0" if word in _FALSE else None


def _numeric(found: re.Match[str]) -> dict[str, str]:
    first, second, third = found[1], found[3], found[4]
    if len(first) == 4 and len(third) <= 2:
        return _one(YEAR_FIRST, found, int(first), int(second), int(third))
    if len(first) > 2 or len(third) not in (2, 4):
        return {}
    readings: dict[str, str] = {}
    readings |= _one("dmy", found, _year(third), int(second), int(first))
    readings |= _one("mdy", found, _year(third), int(first), int(second))
    if len(first) == len(third) == 2:
        readings |= _one("ymd", found, _year(first), int(second), int(third))
    return readings


def _year(text: str) -> int:
    year = int(text)
    return year if len(text) == 4 else year + (1900 if year >= PIVOT_YEAR else 2000)


def _month(name: str) -> int:
    """Return the month that a name begins like, or 0: French `jui` begins two, so it is none."""
    bare = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    fits = [
        number
        for number, names in enumerate(_MONTHS, start=1)
        if any(full.startswith(bare) for full in names)
    ]
    return fits[0] if len(fits) == 1 else 0


def _one(
    reading: str, found: re.Match[str] | None, year: int, month: int, day: int
) -> dict[str, str]:
    """Return a reading of a date and the time of day that follows it, or nothing if it is none."""
    try:
        local = date(year, month, day).isoformat()
    except ValueError:
        return {}
    if found is None or found["hour"] is None:
        return {reading: local}
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if found["half"]:
        if not 1 <= hour <= 12:
            return {}
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    if hour > 23 or minute > 59 or second > 59:
        return {}
    part = f".{found['fraction']}" if found["fraction"] else ""
    zone = found["zone"] or ""
    zone = "Z" if zone in ("z", "UTC", "GMT") else zone
    return {reading: f"{local} {hour:02}:{minute:02}:{second:02}{part}{zone}"}
