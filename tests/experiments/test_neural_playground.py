"""The neural playground's data, network, objective and optimizers, against torch and closed forms."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

import driving
from descent.contract.panels import Bars, Field, Graph, Heatmap, Histogram
from descent.experiments.training.neural_playground import (
    ACTIVATIONS,
    SAMPLES,
    NeuralPlayground,
    PlaygroundKnobs,
    descend,
    loss_of,
    penalty,
)
from descent.kit.data.planar import CLASSIFICATION, PLANE_FEATURES, REGRESSION, ShuffledBatches, encode, grid
from descent.kit.nn.layers import PlaneNetwork as Network
from descent.kit.text import rough
from driving import Driven

OPTIMIZERS = ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "adamw")
PROBES = {
    "decision_map": Field,
    "network": Graph,
    "confusion": Heatmap,
    "gradients": Bars,
    "weights": Histogram,
}
MODULES = {"tanh": nn.Tanh, "relu": nn.ReLU, "sigmoid": nn.Sigmoid, "linear": nn.Identity}


class Playground(Driven):
    """The experiment, driven as the engine does."""

    def __init__(self, seed: int = 0, **knobs: Any) -> None:
        super().__init__(NeuralPlayground, seed, **knobs)

    @property
    def losses(self) -> list[float]:
        return [row["loss/train"] for row in self.rows]

    def weights(self) -> list[torch.Tensor]:
        return [weight.detach().clone() for weight in self.experiment.model.weights]


def sequential(network: Network, activation: str) -> nn.Sequential:
    """The same network out of torch's own modules."""
    layers: list[nn.Module] = []
    for weight, bias in network.layers:
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = weight.detach().t().clone(), bias.detach().clone()
        layers += [linear, MODULES[activation]()]
    return nn.Sequential(*layers[:-1])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


# --- a weight set by hand


def test_a_weight_is_set_by_hand_at_the_start_or_in_mid_run_and_trained_on() -> None:
    begun = Playground(weight=(2, 3, 5, -1.5))
    assert begun.weights()[1][2, 4] == -1.5
    driven = Playground()
    driven.train(5)
    before = driven.weights()
    driven.change(weight=(1, 2, 8, 4.0))
    after = driven.weights()
    assert after[0][1, 7] == 4
    after[0][1, 7] = before[0][1, 7]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    driven.train(1)
    assert 3 < driven.weights()[0][1, 7] < 5


def test_a_weight_that_the_network_has_not_is_left_alone() -> None:
    driven = Playground()
    before = driven.weights()
    for place in ((0, 1, 1), (4, 1, 1), (1, 3, 1), (3, 1, 2), (1, 0, 1)):
        driven.change(weight=(*place, 1.0))
    assert all(torch.equal(one, other) for one, other in zip(before, driven.weights(), strict=True))


# --- data


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classes_are_balanced_and_labelled_plus_and_minus_one(name: str) -> None:
    samples = CLASSIFICATION[name](500, 0.0, generator())
    assert samples.points.shape == (500, 2)
    assert samples.labels.shape == (500, 1)
    assert samples.labels.unique().tolist() == [-1, 1]
    assert abs(samples.labels.mean()) < 0.15
    assert samples.points.abs().max() < 6


@pytest.mark.parametrize("name", REGRESSION)
def test_regression_targets_span_both_signs_over_the_whole_plane(name: str) -> None:
    samples = REGRESSION[name](2000, 0.0, generator())
    assert samples.points.abs().max() <= 6
    assert samples.points.abs().max() > 5.9
    assert samples.labels.min() < -0.9
    assert samples.labels.max() > 0.9
    assert samples.labels.abs().max() <= 1.2


def test_without_noise_each_rule_holds_exactly() -> None:
    made = {name: maker(400, 0.0, generator()) for name, maker in (CLASSIFICATION | REGRESSION).items()}
    radius = made["circle"].points.norm(dim=1, keepdim=True)
    assert torch.equal(made["circle"].labels > 0, radius < 2.5)
    assert not ((radius > 2.5) & (radius < 3.5)).any()
    assert torch.equal(made["xor"].labels, made["xor"].points.prod(1, keepdim=True).sign())
    assert made["xor"].points.abs().min() >= 0.3
    torch.testing.assert_close(made["plane"].labels, made["plane"].points.sum(1, keepdim=True) / 10)
    along = made["spiral"].points.norm(dim=1) / 5
    turn = torch.stack([(along * 3.5 * math.pi).sin(), (along * 3.5 * math.pi).cos()], 1)
    torch.testing.assert_close(
        made["spiral"].points, 5 * along[:, None] * turn * made["spiral"].labels, atol=1e-4, rtol=0
    )


