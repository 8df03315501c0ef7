"""Eight rules that turn gradients into steps, each as its paper has it.

With the gradient g = ∇L(θ) of a mini-batch, every operation elementwise, and buffers that start at 0:

    SGD        θ ← θ − η g                                    Robbins and Monro 1951
    Momentum   v ← μ v + g,  θ ← θ − η v                      Polyak 1964
    NAG        v ← μ v + g,  θ ← θ − η (g + μ v)              Nesterov 1983; Sutskever et al. 2013, §2
    Adagrad    s ← s + g²,  θ ← θ − η g / (√s + ε)            Duchi et al. 2011, §1
    Adadelta   s ← ρ s + (1 − ρ) g²,  d = √(u + ε) / √(s + ε) · g,
               u ← ρ u + (1 − ρ) d²,  θ ← θ − η d             Zeiler 2012, arXiv:1212.5701, algorithm 1
    RMSprop    v ← β₂ v + (1 − β₂) g²,  θ ← θ − η g / (√v + ε)
                                                              Hinton 2012, lecture 6e
    Adam       m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,
               θ ← θ − η m̂ / (√v̂ + ε), m̂ = m / (1 − β₁ⁿ), v̂ = v / (1 − β₂ⁿ)
                                                              Kingma and Ba 2015, arXiv:1412.6980, algorithm 1
    AdamW      θ ← θ − η λ θ, then as Adam                    Loshchilov and Hutter 2019, algorithm 2

All but AdamW take weight decay into the gradient, g ← g + λ θ. `torch.optim` has them all, and faster; these
show the update, and can spell it out in numbers.
Departures: η stands outside v, and NAG follows the looked-ahead point, as in PyTorch; Adadelta's step is
scaled by η (1 in the paper).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from descent.kit.text import term


class Rule(Optimizer):
    """θ ← θ − η · (what the rule makes of g), one parameter tensor after the other.

    A rule writes its buffers and coefficients under the names `torch.optim` gives them.
    """

    decoupled = False  # weight decay: shrinks θ itself, instead of joining the gradient

    def __init__(self, parameters: Any, lr: float, weight_decay: float = 0.0, **coefficients: Any) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, **coefficients})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Move every parameter by the rule."""
        for k in self.param_groups:
            for theta in k["params"]:
                g = theta.grad
                if self.decoupled:
                    theta.mul_(1 - k["lr"] * k["weight_decay"])  # θ ← θ − η λ θ
                elif k["weight_decay"]:
                    g = g + k["weight_decay"] * theta  # g ← g + λ θ
                theta.sub_(k["lr"] * self.direction(theta, g, k))

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The factor of −η; updates the buffers."""
        raise NotImplementedError

    def buffer(self, theta: Tensor, name: str) -> Tensor:
        """The buffer of that name, like θ, 0 at first."""
        state = self.state[theta]
        if name not in state:
            state[name] = torch.zeros_like(theta)
        return state[name]

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The direction in symbols and in numbers, where g, θ, −Δθ/η and the buffers are as in `at`."""
        raise NotImplementedError

    def last_step(self, theta: Tensor, index: int, g: float, moved: float, rate: float) -> str:
        """The last step of one element of θ in the rule's formula, with its numbers; empty if it is none."""
        if not math.isfinite(moved):
            return ""
        k = self.param_groups[0]
        before = float(theta.detach().flatten()[index]) - moved
        at = {
            name: float(buffer.flatten()[index]) if isinstance(buffer, Tensor) else buffer
            for name, buffer in self.state.get(theta, {}).items()
        }
        at |= {"theta": before, "d": -moved / rate}
        at["g"] = g if self.decoupled else g + k["weight_decay"] * before
        symbols, numbers = self.spelled(at, k)
        return f"Δθ = −η · {symbols} = −{term(rate)} · {numbers} = {term(moved)}"


