"""What gradient-check's presets and lesson say is to be seen."""

from __future__ import annotations

import pytest

from claims import claim
from descent.experiments.optimisation.gradient_check import EPSILONS, GradientCheck, P
from driving import Driven


@claim(GradientCheck, "hidden")
def test_a_bug_that_hides(run: Driven) -> None:
    run.train(150)
    assert all(row["loss/hand"] == pytest.approx(row["loss/autograd"], rel=0.1) for row in run.rows)
    assert {row["check/layer"] for row in run.rows} == {2.0}
    assert [label for label in run.look("layers").labels if label[0] in "✗↓"] == ["✗ b₂"]
    curve = run.look("valley").values[0, 0, :18]  # up to ε = 0.003; beyond, f itself bends
    assert curve.max() < 1.1 * curve.min()


@claim(GradientCheck, "faster")
def test_a_bug_that_learns_faster(run: Driven) -> None:
    row = run.train(101).rows[-1]
    assert row["loss/hand"] < 0.1 * row["loss/autograd"]
    assert [label[0] for label in run.look("layers").labels] == list("↓↓↓↓✗✗")


@claim(GradientCheck, "minus")
def test_a_minus_too_many(run: Driven) -> None:
    picture = run.look("layers")
    assert [label for label in picture.labels if label[0] in "✗↓"] == ["✗ W₂"]
    assert picture.values[0, 2].item() == pytest.approx(1.0)
    assert max(picture.values[0, block].item() for block in range(6) if block != 2) < 1e-8
    run.train(100)
    assert run.last("loss/hand") > 10 * run.last("loss/autograd")


@claim(GradientCheck, "single")
def test_in_float32(run: Driven) -> None:
    run.train(60)
    assert max(row["check/float64"] for row in run.rows) < 1e-9
    assert 0.01 < run.last("check/float32") < 0.3
    float32 = run.look("valley").values[0, 2]
    assert 300 < EPSILONS[float32.argmin()] / run.knobs.epsilon < 10_000


@claim(GradientCheck, "kink")
def test_when_the_check_is_wrong(run: Driven) -> None:
    run.train(60)
    accused = [row["check/layer"] for row in run.rows]
    assert sum(layer > 0 for layer in accused) > 45
    assert all(row["check/hand"] == pytest.approx(row["check/float64"], rel=1e-6) for row in run.rows)
    before = run.last("check/hand")
    run.change(epsilon=1e-5).train(20)
    assert sum(row["check/layer"] == 0 for row in run.rows[-20:]) >= 15  # it is hardly ever wrong then
    assert min(row["check/hand"] for row in run.rows[-20:]) < 1e-4 * before


@pytest.mark.parametrize("seed", range(3))
def test_a_right_gradient_has_nine_digits_and_a_wrong_one_at_most_three(seed: int) -> None:
    for bug in ("slope", "sign", "sum", "bias", "unit"):
        assert Driven(GradientCheck, seed, bug=bug).train(30).last("check/hand") > 1e-3
    right = Driven(GradientCheck, seed, bug="none").train(30)
    assert right.last("check/hand") < 1e-9
    assert right.last("check/float64") < 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_float32_is_between_a_hundred_thousandth_and_a_ten_thousandth(seed: int) -> None:
    float32 = Driven(GradientCheck, seed).train(10).look("valley").values[0, 2]
    assert 1e-5 < float32.min().item() < 2e-4


def test_the_check_costs_182_forward_passes() -> None:
    assert 2 * P == 182
