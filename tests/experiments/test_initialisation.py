"""Initialisation: the formulas, and what ten layers make of each of them."""

from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import driving
from descent.engine.observe import look
from descent.experiments.training.initialisation import (
    ACTIVATIONS,
    DEPTH,
    FAR,
    SCHEMES,
    SHOWN,
    Initialisation,
    InitKnobs,
    Network,
    Scheme,
    deviation,
)
from descent.kit.nn.activations import ActivationName
from descent.kit.text import rough
from driving import said_of
from driving import take as train

Rows = list[dict[str, float]]


def built(seed: int = 0, **knobs: Any) -> tuple[Initialisation, InitKnobs]:
    return driving.built(Initialisation, seed, **knobs)


def network(scheme: Scheme, activation: str, seed: int, width: int = 100, gain: float = 1.0) -> Network:
    found = Network(width, ACTIVATIONS[activation])
    return found.initialise(scheme, gain, torch.Generator().manual_seed(seed))


def accuracies(experiment: Initialisation, knobs: InitKnobs) -> dict[str, float]:
    return dict(zip(SCHEMES, look(experiment, knobs, "accuracy").values[0].tolist(), strict=True))


# --- the formulas


@pytest.mark.parametrize(("below", "above"), [(64, 100), (100, 100), (100, 10)])
def test_deviations_are_those_of_the_formulas_and_of_torch(below: int, above: int) -> None:
    assert deviation("zeros", below, above) == 0
    assert deviation("small", below, above) == 0.01
    assert deviation("large", below, above) == 1
    assert deviation("own", below, above, 1.7) == pytest.approx(1.7 * math.sqrt(1 / below))
    assert deviation("xavier", below, above) == pytest.approx(math.sqrt(2 / (below + above)))
    assert deviation("he", below, above) == pytest.approx(math.sqrt(2 / below))

    def drawn(draw: Any, **rest: Any) -> float:
        torch.manual_seed(0)
        return float(torch.stack([draw(torch.empty(above, below), **rest) for _ in range(60)]).std())

    assert drawn(nn.init.xavier_normal_) == pytest.approx(deviation("xavier", below, above), rel=0.02)
    he = drawn(nn.init.kaiming_normal_, nonlinearity="relu")
    assert he == pytest.approx(deviation("he", below, above), rel=0.02)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_weights_have_the_schemes_deviation_and_are_the_same_numbers(scheme: Scheme) -> None:
    experiment, _ = built(gain=1.3)
    for layer, large in zip(
        experiment.networks[scheme].layers, experiment.networks["large"].layers, strict=True
    ):
        above, below = layer.weight.shape
        expected = deviation(scheme, below, above, 1.3)
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
        torch.testing.assert_close(layer.weight, large.weight * expected)
        assert layer.bias is None


def test_a_gain_of_root_2_is_he() -> None:
    experiment, _ = built(gain=math.sqrt(2))
    for own, he in zip(experiment.networks["own"].layers, experiment.networks["he"].layers, strict=True):
        torch.testing.assert_close(own.weight, he.weight)


# --- through ten layers


def kept(scheme: Scheme, activation: str, seeds: int = 16, **rest: Any) -> tuple[float, float]:
    """Mean ratio, over networks, of the variance in the tenth layer to that in the first: of h, and of δ."""
    experiment, _ = built(activation=activation)
    x, y = experiment.x[:128], experiment.y[:128]
    ratios = []
    for seed in range(seeds):
        outputs, deltas = network(scheme, activation, seed, **rest).signals(x, y)
        variances = [[values.double().var().item() for values in signal] for signal in (outputs, deltas)]
        ratios.append((variances[0][-1] / variances[0][0], variances[1][0] / variances[1][-1]))
    forwards, backwards = np.mean(ratios, axis=0)
    return float(forwards), float(backwards)


@pytest.mark.parametrize(("scheme", "activation"), [("he", "relu"), ("xavier", "tanh")])
def test_he_with_relu_and_xavier_with_tanh_keep_the_variance_within_a_factor_of_2(
    scheme: Scheme, activation: str
) -> None:
    forwards, backwards = kept(scheme, activation)
    assert 0.5 < forwards < 2
    assert 0.5 < backwards < 2


@pytest.mark.parametrize(
    ("scheme", "activation", "least", "most"),
    [
        ("xavier", "relu", 0.5**9 / 2, 0.5**9 * 2),  # half is lost in each of nine layers
        ("own", "relu", 0.5**9 / 2, 0.5**9 * 2),
        ("he", "tanh", 3, 100),
        ("small", "relu", 1e-23, 1e-18),
        ("small", "tanh", 1e-20, 1e-16),
        ("large", "relu", 1e13, 1e18),
    ],
)
def test_the_others_do_not(scheme: Scheme, activation: str, least: float, most: float) -> None:
    for ratio in kept(scheme, activation, seeds=8):
        assert least < ratio < most


