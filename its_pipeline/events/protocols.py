"""What has been filled in of interventions' protocols, read over all of the log at once.

What belongs here: the few facts of each intervention that checklists of reporting ask for. What
does not: the checklists (`report.cent`), or an intervention as a whole (`interventions`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from its_pipeline.events.intervention_rows import newest_versions
from its_pipeline.events.intervention_table import VERSIONS
from its_pipeline.events.keys import SEPARATOR
from its_pipeline.events.log_counts import open_log

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

_ROWS_AT_A_TIME: Final = 10_000


class FilledIn(NamedTuple):
    """What an intervention says of itself.

    Attributes
    ----------
    fields
        Of the protocol: those that have a text.
    is_first_version, has_hypothesis, has_lot
        Whether it was never amended, has a hypothesis, and its days were drawn by a lot.
    """

    fields: frozenset[str]
    is_first_version: bool
    has_hypothesis: bool
    has_lot: bool


def filled_in(settings: Settings) -> Iterator[tuple[str, FilledIn]]:
    """Yield every intervention's experiment key, and what its newest version has filled in.

    Those that are alike are the same object: a million take little more than their keys.

    Parameters
    ----------
    settings
        The installation.
    """
    names = ("user_id", "intervention_id", "version", "hypothesis", "protocol", "schedule")
    query = newest_versions().with_only_columns(*(VERSIONS.c[name] for name in names))
    with open_log(settings) as connection:
        rows = connection.execution_options(yield_per=_ROWS_AT_A_TIME).execute(query)
        for row in rows:
            user_id, intervention_id, version, hypothesis, protocol, schedule = tuple(row)
            fields, lot = _fields(protocol), schedule is not None and _has_lot(schedule)
            found = _same(fields, version == 1, bool(hypothesis), lot)
            yield f"{user_id}{SEPARATOR}{intervention_id}", found


@lru_cache(maxsize=1024)
def _same(*told: object) -> FilledIn:
    return FilledIn(*told)  # type: ignore[arg-type] - those of its fields, in their order


@lru_cache(maxsize=1024)
def _fields(protocol: str) -> frozenset[str]:
    return frozenset(name.strip() for name, text in json.loads(protocol).items() if text.strip())


def _has_lot(schedule: str) -> bool:
    return bool(json.loads(schedule).get("mechanism"))
