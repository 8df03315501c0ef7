"""What a run borrows of a recorded one: the model at its last checkpoint, and what to build that from.

It is kept with the run that borrows, so that this one can be repeated when the other is deleted. As bytes it
is a safetensors file with `Origin` in its metadata; nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from descent.contract import STREAMS, Experiment, KnobError, Recorded
from descent.wire import metadata_of

MODEL = "model"  # the attribute with what is borrowed
MOST_BYTES = 16 << 20
_BROKEN = (ValueError, KeyError, TypeError, AttributeError, SafetensorError)


class Origin(BaseModel):
    """Which run it was taken of, after how many steps, and what that was built with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str = Field(max_length=100)
    knobs: dict[str, Any]
    seed: int = Field(ge=0, lt=2**32)
    streams: int = Field(ge=1, le=STREAMS)
    step: int = Field(ge=0)


@dataclass(frozen=True)
class Borrowed:
    """`cls`: the experiment of the run it was taken of. `data`: what `packed` makes."""

    cls: type[Experiment[Any]]
    data: bytes


def packed(checkpoint: bytes, origin: Origin) -> bytes:
    """The model in a checkpoint, with where it comes from. Raises `ValueError` where it holds none."""
    try:
        tensors = load_tensors(checkpoint)
        module = json.loads(metadata_of(checkpoint)["state"])[MODEL]["module"]
        weights = {name: tensors[described["tensor"]] for name, described in module.items()}
    except _BROKEN as error:
        raise ValueError(f"its last checkpoint holds no model: {error}"[:200]) from error
    data = save_tensors(weights, {"origin": origin.model_dump_json()})
    unpacked(data)
    return data


def unpacked(data: bytes) -> tuple[Origin, Mapping[str, Tensor]]:
    """What `packed` made. Raises `ValueError` where `data` is something else."""
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has {len(data)} bytes, of at most {MOST_BYTES}")
    try:
        origin = Origin.model_validate_json(metadata_of(data)["origin"], strict=True)
        weights = load_tensors(data)
    except _BROKEN as error:
        raise ValueError(f"it is no model of a recorded run: {error}"[:200]) from error
    if not all(weight.isfinite().all() for weight in weights.values()):
        raise ValueError("its weights are not finite")
    return origin, weights


def rebuilt(knob: str, borrowed: Borrowed, device: torch.device, folders: tuple[Path, ...]) -> Recorded:
    """The recorded run. Raises `KnobError` for `knob` where the weights do not fit what its knobs build.

    The random number generators are not what they were.
    """
    origin, weights = unpacked(borrowed.data)
    known = borrowed.cls.knobs_type.model_fields
    values = {name: value for name, value in origin.knobs.items() if name in known}
    knobs = borrowed.cls.knobs_type.model_validate(values, strict=False)
    torch.manual_seed(origin.seed)
    experiment = borrowed.cls(origin.seed, device)
    experiment.streams = origin.streams
    experiment.data = folders
    try:
        experiment.build(knobs)
    except KnobError as error:  # its data set is not here
        raise KnobError(knob, error.message, **error.params) from error
    model: nn.Module = getattr(experiment, MODEL)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise KnobError(
            knob, "the run's weights do not fit its layers; choose another one", reason="run-shape"
        ) from error
    return Recorded(experiment, knobs)
