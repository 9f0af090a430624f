"""Run by Alembic: the revisions, in the transaction and as `intervention_schema` configured."""

from __future__ import annotations

from alembic import context

context.configure(**context.config.attributes["configure"])
context.run_migrations()
