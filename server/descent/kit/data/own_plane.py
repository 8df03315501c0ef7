"""Points of the plane to learn: patterns, or a learner's own table, two columns as axes, a third as label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from descent.contract.panels import Note, Range
from descent.kit.data.columns import label_column, number_column, numbers, rows_of, two_classes
from descent.kit.data.planar import CLASSIFICATION, EXTENT, PATTERNS, Samples
from descent.kit.data.table import Table
from descent.kit.text import figure

PER_DEVIATION = 2.0  # of the plane, at most
EDGE = 0.95 * EXTENT  # beyond lies no point

SIDES = ("−1", "+1")
FIFTHS = ("< −0.6", "−0.4", "0", "0.4", "> 0.6")  # of the range of regression targets

CLASSES_ARE = "+1 is {name} = {positive}, −1 is {negative}."
LABEL_IS = "{name}: −1 is {low}, +1 is {high}."


class PlaneData(NamedTuple):
    """Points of the plane. `classes`: of −1 and 1, or parts of that range; `units`: its ends, if measured."""

    samples: Samples
    classes: Sequence[str]
    axes: tuple[str, str] = ("x₁", "x₂")
    units: tuple[Range, Range] | None = None
    remarks: Sequence[Note] = ()


def made_plane(pattern: str, count: int, noise: float, generator: torch.Generator) -> PlaneData:
    """So many points of one of `PATTERNS`."""
    samples = PATTERNS[pattern](count, noise, generator)
    return PlaneData(samples, SIDES if pattern in CLASSIFICATION else FIFTHS)


def own_plane(
    table: Table,
    columns: tuple[str, str, str],
    one: str,
    classifies: bool,
    most: int,
    generator: torch.Generator,
) -> PlaneData:
    """At most so many rows: the columns for x₁ and x₂, standardised, and the label within ±1.

    A class is ±1, see `two_classes`; a number goes from −1 at its least to 1 at its greatest. Raises
    `KnobError` for `x1_column`, `x2_column`, `label_column`, `one_class` and `file`.
    """
    x1, x2, label = columns
    x1 = number_column(table, x1, "x1_column", [x2, label])
    x2 = number_column(table, x2, "x2_column", [x1, label])
    axes = [(x1, numbers(table, x1, "x1_column")), (x2, numbers(table, x2, "x2_column"))]
    names: Sequence[str] = FIFTHS
    if classifies:
        label = label_column(table, label, "label_column", [x1, x2])
        values, names = two_classes(table, label, one, "label_column", "one_class")
    else:
        label = number_column(table, label, "label_column", [x1, x2], last=True)
        values = numbers(table, label, "label_column")
    rows = rows_of([*axes, (label, values)], most, "label_column", generator)
    placed, units = zip(*(_placed(column) for column in rows.values[:, :2].T), strict=True)
    labels = rows.values[:, 2:]
    if classifies:
        told = Note(CLASSES_ARE, {"name": label, "positive": names[1], "negative": names[0]})
    else:
        low, high = labels.min(), labels.max()
        told = Note(LABEL_IS, {"name": label, "low": figure(low.item()), "high": figure(high.item())})
        labels = 2 * (labels - low) / (high - low) - 1
    samples = Samples(torch.stack(placed, 1).float(), labels.float())
    return PlaneData(samples, names, (x1, x2), (units[0], units[1]), [told, *rows.remarks])


def _placed(values: Tensor) -> tuple[Tensor, Range]:
    """Values (N,), standardised, as places of the plane, and what its ends are in their units."""
    mean, deviation = values.mean(), values.std(correction=0)
    gain = min(PER_DEVIATION / deviation, EDGE / (values - mean).abs().max())
    reach = float(EXTENT / gain)
    return (values - mean) * gain, (float(mean) - reach, float(mean) + reach)
