"""The convolutional network on pictures: its step, its panels, what it reaches, and what is refused."""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import driving
from descent.contract import KnobError
from descent.contract.entry import Entry
from descent.engine.observe import look
from descent.errors import BadKnob
from descent.experiments.convolution.cnn_images import (
    LENET,
    PAIRS,
    SCHEME,
    SHAPES,
    STROKE,
    CNNImages,
    ImagesKnobs,
    drawn,
    transformed,
)
from descent.kit.data.digits import sklearn_digits
from descent.kit.data.drawing import as_sklearn, colours_of, ink_in, ink_of, placed
from descent.kit.nn.stack import Conv, listed
from descent.kit.text import rough
from descent.registry import experiments
from descent.runs.knobs import check
from driving import assert_steps_are_adams, break_weights
from driving import take as train

MNIST = Path(os.environ.get("DESCENT_DATA") or Path(__file__).parents[3] / "shared" / "data")
needs_mnist = pytest.mark.skipif(
    not (MNIST / "t10k-images-idx3-ubyte.gz").is_file(), reason=f"no MNIST test files in {MNIST}"
)


def built(seed: int = 0, **knobs: Any) -> tuple[CNNImages, ImagesKnobs]:
    return driving.built(CNNImages, seed, **knobs)


@pytest.fixture(scope="module")
def trained() -> CNNImages:
    experiment, knobs = built()
    train(experiment, knobs, 13 * 23)  # whole epochs
    return experiment


@pytest.fixture
def entry() -> Entry:
    return experiments().find("cnn-images")


# --- the data and the step


def test_pixels_are_brought_to_minus_one_and_one() -> None:
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert transformed(pixels, "±1").tolist() == pytest.approx([-1, -0.6, 1])
    assert transformed(pixels, "0–1").tolist() == pytest.approx([0, 0.2, 1])
    assert transformed(pixels, "0–255").tolist() == [0, 51, 255]


def test_every_digit_is_trained_on_or_tested_with_and_none_both() -> None:
    experiment, _ = built()
    assert (len(experiment.y), len(experiment.test_y)) == (1438, 359)
    total = torch.cat([experiment.train, experiment.test]).double().sum(0) / 255
    expected = (sklearn_digits(8).images.double().sum(0) + 1797) / 2
    torch.testing.assert_close(total, expected, atol=1797 / 510, rtol=0)


def test_a_step_is_adams_on_the_cross_entropy() -> None:
    experiment, knobs = built(batch_size=32)
    assert_steps_are_adams(experiment, built(batch_size=32)[0], knobs)


# --- what is shown


def test_a_picture_is_turned_clockwise_and_moved_to_the_right_and_down() -> None:
    picture = torch.rand(2, 8, 8)
    torch.testing.assert_close(placed(picture, (0, 0), 0, 1), picture)
    torch.testing.assert_close(placed(picture, (0, 0), 90, 1), picture.rot90(-1, (1, 2)))
    moved = placed(picture, (2 / 8, 3 / 8), 0, 1)
    torch.testing.assert_close(moved[:, 3:, 2:], picture[:, :-3, :-2])
    assert moved[:, :3].abs().max() == moved[:, :, :2].abs().max() == 0
    centre = torch.zeros(1, 8, 8)
    centre[:, 3:5, 3:5] = 1
    assert placed(centre, (0, 0), 0, 2).sum().item() == pytest.approx(16, abs=1)


def test_the_maps_are_what_each_layer_makes_of_the_picture(trained: CNNImages) -> None:
    knobs = ImagesKnobs(index=7)
    picture = look(trained, knobs, "maps")
    x = transformed(trained.test[7:8], "±1")
    first = trained.model.layers[0]
    maps = F.conv2d(x, first.weight, first.bias, padding=1)[0]
    assert list(picture.shapes) == [
        (1, 8, 8),
        *((8, 8, 8),) * 2,
        (8, 4, 4),
        *((16, 4, 4),) * 2,
        (16, 2, 2),
        (10, 1, 1),
    ]
    own = picture.values[64 : 64 + 8 * 64].float().view(8, 8, 8)
    assert picture.ranges[1] == pytest.approx(maps.abs().max().item())
    torch.testing.assert_close(
        (own - 128) / 127 * picture.ranges[1], maps, atol=picture.ranges[1] / 200, rtol=0
    )
    shown = look(trained, knobs, "probabilities").values[0]
    torch.testing.assert_close(
        (picture.values[-10:].float() - 128) / 127 * picture.ranges[-1], shown, atol=0.01, rtol=0
    )
    torch.testing.assert_close(shown, trained.model.eval()(x)[0].softmax(0))


