"""The intervention log: what a person tried, from when to when, and what they expected of it.

An append-only SQL table; every write is a new version of one intervention with a new `sequence`.
Concluding anything of one belongs to `experiments`, reading a CSV file to `intervention_files`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from its_pipeline.events.forgotten import Forgotten
from its_pipeline.events.intervention import Intervention
from its_pipeline.events.intervention_errors import (
    AlreadyLoggedError,
    UnknownInterventionError,
    VersionConflictError,
    already_logged,
    unknown,
)
from its_pipeline.events.intervention_lots import with_recorded_lot
from its_pipeline.events.intervention_rows import (
    append_version,
    is_of,
    newest_tries,
    newest_version,
    newest_versions,
    to_intervention,
    utc,
)
from its_pipeline.events.intervention_schema import bring_up_to_date
from its_pipeline.events.intervention_search import versions_beginning_with
from its_pipeline.events.intervention_table import VERSIONS, open_engine, writing
from its_pipeline.events.keys import validate_id
from its_pipeline.events.log_copies import check_log
from its_pipeline.events.metrics import OutcomeMetric, get_metric, registered_metrics
from its_pipeline.events.tries import Try

if TYPE_CHECKING:
    from its_pipeline.settings import Settings

NOT_AMENDABLE = frozenset({"user_id", "intervention_id", "sequence", "version", "logged_at"})


class InterventionLog:
    """The log behind one database URL.

    Parameters
    ----------
    url
        SQLAlchemy URL: `sqlite:///path/interventions.sqlite` or `postgresql+psycopg2://...`.
    metrics
        The registered outcome metrics; an intervention on another metric is refused. None skips
        this one rule.
    forgotten
        People of whom nothing is logged and nothing is shown.
    """

    def __init__(
        self,
        url: str,
        metrics: Mapping[str, OutcomeMetric] | None = None,
        forgotten: Forgotten | None = None,
    ) -> None:
        self._url = url
        self._metrics = metrics
        self._forgotten = forgotten

    @cached_property
    def engine(self) -> sa.Engine:
        """The log's database, its schema up to date."""
        check_log(self._url)
        engine = open_engine(self._url)
        bring_up_to_date(engine)
        return engine

    def close(self) -> None:
        """Close the database connections; the log can be used again afterwards."""
        self.engine.dispose()

    def log(
        self,
        *,
        user_id: str,
        intervention_id: str,
        outcome_metric: str,
        started_on: date | None = None,
        **fields: Any,
    ) -> Intervention:
        """Log an intervention.

        Repeating the same log entry returns what is there; nothing is written.

        Parameters
        ----------
        user_id, intervention_id, outcome_metric, started_on
            As in `Intervention`; `started_on` is **INCLUSIVE**, and may be left out beside a
            `schedule`.
        **fields
            Any other declared field of `Intervention`.

        Raises
        ------
        AlreadyLoggedError
            If the user has an intervention of this id with other contents.
        ValueError
            If a field breaks a rule; the message names value and rule.
        """
        now = datetime.now(UTC)
        wanted = Intervention.declared(
            user_id=user_id,
            intervention_id=intervention_id,
            outcome_metric=outcome_metric,
            started_on=started_on,
            **fields,
        )
        return self.log_all([wanted], now)[0]

    def log_all(
        self, wanted: Iterable[Intervention], now: datetime | None = None
    ) -> list[Intervention]:
        """Log several interventions in one transaction: all or none.

        Raises
        ------
        AlreadyLoggedError, ValueError
            As in `log`; for the first entry that is refused.
        """
        now = now or datetime.now(UTC)
        logged = []
        with writing(self.engine) as connection:
            for entry in wanted:
                self._check_metric(entry)
                present = newest_version(connection, entry.user_id, entry.intervention_id)
                if present is None:
                    fresh = dataclasses.replace(entry, version=1, status="open", logged_at=now)
                    fresh = with_recorded_lot(fresh, None, now)
                    logged.append(append_version(connection, fresh, now, "logged"))
                elif present.declaration() == entry.declaration() and present.status == "open":
                    logged.append(present)
                else:
                    raise AlreadyLoggedError(already_logged(present, entry))
        return logged

    def refusal(self, entry: Intervention) -> str | None:
        """Say why `log` would refuse `entry`, or None; nothing is written."""
        try:
            self._check_metric(entry)
        except ValueError as error:
            return str(error)
        with self.engine.connect() as connection:
            present = newest_version(connection, entry.user_id, entry.intervention_id)
        if present is None:
            return None
        if present.declaration() == entry.declaration() and present.status == "open":
            return None
        return already_logged(present, entry)

    def get(self, user_id: str, intervention_id: str) -> Intervention:
        """Return the newest version of one intervention.

        Raises
        ------
        UnknownInterventionError
            If the log has none.
        """
        with self.engine.connect() as connection:
            present = newest_version(connection, user_id, intervention_id)
        if present is None or not self._is_known(user_id):
            raise unknown(user_id, intervention_id)
        return present

    def list(
        self, user_id: str | None = None, include_withdrawn: bool = False
    ) -> list[Intervention]:
        """Return the newest version of every intervention, by user, start and id.

        Parameters
        ----------
        user_id
            Only this user's.
        include_withdrawn
            Whether withdrawn ones are in it.
        """
        query = newest_versions()
        if user_id is not None:
            query = query.where(VERSIONS.c.user_id == user_id)
        if not include_withdrawn:
            query = query.where(VERSIONS.c.status == "open")
        order = (VERSIONS.c.user_id, VERSIONS.c.started_on, VERSIONS.c.intervention_id)
        return self._read(query.order_by(*order))

    def tries(self) -> tuple[Try, ...]:
        """Return of every intervention that was not withdrawn what pools need, newest versions."""
        rows = newest_tries(self.engine)
        gone = self._forgotten.among(row.user_id for row in rows) if self._forgotten else ()
        return tuple(row for row in rows if row.user_id not in gone)

    def newest(self, count: int) -> list[Intervention]:
        """Return those that began last, the last one first, withdrawn ones too; at most `count`."""
        ordered = (VERSIONS.c.started_on.desc(), VERSIONS.c.user_id, VERSIONS.c.intervention_id)
        return self._read(newest_versions().order_by(*ordered).limit(count))

    def beginning_with(
        self, text: str, count: int, user_id: str | None = None
    ) -> list[Intervention]:
        """Return those that `intervention_search.versions_beginning_with` finds."""
        query = versions_beginning_with(text, count, user_id)
        return [] if query is None else self._read(query)

    def history(self, user_id: str, intervention_id: str) -> tuple[Intervention, ...]:
        """Return every version of one intervention, oldest first; empty if it is unknown."""
        query = sa.select(VERSIONS).where(is_of(user_id, intervention_id))
        return tuple(self._read(query.order_by(VERSIONS.c.version)))

    def changed_since(self, sequence: int) -> tuple[Intervention, ...]:
        """Return the newest versions written after `sequence`, in the order written.

        Withdrawn ones are among them. Sequences become visible in their order, so a reader that
        keeps the largest one it saw misses nothing.
        """
        query = newest_versions().where(VERSIONS.c.sequence > sequence)
        return tuple(self._read(query.order_by(VERSIONS.c.sequence)))

    def amend(
        self,
        user_id: str,
        intervention_id: str,
        *,
        reason: str = "amended",
        expected_version: int | None = None,
        **changes: Any,
    ) -> Intervention:
        """Write a new version of an intervention; the earlier ones stay in the history.

        Parameters
        ----------
        user_id, intervention_id
            Which one.
        reason
            Why; kept in the history.
        expected_version
            The version that the writer read. It is compared in the transaction that writes, so
            of several writers who read the same version, in whatever process, one wins. None
            amends the newest version, whichever it is.
        **changes
            Fields of `Intervention`; the others stay.

        Raises
        ------
        UnknownInterventionError
            If the log has none.
        VersionConflictError
            If its newest version is not the expected one; nothing is written.
        ValueError
            If a changed field breaks a rule, is unknown, or must not change.
        """
        fixed = sorted(NOT_AMENDABLE & changes.keys())
        if fixed:
            raise ValueError(
                f"{', '.join(fixed)} cannot be amended; withdraw the intervention and log another"
            )
        known = {field.name for field in dataclasses.fields(Intervention)}
        unknown = sorted(changes.keys() - known)
        if unknown:
            raise ValueError(
                f"an intervention has no field {', '.join(unknown)}; fields are "
                f"{', '.join(sorted(known - NOT_AMENDABLE))}"
            )
        with writing(self.engine) as connection:
            present = _require(connection, user_id, intervention_id, expected_version)
            now = datetime.now(UTC)
            amended = with_recorded_lot(present.changed(**changes), present, now)
            if amended == present:
                return present
            self._check_metric(amended)
            fresh = dataclasses.replace(amended, version=present.version + 1)
            return append_version(connection, fresh, now, reason)

    def withdraw(
        self,
        user_id: str,
        intervention_id: str,
        reason: str,
        *,
        expected_version: int | None = None,
    ) -> Intervention:
        """Mark an intervention as withdrawn; its history stays. Repeating it changes nothing.

        Parameters
        ----------
        user_id, intervention_id, reason, expected_version
            As in `amend`.

        Raises
        ------
        UnknownInterventionError
            If the log has none.
        VersionConflictError
            If its newest version is not the expected one; nothing is written.
        ValueError
            If the reason is empty.
        """
        if not reason.strip():
            raise ValueError("withdrawing an intervention needs a reason, got an empty text")
        with writing(self.engine) as connection:
            present = _require(connection, user_id, intervention_id, expected_version)
            if present.status == "withdrawn":
                return present
            fresh = dataclasses.replace(present, status="withdrawn", version=present.version + 1)
            return append_version(connection, fresh, datetime.now(UTC), reason)

    def reasons(self, user_id: str, intervention_id: str) -> tuple[tuple[int, datetime, str], ...]:
        """Return (version, recorded_at, reason) of every version of one intervention."""
        query = (
            sa.select(VERSIONS.c.version, VERSIONS.c.recorded_at, VERSIONS.c.reason)
            .where(is_of(user_id, intervention_id))
            .order_by(VERSIONS.c.version)
        )
        with self.engine.connect() as connection:
            return tuple((v, utc(at), reason) for v, at, reason in connection.execute(query))

    def _check_metric(self, entry: Intervention) -> None:
        if self._forgotten is not None:
            self._forgotten.refuse(entry.user_id)
        if self._metrics is None:
            return
        metric = get_metric(self._metrics, entry.outcome_metric)
        try:
            entry.analysis.over(metric.analysis)
        except ValueError as error:
            raise ValueError(f"analysis, with what {metric.name} says: {error}") from error

    def _read(self, query: sa.Select[Any]) -> list[Intervention]:
        with self.engine.connect() as connection:
            found = [to_intervention(row) for row in connection.execute(query).mappings()]
        return [each for each in found if self._is_known(each.user_id)]

    def _is_known(self, user_id: str) -> bool:
        return self._forgotten is None or user_id not in self._forgotten


def open_log(settings: Settings) -> InterventionLog:
    """Open the installation's log, which refuses interventions on unregistered metrics."""
    return InterventionLog(
        settings.resolved_intervention_log_url,
        registered_metrics(settings),
        Forgotten(settings.store_root),
    )


def _require(
    connection: sa.Connection, user_id: str, intervention_id: str, expected_version: int | None
) -> Intervention:
    present = newest_version(
        connection,
        validate_id("user_id", user_id),
        validate_id("intervention_id", intervention_id),
    )
    if present is None:
        raise unknown(user_id, intervention_id)
    if expected_version is not None and present.version != expected_version:
        raise VersionConflictError(expected_version, present.version)
    return present


__all__ = [
    "AlreadyLoggedError",
    "Intervention",
    "InterventionLog",
    "UnknownInterventionError",
    "VersionConflictError",
    "open_log",
]
