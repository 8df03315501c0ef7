"""Batch normalisation against torch's own, the copies against single networks, and what the presets say."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from descent.experiments.training.batch_norm import (
    CEILING,
    RACE,
    RATES,
    RECENT,
    TRAIN,
    BatchNorm,
    BatchNormalisation,
    BatchNormKnobs,
    Network,
    losses,
    shown,
)
from descent.kit.text import rough
from driving import Driven, break_weights, built, said_of, take


class Run(Driven):
    """The experiment, driven as the engine does."""

    def __init__(self, seed: int = 0, **knobs: Any) -> None:
        super().__init__(BatchNormalisation, seed, **knobs)


def pair(units: int, eps: float, momentum: float) -> tuple[BatchNorm, nn.BatchNorm1d]:
    """Ours and torch's, with the same γ and β."""
    ours, theirs = BatchNorm(units), nn.BatchNorm1d(units, eps=eps, momentum=momentum)
    with torch.no_grad():
        theirs.weight.copy_(ours.gamma.copy_(torch.randn(units)))
        theirs.bias.copy_(ours.beta.copy_(torch.randn(units)))
    return ours, theirs


def weights(*sizes: int) -> list[torch.Tensor]:
    return [torch.randn(a, b) / math.sqrt(a) for a, b in pairwise(sizes)]


# --- the formulas


@pytest.mark.parametrize("batch", [2, 3, 64])
@pytest.mark.parametrize(("eps", "momentum"), [(1e-5, 0.1), (0.5, 1.0)])
def test_forward_backward_and_running_statistics_equal_torchs(
    batch: int, eps: float, momentum: float
) -> None:
    torch.manual_seed(0)
    ours, theirs = pair(5, eps, momentum)
    for _ in range(3):
        mine = (3 * torch.randn(batch, 5) + 1).requires_grad_()
        other = mine.detach().clone().requires_grad_()
        direction = torch.randn(batch, 5)
        y, expected = ours(mine, eps, momentum), theirs(other)
        torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-4)
        (y * direction).sum().backward()
        (expected * direction).sum().backward()
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4, rtol=1e-4)
    assert ours.gamma.grad is not None
    torch.testing.assert_close(ours.gamma.grad, theirs.weight.grad, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.beta.grad, theirs.bias.grad)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)  # of the unbiased variance
    x = torch.randn(7, 5)
    torch.testing.assert_close(ours.eval()(x, eps, momentum), theirs.eval()(x), atol=1e-5, rtol=1e-4)


def test_eval_mode_and_a_momentum_of_zero_leave_the_running_statistics() -> None:
    norm = BatchNorm(4)
    norm(torch.randn(8, 4), 1e-5)
    norm.eval()(torch.randn(8, 4), 1e-5, 0.1)
    assert torch.equal(norm.running_mean, torch.zeros(4))
    assert torch.equal(norm.running_var, torch.ones(4))


