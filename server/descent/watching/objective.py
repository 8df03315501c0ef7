"""What the learning rate does to a loss of the script's: the engine's panels on it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from descent.contract import Experiment, Knobs, Objective
from descent.declared import DeclaredPanel
from descent.engine.checkpoint import Checkpointer
from descent.engine.objectives import effects
from descent.engine.objectives.effects import Effects
from descent.watching.layers import Layers
from descent.watching.probes import Probe, layers_of, plain

SHOWN = ("what_if", "sharpness", "anatomy", "turn")  # the others are panels of every watched model


def objective_of(model: nn.Module, optimizer: Optimizer, loss: Callable[[], Tensor]) -> Objective:
    """The loss as the optimizer's parameters minimise it, with the model's layers."""
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    trained = set(map(id, parameters))
    layers = {
        name: [parameter for parameter in layer if id(parameter) in trained]
        for name, layer in layers_of(plain(model)).items()
    }
    return Objective(loss, parameters, optimizer, {name: layer for name, layer in layers.items() if layer})


def probes() -> list[Probe]:
    """The panels; their pictures are made by `OwnEffects`."""

    def look() -> Any:
        raise AssertionError("a panel of the coming step is looked at by the effects")

    return [Probe(_declared(name), look) for name in SHOWN]


def _declared(name: str) -> DeclaredPanel:
    panel = effects.PANELS[name]
    size = "small" if panel.size == "pair" else panel.size
    told = {"name": name, "kind": panel.kind, "title": panel.title, "caption": panel.caption, "size": size}
    return DeclaredPanel.model_validate({**told, "group": effects.GROUP})


class OwnEffects(Effects):
    """Looks at one objective of a script's. The coming step is that of the loss as it is called now."""

    def __init__(
        self, own: Experiment[Any], objective: Objective, *, pressed: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(own, Checkpointer(own), pressed=pressed)
        self._one = objective

    def _objectives(self, knobs: Knobs) -> Mapping[str, Objective]:
        return {"": replace(self._one, loss=self._unless_pressed(self._one.loss))}

    @contextmanager
    def _step_taken(self, knobs: Knobs) -> Iterator[None]:
        objective = self._objectives(knobs)[""]
        with torch.enable_grad():
            gradients = torch.autograd.grad(objective.loss(), objective.parameters, allow_unused=True)
        with _put_back(objective.optimizer, objective.parameters):
            for parameter, gradient in zip(objective.parameters, gradients, strict=True):
                parameter.grad = gradient
            objective.optimizer.step()
            yield


@contextmanager
def _put_back(optimizer: Optimizer, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Context in which the optimizer may step: parameters, its state and its groups are as before afterwards.

    They stay the same objects, which the script may hold. What it has hooked behind a step is not
    called.
    """
    before = [parameter.detach().clone() for parameter in parameters]
    state = {
        parameter: {name: _copy(value) for name, value in one.items()}
        for parameter, one in optimizer.state.items()
    }
    groups = [dict(group) for group in optimizer.param_groups]
    hooks = optimizer._optimizer_step_post_hooks
    optimizer._optimizer_step_post_hooks = OrderedDict(
        (key, hook) for key, hook in hooks.items() if isinstance(getattr(hook, "__self__", None), Layers)
    )
    try:
        yield
    finally:
        optimizer._optimizer_step_post_hooks = hooks
        for parameter, values in zip(parameters, before, strict=True):
            parameter.data.copy_(values)
        for group, values_before in zip(optimizer.param_groups, groups, strict=True):
            group.update(values_before)
        for parameter in [one for one in optimizer.state if one not in state]:
            del optimizer.state[parameter]
        for parameter, kept in state.items():
            present = optimizer.state[parameter]
            for name in [name for name in present if name not in kept]:
                del present[name]
            for name, value in kept.items():
                if isinstance(value, Tensor) and isinstance(present.get(name), Tensor):
                    present[name].data.copy_(value)
                else:
                    present[name] = value


def _copy(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value