class SGD(Rule):
    """Straight against the gradient."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is g itself."""
        return g

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The gradient alone."""
        return "g", term(at["g"])


class Momentum(Rule):
    """A heavy ball: it keeps μ of its velocity."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is the velocity v."""
        v = self.buffer(theta, "momentum_buffer")
        v.mul_(k["momentum"]).add_(g)  # v ← μ v + g
        return v

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The kept velocity, and the new gradient."""
        return "(μ v + g)", f"({term(at['momentum_buffer'] - at['g'])} + {term(at['g'])})"


class NAG(Momentum):
    """The heavy ball, which looks ahead."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is g + μ v."""
        v = super().direction(theta, g, k)
        return g + k["momentum"] * v

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The gradient, and the look ahead."""
        return "(g + μ v)", f"({term(at['g'])} + {term(k['momentum'] * at['momentum_buffer'])})"


class Adagrad(Rule):
    """A rate of its own for each weight, smaller the more gradient it has had."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is g / (√s + ε)."""
        s = self.buffer(theta, "sum")
        s.add_(g**2)  # s ← s + g²
        return g / (s.sqrt() + k["eps"])

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The gradient, over the root of the sum of all its squares."""
        return "g / (√s + ε)", f"{term(at['g'])} / {term(math.sqrt(at['sum']) + k['eps'])}"


class Adadelta(Rule):
    """The mean size of past steps takes the place of the rate."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is d = √(u + ε) / √(s + ε) · g."""
        rho, eps = k["rho"], k["eps"]
        s, u = self.buffer(theta, "square_avg"), self.buffer(theta, "acc_delta")
        s.mul_(rho).add_((1 - rho) * g**2)  # s ← ρ s + (1 − ρ) g²
        d: Tensor = (u + eps).sqrt() / (s + eps).sqrt() * g
        u.mul_(rho).add_((1 - rho) * d**2)  # u ← ρ u + (1 − ρ) d²
        return d

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The mean size of past steps, over that of gradients, times the gradient."""
        s = math.sqrt(at["square_avg"] + k["eps"])
        u = at["d"] / at["g"] * s if at["g"] else math.sqrt(at["acc_delta"] + k["eps"])  # before the step
        return "√(u + ε) / √(s + ε) · g", f"{term(u)} / {term(s)} · {term(at['g'])}"


class RMSprop(Rule):
    """As Adagrad, but old gradients are forgotten."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is g / (√v + ε)."""
        v, beta2 = self.buffer(theta, "square_avg"), k["alpha"]
        v.mul_(beta2).add_((1 - beta2) * g**2)  # v ← β₂ v + (1 − β₂) g²
        return g / (v.sqrt() + k["eps"])

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The gradient, over its root mean square."""
        return "g / (√v + ε)", f"{term(at['g'])} / {term(math.sqrt(at['square_avg']) + k['eps'])}"


class Adam(Rule):
    """Momentum's mean gradient over RMSprop's root, both corrected for having started at 0."""

    def direction(self, theta: Tensor, g: Tensor, k: dict[str, Any]) -> Tensor:
        """The direction is m̂ / (√v̂ + ε)."""
        beta1, beta2 = k["betas"]
        m, v = self.buffer(theta, "exp_avg"), self.buffer(theta, "exp_avg_sq")
        n = self.state[theta]["step"] = self.state[theta].get("step", 0) + 1
        m.mul_(beta1).add_((1 - beta1) * g)  # m ← β₁ m + (1 − β₁) g
        v.mul_(beta2).add_((1 - beta2) * g**2)  # v ← β₂ v + (1 − β₂) g²
        m_hat = m / (1 - beta1**n)
        v_hat = v / (1 - beta2**n)
        return m_hat / (v_hat.sqrt() + k["eps"])

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """The corrected mean gradient, over the corrected root mean square."""
        (beta1, beta2), n = k["betas"], at["step"]
        m, root = at["exp_avg"] / (1 - beta1**n), math.sqrt(at["exp_avg_sq"] / (1 - beta2**n))
        return "m̂ / (√v̂ + ε)", f"{term(m)} / {term(root + k['eps'])}"


class AdamW(Adam):
    """Adam, with weight decay beside the gradient instead of in it."""

    decoupled = True

    def spelled(self, at: Mapping[str, float], k: Mapping[str, Any]) -> tuple[str, str]:
        """Adam's direction, and the decay beside it."""
        symbols, numbers = super().spelled(at, k)
        return f"({symbols} + λ θ)", f"({numbers} + {term(k['weight_decay'] * at['theta'])})"