def test_large_weights_saturate_tanh() -> None:
    experiment, _ = built(activation="tanh")
    outputs, _ = network("large", "tanh", 0).signals(experiment.x[:128], experiment.y[:128])
    assert (outputs[-1].abs() > 0.9).float().mean() > 0.8
    outputs, _ = network("xavier", "tanh", 0).signals(experiment.x[:128], experiment.y[:128])
    assert (outputs[-1].abs() > 0.9).float().mean() < 0.01


@pytest.mark.parametrize("activation", get_args(ActivationName))
@pytest.mark.slow
def test_zeros_keep_all_units_of_a_layer_identical(activation: str) -> None:
    experiment, knobs = built(activation=activation, lr=0.5)
    train(experiment, knobs, 60)
    zeros = experiment.networks["zeros"]
    outputs, _ = zeros.signals(experiment.x[:64], experiment.y[:64])
    for output, layer in zip(outputs, zeros.layers[:-1], strict=True):
        assert len(output.T.unique(dim=0)) == 1
        assert len(layer.weight.unique(dim=0)) == 1
    if activation != "sigmoid":
        assert not any(layer.weight.any() for layer in zeros.layers)  # h = 0: not even the output learns
    else:
        assert zeros.layers[-1].weight.any()
    different = look(experiment, knobs, "different").values[0].tolist()
    assert different[SCHEMES.index("zeros")] == 1
    assert different[SCHEMES.index("small")] > 90


def test_the_signals_are_backpropagations() -> None:
    found = network("he", "tanh", 1, width=12)
    x, y = torch.randn(20, 64), torch.randint(10, (20,))
    outputs, deltas = found.signals(x, y)
    torch.testing.assert_close(found.layers[-1](outputs[-1]), found(x))
    delta = (found(x).softmax(1) - F.one_hot(y, 10)) / 20
    for layer, output, expected in zip(
        reversed(found.layers[1:]), reversed(outputs), reversed(deltas), strict=True
    ):
        delta = (1 - output**2) * (delta @ layer.weight)  # δ_l = φ′(z_l) ⊙ W_{l+1}ᵀ δ_{l+1}
        torch.testing.assert_close(expected, delta)


def test_the_chart_shows_deviations_now_and_at_the_start() -> None:
    experiment, knobs = built()
    before = torch.as_tensor(look(experiment, knobs, "signal").values)
    assert before.shape == (4, 6, DEPTH)
    torch.testing.assert_close(before[:2], before[2:], equal_nan=True)
    assert before[:, SCHEMES.index("zeros")].isnan().all()  # no place on a logarithmic axis
    outputs, deltas = experiment.networks["he"].signals(experiment.x[:128], experiment.y[:128])
    he = SCHEMES.index("he")
    torch.testing.assert_close(before[0, he], torch.stack([h.std() for h in outputs]))
    torch.testing.assert_close(before[1, he], torch.stack([delta.std() for delta in deltas]))
    train(experiment, knobs, 30)
    after = torch.as_tensor(look(experiment, knobs, "signal").values)
    torch.testing.assert_close(after[2:], before[2:], equal_nan=True)
    assert not torch.equal(after[0, he], before[0, he])
    small = after[0, SCHEMES.index("small")]  # float32 has no squares of such numbers
    assert 1e-14 < small[-1] < 1e-11


def test_the_histograms_show_all_layers_on_one_scale() -> None:
    experiment, knobs = built(activation="tanh", scheme="xavier")
    for panel, symbol in (("activations", "h"), ("gradients", "δ")):
        picture = look(experiment, knobs, panel)
        edges, counts = torch.as_tensor(picture.edges), torch.as_tensor(picture.counts)
        assert picture.names[0] == f"{symbol}₁"
        assert (edges == edges[0]).all()
        assert (counts.sum(1) > 0.95 * 128 * 100).all()
    of_relu = look(*built(), "activations")
    assert (torch.as_tensor(of_relu.edges)[:, 0] == 0).all()


# --- training


def test_a_step_is_gradient_descent_on_the_same_digits_for_all() -> None:
    experiment, knobs = built(activation="tanh", lr=0.1)
    twin, _ = built(activation="tanh", lr=0.1)
    optimizers = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in twin.networks.items()}
    for n in range(2):
        twin.step_index = n
        (row,) = train(experiment, knobs, 1)
        for name in SCHEMES:
            loss = twin.objectives(InitKnobs(scheme=name))[""].loss()
            assert row[f"loss/{name}"] == pytest.approx(loss.item(), rel=1e-5)
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
    for name, network in experiment.networks.items():
        torch.testing.assert_close(network.state_dict(), twin.networks[name].state_dict())


