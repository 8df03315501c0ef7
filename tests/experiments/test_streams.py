"""Random numbers of a run: what comes from one stream, and what from streams of its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from descent.contract import STREAMS
from descent.engine.build import build
from descent.engine.messages import RunSpec
from descent.experiments.training.neural_playground import NeuralPlayground
from descent.experiments.training.regularisation import Regularisation
from descent.kit.data.batches import coming_rows, minibatch
from descent.registry import experiments
from descent.runs.knobs import check

SEED, TOTAL = 3, 50


def spec(id: str, streams: int) -> RunSpec:
    knobs = check(experiments()[id], {})
    return RunSpec("run", id, knobs, SEED, "cpu", streams=streams)


def permutation(generator: torch.Generator) -> Tensor:
    return torch.randperm(TOTAL, generator=generator)


def test_a_new_run_orders_its_epochs_by_streams_of_their_own() -> None:
    experiment = Regularisation(SEED, torch.device("cpu"))
    for epoch in range(4):
        experiment.step_index = epoch
        own, old = (minibatch(SEED, epoch, TOTAL, TOTAL, streams) for streams in (STREAMS, 1))
        assert sorted(own.tolist()) == list(range(TOTAL))
        assert torch.equal(old, permutation(experiment.generator(epoch)))
        assert not any(torch.equal(own, permutation(experiment.generator(n))) for n in range(-4, 100))


def test_an_experiment_follows_the_streams_of_its_run() -> None:
    entry = experiments()["regularisation"]
    for streams in (1, 2):
        run = spec("regularisation", streams)
        experiment = build(entry, run, run.knobs)
        assert torch.equal(coming_rows(experiment, 8, TOTAL), minibatch(SEED, 0, 8, TOTAL, streams))


@pytest.mark.parametrize("streams", [1, 2])
def test_batches_that_are_gathered_by_epoch_do_so_too(streams: int) -> None:
    run = spec("neural-playground", streams)
    experiment = build(experiments()["neural-playground"], run, run.knobs)
    assert isinstance(experiment, NeuralPlayground)
    inputs, _ = experiment.batches.batch(0, 10)
    rows = minibatch(SEED, 0, 10, experiment.train_count, streams)
    assert torch.equal(inputs, experiment.inputs[rows])
