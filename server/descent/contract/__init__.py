"""The contract: all that an experiment may import of Descent, beside what several share in `descent.kit`."""

from descent.contract.experiment import (
    STREAMS,
    Experiment,
    Finished,
    K,
    Measure,
    Objective,
    Preset,
    Recorded,
    Scalars,
    Transient,
    batches_per_epoch,
    by_layer,
)
from descent.contract.knobs import Grid, KnobError, Knobs, batch_of, fixed, live, rate

__all__ = [
    "STREAMS",
    "Experiment",
    "Finished",
    "Grid",
    "K",
    "KnobError",
    "Knobs",
    "Measure",
    "Objective",
    "Preset",
    "Recorded",
    "Scalars",
    "Transient",
    "batch_of",
    "batches_per_epoch",
    "by_layer",
    "fixed",
    "live",
    "rate",
]
