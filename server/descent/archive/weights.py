"""A run's weights as files that other programs read: safetensors, or a state_dict for `torch.load`.

Both hold tensors by name and nothing that could be run: the second is read with `weights_only=True`.
"""

from __future__ import annotations

import io
from typing import Literal

import torch
from safetensors.torch import load

from descent.engine.taking import taken
from descent.errors import OwnLoop, UnknownRun
from descent.registry import Registry
from descent.runs.taking import spec_of
from descent.runs.way_back import borrowed_by, way_back
from descent.settings import Settings
from descent.store.store import Store

Format = Literal["safetensors", "pt"]


def as_file(weights: bytes, format: Format) -> bytes:
    """Weights in the safetensors format, as a file of `format`."""
    if format == "safetensors":
        return weights
    file = io.BytesIO()
    torch.save(load(weights), file)
    return file.getvalue()


def file_name(experiment: str, run_id: str, step: int, format: Format) -> str:
    """The name of such a file."""
    return f"{experiment}-{run_id}-{step}.{format}"


def write(
    store: Store, run_id: str, registry: Registry, settings: Settings, step: int | None
) -> tuple[int, bytes]:
    """The weights of a recorded run after `step` steps, or at its end, made in this process; and that step.

    Raises `UnknownRun`, `OwnLoop`, and what `Takings.weights` does.
    """
    row = store.run(run_id)
    if row is None:
        raise UnknownRun(f"there is no recorded run {run_id[:64]!r}", "run")
    if row.declared is not None:
        raise OwnLoop(f"run {run_id} trains in a script of its own, which alone has its weights", "run")
    entry = registry.find(row.experiment)
    replay, _ = way_back(store, entry, run_id, step)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as it was trained: the bits depend on it
    try:
        spec = spec_of(row, entry, borrowed_by(store, registry, run_id), replay, settings)
        return replay.until, taken(entry, spec)
    finally:
        torch.set_num_threads(threads)
