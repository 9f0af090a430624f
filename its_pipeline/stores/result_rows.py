"""A row of a result set: one analysis of an experiment, or how the experiment stands.

What belongs here: what a row holds. What does not: rows as columns of Parquet (`result_file`), the
files (`result_sets`), or which rows there should be (`gathering`).

Of an experiment a set holds a row for each analysis and, where it was gathered with it, one without
fingerprint: its newest verdict, and which of its verdicts Dagster was told of.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

#: Fingerprint of the row that says how an experiment stands.
STANDING: Final = ""


@dataclass(frozen=True)
class ResultRow:
    """One row.

    Attributes
    ----------
    key
        The experiment.
    user_id
        Whose it is: by it a person is found who leaves.
    fingerprint
        Of the analysis; `STANDING` where the row says how the experiment stands.
    decided_at
        When the verdict was decided: a UTC instant, ISO 8601.
    verdict
        The verdict as JSON: of the analysis, or the experiment's newest one.
    announced
        Which verdict Dagster was told of, as JSON; in rows of `STANDING` alone.
    mlflow_run_id
        The run that records the analysis, where one does.
    input_digest
        Of all that the verdict follows from but the date; in rows of `STANDING` that were made of a
        shard's input, see `experiments.shard_input`.
    holds_on
        The last complete day for which the verdict was made; empty where it holds on every later
        one. In the same rows.
    of_analysis
        Fingerprint of the analysis that the verdict is made of, where it is made of one. In the
        same rows.
    analysis
        The analysis, see `its.packing`; None in rows of `STANDING`.
    """

    key: str
    user_id: str
    fingerprint: str
    decided_at: str
    verdict: str
    announced: str | None = None
    mlflow_run_id: str | None = None
    input_digest: str | None = None
    holds_on: str | None = None
    of_analysis: str | None = None
    analysis: bytes | None = None

    @property
    def place(self) -> tuple[str, str]:
        """What rows are sorted by: key and fingerprint."""
        return self.key, self.fingerprint

    @property
    def is_standing(self) -> bool:
        """Whether the row says how the experiment stands."""
        return self.fingerprint == STANDING


def compact_json(content: Any) -> str:
    """Return JSON without spaces; `json.loads` of it gives the same content."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