def test_a_unit_is_shown_with_what_it_is_made_of(trained: CNNImages) -> None:
    picture = look(trained, ImagesKnobs(unit=(4, 2, 1, 3)), "maps")
    assert picture.boxes[:3] == [(4, 2, 1, 3, 1, 1), (3, -1, 0, 2, 3, 2), (0, -1, 0, 3, 7, 5)]
    assert picture.boxes[3:] == [(5, 2, 1, 3, 1, 1), (6, 2, 0, 1, 1, 1)]
    assert look(trained, ImagesKnobs(unit=(99, 99, 99, 99)), "maps").unit == (7, 9, 0, 0)


def test_a_drawing_is_brought_to_the_datas_form_and_then_moved(trained: CNNImages) -> None:
    pixels = 255 * as_sklearn(ink_of(STROKE, 28, 28))[None]
    expected = transformed(placed(pixels, (0.25, 0), 30, 1.0), "±1")[None]
    found = trained._seen(ImagesKnobs(picture=STROKE, shift_x=25, turn=30))
    torch.testing.assert_close(found, expected)


def test_the_panels_on_the_test_set_agree(trained: CNNImages) -> None:
    knobs = ImagesKnobs()
    counts = look(trained, knobs, "confusion").values
    said = trained.model.eval()(transformed(trained.test, "±1")).argmax(1)
    assert counts.sum() - counts.diag().sum() == (said != trained.test_y).sum()
    loss = F.cross_entropy(trained.model(transformed(trained.test, "±1")), trained.test_y, reduction="none")
    worst = int(loss.argmax())
    expected = "✓" if said[worst] == trained.test_y[worst] else f"→ {said[worst]}"
    assert look(trained, knobs, "mistakes").captions[0] == f"{trained.test_y[worst]} {expected}"


def test_what_is_said_of_the_pictures_is_what_they_show(trained: CNNImages) -> None:
    knobs = ImagesKnobs(index=3)
    with torch.no_grad():
        chances = trained.model.eval()(transformed(trained.test, "±1")).softmax(1)
    said = look(trained, knobs, "maps").reading.values
    assert said["truth"] == str(int(trained.test_y[3]))
    assert said["said"] == str(int(chances[3].argmax()))
    assert said["percent"] in (f"{100 * chances[3].max():.0f}", ">99")
    stroke = look(trained, ImagesKnobs(picture=STROKE), "maps").reading
    assert "truth" not in stroke.values
    entropy = torch.distributions.Categorical(chances[3]).entropy()
    assert look(trained, knobs, "probabilities").reading.values == {"n": f"{entropy.exp():.1f}"}
    window = look(trained, knobs, "window")
    where = window.reading.values
    assert window.output[where["row"] - 1, where["column"] - 1] == window.output.max()
    kernels = trained.model.layers[0].weight.detach().flatten(1)
    cosines = F.cosine_similarity(kernels[:, None], kernels[None], dim=2).fill_diagonal_(-1)
    pair = look(trained, knobs, "filters").reading.values
    assert float(pair["cosine"]) == pytest.approx(float(cosines.max()), rel=0.05)
    assert cosines[pair["one"] - 1, pair["other"] - 1] == cosines.max()
    wrong = chances.argmax(1) != trained.test_y
    assert look(trained, knobs, "mistakes").reading.values == {"wrong": int(wrong.sum()), "all": len(wrong)}
    counts = look(trained, knobs, "confusion").values.clone().fill_diagonal_(0)
    if (counts == counts.max()).sum() == 1:
        most = look(trained, knobs, "confusion").reading.values
        assert counts[int(most["truth"]), int(most["said"])] == most["count"] == counts.max()


def test_what_covering_costs_is_the_largest_fall_of_the_score(trained: CNNImages) -> None:
    x = transformed(trained.test[:1], "±1")
    with torch.no_grad():
        scores = trained.model.eval()(x)
        said, falls = int(scores.argmax()), []
        for top, left in product(range(7), range(7)):
            covered = x.clone()
            covered[..., top : top + 2, left : left + 2] = -1
            falls.append(float(scores[0, said] - trained.model(covered)[0, said]))
    reading = look(trained, ImagesKnobs(), "reasons").reading.values
    assert reading["lost"] == rough(max(falls))
    assert (reading["said"], reading["score"]) == (str(said), rough(float(scores[0, said])))


