"""How completely very many experiments are reported, without a look at any analysis.

What belongs here: from verdicts and the log to what the statuses of the CENT checklist hang on.
What does not: the statuses (`report.cent_compliance`), or the checklist with its texts, which each
page has (`publish`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from its_pipeline.events.metrics import registered_metrics
from its_pipeline.events.protocols import FilledIn, filled_in
from its_pipeline.experiments.page_facts import window_of
from its_pipeline.its.estimand_names import RELATIVE
from its_pipeline.report.cent_compliance import (
    CentCount,
    Known,
    cent_counts,
    compliance_rows,
    statuses,
)
from its_pipeline.stores.verdict import Verdict

if TYPE_CHECKING:
    import pyarrow as pa

    from its_pipeline.settings import Settings


class ChecklistsOfMany:
    """The checklists of all experiments of a store, as verdicts go by.

    Parameters
    ----------
    settings
        The installation; its log is read at once, in a few facts an intervention.
    """

    def __init__(self, settings: Settings) -> None:
        self._metrics = registered_metrics(settings)
        self._filled_in = dict(filled_in(settings))
        self._counts: Counter[Known] = Counter()

    def rows(self, verdicts: Iterable[Verdict]) -> pa.Table:
        """Return the rows of some verdicts, see `compliance_rows`, and count them.

        Who is not in the log any more has none.
        """
        known = [
            (verdict.key, self._known(verdict, self._filled_in[verdict.key]))
            for verdict in verdicts
            if verdict.key in self._filled_in
        ]
        self._counts.update(each for _, each in known)
        return compliance_rows(known)

    @property
    def experiments(self) -> int:
        """How many there were."""
        return self._counts.total()

    def counts(self) -> tuple[CentCount, ...]:
        """Return how often each item has which status, of all that went by."""
        return cent_counts(
            ([status for status, _ in statuses(known)], number)
            for known, number in self._counts.items()
        )

    def _known(self, verdict: Verdict, logged: FilledIn) -> Known:
        metric = self._metrics.get(verdict.outcome_metric)
        effects = verdict.effects if verdict.status == "analysed" else None
        return _same(
            logged.fields,
            logged.is_first_version,
            logged.has_hypothesis,
            logged.has_lot,
            metric is not None,
            metric is not None and metric.aggregation == "rate",
            window_of(verdict) is not None,
            verdict.diagnostics is not None,
            effects is not None,
            effects is not None and effects.get(RELATIVE.name) is not None,
        )


@lru_cache(maxsize=1024)
def _same(*told: object) -> Known:
    return Known(*told)  # type: ignore[arg-type] - those of its fields, in their order
