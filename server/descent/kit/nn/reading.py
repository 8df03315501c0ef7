"""A recurrent network that reads a text character by character, and writes on.

Shape letters: `T` positions, `B` rows, `V` characters of the vocabulary, `I` inputs of a layer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.kit.nn.gates import RECURRENT

WIDTH = 32  # numbers that stand for a character


class TextReader(nn.Module):
    """Reads characters and guesses the next: embedding, recurrent layers, logits.

    The layers are modules of their own, not one stacked module, so that each one's h can be had.
    """

    def __init__(self, kind: str, characters: int, hidden: int, layers: int) -> None:
        super().__init__()
        sizes = [WIDTH, *[hidden] * layers]
        self.embedding = nn.Embedding(characters, WIDTH)
        self.layers = nn.ModuleList(RECURRENT[kind](size, hidden) for size in sizes[:-1])
        self.output = nn.Linear(hidden, characters)

    def forward(self, codes: Tensor, state: list[Any] | None = None) -> tuple[Tensor, list[Any]]:
        """Logits (T, B, V) or (T, V) after each of `codes` (T, B) or (T,), and the layers' last states."""
        h, states = self.embedding(codes), []
        for number, layer in enumerate(self.layers):
            h, after = layer(h, None if state is None else state[number])
            states.append(after)
        return self.output(h), states

    def below(self, codes: Tensor, layer: int) -> Tensor:
        """What `layer`, counted from 1, is given: (T, I) for `codes` (T,)."""
        h: Tensor = self.embedding(codes)
        for below in list(self.layers)[: layer - 1]:
            h, _ = below(h)
        return h


def bits(logits: Tensor, targets: Tensor) -> Tensor:
    """Bits per character: the mean cross-entropy in base 2 of `logits` (…, V) against `targets` (…)."""
    return F.cross_entropy(logits.flatten(0, -2), targets.flatten()) / math.log(2)


def write(
    model: TextReader, read: Tensor, count: int, temperature: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Let the model go on after `read` (T,): `count` more codes, and the probability of each at τ = 1.

    Each is drawn from softmax(logits / τ). The draws are those of `generator` at any temperature.
    """
    draws = torch.rand(count, generator=generator).tolist()
    logits, state = model(read)
    codes, seen = [], []
    for draw in draws:
        seen.append(logits[-1])
        total = (logits[-1] / temperature).softmax(-1).cumsum(-1)  # (V,)
        codes.append(torch.searchsorted(total, draw * total[-1:]).clamp(max=len(total) - 1))  # (1,)
        logits, state = model(codes[-1], state)
    written = torch.cat(codes)
    return written, torch.stack(seen).softmax(-1).gather(1, written[:, None])[:, 0]