@pytest.mark.slow
def test_by_default_he_learns_first_and_small_zeros_and_large_never() -> None:
    experiment, knobs = built()
    rows = train(experiment, knobs, 250)
    lately = {name: np.mean([row.get(f"loss/{name}", math.nan) for row in rows[-20:]]) for name in SCHEMES}
    assert lately["he"] < 0.1
    assert lately["zeros"] == pytest.approx(math.log(10), abs=1e-3)
    assert lately["small"] == pytest.approx(math.log(10), abs=1e-3)
    assert lately["he"] < 1 < lately["xavier"] <= lately["own"] < math.log(10)
    assert "large" not in experiment.racing
    right = accuracies(experiment, knobs)
    assert right["he"] > 0.9
    assert max(right["zeros"], right["small"], right["large"]) < 0.2


@pytest.mark.slow
def test_tanh_learns_with_xavier() -> None:
    experiment, knobs = built(**Initialisation.presets["tanh"].knobs)
    assert look(experiment, knobs, "signal").notes[2].startswith("σ = 0.1, std h₁₀ / std h₁ = 0.8")
    train(experiment, knobs, 200)
    right = accuracies(experiment, knobs)
    assert right["xavier"] > 0.9
    assert right["large"] < 0.5


def test_preset_small_leaves_less_than_a_ten_billionth() -> None:
    experiment, knobs = built(**Initialisation.presets["small"].knobs)
    deviations = torch.as_tensor(look(experiment, knobs, "signal").values)[0, SCHEMES.index("small")]
    assert deviations[-1] / deviations[0] < 1e-10
    assert float(deviations[-1] / deviations[0]) ** (1 / 9) == pytest.approx(0.07, abs=0.005)


@pytest.mark.parametrize("seed", [0, 1])
def test_preset_large_is_out_before_its_first_step(seed: int) -> None:
    experiment, knobs = built(seed, **Initialisation.presets["large"].knobs)
    assert experiment.objectives(knobs)[""].loss().item() > 1e8
    before = experiment.networks["large"].layers[0].weight.clone()
    (row,) = train(experiment, knobs, 1)
    assert "loss/large" not in row
    assert torch.equal(experiment.networks["large"].layers[0].weight, before)
    assert all(value <= FAR for value in row.values())


@pytest.mark.slow
def test_preset_zeros_teaches_large_alone() -> None:
    experiment, knobs = built(**Initialisation.presets["zeros"].knobs)
    train(experiment, knobs, 200)
    right = accuracies(experiment, knobs)
    assert right.pop("large") > 0.5
    assert max(right.values()) < 0.2


@pytest.mark.parametrize("seed", [0, 1])
def test_preset_gain_doubles_in_each_layer_and_breaks(seed: int) -> None:
    experiment, knobs = built(seed, **Initialisation.presets["gain"].knobs)
    deviations = experiment.first[0, SCHEMES.index("own")]
    assert float(deviations[-1] / deviations[0]) ** (1 / 9) == pytest.approx(2, abs=0.15)
    assert deviations[-1] / deviations[0] > 300
    train(experiment, knobs, 10)
    assert "own" not in experiment.racing


def test_what_is_said_of_the_chosen_start_is_what_the_pictures_show() -> None:
    experiment, knobs = built()
    picture, said = said_of(experiment, knobs, "signal")
    forward, backward = picture.values[:2, list(picture.series).index(said["scheme"])]
    assert said["forward"] == rough(float(forward[-1] / forward[0]))
    assert said["back"] == rough(float(backward[0] / backward[-1]))
    picture, said = said_of(experiment, knobs, "different")
    assert said["count"] == picture.values[0, list(picture.labels).index(said["scheme"])]
    picture, said = said_of(experiment, knobs, "accuracy")
    assert said["most"] == rough(100 * float(picture.values.max()))


def test_nothing_is_said_of_a_signal_that_is_none() -> None:
    experiment, knobs = built(scheme="zeros")
    assert said_of(experiment, knobs, "signal")[1] == said_of(experiment, knobs, "sizes")[1] == {}
    assert said_of(experiment, knobs, "different")[1]["count"] == 1


def test_what_is_said_of_sizes_is_what_the_layers_hold() -> None:
    experiment, knobs = built()
    take = experiment.networks[knobs.scheme]
    outputs, deltas = take.signals(experiment.x[:SHOWN], experiment.y[:SHOWN])
    said = said_of(experiment, knobs, "activations")[1]
    assert float(said["last"]) == pytest.approx(float(outputs[-1].abs().mean()), rel=0.06)
    said = said_of(experiment, knobs, "gradients")[1]
    assert float(said["first"]) == pytest.approx(float(deltas[0].abs().mean()), rel=0.06)
    rows = take.layers[0].weight.detach()[: len(look(experiment, knobs, "weights").pixels)]
    said = said_of(experiment, knobs, "weights")[1]
    assert said == {
        "sigma": rough(float(rows.var(correction=0).sqrt())),
        "most": rough(float(rows.abs().max())),
    }


def test_of_layers_of_no_numbers_nothing_is_said() -> None:
    experiment, knobs = built()
    driving.break_weights(experiment)
    for panel in ("activations", "gradients", "weights"):
        assert said_of(experiment, knobs, panel)[1] == {}, panel
