"""Which device a run trains on, and how it repeats itself there."""

from __future__ import annotations

import os

import torch

from descent.errors import NoDevice
from descent.protocol import Device


def pick_device(device: Device) -> str:
    """The device a run trains on: "cpu" or "cuda". Raises `NoDevice`."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise NoDevice("this machine has no CUDA device; use auto or cpu", "device")
    return "cuda" if device != "cpu" and available else "cpu"


def repeat_exactly(device: torch.device) -> None:
    """Have the device give the same bits each time, so that a branch is exact.

    On a GPU that is to be asked for, before its first product. An operation that has no such algorithm there
    warns, and runs as it can.
    """
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cuda.enable_mem_efficient_sdp(False)  # its backward pass never gives the same bits
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
