"""Runs whose training loop is someone's own: what they declare of themselves, and what they say.

No file of experiments holds such a run. Its declaration travels as JSON, is kept with the run's record, and
gives the same `Entry` that the registry gives of an experiment.
"""

from descent.declared.declaration import Declaration, DeclaredKnob, DeclaredPanel
from descent.declared.entry import Watched, entry_of, is_watched, known, measures_of

__all__ = [
    "Declaration",
    "DeclaredKnob",
    "DeclaredPanel",
    "Watched",
    "entry_of",
    "is_watched",
    "known",
    "measures_of",
]
