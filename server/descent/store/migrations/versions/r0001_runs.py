"""Runs with what they said, their pictures and their checkpoints.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _run_key() -> sa.Column[str]:
    return sa.Column("run", sa.String(32), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "runs",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("experiment", sa.String(100), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("device", sa.String(16), nullable=False),
        sa.Column("built_with", sa.JSON(), nullable=False),
        sa.Column("began_with", sa.JSON(), nullable=False),
        sa.Column("knobs", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("updated_at", sa.String(32), nullable=False),
        sa.Column("parent", sa.String(32), sa.ForeignKey("runs.id", ondelete="SET NULL")),
        sa.Column("branched_at", sa.BigInteger()),
        sa.Column("max_steps", sa.BigInteger()),
        sa.Column("pace", sa.Float()),
        sa.Column("steps_per_epoch", sa.Float()),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("starred", sa.Boolean(), nullable=False),
        sa.Column("latest", sa.JSON(), nullable=False),
        sa.Column("environment", sa.JSON(), nullable=False),
        sa.Column("frame_bytes", sa.BigInteger(), nullable=False),
        sa.Column("frames_thinned", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_bytes", sa.BigInteger(), nullable=False),
        sa.Column("checkpoints_thinned", sa.BigInteger(), nullable=False),
    )
    op.create_index("runs_by_age", "runs", ["created_at"])
    op.create_index("runs_by_parent", "runs", ["parent"])
    op.create_table(
        "messages",
        _run_key(),
        sa.Column("seq", sa.BigInteger(), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "frames",
        _run_key(),
        sa.Column("panel", sa.String(100), primary_key=True),
        sa.Column("step", sa.BigInteger(), primary_key=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "checkpoints",
        _run_key(),
        sa.Column("step", sa.BigInteger(), primary_key=True),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("knobs", sa.JSON(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.String(100), primary_key=True),
        sa.Column("value", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("meta", "checkpoints", "frames", "messages", "runs"):
        op.drop_table(table)
