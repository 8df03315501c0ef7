"""What a script's training loop sends, checked and made into what a worker process would send.

Nothing of it is handed on as it came: scalars and pictures are decoded, checked against what the run
declares, and encoded again. So a browser gets only frames that this server has written.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError

from descent import wire
from descent.contract.panels import Picture
from descent.declared.messages import LARGEST_FRAME, MOST_SCALARS, MOST_STEPS, strict_json
from descent.engine.messages import PanelFrame, ScalarsFrame
from descent.errors import BadSaying
from descent.protocol import LAST_STEP
from descent.runs.run import Run
from descent.web.frames import arrays_of, meta_of

NAME = 100  # characters of a scalar's name
NARROW = ("float32", "int32", "uint8")  # what the page can view


def frame_of(run: Run, data: bytes) -> ScalarsFrame | PanelFrame:
    """The next frame of a run, numbered by the server. Raises `BadSaying`."""
    if len(data) > LARGEST_FRAME:
        raise BadSaying(f"a frame has {len(data)} bytes, at most {LARGEST_FRAME} are taken", "frame")
    try:
        frame = wire.decode(data)
        if frame.type == "scalars":
            return _scalars(run, frame)
        if frame.type == "panel":
            return _picture(run, frame)
    except (SafetensorError, ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadSaying(f"a frame cannot be read: {str(error)[:300]}", "frame") from error
    raise BadSaying(f"there are no frames of type {frame.type[:32]!r}", "frame")


def _scalars(run: Run, frame: wire.Frame) -> ScalarsFrame:
    columns = dict(frame.arrays)
    steps = columns.pop("step")
    if steps.dtype != np.int64 or steps.ndim != 1 or not 0 < len(steps) <= MOST_STEPS:
        raise ValueError(f"`step` has to be 1 to {MOST_STEPS} whole numbers")
    if steps[0] < 0 or steps[-1] >= LAST_STEP or (np.diff(steps) <= 0).any():
        raise ValueError("the steps have to rise")
    if run.told > int(steps[0]):
        raise ValueError(f"step {int(steps[0])} was told already; the next is {run.told}")
    if len(columns) > MOST_SCALARS:
        raise ValueError(f"{len(columns)} scalars, at most {MOST_SCALARS} are taken")
    for name, values in columns.items():
        if not 0 < len(name) <= NAME or not name.isprintable():
            raise ValueError(f"no name for a scalar: {name[:NAME]!r}")
        if values.dtype != np.float32 or values.shape != steps.shape:
            raise ValueError(f"{name}: expected one float32 per step, got {values.dtype} {values.shape}")
    run.told = int(steps[-1]) + 1
    seq = run.channel.last_seq + 1
    return ScalarsFrame(seq, int(steps[-1]), wire.encode_columns(run.id, seq, steps, columns))


def _picture(run: Run, frame: wire.Frame) -> PanelFrame:
    panel = run.entry.panels.get(frame.panel)
    if panel is None or panel.kind != frame.kind or panel.kind not in Picture.kinds:
        raise ValueError(f"the run declares no panel {frame.panel[:64]!r} of kind {frame.kind[:32]!r}")
    if not 0 <= frame.step <= LAST_STEP:
        raise ValueError(f"there is no step {frame.step}")
    kind = Picture.kinds[panel.kind]
    if sorted(frame.arrays) != sorted(arrays_of(kind)):
        raise ValueError(f"the arrays are {sorted(frame.arrays)}, expected {sorted(arrays_of(kind))}")
    for name, values in frame.arrays.items():
        if values.dtype.name not in NARROW:
            raise ValueError(f"{name}: expected one of {', '.join(NARROW)}, got {values.dtype}")
    meta = _meta(panel.kind).validate_python(strict_json(json.dumps(frame.meta)))
    reading = meta.pop("reading", None)
    picture: Any = kind(**frame.arrays, **meta)
    if reading is not None:
        picture.__dict__["reading"] = reading
    seq = run.channel.last_seq + 1
    return PanelFrame(
        seq, frame.step, panel.name, wire.encode_picture(run.id, seq, frame.step, panel.name, picture)
    )


@cache
def _meta(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(meta_of(Picture.kinds[kind]))
