"""What the presets of `architectures` say is to be seen: 100 steps take some 7 s on a quiet core."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pytest
from torch import nn

from claims import SEEDS, claim, preset
from descent.experiments.convolution.architectures import RACERS, Architectures, layers_of
from driving import Driven

STEPS = 100


@lru_cache
def raced(name: str, seed: int) -> Any:
    """A preset after `STEPS` steps, and its gradients before them."""
    run = preset(Architectures, name, seed)
    return run.train(STEPS)


def error(run: Driven, name: str) -> float:
    """The training error as the large chart has it."""
    return float(run.look("error").values[0, list(RACERS).index(name), -1])


@claim(Architectures, "deepest")
def test_forty_four_plain_layers_train_worse_than_eight(run: Driven) -> None:
    after = raced("deepest", run.experiment.seed)
    assert error(after, "plain") > 0.5
    assert error(after, "shallow") < 1 / 8
    assert error(after, "residual") < 1 / 8
    first = after.look("gradient").values[1, 1]
    assert first[0] > 50 * first[-1]


@claim(Architectures, "eight")
def test_eight_layers_need_no_shortcuts(run: Driven) -> None:
    after = raced("eight", run.experiment.seed)
    assert error(after, "plain") < 1 / 8
    assert error(after, "residual") < 1 / 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_deeper_is_worse_for_plain_networks_and_not_for_residual_ones(seed: int) -> None:
    deep, shallow = raced("deepest", seed), raced("eight", seed)
    assert error(deep, "plain") > error(shallow, "plain") + 0.4
    assert error(deep, "residual") < error(shallow, "residual") + 0.05


@claim(Architectures, "without")
def test_a_residual_network_without_shortcuts_is_a_plain_one_until_they_come(run: Driven) -> None:
    for row in run.train(10).rows:
        assert row["loss/residual"] == row["loss/plain"]
    assert error(run, "residual") == error(run, "plain")
    run.change(shortcuts=True).train(50)
    assert error(run, "residual") < 0.5 * error(run, "plain")


@claim(Architectures, "small-steps")
def test_smaller_steps_do_not_help(run: Driven) -> None:
    run.train(60)
    assert error(run, "plain") > 2 / 3
    assert error(run, "residual") < 1 / 3


@claim(Architectures, "lenet")
def test_lenet_on_mnists_own_size(run: Driven) -> None:
    picture = run.look("classic")
    at = picture.names.index("C5")
    assert picture.shapes[at] == (16, 4, 4)  # what C5 is given: the input is the first shape
    assert picture.parameters[at] == 30_840
    assert sum(picture.parameters) == 44_426
    assert sum(layer.parameters for layer in layers_of("lenet-5")) == 61_706
    papers = {layer.name: layer for layer in layers_of("lenet-5")}
    assert (papers["S4"].shape, papers["C5"].parameters) == ((16, 5, 5), 48_120)


@claim(Architectures, "vgg")
def test_vggs_parameters_are_dense_and_its_products_are_not(run: Driven) -> None:
    picture = run.look("classic")
    dense = [i for i, kind in enumerate(picture.types) if kind == "dense"]
    assert len(dense) == 3
    assert sum(picture.parameters) == 138_357_544
    assert sum(picture.parameters[i] for i in dense) == 123_642_856
    assert picture.parameters[picture.names.index("fc6")] == 102_764_544
    assert round(sum(picture.products) / 1e9, 1) == 15.5
    assert sum(picture.products[i] for i in dense) < 0.01 * sum(picture.products)


@claim(Architectures, "densenet")
def test_densenet_has_many_layers_and_few_parameters(run: Driven) -> None:
    picture = run.look("classic")
    assert sum(kind in ("convolution", "dense") for kind in picture.types) == 121
    assert sum(picture.parameters) == 7_978_856 < sum(one.parameters for one in layers_of("resnet-18"))
    added = [
        shape[0]
        for name, shape in zip(picture.names, picture.shapes[1:], strict=True)
        if name.endswith("conv2")
    ]
    assert len(added) == 58
    assert set(added) == {32}


@claim(Architectures, "one-map")
def test_one_map_a_layer_is_not_enough(run: Driven) -> None:
    run.train(STEPS)
    assert error(run, "dense") > 0.5
    assert error(run, "shallow") < 1 / 8


@claim(Architectures, "inception")
def test_googlenet_narrows_before_its_large_windows(run: Driven) -> None:
    picture = run.look("classic")
    parameters = dict(zip(picture.names, picture.parameters, strict=True))
    shapes = dict(zip(picture.names, picture.shapes[1:], strict=True))
    assert (shapes["conv2"][0], shapes["inception3a.reduce5"][0]) == (192, 16)
    assert parameters["inception3a.reduce5"] + parameters["inception3a.five"] == 15_920
    assert nn.Conv2d(192, shapes["inception3a.five"][0], 5).weight.numel() + 32 == 153_632
    alexnet = layers_of("alexnet")
    assert 8 * sum(picture.parameters) < sum(layer.parameters for layer in alexnet)
    assert sum(picture.products) > 2 * sum(layer.products for layer in alexnet)
