"""Looking into a recurrent layer: what its gates did.

PyTorch's fused layers return h alone. But h is all that the gates need: with every h_{t−1} known, all
positions are one matrix product, and only the cell state of an LSTM is left to be summed up step by step.

Shape letters: `T` positions, `I` inputs, `H` cells of the layer, `K` cells looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Recurrent = nn.LSTM | nn.GRU | nn.RNN
RECURRENT: Mapping[str, type[Recurrent]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def signals(layer: Recurrent, inputs: Tensor, cells: slice = slice(None)) -> dict[str, Tensor]:
    """All signals of some cells of a one-layer network that reads `inputs` (T, I) from the zero state.

    (T, K) each, by name and in this order, h being the last: i, f, g, o, c, h of an LSTM; r, z, n, h of a
    GRU; h of a vanilla RNN. The equations are those of PyTorch's documentation; x brings W_i• x_t + b_i•
    and h brings W_h• h_{t−1} + b_h•.
    """
    hidden: Tensor = layer(inputs)[0]  # (T, H)
    if isinstance(layer, nn.RNN):
        return {"h": hidden[:, cells]}
    before = F.pad(hidden[:-1], (0, 0, 1, 0))  # (T, H), h_{t−1}

    def project(values: Tensor, letter: str) -> tuple[Tensor, ...]:
        """One (T, K) per gate, from the weights and biases of the inputs or of h."""
        weight, bias = getattr(layer, f"weight_{letter}h_l0"), getattr(layer, f"bias_{letter}h_l0")
        w = weight.view(-1, layer.hidden_size, weight.shape[1])[:, cells]  # (gates, K, I or H)
        b = bias.view(-1, layer.hidden_size)[:, cells]  # (gates, K)
        return F.linear(values, w.flatten(0, 1), b.flatten()).view(len(values), *b.shape).unbind(1)

    x, h = project(inputs, "i"), project(before, "h")
    if isinstance(layer, nn.GRU):
        r = torch.sigmoid(x[0] + h[0])
        z = torch.sigmoid(x[1] + h[1])
        n = torch.tanh(x[2] + r * h[2])
        return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * before[:, cells]}
    i = torch.sigmoid(x[0] + h[0])
    f = torch.sigmoid(x[1] + h[1])
    g = torch.tanh(x[2] + h[2])
    o = torch.sigmoid(x[3] + h[3])
    c = accumulate(f, i * g)
    return {"i": i, "f": f, "g": g, "o": o, "c": c, "h": o * c.tanh()}


def accumulate(kept: Tensor, added: Tensor) -> Tensor:
    """c_t = kept_t c_{t−1} + added_t from c = 0: (T, K) each. In NumPy, whose small sums are the quickest."""
    f, c = kept.numpy(force=True), added.numpy(force=True).copy()
    for t in range(1, len(c)):
        c[t] += f[t] * c[t - 1]
    return torch.from_numpy(c).to(added.device)


def kept_and_taken(found: Mapping[str, Tensor]) -> tuple[Tensor, Tensor] | None:
    """Shares of its memory that a cell keeps, and of what is new that it takes in, shaped like a signal.

    f and i of an LSTM, z and 1 − z of a GRU; None of a cell without gates.
    """
    if "f" in found:
        return found["f"], found["i"]
    return (found["z"], 1 - found["z"]) if "z" in found else None


def memory(found: Mapping[str, Tensor]) -> Tensor:
    """A cell's memory, within ±1: tanh c, or h where there is no c."""
    return found["c"].tanh() if "c" in found else found["h"]
