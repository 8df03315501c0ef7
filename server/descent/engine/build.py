"""An experiment as it is before its first step."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from descent.contract import Experiment, KnobError
from descent.contract.entry import Entry
from descent.engine.borrowed import rebuilt
from descent.engine.device import repeat_exactly
from descent.engine.knobs import apart
from descent.engine.messages import RunSpec


def build(entry: Entry, spec: RunSpec, values: Mapping[str, Any]) -> Experiment[Any]:
    """The experiment built with these knobs, the random number generators seeded."""
    knobs = entry.knobs_type.model_validate(apart(values)[0], strict=False)
    device = torch.device(spec.device)
    repeat_exactly(device)
    folders = tuple(map(Path, spec.data))
    recorded = {}
    for name in entry.knobs_type.lenders():
        if run := getattr(knobs, name):
            if run not in spec.borrowed:
                raise KnobError(name, "there is no recorded run {run}", reason="no-run", run=run)
            recorded[name] = rebuilt(name, spec.borrowed[run], device, folders)
    seed(spec.seed)
    experiment: Experiment[Any] = entry.cls(spec.seed, device)
    experiment.streams = spec.streams
    experiment.data = folders
    experiment.lent = recorded
    experiment.build(knobs)
    del experiment.lent
    return experiment


def seed(value: int) -> None:
    """Seed every random number generator that an experiment may draw from without asking for one."""
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)
