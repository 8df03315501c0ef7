"""What the presets of `regularisation` say is to be seen: all steps within fifteen seconds at its pace."""

from __future__ import annotations

import pytest

from claims import claim, preset
from descent.contract import Finished
from descent.experiments.training.regularisation import ORANGE, Regularisation
from driving import Driven

SECONDS_15 = int(15 * Regularisation.pace)


def epochs(run: Driven, count: int) -> Driven:
    """Train up to the end of epoch `count`."""
    steps = count * int(run.experiment.steps_per_epoch(run.knobs))
    assert steps <= SECONDS_15
    run.train(steps - len(run.rows))
    return run


def series(run: Driven, scalar: str) -> list[float]:
    """A scalar by epoch, from the first one on."""
    return [row[scalar] for row in run.rows if scalar in row]


def until_finished(run: Driven) -> int:
    """Train until early stopping ends the run; the epoch."""
    with pytest.raises(Finished, match="patience has run out"):
        run.train(SECONDS_15)
    return int(run.experiment.epochs)


@claim(Regularisation, "dropout")
def test_dropout_keeps_the_validation_loss_low(run: Driven) -> None:
    pixels = run.look("masks").pixels[2::4].flatten(0, 2)  # the masks, (pixels, 3)
    orange = (pixels.float() == pixels.new_tensor(ORANGE).float()).all(-1).float().mean().item()
    assert orange == pytest.approx(0.7, abs=0.05)
    epochs(run, 200)
    _, validation, twin = run.experiment.history[-1].tolist()
    assert validation < 1
    assert twin > validation + 0.35


@pytest.mark.thorough
@claim(Regularisation, "l2")
def test_l2_keeps_the_weights_small_and_the_gap_closed(run: Driven) -> None:
    epochs(run, 200)
    assert max(series(run, "loss/gap")) < 0.3
    assert max(series(run, "acc/wrong")) < 0.5
    for mine, twins in zip(run.experiment.model.weights, run.experiment.twin.weights, strict=True):
        assert mine.std() < 0.5 * twins.std()
    run.change(l2=0.1).train(30 * 13)
    assert run.last("loss/train") > 1.4
    assert run.last("loss/validation") > 1.4


@pytest.mark.thorough
@claim(Regularisation, "l1")
def test_l1_makes_most_weights_zero_and_the_subgradient_none(run: Driven) -> None:
    epochs(run, 200)
    first, second = (series(run, f"zeros/layer-{layer}")[-20:] for layer in (1, 2))
    assert sum(first) / 20 == pytest.approx(2 / 3, abs=0.1)
    assert sum(second) / 20 == pytest.approx(0.87, abs=0.08)
    run.change(l1_step="subgradient").train(5 * 13)
    for layer, weight in zip(("layer-1", "layer-2"), run.experiment.model.weights, strict=False):
        zeros = series(run, f"zeros/{layer}")[-5:]
        assert zeros[0] == zeros[-1] < 0.6  # no gradient moves them, and none joins them
        assert (weight.abs() < 1e-3).float().mean() > 0.7  # the peak


@claim(Regularisation, "early")
def test_early_stopping_ends_the_run_twenty_epochs_after_the_best(run: Driven) -> None:
    ended = until_finished(run)
    assert ended == pytest.approx(45, abs=7)
    assert run.experiment.early.best_epoch == ended - 20
    best, last = run.look("restored").values[:, 1].tolist()
    assert best < last
    run.change(stop_early=False).train(13)
    assert run.experiment.epochs == ended + 1


@claim(Regularisation, "impatient")
def test_too_little_patience_stops_in_the_first_dip(run: Driven) -> None:
    assert until_finished(run) == pytest.approx(9, abs=2)
    assert run.last("loss/validation") > 1
    until_finished(run.change(patience=20))
    assert run.experiment.early.best < 0.9


@pytest.mark.thorough
@claim(Regularisation, "more-data")
def test_five_times_the_data_contradict_the_wrong_labels(run: Driven) -> None:
    fewer = epochs(Driven(Regularisation, run.experiment.seed), 50)
    assert min(series(fewer, "loss/validation")) == pytest.approx(0.75, abs=0.08)
    epochs(run, 40)
    assert run.experiment.wrong / run.knobs.train_size == fewer.experiment.wrong / fewer.knobs.train_size
    assert min(series(run, "loss/validation")) == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_learns_every_wrong_label_and_then_unlearns_some_under_the_invitations_knobs(seed: int) -> None:
    run = epochs(Driven(Regularisation, seed), 70)
    assert run.last("acc/wrong") > 0.95
    assert sum(p.numel() for p in run.experiment.model.parameters()) == pytest.approx(85_000, rel=0.01)
    gap = run.last("loss/gap")
    run.change(l2=0.04).train(40 * 13)
    assert run.last("loss/gap") < 0.5 * gap


def test_all_presets_have_the_default_batches() -> None:
    for name in Regularisation.presets:
        run = preset(Regularisation, name)
        assert run.experiment.steps_per_epoch(run.knobs) in (13, 63)
