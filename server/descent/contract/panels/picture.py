"""What all panel kinds have in common: a picture, its arrays, and the types of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import numpy as np
import torch

Array = np.ndarray | torch.Tensor
Scale = Literal["sequential", "diverging"]
Range = tuple[float, float]
LayerType = Literal["convolution", "pooling", "norm", "dense"]


Pictured = TypeVar("Pictured", bound="Picture")


def check_dims(kind: str, name: str, value: Array, dims: int) -> None:
    """Refuse an array with another number of dimensions."""
    if value.ndim != dims:
        raise ValueError(f"invalid {kind}.{name}: expected {dims} dimensions, got shape {tuple(value.shape)}")


class Note(NamedTuple):
    """A sentence under a picture, translated by the table `words`. `{name}` in it is `values[name]`."""

    text: str
    values: Mapping[str, str | int] = {}


class Picture:
    """One update of one panel, before it is encoded."""

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type[Picture]]] = {}
    reading: Note | None = None  # what is to be read from it: no field of its kind, set by `says`

    def __init_subclass__(cls) -> None:
        cls.kind = cls.__name__.lower()
        Picture.kinds[cls.kind] = cls


def says(picture: Pictured, text: str, **values: str | int) -> Pictured:
    """The picture with one sentence that is read from it: numbers as words (`descent.kit.text.rough`).

    Without one where a number is a dash, as of a network that has diverged: nothing true could be said.
    """
    if "–" in values.values():
        return picture
    picture.__dict__["reading"] = Note(text, values)
    return picture


def split(picture: Picture) -> tuple[dict[str, Array], dict[str, Any]]:
    """A picture's arrays, and its other fields."""
    arrays: dict[str, Array] = {}
    rest: dict[str, Any] = {}
    for spec in fields(picture):  # type: ignore[arg-type]
        value = getattr(picture, spec.name)
        (arrays if isinstance(value, np.ndarray | torch.Tensor) else rest)[spec.name] = value
    if picture.reading:
        rest["reading"] = picture.reading
    return arrays, rest
