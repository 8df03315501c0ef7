"""Attention maps of Hugging Face's models: they give them when asked, if attention is computed eagerly."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

MAPS = ("encoder_attentions", "attentions", "decoder_attentions", "cross_attentions")
EAGER = "eager"  # the implementation of attention that has weights to give


def models_of(model: nn.Module) -> list[nn.Module]:
    """The Hugging Face models in a model, without those within them."""
    library = sys.modules.get("transformers")
    if library is None:
        return []
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        if isinstance(module, library.PreTrainedModel) and not any(
            name.startswith(outer and f"{outer}.") for outer in found
        ):
            found[name] = module
    return list(found.values())


@contextlib.contextmanager
def attentions_wanted(models: list[nn.Module]) -> Iterator[list[Tensor]]:
    """Context in which such models give their attention maps, (B, M, Q, K) each, to the list.

    Those that compute attention by a kernel that never has the weights are asked to do it eagerly meanwhile.
    """
    seen: list[Tensor] = []

    def want(module: nn.Module, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return given, {**named, "output_attentions": True}

    def note(module: nn.Module, given: Any, output: Any) -> None:
        for name in MAPS:
            layers = getattr(output, name, None) or ()
            seen.extend(layer for layer in layers if isinstance(layer, Tensor) and layer.ndim == 4)

    with contextlib.ExitStack() as handles:
        for model in models:
            _become_eager(model, handles)
            handles.callback(model.register_forward_pre_hook(want, with_kwargs=True).remove)
            handles.callback(model.register_forward_hook(note).remove)
        yield seen


def _become_eager(model: Any, back: contextlib.ExitStack) -> None:
    before = getattr(model.config, "_attn_implementation", EAGER)
    if before in (EAGER, None) or not hasattr(model, "set_attn_implementation"):
        return
    model.set_attn_implementation(EAGER)
    back.callback(model.set_attn_implementation, before)


def hint(models: list[nn.Module]) -> str:
    """What to do where no model gave its attention maps."""
    kinds = ", ".join(sorted({str(getattr(one.config, "_attn_implementation", "")) for one in models}))
    names = ", ".join(type(one).__name__ for one in models)
    return (
        f"{names} gives no attention maps (attn_implementation={kinds!r}); load or build it with "
        "attn_implementation='eager' to see them"
    )