def test_six_hills_have_alternating_peaks_of_height_one_and_radius_two() -> None:
    samples = REGRESSION["multi-gauss"](4000, 0.0, generator())
    centres = {(-4, 2.5): 1, (0, 2.5): -1, (4, 2.5): 1, (-4, -2.5): -1, (0, -2.5): 1, (4, -2.5): -1}
    expected = torch.zeros(4000)
    for centre, sign in centres.items():
        height = (1 - (samples.points - torch.tensor(centre)).norm(dim=1) / 2).clamp(min=0)
        expected = torch.where(height > expected.abs(), sign * height, expected)
    torch.testing.assert_close(samples.labels[:, 0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["circle", "xor", "plane", "multi-gauss"])
def test_noise_changes_labels_but_moves_no_point(name: str) -> None:
    maker = (CLASSIFICATION | REGRESSION)[name]
    clean, noisy = maker(500, 0.0, generator()), maker(500, 0.5, generator())
    assert torch.equal(clean.points, noisy.points)
    assert not torch.equal(clean.labels, noisy.labels)


@pytest.mark.parametrize("name", ["gauss", "spiral"])
def test_noise_moves_points_but_changes_no_label(name: str) -> None:
    clean, noisy = CLASSIFICATION[name](500, 0.0, generator()), CLASSIFICATION[name](500, 0.5, generator())
    assert torch.equal(clean.labels, noisy.labels)
    assert not torch.equal(clean.points, noisy.points)


@pytest.mark.parametrize(("noise", "variance"), [(0.0, 0.5), (0.5, 4.0)])
def test_clouds_lie_about_their_centres_with_the_stated_variance(noise: float, variance: float) -> None:
    samples = CLASSIFICATION["gauss"](8000, noise, generator())
    assert (samples.points * samples.labels).mean().item() == pytest.approx(2, abs=0.1)
    assert (samples.points - 2 * samples.labels).var().item() == pytest.approx(variance, rel=0.05)


def test_features_are_the_named_functions_of_the_point() -> None:
    inputs = encode(torch.tensor([[2.0, -3.0]]), list(PLANE_FEATURES))
    expected = [2, -3, 4, 9, -6, math.sin(2), math.sin(-3)]
    torch.testing.assert_close(inputs, torch.tensor([expected]))


def test_the_grid_starts_at_the_lowest_cell_and_runs_along_x() -> None:
    assert grid(2).tolist() == [[-3, -3], [3, -3], [-3, 3], [3, 3]]


@pytest.mark.parametrize("size", [1, 10, 32, 250, 400])
def test_an_epoch_covers_each_training_sample_exactly_once(size: int) -> None:
    numbers = torch.arange(250.0)[:, None]
    batches = ShuffledBatches(numbers, -numbers, seed=3)
    count = batches.per_epoch(size)
    for epoch in range(2):
        dealt = [batches.batch(epoch * count + index, size) for index in range(count)]
        assert sorted(torch.cat([inputs for inputs, _ in dealt]).flatten().tolist()) == list(range(250))
        assert all(torch.equal(inputs, -targets) for inputs, targets in dealt)


def test_a_batch_depends_only_on_seed_step_and_size() -> None:
    numbers = torch.arange(250.0)[:, None]
    walked, jumped = ShuffledBatches(numbers, numbers, 3), ShuffledBatches(numbers, numbers, 3)
    for n in range(60):
        walked.batch(n, 7)
        expected = walked.batch(n, 10)
    assert torch.equal(jumped.batch(59, 10)[0], expected[0])
    assert not torch.equal(ShuffledBatches(numbers, numbers, 4).batch(59, 10)[0], expected[0])


@pytest.mark.parametrize("share", [10, 50, 90])
def test_the_training_share_splits_the_data(share: int) -> None:
    picture = Playground(train_ratio=share).look("decision_map")
    assert picture.split.bincount(minlength=3).tolist() == [
        SAMPLES * share // 100,
        SAMPLES - SAMPLES * share // 100,
        0,
    ]


# --- network and objective


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [[2, 1], [2, 8, 8, 1], [7, *[32] * 6, 1]])
def test_forward_equals_torch_modules_with_the_same_weights(activation: str, sizes: list[int]) -> None:
    network = Network(sizes)
    inputs = torch.randn(9, sizes[0])
    outputs = network(inputs, ACTIVATIONS[activation])
    torch.testing.assert_close(outputs, sequential(network, activation)(inputs))
    units = network.units(inputs, ACTIVATIONS[activation])
    assert [unit.shape[1] for unit in units] == sizes
    torch.testing.assert_close(units[-1], outputs)


