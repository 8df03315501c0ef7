"""What a run's process may take of the machine: the processor after server and page, and so much memory."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import torch

from descent.contract import Knobs
from descent.engine.messages import Refused

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

NICENESS = 5  # a third of the share of what has to answer at once
MIB = 1 << 20
WRITABLE = re.compile(r"^VmData:\s*([0-9]+) kB", re.MULTILINE)  # what RLIMIT_DATA counts
ASKED = re.compile(r"tried to allocate ([0-9.]+) ?(bytes|[KMGT]i?B)", re.IGNORECASE)
UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}  # Metal writes GB, and means GiB
METAL = "MPS backend out of memory"


def after_others() -> None:
    """Let this process have the processor after what has to answer at once."""
    if hasattr(os, "nice"):
        os.nice(NICENESS)


def bound_memory(most_mb: int) -> int:
    """Let this process take so many MiB beyond what it has; 0: three quarters of the machine's.

    Returns that number, 0 where there is no bound: Linux alone holds one.
    """
    status = Path("/proc/self/status")
    found = WRITABLE.search(status.read_text(encoding="ascii")) if status.exists() else None
    if resource is None or not found:
        return 0
    most_mb = most_mb or machine_mb() * 3 // 4
    most = int(found[1]) * 1024 + most_mb * MIB
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    return most_mb


def machine_mb() -> int:
    """MiB of memory that this machine has, or that its container leaves to all in it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB]
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            found.append(int(Path(path).read_text(encoding="ascii")) // MIB)
        except (OSError, ValueError):  # no such group, or "max"
            continue
    return min(found)


def is_lacking_memory(error: Exception) -> bool:
    """Whether it was raised because there is no more memory."""
    lacking = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return lacking or "can't allocate memory" in str(error) or METAL in str(error)


def of_memory(error: Exception, knobs: Knobs, memory_mb: int) -> tuple[str, Refused | None]:
    """What to say of such an error, and the knob to turn down where one was turned up. `memory_mb`: the
    bound on this process, 0 for none.
    """
    on_gpu = isinstance(error, torch.OutOfMemoryError) or METAL in str(error)
    have = "the GPU's memory is full" if on_gpu else "the machine has no more memory"
    if memory_mb and not on_gpu:
        have = f"a run may take {memory_mb} MiB of memory (setting RUN_MB)"
    asked = ASKED.search(str(error))
    wanted = round(float(asked[1]) * UNITS[asked[2][0].lower()] / MIB) if asked else 0
    what = f"{have}, and {wanted} MiB more were asked for" if wanted else have
    knob = largest(knobs)
    if knob is None:
        return what, None
    detail = f"{knob}: {getattr(knobs, knob)!r:.60} is too large: {what}"
    reason = "gpu-memory" if on_gpu else "memory"
    return detail, Refused(knob, detail, {"reason": reason, "most": memory_mb, "asked": wanted})


def largest(knobs: Knobs) -> str | None:
    """The knob of the training that is the most times as large as by default: whole numbers, texts, lists."""
    usual = type(knobs)()
    times = {
        name: _size(getattr(knobs, name)) / _size(getattr(usual, name))
        for name in type(knobs).model_fields
        if name not in knobs.looks()
    }
    name = max(times, key=times.__getitem__, default=None)
    return name if name is not None and times[name] > 1 else None


def _size(value: Any) -> float:
    match value:
        case bool():
            return 1.0
        case int():
            return max(1.0, value)
        case str():
            return max(1.0, len(value))
        case list() | tuple():
            return max(1.0, sum(map(_size, value)))
        case _:
            return 1.0
