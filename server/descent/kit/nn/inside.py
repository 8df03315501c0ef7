"""Pictures of what goes on inside a stack of layers (see `stack`) for one input, or one unit of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import panels as p
from descent.kit.nn.explain import Score, grad_cam, occlusion, saliency
from descent.kit.nn.stack import Conv, Dense, Network, Pooling
from descent.kit.nn.units import Box, onward, seen, within
from descent.kit.reading import foremost, most_alike, peak
from descent.kit.text import rough

FILTERS = 16  # shown of a layer, and channels of each
PATCHES = 16  # shown of a channel
Unit = Sequence[int]  # layer, channel, row, column


def maps_of(network: Network, x: Tensor, labels: Sequence[str], unit: Unit) -> p.Maps:
    """x (1, C, H, W), what each layer makes of it, and the probabilities; with what a unit is made of."""
    found = network.trace(x)
    outputs = [*(one[0] for one in found[:-1]), found[-1][0].softmax(0)]
    picked = within(unit, network.shapes)
    back = seen(network.rows, network.shapes, Box(*picked, 1, 1))
    boxes = [*back[:2], *back[2:][-1:], *onward(network.rows, network.shapes, picked)]
    names = ["Picture", *network.names()[:-1], "P"]
    return p.Maps.of(outputs, names, labels=labels, unit=picked, boxes=boxes)


def window_of(network: Network, x: Tensor, unit: Unit) -> p.Convolution:
    """How the unit's channel is made of the maps below: patch times kernel, summed, before the bias.

    Of a pooling layer: the largest, or the mean, of each window. For a unit of another kind of layer it is
    the last window before it. A dense layer on a map is a window that covers all of it.
    """
    layer, channel, _, _ = within(unit, network.shapes)
    layer = _last(network, layer, Conv, Pooling) or _last(network, layer, Dense) or 1
    channel %= network.shapes[layer][0]
    row, below = network.rows[layer - 1], network.trace(x)[layer - 1]
    stride, padding = 1, 0
    if isinstance(row, Pooling):
        below, stride = below[:, channel : channel + 1], row.stride
        kernel = torch.zeros(0, row.size, row.size)
        made = (F.max_pool2d if row.take == "largest" else F.avg_pool2d)(below, row.size, stride)
    else:
        if isinstance(row, Conv):
            stride, padding = row.stride, row.padding
        below = below.view(1, *network.shapes[layer - 1])
        kernel = _weight(network, layer)[channel].view(len(below[0]), *_window(row, below))
        made = F.conv2d(below, kernel[None], None, stride, padding)
    picture = p.Convolution(
        input=below[0],
        kernel=kernel,
        output=made[0, 0],
        range=_range(below),
        output_range=_range(made),
        op="sum" if len(kernel) else "max" if getattr(row, "take", "") == "largest" else "mean",
        stride=stride,
        padding=(padding, padding),
        scale="diverging",
    )
    highest = peak(made[0, 0])
    text = "The window finds most at row {row}, column {column}: {value}."
    return p.says(picture, text, **highest) if highest else picture


def filters_of(network: Network, unit: Unit) -> p.Images:
    """The kernels of the unit's convolution, or of the last before it: a row for each filter."""
    layer = _last(network, within(unit, network.shapes)[0], Conv)
    if not layer:
        return p.Images(pixels=torch.zeros(1, 1, 1, dtype=torch.uint8))
    kernels = _weight(network, layer)[:FILTERS, :FILTERS]  # (F, C, k, k)
    scaled = kernels / kernels.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    columns = kernels.shape[1] if kernels.shape[1] > 1 else min(4, len(kernels))
    picture = p.Images(pixels=p.Images.signed(scaled.flatten(0, 1)), columns=columns)
    pair = most_alike(kernels.flatten(1))
    text = "Most alike are filters {one} and {other}: their cosine is {cosine}."
    return p.says(picture, text, **pair) if pair else picture


