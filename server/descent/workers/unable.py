"""What a device cannot compute, in a sentence with what to do: Apple's has no float64, and lacks operations
as other GPUs do.
"""

from __future__ import annotations

import re

from descent.engine.device import CPU, kind_of
from descent.engine.messages import Refused

# As torch 2.11 words them; `tests/server/test_devices.py` has the whole texts.
FLOAT64 = re.compile(r"doesn't support float64|Trying to convert Double to the \w+ backend")
MISSING = re.compile(
    r"The operator '(?P<name>[\w:.]+)' is not currently (?:implemented|supported) (?:for|on) the "
    r"|Could not run '(?P<run>[\w:.]+)' with arguments from the"
)


def unable(error: Exception, device: str) -> Refused | None:
    """The device as what is to blame, if the error says that it cannot compute something."""
    if device == CPU or not isinstance(error, TypeError | NotImplementedError | RuntimeError):
        return None
    if FLOAT64.search(str(error)):
        detail = (
            f"device: {device} has no numbers of 64 bits, with which this experiment computes; "
            "begin a new run on the CPU"
        )
        return Refused("device", detail, {"reason": "float64", "device": device, "kind": kind_of(device)})
    if missing := MISSING.search(str(error)):
        operation = missing["name"] or missing["run"]
        detail = (
            f"device: {device} has no {operation}, which this experiment needs; begin a new run on the CPU"
        )
        return Refused("device", detail, {"reason": "operation", "device": device, "operation": operation})
    return None
