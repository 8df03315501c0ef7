"""Pictures that a learner brought, as they are kept: all of one size, with the folder that each lay in.

    {"pictures": 1, "side": 32, "classes": ["cat", "dog"], "labels": [0, 0, 1, …]}\\n
    side · side · 3 bytes of each picture, row by row: red, green and blue

Decoding was done when they were brought (`descent.workers.zipped`): here is nothing to unpack.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from descent.contract import KnobError
from descent.kit.data.digits import Digits, load_digits
from descent.kit.data.images import CLASSES_OF, LabelledImages, labelled_images
from descent.kit.data.own import own_place
from descent.kit.data.photos import grey

OWN_SIDE = 32  # pixels along a picture's sides
MOST_OWN_PICTURES = 5000
MOST_CLASSES = 10
FEWEST_OF_CLASS = 5  # pictures of a class
OWN_TEST_SHARE = 5  # one in so many of a class is for testing
IN_COLOUR = 20_000  # pictures of CIFAR-10: with three channels they take as much room as all of MNIST
MAGIC = b'{"pictures": 1,'
MOST_HEAD = 1 << 16  # bytes of the line that is no pixels

NO_PICTURES = "there are no pictures in it; bring a zip of PNG or JPEG files, one folder for each class"
ONE_CLASS = "all pictures lie in one folder; to tell them apart takes two, one for each class"
FEW_PICTURES = "the folder “{name}” has {have} pictures; put {least} or more into each"
MANY_PICTURES = "it has {have} pictures; bring {most} at most"
MANY_CLASSES = "the pictures lie in {have} folders; bring {most} at most"
DAMAGED = "the pictures are damaged; bring the file again"


class OwnImages(NamedTuple):
    """`pixels`: uint8 (N, 3, S, S); `labels`: int64 (N,), places in `classes`."""

    pixels: Tensor
    labels: Tensor
    classes: tuple[str, ...]


def packed(images: OwnImages) -> bytes:
    """The bytes that are kept of pictures."""
    head = {"pictures": 1, "side": OWN_SIDE, "classes": images.classes, "labels": images.labels.tolist()}
    line = json.dumps(head, ensure_ascii=False) + "\n"
    return line.encode() + images.pixels.movedim(1, -1).contiguous().numpy().tobytes()


def unpacked(content: bytes, knob: str) -> OwnImages:
    """The pictures in what is kept. Raises `KnobError` for `knob` where it is none, or not within limits."""
    line, _, pixels = content.partition(b"\n")
    try:
        head = json.loads(line) if content.startswith(MAGIC) and len(line) <= MOST_HEAD else {}
        side, classes, labels = head["side"], tuple(map(str, head["classes"])), head["labels"]
        places = torch.tensor(labels, dtype=torch.int64)
    except (ValueError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        raise KnobError(knob, DAMAGED) from error
    if side != OWN_SIDE or places.dim() != 1 or len(pixels) != len(places) * OWN_SIDE * OWN_SIDE * 3:
        raise KnobError(knob, DAMAGED)
    if len(set(classes)) < len(classes) or not {*places.tolist()} <= {*range(len(classes))}:
        raise KnobError(knob, DAMAGED)
    check_counts({name: int((places == place).sum()) for place, name in enumerate(classes)}, knob)
    flat = torch.frombuffer(bytearray(pixels), dtype=torch.uint8)
    return OwnImages(flat.view(-1, OWN_SIDE, OWN_SIDE, 3).movedim(-1, 1).contiguous(), places, classes)


def check_counts(counts: dict[str, int], knob: str) -> None:
    """Raises `KnobError` for `knob` where there are too few or too many pictures, by class, or classes."""
    have = sum(counts.values())
    if not have:
        raise KnobError(knob, NO_PICTURES, reason="no-pictures")
    if have > MOST_OWN_PICTURES:
        raise KnobError(knob, MANY_PICTURES, reason="many-pictures", have=have, most=MOST_OWN_PICTURES)
    if len(counts) > MOST_CLASSES:
        raise KnobError(knob, MANY_CLASSES, reason="many-classes", have=len(counts), most=MOST_CLASSES)
    name, least = min(counts.items(), key=lambda one: one[1])
    if least < FEWEST_OF_CLASS:
        raise KnobError(
            knob, FEW_PICTURES, reason="few-pictures", name=name, have=least, least=FEWEST_OF_CLASS
        )


def own_images(
    digest: str, folders: Sequence[Path], generator: torch.Generator, *, classes: int = 1, knob: str = "file"
) -> LabelledImages:
    """The pictures that a learner brought, in a random order; a fifth of each class is for testing.

    Raises `KnobError` for `knob` where they are gone, or of fewer than so many classes.
    """
    images = unpacked(own_place(digest, folders, knob).read_bytes(), knob)
    if len(images.classes) < classes:
        raise KnobError(knob, ONE_CLASS, reason="one-class")
    order = torch.randperm(len(images.labels), generator=generator)
    pixels, labels = images.pixels[order], images.labels[order]
    of_class = F.one_hot(labels, len(images.classes))  # (N, classes)
    before = (of_class.cumsum(0) * of_class).sum(1) - 1  # others of its class before each
    test = before < (of_class.sum(0) // OWN_TEST_SHARE)[labels]
    return LabelledImages(pixels[~test], labels[~test], pixels[test], labels[test], images.classes)


def in_grey(pixels: Tensor, side: int) -> Tensor:
    """The brightness of pictures uint8 (N, 3, S, S), as floats (N, 1, side, side) from 0 to 255."""
    found = torch.cat([grey(one.float()) for one in pixels])[:, None]
    return scaled(found, side)


def scaled(pixels: Tensor, side: int) -> Tensor:
    """Floats (N, C, S, S) as (N, C, side, side)."""
    if pixels.shape[-1] == side:
        return pixels
    return F.interpolate(pixels, (side, side), mode="bilinear", antialias=True)


def chosen_images(
    name: str, digest: str, folders: Sequence[Path], generator: torch.Generator, *, classes: int = 1
) -> LabelledImages:
    """The learner's own pictures for "file", see `own_images`, else those of a set, see `labelled_images`."""
    if name == "file":
        return own_images(digest, folders, generator, classes=classes)
    return labelled_images(name, folders)


