"""What a run declares of itself whose training loop is someone's own.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; no run so far is such a one."""
    op.add_column("runs", sa.Column("declared", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("runs", "declared")
