"""Panels that any watched model has: of its gradients, its steps, its weights and its silent units."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from descent.contract.experiment import by_layer
from descent.contract.panels import Bars, Histogram, Picture
from descent.declared import DeclaredPanel

MOST_LAYERS = 40  # bars of one panel; beyond, layers of one block are taken together
MOST_HISTOGRAMS = 16
BINS = 40
RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.Threshold, nn.Hardswish, nn.Hardtanh)


@dataclass(frozen=True)
class Probe:
    """What computes a panel's picture. `prepare` is called a step before: it is of the step between."""

    panel: DeclaredPanel
    look: Callable[[], Picture]
    prepare: Callable[[], None] | None = None


def plain(model: nn.Module) -> nn.Module:
    """The module that was wrapped for several GPUs, or compiled."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def layers_of(model: nn.Module, most: int = MOST_LAYERS) -> dict[str, list[Tensor]]:
    """The parameters of a model by layer, in at most so many groups: by block where there are more layers."""
    found = by_layer(model)
    depth = max((name.count(".") for name in found), default=0)
    while len(found) > most and depth > 0:
        merged: dict[str, list[Tensor]] = {}
        for name, parameters in found.items():
            merged.setdefault(".".join(name.split(".")[:depth]), []).extend(parameters)
        found, depth = merged, depth - 1
    return dict(list(found.items())[:most])


def norms(groups: Sequence[Sequence[Tensor]]) -> Tensor:
    """‖·‖₂ of each group of tensors, (N,) on the CPU: one transfer for all of them; 0 of an empty one."""
    flat = [tensor.detach() for group in groups for tensor in group]
    if not flat:
        return torch.zeros(len(groups))
    each = torch.stack([one.float() for one in torch._foreach_norm(flat)]).square().cpu()
    sizes = [len(group) for group in groups]
    return torch.stack([part.sum() for part in each.split(sizes)]).sqrt()


class Internals:
    """The panels of a model's parameters, and of its units."""

    def __init__(self, model: nn.Module, texts: Mapping[str, Mapping[str, str]]) -> None:
        """`texts`: title and caption of each panel."""
        self._model = plain(model)
        self._texts = texts
        self._layers = layers_of(self._model)
        self._before: list[list[Tensor]] = []
        self._handles: list[Any] = []
        self._silent: dict[str, Tensor] = {}  # by layer, which units were 0 so far

    def probes(self) -> list[Probe]:
        """The panels, with what computes them."""
        found = []
        if self._layers:
            found.append(Probe(self._declared("gradients", Bars), self._gradients))
            found.append(Probe(self._declared("updates", Bars), self._updates, self._keep))
            found.append(Probe(self._declared("weights", Histogram), self._weights))
        if any(isinstance(module, RECTIFIERS) for module in self._model.modules()):
            found.append(Probe(self._declared("silent", Bars), self._silences, self._listen))
        return found

    def _declared(self, name: str, kind: type[Picture]) -> DeclaredPanel:
        texts = self._texts[name]
        return DeclaredPanel(name=name, kind=kind.kind, title=texts["title"], caption=texts["caption"])

    def _gradients(self) -> Bars:
        gradients = [[p.grad for p in group if p.grad is not None] for group in self._layers.values()]
        if not any(gradients):
            raise ValueError("there are no gradients: call run.step() before the optimizer's zero_grad()")
        values = norms(gradients)
        return Bars(values=values[None], labels=list(self._layers), log=True)

    def _keep(self) -> None:
        self._before = [[p.detach().clone() for p in group] for group in self._layers.values()]

    def _updates(self) -> Bars:
        groups = list(self._layers.values())
        moved = [
            [now.detach() - then for now, then in zip(group, before, strict=True)]
            for group, before in zip(groups, self._before, strict=True)
        ]
        self._before = []
        ratio = norms(moved) / norms(groups).clamp(min=1e-30)
        return Bars(values=ratio[None], labels=list(self._layers), log=True)

    def _weights(self) -> Histogram:
        chosen = {}
        for name, parameters in layers_of(self._model, MOST_HISTOGRAMS).items():
            weights = [p.detach().flatten() for p in parameters if p.ndim > 1] or [
                p.detach().flatten() for p in parameters
            ]
            values = torch.cat(weights).float()
            chosen[name] = values[torch.isfinite(values)] if values.numel() else torch.zeros(1)
        counts, edges = [], []
        for values in chosen.values():
            low, high = (float(values.min()), float(values.max())) if values.numel() else (0.0, 0.0)
            high = high if high > low else low + 1e-6
            counts.append(torch.histc(values, BINS, low, high).cpu())
            edges.append(torch.linspace(low, high, BINS + 1))
        return Histogram(counts=torch.stack(counts), edges=torch.stack(edges), names=list(chosen))

    def _listen(self) -> None:
        """Listen to the rectifiers in the next step's forward passes; only then are there hooks."""
        self._unhook()
        self._silent = {}
        for name, module in self._model.named_modules():
            if isinstance(module, RECTIFIERS):
                self._handles.append(module.register_forward_hook(self._hears(name)))

    def _hears(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        calls = 0

        def hear(module: nn.Module, given: Any, output: Any) -> None:
            nonlocal calls
            if not isinstance(output, Tensor) or not module.training or output.ndim < 2:
                return
            calls += 1
            label = name if calls == 1 else f"{name} ({calls})"
            if output.ndim == 3:  # (B, T, C): units are last
                output = output.flatten(0, 1)
            zero = output.detach() == 0  # (B, C, …): a channel is a unit
            self._silent[label] = zero.transpose(0, 1).flatten(1).all(1)

        return hear

    def _silences(self) -> Bars:
        self._unhook()
        if not self._silent:
            raise ValueError("no rectifier was called in a step of training")
        shares = [float(silent.float().mean()) for silent in self._silent.values()]
        names = list(self._silent)[:MOST_LAYERS]
        values = torch.tensor(shares[:MOST_LAYERS])
        return Bars(values=values[None], labels=names, range=(0.0, 1.0))

    def _unhook(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []
