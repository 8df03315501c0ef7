"""Which device a run trains on."""

from __future__ import annotations

import torch

from descent.errors import NoDevice
from descent.protocol import Device


def pick_device(device: Device) -> str:
    """The device a run trains on: "cpu" or "cuda". Raises `NoDevice`."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise NoDevice("this machine has no CUDA device; use auto or cpu", "device")
    return "cuda" if device != "cpu" and available else "cpu"
