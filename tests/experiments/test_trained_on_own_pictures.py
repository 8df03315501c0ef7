"""Experiments that train on pictures of the learner's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import driving
from descent.contract import Experiment, KnobError
from descent.datasets.own import OwnFiles
from descent.engine.observe import look
from descent.experiments.convolution.cnn_images import CNNImages
from descent.experiments.generative.autoencoder import Autoencoders
from descent.experiments.generative.dcgan import DCGAN
from descent.experiments.training.mlp_digits import MLPDigits
from descent.kit.data.own_images import OWN_SIDE, OwnImages, packed
from descent.registry import experiments

CLASSES = ("dark", "light", "striped")
SOME = 12  # pictures of each class


@pytest.fixture
def file(tmp_path: Path) -> tuple[str, Path]:
    """Dark, light and striped pictures, with noise."""
    chance = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 40, (3 * SOME, 3, OWN_SIDE, OWN_SIDE), generator=chance, dtype=torch.uint8)
    stripes = (torch.arange(OWN_SIDE) % 8 < 4).to(torch.uint8) * 200
    grounds = torch.stack([torch.zeros(OWN_SIDE), torch.full((OWN_SIDE,), 200), stripes]).to(torch.uint8)
    labels = torch.arange(3).repeat_interleave(SOME)
    images = OwnImages(noise + grounds[labels][:, None, None], labels, CLASSES)
    return OwnFiles(tmp_path, most=3).add("x.zip", "images", packed(images)).id, tmp_path


def built(cls: type[Experiment[Any]], file: tuple[str, Path], **knobs: Any) -> tuple[Any, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESCENT_DATA", str(file[1]))
        return driving.built(cls, 0, dataset="file", file=file[0], **knobs)


@pytest.mark.parametrize("cls", [CNNImages, MLPDigits, Autoencoders, DCGAN])
def test_it_trains_and_every_panel_is_drawn(cls: type[Experiment[Any]], file: tuple[str, Path]) -> None:
    experiment, knobs = built(cls, file)
    driving.take(experiment, knobs, 3)
    assert list(experiment.classes) == list(CLASSES)
    entry = next(one for one in experiments().values() if one.cls is cls)
    for name, panel in entry.panels.items():
        if panel.kind != "scalars" and not panel.group:
            assert look(experiment, knobs, name) is not None


@pytest.mark.parametrize("cls", [CNNImages, MLPDigits])
def test_what_is_plain_to_see_is_learnt(cls: type[Experiment[Any]], file: tuple[str, Path]) -> None:
    experiment, knobs = built(cls, file, batch_size=8)
    last = driving.latest(driving.take(experiment, knobs, 120))
    assert last["acc/test"] == 1.0
    assert last["loss/train"] < 0.5  # log 3 = 1.1 is what guessing is worth


def test_one_folder_is_refused_where_classes_are_to_be_told_apart(tmp_path: Path) -> None:
    pixels = torch.zeros(6, 3, OWN_SIDE, OWN_SIDE, dtype=torch.uint8)
    kept = packed(OwnImages(pixels, torch.zeros(6, dtype=torch.int64), ("all",)))
    one = OwnFiles(tmp_path, most=3).add("x.zip", "images", kept).id, tmp_path
    with pytest.raises(KnobError, match="one folder"):
        built(CNNImages, one)
    built(Autoencoders, one)
    with pytest.raises(KnobError, match="make the code shorter"):
        built(Autoencoders, one, code=32)
