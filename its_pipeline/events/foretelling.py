"""What the contract will say of an import's events: how many it rejects, by rule, with examples.

What belongs here: applying the contract itself to events that are not in the lake yet. What does
not: the rules (`contract`), or what a command does about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.contract import IN_PARTITION
from its_pipeline.events.duck import in_memory
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.parsing import parse_batch
from its_pipeline.events.schema import EVENT_SCHEMA, pc
from its_pipeline.events.validation import judge

EXAMPLES: Final = 2
MOST_REJECTED: Final = 0.5
"""An import of which a larger share would be rejected is refused: it was not understood."""
_SHOWN_CHARACTERS: Final = 60

_REMEDIES: Final[Mapping[tuple[str, str], str]] = {
    ("occurred_at", "is_instant_with_offset"): "--date-order dmy, mdy or ymd, or --time COLUMN",
    ("occurred_at", "not_in_the_future"): "--date-order dmy, mdy or ymd",
    ("occurred_at", "not_too_old"): "--date-order dmy, mdy or ymd, or --time COLUMN",
    ("occurred_at", "required"): "--time COLUMN",
    ("event_data", "is_number"): "--decimal comma or point, --thousands SIGN, or --empty TEXT",
    ("session_performance_score", "is_number"): "--decimal comma or point, or --empty TEXT",
    ("user_id", "legal_id"): "--user COLUMN or --user-id ID",
    ("user_id", "required"): "--user COLUMN or --user-id ID",
    ("time_zone", "known_time_zone"): "--time-zone ZONE or --time-zone-column COLUMN",
}
"""Options of `its-pipeline import` that mend a broken rule, by column and rule."""


@dataclass(frozen=True)
class RejectedRows:
    """Rows that break a rule first.

    Attributes
    ----------
    rule, column
        As in the quarantine.
    rows
        How many.
    examples
        Of the first ones, the number of the row in the file, counted from 1 without the header, and
        the value.
    """

    rule: str
    column: str
    rows: int
    examples: tuple[tuple[int, str], ...]

    @property
    def remedy(self) -> str:
        """What mends it, or an empty text."""
        return _REMEDIES.get((self.column, self.rule), "")

    def told(self, lines_ahead: int = 0) -> str:
        """Return it in words; `lines_ahead` of the first row are in the file."""
        shown = ", ".join(f"row {row + lines_ahead}: {value!r}" for row, value in self.examples)
        mend = f"; mend it with {self.remedy}" if self.remedy else ""
        return f"{self.rows:,} rejected by {self.rule}({self.column}): {shown}{mend}"


@dataclass(frozen=True)
class Foretold:
    """What the contract will reject of `rows` events, by rule, most frequent first."""

    rows: int
    by_rule: tuple[RejectedRows, ...]

    @property
    def rejected(self) -> int:
        """How many rows will be rejected."""
        return sum(rule.rows for rule in self.by_rule)

    @property
    def is_mostly_rejected(self) -> bool:
        """Whether more than half will be."""
        return self.rejected > MOST_REJECTED * self.rows


class MostlyRejectedError(ImportFileError):
    """Most rows of a file would be rejected, so it was not taken."""

    def __init__(self, path: Path, foretold: Foretold, lines_ahead: int) -> None:
        rules = "; ".join(rule.told(lines_ahead) for rule in foretold.by_rule[:3])
        super().__init__(
            f"{path}: not taken: the contract would reject {foretold.rejected:,} of "
            f"{foretold.rows:,} rows: {rules}. Take it all the same with --anyway"
        )
        self.foretold = foretold


def foretell(events: Path, metrics: tuple[OutcomeMetric, ...]) -> Foretold:
    """Return what the contract will say of an import's events.

    Parameters
    ----------
    events
        The import's file of raw events.
    metrics
        Metrics read from `event_data`, those of the import among them.
    """
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    counts: dict[tuple[str, str], int] = {}
    file = pq.ParquetFile(events)
    with in_memory(spill_to=events.parent) as connection:
        for batch in file.iter_batches(batch_size=20_000):
            table = pa.Table.from_batches([batch])
            raw = table.select(EVENT_SCHEMA.names)
            parsed = parse_batch(raw, date.min, metrics, connection)
            days = parsed.table.column("occurred_at").cast(pa.date32())
            place = parsed.table.schema.get_field_index(IN_PARTITION)
            placed = pc.equal(days, table.column("assigned_day"))
            typed = parsed.table.set_column(place, IN_PARTITION, placed)
            judged = judge(raw, typed, parsed.failures, metrics)
            rows = table.column("file_row").take(pa.array(judged.rows)).to_pylist()
            texts = judged.rejected.select(["rule", "column", "value", "all_rules"]).to_pylist()
            for row, text in zip(rows, texts, strict=True):
                key = (text["rule"], text["column"])
                counts[key] = counts.get(key, 0) + 1
                # The first rows of the file, though the events are in the order of their days.
                kept = found.setdefault(key, [])
                kept.append((row, _shown(text["value"], text["all_rules"], metrics)))
                kept.sort()
                del kept[EXAMPLES:]
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return Foretold(
        file.metadata.num_rows,
        tuple(RejectedRows(*key, count, tuple(found[key])) for key, count in ordered),
    )


def _shown(value: str | None, all_rules: str, metrics: tuple[OutcomeMetric, ...]) -> str:
    """Return a rejected value, of an event's data the first outcome that is no number."""
    text = value or ""
    if "is_number(event_data)" in all_rules:
        try:
            data = json.loads(text)
        except ValueError:
            data = {}
        names = [metric.name for metric in metrics if isinstance(data.get(metric.name), str)]
        text = next((data[name] for name in names if not _is_number(data[name])), text)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "\u2026"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
