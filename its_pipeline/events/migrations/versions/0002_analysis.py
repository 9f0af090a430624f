"""Options of an intervention's analysis, as a JSON object."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
since_version = "0.1.0"


def upgrade() -> None:
    """Add the column; earlier rows say nothing, so their metric's options count."""
    op.add_column(
        "interventions",
        sa.Column("analysis", sa.Text, nullable=False, server_default="{}"),
    )
