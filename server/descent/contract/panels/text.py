"""Pictures of a text: a value per token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from descent.contract.panels.picture import Array, Note, Picture, Range, check_dims


@dataclass(kw_only=True)
class Tokens(Picture):
    """A text coloured by one value per token, blue where it is positive, red where it is negative.

    `tokens`: N strings, or one string of N characters. `values`: (N,), NaN where there is none. `position`:
    the token that is picked. `marks`: uint8 (N,), 1 where a token is underlined because it has the
    property `mark_name`; empty for no underlines. `notes`: remarks on this text.
    """

    tokens: str | Sequence[str]
    values: Array
    range: Range = (-1.0, 1.0)
    position: int | None = None
    marks: Array = field(default_factory=lambda: np.zeros(0, np.uint8))
    mark_name: str = ""
    name: str = ""  # what the value is: "cell 12 of layer 1"
    notes: Sequence[Note] = ()

    def __post_init__(self) -> None:
        check_dims("Tokens", "values", self.values, 1)
        if len(self.values) != len(self.tokens):
            raise ValueError(f"invalid Tokens: {len(self.values)} values for {len(self.tokens)} tokens")
        if len(self.marks) not in (0, len(self.tokens)):
            raise ValueError(f"invalid Tokens.marks: {len(self.marks)} for {len(self.tokens)} tokens")


@dataclass(kw_only=True)
class Traces(Picture):
    """Aligned curves under a text, one below the other. `values`: (S, N), NaN where there is none.

    `names`: one per curve; `ranges`: the value range of each. `tokens` and `position` as in `Tokens`.
    """

    values: Array
    names: Sequence[str]
    ranges: Sequence[Range]
    tokens: str | Sequence[str]
    position: int | None = None

    def __post_init__(self) -> None:
        check_dims("Traces", "values", self.values, 2)
        if tuple(self.values.shape) != (len(self.names), len(self.tokens)):
            raise ValueError(f"invalid Traces.values: {tuple(self.values.shape)} for its names and tokens")
        if len(self.ranges) != len(self.names):
            raise ValueError(f"invalid Traces.ranges: {len(self.ranges)} for {len(self.names)} curves")
