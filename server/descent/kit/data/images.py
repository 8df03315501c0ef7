"""Labelled pictures as bytes: MNIST, Fashion-MNIST, KMNIST and CIFAR-10, read once per process.

CIFAR-10 is its binary version (https://www.cs.toronto.edu/~kriz/cifar.html): records of a byte for the label
and 3×32×32 for red, green and blue. The others are IDX files (see `digits`). Those not zipped are mapped into
memory: what is not looked at is not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from descent.kit.data.digits import read_idx
from descent.kit.data.missing import place_of, unreadable
from descent.kit.data.sets import FILES, spelt

CLASSES_OF: Mapping[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),  # scikit-learn's, which are not fetched
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt", "trousers", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "kmnist": tuple("おきすつなはまやれを"),
    "cifar-10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}
GREY_SETS: Mapping[str, str] = {
    "digits": "scikit-learn, 8 × 8",
    "mnist": "MNIST, 28 × 28",
    "fashion-mnist": "Fashion-MNIST, 28 × 28",
    "kmnist": "KMNIST, 28 × 28",
}
_SIDE = 32  # of CIFAR-10's pictures
_TEST_SHARE = 5  # where only one of the two files is there, one picture in so many is for testing


@dataclass(frozen=True)
class LabelledImages:
    """Pictures to train on and to test with.

    `train`, `test`: uint8 (N, C, H, W), from 0, black, to 255; not to be written to. `train_labels`,
    `test_labels`: int64 (N,), places in `classes`.
    """

    train: torch.Tensor
    train_labels: torch.Tensor
    test: torch.Tensor
    test_labels: torch.Tensor
    classes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of a picture."""
        channels, rows, columns = self.train.shape[1:]
        return channels, rows, columns


def labelled_images(name: str, folders: Sequence[Path], knob: str = "dataset") -> LabelledImages:
    """The pictures of a set in `CLASSES_OF`, from an experiment's folders (`self.data`).

    Where MNIST's folder has only its file for testing, or only that for training, the last fifth of it is for
    testing. Raises `KnobError` for `knob` where the set is not on this machine, or cannot be read.
    """
    place = place_of(name, folders, knob)
    try:
        return _read_images(name, place)
    except (OSError, ValueError) as error:
        raise unreadable(name, knob, error) from error


@lru_cache(maxsize=2)
def _read_images(name: str, place: Path) -> LabelledImages:
    classes = CLASSES_OF[name]
    if name == "cifar-10":
        *train_files, test_file = [place / file for file in FILES[name]]
        parts = [_cifar_batch(file, len(classes)) for file in train_files]
        train, train_labels = (torch.cat(one) for one in zip(*parts, strict=True))
        return LabelledImages(train, train_labels, *_cifar_batch(test_file, len(classes)), classes)
    splits = [split for split in ("train", "t10k") if spelt(place, f"{split}-images-idx3-ubyte")]
    read = [_idx_split(place, split, len(classes)) for split in splits]
    if len(read) == 1:
        (pixels, labels), cut = read[0], -(len(read[0][1]) // _TEST_SHARE)
        read = [(pixels[:cut], labels[:cut]), (pixels[cut:], labels[cut:])]
    elif not read:
        raise FileNotFoundError(f"{place}: expected {FILES[name][0]}")
    return LabelledImages(*read[0], *read[1], classes)


def _idx_split(place: Path, split: str, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, 1, H, W) and labels (N,) of one of the two splits. Raises `OSError` or `ValueError`."""
    found = []
    for kind, dims in (("images", 3), ("labels", 1)):
        file = f"{split}-{kind}-idx{dims}-ubyte"
        path = spelt(place, file)
        if path is None:
            raise FileNotFoundError(f"{place}: expected {file}, too")
        found.append(_mapped_idx(path, dims))
    pixels, labels = found
    if not 0 < len(pixels) == len(labels):
        raise ValueError(f"{place}: expected one label per image, got {len(labels)} for {len(pixels)} images")
    return torch.from_numpy(pixels)[:, None], _checked(place, labels, classes)


def _mapped_idx(path: Path, dims: int) -> np.ndarray:
    """The values of an IDX file, mapped into memory if they lie in it as they are."""
    if path.suffix == ".gz":
        return read_idx(path, dims)
    head = 4 + 4 * dims
    raw = np.memmap(path, np.uint8, mode="c")  # copied when written to: nothing gets into the file
    shape = tuple(int(size) for size in np.frombuffer(raw[4:head].tobytes(), ">u4"))
    if raw[:4].tobytes() != bytes((0, 0, 8, dims)) or len(raw) - head != np.prod(shape, dtype=np.int64):
        return read_idx(path, dims)  # it says what is wrong, or unzips
    return raw[head:].reshape(shape)


def _cifar_batch(path: Path, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures (N, 3, 32, 32) and labels (N,) of one file. Raises `OSError` or `ValueError`."""
    record = 1 + 3 * _SIDE**2
    raw = np.memmap(path, np.uint8, mode="c")
    if len(raw) % record:
        raise ValueError(f"{path}: expected records of {record} bytes, got {len(raw)} bytes")
    rows = raw.reshape(-1, record)
    return torch.from_numpy(rows[:, 1:]).view(-1, 3, _SIDE, _SIDE), _checked(path, rows[:, 0], classes)


def _checked(path: Path, labels: np.ndarray, classes: int) -> torch.Tensor:
    """Labels as int64. Raises `ValueError` where there are others than 0 to `classes` - 1."""
    if labels.max() >= classes:
        raise ValueError(f"{path}: expected labels 0 to {classes - 1}, got {labels.max()}")
    return torch.from_numpy(labels.astype(np.int64))


def transformed(pixels: torch.Tensor, transform: str) -> torch.Tensor:
    """Pixels from 0 to 255 as the network is given them."""
    match transform:
        case "±1":
            return (pixels / 255 - 0.5) / 0.5
        case "0–1":
            return pixels / 255
        case _:
            return pixels.float()
