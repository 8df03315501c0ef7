"""What descent-2d's presets and lesson say is to be seen, within 15 seconds at its own pace."""

from __future__ import annotations

import math

import pytest
import torch

from claims import claim
from descent.experiments.optimisation.descent_2d import NAMES, Descent2D
from descent.kit.data.surfaces import STEEPEST
from driving import Driven

SHOWN = int(15 * (Descent2D.pace or 0))  # steps
ADAPTIVE = ["adagrad", "rmsprop", "adam"]


def first_below(run: Driven, name: str, loss: float) -> int:
    """The first step from which a racer was lower than so much; a loss of no size is left out of the rows."""
    return next(i for i, row in enumerate(run.rows) if row.get(f"loss/{name}", 0.0) < loss)


def path(run: Driven, name: str) -> torch.Tensor:
    """The points (T, 2) of a racer."""
    return run.look("surface").paths[NAMES.index(name)]


def racing(run: Driven) -> list[str]:
    return [NAMES[i] for i in run.experiment.racing]


@claim(Descent2D, "edge")
def test_just_above_the_bound(run: Driven) -> None:
    assert pytest.approx(0.01) == 2 / STEEPEST
    assert dict(zip(("SGD", "Momentum"), run.look("bounds").values[1].tolist(), strict=False)) == {
        "SGD": pytest.approx(0.01),
        "Momentum": pytest.approx(2 * (1 + run.knobs.momentum) / STEEPEST),
    }
    run.train(40)
    across = path(run, "sgd")[:, 1]
    torch.testing.assert_close(across[1:] / across[:-1], torch.full_like(across[1:], -1.04))
    run.train(160)
    assert racing(run) == ["momentum"]
    assert path(run, "momentum")[-1].norm() < 1e-2


@claim(Descent2D, "ravine")
def test_a_ravine(run: Driven) -> None:
    run.train(150)
    zigzag = path(run, "sgd")[:100, 1]
    assert (zigzag[1:] * zigzag[:-1] < 0).all()
    along = path(run, "momentum")[:, 0].diff()
    assert along[20] > 5 * along[0]  # gathers speed along the floor, while SGD's steps get shorter
    assert path(run, "sgd")[:, 0].diff()[20] < path(run, "sgd")[:, 0].diff()[0]
    assert max(run.last("loss/momentum"), run.last("loss/nag")) < 0.1 * run.last("loss/sgd")
    beyond = {name: path(run, name)[:, 0].max() for name in ("momentum", "nag")}
    across = {name: -path(run, name)[:, 1].min() for name in ("momentum", "nag")}
    assert 0 < beyond["nag"] < beyond["momentum"]
    assert 0 < across["nag"] < across["momentum"]


@claim(Descent2D, "saddle")
def test_a_saddle(run: Driven) -> None:
    run.train(720)
    left = {name: first_below(run, name, 1.0) for name in NAMES}  # the saddle is at 5
    order = sorted(left, key=lambda name: left[name])
    assert set(order[:2]) == {"adagrad", "adam"}
    assert order[-1] == "sgd"
    run.change(start=(-1.5, 0.0)).train(100)
    assert all(path(run, name)[-1, 1] == 0 for name in NAMES)
    run.change(noise=5.0).train(500)
    assert all(abs(path(run, name)[-1, 1]) > 0.05 for name in NAMES)


@claim(Descent2D, "banana")
def test_rosenbrocks_valley(run: Driven) -> None:
    run.train(SHOWN)
    within = {name: first_below(run, name, 5.0) for name in NAMES}  # of 24.2, nearly all of it the walls'
    assert within.pop("adadelta") > 20
    assert max(within.values()) < 10
    start, half = run.knobs.start[0], (run.knobs.start[0] + 1) / 2  # the minimum is at x = 1
    assert start < path(run, "sgd")[-1, 0] < half
    assert all(path(run, name)[-1, 0] < 0.99 for name in NAMES)


@claim(Descent2D, "hilltop")
def test_four_minima(run: Driven) -> None:
    run.train(600)
    minima = run.experiment.landscape.minima
    assert len(minima) == 4
    reached = set()
    for name in NAMES:
        place = path(run, name)[-1].tolist()
        nearest = min(minima, key=lambda minimum, place=place: math.dist(minimum, place))
        assert math.dist(nearest, place) < 0.3
        reached.add(nearest)
    assert len(reached) >= 2


@claim(Descent2D, "rastrigin")
def test_rastrigins_many_minima(run: Driven) -> None:
    run.train(400)

    def hollows(name: str) -> int:
        """How many hollows a racer was in; there is one around each pair of whole numbers."""
        return len({tuple(place) for place in path(run, name).round().tolist()})

    assert [hollows(name) for name in ("sgd", "momentum", "adam")] == [1, 3, 3]
    assert path(run, "sgd")[-1, 0].item() == pytest.approx(3.98, abs=0.01)
    assert all(path(run, name)[-1].norm() > 1 for name in NAMES)


@pytest.mark.parametrize(("factor", "out"), [(13, []), (14, ["nag"]), (21, ["sgd", "nag"])])
def test_the_bounds_say_who_breaks_first(factor: float, out: list[str]) -> None:
    run = Driven(Descent2D, lr=float(factor)).train(400)
    assert [name for name in NAMES if name not in racing(run)] == out


def test_at_39_times_momentum_is_out_too_and_adaptive_rates_only_rattle() -> None:
    run = Driven(Descent2D, lr=39.0).train(400)
    assert not {"sgd", "momentum", "nag"} & set(racing(run))
    assert set(ADAPTIVE) <= set(racing(run))


def test_a_flat_valley_slows_sgd_and_neither_adagrad_nor_adam() -> None:
    round_, flat = (Driven(Descent2D, condition=kappa).train(300) for kappa in (10.0, 1000.0))

    def away(run: Driven, name: str) -> float:
        return abs(path(run, name)[-1, 0].item())

    assert away(flat, "sgd") > 0.9 * 1.5
    assert away(round_, "sgd") < 0.1
    assert max(away(flat, name) for name in ("adagrad", "adam")) < 0.1


def test_rmsprop_ends_bouncing_by_half_a_rate() -> None:
    run = Driven(Descent2D, racers=["rmsprop"]).train(600)
    assert path(run, "rmsprop")[-50:].abs().max().item() == pytest.approx(run.knobs.lr_rmsprop / 2, rel=0.1)
