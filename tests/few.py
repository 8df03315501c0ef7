"""Enough experiments to see every kind of panel: what takes long is tried with these each time, with all by
`make thorough`.
"""

from __future__ import annotations

from functools import cache

from descent.registry import experiments


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


def is_of_another(value: object) -> bool:
    """Whether a test's parameter is an experiment that is not one of the few."""
    return isinstance(value, str) and value in experiments() and value not in few()
