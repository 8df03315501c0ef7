"""The weights of an experiment, by name: what its modules would save, and parameters that lie in no module.

A name is the attribute's, then the one that the module itself gives: `model.0.weight` is `0.weight` of
`self.model`, `networks.tanh.0.weight` that of `self.networks["tanh"]`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from descent.contract import Experiment, Transient

SEVERAL = (list, tuple, deque)


def weights_of(experiment: Experiment[Any]) -> dict[str, Tensor]:
    """Copies of the weights on the CPU, none sharing memory with another; empty where there are none."""
    found = list(_found(vars(experiment), "", set()))
    modules = [module for _, module in found if isinstance(module, nn.Module)]
    within = {id(part) for module in modules for part in module.modules() if part is not module}
    weights: dict[str, Tensor] = {}
    for name, value in found:
        if isinstance(value, Tensor):
            weights[name] = _copied(value)
        elif id(value) not in within:  # a part of another module has its weights there
            state = value.state_dict()
            weights |= {
                f"{name}.{key}": _copied(one) for key, one in state.items() if isinstance(one, Tensor)
            }
    return weights


def _found(values: Mapping[Any, Any], path: str, seen: set[int]) -> Iterator[tuple[str, Tensor | nn.Module]]:
    """The modules and parameters among values and what these hold, each once, under the first name."""
    for key, value in values.items():
        name = f"{path}{key}"
        if id(value) in seen or isinstance(value, Optimizer | Transient | str):
            continue
        if isinstance(value, nn.Module) or (isinstance(value, Tensor) and value.requires_grad):
            seen.add(id(value))
            yield name, value
        elif isinstance(value, Mapping):
            yield from _held(value, value, name, seen)
        elif isinstance(value, SEVERAL):
            yield from _held(value, dict(enumerate(value)), name, seen)
        elif hasattr(value, "__dict__") and not callable(value) and not isinstance(value, Tensor):
            yield from _held(value, vars(value), name, seen)


def _held(
    holder: object, values: Mapping[Any, Any], name: str, seen: set[int]
) -> Iterator[tuple[str, Tensor | nn.Module]]:
    seen.add(id(holder))
    yield from _found(values, f"{name}.", seen)


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone().contiguous()
