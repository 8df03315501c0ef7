"""The check: by hand against autograd, differences against Taylor, and every bug in every layer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from descent.engine.observe import look
from descent.experiments.optimisation.gradient_check import (
    EPSILONS,
    SIZES,
    WRONG,
    CheckKnobs,
    GradientCheck,
    P,
    autograd,
    blocks,
    by_hand,
    differences,
    forward,
    loss_of,
    matrices,
    relative_error,
    suspect,
)
from descent.kit.text import rough
from driving import built, said_of
from driving import take as run

ACTIVATIONS = ["tanh", "sigmoid", "relu"]
BUGS = ["slope", "sign", "sum", "bias", "unit"]


def make(seed: int = 0, **knobs: Any) -> tuple[GradientCheck, CheckKnobs]:
    return built(GradientCheck, seed, **{"bug": "none", **knobs})


def at(experiment: GradientCheck) -> tuple[Tensor, Tensor, Tensor]:
    return experiment.network().detach(), experiment.x, experiment.y


# The network, its derivatives and their differences


def test_the_network_is_three_linear_layers() -> None:
    θ, x, y = at(make()[0])
    layers: list[nn.Module] = []
    for W, b in matrices(θ):
        linear = nn.Linear(*W.shape).double()
        with torch.no_grad():
            linear.weight.copy_(W.T)
            linear.bias.copy_(b[0])
        layers += [linear, nn.Tanh()]
    expected = nn.Sequential(*layers)(x)
    torch.testing.assert_close(forward(θ, x, "tanh")[-1], expected)
    torch.testing.assert_close(loss_of(θ, x, y, "tanh"), nn.functional.mse_loss(expected, y))
    assert len(θ) == P == sum((below + 1) * units for below, units in pairwise(SIZES))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("seed", range(3))
def test_without_a_bug_the_derivatives_by_hand_are_autograds(activation: Any, seed: int) -> None:
    experiment, knobs = make(seed, activation=activation)
    run(experiment, knobs, 8)
    torch.testing.assert_close(
        by_hand(*at(experiment), knobs), autograd(*at(experiment), activation), rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize(
    ("activation", "steps"), [("tanh", 0), ("tanh", 250), ("sigmoid", 0), ("sigmoid", 60)]
)
@pytest.mark.slow
def test_every_right_derivative_is_within_a_millionth_in_float64(activation: Any, steps: int) -> None:
    experiment, knobs = make(activation=activation)
    run(experiment, knobs, steps)
    each, _ = experiment._each(knobs)
    assert each.max() < 1e-6
    (row,) = run(experiment, knobs, 1)
    assert max(row["check/hand"], row["check/float64"]) < 1e-8
    assert row["check/layer"] == 0


def test_differences_are_what_they_say() -> None:
    θ, x, y = at(make()[0])
    found = differences(θ, x, y, "tanh", torch.tensor([1e-3, 1e-2], dtype=torch.float64), torch.float64)
    for row, ε in enumerate((1e-3, 1e-2)):
        for i in (0, 50, P - 1):
            step = torch.zeros_like(θ)
            step[i] = ε
            ahead, here, behind = (loss_of(place, x, y, "tanh") for place in (θ + step, θ, θ - step))
            assert found.two_sided[row, i].item() == pytest.approx(((ahead - behind) / (2 * ε)).item())
            assert found.one_sided[row, i].item() == pytest.approx(((ahead - here) / ε).item())


def test_the_error_falls_with_the_order_of_the_difference_then_rises_with_rounding() -> None:
    """Two-sided: ε², one-sided: ε; both 1/ε on the other side of the valley."""
    θ, x, y = at(make()[0])
    right = autograd(θ, x, y, "tanh")

    def errors(ε: list[float], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        found = differences(θ, x, y, "tanh", torch.tensor(ε, dtype=torch.float64), dtype)
        return relative_error(right, found.two_sided), relative_error(right, found.one_sided)

    two, one = errors([1e-2, 1e-3, 1e-10, 1e-11], torch.float64)
    assert two[0] / two[1] == pytest.approx(100, rel=0.1)
    assert one[0] / one[1] == pytest.approx(10, rel=0.1)
    assert 4 < two[3] / two[2] < 25
    two, one = errors([1e-2, 1e-5, 1e-6], torch.float32)
    assert 4 < two[2] / two[1] < 25
    assert two[0] < 0.1 * one[0]


@pytest.mark.parametrize("seed", range(3))
def test_either_precision_has_its_valley_near_the_cube_root_of_its_rounding(seed: int) -> None:
    picture = look(*make(seed), "valley")
    lowest = {name: picture.values[0, i] for i, name in enumerate(picture.series)}
    places = {name: EPSILONS[values.argmin()].item() for name, values in lowest.items()}
    assert 1e-6 < places["two-sided"] < 1e-4
    assert 1e-3 < places["two-sided, float32"] < 3e-2
    assert lowest["two-sided"].min() < 1e-9 < 1e-5 < lowest["two-sided, float32"].min() < 1e-3
    for name in ("two-sided", "two-sided, float32"):
        assert lowest[name].min() < lowest[name.replace("two", "one")].min()


def test_two_zeros_agree_and_opposites_do_not() -> None:
    zero, one = torch.zeros(3), torch.ones(3)
    assert relative_error(zero, zero) == 0
    assert relative_error(one, -one) == 1
    assert relative_error(one, zero) == 1


# Bugs


@pytest.mark.parametrize("layer", [1, 2, 3])
@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.slow
def test_every_bug_is_found_in_the_layer_where_it_is(bug: Any, layer: Any) -> None:
    for seed in range(2):
        experiment, knobs = make(seed, bug=bug, bug_layer=layer)
        for row in run(experiment, knobs, 8):
            assert row["check/layer"] == layer
            assert row["check/hand"] > WRONG > 1e-6 > row["check/float64"]
        labels = look(experiment, knobs, "layers").labels
        assert {label[-1] for label in labels if label.startswith("✗")} == {"₁₂₃"[layer - 1]}
        assert all(label[-1] in "₁₂₃"[: layer - 1] for label in labels if label.startswith("↓"))


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_wrong_delta_spoils_all_layers_below_and_none_above(layer: Any) -> None:
    experiment, knobs = make(bug="slope", bug_layer=layer)
    right = blocks(autograd(*at(experiment), "tanh"))
    found = blocks(by_hand(*at(experiment), knobs))
    wrong = [bool(relative_error(a, n) > WRONG) for a, n in zip(found, right, strict=True)]
    assert wrong == [True] * 2 * layer + [False] * 2 * (3 - layer)


@pytest.mark.parametrize(
    ("bug", "ratio", "block"), [("sign", -1.0, 2), ("sum", 32.0, 2), ("unit", 0.0, 2), ("unit", 0.0, 3)]
)
def test_the_ratio_tells_the_kind_of_slip(bug: Any, ratio: float, block: int) -> None:
    experiment, knobs = make(bug=bug, bug_layer=2)
    ratios = blocks(experiment._each(knobs)[1])
    told = ratios[block].view(-1, SIZES[2])[:, -1]  # of the last unit
    torch.testing.assert_close(told, torch.full_like(told, ratio), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(ratios[0], torch.ones_like(ratios[0]), rtol=1e-5, atol=0)


def test_the_suspect_is_the_wrong_layer_nearest_the_output() -> None:
    assert suspect([1e-9] * 6) == 0
    assert suspect([0.1, 1e-9, 1e-9, 1e-9, 1e-9, 1e-9]) == 1
    assert suspect([0.1, 0.1, 1e-9, 0.2, 1e-9, 1e-9]) == 2
    assert suspect([0.1] * 6) == 3


def test_a_bug_trains_the_network_that_has_it_and_not_its_twin() -> None:
    (clean, knobs), (buggy, bug) = make(), make(bug="sign")
    first, second = run(clean, knobs, 20), run(buggy, bug, 20)
    assert [row["loss/autograd"] for row in first] == [row["loss/autograd"] for row in second]
    assert first[-1]["loss/hand"] == pytest.approx(first[-1]["loss/autograd"], rel=1e-9)
    assert second[-1]["loss/hand"] > 2 * second[-1]["loss/autograd"]


def test_epsilon_changes_the_check_and_nothing_else() -> None:
    losses = []
    for epsilon in (1e-12, 1e-5, 1.0):
        rows = run(*make(epsilon=epsilon), 10)
        losses.append([row["loss/hand"] for row in rows])
        assert (rows[0]["check/float64"] < 1e-8) == (epsilon == 1e-5)
    assert losses[0] == losses[1] == losses[2]


# Pictures


def test_the_two_points_and_their_slope_are_those_of_the_check() -> None:
    experiment, knobs = make(parameter=17, epsilon=0.3)
    run(experiment, knobs, 5)
    numeric = experiment._differences(knobs, torch.float64).two_sided[17].item()
    picture = look(experiment, knobs, "around")
    left, ahead = picture.dots[:, 3].tolist()
    assert (ahead - left) / 0.6 == pytest.approx(numeric)
    curve, _, slope = picture.values[0]
    assert slope[20].item() == pytest.approx(left) == curve[20].item()
    assert slope[40].item() == pytest.approx(ahead) == curve[40].item()
    shown = [float(part.split("= ")[1].replace("−", "-")) for part in picture.notes[0].split(", ")]
    right = autograd(*at(experiment), "tanh")[17].item()
    assert shown == pytest.approx([numeric, right], rel=1e-3)


def test_float32_makes_steps_where_float64_makes_none() -> None:
    picture = look(*make(epsilon=1e-7), "around")
    double, single, _ = picture.values[0]
    assert len(single.unique()) < 15 < 50 < len(double.unique())


def test_the_map_has_a_cell_for_each_parameter() -> None:
    experiment, knobs = make(bug="bias", bug_layer=2)
    picture = look(experiment, knobs, "parameters")
    assert tuple(picture.values.shape) == (len(picture.rows), len(picture.columns)) == (7, 13)
    lit = picture.values > -4
    assert lit[-1, 6:12].all()  # the biases of layer 2
    assert lit.sum() == 6


def test_the_table_names_the_parameter_that_is_picked() -> None:
    experiment, knobs = make()
    picture = look(experiment, knobs, "worst")
    assert len(picture.names) == len(set(picture.names)) == P
    i = picture.names.index("W₂31")
    with torch.no_grad():
        experiment.network.layers[1].M[2, 0] += 1
    moved = experiment.network().detach()
    before, _, _ = at(make()[0])
    assert (moved != before).nonzero().tolist() == [[i]]


def test_what_is_said_of_the_check_is_what_the_pictures_show() -> None:
    experiment, knobs = built(GradientCheck, bug="sign", bug_layer=2)
    bars, said = said_of(experiment, knobs, "layers")
    assert said == {"layer": 2}
    assert any("✗" in label for label in bars.labels[2:4])
    picture, said = said_of(experiment, knobs, "parameters")
    assert said == {"wrong": int((10**picture.values > 1.1 * WRONG).sum()), "all": P}
    picture, said = said_of(experiment, knobs, "worst")
    worst = int(picture.values[:, 0].argmax())
    assert said == {"name": picture.names[worst], "ratio": rough(float(picture.values[worst, 1]))}
    picture, said = said_of(experiment, knobs, "valley")
    best = int(picture.values[0, 1].argmin())
    assert said["at"] == rough(float(picture.x[best]))
    assert said["hand"] == rough(float(picture.values[0, 0, best]))


def test_no_bug_is_told_of_without_one_and_nothing_of_numbers_that_are_none() -> None:
    experiment, knobs = built(GradientCheck, bug="none")
    assert "no bug" in said_of(experiment, knobs, "layers")[0].reading.text
    assert said_of(experiment, knobs, "parameters")[1]["wrong"] == 0
    with torch.no_grad():
        for parameter in experiment.network.parameters():
            parameter.fill_(float("nan"))
    assert said_of(experiment, knobs, "layers")[0].reading is None
    assert said_of(experiment, knobs, "parameters")[1] == {}


def test_what_float32_is_off_by_is_what_the_curves_are_apart() -> None:
    experiment, knobs = built(GradientCheck, epsilon=1e-4)
    picture, said = said_of(experiment, knobs, "around")
    exact, single = torch.as_tensor(picture.values).view(3, -1)[:2]
    share = 100 * float((single - exact).abs().max() / (exact[40] - exact[20]).abs())
    assert float(said["off"]) == pytest.approx(share, rel=0.06)
    blown = built(GradientCheck, epsilon=1e-12)
    assert float(said_of(*blown, "around")[1]["off"]) > 100  # nothing is left in float32
