"""A device for tests on machines that have none: `stub`, whose tensors are the CPU's in disguise.

It is as strict as Apple's: float64 is refused with Metal's own words, tensors of two devices do not mix, a
generator of the CPU draws nothing there, and numpy cannot read it. What it computes is what the CPU does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

FLOAT64 = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)
MIXED = "Expected all tensors to be on the same device, but found at least two devices, stub:0 and cpu! ({})"
# May have a tensor of the CPU beside one of a GPU: both are its business.
ACROSS = {
    "copy_",
    "_to_copy",
    "index",
    "index_put",
    "index_put_",
    "_index_put_impl_",
    "_copy_from",
    "_pack_padded_sequence",
}
aten = torch.ops.aten

# Experiments that compute in float64 by design: they cannot train on such a device.
NEED_FLOAT64 = {
    "convolution",
    "descent-2d",
    "ensembles",
    "gradient-check",
    "learning-rate",
    "linear-regression",
    "next-word",
    "search",
}
# Those of which the stub tells nothing, and a device of torch's own would.
UNFIT = {
    "captioning": "torch has a fused LSTM cell for such a device, and the stub has none",
    "da-rnn": "the same",
    "lstm-cells": "the same",
    "seq2seq": "packed sequences are checked for their device",
    "gradient-through-time": "autograd's thread of such a device ends the process",
}


_KERNELS = torch.library.Library("aten", "IMPL")


def _kernel(func: Any, *args: Any, **kwargs: Any) -> Any:
    return computed(func, args, kwargs)


class StubTensor(torch.Tensor):
    """A tensor of the stub device; `inner` has its numbers."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> StubTensor:
        made: StubTensor = torch.Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            layout=inner.layout,
            device=torch.device("stub", 0),
            requires_grad=False,
        )
        made.inner = inner
        return made

    def __repr__(self, **_: Any) -> str:
        return f"stub({self.inner!r})"

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __format__(self, spec: str) -> str:
        return format(self.inner.detach(), spec)

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError(
                "can't convert stub:0 device type tensor to numpy. Use Tensor.cpu() to copy it first"
            )
        return self.inner.detach().numpy()

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(
        cls, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return computed(func, args, kwargs or {})


class StubMode(TorchDispatchMode):
    """Has what is made on the stub device be made there."""

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return computed(func, args, kwargs or {})


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """What an operation gives: on the CPU, and in disguise where it belongs to the stub."""
    flat = [one for one in pytree.tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
    here = [one for one in flat if isinstance(one, StubTensor)]
    asked = kwargs.get("device")
    on_stub = torch.device(asked).type == "stub" if asked is not None else bool(here)
    if not here and not on_stub:
        return func(*args, **kwargs)
    name = func.overloadpacket.__name__
    if asked is None and here and name not in ACROSS:
        for one in flat:
            if not isinstance(one, StubTensor) and one.dim():
                raise RuntimeError(MIXED.format(func))
    generator = kwargs.get("generator")
    if on_stub and generator is not None and generator.device.type != "stub":
        raise RuntimeError(f"Expected a 'stub' device type for generator but found '{generator.device.type}'")
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    kwargs = {name: value for name, value in kwargs.items() if name != "pin_memory"}
    if on_stub and kwargs.get("dtype") is torch.float64:
        raise TypeError(FLOAT64)
    plain_args, plain_kwargs = pytree.tree_map_only(StubTensor, lambda one: one.inner, (args, kwargs))
    found = func(*plain_args, **plain_kwargs)
    originals = {id(one.inner): one for one in here}
    if name == "copy_" and not isinstance(args[0], StubTensor):
        return args[0]

    def disguised(one: torch.Tensor) -> torch.Tensor:
        if id(one) in originals:  # written in place
            return originals[id(one)]
        if one.dtype is torch.float64:
            raise TypeError(FLOAT64)
        return StubTensor(one)

    return pytree.tree_map_only(torch.Tensor, disguised, found) if on_stub else found


class _Module:
    """What torch asks of a device's module."""

    def __init__(self) -> None:
        self._generator = torch.Generator()

    def is_initialized(self) -> bool:
        return True

    def is_available(self) -> bool:
        return True

    def current_device(self) -> int:
        return 0

    def device_count(self) -> int:
        return 1

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        self._generator.manual_seed(seed)

    def get_rng_state(self, device: object = "stub") -> torch.Tensor:
        return self._generator.get_state()

    def set_rng_state(self, state: torch.Tensor, device: object = "stub") -> None:
        self._generator.set_state(state)


def install() -> None:
    """Have this process know the device `stub`, from now on."""
    from torch.utils import backend_registration

    backend_registration._setup_privateuseone_for_python_backend("stub", backend_module=_Module())
    apply = torch.nn.Module._apply

    def keeping(module: torch.nn.Module, *args: Any, **kwargs: Any) -> Any:
        """`to` leaves a parameter the object that it is, as for every device of torch's own."""
        before = torch.__future__.get_swap_module_params_on_conversion()
        torch.__future__.set_swap_module_params_on_conversion(True)
        try:
            return apply(module, *args, **kwargs)
        finally:
            torch.__future__.set_swap_module_params_on_conversion(before)

    torch.nn.Module._apply = keeping  # type: ignore[method-assign]
    # `torch.tensor` goes below all modes to the device's own kernels.
    for name in ("empty.memory_format", "empty_strided", "copy_", "_copy_from", "view", "as_strided"):
        packet, _, overload = name.partition(".")
        func = getattr(getattr(aten, packet), overload or "default")
        _KERNELS.impl(name, partial(_kernel, func), "PrivateUse1")
    StubMode().__enter__()
