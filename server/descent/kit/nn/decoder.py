"""The decoder-only Transformer of GPT-2, its inside open to look at, and how it writes.

    x⁰ = W_E[t] + W_P[position]                                            the residual stream, (T, d)
    x ← x + Concat(z^1, …, z^h) W^O,  z^i = softmax(QKᵀ/√d_k + mask) V of LN(x)
    x ← x + GELU(LN(x) W_1) W_2
    logits of the next token = W_U LN(x^L)

Shape letters: B batch, T tokens, d model width, L layers, h heads, d_k = d/h, V vocabulary.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners" (GPT-2), §2.3; Vaswani et
al. 2017, arXiv:1706.03762, §3.2.
Departures: no dropout; W_U is a matrix of its own, where GPT-2 has W_E; all matrices but W_P and those of
attention start wider, as d is small.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.kit.nn.sampling import drawn_token, sampled_from

NEW_WEIGHTS = 0.05  # standard deviation
NEW_NARROW = 0.02  # that of GPT-2, for W_P and attention: heads that begin wider stay blurred


class CausalAttention(nn.Module):
    """h heads, each token looking at itself and at what came before."""

    def __init__(self, d: int, h: int) -> None:
        super().__init__()
        self.h = h
        self.W_QKV, self.W_O = nn.Linear(d, 3 * d), nn.Linear(d, d)

    def forward(
        self, x: Tensor, keep: Tensor | None, seen: list[Tensor] | None, cache: list[Tensor] | None
    ) -> Tensor:
        """x (B, T, d). `keep` (h,): 0 for a head that is off. `cache`: K and V of the tokens before."""
        Q, K, V = self.W_QKV(x).unflatten(-1, (3, self.h, -1)).permute(2, 0, 3, 1, 4)  # (B, h, T, d_k)
        if cache is not None:
            K, V = (torch.cat([*cache[i : i + 1], new], 2) for i, new in enumerate((K, V)))
            cache[:] = [K, V]
        if seen is not None:
            seen.append(causal_weights(Q, K))
        z = F.scaled_dot_product_attention(Q, K, V, is_causal=Q.shape[2] > 1)  # softmax(QKᵀ/√d_k + mask) V
        if keep is not None:
            z = z * keep[:, None, None]
        mixed: Tensor = self.W_O(z.transpose(1, 2).flatten(2))
        return mixed


def causal_weights(Q: Tensor, K: Tensor) -> Tensor:
    """softmax(QKᵀ/√d_k + mask), (B, h, T, T): what the fused attention does not show."""
    scores = Q @ K.mT / math.sqrt(Q.shape[-1])
    past = torch.ones(scores.shape[-2:], dtype=torch.bool, device=Q.device).tril()
    return scores.masked_fill(~past, -torch.inf).softmax(-1)


class DecoderBlock(nn.Module):
    """Attention, then the feed-forward network, each added to the stream."""

    def __init__(self, d: int, h: int, feed_forward: bool) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(d), CausalAttention(d, h)
        self.feed_forward: nn.Module | None = None
        if feed_forward:
            self.feed_forward = nn.Sequential(
                nn.LayerNorm(d), nn.Linear(d, 4 * d), nn.GELU(approximate="tanh"), nn.Linear(4 * d, d)
            )

    def forward(
        self, x: Tensor, keep: Tensor | None, seen: list[Tensor] | None, cache: list[Tensor] | None
    ) -> Tensor:
        """x (B, T, d); the rest as for the attention."""
        x = x + self.attention(self.norm(x), keep, seen, cache)
        return x if self.feed_forward is None else x + self.feed_forward(x)


class GPT(nn.Module):
    """Tokens in, logits of the next token out."""

    def __init__(self, size: int, length: int, d: int, h: int, layers: int, feed_forward: bool) -> None:
        super().__init__()
        self.length = length
        self.W_E, self.W_P = nn.Embedding(size, d), nn.Embedding(length, d)
        self.blocks = nn.ModuleList(DecoderBlock(d, h, feed_forward) for _ in range(layers))
        self.norm, self.W_U = nn.LayerNorm(d), nn.Linear(d, size, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2:
                nn.init.normal_(
                    parameter, std=NEW_NARROW if "attention" in name or "W_P" in name else NEW_WEIGHTS
                )
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(
        self,
        tokens: Tensor,
        keep: Tensor | None = None,
        stream: list[Tensor] | None = None,
        seen: list[Tensor] | None = None,
        caches: list[list[Tensor]] | None = None,
    ) -> Tensor:
        """Logits (B, T, V) after each of `tokens` (B, T); with filled `caches`, after one more (B, 1).

        `keep` (L, h) is 0 for heads that are off. To be looked at, the residual stream (B, T, d) below,
        between and above the layers goes to `stream`, the attention (B, h, T, T) of each to `seen`.
        """
        before = caches[0][0].shape[2] if caches and caches[0] else 0
        x = self.W_E(tokens) + self.W_P.weight[before : before + tokens.shape[1]]
        for layer, block in enumerate(self.blocks):
            if stream is not None:
                stream.append(x)
            x = block(
                x, None if keep is None else keep[layer], seen, None if caches is None else caches[layer]
            )
        if stream is not None:
            stream.append(x)
        return self.read(x)

    def read(self, x: Tensor) -> Tensor:
        """Logits (…, V) of the stream (…, d), after any layer: the logit lens."""
        logits: Tensor = self.W_U(self.norm(x))
        return logits


def continuation(
    model: GPT,
    read: Tensor,
    draws: list[float],
    keep: Tensor | None,
    temperature: float,
    k: int,
    top_p: float,
) -> tuple[Tensor, Tensor]:
    """Go on after `read` (T,) by one token a draw: the tokens, and the model's own probability of each.

    Whenever the context is full, its older half is forgotten.
    """
    tokens, chances = read.tolist(), []
    caches: list[list[Tensor]] | None = None
    start = 0
    for draw in draws:
        if len(tokens) - start > model.length:
            start, caches = start + (model.length + 1) // 2, None
        new = tokens[-1:]
        if caches is None:
            new, caches = tokens[start:], [[] for _ in model.blocks]
        z = model(torch.tensor([new], device=read.device), keep, caches=caches)[0, -1]  # (V,)
        token = drawn_token(sampled_from(z, temperature, k, top_p), draw)
        chances.append(z.softmax(0)[token])
        tokens.append(int(token))
    return torch.tensor(tokens[len(read) :]), torch.cat(chances)