def test_squared_error_takes_tanh_of_the_output_for_classes_only() -> None:
    z, y = torch.randn(20, 1), torch.randn(20, 1).sign()
    torch.testing.assert_close(loss_of(z, y, PlaygroundKnobs()), F.mse_loss(z.tanh(), y))
    torch.testing.assert_close(loss_of(z, y, PlaygroundKnobs(dataset="plane")), F.mse_loss(z, y))


def test_cross_entropy_equals_binary_cross_entropy_with_logits() -> None:
    z, y = (
        torch.tensor([[-90.0], [-1.5], [0.0], [2.0], [90.0]]),
        torch.tensor([[1.0], [1.0], [-1.0], [-1.0], [-1.0]]),
    )
    expected = F.binary_cross_entropy_with_logits(z, (y + 1) / 2)
    torch.testing.assert_close(loss_of(z, y, PlaygroundKnobs(loss="cross-entropy")), expected)


def test_penalties_are_of_the_weights_and_not_of_the_biases() -> None:
    network = Network([2, 3, 1])
    weights = torch.cat([weight.flatten() for weight in network.weights])
    l1 = penalty(network, PlaygroundKnobs(regularisation="l1", regularisation_rate=0.5))
    l2 = penalty(network, PlaygroundKnobs(regularisation="l2", regularisation_rate=0.5))
    torch.testing.assert_close(l1, 0.5 * weights.abs().sum())
    torch.testing.assert_close(l2, 0.25 * weights.square().sum())


@pytest.mark.parametrize("loss", ["squared-error", "cross-entropy"])
@pytest.mark.parametrize("regularisation", ["none", "l1", "l2"])
def test_a_step_is_torchs_own_step_on_the_documented_objective(loss: str, regularisation: str) -> None:
    knobs = PlaygroundKnobs(loss=loss, regularisation=regularisation, regularisation_rate=0.1, lr=0.2)
    network = Network([2, 8, 8, 1])
    twin = sequential(network, "tanh")
    inputs, y = torch.randn(10, 2), torch.randn(10, 1).sign()

    returned = descend(network, torch.optim.SGD(network.parameters(), lr=0.2, fused=True), (inputs, y), knobs)

    z = twin(inputs)
    if loss == "cross-entropy":
        expected = F.binary_cross_entropy_with_logits(z, (y + 1) / 2)
    else:
        expected = F.mse_loss(z.tanh(), y)
    weights = [layer.weight for layer in twin if isinstance(layer, nn.Linear)]
    prices = {
        "none": torch.zeros(()),
        "l1": 0.1 * sum(weight.abs().sum() for weight in weights),
        "l2": 0.05 * sum(weight.square().sum() for weight in weights),
    }
    (expected + prices[regularisation]).backward()
    gradients = [weight.grad for weight in weights]
    torch.optim.SGD(twin.parameters(), lr=0.2).step()
    torch.testing.assert_close(returned, expected.detach())
    for (mine, _), gradient, theirs in zip(network.layers, gradients, weights, strict=True):
        torch.testing.assert_close(mine.grad, gradient.t())
        torch.testing.assert_close(mine.detach(), theirs.detach().t())


REFERENCE = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "nag": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.0),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_each_optimizer_walks_like_torchs_plain_loop(optimizer: str) -> None:
    playground = Playground(optimizer=optimizer, lr=0.01)
    twin = sequential(playground.experiment.model, "tanh")
    reference = REFERENCE[optimizer](twin.parameters())
    batches = [playground.experiment.batches.batch(n, 10) for n in range(40)]
    playground.train(40)
    for inputs, targets in batches:
        reference.zero_grad()
        F.mse_loss(twin(inputs).tanh(), targets).backward()
        reference.step()
    expected = [layer.weight.detach().t() for layer in twin if isinstance(layer, nn.Linear)]
    torch.testing.assert_close(playground.weights(), expected, atol=1e-4, rtol=1e-3)


