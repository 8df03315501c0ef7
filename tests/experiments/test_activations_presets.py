"""What the presets of `activations` say is to be seen, within fifteen seconds at its pace."""

from __future__ import annotations

import pytest

from claims import claim
from descent.experiments.training.activations import NAMES, Activations, flow
from driving import Driven

SECONDS = int(Activations.pace)  # steps of one


def accuracy(run: Driven, name: str) -> float:
    answers = run.experiment.networks[name](run.experiment.x)
    return float((answers * run.experiment.y > 0).float().mean())


def asleep(run: Driven) -> dict[str, float]:
    return dict(zip(NAMES, run.look("asleep").values[0].tolist(), strict=True))


@claim(Activations, "no-activation")
def test_a_product_of_matrices_is_one_and_draws_a_line(run: Driven) -> None:
    run.train(10 * SECONDS)
    deep, single = run.look("collapse").values[0]  # (2, 81)
    assert float(abs(deep - single).max()) < 1e-5
    assert 0.3 < 1 - accuracy(run, "none") < 0.65
    assert accuracy(run, "relu") > 0.95


@claim(Activations, "sigmoid")
def test_half_a_millionth_arrives_and_the_loss_stays(run: Driven) -> None:
    found = flow(run.experiment.networks["sigmoid"], run.experiment.x, run.experiment.y)
    assert 2e-7 < float(found[0] / found[-1]) < 1e-6
    run.train(5 * SECONDS)
    assert run.last("loss/relu") < 0.1
    assert run.train(10 * SECONDS).last("loss/sigmoid") == pytest.approx(0.693, abs=0.01)


@claim(Activations, "one-sigmoid")
def test_a_single_sigmoid_layer_learns(run: Driven) -> None:
    assert accuracy(run.train(10 * SECONDS), "sigmoid") > 0.99


def test_where_relus_sleep_leaky_ones_mostly_learn() -> None:
    """At most seeds: at such rates a run's end is decided by the processor's rounding."""

    def ahead(seed: int) -> bool:
        run = Driven(Activations, seed, **Activations.presets["dead-relus"].knobs).train(400)
        return accuracy(run, "leaky") > accuracy(run, "relu") + 0.1

    assert sum(map(ahead, range(5))) >= 3


@claim(Activations, "dead-relus")
def test_relus_sleep_for_good_and_leaky_ones_do_not(run: Driven) -> None:
    found = asleep(run.train(400))
    assert found["relu"] > 0.6
    assert found["leaky"] == 0
    assert accuracy(run, "relu") < 0.6
    assert asleep(run.change(lr=0.05).train(50))["relu"] > 0.6
