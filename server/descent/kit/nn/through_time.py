"""How far a change of a recurrent network's state reaches: the Jacobians of its steps, and their products.

A state s is (S,): h of a vanilla RNN and of a GRU, h and then c of an LSTM. Shape letters: `T` steps, `I`
inputs, `D` units. The equations are those of PyTorch's documentation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import jacrev, vmap

from descent.kit.nn.gates import Recurrent, signals


def next_state(layer: Recurrent, x: Tensor, state: Tensor) -> Tensor:
    """s_t of a one-layer network from x_t (I,) and s_{t−1} (S,)."""
    h = state[: layer.hidden_size]
    from_x = layer.weight_ih_l0 @ x + layer.bias_ih_l0  # type: ignore[operator]
    from_h = layer.weight_hh_l0 @ h + layer.bias_hh_l0  # type: ignore[operator]
    if isinstance(layer, nn.RNN):
        return torch.tanh(from_x + from_h)
    if isinstance(layer, nn.GRU):
        (x_r, x_z, x_n), (h_r, h_z, h_n) = from_x.chunk(3), from_h.chunk(3)
        z = torch.sigmoid(x_z + h_z)
        return (1 - z) * torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n) + z * h
    i, f, g, o = (from_x + from_h).chunk(4)
    c = f.sigmoid() * state[layer.hidden_size :] + i.sigmoid() * g.tanh()
    return torch.cat([o.sigmoid() * c.tanh(), c])


def states(layer: Recurrent, inputs: Tensor) -> Tensor:
    """s_0 = 0 to s_T of a network that reads `inputs` (T, I): (T + 1, S)."""
    found = signals(layer, inputs)
    reached = torch.cat([found[name] for name in ("h", "c") if name in found], 1)  # (T, S)
    return torch.cat([torch.zeros_like(reached[:1]), reached])


def jacobians(layer: Recurrent, inputs: Tensor) -> Tensor:
    """∂s_t/∂s_{t−1} for t = 1 to T: (T, S, S)."""
    step = vmap(jacrev(lambda state, x: next_state(layer, x, state)))
    found: Tensor = step(states(layer, inputs)[:-1], inputs)
    return found


def to_the_end(jacobians: Tensor) -> Tensor:
    """∂s_T/∂s_t for t = 0 to T, the products of the Jacobians (T, S, S) that follow t: (T + 1, S, S)."""
    product = torch.eye(jacobians.shape[-1], dtype=jacobians.dtype, device=jacobians.device)
    products = [product]
    for jacobian in jacobians.flip(0):
        product = product @ jacobian
        products.append(product)
    return torch.stack(products[::-1])


def reach(layer: Recurrent, inputs: Tensor) -> Tensor:
    """How much of a change of the memory at t is left at the end, for t = 0 to T: (T + 1,).

    That is ‖∂m_T/∂m_t‖_F/√D, the root mean square over directions of the change; m is c in an LSTM, else h.
    """
    products = to_the_end(jacobians(layer, inputs))
    memory = slice(products.shape[-1] - layer.hidden_size, None)
    return products[:, memory, memory].square().sum((1, 2)).div(layer.hidden_size).sqrt()
