"""How an experiment is looked at, and the looks that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
since_version = "0.1.0"


def upgrade() -> None:
    """Add the plan of looking, daily for earlier rows, and the table of looks."""
    op.add_column(
        "interventions", sa.Column("looks", sa.Text, nullable=False, server_default="daily")
    )
    op.create_table(
        "intervention_looks",
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
