"""On which days an intervention acted, as a JSON object, what follows a switch, and its kind."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
since_version = "0.1.0"


def upgrade() -> None:
    """Add the columns; earlier rows act from their first day on and are of no other's kind."""
    for column in (
        sa.Column("schedule", sa.Text),
        sa.Column("carryover_days", sa.Integer, nullable=False, server_default="0"),
        sa.Column("kind", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("interventions", column)
