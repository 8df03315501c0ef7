"""What the presets of `neural-playground` say is to be seen."""

from __future__ import annotations

import torch

from claims import claim
from descent.experiments.training.neural_playground import NeuralPlayground
from driving import Driven, built, change, take


def flat(run: Driven) -> float:
    """The share of hidden units whose map is 0 everywhere."""
    inputs = len(run.knobs.features)
    maps = run.look("network").maps[inputs:-1]
    return float((maps.flatten(1).abs().amax(1) == 0).float().mean())


@claim(NeuralPlayground, "spiral")
def test_sines_and_adam_do_in_1000_steps_what_sgd_needs_20000_for(run: Driven) -> None:
    quick = run.train(1000).last("acc/test")
    assert quick > 0.9
    slow, knobs = built(NeuralPlayground, run.experiment.seed)
    rows = take(slow, knobs, 1000)
    assert max(row.get("acc/test", 0) for row in rows) < 0.75
    last = max(row.get("acc/test", 0) for row in take(slow, knobs, 19_000)[-500:])
    assert last > 0.85


@claim(NeuralPlayground, "dead-relus")
def test_dead_units_stay_dead_at_a_smaller_rate(run: Driven) -> None:
    before = flat(run.train(600))
    assert before >= 0.1
    assert run.last("acc/test") < 0.65
    run.change(lr=0.01)
    assert flat(run.train(600)) >= before - 0.1
    assert run.last("acc/test") < 0.7


@claim(NeuralPlayground, "too-large")
def test_a_saturated_network_is_flat_and_stays_so(run: Driven) -> None:
    values = torch.as_tensor(run.train(500).look("decision_map").values)
    assert (values.abs() > 0.95).float().mean() > 0.9
    assert run.change(lr=0.03).train(500).last("acc/test") < 0.65


@claim(NeuralPlayground, "edge")
def test_the_plane_is_learnt_below_two_over_24_and_no_further(run: Driven) -> None:
    assert run.train(250).last("loss/train") < 1e-3
    above = change(run.experiment, run.knobs, lr=0.1)
    assert take(run.experiment, above, 150)[-1]["loss/train"] > 1e2


@claim(NeuralPlayground, "overfitting")
def test_the_test_loss_climbs_while_the_training_loss_goes_to_nothing(run: Driven) -> None:
    run.train(2000)
    held = [row["loss/test"] for row in run.rows if "loss/test" in row]
    assert held[-1] > 1.3 * min(held)
    losses = [row["loss/train"] for row in run.rows]
    assert sum(losses[-50:]) < 0.2 * sum(losses[:50])
    assert run.last("acc/train") > run.last("acc/test") + 0.1


@claim(NeuralPlayground, "vanishing")
def test_sigmoids_shrink_the_gradient_layer_by_layer(run: Driven) -> None:
    norms = torch.as_tensor(run.train(100).look("gradients").values[0])
    assert (norms[1:] > norms[:-1]).all()
    assert norms[-1] > 1000 * norms[0]
    assert run.train(1500).last("acc/train") < 0.7
    tanh, knobs = built(
        NeuralPlayground, run.experiment.seed, **{**run.knobs.model_dump(), "activation": "tanh"}
    )
    assert max(row.get("acc/train", 0) for row in take(tanh, knobs, 3000)) > 0.9


@claim(NeuralPlayground, "sparse")
def test_all_weights_but_those_of_the_squares_shrink(run: Driven) -> None:
    run.train(3000)
    sizes = run.experiment.model.weights[0].detach().abs().amax(1).tolist()
    size = dict(zip(run.knobs.features, sizes, strict=True))
    squares = min(size.pop("x1^2"), size.pop("x2^2"))
    assert squares > 10 * max(size.values())
    assert max(size.values()) < 0.03