def test_adamw_applies_l2_as_decoupled_decay_of_the_weights_alone() -> None:
    plain = Playground(optimizer="adamw", lr=0.1)
    decayed = Playground(optimizer="adamw", lr=0.1, regularisation="l2", regularisation_rate=0.5)
    before = decayed.weights()
    plain.train(1)
    decayed.train(1)
    for weight, undecayed, start in zip(decayed.weights(), plain.weights(), before, strict=True):
        torch.testing.assert_close(weight, undecayed - 0.1 * 0.5 * start)
    for mine, other in zip(decayed.experiment.model.biases, plain.experiment.model.biases, strict=True):
        assert torch.equal(mine, other)


def test_dropout_silences_units_and_scales_the_others_up() -> None:
    network = Network([1, 1000, 1])
    with torch.no_grad():
        network.weights[0].fill_(1.0)
        network.biases[0].zero_()
        network.weights[1].fill_(1 / 1000)
        network.biases[1].zero_()
    torch.manual_seed(0)
    z = network(torch.ones(200, 1), ACTIVATIONS["linear"], 0.3)
    assert z.mean().item() == pytest.approx(1.0, abs=0.01)
    survivors = z * 1000 * 0.7  # each silenced unit takes 1/(1 − p) of a thousandth away
    torch.testing.assert_close(survivors, survivors.round(), atol=1e-2, rtol=0)
    assert survivors.std().item() == pytest.approx(math.sqrt(1000 * 0.3 * 0.7), rel=0.2)


# --- live knobs


def test_a_live_rate_keeps_adams_moments() -> None:
    playground = Playground(optimizer="adam").train(5)
    optimizer = playground.experiment.optimizer
    moments = [state["exp_avg"].clone() for state in optimizer.state.values()]
    playground.change(lr=0.5)
    assert playground.experiment.optimizer is optimizer
    assert all(group["lr"] == 0.5 for group in optimizer.param_groups)
    assert moments
    assert all(torch.equal(a, s["exp_avg"]) for a, s in zip(moments, optimizer.state.values(), strict=True))
    playground.train(1)
    assert all(int(state["step"]) == 6 for state in optimizer.state.values())


def test_switching_the_optimizer_starts_its_moments_anew_and_keeps_the_weights() -> None:
    playground = Playground(optimizer="adam").train(5)
    before = playground.weights()
    playground.change(optimizer="momentum", momentum=0.5)
    assert isinstance(playground.experiment.optimizer, torch.optim.SGD)
    assert not playground.experiment.optimizer.state
    assert playground.experiment.optimizer.param_groups[0]["momentum"] == 0.5
    assert all(torch.equal(a, b) for a, b in zip(before, playground.weights(), strict=True))
    playground.train(3)


def test_momentum_may_be_turned_down_to_zero_live() -> None:
    for optimizer in ("momentum", "nag"):
        playground = Playground(optimizer=optimizer).train(3).change(momentum=0.0)
        before = playground.weights()
        inputs, targets = playground.experiment.batches.batch(3, 10)
        twin = sequential(playground.experiment.model, "tanh")
        F.mse_loss(twin(inputs).tanh(), targets).backward()
        playground.train(1)
        gradient = twin[0].weight.grad
        torch.testing.assert_close(playground.weights()[0], before[0] - 0.03 * gradient.t())


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 33},
        {"batch_size": 500},
        {"activation": "relu"},
        {"loss": "cross-entropy"},
        {"dropout": 0.5},
        {"regularisation": "l2"},
        {"regularisation": "l1", "optimizer": "adamw"},
        {"points": [[0.0, 0.0, -1.0], [1, 2, 1]]},
    ],
)
def test_a_live_knob_takes_effect_and_training_goes_on(change: dict[str, Any]) -> None:
    playground = Playground().train(7)
    playground.change(**change).train(60)
    assert playground.losses[:7] == Playground().train(7).losses
    assert playground.losses != Playground().train(67).losses
    assert all(math.isfinite(loss) for loss in playground.losses)


def test_drawn_points_join_the_training_set_and_leave_the_test_split_alone() -> None:
    playground = Playground().train(3)
    test_before = playground.experiment.inputs[250:].clone()
    playground.change(points=[[0.5, -0.5, -1.0]] * 5)
    experiment = playground.experiment
    assert playground.experiment.steps_per_epoch(playground.knobs) == 26
    assert experiment.train_count == 255
    assert torch.equal(experiment.inputs[255:], test_before)
    picture = playground.look("decision_map")
    assert picture.split.bincount().tolist() == [250, 250, 5]
    assert picture.points[picture.split == 2].tolist() == [[0.5, -0.5]] * 5
    dealt = torch.cat([experiment.batches.batch(26 + n, 10)[0] for n in range(26)])
    assert (dealt == torch.tensor([0.5, -0.5])).all(1).sum() == 5
    playground.change(points=[])
    assert experiment.train_count == 250


