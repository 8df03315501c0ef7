"""Enough experiments to see every kind of panel: what takes long is tried with these each time, with all by
`make thorough`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest

from descent.registry import experiments

DIFFERENT = ("linear-regression", "seq2seq", "lstm-cells")  # in what their labs hold: the fewest that must do


def labs() -> list[object]:
    """All experiments as parameters; of those that are not `DIFFERENT`, tests are for `make thorough`."""
    return [id if id in DIFFERENT else pytest.param(id, marks=pytest.mark.thorough) for id in experiments()]


@cache
def few() -> frozenset[str]:
    """Ids of experiments that have panels of every kind between them, each with the most still missing."""
    kinds = {id: {panel.kind for panel in entry.panels.values()} for id, entry in experiments().items()}
    missing, chosen = set().union(*kinds.values()), set[str]()
    while missing:
        best = max(kinds, key=lambda id: len(kinds[id] & missing))
        chosen.add(best)
        missing -= kinds[best]
    return frozenset(chosen)


def params_of(item: pytest.Item) -> Mapping[str, object]:
    """The parameters of a test."""
    found: Mapping[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    return found


def is_of_another(item: pytest.Item) -> bool:
    """Whether a test is of an experiment that is not one of the few."""
    return any(
        value in experiments() and value not in few()
        for value in params_of(item).values()
        if isinstance(value, str)
    )
