"""Pictures and matrices: rows and columns of pixels or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch

from descent.contract.panels.picture import Array, Picture, Range, Scale, check_dims


@dataclass(kw_only=True)
class Images(Picture):
    """A grid of `N` small images. `pixels`: uint8, (N, H, W) grey or (N, H, W, 3) colour."""

    pixels: Array
    columns: int | None = None  # None: as square a grid as N allows
    captions: Sequence[str] = ()  # one per image, or none

    def __post_init__(self) -> None:
        if self.pixels.ndim not in (3, 4):
            raise ValueError(f"invalid Images.pixels: shape {tuple(self.pixels.shape)}")
        if len(self.captions) not in (0, len(self.pixels)):
            raise ValueError(f"invalid Images.captions: {len(self.captions)} for {len(self.pixels)} images")

    @staticmethod
    def to_pixels(values: torch.Tensor, low: float = -1.0, high: float = 1.0) -> torch.Tensor:
        """Map `values` (any shape) from [low, high] to uint8 0…255, clamping what lies outside."""
        return ((values.detach() - low) * (255.0 / (high - low))).round_().clamp_(0, 255).to(torch.uint8)

    @staticmethod
    def signed(values: torch.Tensor) -> torch.Tensor:
        """Colours (…, 3) of `values` (…) within ±1: blue for positive, red for negative, black for 0."""
        blue, red = torch.tensor([[110.0, 165, 255], [255, 110, 90]], device=values.device)
        colours: torch.Tensor
        colours = values.clamp(min=0)[..., None] * blue + values.clamp(max=0).neg()[..., None] * red
        return colours.to(torch.uint8)


@dataclass(kw_only=True)
class Heatmap(Picture):
    """A matrix of numbers. `values`: (R, C), NaN where there is none. Row 0 is drawn at the top.

    `texts`: what is written into each cell as it is, R rows of C, of at most `LONGEST_TEXT` characters.
    """

    LONGEST_TEXT: ClassVar[int] = 32  # characters

    values: Array
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    x_label: str = ""
    y_label: str = ""
    scale: Scale = "sequential"
    range: Range | None = None  # None: the data's own; a diverging scale is made symmetric about 0
    annotate: bool = False  # write each value into its cell
    texts: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        check_dims("Heatmap", "values", self.values, 2)
        rows, columns = self.values.shape
        if self.texts and [len(row) for row in self.texts] != [columns] * rows:
            raise ValueError(f"invalid Heatmap.texts: expected {rows} rows of {columns}")
        longest = max((len(text) for row in self.texts for text in row), default=0)
        if longest > self.LONGEST_TEXT:
            raise ValueError(
                f"invalid Heatmap.texts: one has {longest} characters, at most {self.LONGEST_TEXT} are shown"
            )

    @classmethod
    def confusion(
        cls, truth: torch.Tensor, said: torch.Tensor, names: Sequence[str], range: Range | None = None
    ) -> Heatmap:
        """The confusion matrix, true classes as rows: `truth` and `said` hold classes from 0."""
        n = len(names)
        counts = torch.bincount((truth * n + said).flatten(), minlength=n * n).view(n, n)
        labels = {"rows": names, "columns": names, "x_label": "predicted", "y_label": "true"}
        return cls(values=counts, **labels, range=range, annotate=True)  # type: ignore[arg-type]