def test_a_normalised_batch_has_mean_beta_and_deviation_gamma() -> None:
    norm, _ = pair(6, 1e-5, 0.1)
    y = norm(5 * torch.randn(100, 6) - 3, 1e-8)
    torch.testing.assert_close(y.mean(0), norm.beta.detach(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(y.std(0, correction=0), norm.gamma.detach().abs(), atol=1e-5, rtol=1e-4)


def test_a_batch_of_two_becomes_plus_and_minus_one() -> None:
    y = BatchNorm(50)(torch.randn(2, 50), 1e-12)
    torch.testing.assert_close(y.abs(), torch.ones(2, 50), atol=1e-3, rtol=0)
    torch.testing.assert_close(y.sum(0), torch.zeros(50), atol=1e-5, rtol=0)


def test_a_batch_of_one_becomes_beta_and_takes_the_running_variance_towards_zero() -> None:
    norm, _ = pair(5, 1e-5, 0.1)
    for _ in range(10):
        y = norm(torch.randn(1, 5), 1e-5, 0.1)
        assert torch.equal(y[0], norm.beta)
    torch.testing.assert_close(norm.running_var, torch.full((5,), 0.9**10))


def test_scaling_the_weights_below_changes_nothing_once_normalised() -> None:
    w = weights(64, 16, 16, 10)
    x = torch.randn(32, 64)
    scaled = [5 * w[0], 0.1 * w[1], w[2]]
    knobs = BatchNormKnobs(eps=1e-8)
    plain = [Network(each, normalised=False)(x, knobs) for each in (w, scaled)]
    normalised = [Network(each, normalised=True)(x, knobs) for each in (w, scaled)]
    torch.testing.assert_close(normalised[0], normalised[1], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(plain[1], plain[0] / 2)  # 5 · 0.1, as ReLU passes a factor on


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("normalised", [False, True])
def test_the_network_equals_torchs_modules(activation: str, normalised: bool) -> None:
    torch.manual_seed(1)
    w, knobs = weights(64, 12, 12, 10), BatchNormKnobs(activation=activation)
    modules: list[nn.Module] = []
    function = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[activation]
    for weight in w:
        linear = nn.Linear(*weight.shape, bias=False)
        linear.weight.data = weight.t().clone()
        modules += [linear, *([nn.BatchNorm1d(weight.shape[1])] if normalised else []), function()]
    twin = nn.Sequential(*modules[: -2 if normalised else -1])
    x, labels = torch.randn(20, 64), torch.randint(10, (20,))
    logits = Network(w, normalised=normalised)(x, knobs)
    torch.testing.assert_close(logits, twin(x), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses(logits, labels), F.cross_entropy(logits, labels))


def test_losses_are_taken_per_batch() -> None:
    logits, labels = torch.randn(3, 8, 10), torch.randint(10, (3, 8))
    expected = torch.stack([F.cross_entropy(a, b) for a, b in zip(logits, labels, strict=True)])
    torch.testing.assert_close(losses(logits, labels), expected)
    alike = torch.stack([F.cross_entropy(each, labels[0]) for each in logits])
    torch.testing.assert_close(losses(logits, labels[0]), alike)


# --- training


@pytest.mark.parametrize("kind", [0, 1], ids=["plain", "normalised"])
def test_each_copy_goes_the_way_of_a_single_network_with_its_rate(kind: int) -> None:
    run = Run(depth=2, width=8)
    knobs, at = run.knobs, 5
    single = Network(run.experiment.initial, normalised=bool(kind))
    optimizer = torch.optim.SGD(single.parameters(), float(RATES[at]))
    expected = 0.0
    for _ in range(4):
        images, labels = run.experiment._batch(knobs)
        loss = F.cross_entropy(single(images, knobs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected = RECENT * expected + (1 - RECENT) * loss.item()
        run.train(1)
    assert run.experiment.race_losses[kind, at].item() == pytest.approx(expected, rel=1e-4)
    for mine, copies in zip(single.parameters(), run.experiment.copies[kind].parameters(), strict=True):
        torch.testing.assert_close(copies[at].view_as(mine), mine, atol=1e-5, rtol=1e-4)


def test_both_networks_take_the_step_of_plain_gradient_descent() -> None:
    run = Run(depth=2, width=8, lr=0.2)
    images, labels = run.experiment._batch(run.knobs)
    for name in ("plain", "normalised"):
        network = getattr(run.experiment, name)
        before = [p.detach().clone().requires_grad_() for p in network.parameters()]
        twin = Network(run.experiment.initial, normalised=name == "normalised")
        gradients = torch.autograd.grad(
            F.cross_entropy(twin(images, run.knobs), labels), list(twin.parameters())
        )
        fresh = Run(depth=2, width=8, lr=0.2).train(1)
        after = getattr(fresh.experiment, name).parameters()
        for old, gradient, new in zip(before, gradients, after, strict=True):
            torch.testing.assert_close(new, old - 0.2 * gradient)


def test_both_networks_begin_with_the_same_weights() -> None:
    experiment = Run().experiment
    for one, other in zip(experiment.plain.weights, experiment.normalised.weights, strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()


@pytest.mark.slow
def test_a_rate_of_one_breaks_the_plain_network_and_not_the_normalised_one() -> None:
    run = Run().train(120)
    assert run.last("loss/plain") < 1.5
    run.change(lr=1.0).train(80)
    assert run.last("acc/plain") < 0.2
    assert run.last("loss/plain") > 2
    assert run.last("acc/bn") > 0.9
    plain, normalised, guessing = run.look("tolerance").values[0]
    assert run.experiment.raced == RACE
    learnt = [(curve < 0.5).sum().item() for curve in (plain, normalised)]
    assert learnt[1] >= learnt[0] + 3  # of thirteen rates
    assert guessing[0].item() == pytest.approx(math.log(10))


def test_a_broken_plain_network_does_not_end_the_run() -> None:
    run = Run(gain=20.0, lr=1.0, width=16).train(30)
    assert not all(weight.isfinite().all() for weight in run.experiment.plain.weights)
    assert run.last("loss/plain") == CEILING
    assert all(math.isfinite(value) for row in run.rows for value in row.values())
    assert list(run.experiment.objectives(run.knobs)) == ["batch norm"]


def test_running_averages_that_lag_spoil_eval_mode_only() -> None:
    lagging = Run(momentum=0.001, depth=2).train(51)
    usual = Run(depth=2).train(51)
    assert lagging.last("test/batch") == usual.last("test/batch")
    assert lagging.last("test/running") > usual.last("test/running") + 0.5


def test_batches_of_one_teach_the_normalised_network_nothing_but_the_output_bias() -> None:
    run = Run(batch_size=1, depth=2, width=8).train(30)
    for layer, weight in enumerate(run.experiment.normalised.weights[:-1]):
        assert torch.equal(weight, run.experiment.initial[layer])
    assert run.experiment.normalised.biases[0].abs().sum() > 0


def test_the_copies_start_anew_when_their_task_changes_and_only_then() -> None:
    run = Run(depth=1, width=4).train(3)
    run.change(lr=0.5, momentum=0.5)
    assert run.experiment.raced == 3
    run.change(batch_size=8)
    assert run.experiment.raced == 0
    assert torch.equal(run.experiment.copies[0].weights[0][2], run.experiment.initial[0])


def test_the_copies_rest_after_the_race() -> None:
    run = Run(depth=1, width=4).train(RACE)
    before = [p.detach().clone() for p in run.experiment.copies[1].parameters()]
    run.train(2)
    after = run.experiment.copies[1].parameters()
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


# --- what is shown


def test_the_test_split_is_never_trained_on() -> None:
    run = Run(depth=1, width=4)
    seen = set()
    for _ in range(200):
        images, _ = run.experiment._batch(run.knobs)
        seen |= {tuple(image) for image in images.tolist()}
        run.experiment.step_index += 1
    held_out = {tuple(image) for image in run.experiment.images[TRAIN:].tolist()}
    train = {tuple(image) for image in run.experiment.images[:TRAIN].tolist()}
    assert len(run.experiment.images) == 1797
    assert seen <= train
    assert not seen & (held_out - train)


def test_histograms_count_every_value_of_the_batch() -> None:
    picture = Run(depth=3, width=8, gain=20.0).train(2).look("distributions")
    assert picture.names[:2] == ["layer 1, plain", "layer 1, batch norm"]
    assert picture.counts.sum(1).tolist() == [64 * 8] * 6


@pytest.mark.slow
def test_the_history_of_activations_is_bounded_and_keeps_its_steps() -> None:
    run = Run(depth=1, width=4).train(300)
    picture = run.look("drift")
    assert run.experiment.stride == 2
    assert len(picture.x) < 256
    assert picture.x[:3].tolist() == [0, 2, 4]
    assert picture.x[-1] == 300


def test_the_unit_shown_is_the_one_that_is_measured() -> None:
    run = Run(depth=2, width=8).train(3)
    picture = run.look("unit")
    x, x_hat, y = picture.values[0]
    torch.testing.assert_close(x_hat.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)
    assert x_hat.std(correction=0).item() == pytest.approx(1, abs=1e-3)
    norm = run.experiment.normalised.norms[-1]
    torch.testing.assert_close(y, norm.gamma[0] * x_hat + norm.beta[0], atol=1e-5, rtol=1e-4)
    run.train(1)
    assert x.mean().item() == pytest.approx(run.last("unit/mean"), abs=1e-5)
    assert x.var(correction=0).item() == pytest.approx(run.last("unit/var"), rel=1e-4)


def test_what_is_beyond_the_charts_is_drawn_at_their_edge() -> None:
    values = torch.tensor([0.5, 7.0, math.inf, math.nan])
    assert shown(values).tolist() == [0.5, CEILING, CEILING, CEILING]


def test_what_is_said_of_the_layers_is_what_the_pictures_show() -> None:
    experiment, knobs = built(BatchNormalisation)
    assert said_of(experiment, knobs, "tolerance")[1] == {}
    take(experiment, knobs, 30)
    picture, said = said_of(experiment, knobs, "tolerance")
    low = (picture.values[0, :2] < math.log(10) / 2).sum(1).tolist()
    assert said == {"all": len(picture.x), "plain": low[0], "norm": low[1]}
    picture, said = said_of(experiment, knobs, "drift")
    spread = (picture.high - picture.values)[0, :, -1].tolist()
    assert [float(said["plain"]), float(said["norm"])] == pytest.approx(spread, rel=0.06)
    picture, said = said_of(experiment, knobs, "learnt")
    ends = [rough(float(end)) for edges in picture.edges for end in (edges[0], edges[-1])]
    assert [said["low"], said["high"], said["below"], said["above"]] == ends


def test_nothing_is_said_of_a_network_of_no_numbers() -> None:
    experiment, knobs = built(BatchNormalisation)
    with torch.no_grad():
        for parameter in experiment.plain.parameters():
            parameter.fill_(float("nan"))
    assert said_of(experiment, knobs, "distributions")[1] == said_of(experiment, knobs, "drift")[1] == {}


def test_what_is_normalised_away_is_the_mean_and_deviation_of_the_drawn_values() -> None:
    experiment, knobs = built(BatchNormalisation)
    picture, said = said_of(experiment, knobs, "unit")
    x = torch.as_tensor(picture.values).view(3, -1)[0].double()
    sigma = math.sqrt(float(((x - x.mean()) ** 2).mean()))
    assert float(said["mean"].replace("−", "-")) == pytest.approx(float(x.mean()), rel=0.06, abs=1e-6)
    assert float(said["sigma"]) == pytest.approx(sigma, rel=0.06)
    break_weights(experiment)
    assert said_of(experiment, knobs, "unit")[1] == {}
