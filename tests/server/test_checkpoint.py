import json
import math
import random
from collections import deque

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from descent.engine.checkpoint import Checkpointer, CheckpointError
from descent.wire import metadata_of
from tiny import Tiny, TinyKnobs


class Hoarder(Tiny):
    """Holds one of everything."""

    def build(self, knobs):
        super().build(knobs)
        self.data = torch.arange(1000.0)
        self.ring = torch.zeros(4)
        self.model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        self.optimizers = [torch.optim.Adam(self.model.parameters(), 0.1)]
        self.hidden = (torch.zeros(1, 2), torch.zeros(1, 2))
        self.history = deque([1, 2])
        self.seen = {3, 1}
        self.table = {"a": [1.5, math.inf], 7: None, (1, "b"): True}
        self.array = np.arange(3)
        self.generator_of_noise = torch.Generator().manual_seed(1)
        self.function = math.sin
        self.name = "hoarder"
        self.found = None

    def live(self):
        """Change all of it."""
        self.step_index += 1
        loss = self.model(torch.randn(5, 2)).square().sum()
        loss.backward()
        self.optimizers[0].step()
        self.ring[1] = 5.0
        self.hidden = (torch.ones(1, 2), torch.full((1, 2), 2.0))
        self.history.append(9)
        self.seen.add(8)
        self.table["a"].append(torch.tensor([4, 5]))
        self.array[0] = 7
        torch.randn(3, generator=self.generator_of_noise)
        self.model[1].eval()
        self.found = "later"


def hoarder(seed=0):
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    experiment = Hoarder(seed, torch.device("cpu"))
    experiment.build(TinyKnobs())
    return experiment, Checkpointer(experiment)


def test_everything_that_changed_is_as_it_was():
    old, checkpointer = hoarder()
    old.live()
    data = checkpointer.take()
    drawn = random.random(), np.random.rand(), torch.rand(1), torch.rand(1, generator=old.generator_of_noise)

    new, checkpointer = hoarder(seed=5)
    parameters = list(new.model.parameters())
    checkpointer.put_back(data)
    assert all(a is b for a, b in zip(new.model.parameters(), parameters, strict=True))
    for a, b in zip(new.model.state_dict().values(), old.model.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not new.model[1].training
    state, before = new.optimizers[0].state_dict()["state"], old.optimizers[0].state_dict()["state"]
    for index in before:
        for name in before[index]:
            assert torch.equal(state[index][name], before[index][name])
    assert torch.equal(new.ring, old.ring)
    assert torch.equal(new.hidden[1], old.hidden[1])
    assert new.history == deque([1, 2, 9])
    assert new.seen == {1, 3, 8}
    assert new.table["a"][:2] == [1.5, math.inf]
    assert new.table["a"][2].tolist() == [4, 5]
    assert new.table[(1, "b")] is True
    assert new.table[7] is None
    assert new.array.tolist() == [7, 1, 2]
    assert new.found == "later"
    assert new.function is math.sin
    again = random.random(), np.random.rand(), torch.rand(1), torch.rand(1, generator=new.generator_of_noise)
    assert again == drawn


def test_what_was_built_and_never_changed_takes_no_room():
    experiment, checkpointer = hoarder()
    assert b'"data"' not in checkpointer.take()
    experiment.data[3] = 0
    assert b'"data"' in checkpointer.take()


def test_training_on_does_not_change_what_was_taken():
    experiment, checkpointer = hoarder()
    experiment.live()
    data = checkpointer.take()
    copy = bytes(data)
    experiment.live()
    assert data == copy


def test_an_attribute_that_came_later_is_gone_again_and_cannot_be_kept():
    experiment, checkpointer = hoarder()
    data = checkpointer.take()
    experiment.added = 1
    with pytest.raises(CheckpointError, match="added: `build` must set every attribute"):
        checkpointer.take()
    checkpointer.put_back(data)
    assert not hasattr(experiment, "added")


def with_state(data, **values):
    """A checkpoint that says something else of some attributes."""
    header = metadata_of(data)
    return save(load(data), {**header, "state": json.dumps({**json.loads(header["state"]), **values})})


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"step": 1}, "step: the experiment has no such attribute"),
        ({"__class__": "x", "added": 2}, "__class__, added: the experiment has no such attribute"),
        ({"name": 3}, "name: it was another sort of value than a str"),
        ({"history": "text"}, "history: it was another sort of value than a deque"),
        ({"function": 1}, "function: it was another sort of value"),
        ({"model": None}, None),
        ({"table": {"list": []}}, "table: it was another sort of value than a dict"),
        ({"step_index": {"list": [1]}}, "step_index: it was another sort of value than a int"),
    ],
)
def test_only_what_an_experiment_has_is_put_back_and_only_like_for_like(values, complaint):
    experiment, checkpointer = hoarder()
    experiment.live()
    data = with_state(checkpointer.take(), **values)
    new, checkpointer = hoarder()
    if complaint is None:
        checkpointer.put_back(data)
        return
    with pytest.raises(CheckpointError, match=complaint):
        checkpointer.put_back(data)
    assert callable(new.step)


def test_what_cannot_be_kept_is_named():
    experiment, checkpointer = hoarder()
    experiment.table["file"] = iter([1])
    with pytest.raises(CheckpointError, match=r"table\.file: a list_iterator cannot be kept"):
        checkpointer.take()


@pytest.mark.parametrize("damage", [b"", b"nonsense", None], ids=["empty", "nonsense", "cut off"])
def test_a_damaged_checkpoint_is_refused(damage):
    _, checkpointer = hoarder()
    data = checkpointer.take()[:-9] if damage is None else damage
    with pytest.raises(CheckpointError, match="this is no checkpoint"):
        checkpointer.put_back(data)


def test_a_checkpoint_of_another_format_is_refused():
    _, checkpointer = hoarder()
    header = {"format": "99", "state": json.dumps({}), "chance": json.dumps({})}
    with pytest.raises(CheckpointError, match="its format is 99, this version reads 1"):
        checkpointer.put_back(save({}, header))


def test_a_checkpoint_of_another_model_is_refused():
    _, checkpointer = hoarder()
    data = checkpointer.take()
    other, theirs = hoarder()
    other.model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
    with pytest.raises(CheckpointError, match=r"model\.0\.weight: its shape was \(3, 2\), and is \(4, 2\)"):
        theirs.put_back(data)


def test_a_parameter_that_is_an_attribute_is_kept_though_a_fused_optimizer_writes_it_uncounted():
    experiment, _ = hoarder()
    experiment.weight = nn.Parameter(torch.zeros(3))
    experiment.fused = torch.optim.Adam([experiment.weight], 0.1, fused=True)
    checkpointer = Checkpointer(experiment)
    experiment.weight.sum().backward()
    experiment.fused.step()
    weight = experiment.weight
    before, data = weight.detach().clone(), checkpointer.take()
    back = checkpointer.bookmark()
    experiment.fused.step()
    assert not torch.equal(weight, before)
    for again in (lambda: checkpointer.put_back(data), back):
        again()
        assert experiment.weight is weight
        torch.testing.assert_close(weight.detach(), before)
        experiment.fused.step()
