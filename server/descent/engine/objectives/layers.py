"""An objective's parameters by layer, and the units that these have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from descent.contract import Objective

FEWEST = 4  # units that a layer needs for its share to be meaningful


def layers_of(objective: Objective) -> Mapping[str, Sequence[Tensor]]:
    """An objective's parameters by layer; without layers, each parameter is one."""
    if objective.layers is not None:
        return objective.layers
    return {str(i): [parameter] for i, parameter in enumerate(objective.parameters)}


def units_of(objective: Objective) -> Mapping[str, Tensor]:
    """Biases by layer, an element per unit; without the last layer, and those under `FEWEST` units."""
    layers = list(layers_of(objective).items())[:-1]
    biases = {name: [p for p in parts if p.ndim == 1 and p.numel() >= FEWEST] for name, parts in layers}
    return {name: parts[-1] for name, parts in biases.items() if parts}
