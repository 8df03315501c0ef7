"""Panels of what a model makes of one batch: attention maps, the states of recurrent layers, feature maps.

The batch is passed through the model anew at each look, in eval mode and without gradients; hooks are there
only then. What the model's own training passes do is not touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from descent.contract.panels import Attention, Heatmap, Maps, Picture
from descent.declared import DeclaredPanel
from descent.watching.link import say
from descent.watching.probes import Probe, plain
from descent.watching.transformers import attentions_wanted, hint, models_of

MOST_TOKENS = 64
MOST_HEADS = 16
MOST_ATTENTIONS = 12  # layers
MOST_UNITS = 64
MOST_STATES = 3  # recurrent layers with panels of their own
MOST_CONVOLUTIONS = 11
MOST_CHANNELS = 16
LARGEST_MAP = 64  # rows and columns; larger ones are averaged

Seen = list[tuple[str, nn.Module, tuple[Any, ...], Any]]  # name, module, inputs and output of each call


class Look:
    """A batch to look at, and the model's inner values for its first sample."""

    def __init__(self, model: nn.Module, batch: Any, tokens: Sequence[str] | None) -> None:
        """`batch`: what `model` takes: a tensor, a tuple of arguments, or a mapping of keyword arguments.
        `tokens`: names of the positions of its first sample.
        """
        self._model = plain(model)
        self._foreign = models_of(self._model)
        self._batch = batch
        self._tokens = None if tokens is None else [str(token)[:40] for token in tokens]

    def probes(self, texts: Mapping[str, Mapping[str, str]]) -> list[Probe]:
        """The panels that the model has something to show in; raises what its forward pass raises."""
        found: list[Probe] = []

        def add(name: str, kind: type[Picture], look: Callable[[], Picture]) -> None:
            told = texts[name.rstrip("_0123456789")]
            declared = DeclaredPanel(name=name, kind=kind.kind, title=told["title"], caption=told["caption"])
            found.append(Probe(declared, look))

        attentions = self._attentions()
        if self._foreign and not attentions:
            say(f"look(): {hint(self._foreign)}")
        for number, shape in enumerate(dict.fromkeys(one.shape for one in attentions), 1):
            name = "attention" if number == 1 else f"attention_{number}"
            if number <= MOST_STATES:
                add(name, Attention, partial(self._attention, shape))
        recurrent = [name for name, module in self._model.named_modules() if isinstance(module, nn.RNNBase)]
        for number, layer in enumerate(recurrent[:MOST_STATES], 1):
            ending = "" if number == 1 else f"_{number}"
            add("states" + ending, Heatmap, partial(self._states, layer))
            if self._has_cells(layer):
                add("cells" + ending, Heatmap, partial(self._cells, layer))
        if self._convolutions():
            add("maps", Maps, self._maps)
        return found

    # Attention

    def _attentions(self) -> list[Tensor]:
        """The maps (M, Q, K) of each layer, of the first sample."""
        with (
            self._watching(nn.MultiheadAttention) as seen,
            _weights_wanted(self._model),
            attentions_wanted(self._foreign) as given,
        ):
            self._pass()
        found = [output[1] for _, _, _, output in seen if isinstance(output, tuple)] + given
        maps = []
        for weights in found:
            if isinstance(weights, Tensor):
                weights = weights[0] if weights.ndim == 4 else weights  # (B, M, Q, K), or without a batch
                maps.append(weights[:MOST_HEADS, :MOST_TOKENS, :MOST_TOKENS].float())
        return maps

    def _attention(self, shape: torch.Size) -> Attention:
        maps = [one for one in self._attentions() if one.shape == shape][:MOST_ATTENTIONS]
        if not maps:
            raise ValueError("no layer of attention has maps of this size any more")
        _, queries, keys = shape
        return Attention(weights=torch.stack(maps), queries=self._named(queries), keys=self._named(keys))

    def _named(self, count: int) -> list[str]:
        """Names of so many positions: the tokens if there are as many, else numbers."""
        if self._tokens is not None and len(self._tokens[:MOST_TOKENS]) == count:
            return self._tokens[:MOST_TOKENS]
        return [str(place) for place in range(count)]

    # Recurrent layers

    def _states(self, layer: str) -> Heatmap:
        with self._watching(nn.RNNBase, layer) as seen:
            self._pass()
        _, module, _, output = seen[0]
        assert isinstance(module, nn.RNNBase), layer
        values = _first_sequence(module, output[0])
        return self._over_time(values, f"{layer}: h")

    def _has_cells(self, layer: str) -> bool:
        module = self._model.get_submodule(layer)
        return isinstance(module, nn.LSTM) and not module.bidirectional and module.proj_size == 0

    def _cells(self, layer: str) -> Heatmap:
        """c of each step: the layer is run token by token, since `nn.LSTM` gives only the last one."""
        with self._watching(nn.LSTM, layer) as seen:
            self._pass()
        _, module, given, _ = seen[0]
        assert isinstance(module, nn.LSTM), layer
        sequence = _first_sequence(module, given[0])[:MOST_TOKENS]  # (T, C)
        state = _first_state(given[1]) if len(given) > 1 and given[1] is not None else None
        cells = []
        for token in sequence:
            x = token[None, None]  # (1, 1, C), whichever is the batch
            _, state = module(x, state)
            cells.append(state[1][-1, 0])
        return self._over_time(torch.stack(cells), f"{layer}: c")

    def _over_time(self, values: Tensor, label: str) -> Heatmap:
        """Values (T, C) as a heatmap with a row for each unit."""
        shown = values[:MOST_TOKENS, :MOST_UNITS].float().T
        return Heatmap(
            values=shown,
            rows=[str(unit) for unit in range(len(shown))],
            columns=self._named(shown.shape[1]),
            y_label=label[:100],
            scale="diverging",
        )

    # Convolutions

    def _convolutions(self) -> Seen:
        with self._watching(nn.Conv2d) as seen:
            self._pass()
        return [one for one in seen if isinstance(one[3], Tensor) and one[3].ndim == 4][:MOST_CONVOLUTIONS]

    def _maps(self) -> Maps:
        seen = self._convolutions()
        image = seen[0][2][0][0]  # what the first one is given, (C, H, W)
        outputs = [_small(image), *(_small(output[0]) for _, _, _, output in seen)]
        names = ["input", *(name[-40:] for name, *_ in seen)]
        return Maps.of(outputs, names, most=MOST_CHANNELS)

    # Passing the batch

    @contextlib.contextmanager
    def _watching(self, kind: type[nn.Module], only: str = "") -> Iterator[Seen]:
        """Context that notes the calls of such modules."""
        seen: Seen = []

        def note(name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
            return lambda module, given, output: seen.append((name, module, given, output))

        handles = [
            module.register_forward_hook(note(name))
            for name, module in self._model.named_modules()
            if isinstance(module, kind) and only in ("", name)
        ]
        try:
            yield seen
        finally:
            for handle in handles:
                handle.remove()

    def _pass(self) -> None:
        device = next((p.device for p in self._model.parameters()), torch.device("cpu"))

        def moved(value: Any) -> Any:
            return value.to(device) if isinstance(value, Tensor) else value

        if isinstance(self._batch, Mapping):
            self._model(**{name: moved(value) for name, value in self._batch.items()})
        elif isinstance(self._batch, tuple):
            self._model(*(moved(value) for value in self._batch))
        else:
            self._model(moved(self._batch))


@contextlib.contextmanager
def _weights_wanted(model: nn.Module) -> Iterator[None]:
    """Context in which attention computes its weights: per head, and not by the fused path that has none."""

    def want(module: nn.Module, given: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return given, {**named, "need_weights": True, "average_attn_weights": False}

    handles = [
        module.register_forward_pre_hook(want, with_kwargs=True)
        for module in model.modules()
        if isinstance(module, nn.MultiheadAttention)
    ]
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for handle in handles:
            handle.remove()


def _first_sequence(module: nn.RNNBase, values: Any) -> Tensor:
    """The first sample's values (T, C) of a recurrent layer's input or output."""
    if not isinstance(values, Tensor):
        raise ValueError("packed sequences cannot be shown; give look() a padded batch")
    if values.ndim == 2:
        return values
    return values[0] if module.batch_first else values[:, 0]


def _first_state(state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """The first sample's (h, c), each (L, 1, C)."""
    h, c = (one[:, :1] if one.ndim == 3 else one[:, None] for one in state)
    return h.contiguous(), c.contiguous()


def _small(maps: Tensor) -> Tensor:
    """Maps (C, H, W), averaged where they are large."""
    rows, columns = maps.shape[1:]
    size = min(rows, LARGEST_MAP), min(columns, LARGEST_MAP)
    maps = maps.float()
    return (adaptive_avg_pool2d(maps, size) if size != (rows, columns) else maps).cpu()