def own_digits(digest: str, folders: Sequence[Path], side: int | None = None) -> tuple[Digits, list[str]]:
    """All pictures that a learner brought, and their classes: grey of so many pixels, or in colour.

    Raises `KnobError` for the knob `file` where they are gone.
    """
    images = unpacked(own_place(digest, folders, "file").read_bytes(), "file")
    pixels = images.pixels.float() if side is None else in_grey(images.pixels, side)
    return Digits(pixels.div(127.5).sub(1), images.labels), list(images.classes)


def real_pictures(
    dataset: str, digest: str, resolution: int, folders: Sequence[Path]
) -> tuple[Digits, list[str]]:
    """Real pictures (N, C, R, R) in [-1, 1] of a set, or of the learner's own, and their classes.

    Raises `KnobError` where they cannot be read.
    """
    if dataset == "file":
        own, names = own_digits(digest, folders)
        return Digits(scaled(own.images, resolution), own.labels), names
    classes = list(CLASSES_OF[dataset])
    if dataset != "cifar-10":
        return load_digits(dataset, resolution, folders), classes
    found = labelled_images(dataset, folders)
    pixels = found.train[:IN_COLOUR].float()  # (N, 3, 32, 32)
    if resolution == 28:
        pixels = pixels[..., 2:-2, 2:-2]
    elif resolution != 32:
        pixels = F.adaptive_avg_pool2d(pixels, resolution)
    return Digits(pixels.div(127.5).sub_(1), found.train_labels[:IN_COLOUR].clone()), classes
