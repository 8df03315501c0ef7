"""Gradients through time against autograd, clipping against torch, and what reaches how far back."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from descent.experiments.sequence.gradient_through_time import (
    TITLES,
    GradientThroughTime,
    adding,
    clip,
    recall,
)
from descent.kit.nn.through_time import jacobians, next_state, reach, states, to_the_end
from driving import Driven, break_weights, built

LAYERS = [nn.RNN, nn.LSTM, nn.GRU]


def layer_of(kind: Any, inputs: int = 3, hidden: int = 5) -> Any:
    torch.manual_seed(0)
    return kind(inputs, hidden, batch_first=True).double()


@pytest.mark.parametrize("kind", LAYERS)
def test_the_states_are_torchs(kind: Any) -> None:
    layer, x = layer_of(kind), torch.randn(7, 3, dtype=torch.float64)
    with torch.no_grad():
        found, (h, _) = states(layer, x), layer(x)
        torch.testing.assert_close(found[1:, :5], h)
        state = found[0]
        for t in range(7):
            state = next_state(layer, x[t], state)
            torch.testing.assert_close(state, found[t + 1])


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("length", [1, 4, 50])
def test_products_of_jacobians_are_autograds_through_the_unrolled_network(kind: Any, length: int) -> None:
    layer, x = layer_of(kind), torch.randn(length, 3, dtype=torch.float64)
    with torch.no_grad():
        products, found, left = to_the_end(jacobians(layer, x)), states(layer, x), reach(layer, x)
    for t in {0, length // 2, length - 1, length}:

        def last(state: torch.Tensor, t: int = t) -> torch.Tensor:
            for s in range(t, length):
                state = next_state(layer, x[s], state)
            return state

        expected = torch.autograd.functional.jacobian(last, found[t])
        torch.testing.assert_close(products[t], expected)
        memory = expected[-5:, -5:]
        assert float(left[t]) == pytest.approx(float(memory.norm()) / 5**0.5)


def test_the_gradient_of_a_loss_at_the_end_is_the_product_times_the_last_gradient() -> None:
    layer, x = layer_of(nn.RNN), torch.randn(1, 6, 3, dtype=torch.float64)
    products = to_the_end(jacobians(layer, x[0]))
    h0 = torch.zeros(1, 1, 5, dtype=torch.float64, requires_grad=True)
    h, _ = layer(x, h0)
    (gradient,) = torch.autograd.grad(h[0, -1].square().sum(), h0)
    torch.testing.assert_close(gradient[0, 0], 2 * h[0, -1].detach() @ products[0])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("length", [50, 100, 200])
def test_the_plain_networks_gradient_vanishes_where_the_lstms_does_not(length: int, seed: int) -> None:
    run = Driven(GradientThroughTime, seed, length=length, radius=0.9, forget_bias=5.0)
    rnn, lstm, *_ = torch.as_tensor(run.look("left").values)[0, :, 0]
    assert not float(rnn) > 0.9**length
    assert float(lstm) > 0.1


def test_the_plain_networks_curve_stays_below_its_bound() -> None:
    for steps in (0, 60):
        run = Driven(GradientThroughTime).train(steps)
        values = torch.as_tensor(run.look("left").values)[0]
        rnn, bound = values[0], values[3]
        seen = rnn.isfinite() & bound.isfinite()
        assert (rnn[seen] <= bound[seen] * 1.001).all()
        assert float(rnn[-1]) == pytest.approx(1.0)


@pytest.mark.parametrize("threshold", [0.01, 1.0, 100.0])
def test_clipping_is_torchs_and_by_norm_keeps_the_direction(threshold: float) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = [nn.Parameter(torch.randn(size, generator=generator)) for size in ((4, 3), (7,))]
    gradients = [torch.randn(weight.shape, generator=generator) for weight in weights]
    total = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    for how in ("none", "norm", "value"):
        mine = [gradient.clone() for gradient in gradients]
        norm, cosine = clip(mine, how, threshold)  # type: ignore[arg-type]
        assert float(norm) == pytest.approx(float(total))
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient.clone()
        if how == "norm":
            nn.utils.clip_grad_norm_(weights, threshold)
        if how == "value":
            nn.utils.clip_grad_value_(weights, threshold)
        for weight, clipped in zip(weights, mine, strict=True):
            torch.testing.assert_close(clipped, weight.grad, rtol=1e-5, atol=1e-6)
        flat = [torch.cat([part.flatten() for part in parts]) for parts in (gradients, mine)]
        assert float(cosine) == pytest.approx(float(torch.cosine_similarity(*flat, dim=0)))
        assert (float(cosine) < 0.999) == (how == "value" and threshold < 2)


def test_truncation_is_the_gradient_with_the_state_before_held_fast() -> None:
    experiment, knobs = built(GradientThroughTime, window=4, length=9)
    for name in TITLES:
        net, x = experiment.networks[name], torch.randn(2, 9, 2)
        net.zero_grad()
        net(x, 4).sum().backward()
        with torch.no_grad():
            _, state = net.layer(x[:, :5])
        expected = torch.autograd.grad(
            net.readout(net.layer(x[:, 5:], state)[0][:, -1]).sum(), net.layer.parameters()
        )
        for weight, gradient in zip(net.layer.parameters(), expected, strict=True):
            torch.testing.assert_close(weight.grad, gradient)
        torch.testing.assert_close(net(x, 4), net(x))
        torch.testing.assert_close(net(x, 9), net(x, 0))
    assert knobs.window == 4


def test_the_tasks_are_what_they_are_called() -> None:
    x, sums = adding(500, 11, torch.Generator().manual_seed(0))
    marks = x[..., 1]
    assert (marks.sum(1) == 2).all()
    assert (marks[:, :5].sum(1) == 1).all()
    torch.testing.assert_close((x[..., 0] * marks).sum(1), sums)
    assert float((sums - 1).square().mean()) == pytest.approx(1 / 6, rel=0.15)
    x, symbols = recall(500, 11, torch.Generator().manual_seed(0))
    assert (x[:, 0, :8].argmax(1) == symbols).all()
    assert (x[:, 1:, :8] == 0).all()


def test_the_forget_gate_starts_at_the_sigmoid_of_its_bias() -> None:
    experiment, _ = built(GradientThroughTime, forget_bias=3.0, hidden=4)
    layer = experiment.networks["lstm"].layer
    torch.testing.assert_close((layer.bias_ih_l0 + layer.bias_hh_l0)[4:8], torch.full((4,), 3.0))
    U = experiment.networks["rnn"].layer.weight_hh_l0
    torch.testing.assert_close(U @ U.T, torch.eye(4) * 0.36)


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(GradientThroughTime)
    picture = run.look("left")
    for key, name in (("rnn", "rnn"), ("lstm", "lstm")):
        drawn = float(
            torch.as_tensor(picture.values).reshape(len(picture.series), -1)[[*TITLES].index(name), 0]
        )
        assert float(picture.reading.values[key].replace("−", "-")) == pytest.approx(drawn, rel=0.06)
    picture = run.look("forgetting")
    assert picture.reading.values == {"kept": f"{100 * float(picture.values.mean()):.0f}"}


def test_where_the_window_cuts_the_way_nothing_is_read_of_the_first_step() -> None:
    assert Driven(GradientThroughTime, window=5).look("left").reading is None


def test_what_is_said_of_the_answers_is_what_the_bars_show() -> None:
    run = Driven(GradientThroughTime, task="adding").train(3)
    wanted, *given = torch.as_tensor(run.look("answers").values)
    off = {name: float((one - wanted).abs().mean()) for name, one in zip(TITLES.values(), given, strict=True)}
    said = run.look("answers").reading.values
    assert (said["low"], said["high"]) == (min(off, key=off.__getitem__), max(off, key=off.__getitem__))
    assert float(said["most"]) == pytest.approx(max(off.values()), rel=0.06)
    break_weights(run.experiment)
    assert run.look("answers").reading is None
    run = Driven(GradientThroughTime, task="recall").train(3)
    shares = torch.as_tensor(run.look("answers").values).mean(1)
    said = run.look("answers").reading
    assert said is None or float(said.values["most"]) == pytest.approx(100 * float(shares.max()), rel=0.06)
