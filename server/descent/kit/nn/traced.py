"""The gradients of a small loss in one call, where the same is computed step after step.

A step of a network of a hundred parameters is mostly Python and autograd's bookkeeping. A loss that has been
asked for `STEADY` times with the same settings is traced, forward and backward, down to ATen's operations.
These run as TorchScript without its optimisations: the same operations in the same order, so the same numbers
to the bit. TorchScript is deprecated since torch 2.11: where it is gone, or cannot do it, all is as ever.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from descent.contract import Transient
from descent.kit.nn.lean import backward

STEADY = 100  # steps with the same settings, after which tracing is likely to pay: it takes as long as 200
TRACES = 50  # in all: PyTorch does not give back their memory, 0.4 MB each
MOST_TRACES = 4  # traces kept, such as one for full mini-batches and one for the last of an epoch

# Optimised, it takes a product and a sum apart, which rounds otherwise.
unoptimised = partial(torch.jit.optimized_execution, False)  # type: ignore[attr-defined]

Traceable = Callable[..., tuple[Tensor, Tensor]]


class Gradients(Transient):
    """Writes a loss's gradients into the parameters' `.grad`, as `backward` does."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self._parameters = list(parameters)
        self._left = TRACES
        self._asked: dict[Hashable, int] = {}
        self._traced: dict[Hashable, Callable[..., list[Tensor]] | None] = {}

    def __call__(self, loss: Traceable, *inputs: Tensor, settings: Hashable) -> Tensor:
        """The first of what `loss` returns for the inputs; the gradients are those of the second, a scalar.

        `settings`: all that `loss` depends on beside inputs and parameters. None, where it draws random
        numbers: that is not traced.
        """
        key = (settings, *(one.shape for one in inputs))
        if (quick := self._traced.get(key)) is not None:
            with torch.no_grad(), unoptimised():
                shown, *gradients = quick(*inputs)
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.grad = gradient
            return shown
        if settings is not None and self._left and key not in self._traced:
            self._consider(key, loss, inputs)
        shown, objective = loss(*inputs)
        for parameter in self._parameters:
            parameter.grad = None
        backward(objective, self._parameters)
        return shown.detach()

    def _consider(self, key: Hashable, loss: Traceable, inputs: Sequence[Tensor]) -> None:
        """Trace a loss that has been asked for often enough."""
        self._asked[key] = asked = self._asked.get(key, 0) + 1
        if asked < STEADY:
            if len(self._asked) > MOST_TRACES:  # of settings that change all the time, none is traced
                self._asked = {key: asked}
            return
        if len(self._traced) >= MOST_TRACES:
            self._traced.clear()
        self._left -= 1
        self._traced[key] = traced(loss, self._parameters, inputs)


def alone(loss: Callable[..., Tensor]) -> Traceable:
    """A loss that is shown as it is."""

    def both(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        found = loss(*inputs)
        return found, found

    return both


def traced(
    loss: Traceable, parameters: Sequence[Tensor], inputs: Sequence[Tensor]
) -> Callable[..., list[Tensor]] | None:
    """A function of such inputs that gives the loss shown and each parameter's gradient, or None.

    It reads the parameters as they are when it is called: without autograd, and `unoptimised`.
    """

    def gradients(*inputs: Tensor) -> list[Tensor]:
        shown, objective = loss(*inputs)
        return [shown, *torch.autograd.grad(objective, parameters)]

    try:
        with torch.enable_grad():
            graph = make_fx(gradients)(*inputs)
        for node in list(graph.graph.nodes):
            if node.target is torch.ops.aten.detach.default:
                node.replace_all_uses_with(node.args[0])
                graph.graph.erase_node(node)
        graph.recompile()
        with torch.no_grad(), unoptimised(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is deprecated
            return torch.jit.trace(graph, tuple(inputs), check_trace=False)
    except Exception:  # whatever it is that cannot be traced
        return None
