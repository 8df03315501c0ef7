"""Saliency, Grad-CAM and occlusion against plain autograd, and the pictures of a stack's inside."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from descent.kit.nn.explain import grad_cam, occlusion, saliency
from descent.kit.nn.inside import exciting, filters_of, reasons_of, window_of
from descent.kit.nn.stack import Activation, Conv, Dense, Network, Pooling

ROWS = (Conv(filters=4), Activation(), Pooling(), Conv(filters=6, stride=2), Activation())
DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture
def network() -> Network:
    torch.manual_seed(0)
    return Network(ROWS, (3, 12, 12), 10).eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def test_saliency_is_the_largest_gradient_of_a_pixels_channels(network: Network, x: torch.Tensor) -> None:
    twin = x.clone().requires_grad_()
    network(twin)[0, 3].backward()
    with torch.no_grad():
        found = saliency(x, lambda x: network(x)[:, 3])
    torch.testing.assert_close(found[0], twin.grad[0].abs().max(0).values)
    assert not x.requires_grad


def test_grad_cam_weighs_each_map_by_its_mean_gradient(network: Network, x: torch.Tensor) -> None:
    strongest = 0.0
    for k in range(10):
        maps = network.trace(x)[5].detach().requires_grad_()
        network.layers[5](maps)[0, k].backward()
        weights = [maps.grad[0, channel].mean() for channel in range(6)]
        expected = F.relu(sum(weight * maps[0, i] for i, weight in enumerate(weights))).detach()
        network.zero_grad()
        with torch.no_grad():
            found = grad_cam(maps, lambda maps, k=k: network.layers[5](maps)[:, k])
        torch.testing.assert_close(found[0], expected)
        strongest = max(strongest, float(expected.max()))
    assert strongest > 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_occlusion_is_the_fall_of_the_score_when_a_square_is_covered(
    network: Network, x: torch.Tensor
) -> None:
    with torch.no_grad():
        found = occlusion(x[0], lambda x: network(x)[:, 3], side=4, stride=2, fill=-1.0)
        covered = x.clone()
        covered[:, :, 2:6, 6:10] = -1
        expected = network(x)[0, 3] - network(covered)[0, 3]
    assert found.shape == (5, 5)
    torch.testing.assert_close(found[1, 3], expected)


def test_the_reasons_are_those_of_the_class_that_is_said(network: Network, x: torch.Tensor) -> None:
    pixels = torch.randint(256, (3, 12, 12), dtype=torch.uint8)
    with torch.no_grad():
        picture = reasons_of(network, x, pixels, DIGITS, -1.0)
        said = int(network(x).argmax())
        expected = saliency(x, lambda x: network(x)[:, said])[0]
    assert picture.captions == [DIGITS[said], "Grad-CAM", "saliency", "occlusion"]
    assert torch.equal(picture.pixels[0], pixels.movedim(0, -1))
    blue = picture.pixels[2, :, :, 2]
    torch.testing.assert_close(blue.float(), 255 * expected / expected.max(), atol=1, rtol=0)


@pytest.mark.parametrize(
    ("unit", "layer"),
    [
        ((1, 2, 0, 0), 1),
        ((2, 2, 0, 0), 1),
        ((3, 2, 0, 0), 3),
        ((4, 5, 0, 0), 4),
        ((6, 5, 0, 0), 4),
        ((0, 2, 0, 0), 1),
    ],
)
def test_the_window_makes_the_picked_channel(
    network: Network, x: torch.Tensor, unit: Any, layer: int
) -> None:
    with torch.no_grad():
        picture = window_of(network, x, unit)
        found = network.trace(x)
    channel = unit[1]
    bias = network.layers[layer - 1].bias[channel] if layer != 3 else 0
    torch.testing.assert_close(picture.output + bias, found[layer][0, channel])
    below = found[layer - 1][0]
    torch.testing.assert_close(picture.input, below[channel : channel + 1] if layer == 3 else below)
    assert (picture.op, picture.stride) == {1: ("sum", 1), 3: ("max", 2), 4: ("sum", 2)}[layer]


def test_a_dense_layer_is_a_window_that_covers_everything(x: torch.Tensor) -> None:
    network = Network((Activation(), Dense(units=5)), (3, 12, 12), 10).eval()
    with torch.no_grad():
        picture = window_of(network, x, (2, 4, 0, 0))
        expected = network.trace(x)[2][0, 4] - network.layers[1].bias[4]
    assert picture.kernel.shape == (3, 12, 12)
    torch.testing.assert_close(picture.output, expected.view(1, 1))


def test_filters_are_the_weights_of_the_picked_convolution(network: Network) -> None:
    picture = filters_of(network, (5, 0, 0, 0))
    assert picture.columns == 4
    weight = network.layers[3].weight[2, 1]
    strongest = network.layers[3].weight[2].abs().max()
    tile = picture.pixels[2 * 4 + 1].float()
    blue = (tile[:, :, 2] / 255).where(weight > 0, -tile[:, :, 0] / 255)
    torch.testing.assert_close(blue, (weight / strongest).detach(), atol=0.01, rtol=0)
    assert filters_of(Network((), (1, 8, 8), 10), (0, 0, 0, 0)).pixels.shape == (1, 1, 1)


def test_exciting_patches_are_where_the_channel_answers_most(network: Network) -> None:
    pictures = torch.randint(256, (40, 3, 12, 12), generator=torch.Generator().manual_seed(2)).byte()
    x = pictures / 127.5 - 1
    y = torch.arange(40) % 3
    with torch.no_grad():
        shown = exciting(network, x, pictures, y, "abc", (1, 2, 5, 5))
        answers = network.trace(x)[1][:, 2]  # (N, 12, 12)
    best = answers.flatten(1).max(1).values.sort(descending=True)
    assert shown.captions == [f"{value:.2g}" for value in best.values[:16].tolist()]
    first = int(best.indices[0])
    top, left = divmod(int(answers[first].argmax()), 12)
    patch = pictures[first, :, max(0, top - 1) : top + 2, max(0, left - 1) : left + 2]
    expected = F.interpolate(patch[None].float(), (12, 12), mode="nearest")[0].movedim(0, -1).byte()
    assert torch.equal(shown.pixels[0], expected)
    counts = Counter("abc"[int(y[row])] for row in best.indices[:16])
    (label, count), (_, next_most) = counts.most_common(2)
    said = {"count": count, "label": label} if count > next_most else {}
    assert shown.reading == (shown.reading.text, {"all": 16, "classes": len(counts), **said})
    with torch.no_grad():
        still = exciting(network, x * 0, pictures, y, "abc", (1, 2, 5, 5))  # all alike to it
    assert still.reading is None
