"""The pieces of a run's record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from descent.store.schema import RunRow


@dataclass
class StoredMessage:
    """Scalars of consecutive steps, or an event (`kind` is its type), as sent."""

    seq: int
    kind: str
    step: int
    data: bytes


@dataclass(frozen=True)
class Kept:
    """A picture of a panel, or with `panel` empty a checkpoint: where it is in the run, and its size."""

    panel: str
    step: int
    size: int


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint. `seq`: of the last message before it; `knobs`: as they were."""

    step: int
    seq: int
    knobs: Mapping[str, Any]
    data: bytes


@dataclass
class Batch:
    """One run's additions since the last batch. `run` replaces the row of that id."""

    run: RunRow
    messages: list[StoredMessage] = field(default_factory=list)
    frames: dict[tuple[str, int], bytes] = field(default_factory=dict)  # (panel, step) → frame, packed
    checkpoints: list[Checkpoint] = field(default_factory=list)  # with packed data
    dropped: list[Kept] = field(default_factory=list)
    borrowed: dict[str, bytes] = field(default_factory=dict)  # by the run it was taken of, packed
