"""Recurrent networks that translate: an encoder, and a decoder without attention, with Bahdanau's or Luong's.

Shape letters: `B` texts, `S` tokens of the source, `T` of the target, `d` units, `V` tokens there are. An
embedding has d/2 numbers. The equations stand in `experiments/sequence/seq2seq.py`.

Source: Sutskever et al. 2014, arXiv:1409.3215; Bahdanau et al. 2015, arXiv:1409.0473; Luong et al. 2015,
arXiv:1508.04025; Bengio et al. 2015, arXiv:1506.03099 (scheduled sampling).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from descent.kit.data.translation import END, PAD, START
from descent.kit.nn.beam import Hypothesis, beam_search


class Memory(NamedTuple):
    """What a network has read."""

    h: Tensor  # (B, S, d)
    keys: Tensor  # (B, S, d), what the scores are computed with
    barred: Tensor  # (B, S), −∞ at padding and 0 elsewhere
    start: Tensor  # s_0, (B, d)


class Encoder(nn.Module):
    """Embeds and reads a source both ways."""

    def __init__(self, size: int, d: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, d // 2)
        self.gru = nn.GRU(d // 2, d // 2, batch_first=True, bidirectional=True)
        self.W_s = nn.Linear(d, d)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, S) → h (B, S, d) and s_0 (B, d); padding is not read."""
        lengths = (source != PAD).sum(1).cpu()
        read = pack_padded_sequence(self.embedding(source), lengths, batch_first=True, enforce_sorted=False)
        packed, ends = self.gru(read)  # ends: →h_S and ←h_1, (2, B, d/2)
        h, _ = pad_packed_sequence(packed, batch_first=True, total_length=source.shape[1])
        return h, torch.tanh(self.W_s(torch.cat([*ends], 1)))


class Translator(nn.Module):
    """Reads a source, and writes a target token by token."""

    def __init__(self, source: int, target: int, d: int) -> None:
        super().__init__()
        self.encoder = Encoder(source, d)
        self.embedding = nn.Embedding(target, d // 2)

    def encode(self, source: Tensor) -> Memory:
        """Of tokens (B, S), padded."""
        h, start = self.encoder(source)
        barred = torch.zeros_like(source, dtype=h.dtype).masked_fill(source == PAD, -torch.inf)
        return Memory(h, self.keys(h), barred, start)

    def keys(self, h: Tensor) -> Tensor:
        """The part of the scores that does not depend on s."""
        return h

    @abstractmethod
    def decode(self, y: Tensor, s: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """From embedded tokens y (B, T, d/2) and s (B, d): logits (B, T, V), the last s, α (B, T, S)."""

    def forward(self, source: Tensor, given: Tensor, forced: Tensor | None = None) -> Tensor:
        """Logits (B, T, V) after each token of `given` (B, T).

        Where `forced` (B, T) is false, the network is given the token it found likeliest instead (scheduled
        sampling, Bengio et al. 2015). None: all are forced, and nothing waits for what was written before.
        """
        memory = self.encode(source)
        if forced is None:
            all_at_once: Tensor = self.decode(self.embedding(given), memory.start, memory)[0]
            return all_at_once
        s, token = memory.start, given[:, 0]
        logits: list[Tensor] = []
        for t in range(given.shape[1]):
            if t:
                token = torch.where(forced[:, t], given[:, t], logits[-1].argmax(1))
            step, s, _ = self.decode(self.embedding(token)[:, None], s, memory)
            logits.append(step[:, 0])
        return torch.stack(logits, 1)

    def search(self, source: Tensor, width: int, most: int) -> list[Hypothesis]:
        """The likeliest translations of tokens (S,), of at most so many tokens, that a beam finds."""
        memory = self.encode(source[None])

        def advance(tokens: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
            logits, s, _ = self.decode(self.embedding(tokens)[:, None], s, memory)
            return logits[:, 0].log_softmax(1), s

        return beam_search(advance, memory.start, width, most)

    def greedy(self, source: Tensor, most: int) -> tuple[Tensor, Tensor]:
        """What it writes by itself for tokens (B, S): `search` with a width of 1, for many texts at once.

        The tokens (B, T), T ≤ `most`, with padding after `END`, and the probability of each (B, T).
        """
        memory = self.encode(source)
        s, token = memory.start, torch.full_like(source[:, 0], START)
        ended = torch.zeros_like(token, dtype=torch.bool)
        tokens: list[Tensor] = []
        chances: list[Tensor] = []
        while len(tokens) < most and not ended.all():
            logits, s, _ = self.decode(self.embedding(token)[:, None], s, memory)
            p = logits[:, 0].softmax(1)  # (B, V)
            token = p[:, PAD + 1 :].argmax(1) + PAD + 1  # padding is no token to write
            chances.append(p.gather(1, token[:, None])[:, 0])
            tokens.append(token.masked_fill(ended, PAD))
            ended = ended | (token == END)
        return torch.stack(tokens, 1), torch.stack(chances, 1)


class NoAttention(Translator):
    """All it knows of the source is s_0 (Sutskever et al. 2014)."""

    def __init__(self, source: int, target: int, d: int) -> None:
        super().__init__(source, target, d)
        self.gru = nn.GRU(d // 2, d, batch_first=True)
        self.W_o = nn.Linear(d, target)

    def decode(self, y: Tensor, s: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """All weights are 0."""
        states, last = self.gru(y, s[None])
        return self.W_o(states), last[0], y.new_zeros(*y.shape[:2], memory.h.shape[1])


class BahdanauTranslator(Translator):
    """Additive attention, computed before the step it is used in (appendix A.1.2)."""

    def __init__(self, source: int, target: int, d: int) -> None:
        super().__init__(source, target, d)
        self.W_a, self.U_a = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
        self.v = nn.Linear(d, 1, bias=False)
        self.cell = nn.GRUCell(d // 2 + d, d)
        self.W_o = nn.Linear(d + d // 2 + d, target)

    def keys(self, h: Tensor) -> Tensor:
        """U_a h."""
        keys: Tensor = self.U_a(h)
        return keys

    def decode(self, y: Tensor, s: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """Token by token: each s is what the next weights are computed with."""
        read, weights = [], []
        for y_i in y.unbind(1):
            e = torch.tanh(self.W_a(s)[:, None] + memory.keys) @ self.v.weight[0]  # (B, S)
            a = (e + memory.barred).softmax(1)
            c = (a[:, None] @ memory.h)[:, 0]
            s = self.cell(torch.cat([y_i, c], 1), s)
            read.append(torch.cat([s, y_i, c], 1))
            weights.append(a)
        return self.W_o(torch.stack(read, 1)), s, torch.stack(weights, 1)


class LuongTranslator(Translator):
    """Multiplicative attention, computed after the step ("general")."""

    def __init__(self, source: int, target: int, d: int) -> None:
        super().__init__(source, target, d)
        self.gru = nn.GRU(d // 2, d, batch_first=True)
        self.W_a = nn.Linear(d, d, bias=False)
        self.W_c = nn.Linear(2 * d, d, bias=False)
        self.W_o = nn.Linear(d, target)

    def keys(self, h: Tensor) -> Tensor:
        """W_a h."""
        keys: Tensor = self.W_a(h)
        return keys

    def decode(self, y: Tensor, s: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """All tokens at once: no s waits for what was looked up."""
        states, last = self.gru(y, s[None])
        a = (states @ memory.keys.mT + memory.barred[:, None]).softmax(2)  # (B, T, S)
        attended = torch.tanh(self.W_c(torch.cat([a @ memory.h, states], 2)))
        return self.W_o(attended), last[0], a
