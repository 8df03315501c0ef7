"""How a run splits its random numbers.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; runs there are so far began with 1."""
    op.add_column("runs", sa.Column("streams", sa.SmallInteger(), nullable=False, server_default="1"))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("runs", "streams")
