"""Random numbers of a run: what comes from one stream, and what from streams of its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from descent.contract import STREAMS
from descent.engine.build import build
from descent.engine.messages import RunSpec
from descent.experiments.training.regularisation import Regularisation
from descent.kit.data.batches import minibatch
from descent.registry import experiments
from descent.runs.knobs import check

SEED, TOTAL = 3, 50


def spec(id: str, streams: int, **values: Any) -> RunSpec:
    knobs = check(experiments()[id], values)
    return RunSpec("run", id, knobs, SEED, "cpu", streams=streams)


def permutation(generator: torch.Generator) -> Tensor:
    return torch.randperm(TOTAL, generator=generator)


def test_the_noise_of_a_new_runs_step_is_no_epochs_order() -> None:
    experiment = Regularisation(SEED, torch.device("cpu"))
    assert experiment.streams == STREAMS
    orders = [minibatch(SEED, epoch, TOTAL, TOTAL) for epoch in range(100)]
    for epoch, order in enumerate(orders):
        assert sorted(order.tolist()) == list(range(TOTAL))
        assert torch.equal(order, permutation(experiment.generator(epoch)))
    for step in range(100):
        assert not any(torch.equal(permutation(experiment.step_generator(step)), order) for order in orders)


def test_the_noise_of_a_run_that_began_before_is_as_it_was() -> None:
    run = spec("regularisation", 1)
    experiment = build(experiments()["regularisation"], run, run.knobs)
    for step in range(10):
        assert torch.equal(permutation(experiment.step_generator(step)), minibatch(SEED, step, TOTAL, TOTAL))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_only_masks_depend_on_how_a_run_splits_its_numbers(dropout: float) -> None:
    entry = experiments()["regularisation"]
    losses = []
    for streams in (1, STREAMS):
        run = spec("regularisation", streams, dropout=dropout)
        experiment = build(entry, run, run.knobs)
        knobs = entry.knobs_type(**run.knobs)
        losses.append([])
        for step in range(5):
            experiment.step_index = step
            losses[-1].append({name: float(value) for name, value in experiment.step(knobs).items()})
    assert (losses[0] == losses[1]) == (dropout == 0)
