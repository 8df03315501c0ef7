"""Dropout, penalties and early stopping against closed forms, references and torch's own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

import driving
from descent.contract import Finished
from descent.engine.checkpoint import Checkpointer
from descent.engine.objectives.effects import Effects
from descent.errors import BadKnob
from descent.experiments.training.regularisation import (
    BLUE,
    KEPT,
    ORANGE,
    VALIDATION,
    EarlyStopping,
    Network,
    Regularisation,
    RegularisationKnobs,
    draw_mask,
    inverted_dropout,
    l1_penalty,
    l2_penalty,
    shrink,
)
from descent.kit.text import rough
from descent.registry import experiments
from descent.runs.knobs import check
from driving import Driven, built, said_of, take

SMALL = {"width": 16, "train_size": 50, "batch_size": 25}  # two steps an epoch


class Run(Driven):
    """The experiment, driven as the engine does."""

    def __init__(self, seed: int = 0, **knobs: Any) -> None:
        super().__init__(Regularisation, seed, **knobs)

    def weights(self) -> list[torch.Tensor]:
        return [p.detach().clone() for p in self.experiment.model.parameters()]

    def series(self, scalar: str) -> list[float]:
        return [row[scalar] for row in self.rows if scalar in row]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


# --- dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_inverted_dropout_keeps_the_expectation(p: float) -> None:
    h = torch.rand(50) + 0.5
    draws = 20_000
    dropped = inverted_dropout(h, draw_mask((draws, 50), p, generator()), p)
    deviation = h * math.sqrt(p / (1 - p) / draws)  # of the mean: each draw varies by h √(p/(1 − p))
    assert ((dropped.mean(0) - h).abs() < 5 * deviation).all()
    assert (dropped.mean(0) - (1 - p) * h).abs().min() > 5 * deviation.max()  # as it would be unscaled


def test_a_mask_keeps_each_unit_with_probability_one_minus_p() -> None:
    mask = draw_mask((2000, 100), 0.3, generator())
    assert mask.unique().tolist() == [0, 1]
    assert mask.mean().item() == pytest.approx(0.7, abs=0.005)


def test_what_is_kept_grows_by_one_over_one_minus_p() -> None:
    h, mask = torch.rand(8, 20), draw_mask((8, 20), 0.6, generator())
    torch.testing.assert_close(inverted_dropout(h, mask, 0.6)[mask == 1], h[mask == 1] / 0.4)
    assert inverted_dropout(h, mask, 0.6)[mask == 0].abs().sum() == 0


def test_without_masks_the_network_is_torchs_in_eval_mode() -> None:
    torch.manual_seed(0)
    network = Network([64, 12, 12, 10])
    modules: list[nn.Module] = []
    for weight, bias in zip(network.weights, network.biases, strict=True):
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = weight.detach().t().clone(), bias.detach().clone()
        modules += [linear, nn.ReLU(), nn.Dropout(0.5)]
    twin = nn.Sequential(*modules[:-2]).eval()
    x = torch.randn(9, 64)
    torch.testing.assert_close(network(x), twin(x))
    everyone = [torch.ones(9, 12)] * 2
    torch.testing.assert_close(network(x, everyone, 0.0), twin(x))


def test_masks_act_on_both_hidden_layers_before_the_next_one() -> None:
    network = Network([64, 12, 12, 10])
    x, masks = torch.randn(9, 64), [draw_mask((9, 12), 0.5, generator()) for _ in range(2)]
    h = torch.relu(x @ network.weights[0] + network.biases[0]) * masks[0] * 2
    h = torch.relu(h @ network.weights[1] + network.biases[1]) * masks[1] * 2
    torch.testing.assert_close(network(x, masks, 0.5), h @ network.weights[2] + network.biases[2])


def test_masks_are_new_at_every_step_and_the_same_for_the_same_step() -> None:
    run = Run(dropout=0.5, **SMALL)
    _, _, *first = run.experiment._batch(run.knobs)
    assert all(torch.equal(a, b) for a, b in zip(first, run.experiment._batch(run.knobs)[2:], strict=True))
    assert not torch.equal(first[0], first[1])
    run.train(1)
    assert not torch.equal(first[0], run.experiment._batch(run.knobs)[2])


# --- L1 and L2


def test_the_gradient_of_l2_is_lambda_w() -> None:
    w = [torch.randn(5, 3, requires_grad=True), torch.randn(3, 2, requires_grad=True)]
    gradients = torch.autograd.grad(0.3 * l2_penalty(w), w)
    for gradient, weight in zip(gradients, w, strict=True):
        torch.testing.assert_close(gradient, 0.3 * weight)


def test_the_gradient_of_l1_is_lambda_sign_w() -> None:
    w = [torch.randn(5, 3, requires_grad=True), torch.tensor([[0.0, -2.0]], requires_grad=True)]
    gradients = torch.autograd.grad(0.3 * l1_penalty(w), w)
    for gradient, weight in zip(gradients, w, strict=True):
        torch.testing.assert_close(gradient, 0.3 * weight.sign())


def test_shrinking_solves_the_proximal_problem() -> None:
    """argmin_u ½(u − w)² + t|u|, found on a grid."""
    w, t = torch.linspace(-2, 2, 41), 0.7
    u = torch.linspace(-3, 3, 6001)
    cost = 0.5 * (u - w[:, None]).square() + t * u.abs()
    torch.testing.assert_close(shrink(w, t), u[cost.argmin(1)], atol=2e-3, rtol=0)
    assert (shrink(w, t)[w.abs() < t] == 0).all()


@pytest.mark.parametrize("l1_step", ["proximal", "subgradient"])
def test_a_step_descends_the_documented_objective(l1_step: str) -> None:
    run = Run(l1=0.01, l2=0.05, dropout=0.5, lr=0.2, l1_step=l1_step, **SMALL)
    images, labels, *masks = run.experiment._batch(run.knobs)
    model = run.experiment.model
    weights, biases = list(model.weights), list(model.biases)
    loss = F.cross_entropy(model(images, masks, 0.5), labels)
    on_weights = torch.autograd.grad(loss, weights, retain_graph=True)
    on_biases = torch.autograd.grad(loss, biases)
    expected = []
    for w, g in zip(weights, on_weights, strict=True):
        w = w.detach()
        if l1_step == "proximal":
            moved = w - 0.2 * (g + 0.05 * w)
            expected.append(moved.sign() * (moved.abs() - 0.2 * 0.01).clamp(min=0))
        else:
            expected.append(w - 0.2 * (g + 0.05 * w + 0.01 * w.sign()))
    untouched = [b.detach() - 0.2 * g for b, g in zip(biases, on_biases, strict=True)]
    run.train(1)
    for new, old in zip(model.weights, expected, strict=True):
        torch.testing.assert_close(new.detach(), old, atol=1e-6, rtol=1e-5)
    for new, old in zip(model.biases, untouched, strict=True):
        torch.testing.assert_close(new.detach(), old)
    assert run.last("objective/loss") == pytest.approx(loss.item(), rel=1e-5)


def test_only_the_proximal_step_makes_weights_exactly_zero() -> None:
    proximal = Run(l1=0.01, **SMALL).train(60)
    subgradient = Run(l1=0.01, l1_step="subgradient", **SMALL).train(60)
    assert proximal.last("zeros/layer-2") > 0.1
    assert subgradient.last("zeros/layer-2") == 0


def test_l2_makes_the_weights_smaller() -> None:
    norms = [Run(l2=l2, **SMALL).train(60).experiment.model.weights[0].norm() for l2 in (0.0, 0.05)]
    assert norms[1] < 0.8 * norms[0]


def test_the_twin_is_the_network_without_regularisation() -> None:
    plain = Run(**SMALL).train(20)
    regularised = Run(dropout=0.5, l1=0.001, l2=0.02, **SMALL).train(20)
    for mine, other in zip(
        plain.experiment.model.parameters(), regularised.experiment.twin.parameters(), strict=True
    ):
        torch.testing.assert_close(mine, other)
    assert not torch.allclose(regularised.experiment.model.weights[0], regularised.experiment.twin.weights[0])


# --- early stopping


def reference(losses: list[float], patience: int) -> tuple[int, int, float] | None:
    """Goodfellow et al., algorithm 7.1, with an evaluation per epoch."""
    best, best_epoch, waited = math.inf, 0, 0
    for epoch, loss in enumerate(losses):
        if loss < best:
            best, best_epoch, waited = loss, epoch, 0
        else:
            waited += 1
            if waited == patience:
                return epoch, best_epoch, best
    return None


LOSSES = [2.3, 1.0, 1.1, 0.9, 0.95, 0.91, 0.9, 0.8, 0.85, 0.9, 1.0, 1.1, 0.7, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9]


@pytest.mark.parametrize("patience", [1, 2, 3, 4, 5, 6, 7, 20])
def test_early_stopping_stops_where_the_reference_does(patience: int) -> None:
    early = EarlyStopping()
    better = [early.see(epoch, loss) for epoch, loss in enumerate(LOSSES)]
    assert early.stop(patience) == reference(LOSSES, patience)
    assert better == [loss < min(LOSSES[:epoch], default=math.inf) for epoch, loss in enumerate(LOSSES)]


def test_early_stopping_agrees_with_the_reference_on_random_series() -> None:
    for seed in range(20):
        noise = torch.randn(150, generator=torch.Generator().manual_seed(seed))
        losses = (noise.cumsum(0) / 10).tolist()
        early = EarlyStopping()
        for epoch, loss in enumerate(losses):
            early.see(epoch, loss)
        for patience in (1, 3, 10, 40):
            assert early.stop(patience) == reference(losses, patience)


def test_a_loss_that_is_no_number_counts_as_no_better() -> None:
    early = EarlyStopping()
    assert [early.see(epoch, loss) for epoch, loss in enumerate([1.0, math.nan, math.nan])] == [
        True,
        False,
        False,
    ]
    assert early.stop(2) == (2, 0, 1.0)


@pytest.fixture(scope="module")
def stopped() -> Run:
    """A run that early stopping has ended."""
    run = Run(stop_early=True, patience=3, noise=80, lr=0.5, **SMALL)
    while not run.experiment.stopped(run.knobs):
        run.train(1)
        assert run.experiment.epochs < 100
    return run


def test_stopping_early_freezes_the_weights_at_the_reference_epoch(stopped: Run) -> None:
    validation = [math.inf, *stopped.series("loss/validation")]  # epoch 0 was before training
    validation[0] = stopped.experiment.history[0, 1].item()
    expected = reference(validation, 3)
    assert expected is not None
    assert stopped.experiment.epochs == expected[0]
    before, epochs = stopped.weights(), stopped.experiment.epochs
    rows = len(stopped.rows)
    with pytest.raises(Finished):
        stopped.train(1)
    assert len(stopped.rows) == rows
    assert all(torch.equal(a, b) for a, b in zip(before, stopped.weights(), strict=True))
    assert stopped.experiment.epochs == epochs


def test_the_weights_that_are_restored_have_the_lowest_validation_loss(stopped: Run) -> None:
    picture = stopped.look("restored")
    best, last = picture.values[:, 1].tolist()
    assert best == pytest.approx(min(stopped.series("loss/validation")), rel=1e-5)
    assert last == pytest.approx(stopped.last("loss/validation"), rel=1e-5)
    assert best < last


def test_the_chart_says_that_it_has_stopped_and_where_the_best_was(stopped: Run) -> None:
    picture = stopped.look("curves")
    (marks,) = picture.marks
    assert marks[1] == ("stop", float(stopped.experiment.epochs))
    assert marks[0] == ("best", float(stopped.experiment.epochs - 3))
    assert f"{min(stopped.series('loss/validation')):.3f}" in picture.notes[0]


def test_the_learning_rates_panels_work_on_frozen_weights(stopped: Run) -> None:
    experiment = stopped.experiment
    effects = Effects(experiment, Checkpointer(experiment))
    for panel in ("what_if", "anatomy", "sharpness", "gradient_norms", "update_ratios"):
        assert effects.look(panel, stopped.knobs).groups == [""]


def test_more_patience_or_switching_it_off_lets_training_go_on() -> None:
    for change in ({"patience": 100}, {"stop_early": False}):
        run = Run(stop_early=True, patience=1, noise=80, lr=0.5, **SMALL)
        with pytest.raises(Finished):
            run.train(60)
        assert run.experiment.stopped(run.knobs)
        before = run.weights()
        run.change(**change).train(1)
        assert not torch.equal(before[0], run.weights()[0])


def test_without_it_the_place_is_only_marked() -> None:
    run = Run(patience=1, noise=80, lr=0.5, **SMALL).train(60)
    (marks,) = run.look("curves").marks
    assert marks[1][0] == "patience over"
    assert run.experiment.epochs == 30


def test_a_patience_of_zero_is_refused_with_a_fix() -> None:
    with pytest.raises(ValidationError, match="at least 1 epoch"):
        RegularisationKnobs(patience=0)
    entry = experiments()["regularisation"]
    with pytest.raises(BadKnob) as refused:
        check(entry, {"patience": 0})
    assert refused.value.field == "patience"
    message = refused.value.params["message"]
    assert "1에포크" in entry.lessons["ko"].words["words"][message]


# --- data and what is shown


def test_only_the_stated_share_of_training_labels_is_wrong() -> None:
    wrong, right = Run(noise=30).experiment, Run(noise=0).experiment
    assert torch.equal(wrong.images, right.images)
    differ = wrong.labels != right.labels
    assert differ.nonzero()[:, 0].tolist() == list(range(60))
    assert wrong.labels.min() >= 0
    assert wrong.labels.max() <= 9


@pytest.mark.slow
def test_a_large_network_learns_the_wrong_labels_by_heart() -> None:
    run = Run(width=128, train_size=100, noise=30).train(490)
    assert run.last("acc/wrong") > 0.95
    assert run.last("loss/validation") > 1.2 * min(run.series("loss/validation"))
    assert run.last("loss/gap") == pytest.approx(
        run.last("loss/validation") - run.last("loss/train"), abs=1e-5
    )
    gentle = Run(width=128, train_size=100, noise=30, dropout=0.7).train(490)
    assert gentle.last("loss/gap") < run.last("loss/gap") - 0.3


def test_validation_is_on_digits_of_its_own() -> None:
    run = Run(**SMALL).train(2)
    images, labels = (part[50 : 50 + VALIDATION] for part in (run.experiment.images, run.experiment.labels))
    expected = F.cross_entropy(run.experiment.model(images), labels)
    assert run.last("loss/validation") == pytest.approx(expected.item(), rel=1e-5)


def test_orange_pixels_are_the_units_that_the_coming_step_drops() -> None:
    run = Run(dropout=0.5, **SMALL)
    mask = run.experiment._batch(run.knobs)[2]
    pixels = run.look("masks").pixels
    assert pixels.shape == (16, 4, 4, 3)
    for digit in range(4):
        for picture in (pixels[4 * digit + 2], pixels[4 * digit + 3]):
            orange = (picture == torch.tensor(ORANGE)).all(-1).flatten()
            assert torch.equal(orange, mask[digit] == 0)
        blue = (pixels[4 * digit + 2] == torch.tensor(BLUE)).all(-1).flatten()
        assert torch.equal(blue, mask[digit] == 1)


def test_scaled_masks_average_to_the_value_without_dropout() -> None:
    picture = Run(dropout=0.5, width=64).look("expectation")
    scaled, unscaled, without = picture.values[0]
    assert abs(scaled[-1] - without[-1]) < 0.15 * without[-1]
    assert unscaled[-1] < 0.75 * without[-1]
    flat = Run(width=16).look("expectation").values[0]
    torch.testing.assert_close(flat[0], flat[2])


@pytest.mark.slow
def test_the_history_of_losses_is_bounded() -> None:
    run = Run(width=16, train_size=50, batch_size=50).train(KEPT + 10)
    picture = run.look("curves")
    assert run.experiment.stride == 2
    assert picture.x[:3].tolist() == [0, 2, 4]
    assert len(picture.x) < KEPT
    assert picture.values[0, 1, 1].item() == pytest.approx(run.series("loss/validation")[1])


def test_histograms_count_every_weight() -> None:
    picture = Run(**SMALL).look("weights")
    assert picture.counts.sum(1).tolist() == [64 * 16, 16 * 16, 16 * 10]


def test_what_is_said_of_the_regularisers_is_what_the_pictures_show() -> None:
    experiment, knobs = built(Regularisation, dropout=0.5)
    take(experiment, knobs, 12)
    picture, said = said_of(experiment, knobs, "curves")
    train, validation, _ = picture.values[0, :, -1].tolist()
    assert said["gap"] == rough(abs(validation - train))
    assert said["best"] == int(picture.dots[0, 2])
    picture, said = said_of(experiment, knobs, "expectation")
    scaled, unscaled, z = picture.values.reshape(3, -1)[:, -1].tolist()
    assert said == {"scaled": rough(scaled), "unscaled": rough(unscaled), "z": rough(z)}
    picture, said = said_of(experiment, knobs, "masks")
    orange = (picture.pixels[2] == picture.pixels[2].new_tensor(ORANGE)).all(-1).sum()
    assert said["dropped"] == int(orange)
    picture, said = said_of(experiment, knobs, "restored")
    assert said == {"best": rough(float(picture.values[0, 2])), "last": rough(float(picture.values[1, 2]))}


def test_no_share_is_told_of_a_network_of_no_numbers() -> None:
    experiment, knobs = driving.built(Regularisation)
    driving.break_weights(experiment)
    for panel in ("weights",):
        assert driving.look(experiment, knobs, panel).reading is None, panel
