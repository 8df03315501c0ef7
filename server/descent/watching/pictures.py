"""Pictures of what a script's own functions return: arrays, texts and numbers of the usual shapes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from descent.contract.panels import Heatmap, Images, Lines, Picture, Tokens

MOST_IMAGES = 64
MOST_PIXELS = 128  # rows and columns of an image
MOST_CELLS = 256  # rows and columns of a heatmap
MOST_POINTS = 2000
MOST_CURVES = 16
MOST_CHARACTERS = 4000


def tensor_of(values: Any) -> Tensor:
    """Any array of numbers as a tensor on the CPU. Raises `TypeError` or `ValueError`."""
    if isinstance(values, Sequence) and values and isinstance(values[0], Tensor):
        values = torch.stack(list(values))
    found = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    return found.detach().cpu()


def images(values: Any) -> Picture:
    """Images (N, H, W), (N, 1 or 3, H, W) or (N, H, W, 1 or 3), or one of them; uint8, or floats over their
    own range: 0…1 if they lie in it, else −1…1, else what is least and greatest.
    """
    if isinstance(values, Picture):
        return values
    found = tensor_of(values)
    if found.ndim == 2 or (found.ndim == 3 and (found.shape[0] in (1, 3) or found.shape[-1] in (1, 3))):
        found = found[None]
    if found.ndim == 4 and found.shape[-1] in (1, 3) and found.shape[1] not in (1, 3):
        found = found.movedim(-1, 1)
    if found.ndim == 4 and found.shape[1] not in (1, 3):
        raise ValueError(f"images have 1 or 3 channels; got the shape {tuple(found.shape)}")
    if found.ndim not in (3, 4):
        raise ValueError(f"images are (N, H, W) or (N, C, H, W); got the shape {tuple(found.shape)}")
    planes = found[:MOST_IMAGES, None] if found.ndim == 3 else found[:MOST_IMAGES]
    rows, columns = planes.shape[-2:]
    if planes.dtype != torch.uint8:
        planes = planes.float().nan_to_num()
        low, high = float(planes.min()), float(planes.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        elif low >= -1 and high <= 1:
            low, high = -1.0, 1.0
        planes = Images.to_pixels(planes, low, max(high, low + 1e-12))
    if max(rows, columns) > MOST_PIXELS:
        size = min(rows, MOST_PIXELS), min(columns, MOST_PIXELS)
        planes = adaptive_avg_pool2d(planes.float(), size).round().to(torch.uint8)
    pixels = planes[:, 0] if planes.shape[1] == 1 else planes.movedim(1, -1)
    return Images(pixels=pixels.contiguous())


def heatmap(values: Any) -> Picture:
    """A matrix (R, C); on a diverging scale where it has both signs."""
    if isinstance(values, Picture):
        return values
    found = tensor_of(values).float()
    if found.ndim != 2:
        raise ValueError(f"a heatmap is a matrix; got the shape {tuple(found.shape)}")
    found = found[:MOST_CELLS, :MOST_CELLS]
    finite = found[torch.isfinite(found)]
    signed = bool(finite.numel()) and bool(finite.min() < 0 < finite.max())
    return Heatmap(values=found, scale="diverging" if signed else "sequential")


def text(values: Any) -> Picture:
    """A text; or tokens with a number each, as (tokens, values)."""
    if isinstance(values, Picture):
        return values
    if isinstance(values, str):
        shown = values[:MOST_CHARACTERS]
        return Tokens(tokens=shown, values=np.zeros(len(shown), np.float32))
    tokens, numbers = values
    tokens = [str(token) for token in tokens][:MOST_CHARACTERS]
    coloured = tensor_of(numbers).float().flatten()[:MOST_CHARACTERS]
    most = float(coloured.abs().nan_to_num().max()) if len(coloured) else 1.0
    return Tokens(tokens=tokens, values=coloured, range=(-(most or 1.0), most or 1.0))


def lines(values: Any) -> Picture:
    """Curves by name, {name: (n,)}, or one (n,); with x as (x, curves)."""
    if isinstance(values, Picture):
        return values
    x = None
    if isinstance(values, tuple) and len(values) == 2:
        x, values = tensor_of(values[0]).float(), values[1]
    curves = values if isinstance(values, Mapping) else {"": values}
    if not curves:
        raise ValueError("there is no curve")
    found = {str(name)[:100]: tensor_of(curve).float().flatten() for name, curve in curves.items()}
    found = dict(list(found.items())[:MOST_CURVES])
    count = max(map(len, found.values()))
    x = torch.arange(count, dtype=torch.float32) if x is None else x.flatten()
    padded = torch.full((len(found), len(x)), float("nan"))
    for row, curve in zip(padded, found.values(), strict=True):
        row[: len(curve)] = curve[: len(x)]
    every = max(1, -(-len(x) // MOST_POINTS))
    return Lines(x=x[::every], values=padded[:, ::every], series=list(found))


KINDS: Mapping[str, tuple[str, Callable[[Any], Picture]]] = {
    "images": (Images.kind, images),
    "heatmap": (Heatmap.kind, heatmap),
    "text": (Tokens.kind, text),
    "lines": (Lines.kind, lines),
}
