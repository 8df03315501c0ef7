"""What the presets of `cnn-images` say is to be seen, within fifteen seconds at its pace."""

from __future__ import annotations

from claims import claim
from descent.experiments.convolution.cnn_images import CNNImages
from driving import Driven

WATCHED = 15 * int(CNNImages.pace)  # steps of fifteen seconds


@claim(CNNImages, "lenet")
def test_most_parameters_are_in_the_dense_layers(run: Driven) -> None:
    plan = run.experiment.model.plan
    counts = [one.parameters for one in plan]
    dense = sum(counts[6:])
    assert (sum(counts), dense, sum(counts) - dense) == (21_386, 18_814, 2_572)
    assert run.train(WATCHED).last("acc/test") > 0.96


@claim(CNNImages, "pairs")
def test_pairs_of_convolutions_read_98_5_of_100_digits(run: Driven) -> None:
    assert run.train(WATCHED).last("acc/test") >= 0.985


@claim(CNNImages, "one-filter")
def test_one_filter_is_not_enough(run: Driven) -> None:
    assert run.train(WATCHED).last("acc/test") < 0.9


@claim(CNNImages, "raw")
def test_raw_pixels_begin_badly_and_stay_behind(run: Driven) -> None:
    run.train(WATCHED)
    assert run.rows[0]["loss/train"] > 200
    assert run.last("acc/test") < 0.94


@claim(CNNImages, "moved")
def test_a_stroke_moved_aside_is_no_one(run: Driven) -> None:
    run.train(WATCHED)
    assert run.look("probabilities").values[0, 1] < 0.3
    assert run.change(shift_x=0.0).look("probabilities").values[0, 1] > 0.99
