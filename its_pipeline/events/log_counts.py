"""What the log of interventions comes to in numbers, without an object a row.

What belongs here: counting over all of the log. What does not: reading interventions
(`interventions`), or what a number means for the store (`experiments`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import sqlalchemy as sa

from its_pipeline.events.intervention_rows import newest_versions
from its_pipeline.events.intervention_schema import bring_up_to_date
from its_pipeline.events.intervention_table import VERSIONS, open_engine
from its_pipeline.events.log_copies import check_log

if TYPE_CHECKING:
    from its_pipeline.settings import Settings


def count_interventions(settings: Settings) -> int:
    """Return how many interventions there are, withdrawn ones included.

    Parameters
    ----------
    settings
        The installation.
    """
    query = sa.select(sa.func.count()).where(VERSIONS.c.version == 1)
    with open_log(settings) as connection:
        return int(connection.scalar(query) or 0)


def count_since(settings: Settings, sequence: int) -> tuple[int, int]:
    """Return how many versions were written after `sequence`, and the newest sequence of all.

    Parameters
    ----------
    settings
        The installation.
    sequence
        The largest one that was seen.
    """
    query = sa.select(sa.func.count(), sa.func.max(VERSIONS.c.sequence)).where(
        VERSIONS.c.sequence > sequence
    )
    with open_log(settings) as connection:
        count, newest = connection.execute(query).one()
    return int(count), int(newest or sequence)


def has_kind_of(settings: Settings, people: int, until_on: date) -> bool:
    """Tell whether at least so many people tried the same on the same outcome.

    Parameters
    ----------
    settings
        The installation.
    people
        How many.
    until_on
        Interventions that begin later are not counted; this day is **INCLUSIVE**.
    """
    tried = (
        newest_versions()
        .where(VERSIONS.c.status == "open", VERSIONS.c.started_on <= until_on)
        .subquery()
    )
    kind = sa.case((tried.c.kind == "", tried.c.intervention_id), else_=tried.c.kind)
    query = (
        sa.select(kind)
        .group_by(kind, tried.c.outcome_metric)
        .having(sa.func.count(sa.distinct(tried.c.user_id)) >= people)
        .limit(1)
    )
    with open_log(settings) as connection:
        return connection.execute(query).first() is not None


@contextmanager
def open_log(settings: Settings) -> Iterator[sa.Connection]:
    """Give a connection to the log for reading, its schema up to date."""
    url = settings.resolved_intervention_log_url
    check_log(url)
    engine = open_engine(url)
    try:
        bring_up_to_date(engine)
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
