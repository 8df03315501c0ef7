import random

import numpy as np
import pytest
import torch
from torch import nn

from descent.engine.observe import ProbeWroteError, look, modules_of, undisturbed
from tiny import Tiny, TinyKnobs


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    experiment = Tiny(0, torch.device("cpu"))
    experiment.build(TinyKnobs())
    return experiment


def test_looking_gives_back_the_random_numbers_it_took(tiny):
    for source in (random.random, np.random.rand, lambda: torch.rand(1).item()):
        with undisturbed(tiny):
            borrowed = source()
        assert source() == borrowed


def test_looking_is_in_eval_mode_and_modes_come_back(tiny):
    tiny.model[1].eval()
    before = [module.training for module in tiny.model.modules()]
    with undisturbed(tiny):
        assert not any(module.training for module in tiny.model.modules())
    assert [module.training for module in tiny.model.modules()] == before
    assert before.count(False) == 1


def test_looking_records_no_gradients(tiny):
    with undisturbed(tiny):
        assert not tiny.model(torch.randn(2, 3)).requires_grad
    assert torch.is_grad_enabled()


def test_batch_norm_statistics_come_back_even_from_train_mode(tiny):
    before = {name: buffer.clone() for name, buffer in tiny.model.named_buffers()}
    with undisturbed(tiny):
        tiny.model.train()
        tiny.model(torch.randn(8, 3))
        assert not torch.equal(tiny.model[0].running_mean, before["0.running_mean"])
    for name, buffer in tiny.model.named_buffers():
        assert torch.equal(buffer, before[name])


def test_a_probe_that_writes_a_parameter_is_found_out(tiny):
    with pytest.raises(ProbeWroteError), undisturbed(tiny):
        tiny.model[2].weight.add_(1)


def test_a_probe_that_raises_disturbs_nothing(tiny):
    state = torch.get_rng_state()
    mean = tiny.model[0].running_mean.clone()

    def broken():
        with undisturbed(tiny):
            torch.rand(1)
            tiny.model.train()
            tiny.model(torch.randn(8, 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(tiny.model[0].running_mean, mean)
    assert tiny.model.training
    assert torch.is_grad_enabled()


def test_modules_are_found_in_lists_tuples_and_dicts_once(tiny):
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    tiny.more = {"a": [a], "again": (a, {"b": b})}
    assert modules_of(tiny) == [tiny.model, a, b]


def test_a_probe_must_return_a_picture(tiny):
    tiny.weights = lambda knobs: 3
    with pytest.raises(TypeError, match="int, not a picture"):
        look(tiny, TinyKnobs(), "weights")
