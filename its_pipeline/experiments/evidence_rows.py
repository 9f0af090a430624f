"""The table over all experiments: one row a verdict, always the same columns and types.

What belongs here: from verdicts to the table. What does not: which verdicts there are and where the
table lies (`evidence`, `evidence_files`), or which numbers of a verdict it has (`summary`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from its_pipeline.experiments.summary import summary
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def evidence_table(verdicts: list[Verdict]) -> pd.DataFrame:
    """Return the table, one row a verdict; the same columns and types however many there are."""
    import pandas as pd

    from its_pipeline.its.inference.diagnostics import GATE

    numbers = {"probability_of_benefit", *(criterion.figure for criterion in GATE)}
    rows = [summary(verdict) for verdict in verdicts]
    template = summary(_TEMPLATE)
    table = pd.DataFrame(rows, columns=list(template))
    for name in ("started_on", "pre_start_on", "fit_start_on", "post_end_on", "final_end_on"):
        table[name] = pd.to_datetime(table[name])
    table["analysable_on"] = pd.to_datetime(table["analysable_on"])
    table["decided_at"] = pd.to_datetime(table["decided_at"], utc=True)
    for name in table.columns:
        if name.endswith(("_mean", "_sd", "_lower", "_upper", "_positive")) or name in numbers:
            table[name] = pd.to_numeric(table[name]).astype("float64")
        elif name in _TEXTS:
            table[name] = table[name].astype("string")
    table["converged"] = table["converged"].astype("boolean")
    return table


_TEXTS: Final = frozenset({"fingerprint", "dagster_run_id", "reason", "reason_code", "unit"})
_TEMPLATE: Final = Verdict(
    key="",
    user_id="",
    intervention_id="",
    intervention_name="",
    intervention_version=1,
    status="waiting",
    reason="",
    reason_code="",
    fingerprint=None,
    decided_at="",
    direction="increase",
    outcome_metric="",
    unit="",
    minimum_effect=0.0,
    started_on="",
)

#: Columns that may be empty throughout, which pandas has no type for then.
_SELDOM: Final = frozenset({"information_share", "n_looks"})


def evidence_rows(verdicts: list[Verdict]) -> pa.Table:
    """Return the rows of the table with the types of `evidence_schema`, whatever is empty."""
    import pyarrow as pa

    return pa.Table.from_pandas(evidence_table(verdicts), preserve_index=False).cast(
        evidence_schema()
    )


def evidence_schema() -> pa.Schema:
    """Return the columns of the table and their types."""
    import pyarrow as pa

    found = pa.Schema.from_pandas(evidence_table([_TEMPLATE]), preserve_index=False)
    return pa.schema(
        pa.field(each.name, pa.float64() if each.name in _SELDOM else pa.string())
        if pa.types.is_null(each.type)
        else each
        for each in found.remove_metadata()
    )
