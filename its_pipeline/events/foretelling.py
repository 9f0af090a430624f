"""What the contract will say of an import's events: how many it rejects, by rule, with examples.

What belongs here: applying the contract itself to events that are not in the lake yet. What does
not: the rules (`contract`), or what a command does about it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from its_pipeline.events.duck import in_memory
from its_pipeline.events.file_rules import ImportFileError
from its_pipeline.events.metrics import OutcomeMetric
from its_pipeline.events.parsing import NOT_A_NUMBER, parse_batch
from its_pipeline.events.schema import EVENT_SCHEMA
from its_pipeline.events.validation import MAXIMUM_VALUE_CHARACTERS, judge

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

    def told(self, lines_ahead: int) -> str:
        """Return it in words; `lines_ahead` of the first row are in the file."""
        shown = ", ".join(f"row {row + lines_ahead}: {value!r}" for row, value in self.examples)
        mend = f"; mend it with {self.remedy}" if self.remedy else ""
        return f"{self.rows:,} rejected by {self.rule}({self.column}): {shown}{mend}"


@dataclass(frozen=True)
class Foretold:
    """What the contract will reject of an import.

    Attributes
    ----------
    rows
        Its events.
    by_rule
        What will be rejected, most frequent first.
    lines_ahead
        Lines of the file ahead of its first row, so that rows count as people count them.
    """

    rows: int
    by_rule: tuple[RejectedRows, ...]
    lines_ahead: int = 0

    @property
    def rejected(self) -> int:
        """How many rows will be rejected."""
        return sum(rule.rows for rule in self.by_rule)

    @property
    def told(self) -> tuple[str, ...]:
        """What will be rejected, in words, a line a rule."""
        return tuple(rule.told(self.lines_ahead) for rule in self.by_rule)

    @property
    def is_mostly_rejected(self) -> bool:
        """Whether more than half will be."""
        return self.rejected > MOST_REJECTED * self.rows


class MostlyRejectedError(ImportFileError):
    """Most rows of a file would be rejected, so it was not taken."""

    def __init__(self, path: Path, foretold: Foretold) -> None:
        rules = "; ".join(foretold.told[:3])
        super().__init__(
            f"{path}: not taken: the contract would reject {foretold.rejected:,} of "
            f"{foretold.rows:,} rows: {rules}. Take it all the same with --anyway"
        )
        self.foretold = foretold


def foretell(events: Path, metrics: tuple[OutcomeMetric, ...], lines_ahead: int = 0) -> Foretold:
    """Return what the contract will say of an import's events.

    Parameters
    ----------
    events
        The import's file of raw events.
    metrics
        Metrics read from `event_data`, those of the import among them.
    lines_ahead
        As in `Foretold`.
    """
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    counts: dict[tuple[str, str], int] = {}
    file = pq.ParquetFile(events, pre_buffer=False)
    with in_memory(spill_to=events.parent) as connection:
        for batch in file.iter_batches(batch_size=20_000):
            table = pa.Table.from_batches([batch])
            raw = table.select(EVENT_SCHEMA.names)
            parsed = parse_batch(raw, table.column("assigned_day"), metrics, connection)
            judged = judge(raw, parsed.table, parsed.failures, metrics)
            rows = table.column("file_row").take(pa.array(judged.rows)).to_pylist()
            texts = judged.rejected.select(["rule", "column", "value"]).to_pylist()
            for row, text in zip(rows, texts, strict=True):
                key = (text["rule"], text["column"])
                counts[key] = counts.get(key, 0) + 1
                # The first rows of the file, though the events are in the order of their days.
                kept = found.setdefault(key, [])
                kept.append((row, _shown(key, text["value"], metrics)))
                kept.sort()
                del kept[EXAMPLES:]
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return Foretold(
        file.metadata.num_rows,
        tuple(RejectedRows(*key, count, tuple(found[key])) for key, count in ordered),
        lines_ahead,
    )


def _shown(key: tuple[str, str], value: str | None, metrics: tuple[OutcomeMetric, ...]) -> str:
    """Return a rejected value; of an event's data, the first outcome that is no number."""
    text = value or ""
    if key == (NOT_A_NUMBER, "event_data"):
        data = json.loads(text) if len(text) < MAXIMUM_VALUE_CHARACTERS else {}
        found = (data.get(metric.name) for metric in metrics)
        text = next((one for one in found if isinstance(one, str) and not _is_number(one)), text)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "\u2026"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
