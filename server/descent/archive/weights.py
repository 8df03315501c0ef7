"""A run's weights as files that other programs read: safetensors, a state_dict for `torch.load`, or ONNX.

The first two hold tensors by name and nothing that could be run: `torch.load` reads the second with
`weights_only=True`. The third is the model with its weights.
"""

from __future__ import annotations

import io
from typing import Literal

import torch
from safetensors.torch import load

from descent.engine.taking import taken
from descent.errors import OwnLoop, UnknownRun
from descent.registry import Registry
from descent.runs.taking import What, spec_of
from descent.runs.way_back import borrowed_by, way_back
from descent.settings import Settings
from descent.store.store import Store

Format = Literal["safetensors", "pt", "onnx"]


def what_of(format: Format) -> What:
    """What has to be taken out of a run for a file of `format`."""
    return "onnx" if format == "onnx" else "weights"


def as_file(taken: bytes, format: Format) -> bytes:
    """What was taken, as a file of `format`."""
    if format != "pt":
        return taken
    file = io.BytesIO()
    torch.save(load(taken), file)
    return file.getvalue()


def file_name(experiment: str, run_id: str, step: int, format: Format) -> str:
    """The name of such a file."""
    return f"{experiment}-{run_id}-{step}.{format}"


def write(
    store: Store, run_id: str, registry: Registry, settings: Settings, step: int | None, format: Format
) -> tuple[int, bytes]:
    """A file of a recorded run after `step` steps, or at its end, made in this process; and that step.

    Raises `UnknownRun`, `OwnLoop`, and what `Takings.take` does.
    """
    row = store.run(run_id)
    if row is None:
        raise UnknownRun(f"there is no recorded run {run_id[:64]!r}", "run")
    if row.declared is not None:
        raise OwnLoop(f"run {run_id} trains in a script of its own, which alone has its weights", "run")
    entry = registry.find(row.experiment)
    replay, _ = way_back(store, entry, run_id, step)
    threads = torch.get_num_threads()
    torch.set_num_threads(entry.cls.cores)  # as it was trained: the bits depend on it
    try:
        spec = spec_of(row, entry, borrowed_by(store, registry, run_id), replay, settings, what_of(format))
        return replay.until, as_file(taken(entry, spec), format)
    finally:
        torch.set_num_threads(threads)
