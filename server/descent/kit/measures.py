"""Scalars that several experiments have, and their meaning."""

from __future__ import annotations

from collections.abc import Mapping

from descent.contract import Measure

TRAIN_AND_TEST: Mapping[str, Measure] = {
    "loss/train": Measure("loss"),
    "loss/test": Measure("held-out"),
    "acc/train": Measure("accuracy"),
    "acc/test": Measure("accuracy"),
}
