"""Handwritten digits as square grey images: scikit-learn's, which need no download, and MNIST's files.

MNIST comes in IDX files (http://yann.lecun.com/exdb/mnist): two zero bytes, one for the type (8: unsigned
byte), one for the number of dimensions, each dimension's size as a big-endian uint32, then the values.
"""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

_UNSIGNED_BYTE = 8
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
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = torch.from_numpy(pixels).float().view(-1, 1, 8, 8) / 8 - 1  # 0…16 → [-1, 1]
    images = F.interpolate(images, size=(resolution, resolution), mode="bilinear", align_corners=False)
    return Digits(images, torch.from_numpy(labels).long())


def mnist(folder: Path, resolution: int) -> Digits:
    """MNIST from the IDX files in `folder`: the training set, or the test set where only that is there.

    The 28×28 pixels are padded to 32×32; for 16×16 each pixel is then the mean of 2×2.
    Raises `FileNotFoundError` or `ValueError` naming the file and what was expected.
    """
    for split in ("train", "t10k"):
        image_file = folder / f"{split}-images-idx3-ubyte.gz"
        label_file = folder / f"{split}-labels-idx1-ubyte.gz"
        if image_file.is_file() and label_file.is_file():
            break
    else:
        names = "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz"
        raise FileNotFoundError(f"{folder}: expected {names}, or both with t10k for train")
    pixels, labels = read_idx(image_file, dims=3), read_idx(label_file, dims=1)
    if pixels.shape[1:] != (28, 28):
        raise ValueError(f"{image_file}: expected images of 28×28, got {pixels.shape[1]}×{pixels.shape[2]}")
    if not 0 < len(pixels) == len(labels):
        raise ValueError(
            f"{label_file}: expected one label per image, got {len(labels)} for {len(pixels)} images"
        )
    if labels.max() > 9:
        raise ValueError(f"{label_file}: expected labels 0 to 9, got {labels.max()}")
    images = F.pad(torch.from_numpy(pixels), (2, 2, 2, 2))[:, None]  # (N, 1, 32, 32) uint8
    images = F.adaptive_avg_pool2d(images.float(), resolution) / 127.5 - 1
    return Digits(images, torch.from_numpy(labels).long())


def read_idx(path: Path, dims: int) -> np.ndarray:
    """The unsigned bytes of a gzipped IDX file of `dims` dimensions.

    Raises `ValueError` naming the file where it is no gzip, or its size is not what its header says.
    """
    try:
        with gzip.open(path, "rb") as file:
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
