"""The CENT 2015 checklist over many experiments: its table, its counts, and statuses without texts.

What belongs here: what is told of all experiments together. What does not: the checklist of one
(`cent`), or where the table lies (`experiments.evidence`, `experiments.checklists`).

An answer's text needs the analysis, which takes some 35 ms to read and put into words. Whether
there is an answer hangs on a few facts of the verdict and of the log (`Known`): of very many
experiments the table has those statuses, and the texts stand on each one's page. That both give the
same statuses, a test holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from its_pipeline.report.cent import CentAnswer, ItemStatus, Source, cent_items, judged

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

COLUMNS: Final = ("experiment", "item", "section", "status", "source", "field", "text")
"""Of the table of compliance."""


@dataclass(frozen=True)
class Known:
    """What the answers to the checklist's items hang on.

    Attributes
    ----------
    filled
        Fields of the protocol that have a text.
    is_first_version
        Whether the intervention was never amended.
    has_hypothesis, has_lot
        Whether the log has a hypothesis, and a lot by which days were drawn.
    has_metric, is_rate
        Whether the outcome's metric is registered, and whether it is a yes-or-no outcome.
    has_window
        Whether the days of the window are known.
    has_analysis, has_effects, has_relative
        Whether it was analysed, whether that converged, and whether it has a relative effect.
    """

    filled: frozenset[str] = frozenset()
    is_first_version: bool = True
    has_hypothesis: bool = False
    has_lot: bool = False
    has_metric: bool = True
    is_rate: bool = False
    has_window: bool = False
    has_analysis: bool = False
    has_effects: bool = False
    has_relative: bool = False


#: Of each item with an answer of its own (`cent_answers.ANSWERS`), what has to be known for it.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("1a", "3a", "5", "7a", "7b", "8a", "8c", "23"), ()),
    **dict.fromkeys(("1b", "16", "17a.1", "17a.2", "18", "20", "22"), ("has_effects",)),
    **dict.fromkeys(("12a", "12c", "15"), ("has_analysis",)),
    **dict.fromkeys(("14a", "14b"), ("has_window",)),
    **dict.fromkeys(("3b", "6b"), ("is_first_version",)),
    "2b": ("has_hypothesis",),
    "6a.1": ("has_metric",),
    "8b": ("has_lot",),
    "13a.1": ("has_effects", "has_window"),
    "17b": ("has_relative",),
}


@lru_cache(maxsize=1024)
def statuses(known: Known) -> tuple[tuple[ItemStatus, Source], ...]:
    """Return the status and source of every item, in the published order.

    Parameters
    ----------
    known
        What is known of the experiment.
    """
    return tuple(
        judged(
            item,
            known.filled,
            is_known=item.id in _NEEDS and all(getattr(known, each) for each in _NEEDS[item.id]),
            is_rate=known.is_rate,
            has_lot=known.has_lot,
        )
        for item in cent_items()
    )


def compliance_table(filled: Mapping[str, Iterable[CentAnswer]]) -> pd.DataFrame:
    """Return the checklist over many experiments, as one row an experiment and item.

    Parameters
    ----------
    filled
        Experiment key to its filled checklist.

    Returns
    -------
    pd.DataFrame
        Columns `COLUMNS`.
    """
    import pandas as pd

    rows = [
        (key, a.item.id, a.item.section, a.status, a.source, a.item.field, a.text)
        for key, answers in filled.items()
        for a in answers
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compliance_schema() -> pa.Schema:
    """Return names and types of the columns of `compliance_rows`."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in COLUMNS])


def compliance_rows(known: Sequence[tuple[str, Known]]) -> pa.Table:
    """Return the same table without texts, of experiments whose checklists nobody filled.

    Parameters
    ----------
    known
        Experiment keys, and what is known of each.

    Returns
    -------
    pyarrow.Table
        Columns `COLUMNS`, the text null; a row an experiment and item.
    """
    import numpy as np
    import pyarrow as pa

    items = cent_items()
    shape = len(known), len(items)
    alike: dict[Known, int] = {}
    which = np.array([alike.setdefault(each, len(alike)) for _, each in known], np.int32)
    of_each = [statuses(each) for each in alike]

    def column(values: Sequence[str], at: np.ndarray) -> pa.Array:
        indices = pa.array(np.ascontiguousarray(at).ravel(), pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array(values, pa.string())).cast(
            pa.string()
        )

    def of_item(values: Sequence[str]) -> pa.Array:
        return column(values, np.broadcast_to(np.arange(shape[1], dtype=np.int32), shape))

    def of_status(part: int) -> pa.Array:
        names = list(dict.fromkeys(each[part] for one in of_each for each in one))
        codes = np.array([[names.index(each[part]) for each in one] for one in of_each], np.int32)
        return column(names, codes.reshape(-1, shape[1])[which])

    experiment = np.broadcast_to(np.arange(shape[0], dtype=np.int32)[:, None], shape)
    return pa.table(
        {
            "experiment": column([key for key, _ in known], experiment),
            "item": of_item([item.id for item in items]),
            "section": of_item([item.section for item in items]),
            "status": of_status(0),
            "source": of_status(1),
            "field": of_item([item.field for item in items]),
            "text": pa.nulls(shape[0] * shape[1], pa.string()),
        },
        compliance_schema(),
    )


class CentCount(NamedTuple):
    """How often one checklist item has which status."""

    id: str
    text: str
    reported: int
    partial: int
    blank: int
    not_applicable: int


def cent_counts(experiments: Iterable[tuple[Sequence[str], int]]) -> tuple[CentCount, ...]:
    """Count each item's statuses over experiments; none where there are no experiments.

    Parameters
    ----------
    experiments
        Statuses of all items in the published order, and how many experiments have them.
    """
    items = cent_items()
    counts: list[Counter[str]] = [Counter() for _ in items]
    n_all = 0
    for found, number in experiments:
        n_all += number
        for counted, status in zip(counts, found, strict=True):
            counted[status] += number
    if not n_all:
        return ()
    names = ("reported", "partial", "blank", "not_applicable")
    return tuple(
        CentCount(item.id, item.text, *(counted[name] for name in names))
        for item, counted in zip(items, counts, strict=True)
    )
