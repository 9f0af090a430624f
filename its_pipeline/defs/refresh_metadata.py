"""What Dagster shows of a bulk run: its summary in words, in tags, and as metadata.

What belongs here: turning a summary's counts and problems into what is shown. What does not: the
run (`refresh_job`, `shard_refresh`), or what is shown of one experiment (`experiment_metadata`).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import dagster as dg

from its_pipeline.defs.progress import duration
from its_pipeline.experiments.bulk import RefreshSummary
from its_pipeline.stores.verdict import STATUSES

#: A summary lists at most as many problems; all of them are in the evidence table.
MOST_PROBLEMS_SHOWN: Final = 50


def summary_line(summary: RefreshSummary) -> str:
    """Return the summary in one sentence."""
    parts = [
        f"{summary.counts[name]} {name.replace('_', ' ')}"
        for name in (*STATUSES, "unchanged")
        if summary.counts[name]
    ]
    return (
        f"{summary.total} experiments in {duration(summary.seconds)}: "
        + (", ".join(parts) or "nothing to do")
        + f" ({summary.computed} computed)"
    )


def summary_tags(summary: RefreshSummary) -> Mapping[str, str]:
    """Return the counts as run tags, so that the list of runs shows them."""
    return {
        f"its/{name}": str(summary.counts[name])
        for name in (*STATUSES, "unchanged")
        if summary.counts[name]
    }


def summary_metadata(summary: RefreshSummary) -> dict[str, Any]:
    """Return the summary as metadata: a table, counts, seconds, and a table of the problems."""
    names = (*STATUSES, "unchanged")
    shown: dict[str, Any] = {"summary": counts_table(summary.counts, names)}
    shown |= {name: summary.counts[name] for name in names}
    shown |= {
        "total": summary.total,
        "computed": summary.computed,
        "seconds": round(summary.seconds, 3),
    }
    return shown | problems_metadata(summary.problems)


def problems_metadata(problems: Mapping[str, str]) -> dict[str, Any]:
    """Return the first problems, key to reason, as a table; {} without any."""
    if not problems:
        return {}
    schema = dg.TableSchema(
        columns=[dg.TableColumn("experiment", "string"), dg.TableColumn("reason", "string")]
    )
    records = [
        dg.TableRecord({"experiment": key, "reason": reason[:300]})
        for key, reason in list(problems.items())[:MOST_PROBLEMS_SHOWN]
    ]
    return {"problems": dg.MetadataValue.table(records=records, schema=schema)}


def counts_table(counts: Mapping[str, int], names: Iterable[str]) -> dg.TableMetadataValue:
    """Return how many experiments have which verdict, of those that some have, as a table."""
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord({"verdict": name.replace("_", " "), "experiments": counts[name]})
            for name in names
            if counts.get(name)
        ],
        schema=dg.TableSchema(
            columns=[dg.TableColumn("verdict", "string"), dg.TableColumn("experiments", "int")]
        ),
    )
