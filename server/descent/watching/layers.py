"""The knobs of a model's layers: frozen, a learning rate of its own, initialised anew.

A frozen layer's gradient is taken away from the optimizer while it steps, so that neither moments nor weight
decay move it. The script's graph stays as it is. A rate of its own is a share of the step: what the optimizer
moved the layer by is multiplied. Hooks are there only while a layer is frozen, or has such a rate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from descent.declared import DeclaredKnob
from descent.watching.optimizers import Steered
from descent.watching.probes import layers_of, plain

MOST = 8  # layers; of more, those of one block are taken together
NONE = "–"  # no layer is chosen
LEAST, LARGEST = 0.001, 1000.0  # times the learning rate


class Layer:
    """The trained parameters of one layer, and what is done with them."""

    def __init__(self, name: str, parameters: Sequence[Tensor]) -> None:
        self.name = name
        self.parameters = list(parameters)
        self.frozen = False
        self.times = 1.0

    @property
    def steered(self) -> bool:
        """Whether its steps are not the optimizer's own."""
        return self.frozen or self.times != 1.0


class Layers:
    """The layers of a model, as the page steers them."""

    def __init__(self, model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
        self._model = plain(model)
        self._optimizers = optimizers
        trained = {id(p) for one in optimizers for group in one.param_groups for p in group["params"]}
        found = {
            name: [p for p in parameters if id(p) in trained]
            for name, parameters in layers_of(self._model, MOST).items()
        }
        self._layers = [Layer(name, parameters) for name, parameters in found.items() if parameters]
        self._chosen = NONE
        self._handles: list[Any] = []
        # In a step: of each steered layer its gradients and, unless it is frozen, its weights before.
        self._kept: list[tuple[Layer, list[Tensor | None], list[Tensor]]] = []
        self._times_anew = 0

    def knobs(self, texts: Mapping[str, Mapping[str, str]]) -> Iterator[Steered]:
        """One to choose a layer by, and those of each, shown while it is chosen; none of a single layer."""
        if len(self._layers) < 2:
            return
        names = [layer.name[:100] for layer in self._layers]

        def told(name: str, number: int, **rest: Any) -> DeclaredKnob:
            when = {"layer": [names[number - 1]]} if number else {}
            return DeclaredKnob(
                name=f"{name}_{number}" if number > 1 else name,
                title=texts[name]["name"],
                help=texts[name]["help"],
                group="Layers",
                when=when,
                **rest,
            )

        def choose(name: str) -> None:
            self._chosen = name

        options = [NONE, *names]
        yield Steered(
            told("layer", 0, type="str", default=NONE, options=options, look=True),
            lambda: self._chosen,
            choose,
        )
        for number, layer in enumerate(self._layers, 1):
            yield Steered(
                told("frozen", number, type="bool", default=False),
                partial(getattr, layer, "frozen"),
                self._writer(layer, "frozen"),
            )
            yield Steered(
                told("rate_times", number, type="float", default=1.0, low=LEAST, high=LARGEST, log=True),
                partial(getattr, layer, "times"),
                self._writer(layer, "times"),
            )
            yield Steered(
                told("anew", number, type="bool", default=False),
                lambda: False,  # it is done at once
                partial(self._begin_anew, layer),
            )

    def _writer(self, layer: Layer, what: str) -> Callable[[Any], None]:
        def write(value: Any) -> None:
            setattr(layer, what, value)
            self._hook()

        return write

    def _begin_anew(self, layer: Layer, wanted: Any) -> None:
        """Initialise a layer as its modules do. Raises `ValueError` where they cannot."""
        if not wanted:
            return
        inside = set(map(id, layer.parameters))
        modules = [
            module
            for module in self._model.modules()
            if inside & {id(p) for p in module.parameters(recurse=False)}
        ]
        if any(not callable(getattr(module, "reset_parameters", None)) for module in modules):
            raise ValueError("its module has no reset_parameters()")
        self._times_anew += 1
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(self._times_anew)  # the same in each process of a training
            for module in modules:
                module.reset_parameters()  # type: ignore[operator]
        for optimizer in self._optimizers:
            for parameter in layer.parameters:
                optimizer.state.pop(parameter, None)

    def _hook(self) -> None:
        """Have hooks if, and only if, a layer needs them."""
        needed = any(layer.steered for layer in self._layers)
        if needed and not self._handles:
            for optimizer in self._optimizers:
                self._handles.append(optimizer.register_step_pre_hook(self._before))
                self._handles.append(optimizer.register_step_post_hook(self._after))
        elif not needed:
            for handle in self._handles:
                handle.remove()
            self._handles = []

    def _before(self, optimizer: Optimizer, args: Any, named: Any) -> None:
        self._kept = []
        for layer in self._layers:
            if not layer.steered:
                continue
            weights = [] if layer.frozen else [p.detach().clone() for p in layer.parameters]
            self._kept.append((layer, [p.grad for p in layer.parameters], weights))
            if layer.frozen:
                for parameter in layer.parameters:
                    parameter.grad = None

    @torch.no_grad()
    def _after(self, optimizer: Optimizer, args: Any, named: Any) -> None:
        for layer, gradients, weights in self._kept:
            for parameter, gradient in zip(layer.parameters, gradients, strict=True):
                parameter.grad = gradient
            for parameter, before in zip(layer.parameters, weights):  # noqa: B905  # none of a frozen one
                parameter.copy_(before + layer.times * (parameter - before))
        self._kept = []
