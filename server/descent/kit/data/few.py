"""Pictures for two tasks: a source with many labels, and a target of which few are labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.kit.data.digits import sklearn_digits
from descent.kit.data.images import CLASSES_OF, labelled_images

MOST_PICTURES = 8000  # pictures of a set, drawn at random
TESTED = 1000  # pictures to test with, at most
TEST_SHARE = 5  # one in so many


@dataclass(frozen=True)
class Pictures:
    """`pixels`: float32 (N, C, H, W) from 0 to 255; `labels`: int64 (N,), places in `classes`."""

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    def rows(self, rows: Tensor | slice) -> Pictures:
        """Some of the pictures."""
        return replace(self, pixels=self.pixels[rows], labels=self.labels[rows])

    def of_classes(self, places: range) -> Pictures:
        """Those of some classes, which are then all there are."""
        kept = (self.labels >= places.start) & (self.labels < places.stop)
        labels = self.labels[kept] - places.start
        return Pictures(self.pixels[kept], labels, self.classes[places.start : places.stop])

    def to(self, device: torch.device) -> Pictures:
        """The same on another device."""
        return replace(self, pixels=self.pixels.to(device), labels=self.labels.to(device))


def pictures_of(name: str, folders: Sequence[Path], generator: torch.Generator, knob: str) -> Pictures:
    """A set of `CLASSES_OF` in random order. Raises `KnobError` for `knob` as `labelled_images` does."""
    if name == "digits":
        digits = sklearn_digits(8)
        pixels, labels = (digits.images + 1) * 127.5, digits.labels
    else:
        found = labelled_images(name, folders, knob)
        pixels, labels = found.train, found.train_labels
    order = torch.randperm(len(labels), generator=generator)[:MOST_PICTURES]
    return Pictures(pixels[order].float(), labels[order], CLASSES_OF[name])


def held_out(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Those to train on, and those to test with."""
    cut = min(len(pictures.labels) // TEST_SHARE, TESTED)
    return pictures.rows(slice(cut, None)), pictures.rows(slice(cut))


def few_of_each(pictures: Pictures, most: int) -> tuple[Pictures, Pictures]:
    """Those with labels, of which the first n · classes are n of each for any n up to `most`; the others."""
    places = [torch.nonzero(pictures.labels == k)[:, 0] for k in range(len(pictures.classes))]
    labelled = torch.stack([rows[:most] for rows in places], 1).flatten()  # (most · classes,)
    others = torch.cat([rows[most:] for rows in places]).sort().values  # in the pictures' own order
    return pictures.rows(labelled), pictures.rows(others[:TESTED])


def resized(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """Pixels (N, C, H, W) as (N, C, *size)."""
    if tuple(pixels.shape[2:]) == tuple(size):
        return pixels
    return F.interpolate(pixels, tuple(size), mode="bilinear", antialias=True)


def lit(pixels: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Pixels (N, C, H, W), each picture lit from another side: with u, v in ±1 and the strength A,

    x + a (u cos φ + v sin φ) + c,  a ~ N(0, A²), c ~ N(0, A²/4), in units of half the range of a pixel.
    """
    if not strength:
        return pixels
    slope, offset = strength * torch.randn(2, len(pixels), 1, 1, generator=generator)
    angle = 2 * torch.pi * torch.rand(len(pixels), 1, 1, generator=generator)
    rows, columns = (torch.linspace(-1, 1, side) for side in pixels.shape[2:])
    plane = slope * (angle.cos() * columns + angle.sin() * rows[:, None]) + offset / 2  # (N, H, W)
    return pixels + 127.5 * plane[:, None].to(pixels.device)
