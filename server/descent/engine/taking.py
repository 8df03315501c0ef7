"""What is taken out of a run at a step: its weights as they were then, or its model for other programs."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from pydantic import ValidationError
from safetensors.torch import save

from descent import errors
from descent.contract import Finished, KnobError
from descent.contract.entry import Entry
from descent.engine.build import build
from descent.engine.checkpoint import CheckpointError
from descent.engine.knobs import refusal
from descent.engine.messages import NotTaken, Output, RunSpec, Taken
from descent.engine.onnx import as_onnx
from descent.engine.replay import go_back
from descent.engine.weights import weights_of

TRACEBACK_TAIL = 2000  # characters


def taken(entry: Entry, spec: RunSpec) -> bytes:
    """What `spec.replay` leads to: the weights as a safetensors file, or the model as an ONNX file.

    Raises `NoWeights` and `NoOnnx` where the experiment has no such thing, `NotInstalled`, and
    `BadCheckpoint` where its state cannot be restored.
    """
    assert spec.replay is not None, "something is taken of what is recorded"
    try:
        experiment, _, state = go_back(lambda values: build(entry, spec, values), spec.knobs, spec.replay)
    except KnobError as error:
        raise refusal(error).error() from error
    except Exception as error:
        known = isinstance(error, CheckpointError | Finished | ValidationError)
        why = str(error) if known else traceback.format_exc()[-TRACEBACK_TAIL:]
        cause = why.strip().splitlines()[-1]
        raise errors.BadCheckpoint(
            f"step {spec.replay.until} cannot be restored: {why}", "step", reason="weights", cause=cause
        ) from error
    if spec.take == "onnx":
        found = experiment.exported(state.knobs)
        if found is None:
            raise errors.NoOnnx(f"{entry.id} does not say which model leaves it as ONNX", "format")
        return as_onnx(*found)
    weights = weights_of(experiment)
    if not weights:
        raise errors.NoWeights(f"{entry.id} trains without a model: it has no weights", "run")
    said = {"experiment": entry.id, "run": spec.run, "step": str(spec.replay.until)}
    return save(weights, said)


def take(entry: Entry, spec: RunSpec, emit: Callable[[Output], None]) -> None:
    """Emit what is taken as `Taken`, or why it cannot be as `NotTaken`."""
    try:
        assert spec.replay is not None, spec
        emit(Taken(spec.first_seq, spec.replay.until, taken(entry, spec)))
    except errors.DescentError as error:
        emit(NotTaken(spec.first_seq, 0, error.problem()))
