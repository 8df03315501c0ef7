"""The random number generators that a device keeps for itself, beside the CPU's."""

from __future__ import annotations

import torch
from torch import Tensor


def state_of(device: torch.device) -> Tensor | None:
    """The state of the device's own generator, (bytes,) on the CPU; None for the CPU, which has torch's."""
    match device.type:
        case "cpu" | "meta":
            return None
        case "mps":
            return torch.mps.get_rng_state()
        case kind:
            state: Tensor = torch.get_device_module(kind).get_rng_state(device)
            return state


def set_state_of(device: torch.device, state: Tensor | None) -> None:
    """Put back what `state_of` gave; None changes nothing."""
    if state is None:
        return
    if device.type == "mps":
        torch.mps.set_rng_state(state)
    else:
        torch.get_device_module(device.type).set_rng_state(state, device)


def states() -> dict[str, list[Tensor]]:
    """The states of the generators of every device that this process uses, by the device's kind."""
    found: dict[str, list[Tensor]] = {}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        found["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        found["mps"] = [torch.mps.get_rng_state()]
    return found


def set_states(found: dict[str, list[Tensor]]) -> None:
    """Put back what `states` gave."""
    if "cuda" in found:
        torch.cuda.set_rng_state_all(found["cuda"])
    if "mps" in found:
        torch.mps.set_rng_state(found["mps"][0])
