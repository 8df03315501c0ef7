"""What the presets of `transfer-learning` say is to be seen: within fifteen seconds, most of them sooner."""

from __future__ import annotations

from claims import claim
from descent.experiments.convolution.transfer_learning import SHOWN, TransferLearning
from driving import Driven

FEW, MANY = SHOWN.values()
ON_TARGET = 300  # steps of all twelve networks, which a quiet core takes in some four seconds


def watched(run: Driven) -> Driven:
    return run.train(run.experiment.begins + ON_TARGET)


@claim(TransferLearning, "even")
def test_in_even_light_little_is_gained(run: Driven) -> None:
    frozen, _, scratch = watched(run).experiment.accuracy
    assert frozen[FEW] - scratch[FEW] < 0.05


@claim(TransferLearning, "shuffled")
def test_features_of_what_does_not_look_alike_are_worth_less(run: Driven) -> None:
    frozen, _, scratch = watched(run).experiment.accuracy
    assert scratch[MANY] - frozen[MANY] > 0.03


@claim(TransferLearning, "hasty")
def test_features_of_a_source_that_learnt_little_are_worth_little(run: Driven) -> None:
    frozen, _, scratch = watched(run).experiment.accuracy
    assert scratch[MANY] - frozen[MANY] > 0.2


@claim(TransferLearning, "forgetting")
def test_large_steps_forget_the_source(run: Driven) -> None:
    _, fine, scratch = watched(run).experiment.accuracy
    assert run.last("source/own") > 0.9
    assert run.last("source/many") < 0.7
    assert abs(fine[MANY] - scratch[MANY]) < 0.05