# --- scalars


def test_test_loss_and_accuracies_come_at_each_epochs_end_without_dropout() -> None:
    playground = Playground(dropout=0.5).train(50)
    assert playground.experiment.steps_per_epoch(playground.knobs) == 25
    assert [n for n, row in enumerate(playground.rows) if "loss/test" in row] == [24, 49]
    experiment = playground.experiment
    z = sequential(experiment.model, "tanh")(experiment.inputs).detach()
    right = (z > 0) == (experiment.targets > 0)
    assert playground.last("loss/test") == pytest.approx(
        float(F.mse_loss(z[250:].tanh(), experiment.targets[250:]))
    )
    assert playground.last("acc/train") == pytest.approx(float(right[:250].float().mean()))
    assert playground.last("acc/test") == pytest.approx(float(right[250:].float().mean()))


def test_regression_reports_no_accuracy() -> None:
    playground = Playground(dataset="plane").train(25)
    assert set(playground.rows[-1]) == {"loss/train", "loss/test"}


# --- probes


def test_the_decision_map_samples_the_prediction_at_cell_centres() -> None:
    for loss, squash in (("squared-error", 1.0), ("cross-entropy", 0.5)):
        playground = Playground(loss=loss).train(50)
        picture = playground.look("decision_map")
        side = picture.values.shape[0]
        z = sequential(playground.experiment.model, "tanh")(grid(side)).view(side, side)
        torch.testing.assert_close(picture.values, (squash * z).tanh().detach())
        assert picture.boundary == 0


def test_the_network_panel_shows_every_units_weights_and_map() -> None:
    playground = Playground(features=["x1", "x2", "x1*x2"], hidden=[4, 2], activation="relu").train(20)
    with torch.no_grad():
        playground.experiment.model.biases[0][1] = -1e3  # a dead unit
    picture = playground.look("network")
    assert picture.layers == [3, 4, 2, 1]
    first = picture.weights[:12].view(4, 3)  # (out, in)
    torch.testing.assert_close(first, playground.weights()[0].t())
    assert picture.biases[:3].tolist() == [0, 0, 0]
    assert not picture.maps[3 + 1].any()
    side = picture.maps.shape[1]
    torch.testing.assert_close(picture.maps[0].flatten(), grid(side)[:, 0])
    z = sequential(playground.experiment.model, "relu")(encode(grid(side), playground.knobs.features))
    torch.testing.assert_close(picture.maps[-1].flatten(), z.tanh().flatten().detach())


def test_the_confusion_matrix_counts_the_test_split() -> None:
    playground = Playground(noise=30).train(50)
    counts = playground.look("confusion").values
    assert counts.sum() == 250
    assert (counts.trace() / 250).item() == pytest.approx(playground.last("acc/test"))
    positives = playground.experiment.targets[250:] > 0
    assert counts[1].sum() == positives.sum()
    regression = Playground(dataset="multi-gauss").train(50).look("confusion").values
    assert regression.shape == (5, 5)
    assert regression.sum() == 250


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("rest", [{}, {"dropout": 0.4}, {"regularisation": "l2", "regularisation_rate": 0.1}])
def test_the_update_ratio_is_what_the_next_real_step_does(optimizer: str, rest: dict[str, Any]) -> None:
    playground = Playground(optimizer=optimizer, **rest).train(12)
    before = playground.weights()
    norms, ratios = playground.look("gradients").values
    playground.train(1)
    for layer, (old, new) in enumerate(zip(before, playground.experiment.model.weights, strict=True)):
        assert new.grad is not None
        assert norms[layer].item() == pytest.approx(new.grad.norm().item(), rel=1e-4)
        assert ratios[layer].item() == pytest.approx(((new - old).norm() / old.norm()).item(), rel=1e-3)


@pytest.mark.parametrize("panel", PROBES)
@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"hidden": []},
        {"hidden": [32] * 6, "features": list(PLANE_FEATURES), "optimizer": "adam"},
        {"dataset": "plane", "dropout": 0.5, "optimizer": "rmsprop"},
    ],
)
def test_every_panel_has_a_picture_from_step_zero_on_and_changes_nothing(
    panel: str, knobs: dict[str, Any]
) -> None:
    unwatched = Playground(**knobs).train(27)
    watched = Playground(**knobs)
    for _ in range(3):
        assert isinstance(watched.look(panel), PROBES[panel])
        watched.train(9)
    assert watched.losses == unwatched.losses


