"""Tags of runs, and what a branch changed.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns; what branches made so far have changed is not known."""
    op.add_column("runs", sa.Column("tags", sa.Text(), nullable=True))
    op.add_column("runs", sa.Column("branch_changes", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("runs", "branch_changes")
    op.drop_column("runs", "tags")
