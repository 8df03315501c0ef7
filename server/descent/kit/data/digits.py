"""Handwritten digits as square grey images: scikit-learn's, which need no download, and MNIST's files.

MNIST comes in IDX files (http://yann.lecun.com/exdb/mnist): two zero bytes, one for the type (8: unsigned
byte), one for the number of dimensions, each dimension's size as a big-endian uint32, then the values. People
have them under several names, zipped and not.
"""

from __future__ import annotations

import gzip
import math
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from descent.kit.data.missing import place_of, unreadable
from descent.kit.data.sets import spelt

_UNSIGNED_BYTE = 8
_GZIP = b"\x1f\x8b"
_SNIFFED = 100  # bytes that distinguish a file from a web page
_NAMED = 8  # files of a folder in which the right ones are missing
_MAX_BYTES = 1 << 30  # a header that promises more is taken for broken, not allocated


@dataclass(frozen=True)
class Digits:
    """`images`: float32 (N, 1, R, R) in [-1, 1], ink is 1. `labels`: int64 (N,), 0…9."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device) -> Digits:
        """The same digits on `device`."""
        return Digits(self.images.to(device), self.labels.to(device))


def sklearn_digits(resolution: int) -> Digits:
    """scikit-learn's 1,797 digits of 8×8 pixels, upsampled bilinearly to `resolution`."""
    chance = random.getstate()  # what scikit-learn imports draws from it, the first time
    from sklearn import datasets

    random.setstate(chance)
    pixels, labels = datasets.load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 8 - 1  # 0…16 → [-1, 1]
    images = F.interpolate(images, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return Digits(images, torch.from_numpy(labels).long())


def shuffled_digits(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """scikit-learn's digits in an order drawn at random: pixels (N, 64) in [-1, 1], and labels (N,)."""
    digits = sklearn_digits(8)
    order = torch.randperm(len(digits), generator=generator)
    return digits.images.flatten(1)[order], digits.labels[order]


def load_digits(dataset: str, resolution: int, folders: Sequence[Path]) -> Digits:
    """The `digits` of scikit-learn or those of a set like `mnist`, whose files are in one of the folders.

    Raises `KnobError` for the knob `dataset` where they cannot be read.
    """
    if dataset == "digits":
        return sklearn_digits(resolution)
    place = place_of(dataset, folders, "dataset")
    try:
        return mnist(place, resolution)
    except (OSError, ValueError) as error:
        raise unreadable(dataset, "dataset", error) from error


def mnist(folder: Path, resolution: int) -> Digits:
    """MNIST, or a set like it, from the IDX files in `folder`: those for training, or else those for testing.

    The 28×28 pixels are padded to 32×32, but for a `resolution` of 28; for 16×16 each is the mean of 2×2.
    Raises `FileNotFoundError` or `ValueError` naming the file and what was expected.
    """
    for split in ("train", "t10k"):
        image_file = spelt(folder, f"{split}-images-idx3-ubyte")
        label_file = spelt(folder, f"{split}-labels-idx1-ubyte")
        if image_file and label_file:
            break
    else:
        raise FileNotFoundError(_missing(folder))
    pixels, labels = read_idx(image_file, dims=3), read_idx(label_file, dims=1)
    if pixels.shape[1:] != (28, 28):
        raise ValueError(f"{image_file}: expected images of 28×28, got {pixels.shape[1]}×{pixels.shape[2]}")
    if not 0 < len(pixels) == len(labels):
        raise ValueError(
            f"{label_file}: expected one label per image, got {len(labels)} for {len(pixels)} images"
        )
    if labels.max() > 9:
        raise ValueError(f"{label_file}: expected labels 0 to 9, got {labels.max()}")
    images = torch.from_numpy(pixels)[:, None]  # (N, 1, 28, 28) uint8
    if resolution != 28:
        images = F.pad(images, (2, 2, 2, 2))  # (N, 1, 32, 32)
    scaled = images.float()
    if resolution not in (28, 32):
        scaled = F.adaptive_avg_pool2d(scaled, resolution)
    return Digits(scaled.div_(127.5).sub_(1), torch.from_numpy(labels).long())


def _missing(folder: Path) -> str:
    """The message for missing files: which are expected, and which there are."""
    looked_for = "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz"
    others = "both with t10k for train, a dot for the last dash but one, or without .gz"
    there = sorted(path.name for path in folder.iterdir())[:_NAMED] if folder.is_dir() else []
    instead = f"there are {', '.join(there)}" if there else "there is nothing"
    return f"{folder}: expected {looked_for} ({others}), and {instead}"


def read_idx(path: Path, dims: int) -> np.ndarray:
    """The unsigned bytes of an IDX file of `dims` dimensions, gzipped or not, whatever its name says.

    Raises `ValueError` naming the file where it is neither, or its size is not what its header says.
    """
    with path.open("rb") as file:
        begin = file.read(_SNIFFED)
    if begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise ValueError(f"{path}: expected IDX values, got a web page; download the file itself again")
    opened = gzip.open if begin.startswith(_GZIP) or not begin.startswith(bytes(2)) else Path.open
    try:
        with opened(path, "rb") as file:
            header = file.read(4 + 4 * dims)
            if header[:4] != bytes((0, 0, _UNSIGNED_BYTE, dims)):
                raise ValueError(
                    f"{path}: expected IDX magic 0000080{dims}, got {header[:4].hex() or 'nothing'}"
                )
            if len(header) < 4 + 4 * dims:
                raise ValueError(
                    f"{path}: expected {dims} dimensions of 4 bytes, got {len(header) - 4} bytes"
                )
            shape = tuple(int(size) for size in np.frombuffer(header, ">u4", offset=4))
            size = math.prod(shape)
            if size > _MAX_BYTES:
                raise ValueError(f"{path}: expected at most {_MAX_BYTES} bytes, its header says {size}")
            data = file.read(size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file: {error}") from error
    if len(data) != size:
        got = f"only {len(data)}" if len(data) < size else "more"
        raise ValueError(f"{path}: expected {size} bytes for its shape {shape}, got {got}")
    return np.frombuffer(bytearray(data), np.uint8).reshape(shape)
