"""No preset says what nobody has tried."""

from __future__ import annotations

import importlib
from pathlib import Path

from claims import CLAIMED
from descent.registry import experiments


def test_every_presets_sentence_is_tried() -> None:
    for path in Path(__file__).parent.glob("test_*_presets.py"):
        importlib.import_module(path.stem)
    known = {(entry.cls, name) for entry in experiments().values() for name in entry.cls.presets}
    assert not known - CLAIMED, sorted((cls.__name__, name) for cls, name in known - CLAIMED)
    assert not CLAIMED - known, sorted((cls.__name__, name) for cls, name in CLAIMED - known)
