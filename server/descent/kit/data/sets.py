"""The larger data sets: what their files are called, and where among a run's folders they lie. Loads nothing.

A set has a folder of its name, `<folder>/fashion-mnist`; MNIST's files may also lie in `<folder>` itself. IDX
files go by several names: with a dash or a dot, zipped or not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

_IDX = tuple(
    f"{split}-{what}-ubyte" for split in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
)
FILES: Mapping[str, Sequence[str]] = {
    "mnist": _IDX,
    "fashion-mnist": _IDX,
    "kmnist": _IDX,
    "cifar-10": (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"),
    "tiny-shakespeare": ("input.txt",),
    "ett": ("ETTh1.csv", "ETTh2.csv", "ETTm1.csv", "ETTm2.csv"),
}
TITLES: Mapping[str, str] = {
    "mnist": "MNIST",
    "fashion-mnist": "Fashion-MNIST",
    "kmnist": "KMNIST",
    "cifar-10": "CIFAR-10",
    "tiny-shakespeare": "Tiny Shakespeare",
    "ett": "ETT",
}


def located(name: str, folders: Sequence[Path]) -> Path | None:
    """The first place with any file of the data set `name`; None if there is none."""
    for folder in folders:
        for place in (folder / name, *([folder] if name == "mnist" else [])):
            if any(spelt(place, file) for file in FILES[name]):
                return place
    return None


def spelt(place: Path, file: str) -> Path | None:
    """A file of `FILES` under the name it has in `place`; None if it is not there."""
    stems = [file, file.replace("-idx", ".idx")]
    names = [stem + end for end in ("", ".gz") for stem in stems] if "-idx" in file else [file]
    return next((place / name for name in names if (place / name).is_file()), None)
