"""What a run's scalars take, and from which step on they are kept one by one.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add two columns; how much there is, is counted when it is tidied for the first time."""
    for name in ("scalar_bytes", "scalars_exact_from"):
        op.add_column("runs", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Drop them."""
    for name in ("scalar_bytes", "scalars_exact_from"):
        op.drop_column("runs", name)
