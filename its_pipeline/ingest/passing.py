"""What passes from a source into the lake: between which times, and without whom.

What belongs here: looking at raw batches while they are written. What does not: reading or writing
them (`steps`).
"""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.schema import pc


class Passing:
    """Watches batches pass, and lets no row of a forgotten person through.

    Parameters
    ----------
    forgotten
        Who is left out.

    Attributes
    ----------
    first, last
        Interval of the readable times of what passed; None without any.
    left_out
        How many rows did not pass.
    """

    def __init__(self, forgotten: Forgotten) -> None:
        self.first: datetime | None = None
        self.last: datetime | None = None
        self.left_out = 0
        self._forgotten = forgotten

    def watch(self, batch: pa.RecordBatch | pa.Table) -> pa.RecordBatch | pa.Table:
        """Take note of a batch's times if they are instants, and return what is not left out."""
        everybody, batch = batch.num_rows, self._forgotten.without(batch)
        self.left_out += everybody - batch.num_rows
        occurred = batch.column("occurred_at")
        if batch.num_rows and not pa.types.is_string(occurred.type):
            extremes = pc.min_max(occurred).as_py()
            self.first = min(filter(None, (self.first, extremes["min"])), default=None)
            self.last = max(filter(None, (self.last, extremes["max"])), default=None)
        return batch
