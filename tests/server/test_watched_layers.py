"""A script's layers: frozen, a learning rate of their own, initialised anew, without touching its loop."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import descent
from descent.contract import KnobError
from descent.watching.layers import MOST, NONE, Layers
from descent.watching.run import WatchedRun

NOBODY = "http://127.0.0.1:1"
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "momentum": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01),
    "AdamW": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1),
    "fused AdamW": lambda p: torch.optim.AdamW(p, 0.01, weight_decay=0.1, fused=True),
}


class Script:
    def __init__(self, optimizer: str = "momentum", groups: Callable[[nn.Module], Any] | None = None) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3))
        self.x, self.y = torch.randn(32, 6), torch.randint(3, (32,))
        parameters = groups(self.model) if groups else self.model.parameters()
        self.optimizer = OPTIMIZERS[optimizer](parameters)
        self.run: WatchedRun = descent.watch(self.model, self.optimizer, name="layers", url=NOBODY)
        self.step()
        assert self.run._loop is not None
        self.loop = self.run._loop

    def step(self, times: int = 1) -> float:
        for _ in range(times):
            self.optimizer.zero_grad(set_to_none=False)
            loss = F.cross_entropy(self.model(self.x), self.y)
            loss.backward()
            self.optimizer.step()
            self.run.step(loss=loss)
        return loss.item()

    def weights(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.model.parameters()]

    def set(self, **knobs: Any) -> None:
        self.loop._set_knobs(knobs)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_frozen_layer_stands_still_and_the_others_train(optimizer: str) -> None:
    script = Script(optimizer)
    script.step(3)
    before = script.weights()
    script.set(frozen_2=True)
    script.step(5)
    moved = [not torch.equal(one, other) for one, other in zip(before, script.weights(), strict=True)]
    assert moved == [True, True, False, False, True, True]
    assert all(parameter.grad is not None for parameter in script.model.parameters())  # panels show them
    script.set(frozen_2=False)
    script.step()
    assert not any(map(torch.equal, before, script.weights()))
    assert not script.optimizer._optimizer_step_pre_hooks
    script.run.finish()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_rate_of_its_own_is_that_of_a_parameter_group(optimizer: str) -> None:
    def apart(model: nn.Module) -> list[dict[str, Any]]:
        layers = [list(layer.parameters()) for layer in model if isinstance(layer, nn.Linear)]
        rate = 0.1 if optimizer == "momentum" else 0.01
        return [{"params": layers[0], "lr": 0.2 * rate}, {"params": layers[1] + layers[2]}]

    grouped, steered = Script(optimizer, apart), Script(optimizer)
    with torch.no_grad():
        for one, other in zip(steered.model.parameters(), grouped.model.parameters(), strict=True):
            one.copy_(other)
    moments = deepcopy(grouped.optimizer.state_dict()["state"])  # they have taken a step by now
    groups = steered.optimizer.state_dict()["param_groups"]
    steered.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    steered.set(rate_times=0.2)
    for _ in range(10):
        grouped.step()
        steered.step()
    for one, other in zip(grouped.weights(), steered.weights(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    grouped.run.finish()
    steered.run.finish()


def test_a_layer_begins_anew_without_moments_and_without_touching_chance() -> None:
    script = Script("AdamW")
    script.step(20)
    before, chance = script.weights(), torch.get_rng_state()
    script.set(anew_3=True)
    assert torch.equal(chance, torch.get_rng_state())
    after = script.weights()
    assert [torch.equal(one, other) for one, other in zip(before, after, strict=True)] == [True] * 4 + [
        False
    ] * 2
    assert after[4].abs().max() <= 8**-0.5  # as nn.Linear begins
    last = list(script.model.parameters())[4]
    assert last not in script.optimizer.state
    script.step()
    assert float(script.optimizer.state[last]["step"]) == 1
    script.loop._read_back()
    assert script.loop.knobs.anew_3 is False  # it is done
    script.run.finish()


def test_the_same_comes_of_beginning_anew_in_each_process() -> None:
    found = []
    for seed in (1, 2):
        script = Script()
        torch.manual_seed(seed)
        script.set(anew=True)
        found.append(script.weights()[0])
        script.run.finish()
    assert torch.equal(*found)


def test_what_cannot_begin_anew_says_so() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.scale

    model = nn.Sequential(nn.Linear(3, 3), Own())
    run = descent.watch(model, torch.optim.SGD(model.parameters(), 0.1), name="own", url=NOBODY)
    run.step(loss=1.0)
    assert run._loop is not None
    with pytest.raises((KnobError, ValueError), match="reset_parameters"):
        run._loop._set_knobs({"anew_2": True})
    run.finish()


def test_a_layer_s_knobs_are_shown_where_it_is_chosen() -> None:
    script = Script()
    knobs = {one.knob.name: one.knob for one in script.run._offer.knobs}
    assert knobs["layer"].options == [NONE, "0", "2", "4"]
    assert knobs["frozen_2"].when == {"layer": ["2"]}
    script.set(layer="2")
    script.step()
    script.loop._read_back()
    assert script.loop.knobs.layer == "2"
    assert "layer" in script.loop.knobs.looks()  # no change of training
    script.run.finish()


def test_of_many_layers_those_of_a_block_are_taken_together_and_one_has_no_knobs() -> None:
    block = nn.Sequential(*[nn.Linear(2, 2) for _ in range(6)])
    many = nn.Sequential(block, nn.Sequential(*[nn.Linear(2, 2) for _ in range(6)]), nn.Linear(2, 1))
    texts = {name: {"name": name, "help": ""} for name in ("layer", "frozen", "rate_times", "anew")}
    knobs = list(Layers(many, [torch.optim.SGD(many.parameters(), 0.1)]).knobs(texts))
    assert knobs[0].knob.options == [NONE, "0", "1", "2"]
    assert len(knobs) == 1 + 3 * 3 <= 1 + 3 * MOST
    one = nn.Sequential(nn.Linear(2, 1))
    assert not list(Layers(one, [torch.optim.SGD(one.parameters(), 0.1)]).knobs(texts))
