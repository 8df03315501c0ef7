"""A loss at many places at once: it is computed once, its parameters exchanged for copies while it runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


def losses_at(
    loss: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    copies: Sequence[Tensor],
    *,
    randomness: str = "same",
) -> Tensor:
    """The loss of each of K copies, (K,). `copies`: (K, …) for each parameter. `randomness`: of `torch.vmap`.

    Raises what `torch.vmap` does for what cannot be batched.
    """

    def of(*one: Tensor) -> Tensor:
        with SwapParameters({id(p): copy for p, copy in zip(parameters, one, strict=True)}):
            return loss()

    with warnings.catch_warnings():  # what has no rule for batches is computed copy by copy, which is slower
        warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
        found: Tensor = torch.vmap(of, randomness=randomness)(*copies)
    return found


class SwapParameters(TorchFunctionMode):
    """Mode in which torch's functions get a substitute for each tensor of a table."""

    def __init__(self, table: Mapping[int, Tensor]) -> None:
        super().__init__()
        self._table = table

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        args = [self._exchanged(argument) for argument in args]
        if not kwargs:
            if func is torch.addmm:  # batched, `addmm` would multiply by its α and β as well
                return args[0] + args[1] @ args[2]
            return func(*args)
        return func(*args, **{name: self._exchanged(argument) for name, argument in kwargs.items()})

    def _exchanged(self, argument: Any) -> Any:
        if isinstance(argument, Tensor):
            return self._table.get(id(argument), argument)
        if type(argument) in (list, tuple):
            return type(argument)(map(self._exchanged, argument))
        return argument
