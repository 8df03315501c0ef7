"""What the learning rate does to a script's own loss: the coming step is taken, and all is as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import descent
from descent.contract.panels import Lines
from descent.engine.objectives.effects import RATES, GaveUp
from descent.watching.objective import SHOWN
from descent.watching.run import WatchedRun

NOBODY = "http://127.0.0.1:1"
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, 0.1),
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, 0.01),
    "fused Adam": lambda p: torch.optim.Adam(p, 0.01, fused=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, 0.01),
    "Adadelta": lambda p: torch.optim.Adadelta(p, 1.0),
}


class Script:
    """A loop of a script's: dropout, batch norm, an average of the weights behind each step."""

    def __init__(self, optimizer: str, panels: tuple[str, ...]) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3)
        )
        self.x, self.y = torch.randn(32, 6), torch.randint(3, (32,))
        self.optimizer = OPTIMIZERS[optimizer](self.model.parameters())
        self.averaged = 0
        self.optimizer.register_step_post_hook(self._average)
        self.run: WatchedRun = descent.watch(self.model, self.optimizer, name="objective", url=NOBODY)
        self.run.objective(self.loss)
        self.step()
        assert self.run._loop is not None
        self.loop = self.run._loop
        self.loop._watch(panels, 60.0)

    def _average(self, *_: Any) -> None:
        self.averaged += 1

    def loss(self) -> torch.Tensor:
        return F.cross_entropy(self.model(self.x), self.y)

    def step(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        self.run.step(loss=loss)
        return loss.item()

    def picture(self, panel: str) -> Lines:
        picture = self.loop.picture(panel)
        assert isinstance(picture, Lines)
        return picture


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nothing_changes_by_looking(optimizer: str) -> None:
    def trained(panels: tuple[str, ...]) -> list[float]:
        script = Script(optimizer, panels)
        losses = [script.step() for _ in range(40)]
        assert script.averaged == 41
        assert panels == tuple(name for name in SHOWN if name in script.loop._looking._seen_at)
        state = script.optimizer.state_dict()["state"]
        script.run.finish()
        moments = [float(v.double().sum()) for one in state.values() for v in one.values()]
        return losses + moments

    assert trained(SHOWN) == trained(())


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_what_it_shows_is_the_step_that_the_optimizer_takes(optimizer: str) -> None:
    script = Script(optimizer, ())
    for module in script.model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    script.model.eval()  # what the loss is computed in is the script's own affair
    for _ in range(3):
        script.step()
    picture = script.picture("what_if")
    after, now = torch.as_tensor(picture.values)[0]
    assert float(now[0]) == pytest.approx(script.loss().item(), rel=1e-5)
    before = [parameter.detach().clone() for parameter in script.model.parameters()]
    script.step()
    rate = script.optimizer.param_groups[0]["lr"]
    moved = [p.detach() - b for p, b in zip(script.model.parameters(), before, strict=True)]
    for place in (0, 20, 40):
        for parameter, old, part in zip(script.model.parameters(), before, moved, strict=True):
            parameter.data.copy_(old + part / rate * RATES[place])
        assert float(after[place]) == pytest.approx(script.loss().item(), rel=1e-4)
    script.run.finish()


def test_anatomy_and_sharpness_are_those_of_a_bowl() -> None:
    x = torch.nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
    model = nn.Module()
    model.x = x
    curvatures = torch.tensor([4.0, 1.0], dtype=torch.float64)
    optimizer = torch.optim.SGD([x], 0.1)
    run = descent.watch(model, optimizer, name="bowl", url=NOBODY)
    run.objective(lambda: (curvatures * model.x * model.x).sum() / 2)
    run.step(loss=1.0)
    assert run._loop is not None
    sharpness = torch.as_tensor(run._loop.picture("sharpness").values).flatten()
    assert sharpness.tolist() == pytest.approx([4.0, 20.0], rel=1e-3)
    first, predicted, actual = torch.as_tensor(run._loop.picture("anatomy").values).flatten().tolist()
    assert first == pytest.approx(-0.1 * (16 + 4), rel=1e-5)
    assert predicted == pytest.approx(actual, rel=1e-5)
    assert x.tolist() == [1.0, 2.0]
    run.finish()


def test_a_look_that_is_given_up_leaves_the_gradients() -> None:
    script = Script("SGD", ())
    before = [parameter.grad for parameter in script.model.parameters()]
    script.loop._effects._pressed = lambda: True
    with pytest.raises(GaveUp):
        script.picture("what_if")
    after = [parameter.grad for parameter in script.model.parameters()]
    assert None not in before
    assert all(one is other for one, other in zip(before, after, strict=True))
    script.run.finish()


def test_a_new_rate_is_seen_at_once_while_paused() -> None:
    script = Script("SGD", ())
    at = [dict(script.picture("what_if").marks[0])["now"]]
    script.optimizer.param_groups[0]["lr"] = 0.5
    script.step()
    at.append(dict(script.picture("what_if").marks[0])["now"])
    assert at == pytest.approx([0.1, 0.5])
    script.run.finish()


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (lambda: 1.0, "it has to return the loss"),
        (lambda: torch.ones(3), "it has to return the loss"),
        (lambda: torch.ones(()), "it has to return the loss"),
        (lambda: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_what_is_no_loss_is_told_and_training_goes_on(
    loss: Callable[[], Any], told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = nn.Linear(2, 1)
    run = descent.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="none", url=NOBODY)
    run.objective(loss)
    run.step(loss=1.0)
    run.finish()
    said = capfd.readouterr().err
    assert told in said
    assert "training goes on" in said


def test_without_an_optimizer_there_is_no_step_to_look_at(capfd: pytest.CaptureFixture[str]) -> None:
    model = nn.Linear(2, 1)
    run = descent.watch(model, name="none", url=NOBODY)
    run.objective(lambda: model(torch.ones(2)).sum())
    run.finish()
    assert "there is no optimizer" in capfd.readouterr().err