def test_probes_see_the_network_without_dropout() -> None:
    playground = Playground(dropout=0.8).train(10)
    assert torch.equal(playground.look("decision_map").values, playground.look("decision_map").values)
    with_dropout = playground.look("decision_map").values
    playground.change(dropout=0.0)
    assert torch.equal(playground.look("decision_map").values, with_dropout)


# --- whole runs


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.slow
def test_every_optimizer_lowers_the_loss(optimizer: str) -> None:
    playground = Playground(dataset="circle", optimizer=optimizer, lr=0.03).train(500)
    assert sum(playground.losses[-25:]) < sum(playground.losses[:25]) / 2


def test_the_same_seed_gives_the_same_run_and_another_seed_another() -> None:
    knobs = {"dropout": 0.2, "optimizer": "adam", "noise": 10}
    assert Playground(seed=5, **knobs).train(60).losses == Playground(seed=5, **knobs).train(60).losses
    assert Playground(seed=5, **knobs).train(60).losses != Playground(seed=6, **knobs).train(60).losses


@pytest.mark.parametrize("hidden", [[], [1], [32] * 6])
def test_networks_of_every_depth_train(hidden: list[int]) -> None:
    playground = Playground(dataset="gauss", hidden=hidden).train(300)
    assert playground.last("acc/test") > 0.95


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.slow
def test_the_defaults_learn_the_circle_within_2000_steps(seed: int) -> None:
    assert Playground(seed, dataset="circle").train(2000).last("acc/test") >= 0.95


def test_a_linear_model_is_stable_below_two_over_its_curvature_and_not_above() -> None:
    knobs = dict(NeuralPlayground.presets["edge"].knobs)
    below, above = Playground(**knobs | {"lr": 0.07}).train(250), Playground(**knobs | {"lr": 0.1}).train(100)
    assert below.losses[-1] < 1e-3
    assert above.losses[-1] > 1e6


# --- bad knobs


@pytest.mark.parametrize(
    ("knobs", "field"),
    [
        ({"features": []}, "features: choose at least one"),
        ({"features": ["x1", "x1"]}, "features: name each feature once"),
        ({"dataset": "plane", "loss": "cross-entropy"}, "loss: this data set is regression"),
        ({"points": [[0, 0, 0.5]]}, "points: the label of point 0 is 0.5; it must be −1 or 1"),
        ({"dataset": "plane", "points": [[0, 0, 0.5], [0, 0, 3]]}, "points: the label of point 1 is 3"),
        ({"points": [[6.5, 0, 1]]}, "points"),
        ({"points": [[0, 1]]}, "points"),
        ({"points": [[0, 0, 1]] * 501}, "points"),
        ({"points": [[math.nan, 0, 1]]}, "points"),
        ({"hidden": [8] * 7}, "hidden"),
        ({"hidden": [0]}, "hidden"),
        ({"hidden": [33]}, "hidden"),
        ({"features": ["x3"]}, "features"),
        ({"batch_size": 0}, "batch_size"),
        ({"noise": 51}, "noise"),
    ],
)
def test_knobs_that_cannot_be_used_are_refused_by_name(knobs: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        PlaygroundKnobs(**knobs)


def test_what_is_said_of_the_network_is_what_the_pictures_show() -> None:
    run = driving.Driven(NeuralPlayground).train(30)
    heeded = torch.as_tensor(run.look("network").weights)[-8:]
    unit = int(heeded.abs().argmax())
    said = {"name": str(unit + 1), "weight": rough(float(heeded[unit]))}
    assert run.look("network").reading.values == said
    counts = torch.as_tensor(run.look("confusion").values)
    assert run.look("confusion").reading.values == {"right": counts.trace(), "all": counts.sum()}
    weights = torch.cat([weight.flatten() for weight in run.experiment.model.weights])
    near = f"{100 * float((weights.abs() < 0.1).float().mean()):.0f}"
    assert run.look("weights").reading.values == {"near": near, "width": "0.1"}
    flat = driving.Driven(NeuralPlayground, hidden=[], features=["x1", "x2"]).train(5)
    assert flat.look("network").reading.values["name"] in flat.look("network").labels


def test_of_a_network_of_no_numbers_nothing_is_said() -> None:
    run = driving.Driven(NeuralPlayground)
    driving.break_weights(run.experiment)
    for panel in PROBES:
        assert run.look(panel).reading is None, panel
