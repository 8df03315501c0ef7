"""Models taken out as ONNX compute in another runtime what they compute here."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from descent.contract import Experiment, Knobs
from descent.contract.entry import Entry
from descent.engine.build import build
from descent.engine.messages import NotTaken, Replay, RunSpec, Taken
from descent.engine.onnx import as_onnx
from descent.engine.replay import go_back
from descent.engine.taking import take
from descent.errors import NoOnnx, NotInstalled
from descent.registry import experiments
from tiny import Tiny, entry_of

EXPORTED = [id for id, entry in experiments().items() if entry.cls.exported is not Experiment.exported]
STEPS = 3


def said_of(entry: Entry) -> tuple[RunSpec, Any]:
    knobs = entry.knobs_type().model_dump(mode="json")
    spec = RunSpec("run", entry.id, knobs, 0, "cpu", replay=Replay(STEPS, {}), take="onnx")
    said: list[Any] = []
    take(entry, spec, said.append)
    (answer,) = said
    return spec, answer


def flat(output: Any) -> list[torch.Tensor]:
    """The tensors of what a module gives, in order."""
    return [output] if isinstance(output, torch.Tensor) else [one for part in output for one in flat(part)]


def test_the_models_that_leave_are_those_of_several_chapters():
    assert {"mlp-digits", "cnn-images", "neural-playground", "next-word"} <= {*EXPORTED}


@pytest.mark.slow
@pytest.mark.parametrize("id", EXPORTED)
def test_another_runtime_gives_the_same_output_for_any_number_of_rows(id: str):
    runtime = pytest.importorskip("onnxruntime")
    spec, answer = said_of(experiments()[id])
    assert isinstance(answer, Taken), answer
    session = runtime.InferenceSession(answer.payload, providers=["CPUExecutionProvider"])
    assert spec.replay is not None
    entry = experiments()[id]
    experiment, _, state = go_back(lambda values: build(entry, spec, values), spec.knobs, spec.replay)
    module, example = experiment.exported(state.knobs)
    module.eval()
    for rows in (1, len(example), 7):
        x = example[torch.arange(rows) % len(example)]
        with torch.no_grad():
            expected = flat(module(x))
        found = session.run(None, {"input": x.numpy()})
        assert len(found) == len(expected)
        for ours, theirs in zip(expected, found, strict=True):
            np.testing.assert_allclose(theirs, ours.numpy(), atol=1e-5, rtol=1e-5)


def test_an_experiment_that_names_no_model_says_so():
    _, answer = said_of(entry_of(Tiny))
    assert isinstance(answer, NotTaken)
    assert (answer.problem["code"], answer.problem["params"]) == ("no-onnx", {})


@pytest.mark.slow
def test_what_torch_cannot_write_is_told_with_its_cause():
    pytest.importorskip("onnxscript")

    class Deciding(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(NoOnnx) as refusal:
        as_onnx(Deciding(), torch.ones(2, 3))
    assert refusal.value.params["reason"] == "torch"
    assert refusal.value.params["cause"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    for name in ("onnx", "onnxscript"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NotInstalled, match=r"pip install 'descent-playground\[onnx\]'") as refusal:
        as_onnx(nn.Linear(2, 2), torch.ones(2, 2))
    assert refusal.value.params == {"what": "ONNX", "extra": "onnx"}


class Dropping(Experiment[Knobs]):
    """A model that draws while it trains."""

    def build(self, knobs: Knobs) -> None:
        self.model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))

    def step(self, knobs: Knobs) -> dict[str, float]:
        return {}

    def exported(self, knobs: Knobs) -> tuple[nn.Module, torch.Tensor]:
        return self.model, torch.ones(2, 4)


@pytest.mark.slow
def test_a_model_leaves_as_it_is_when_it_does_not_train():
    runtime = pytest.importorskip("onnxruntime")
    _, answer = said_of(entry_of(Dropping))
    session = runtime.InferenceSession(answer.payload, providers=["CPUExecutionProvider"])
    x = np.ones((2, 4), np.float32)
    first, again = (session.run(None, {"input": x})[0] for _ in range(2))
    assert (first == again).all()
    assert (first != 0).all(), "half of them would have been dropped"
