"""The Transformer of 2017: an encoder and a decoder made of attention, as in figure 1 of the paper.

    Attention(Q, K, V) = softmax(QKᵀ/√d_k) V                                         (1)
    MultiHead(Q, K, V) = Concat(head_1, …, head_h) W^O,  head_i = Attention(QW_i^Q, KW_i^K, VW_i^V)
    FFN(x) = max(0, xW_1 + b_1) W_2 + b_2                                            (2)
    sublayer: x ← LayerNorm(x + Dropout(Sublayer(x)))
    PE(pos, 2i) = sin(pos/10000^(2i/d)),  PE(pos, 2i + 1) = cos(pos/10000^(2i/d))

Shape letters: B batch, T and S tokens of target and source, d model width, h heads, d_k = d/h, V vocabulary.

Source: Vaswani et al., "Attention Is All You Need" (2017), arXiv:1706.03762, §3.
Departures: source, target and output layer share one embedding, as in the paper (§3.4), which starts normal
with variance 1/d. Tokens are those of `descent.kit.data.translation`: nothing attends to `PAD`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.kit.data.translation import END, PAD, START


def positional_encoding(length: int, d: int) -> Tensor:
    """PE (length, d): sines in the even columns, cosines in the odd ones (§3.5)."""
    position = torch.arange(length)[:, None]
    frequency = 10000 ** (-torch.arange(0, d, 2) / d)
    return torch.stack([(position * frequency).sin(), (position * frequency).cos()], dim=2).flatten(1)


class MultiHeadAttention(nn.Module):
    """h attentions side by side, each over d_k = d/h components (§3.2.2)."""

    def __init__(self, d: int, h: int) -> None:
        super().__init__()
        self.h = h
        self.W_Q, self.W_K, self.W_V, self.W_O = (nn.Linear(d, d, bias=False) for _ in range(4))

    def forward(self, x: Tensor, y: Tensor, allowed: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """Attention of x (B, T, d) to y (B, S, d), where `allowed` (…, T or 1, S) permits it: (B, T, d).

        The weights, (B, h, T, S), are computed for `seen` alone: the fused attention does not show its own.
        """
        Q, K, V = self.split(self.W_Q(x)), self.split(self.W_K(y)), self.split(self.W_V(y))
        if seen is not None:
            scores = Q @ K.mT / math.sqrt(Q.shape[-1])  # QKᵀ/√d_k
            seen.append(scores.masked_fill(~allowed, -torch.inf).softmax(dim=-1))
        heads = F.scaled_dot_product_attention(Q, K, V, attn_mask=allowed)  # softmax(QKᵀ/√d_k) V
        mixed: Tensor = self.W_O(heads.transpose(1, 2).flatten(2))  # Concat(head_1, …, head_h) W^O
        return mixed

    def split(self, x: Tensor) -> Tensor:
        """(B, T, d) → (B, h, T, d_k)."""
        B, T, _ = x.shape
        return x.view(B, T, self.h, -1).transpose(1, 2)


class FeedForward(nn.Sequential):
    """FFN(x) = max(0, xW_1 + b_1) W_2 + b_2 (§3.3)."""

    def __init__(self, d: int, d_ff: int) -> None:
        super().__init__(nn.Linear(d, d_ff), nn.ReLU(), nn.Linear(d_ff, d))


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network (§3.1)."""

    def __init__(self, d: int, h: int, d_ff: int) -> None:
        super().__init__()
        self.attention, self.feed_forward = MultiHeadAttention(d, h), FeedForward(d, d_ff)
        self.norm_1, self.norm_2, self.dropout = nn.LayerNorm(d), nn.LayerNorm(d), nn.Dropout()

    def forward(self, x: Tensor, inside: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """x (B, S, d), looking at all of itself but the padding."""
        x = self.norm_1(x + self.dropout(self.attention(x, x, inside, seen)))
        x = self.norm_2(x + self.dropout(self.feed_forward(x)))
        return x


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder, then the feed-forward network (§3.1)."""

    def __init__(self, d: int, h: int, d_ff: int) -> None:
        super().__init__()
        self.self_attention, self.cross_attention = MultiHeadAttention(d, h), MultiHeadAttention(d, h)
        self.feed_forward, self.dropout = FeedForward(d, d_ff), nn.Dropout()
        self.norm_1, self.norm_2, self.norm_3 = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(
        self, y: Tensor, x: Tensor, past: Tensor, inside: Tensor, seen: list[Tensor] | None = None
    ) -> Tensor:
        """y (B, T, d), looking at its own past, then at the encoder's x (B, S, d)."""
        y = self.norm_1(y + self.dropout(self.self_attention(y, y, past, seen)))
        y = self.norm_2(y + self.dropout(self.cross_attention(y, x, inside, seen)))
        y = self.norm_3(y + self.dropout(self.feed_forward(y)))
        return y


class Transformer(nn.Module):
    """Tokens in, logits of the next token out (figure 1). `longest`: positions that are encoded."""

    def __init__(self, size: int, longest: int, d: int, h: int, d_ff: int, layers: int) -> None:
        super().__init__()
        self.positions = nn.Buffer(positional_encoding(longest, d))
        self.encoder = nn.ModuleList(EncoderLayer(d, h, d_ff) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(d, h, d_ff) for _ in range(layers))
        self.dropout = nn.Dropout()
        for parameter in self.parameters():
            if parameter.ndim == 2:
                nn.init.xavier_uniform_(parameter)
        self.embedding = nn.Parameter(torch.randn(size, d) / math.sqrt(d))

    def embed(self, tokens: Tensor) -> Tensor:
        """Vectors (B, T, d) of tokens (B, T), with their positions added."""
        vectors = F.embedding(tokens, self.embedding) * math.sqrt(self.embedding.shape[1])  # §3.4
        placed: Tensor = self.dropout(vectors + self.positions[: tokens.shape[1]])
        return placed

    def encode(self, source: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """Tokens (B, S) → (B, S, d)."""
        x = self.embed(source)
        for layer in self.encoder:
            x = layer(x, unpadded(source), seen)
        return x

    def decode(self, target: Tensor, x: Tensor, source: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """Logits (B, T, V) of the token after each of `target` (B, T), x being the encoded source."""
        y = self.embed(target)
        past = torch.ones(2 * target.shape[1:], dtype=torch.bool, device=y.device).tril()  # (T, T)
        for layer in self.decoder:
            y = layer(y, x, past, unpadded(source), seen)
        return y @ self.embedding.T

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Logits (B, T, V) of the token after each of `target` (B, T)."""
        return self.decode(target, self.encode(source), source)

    def write(self, source: Tensor, most: int) -> Tensor:
        """The model's output for one source (1, S): (1, T + 1).

        That is `START` and then the likeliest token each time, until `END` or until there are `most`.
        """
        x = self.encode(source)
        target = torch.full((1, 1), START, device=source.device)
        while target.shape[1] <= most and target[0, -1] != END:
            following = self.decode(target, x, source)[:, -1:].argmax(dim=2)
            target = torch.cat([target, following], dim=1)
        return target


def unpadded(source: Tensor) -> Tensor:
    """Where attention to a source (B, S) may look: not at padding, (B, 1, 1, S)."""
    return (source != PAD)[:, None, None]
