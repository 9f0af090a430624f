"""The log's first table, as it was before revisions were counted, and the table that counts them.

A table that is there already was made by a version that did not count: it is taken as it lies.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from its_pipeline.events.intervention_schema import LogSchemaError

revision = "0001"
down_revision = None
since_version = "0.1.0"

COLUMNS = (
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("intervention_id", sa.String(64), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("outcome_metric", sa.String(64), nullable=False),
    sa.Column("started_on", sa.Date, nullable=False),
    sa.Column("ended_on", sa.Date),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("baseline_days", sa.Integer, nullable=False),
    sa.Column("horizon_days", sa.Integer, nullable=False),
    sa.Column("minimum_effect", sa.Float(53), nullable=False),
    sa.Column("washout_days", sa.Integer, nullable=False),
    sa.Column("hypothesis", sa.Text, nullable=False),
    sa.Column("time_zone", sa.String(64), nullable=False),
    sa.Column("protocol", sa.Text, nullable=False),
    sa.Column("logged_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)


def upgrade() -> None:
    """Make both tables, or only the second beside a log that is there."""
    present = sa.inspect(op.get_bind())
    if not present.has_table("interventions"):
        op.create_table(
            "interventions",
            *COLUMNS,
            sa.UniqueConstraint(
                "user_id", "intervention_id", "version", name="one_of_each_version"
            ),
        )
    else:
        found = {column["name"] for column in present.get_columns("interventions")}
        differing = sorted(found ^ {column.name for column in COLUMNS})
        if differing:
            raise LogSchemaError(
                "the database has a table interventions that is not an intervention log: the "
                f"columns {', '.join(differing)} are missing or unknown; name another database in "
                "ITS_INTERVENTION_LOG_URL"
            )
    op.create_table(
        "interventions_revisions",
        sa.Column("revision", sa.String(32), primary_key=True),
        sa.Column("since_version", sa.String(32), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
    )
