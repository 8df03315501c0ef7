"""The tables. A change here needs a migration in `migrations/versions`."""

from __future__ import annotations

from typing import Annotated, Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Dialect,
    Float,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, column_property, mapped_column
from sqlalchemy.types import TypeDecorator

ID_LENGTH = 32
NAME_LENGTH = 100


class Base(MappedAsDataclass, DeclarativeBase):
    """Base of all rows, which are dataclasses."""


class Lines(TypeDecorator[list[str]]):
    """Words, each between two line feeds, so that SQL finds a word in any database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        """As stored; NULL for none."""
        return "".join(f"\n{word}" for word in value) + "\n" if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str]:
        """As read."""
        return value.strip("\n").split("\n") if value else []


RunKey = Annotated[
    str, mapped_column(String(ID_LENGTH), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
]


class RunRow(Base):
    """A run. `built_with`: the knobs its model is built with; `began_with`: those at its first own step;
    `knobs`: the present ones.

    `latest`: the last value of each scalar. `environment`: versions of what trained it. `*_bytes`: what is
    kept, compressed; `*_thinned`: how many were thinned out; `scalars_exact_from`: of
    earlier steps scalars are kept in buckets. `streams`: how its random numbers are split (see `Experiment`).
    `branch_changes`: the knobs that a branch changed, each with its value `before` and `after`; None
    where that was not recorded. `declared`: of a run whose training loop is someone's own, what it declares
    of itself, and the digest of its key; see `descent.declared`. `owner`: the id of whose it is, empty on a
    server that asks nobody; `shared`: others may watch it.
    """

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_age", "created_at"), Index("runs_by_parent", "parent"))

    id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    experiment: Mapped[str] = mapped_column(String(NAME_LENGTH))
    status: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str]
    step: Mapped[int] = mapped_column(BigInteger)
    seed: Mapped[int] = mapped_column(BigInteger)
    device: Mapped[str] = mapped_column(String(16))
    built_with: Mapped[dict[str, Any]] = mapped_column(JSON)
    began_with: Mapped[dict[str, Any]] = mapped_column(JSON)
    knobs: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[str] = mapped_column(String(32))
    updated_at: Mapped[str] = mapped_column(String(32))
    parent: Mapped[str | None] = mapped_column(
        String(ID_LENGTH), ForeignKey("runs.id", ondelete="SET NULL"), default=None
    )
    branched_at: Mapped[int | None] = mapped_column(BigInteger, default=None)
    max_steps: Mapped[int | None] = mapped_column(BigInteger, default=None)
    pace: Mapped[float | None] = mapped_column(Float, default=None)
    steps_per_epoch: Mapped[float | None] = mapped_column(Float, default=None)
    name: Mapped[str] = mapped_column(String(NAME_LENGTH), default="")
    starred: Mapped[bool] = mapped_column(default=False)
    latest: Mapped[dict[str, Any]] = mapped_column(JSON, default_factory=dict)
    environment: Mapped[dict[str, Any]] = mapped_column(JSON, default_factory=dict)
    frame_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    frames_thinned: Mapped[int] = mapped_column(BigInteger, default=0)
    checkpoint_bytes: Mapped[int] = mapped_column(BigInteger, default=0)
    checkpoints_thinned: Mapped[int] = mapped_column(BigInteger, default=0)
    scalar_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    scalars_exact_from: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    streams: Mapped[int] = mapped_column(SmallInteger, default=1, server_default="1")
    tags: Mapped[list[str]] = mapped_column(Lines, nullable=True, default_factory=list)
    branch_changes: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    owner: Mapped[str] = mapped_column(String(ID_LENGTH), default="", server_default=text("''"))
    shared: Mapped[bool] = mapped_column(default=False, server_default=false())
    declared: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True), default=None)
    imported: Mapped[bool] = column_property(environment["imported"].as_string().is_not(None))


class MessageRow(Base):
    """Scalars of consecutive steps, or an event, as sent, or scalars in buckets; `step`: the last one
    covered.
    """

    __tablename__ = "messages"

    run: Mapped[RunKey]
    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))  # "scalars", "buckets", or the event's type
    step: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class FrameRow(Base):
    """A picture of a panel."""

    __tablename__ = "frames"

    run: Mapped[RunKey]
    panel: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class CheckpointRow(Base):
    """A checkpoint. `seq`: of the last message before it; `knobs`: as they were."""

    __tablename__ = "checkpoints"

    run: Mapped[RunKey]
    step: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    seq: Mapped[int] = mapped_column(BigInteger)
    knobs: Mapped[dict[str, Any]] = mapped_column(JSON)
    size: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class BorrowedRow(Base):
    """What a run has borrowed of another one, which may be deleted: see `engine/borrowed.py`."""

    __tablename__ = "borrowed"

    run: Mapped[RunKey]
    source: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class MetaRow(Base):
    """Metadata of the store: `version`, of the Descent that wrote its schema."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(NAME_LENGTH), primary_key=True)
    value: Mapped[str]
