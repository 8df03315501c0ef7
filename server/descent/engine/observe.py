"""Observation without side effects: whatever a probe does, the run goes on as if it had not run.

Probes run under `no_grad`, in eval mode, on borrowed random numbers. Afterwards the RNG state, the
modules' modes and their buffers (batch-norm statistics) are as before, and a probe that wrote a
parameter is reported.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from descent.contract import Experiment, Knobs
from descent.contract.panels import Picture
from descent.engine import chance


class ProbeWroteError(RuntimeError):
    """A probe wrote a parameter."""


def modules_of(experiment: Experiment[Any]) -> list[nn.Module]:
    """The modules an experiment holds, directly or in its lists, tuples and dicts."""

    def within(value: object) -> Iterator[nn.Module]:
        if isinstance(value, nn.Module):
            yield value
        elif isinstance(value, list | tuple):
            for item in value:
                yield from within(item)
        elif isinstance(value, Mapping):
            for item in value.values():
                yield from within(item)

    return list(
        {id(module): module for value in vars(experiment).values() for module in within(value)}.values()
    )


@contextmanager
def borrowed(experiment: Experiment[Any]) -> Iterator[None]:
    """Context that restores the random number generators and the modules' buffers."""
    # Copied whole: batch norm writes its statistics without incrementing their version.
    buffers = [(b, b.clone()) for root in modules_of(experiment) for b in root.buffers()]
    python_state, numpy_state, torch_state = random.getstate(), np.random.get_state(), torch.get_rng_state()
    device_state = chance.state_of(experiment.device)
    try:
        yield
    finally:
        for buffer, before in buffers:
            buffer.data.copy_(before)
        random.setstate(python_state)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)
        chance.set_state_of(experiment.device, device_state)


@contextmanager
def undisturbed(experiment: Experiment[Any]) -> Iterator[None]:
    """Context for looking at the experiment; see the module's docstring.

    Raises `ProbeWroteError` when a parameter was written meanwhile.
    """
    roots = modules_of(experiment)
    modules = [module for root in roots for module in root.modules()]
    modes = [module.training for module in modules]
    parameters = [parameter for root in roots for parameter in root.parameters()]
    versions = [parameter._version for parameter in parameters]
    for root in roots:
        root.eval()
    try:
        with borrowed(experiment), torch.no_grad():
            yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
    if [parameter._version for parameter in parameters] != versions:
        raise ProbeWroteError("a parameter was written while looking")


def look(experiment: Experiment[Any], knobs: Knobs, panel: str) -> Picture:
    """Compute one panel's picture, undisturbed."""
    with undisturbed(experiment):
        picture = getattr(experiment, panel)(knobs)
    if not isinstance(picture, Picture):
        raise TypeError(f"probe {panel!r} returned {type(picture).__name__}, not a picture")
    return picture
