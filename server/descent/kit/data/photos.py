"""Photographs, small: those that come with scikit-learn, which need no download.

Both are under a Creative Commons licence (CC BY 2.0): `temple` by Daniel Büchele, `flower` by vultilion.
"""

from __future__ import annotations

import random
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Photo = Literal["temple", "flower"]
_FILES = {"temple": "china.jpg", "flower": "flower.jpg"}
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601: how bright red, green and blue look


def load_photo(name: Photo, side: int) -> Tensor:
    """The square in the middle of a photograph, (3, side, side) from 0 to 1: each pixel a mean."""
    chance = random.getstate()  # what scikit-learn imports draws from it, the first time
    from sklearn import datasets

    random.setstate(chance)
    pixels = torch.tensor(datasets.load_sample_image(_FILES[name])).permute(2, 0, 1).float() / 255
    height, width = pixels.shape[1:]
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = pixels[:, top : top + edge, left : left + edge]
    return F.adaptive_avg_pool2d(square, side)


def grey(pixels: Tensor) -> Tensor:
    """The brightness (1, H, W) of colours (3, H, W)."""
    return (pixels * pixels.new_tensor(_LUMA).view(3, 1, 1)).sum(0, keepdim=True)
