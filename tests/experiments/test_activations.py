"""Activation functions: their slopes, what becomes of matrices without one, and of gradients with one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import driving
from descent.engine.observe import look
from descent.experiments.training.activations import (
    ACTIVATIONS,
    FAR,
    NAMES,
    POINTS,
    ActivationKnobs,
    Activations,
    Network,
    flow,
    loss_of,
    slope,
)
from descent.kit.text import rough
from driving import said_of, take
from driving import take as train

Rows = list[dict[str, float]]


def built(seed: int = 0, **knobs: Any) -> tuple[Activations, ActivationKnobs]:
    return driving.built(Activations, seed, **knobs)


def accuracy(experiment: Activations, name: str) -> float:
    answers = experiment.networks[name](experiment.x)
    return float((answers * experiment.y > 0).float().mean())


# --- the functions


@pytest.mark.slow
def test_slopes_are_those_of_the_formulas() -> None:
    z = torch.linspace(-6, 6, 1201, dtype=torch.float64)
    z = z[z != 0]
    normal = torch.distributions.Normal(0.0, 1.0)
    expected = {
        "none": torch.ones_like(z),
        "sigmoid": z.sigmoid() * (1 - z.sigmoid()),
        "tanh": 1 - z.tanh() ** 2,
        "relu": (z > 0).double(),
        "leaky": torch.where(z > 0, 1.0, 0.01).double(),
        "gelu": normal.cdf(z) + z * normal.log_prob(z).exp(),
    }
    assert list(expected) == NAMES
    for name, phi in ACTIVATIONS.items():
        torch.testing.assert_close(slope(phi, z), expected[name])


def test_the_sigmoids_slope_is_largest_at_0_where_it_is_a_quarter() -> None:
    z = torch.linspace(-8, 8, 1601)
    found = slope(torch.sigmoid, z)
    assert found.max().item() == 0.25
    assert z[found.argmax()].item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("activation", "largest"), [("sigmoid", "0.25"), ("tanh", "1"), ("relu", "1"), ("gelu", "1.13")]
)
def test_the_chart_shows_values_and_slopes_with_the_largest(activation: str, largest: str) -> None:
    experiment, knobs = built(activation=activation)
    picture = look(experiment, knobs, "functions")
    z = torch.as_tensor(picture.x)
    for i, phi in enumerate(ACTIVATIONS.values()):
        torch.testing.assert_close(picture.values[0, i], phi(z))
        torch.testing.assert_close(picture.values[1, i], slope(phi, z))
    assert picture.notes[1] == f"max φ′ = {largest}"
    group, series, at, height = picture.dots.T
    assert series.unique().tolist() == [NAMES.index(activation)]
    on_curve = ACTIVATIONS[activation](at[group == 0])
    torch.testing.assert_close(height[group == 0], on_curve)


# --- one matrix


@pytest.mark.parametrize("depth", [1, 4, 10])
def test_without_activation_all_layers_are_one_matrix(depth: int) -> None:
    torch.manual_seed(depth)
    network = Network(depth, ACTIVATIONS["none"]).double()
    for layer in network.layers:
        torch.nn.init.normal_(layer.bias)
    weight = torch.eye(2, dtype=torch.float64)
    for layer in network.layers:
        weight = layer.weight @ weight
    network.float()
    a, c = network.product()
    torch.testing.assert_close(a, weight[0].float(), atol=1e-5, rtol=1e-4)
    x = torch.randn(200, 2)
    torch.testing.assert_close(network(x), x @ a + c, atol=1e-4, rtol=1e-4)


def test_w2_w1_is_the_two_layer_network_without_activation_and_not_with_one() -> None:
    x = torch.randn(100, 2)
    for name, phi in ACTIVATIONS.items():
        torch.manual_seed(0)
        network = Network(1, phi)
        w1, w2 = network.layers[0].weight, network.layers[1].weight
        torch.testing.assert_close(network.product()[0], (w2 @ w1)[0])
        apart = (network(x) - x @ (w2 @ w1)[0]).abs().max()
        assert (apart < 1e-5) == (name == "none"), name


def test_the_panel_lays_the_product_over_the_chosen_network() -> None:
    experiment, _ = built(depth=3)
    train(experiment, ActivationKnobs(depth=3), 20)
    for name in NAMES:
        answers = look(experiment, ActivationKnobs(activation=name, depth=3), "collapse").values[0]
        apart = (answers[0] - answers[1]).abs().max().item()
        assert (apart < 1e-5) == (name == "none"), name


# --- gradients through depth


def test_the_flow_is_backpropagation_by_hand() -> None:
    torch.manual_seed(3)
    network = Network(4, torch.tanh)
    x, y = torch.randn(30, 2), torch.randn(30).sign()
    z = network.sums(x)
    delta = (-y * torch.sigmoid(-y * z[-1][:, 0]) / 30)[:, None]  # ∂L/∂z of the output
    expected = [delta.norm()]
    for layer, below in zip(reversed(network.layers[1:]), reversed(z[:-1]), strict=True):
        delta = (1 - below.tanh() ** 2) * (delta @ layer.weight)  # δ_l = φ′(z_l) ⊙ W_{l+1}ᵀ δ_{l+1}
        expected.append(delta.norm())
    torch.testing.assert_close(flow(network, x, y), torch.stack(expected[::-1]))
    torch.testing.assert_close(z[-1][:, 0], network(x))


@pytest.mark.parametrize("seed", range(4))
def test_ten_layers_of_sigmoid_pass_on_less_than_a_quarter_each_and_the_others_far_more(seed: int) -> None:
    experiment, _ = built(seed)
    flows = {name: flow(experiment.networks[name], experiment.x, experiment.y) for name in NAMES}
    per_layer = {name: float(found[0] / found[-1]) ** 0.1 for name, found in flows.items()}
    assert 0.2 < per_layer["sigmoid"] < 0.25
    assert 0.85 < per_layer["none"] < 1.15  # the weights keep the length
    assert 0.85 < per_layer["tanh"] < 1.15
    assert 0.55 < per_layer["relu"] < 0.8  # √½: half of the units pass it on
    assert per_layer["gelu"] == pytest.approx(0.5, abs=0.08)  # its slope at 0


def test_the_chart_puts_the_chosen_networks_share_into_a_power() -> None:
    experiment, knobs = built(activation="sigmoid")
    picture = look(experiment, knobs, "gradients")
    values = picture.values[0]
    assert values.shape == (7, 11)
    assert torch.equal(values[:, -1], torch.ones(7))
    torch.testing.assert_close(values[6, 0].item(), 0.25**10)
    share = values[NAMES.index("sigmoid"), 0].item()
    (note,) = picture.notes
    assert note.endswith(f"{share**0.1:.3f}¹⁰")
    assert note.startswith("‖δ₁‖ / ‖δ₁₁‖ = 4")


def test_all_six_begin_with_the_same_weights() -> None:
    experiment, _ = built(2)
    first, *others = (network.state_dict() for network in experiment.networks.values())
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)
    weights = torch.cat([layer.weight.flatten() for layer in experiment.networks["relu"].layers[1:-1]])
    assert weights.std().item() == pytest.approx(0.25, rel=0.05)  # √(1/n), n = 16


def test_a_step_is_gradient_descent_on_the_same_points_for_all() -> None:
    experiment, knobs = built(depth=2, lr=0.3)
    twin, _ = built(depth=2, lr=0.3)
    optimizers = {name: torch.optim.SGD(network.parameters(), 0.3) for name, network in twin.networks.items()}
    for n in range(3):
        twin.step_index = n
        (row,) = train(experiment, knobs, 1)
        for name in NAMES:
            loss = twin.objectives(ActivationKnobs(activation=name))[""].loss()
            assert row[f"loss/{name}"] == pytest.approx(loss.item(), abs=1e-6)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
    for name, network in experiment.networks.items():
        torch.testing.assert_close(network.state_dict(), twin.networks[name].state_dict())


def test_the_loss_is_the_logistic_one() -> None:
    z, y = torch.randn(40), torch.randn(40).sign()
    torch.testing.assert_close(loss_of(z, y), F.binary_cross_entropy_with_logits(z, (y + 1) / 2))
    assert loss_of(torch.zeros(3), torch.ones(3)).item() == pytest.approx(math.log(2))


@pytest.mark.slow
def test_what_leaves_all_bounds_is_out_and_the_others_go_on() -> None:
    experiment, knobs = built(lr=1.0)
    rows = train(experiment, knobs, 120)
    assert "none" not in experiment.racing
    assert "sigmoid" in experiment.racing
    assert "loss/none" not in rows[-1]
    assert all(math.isfinite(value) and value <= FAR for row in rows for value in row.values())
    for panel in ("gradients", "maps", "asleep", "functions", "collapse", "sums"):
        for name in NAMES:
            look(experiment, ActivationKnobs(activation=name), panel)


# --- what the page promises


@pytest.mark.slow
def test_by_default_relu_and_tanh_learn_and_sigmoid_and_none_do_not() -> None:
    experiment, knobs = built()
    rows = train(experiment, knobs, 300)
    assert {name: accuracy(experiment, name) > 0.99 for name in NAMES} == {
        "none": False,
        "sigmoid": False,
        "tanh": True,
        "relu": True,
        "leaky": True,
        "gelu": False,
    }
    lately = {name: np.mean([row[f"loss/{name}"] for row in rows[-40:]]) for name in NAMES}
    assert lately["sigmoid"] == pytest.approx(0.693, abs=0.01)
    assert lately["relu"] < 0.1


def test_two_clouds_need_no_activation() -> None:
    experiment, knobs = built(dataset="gauss")
    train(experiment, knobs, 60)
    assert accuracy(experiment, "none") == 1


def test_a_sleeping_unit_is_one_that_no_point_wakes() -> None:
    experiment, knobs = built(depth=1)
    bias = experiment.networks["relu"].layers[0].bias
    with torch.no_grad():
        bias[:4] = -100.0
    assert look(experiment, knobs, "asleep").values[0, NAMES.index("relu")].item() == 4 / 16


def test_the_histograms_count_every_unit_and_point_or_nearly() -> None:
    experiment, knobs = built(depth=3)
    counts = torch.as_tensor(look(experiment, knobs, "sums").counts)
    assert counts.shape == (3, 41)
    assert (counts.sum(1) > 0.94 * POINTS * 16).all()


def test_what_is_said_of_the_networks_is_what_the_pictures_show() -> None:
    experiment, knobs = built()
    take(experiment, knobs, 10)
    picture, said = said_of(experiment, knobs, "gradients")
    shares = dict(zip(picture.series[:-1], picture.values[0, :-1, 0].tolist(), strict=True))
    assert said["low"] == min(shares, key=shares.__getitem__)
    assert (said["high"], said["most"]) == (max(shares, key=shares.__getitem__), rough(max(shares.values())))
    bars, said = said_of(experiment, knobs, "asleep")
    assert said["most"] == rough(100 * float(bars.values.max()))
    said = said_of(experiment, knobs, "maps")[1]
    name = next(name for name, title in Activations.titles.items() if title == said["high"])
    right = ((experiment.networks[name](experiment.x) > 0) == (experiment.y > 0)).float().mean()
    assert said["most"] == rough(100 * float(right))


def test_only_layers_without_a_function_are_one_matrix() -> None:
    for activation, verdict in (("none", "Yes"), ("tanh", "No")):
        experiment, knobs = built(activation=activation)
        assert look(experiment, knobs, "collapse").reading.text.startswith(verdict)


def test_no_share_is_told_of_a_network_of_no_numbers() -> None:
    experiment, knobs = driving.built(Activations)
    driving.break_weights(experiment)
    for panel in ("functions",):
        assert driving.look(experiment, knobs, panel).reading is None, panel
