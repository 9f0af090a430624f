"""The log of looks: what each night saw of an experiment and what it was allowed to say, for good.

What belongs here: the append-only table beside the intervention log, and taking a look exactly once
whoever asks. What does not: what a look says (`its.decisions.looks`), or when one is due
(`experiments.looking`).

A look that was taken is never rewritten: not by a repeated night, a late event, an amended plan or
a clock that went back.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from functools import cached_property

import sqlalchemy as sa

from its_pipeline.events.intervention_schema import LOOKS_TABLE, bring_up_to_date
from its_pipeline.events.intervention_table import open_engine, writing
from its_pipeline.its.decisions.looks import Look

LOOKS = sa.Table(
    LOOKS_TABLE,
    sa.MetaData(),
    sa.Column("user_id", sa.String(64), primary_key=True),
    sa.Column("intervention_id", sa.String(64), primary_key=True),
    sa.Column("outcome_metric", sa.String(64), primary_key=True),
    sa.Column("started_on", sa.Date, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("looked_on", sa.Date, nullable=False),
    sa.Column("planned_until_on", sa.Date, nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("information", sa.Float(53), nullable=False),
    sa.Column("planned_information", sa.Float(53), nullable=False),
    sa.Column("z", sa.Float(53), nullable=False),
    sa.Column("boundary", sa.Float(53)),
    sa.Column("alpha_spent", sa.Float(53), nullable=False),
    sa.Column("effect_mean", sa.Float(53), nullable=False),
    sa.Column("effect_sd", sa.Float(53), nullable=False),
    sa.Column("said", sa.String(16), nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint(
        "user_id",
        "intervention_id",
        "outcome_metric",
        "started_on",
        "looked_on",
        name="one_look_a_day",
    ),
)
"""One row a look; `boundary` is NULL where nothing could have been said."""


@dataclass(frozen=True)
class Question:
    """What is looked at: another outcome or another start is another question.

    Attributes
    ----------
    user_id, intervention_id
        The experiment.
    outcome_metric, started_on
        As logged when the look was taken.
    """

    user_id: str
    intervention_id: str
    outcome_metric: str
    started_on: date


class LookLog:
    """The looks behind one database URL, which is the intervention log's.

    Parameters
    ----------
    url
        SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _engine(self) -> sa.Engine:
        engine = open_engine(self._url)
        bring_up_to_date(engine)
        return engine

    def close(self) -> None:
        """Close the database connections; the log can be used again afterwards."""
        self._engine.dispose()

    def looks(self, question: Question) -> list[Look]:
        """Return the looks at one question, in order."""
        with self._engine.connect() as connection:
            return _by_question(connection, question).get(question, [])

    def rows_of(self, user_id: str) -> list[dict[str, object]]:
        """Return every look at anything of one person, as kept, in the order in which they came."""
        query = (
            sa.select(LOOKS)
            .where(LOOKS.c.user_id == user_id)
            .order_by(LOOKS.c.taken_at, LOOKS.c.intervention_id, LOOKS.c.number)
        )
        with self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def take(
        self, question: Question, make: Callable[[Sequence[Look], float], Look | None]
    ) -> list[Look]:
        """Take the next look, unless there is nothing new to look at; return all of them.

        In one transaction that no other writer runs beside: of two that come at once, one takes the
        look and the other finds it taken.

        Parameters
        ----------
        question
            What is looked at.
        make
            Given the looks so far, and what looks at other questions of the intervention have spent
            of the error, returns the next one or None.
        """
        with writing(self._engine) as connection:
            found = _by_question(connection, question)
            earlier = found.pop(question, [])
            elsewhere = sum(looks[-1].alpha_spent for looks in found.values())
            look = make(earlier, elsewhere)
            if look is None:
                return earlier
            connection.execute(sa.insert(LOOKS).values(**_row(question, look)))
        return [*earlier, look]


def _row(question: Question, look: Look) -> dict[str, object]:
    values = {each.name: getattr(look, each.name) for each in fields(Look)}
    values |= {each.name: getattr(question, each.name) for each in fields(Question)}
    values["boundary"] = None if math.isinf(look.boundary) else look.boundary
    return {**values, "taken_at": datetime.now(UTC)}


def _look(row: sa.RowMapping) -> Look:
    values = {each.name: row[each.name] for each in fields(Look)}
    if values["boundary"] is None:
        values["boundary"] = math.inf
    return Look(**values)


def _by_question(connection: sa.Connection, like: Question) -> dict[Question, list[Look]]:
    """Return all looks at the intervention of a question, in order, by question."""
    query = (
        sa.select(LOOKS)
        .where(LOOKS.c.user_id == like.user_id, LOOKS.c.intervention_id == like.intervention_id)
        .order_by(LOOKS.c.number)
    )
    found: defaultdict[Question, list[Look]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        question = Question(*(row[each.name] for each in fields(Question)))
        found[question].append(_look(row))
    return dict(found)
