"""The classic networks: their published counts and sizes, and what their blocks compute."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from descent.experiments.convolution.architectures import CLASSIC, Name, layers_of
from descent.kit.nn.classic import LeNet5
from descent.kit.nn.densely import DenseLayer, DenseNet
from descent.kit.nn.inception import GoogLeNet, Inception, SmallInception
from descent.kit.nn.layout import LaidOut, laid_out
from descent.kit.nn.residual import BasicBlock, Bottleneck, ResNet, SmallResNet
from descent.kit.nn.stack import Shape

# Parameters, and billions of multiply-adds: those of torchvision's models; of LeNet-5 and of GoogLeNet as in
# the paper the counts commonly given, their multiply-adds from torch's own counter below.
PUBLISHED: dict[Name, tuple[int, float | None]] = {
    "lenet-5": (61_706, None),
    "alexnet": (61_100_840, 0.714),
    "vgg-16": (138_357_544, 15.47),
    "googlenet": (6_998_552, None),
    "googlenet-tv": (6_624_904, 1.498),
    "resnet-18": (11_689_512, 1.814),
    "resnet-34": (21_797_672, 3.664),
    "resnet-50": (25_557_032, 4.089),
    "densenet-121": (7_978_856, 2.834),
}


def by_name(name: Name) -> dict[str, LaidOut]:
    return {layer.name: layer for layer in layers_of(name)}


def shapes(name: Name, *layers: str) -> list[Shape]:
    found = by_name(name)
    return [found[layer].shape for layer in layers]


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.slow
def test_totals_are_the_published_ones_and_those_that_torch_counts(name: Name) -> None:
    layers, classic = layers_of(name), CLASSIC[name]
    parameters, billions = PUBLISHED[name]
    products = sum(layer.products for layer in layers)
    assert sum(layer.parameters for layer in layers) == parameters
    if billions:
        assert products / 1e9 == pytest.approx(billions, abs=0.001)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        classic.make()(torch.empty(1, classic.channels, classic.side, classic.side))
    assert counter.get_total_flops() == 2 * products


@pytest.mark.parametrize("name", CLASSIC)
def test_each_formula_gives_the_size_that_torch_gives(name: Name) -> None:
    layers = layers_of(name, 225)  # odd, so that something is rounded down
    assert any(layer.formula for layer in layers)
    for layer in layers:
        if layer.formula:
            assert layer.formula.endswith(f" = {layer.shape[1]}"), layer


def test_alexnets_layers() -> None:
    found = [(one.name, one.shape, one.parameters) for one in layers_of("alexnet")]
    assert found == [
        ("conv1", (64, 55, 55), 23_296),
        ("pool1", (64, 27, 27), 0),
        ("conv2", (192, 27, 27), 307_392),
        ("pool2", (192, 13, 13), 0),
        ("conv3", (384, 13, 13), 663_936),
        ("conv4", (256, 13, 13), 884_992),
        ("conv5", (256, 13, 13), 590_080),
        ("pool5", (256, 6, 6), 0),
        ("fc6", (4096, 1, 1), 37_752_832),
        ("fc7", (4096, 1, 1), 16_781_312),
        ("fc8", (1000, 1, 1), 4_097_000),
    ]
    assert by_name("alexnet")["conv1"].formula == "⌊(224 + 2·2 − 11)/4⌋ + 1 = 55"


def test_stages_of_the_others() -> None:
    assert shapes("lenet-5", "C1", "S2", "C3", "S4", "C5") == [
        *((6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1)),
    ]
    assert shapes("vgg-16", *(f"pool{i}" for i in range(1, 6))) == [
        *((64, 112, 112), (128, 56, 56), (256, 28, 28), (512, 14, 14), (512, 7, 7)),
    ]
    ends = ("conv2.2.conv2", "conv3.2.conv2", "conv4.2.conv2", "conv5.2.conv2")
    assert shapes("resnet-18", "conv1", "pool1", *ends) == [
        *((64, 112, 112), (64, 56, 56), (64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)),
    ]
    ends = ("conv2.3.conv3", "conv3.4.conv3", "conv4.6.conv3", "conv5.3.conv3")
    assert shapes("resnet-50", *ends) == [(256, 56, 56), (512, 28, 28), (1024, 14, 14), (2048, 7, 7)]
    halved = ("transition1", "pool2", "pool3", "pool4", "norm")
    assert shapes("densenet-121", *halved) == [
        *((128, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7), (1024, 7, 7)),
    ]
    above = {
        name: module.above for name, module in GoogLeNet().named_children() if isinstance(module, Inception)
    }
    assert list(above.values()) == [256, 480, 512, 512, 512, 528, 832, 832, 1024]  # table 1, output size


@pytest.mark.parametrize(
    ("name", "depth"), [("vgg-16", 16), ("resnet-34", 34), ("resnet-50", 50), ("densenet-121", 121)]
)
def test_the_number_in_a_name_is_that_of_layers_with_weights(name: Name, depth: int) -> None:
    weighted = [
        one for one in layers_of(name) if one.type in ("convolution", "dense") and "shortcut" not in one.name
    ]
    assert len(weighted) == depth


@pytest.mark.parametrize("name", CLASSIC)
def test_the_least_picture_leaves_a_map_and_a_smaller_one_does_not(name: Name) -> None:
    least = CLASSIC[name].least
    assert all(math.prod(layer.shape) for layer in layers_of(name, least))
    if least > 1:
        with pytest.raises(ValueError, match="does not fit a map of"):
            layers_of(name, least - 1)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (LeNet5, (1, 32, 32)),
        (lambda: GoogLeNet(classes=7), (3, 40, 40)),
        (lambda: ResNet(BasicBlock, (1, 1, 1, 1), classes=7), (3, 33, 33)),
        (lambda: ResNet(Bottleneck, (1, 1, 1, 1), classes=7), (3, 33, 33)),
        (lambda: DenseNet((2, 2), 4, classes=7), (3, 40, 40)),
        (lambda: SmallInception(1, 16, 10), (1, 8, 8)),
    ],
)
def test_real_numbers_have_the_shapes_that_are_laid_out(make: type[nn.Module], shape: Shape) -> None:
    network = make().eval()
    found: dict[str, torch.Size] = {}
    for name, module in network.named_modules():
        module.register_forward_hook(lambda m, i, output, name=name: found.update({name: output.shape[1:]}))
    with torch.no_grad():
        network(torch.randn(2, *shape))
    for layer in laid_out(make, shape):
        assert (*found[layer.name], 1, 1)[:3] == layer.shape


def test_an_inception_module_stacks_its_branches() -> None:
    module = Inception(5, (2, 3, 4, 1, 2, 3))
    x = torch.randn(2, 5, 6, 6)

    def conv(name: str, of: torch.Tensor, padding: int = 0) -> torch.Tensor:
        layer = module.get_submodule(name).get_submodule("conv")
        assert isinstance(layer, nn.Conv2d)
        return F.conv2d(of, layer.weight, layer.bias, padding=padding).clamp(min=0)

    expected = torch.cat(
        [
            conv("one", x),
            conv("three", conv("reduce3", x), 1),
            conv("five", conv("reduce5", x), 2),
            conv("project", F.max_pool2d(x, 3, 1, 1)),
        ],
        1,
    )
    torch.testing.assert_close(module(x), expected)
    assert module.above == expected.shape[1] == 11


def test_a_residual_block_adds_its_input_and_without_shortcut_does_not() -> None:
    block = BasicBlock(4, 4).eval()
    x = torch.randn(2, 4, 6, 6)
    f = block.conv2(block.conv1(x).clamp(min=0))
    torch.testing.assert_close(block(x), (f + x).clamp(min=0))
    torch.testing.assert_close(block(x, shortcuts=False), f.clamp(min=0))


def test_a_padded_shortcut_is_the_input_with_zeros() -> None:
    block = BasicBlock(4, 8, stride=2, option="A").eval()
    assert sum(parameter.numel() for parameter in block.shortcut.parameters()) == 0
    x = torch.randn(2, 4, 5, 5)
    found = block.shortcut(x)
    torch.testing.assert_close(found[:, :4], x[:, :, ::2, ::2])
    assert found.shape == (2, 8, 3, 3)
    assert not found[:, 4:].any()
    assert block(x).shape == found.shape


def test_a_dense_layer_adds_k_maps_to_what_it_was_given() -> None:
    layer = DenseLayer(6, 3).eval()
    x = torch.randn(2, 6, 4, 4)
    y = layer(x)
    assert y.shape == (2, 9, 4, 4)
    torch.testing.assert_close(y[:, :6], x)


@pytest.mark.parametrize("n", [1, 3, 7])
def test_a_small_residual_network_has_6n_plus_2_layers(n: int) -> None:
    network = SmallResNet(n, 1, 8, 10)
    weighted = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(weighted) == 6 * n + 2
