"""A panel's picture for NumPy: its arrays by name, and in `meta` what they are, as JSON.

data = np.load("fit-40.npz")
meta = json.loads(str(data["meta"]))
"""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np

from descent import wire
from descent.contract.panels import Panel

META = "meta"


def as_npz(frame: bytes, panel: Panel, experiment: str) -> bytes:
    """An encoded frame of `panel` as NPZ, which NumPy reads with `allow_pickle=False`.

    `meta` is a string. In its JSON: `experiment`, `run`, `step`, `panel`, `kind`, `title`, the panel's
    `options`, and the picture's `fields` that are no arrays, among them the names and units of axes.
    """
    found = wire.decode(frame)
    meta = {
        "experiment": experiment,
        "run": found.run,
        "step": found.step,
        "panel": panel.name,
        "kind": found.kind,
        "title": panel.title,
        "options": dict(panel.options),
        "fields": found.meta or {},
    }
    arrays: dict[str, Any] = {**found.arrays, META: np.array(json.dumps(meta, ensure_ascii=False))}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
