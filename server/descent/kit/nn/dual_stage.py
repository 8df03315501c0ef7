"""DA-RNN's encoder, which attends to its inputs, and decoder, which attends to the encoder's steps.

Qin et al. (2017), arXiv:1704.02971, §3; the equations' numbers are the paper's. Each can do without its
attention.

Shape letters: `B` windows, `T` steps, `K` sensors, `m` and `p` units of the encoder and of the decoder.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class InputAttention(nn.Module):
    """An LSTM that weighs its K inputs anew before each step. Without attention it takes them as they are."""

    def __init__(self, sensors: int, steps: int, m: int, *, attends: bool) -> None:
        super().__init__()
        self.m, self.attends = m, attends
        if not attends:
            self.lstm = nn.LSTM(sensors, m, batch_first=True)
            return
        self.cell = nn.LSTMCell(sensors, m)
        self.W_e = nn.Linear(2 * m, steps)
        self.U_e = nn.Linear(steps, steps, bias=False)
        self.v_e = nn.Linear(steps, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """h (B, T, m) and α (B, T, K), empty without attention, of windows x (B, T, K)."""
        if not self.attends:
            return self.lstm(x)[0], x.new_empty(0)
        h = s = x.new_zeros(len(x), self.m)
        U = self.U_e(x.transpose(1, 2))  # (B, K, T): the same at all steps
        states, weights = [], []
        for x_t in x.unbind(1):
            W = self.W_e(torch.cat([h, s], 1))[:, None]  # (B, 1, T)
            α = self.v_e(torch.tanh(W + U))[..., 0].softmax(1)  # (B, K), equations 8 and 9
            h, s = self.cell(α * x_t, (h, s))  # equations 10 and 11
            states.append(h)
            weights.append(α)
        return torch.stack(states, 1), torch.stack(weights, 1)


class TemporalAttention(nn.Module):
    """An LSTM over the target's past that looks at the encoder's h; without attention, at the last one."""

    def __init__(self, m: int, p: int, *, attends: bool) -> None:
        super().__init__()
        self.p, self.attends = p, attends
        self.cell = nn.LSTMCell(1, p)
        self.w = nn.Linear(1 + m, 1)  # w̃, b̃
        self.W_y = nn.Linear(p + m, p)
        self.v_y = nn.Linear(p, 1)
        if attends:
            self.W_d = nn.Linear(2 * p, m)
            self.U_d = nn.Linear(m, m, bias=False)
            self.v_d = nn.Linear(m, 1, bias=False)

    def forward(self, h: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """ŷ_T (B,) and β_T (B, T), empty without attention, of h (B, T, m) and y_1 … y_{T−1} (B, T − 1)."""
        d = s = h.new_zeros(len(h), self.p)
        c, β = h[:, -1], h.new_empty(0)
        U = self.U_d(h) if self.attends else h  # (B, T, m)
        for t in range(h.shape[1]):  # at step t + 1
            before = torch.cat([d, s], 1)
            if t:
                d, s = self.cell(self.w(torch.cat([y[:, t - 1 : t], c], 1)), (d, s))
            if self.attends:
                β = self.v_d(torch.tanh(self.W_d(before)[:, None] + U))[..., 0].softmax(1)  # (B, T)
                c = (β[:, None] @ h)[:, 0]  # (B, m)
        return self.v_y(self.W_y(torch.cat([d, c], 1)))[:, 0], β


class Predicted(NamedTuple):
    """ŷ_T (B,), α (B, T, K) and β_T (B, T); empty where there is no such attention."""

    y: Tensor
    α: Tensor
    β: Tensor


class DARNN(nn.Module):
    """Encoder and decoder, with both attentions or without one."""

    def __init__(
        self, sensors: int, steps: int, m: int, p: int, *, inputs: bool = True, temporal: bool = True
    ) -> None:
        super().__init__()
        self.encoder = InputAttention(sensors, steps, m, attends=inputs)
        self.decoder = TemporalAttention(m, p, attends=temporal)

    def forward(self, x: Tensor, y: Tensor) -> Predicted:
        """Predict y_T from x (B, T, K) and y (B, T − 1)."""
        h, α = self.encoder(x)
        said, β = self.decoder(h, y)
        return Predicted(said, α, β)


class PlainLSTM(nn.Module):
    """One LSTM over sensors and target's past."""

    def __init__(self, sensors: int, m: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(sensors + 1, m, batch_first=True)
        self.readout = nn.Linear(m, 1)

    def forward(self, x: Tensor, y: Tensor) -> Predicted:
        """Predict y_T from x (B, T, K) and y (B, T − 1); in place of y_0 comes 0."""
        h, _ = self.lstm(torch.cat([x, F.pad(y, (1, 0))[..., None]], 2))
        return Predicted(self.readout(h[:, -1])[:, 0], x.new_empty(0), x.new_empty(0))
