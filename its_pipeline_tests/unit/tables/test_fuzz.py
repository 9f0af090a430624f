"""Tables drawn at random against a second reader that knows how each was written.

Pandas, told the format, is the witness: what our reader reads must be what pandas reads, or it must
have asked. It never reads anything else.
"""

from __future__ import annotations

import csv
import io
import random
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from its_pipeline.tables.asking import answered
from its_pipeline.tables.daily import read_daily
from its_pipeline.tables.understanding import understand

FORMS = {
    "dmy": ("%d/%m/%Y", "%d.%m.%Y", "%d-%m-%y", "%d/%m/%Y %H:%M"),
    "mdy": ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y", "%m/%d/%Y %I:%M %p"),
    "ymd": ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%y-%m-%d", "%Y-%m-%d %H:%M:%S"),
    "named": ("%d %b %Y", "%B %d, %Y", "%d-%b-%Y"),
}
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252")
TABLES = 120


def days_of(rng: random.Random) -> list[date]:
    """Return days in a row, with gaps, only with small parts, or the first of months."""
    start = date(rng.randint(1970, 2025), rng.randint(1, 12), rng.randint(1, 28))
    count = rng.randint(3, 40)
    kind = rng.choice(["row", "gaps", "small", "months"])
    if kind == "row":
        return [start + timedelta(days=n) for n in range(count)]
    if kind == "months":
        return [date(start.year + n // 12, n % 12 + 1, 1) for n in range(count)]
    days = sorted({start + timedelta(days=rng.randrange(400)) for _ in range(count)})
    if kind == "small":
        days = sorted({day.replace(day=rng.randint(1, 12)) for day in days})
    return days


def number_text(number: float, decimal: str, thousands: str) -> str:
    whole, _, part = f"{number:,.{2 if number % 1 else 0}f}".partition(".")
    return whole.replace(",", thousands) + (decimal + part if part else "")


@pytest.mark.parametrize("seed", range(TABLES))
def test_what_is_read_is_what_was_written_or_is_asked(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    order = rng.choice(list(FORMS))
    form = rng.choice(FORMS[order])
    decimal, thousands = rng.choice([(".", ""), (".", ","), (",", ""), (",", "."), (",", " ")])
    delimiter = rng.choice([sign for sign in ",;\t|" if sign != decimal])
    days = days_of(rng)
    most = rng.choice([9, 900, 90_000])
    whole = rng.random() < 0.4
    numbers = [
        float(rng.randint(0, most)) if whole else rng.randint(0, 100 * most) / 100 for _ in days
    ]
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, quoting=rng.choice([csv.QUOTE_ALL, 0, 0]))
    writer.writerow(["Tag", "Müdigkeit"])
    for day, number in zip(days, numbers, strict=True):
        writer.writerow([day.strftime(form), number_text(number, decimal, thousands)])
    path = tmp_path / "table.csv"
    path.write_bytes(buffer.getvalue().encode(rng.choice(ENCODINGS)))

    written = pd.to_datetime([day.strftime(form) for day in days], format=form).normalize()
    expected = pd.Series(numbers, index=written, dtype=float).sort_index()
    truth = {
        "date_order": order,
        "decimal": "comma" if decimal == "," else "point",
    }
    understood = understand(path)
    for _ in range(2):
        if understood.questions:
            # A question is right only where the answer is among its choices.
            question = understood.questions[0]
            said = answered(understood.said, question, truth[question.about])
            understood = understand(path, said)
    found = read_daily(path, understood, "Müdigkeit")
    assert found.index.tolist() == expected.index.tolist()
    assert found.tolist() == pytest.approx(expected.tolist())


def test_most_tables_are_read_without_a_question(tmp_path: Path) -> None:
    rng = random.Random(7)
    asked = 0
    for number in range(40):
        form = rng.choice(FORMS["dmy"])
        days = [date(2021, 1, 1) + timedelta(days=n) for n in range(40)]
        path = tmp_path / f"{number}.csv"
        rows = (f"{day.strftime(form)},{rng.random():.4f}" for day in days)
        path.write_text("day,score\n" + "\n".join(rows))
        asked += bool(understand(path).questions)
    assert asked == 0
