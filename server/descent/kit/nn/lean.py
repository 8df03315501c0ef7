"""One optimisation step of a tiny network without the overhead that tiny networks notice.

PyTorch's `Tensor.backward` and `Optimizer.step` check arguments, feed the profiler and call hooks before
they compute. For a network of a hundred parameters that takes as long as the computation itself: on one
thread, 22 µs of 120 for `backward` and 32 µs of 53 for SGD's `step`. These two functions call the same
autograd engine and the same update directly. No optimizer hook is called.
"""

from __future__ import annotations

import inspect

import torch
from torch.optim import Optimizer


def backward(objective: torch.Tensor) -> None:
    """`objective.backward()` for a scalar: accumulates into every leaf's `.grad`."""
    torch.autograd.Variable._execution_engine.run_backward(
        (objective,),
        (torch.ones_like(objective),),
        False,  # keep_graph
        False,  # create_graph
        (),  # all leaves
        allow_unreachable=True,
        accumulate_grad=True,
    )


def update(optimizer: Optimizer) -> None:
    """`optimizer.step()`: the update torch wrote, on the gradients in `.grad`."""
    with torch.no_grad():
        inspect.unwrap(type(optimizer).step)(optimizer)
