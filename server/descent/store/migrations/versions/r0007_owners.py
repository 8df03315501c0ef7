"""Whose a run is, and whether others may watch it.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns; runs so far are nobody's, so the teacher's."""
    op.add_column("runs", sa.Column("owner", sa.String(32), nullable=False, server_default=""))
    op.add_column("runs", sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("runs", "shared")
    op.drop_column("runs", "owner")
