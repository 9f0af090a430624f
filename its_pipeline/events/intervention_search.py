"""Finding interventions in the log by the beginning of an identifier.

What belongs here: the query. What does not: who may see what it finds (`api`), or other reads of
the log (`interventions`, `log_counts`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from its_pipeline.events.intervention_rows import newest_versions
from its_pipeline.events.intervention_table import VERSIONS
from its_pipeline.events.keys import SEPARATOR, beginning_of_key


def versions_beginning_with(
    text: str, count: int, user_id: str | None = None
) -> sa.Select[Any] | None:
    """Return the query of interventions whose person's identifier, or whose own, begins so.

    Large and small letters are the same. The index of the keys is walked in its order, and the walk
    ends where there are enough: of 100,000 interventions it took 6 to 60 ms on a warm file.

    Parameters
    ----------
    text
        What it begins with, as people know it; with the separator of experiment keys, the whole
        person's identifier and the beginning of the intervention's.
    count
        At most so many.
    user_id
        Only this person's.

    Returns
    -------
    sqlalchemy.Select or None
        Newest versions by person and intervention, withdrawn ones included; None where no
        identifier can begin so.
    """
    try:
        person, separator, intervention = beginning_of_key(text).partition(SEPARATOR)
    except ValueError:
        return None
    user, own = VERSIONS.c.user_id, VERSIONS.c.intervention_id
    if separator:
        of_person = sa.func.lower(user) == person.lower()
        begins = sa.and_(of_person, own.istartswith(intervention, autoescape=True))
    else:
        begins = sa.or_(*(each.istartswith(person, autoescape=True) for each in (user, own)))
    keys = sa.select(user, own).where(VERSIONS.c.version == 1, begins)
    if user_id is not None:
        keys = keys.where(user == user_id)
    found = keys.order_by(user, own).limit(count)
    return newest_versions().where(sa.tuple_(user, own).in_(found)).order_by(user, own)
