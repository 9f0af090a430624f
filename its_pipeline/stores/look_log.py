"""The log of looks: what each night saw of an experiment and what it was allowed to say, for good.

What belongs here: the append-only table beside the intervention log, and taking a look exactly once
whoever asks. What does not: what a look says (`its.decisions.looks`), or when one is due
(`experiments.looking`).

A look that was taken is never rewritten: not by a repeated night, a late event, an amended plan or
a clock that went back.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
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


@dataclass(frozen=True)
class NextLook:
    """A look that was made ahead of being taken.

    Attributes
    ----------
    question, look
        What is looked at, and the look.
    n_taken
        Looks at the intervention, under whatever question, that it was made after.
    """

    question: Question
    look: Look
    n_taken: int


@dataclass(frozen=True)
class TakenLooks:
    """The looks taken at all of one person's interventions.

    Attributes
    ----------
    by_question
        In order.
    """

    by_question: Mapping[Question, Sequence[Look]]

    def at(self, question: Question) -> list[Look]:
        """Return the looks at one question, in order."""
        return list(self.by_question.get(question, ()))

    def number_of(self, like: Question) -> int:
        """Return how many were taken at the intervention of a question."""
        return sum(map(len, self._of_intervention(like).values()))

    def spent_elsewhere(self, question: Question) -> float:
        """Return what looks at other questions of the intervention have spent of the error."""
        others = self._of_intervention(question)
        return sum(looks[-1].alpha_spent for each, looks in others.items() if each != question)

    def to_json(self) -> str:
        """Return them as text; `of_json` is the inverse."""
        return json.dumps(
            [
                [
                    each.intervention_id,
                    each.outcome_metric,
                    each.started_on.isoformat(),
                    [look.to_dict() for look in looks],
                ]
                for each, looks in self.by_question.items()
            ]
        )

    @classmethod
    def of_json(cls, user_id: str, text: str | None) -> TakenLooks:
        """Read what `to_json` wrote of a person; None: there are none."""
        return cls(
            {
                Question(user_id, name, metric, date.fromisoformat(started_on)): [
                    Look.from_dict(look) for look in looks
                ]
                for name, metric, started_on, looks in json.loads(text or "[]")
            }
        )

    def _of_intervention(self, like: Question) -> dict[Question, Sequence[Look]]:
        return {
            each: looks
            for each, looks in self.by_question.items()
            if each.intervention_id == like.intervention_id
        }


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

    def of_people(self, user_ids: Sequence[str]) -> dict[str, TakenLooks]:
        """Return the looks at anything of some people, of those of whom there are any."""
        with self._engine.connect() as connection:
            return _of_people(connection, user_ids)

    def take_all(self, wanted: Sequence[NextLook], forgotten: Container[str] = ()) -> set[Question]:
        """Take looks that were made ahead, in one transaction that no other writer runs beside.

        One that was taken already, the same in everything, is not taken again.

        Parameters
        ----------
        wanted
            Each at another question.
        forgotten
            People of whom nothing is taken; whoever deletes them marks them ahead of it.

        Returns
        -------
        set[Question]
            Where somebody else took another look meanwhile, or the person was forgotten: nothing
            was taken there.
        """
        if not wanted:
            return set()
        refused = set()
        with writing(self._engine) as connection:
            people = _of_people(connection, sorted({each.question.user_id for each in wanted}))
            rows = []
            for each in wanted:
                if each.question.user_id in forgotten:
                    refused.add(each.question)
                    continue
                taken = people.get(each.question.user_id, TakenLooks({}))
                n_taken = taken.number_of(each.question)
                if n_taken == each.n_taken:
                    rows.append(_row(each.question, each.look))
                elif n_taken != each.n_taken + 1 or each.look not in taken.at(each.question)[-1:]:
                    refused.add(each.question)
            if rows:
                connection.execute(sa.insert(LOOKS), rows)
        return refused


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


def _of_people(connection: sa.Connection, user_ids: Sequence[str]) -> dict[str, TakenLooks]:
    query = sa.select(LOOKS).where(LOOKS.c.user_id.in_(user_ids)).order_by(LOOKS.c.number)
    found: defaultdict[str, defaultdict[Question, list[Look]]]
    found = defaultdict(lambda: defaultdict(list))
    for row in connection.execute(query).mappings():
        found[row["user_id"]][_question(row)].append(_look(row))
    return {user_id: TakenLooks(dict(looks)) for user_id, looks in found.items()}


def _question(row: sa.RowMapping) -> Question:
    return Question(*(row[each.name] for each in fields(Question)))


def _by_question(connection: sa.Connection, like: Question) -> dict[Question, list[Look]]:
    """Return all looks at the intervention of a question, in order, by question."""
    query = (
        sa.select(LOOKS)
        .where(LOOKS.c.user_id == like.user_id, LOOKS.c.intervention_id == like.intervention_id)
        .order_by(LOOKS.c.number)
    )
    found: defaultdict[Question, list[Look]] = defaultdict(list)
    for row in connection.execute(query).mappings():
        found[_question(row)].append(_look(row))
    return dict(found)