def reasons_of(network: Network, x: Tensor, picture: Tensor, labels: Sequence[str], fill: float) -> p.Images:
    """A picture, uint8 (C, H, W), and why it is taken for its class: Grad-CAM, saliency, occlusion.

    x (1, C, H, W): what the network is given of it; `fill`: a covered pixel.
    """
    found = network.trace(x)
    said = int(found[-1].argmax())
    last = max(i for i, maps in enumerate(found) if maps.ndim == 4)
    height, width = x.shape[2:]
    side = max(2, width // 4)

    def score(layer: int) -> Score:
        return lambda maps: nn.Sequential(*network.layers[layer:])(maps)[:, said]

    heat = {
        "Grad-CAM": grad_cam(found[last], score(last)),
        "saliency": saliency(x, score(0)),
        "occlusion": occlusion(x[0], score(0), side, max(1, side // 3), fill).clamp(min=0)[None],
    }
    shown = [F.interpolate(one[None], (height, width), mode="bilinear")[0, 0] for one in heat.values()]
    tiles = [p.Images.signed(one / one.max().clamp(min=1e-12)) for one in shown]
    coloured = picture.movedim(0, -1).expand(height, width, 3)
    tried = p.Images(pixels=torch.stack([coloured, *tiles]), columns=4, captions=[labels[said], *heat])
    lost = rough(float(heat["occlusion"].max())) if found[-1].isfinite().all() else "–"
    text = "Covering a square costs “{said}” up to {lost} of its score of {score}."
    return p.says(tried, text, said=labels[said], lost=lost, score=rough(float(found[-1][0, said])))


def exciting(
    network: Network, x: Tensor, pictures: Tensor, y: Tensor, labels: Sequence[str], unit: Unit
) -> p.Images:
    """The patches that the unit's channel answers to most: of each picture, uint8 (N, C, H, W), at most one.

    x (N, C, H, W): what the network is given of them; y (N,): their classes, by their place in `labels`.
    """
    layer, channel, _, _ = within((max(unit[0], 1), *unit[1:]), network.shapes)
    answers = nn.Sequential(*network.layers[:layer])(x).reshape(len(x), *network.shapes[layer])[
        :, channel
    ]  # (N, H', W')
    best, places = answers.flatten(1).max(1)
    rows = best.topk(min(PATCHES, len(best))).indices
    size = pictures.shape[2:]
    patches = []
    for row in rows.tolist():
        top, left = divmod(int(places[row]), answers.shape[2])
        box = seen(network.rows, network.shapes, Box(layer, channel, top, left, 1, 1))[-1]
        patch = pictures[row, :, box.top : box.top + box.height, box.left : box.left + box.width]
        patches.append(F.interpolate(patch[None].float(), size, mode="nearest")[0])
    tiles = torch.stack(patches).movedim(1, -1).to(torch.uint8).expand(-1, -1, -1, 3)
    captions = [f"{value:.2g}" for value in best[rows].tolist()]
    picture = p.Images(pixels=tiles, columns=8, captions=captions)
    counts = torch.bincount(y[rows], minlength=len(labels))
    most = foremost(counts)
    if not best.isfinite().all() or best.min() == best.max():  # it tells no picture from another
        return picture
    found = {"all": len(rows), "classes": int((counts > 0).sum())}
    if most is None:
        return p.says(picture, "These {all} patches are of {classes} classes.", **found)
    text = "These {all} patches are of {classes} classes, {count} of “{label}”."
    return p.says(picture, text, **found, count=int(counts[most]), label=labels[most])


def _last(network: Network, layer: int, *kinds: type) -> int:
    """The last layer of some kinds up to this one, or else the first of them; 0 where there is none."""
    found = [i for i, row in enumerate(network.rows, 1) if isinstance(row, kinds)]
    return max((i for i in found if i <= layer), default=found[0] if found else 0)


def _weight(network: Network, layer: int) -> Tensor:
    module = network.layers[layer - 1]
    assert isinstance(module, nn.Conv2d | nn.Linear), module
    return module.weight


def _window(row: object, below: Tensor) -> tuple[int, int]:
    return (row.kernel, row.kernel) if isinstance(row, Conv) else (below.shape[2], below.shape[3])


def _range(values: Tensor) -> tuple[float, float]:
    """Of the colours, symmetric about 0."""
    most = float(values.abs().max().clamp(min=1e-12))
    return -most, most