def test_of_a_network_whose_weights_are_none_nothing_is_said() -> None:
    experiment, knobs = built()
    break_weights(experiment)
    for panel in (
        "maps",
        "probabilities",
        "window",
        "filters",
        "reasons",
        "exciting",
        "mistakes",
        "confusion",
    ):
        assert look(experiment, knobs, panel).reading is None, panel


@pytest.mark.parametrize("dataset", SHAPES)
def test_a_drawing_has_the_shape_of_the_data(dataset: str) -> None:
    picture = drawn(colours_of(STROKE, 28, 28), dataset)
    assert tuple(picture.shape) == SHAPES[dataset]
    assert 0 <= picture.min() <= picture.max() <= 1
    assert (picture[:, 0, 0] == (dataset in ("cifar-10", "file"))).all()  # the ground: paper, or black


def uploaded(colours: torch.Tensor) -> str:
    """The text of a picture (3, H, W) from 0 to 1."""
    return "".join(f"{round(15 * value):x}" for value in colours.movedim(0, -1).flatten().tolist())


def test_a_picture_of_a_file_is_read_dark_on_light_or_light_on_dark(trained: CNNImages) -> None:
    ink = ink_of(STROKE, 28, 28)
    pen, paper = torch.tensor([0.2, 0.2, 0.6])[:, None, None], torch.tensor([0.9, 0.85, 0.8])[:, None, None]
    seen = trained._seen(ImagesKnobs(picture=STROKE))
    for front, ground in ((pen, paper), (paper, pen)):
        text = uploaded(ink * front + (1 - ink) * ground)
        torch.testing.assert_close(ink_in(colours_of(text, 28, 28)), ink, atol=1e-5, rtol=0)
        torch.testing.assert_close(trained._seen(ImagesKnobs(picture=text)), seen)


def test_colours_stay_where_the_data_has_them() -> None:
    colours = torch.tensor([1.0, 0.4, 0.0])[:, None, None].expand(3, 28, 28)
    text = uploaded(colours)
    torch.testing.assert_close(colours_of(text, 28, 28), colours)
    assert drawn(colours_of(text, 28, 28), "cifar-10")[:, 5, 5].tolist() == pytest.approx([1, 0.4, 0])
    assert not drawn(colours_of(text, 28, 28), "mnist").any()  # nothing stands out


# --- what it reaches


@needs_mnist
@pytest.mark.slow
def test_mnist_is_read_right_98_5_times_of_100(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(MNIST))
    experiment, knobs = built(dataset="mnist", layers=listed(PAIRS), batch_size=128)
    assert (len(experiment.y), len(experiment.test_y)) == (8000, 2000)
    train(experiment, knobs, 4 * 63)
    rows = train(experiment, driving.change(experiment, knobs, lr=3e-4), 2 * 63)
    assert driving.latest(rows)["acc/test"] >= 0.985


# --- what is refused


@pytest.mark.parametrize(
    ("knobs", "field", "message"),
    [
        (
            {"layers": listed([*SCHEME, *SCHEME[-1:] * 2])},
            "layers",
            "row 8: pooling 2 would shrink a map of 1 × 1",
        ),
        ({"layers": [{"kind": "convolution", "filters": 1000}]}, "layers", "less than or equal to 64"),
        ({"layers": [{"kind": "attention"}]}, "layers", "attention"),
        ({"layers": listed([Conv()] * 21)}, "layers", "at most 20"),
        ({"layers": [{"kind": "norm", "filters": 3}]}, "layers", "Extra inputs"),
        ({"picture": "0" * 784}, "picture", "it is blank"),
        ({"picture": "f0"}, "picture", "it has 2 pixels"),
        ({"picture": "f" * 2352}, "picture", "it is blank"),
        ({"picture": "x" * 784}, "picture", "0 to 9 and a to f only"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    entry: Entry, knobs: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(BadKnob, match=message) as caught:
        check(entry, knobs)
    assert caught.value.field == field


def test_the_names_of_layers_are_translated(entry: Entry) -> None:
    words = entry.lessons["ko"].words["words"]
    names = {type(row).__name__ for row in [*PAIRS, *LENET]} - {"Activation"}
    assert names == {"Conv", "BatchNorm", "Pooling", "Dropout", "Dense"}
    assert names <= words.keys()


def test_the_refused_row_is_named_for_the_page(entry: Entry) -> None:
    with pytest.raises(BadKnob) as caught:
        check(entry, {"layers": listed([*SCHEME, *SCHEME[-1:] * 2])})
    assert caught.value.params["row"] == 8


def test_mnist_without_its_files_names_the_knob(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    with pytest.raises(KnobError, match="MNIST is not on this machine") as caught:
        built(dataset="mnist")
    assert caught.value.knob == "dataset"
