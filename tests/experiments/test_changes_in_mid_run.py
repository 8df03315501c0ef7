"""A knob changed as it trains: exactly the next step is another one, and nothing else."""

from __future__ import annotations

import pytest
import torch

from descent.experiments.optimisation.descent_2d import Descent2D
from descent.experiments.training.neural_playground import NeuralPlayground
from driving import Driven


def test_a_rate_is_not_baked_into_the_velocity() -> None:
    """v ← μv + g, θ ← θ − ηv with curvatures 20 and 200: the old rate leaves no trace in v (by hand)."""
    run = Driven(
        Descent2D, racers=["momentum"], start=(-1.5, 2.0), condition=10.0, momentum=0.9, lr_momentum=0.0005
    )
    run.train(1).change(lr_momentum=0.005).train(3)
    losses = [row["loss/momentum"] for row in run.rows]
    assert losses == pytest.approx([422.5, 346.05225, 338.4360225, 1056.5860644], rel=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_penalty_switched_on_shrinks_the_weights_in_the_very_next_step(optimizer: str) -> None:
    """By ηλ of themselves, through the gradient or beside it, and the biases not at all."""
    plain, priced = (Driven(NeuralPlayground, optimizer=optimizer).train(500) for _ in range(2))
    priced.change(regularisation="l2", regularisation_rate=0.3)
    before = [weight.detach().clone() for weight in plain.experiment.model.weights]
    plain.train(1)
    priced.train(1)
    for start, one, other in zip(
        before, plain.experiment.model.weights, priced.experiment.model.weights, strict=True
    ):
        torch.testing.assert_close(other - one, -0.03 * 0.3 * start, rtol=1e-3, atol=1e-6)
    for one, other in zip(plain.experiment.model.biases, priced.experiment.model.biases, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
