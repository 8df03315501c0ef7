"""The devices of this machine, and how a run repeats itself on one.

A device is named as torch names it: `cpu`, `cuda:0`, `cuda:1`, …, `mps`. `cuda` alone, in the record of an
early run or on a node of a cluster, is the first GPU there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

import torch

from descent.errors import NoDevice
from descent.protocol import Device

CPU = "cpu"


@cache
def offered() -> tuple[str, ...]:
    """The devices of this machine, the CPU first.

    Never called where workers are forked: to ask for Metal begins it, and so does asking for CUDA where the
    driver's library of counters is lacking. Where that is there, no context is made.
    """
    gpus = torch.cuda.device_count() if torch.cuda._is_compiled() else 0
    metal = ("mps",) if torch.backends.mps.is_available() else ()
    return (CPU, *(f"cuda:{index}" for index in range(gpus)), *metal)


def kind_of(device: str) -> str:
    """`cpu`, `cuda` or `mps`."""
    return device.partition(":")[0]


def pick_device(asked: Device, devices: tuple[str, ...], busy: Mapping[str, int]) -> tuple[str, ...]:
    """The device of a new run among `devices`, whose first is the CPU; for `auto`, those of which the faster
    one is to be found: the CPU and one other, where there is one. `busy`: how many runs each has; of
    several, the one with the fewest is taken.

    Raises `NoDevice`.
    """
    if asked == "auto":
        others = [device for device in devices if device != CPU]
        return (CPU, least_busy(others, busy)) if others else (CPU,)
    if asked in devices:
        return (asked,)
    if alike := [device for device in devices if kind_of(device) == asked]:
        return (least_busy(alike, busy),)
    raise no_device(asked, devices)


def least_busy(devices: list[str], busy: Mapping[str, int]) -> str:
    """The device with the fewest runs, the first of several."""
    return min(devices, key=lambda device: busy.get(device, 0))


def nearest(device: str, devices: tuple[str, ...]) -> str:
    """The device among `devices` on which a run from elsewhere goes on: the same, its like, or the CPU."""
    if device in devices:
        return device
    return next((one for one in devices if kind_of(one) == kind_of(device)), CPU)


def no_device(asked: str, devices: tuple[str, ...]) -> NoDevice:
    """The error for a device that is not here."""
    there = ", ".join(("auto", *devices))
    return NoDevice(
        f"device: there is no {asked} here; choose one of {there}",
        "device",
        asked=asked,
        offered=there,
    )


def repeat_exactly(device: torch.device) -> None:
    """Have the device give the same bits each time, so that a branch is exact.

    On a GPU that is to be asked for, before its first product. An operation that has no such algorithm there
    warns, and runs as it can.
    """
    if device.type == "cpu":
        return
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)  # where what a checkpoint says was on a GPU comes back to
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.enable_mem_efficient_sdp(False)  # its backward pass never gives the same bits
