"""A finding: something wrong with a run, or right again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One diagnosis. `params`: the measured values and their bound, and where it is worth going back to;
    `remedy`: knobs that may help now.
    """

    code: str
    params: Mapping[str, Any]
    remedy: Mapping[str, Any] = field(default_factory=dict)
