"""How far sequences went, which the rows do not tell any more where the newest one was deleted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
since_version = "0.1.0"


def upgrade() -> None:
    """Add the table; as long as it has no row, the rows of the log tell."""
    op.create_table(
        "interventions_sequence",
        sa.Column("newest", sa.BigInteger, primary_key=True, autoincrement=False),
    )
