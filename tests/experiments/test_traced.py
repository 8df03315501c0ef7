"""Gradients out of a trace: the numbers of autograd's to the bit, and autograd where there is none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from descent.contract import Experiment
from descent.engine.observe import modules_of
from descent.experiments.generative.autoencoder import Autoencoders
from descent.experiments.generative.diffusion import Diffusion
from descent.experiments.generative.gan_2d import Gan2d
from descent.experiments.optimisation.schedules import Schedules
from descent.experiments.sequence.next_word import NextWord
from descent.experiments.sequence.rnn import RNN
from descent.experiments.training.activations import Activations
from descent.experiments.training.ensembles import Ensembles
from descent.experiments.training.initialisation import Initialisation
from descent.experiments.training.losses import Losses
from descent.experiments.training.mlp_digits import MLPDigits
from descent.experiments.training.neural_playground import NeuralPlayground
from descent.experiments.training.regularisation import Regularisation
from descent.kit.nn import traced
from descent.kit.nn.traced import Gradients
from driving import Driven

NEVER = 1 << 30


class Line:
    """y = wx + b on two inputs."""

    def __init__(self) -> None:
        self.w = nn.Parameter(torch.tensor([[0.5], [-2.0]]))
        self.b = nn.Parameter(torch.tensor([1.0]))
        self.gradients = Gradients([self.w, self.b])
        self.evaluated = 0

    def loss(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        self.evaluated += 1
        loss = F.mse_loss(torch.addmm(self.b, x, self.w), y)
        return loss, loss + self.w.square().sum()

    def step(self, rows: int = 3, settings: Any = "same") -> tuple[Tensor, ...]:
        """The loss shown, and the gradients, on inputs of so many rows."""
        x, y = torch.arange(2.0 * rows).view(rows, 2).cos(), torch.ones(rows, 1)
        shown = self.gradients(self.loss, x, y, settings=settings)
        assert self.w.grad is not None
        assert self.b.grad is not None
        return shown, self.w.grad, self.b.grad


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "STEADY", 3)


def same(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.usefixtures("soon")
def test_what_stays_the_same_is_traced_and_gives_the_same() -> None:
    line = Line()
    first = [line.step() for _ in range(3)]
    evaluated = line.evaluated
    later = [line.step() for _ in range(5)]
    assert line.evaluated == evaluated
    assert all(same(first[0], other) for other in first + later)
    assert not later[0][0].requires_grad


@pytest.mark.usefixtures("soon")
def test_parameters_are_read_as_they_are_however_they_were_written() -> None:
    line, plain = Line(), Line()
    for _ in range(4):
        line.step()
    with torch.no_grad():
        for one in (line, plain):
            one.w[0] += 1
            one.b.data = torch.tensor([-3.0])
    evaluated = line.evaluated
    assert same(line.step(), plain.step())
    assert line.evaluated == evaluated


@pytest.mark.usefixtures("soon")
def test_other_sizes_and_settings_have_their_own_trace_and_many_have_none() -> None:
    line, plain = Line(), Line()
    for rows in (3, 2, 3, 2, 3, 2, 3, 2):
        assert same(line.step(rows), plain.step(rows, settings=None))
    evaluated = line.evaluated
    line.step(3)
    line.step(2)
    assert line.evaluated == evaluated
    for setting in range(40):
        line.step(settings=setting)
    assert line.evaluated == evaluated + 40
    for _ in range(10):
        line.step(settings=None)
    assert line.evaluated == evaluated + 50


@pytest.mark.usefixtures("soon")
def test_so_many_traces_are_made_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traced, "TRACES", 2)
    line, plain = Line(), Line()
    for setting in range(3):
        for _ in range(3):
            line.step(settings=setting)
    evaluated = line.evaluated
    assert same(line.step(settings=1), plain.step(settings=None))
    assert line.evaluated == evaluated
    for _ in range(3):
        line.step(settings=2)
    assert line.evaluated == evaluated + 3


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("hindrance", ["no TorchScript", "a loss that looks at numbers"])
def test_what_cannot_be_traced_is_computed_as_ever(hindrance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    line, plain = Line(), Line()
    if hindrance == "no TorchScript":
        monkeypatch.delattr(torch.jit, "trace")
    else:
        honest = line.loss
        line.loss = lambda x, y: honest(x, y) if x.sum().item() > -9 else honest(y, x)  # type: ignore[method-assign]
    for _ in range(6):
        assert same(line.step(), plain.step(settings=None))
    assert line.evaluated >= 6


# What enters the traced loss, or the update that follows it.
KNOBS: list[dict[str, Any]] = [
    {},
    {"activation": "relu", "optimizer": "adam"},
    {"activation": "sigmoid", "loss": "cross-entropy", "optimizer": "momentum"},
    {"activation": "linear", "dataset": "multi-gauss"},
    {"regularisation": "l1", "regularisation_rate": 0.01},
    {"regularisation": "l2", "regularisation_rate": 0.01, "optimizer": "rmsprop"},
    {"regularisation": "l2", "regularisation_rate": 0.1, "optimizer": "adamw"},
    {"dropout": 0.3},
    {"batch_size": 7, "hidden": []},
]


@pytest.mark.parametrize("knobs", KNOBS, ids=lambda knobs: "-".join(map(str, knobs.values())) or "defaults")
def test_the_playground_trains_the_same_traced_or_not(
    knobs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for steady in (NEVER, 5):
        monkeypatch.setattr(traced, "STEADY", steady)
        run = Driven(NeuralPlayground, **knobs)
        run.train(60)
        run.change(lr=0.2)
        run.train(60)
        used = run.experiment.traced._traced
        assert bool(used) == (steady == 5 and "dropout" not in knobs)
        assert None not in used.values()
        ends.append(
            [*run.experiment.model.parameters(), *(torch.tensor(row["loss/train"]) for row in run.rows)]
        )
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


OTHERS: list[tuple[type[Experiment[Any]], dict[str, Any]]] = [
    (Activations, {}),
    (Initialisation, {}),
    (Losses, {}),
    (Losses, {"optimizer": "sgd", "lr": 0.02, "hidden": 0}),
    (Ensembles, {}),
    (MLPDigits, {"batch_size": 200}),  # and a smaller one at the end of an epoch
    (RNN, {}),
    (RNN, {"shape": "one-to-many"}),
    (NextWord, {}),
    (Gan2d, {}),
    (Gan2d, {"objective": "wasserstein-penalty", "d_steps": 2, "lr_d": 2e-3}),
    (Gan2d, {"objective": "wasserstein-clip", "g_steps": 0}),
    (Diffusion, {}),
    (Autoencoders, {"kind": "denoising"}),
    (Autoencoders, {"kind": "sparse"}),
    (Autoencoders, {"kind": "variational"}),
    (Regularisation, {}),
    (Regularisation, {"dropout": 0.5, "l2": 0.01}),
    (Regularisation, {"l1": 0.001, "l1_step": "proximal"}),
    (Schedules, {}),
]


def gradients_of(experiment: Experiment[Any]) -> list[Gradients]:
    """All that an experiment holds, alone or in lists and dicts."""
    found: list[Gradients] = []
    for value in vars(experiment).values():
        held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]
        found += [one for one in held if isinstance(one, Gradients)]
    return found


@pytest.mark.parametrize(
    ("cls", "knobs"), OTHERS, ids=lambda one: one.__name__ if isinstance(one, type) else "-".join(one)
)
def test_others_train_the_same_traced_or_not(
    cls: type[Experiment[Any]], knobs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = []
    for steady in (NEVER, 5):
        monkeypatch.setattr(traced, "STEADY", steady)
        run = Driven(cls, **knobs).train(40)
        traces = [one._traced for one in gradients_of(run.experiment)]
        assert any(traces) == (steady == 5)
        assert all(None not in one.values() for one in traces)
        weights = [
            parameter.detach().clone()
            for module in modules_of(run.experiment)
            for parameter in module.parameters()
        ]
        ends.append((weights, run.rows))
    (one, first), (other, second) = ends
    assert all(map(torch.equal, one, other))
    assert first == second
