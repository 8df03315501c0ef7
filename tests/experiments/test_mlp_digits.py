"""The perceptron on digits: its formulas, what it reaches, and how a drawing becomes a digit."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.nn import functional as F

import driving
from descent.contract import KnobError
from descent.engine.observe import look
from descent.experiments.training.mlp_digits import PAD, PLUS, DigitsKnobs, MLPDigits, Perceptron
from descent.kit.data.digits import mnist, sklearn_digits
from descent.kit.data.drawing import as_mnist, as_sklearn, ink_of, is_drawing
from descent.kit.text import rough
from driving import assert_steps_are_adams, said_of, take
from driving import take as train

MNIST = Path(os.environ.get("DESCENT_DATA") or Path(__file__).parents[3] / "shared" / "data")
needs_mnist = pytest.mark.skipif(
    not (MNIST / "t10k-images-idx3-ubyte.gz").is_file(), reason=f"no MNIST test files in {MNIST}"
)
Rows = list[dict[str, float]]


def built(seed: int = 0, **knobs: Any) -> tuple[MLPDigits, DigitsKnobs]:
    return driving.built(MLPDigits, seed, **knobs)


def of(rows: Rows, scalar: str) -> list[float]:
    return [row[scalar] for row in rows if scalar in row]


@pytest.fixture(scope="module")
def trained() -> tuple[MLPDigits, Rows]:
    """The default network after 900 steps, what the page takes in 15 seconds."""
    experiment, knobs = built()
    return experiment, train(experiment, knobs, 900)


# --- the network


@pytest.mark.parametrize(("pixels", "count"), [(784, 203_530), (64, 19_210)])
def test_256_hidden_units_have_the_parameters_of_the_formula(pixels: int, count: int) -> None:
    network = Perceptron(pixels, 256)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert pixels * 256 + 256 + 256 * 10 + 10 == count


def test_the_table_counts_each_layers_parameters_and_how_far_they_moved() -> None:
    experiment, knobs = built(hidden=16)
    before = look(experiment, knobs, "parameters")
    assert dict(zip(before.names, before.values[:, 0].tolist(), strict=True)) == {
        "W₁: 64·16": 1024,
        "b₁: 16": 16,
        "W₂: 16·10": 160,
        "b₂: 10": 10,
        "all": 1210,
    }
    assert before.values[:, 1].tolist() == [0] * 5
    start = nn.utils.parameters_to_vector(experiment.model.parameters()).detach().clone()
    train(experiment, knobs, 3)
    now = nn.utils.parameters_to_vector(experiment.model.parameters()).detach()
    assert look(experiment, knobs, "parameters").values[4, 1].item() == pytest.approx(
        (now - start).norm().item()
    )


def test_the_network_computes_the_formulas() -> None:
    network, x = Perceptron(64, 20), torch.rand(5, 64)
    h = (x @ network.first.weight.T + network.first.bias).clamp(min=0)
    torch.testing.assert_close(network(x), h @ network.second.weight.T + network.second.bias)


def test_a_step_is_adams_on_the_cross_entropy() -> None:
    experiment, knobs = built(batch_size=32)
    assert_steps_are_adams(experiment, built(batch_size=32)[0], knobs)


def test_what_speaks_for_a_class_adds_up_to_its_logit(trained: tuple[MLPDigits, Rows]) -> None:
    experiment, _ = trained
    x = experiment.test_x[7]
    jacobian = torch.autograd.functional.jacobian(lambda x: experiment.model(x[None])[0], x)  # (10, D)
    evidence = experiment.model.evidence(x)
    torch.testing.assert_close(evidence, jacobian * x)
    awake = (experiment.model.first(x) > 0).float()
    rest = experiment.model.second.weight @ (awake * experiment.model.first.bias)
    constant = rest + experiment.model.second.bias
    torch.testing.assert_close(evidence.sum(1) + constant, experiment.model(x[None])[0], atol=1e-4, rtol=1e-4)


# --- what it reaches


def test_scikit_learns_digits_are_read_right_97_times_of_100(trained: tuple[MLPDigits, Rows]) -> None:
    experiment, rows = trained
    assert (len(experiment.y), len(experiment.test_y)) == (1438, 359)
    assert min(of(rows, "acc/test")[-5:]) >= 0.97
    assert min(of(rows, "acc/train")[-5:]) > 0.99


@pytest.mark.parametrize("seed", [1, 3])
def test_other_splits_and_weights_do_as_well(seed: int) -> None:
    assert max(of(train(*built(seed), steps=400), "acc/test")) >= 0.97


@needs_mnist
@pytest.mark.slow
def test_mnist_reaches_95_in_100_on_digits_it_has_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(MNIST))
    experiment, knobs = built(dataset="mnist")
    if len(experiment.y) + len(experiment.test_y) == 10_000:
        assert (len(experiment.y), len(experiment.test_y)) == (8000, 2000)
    rows = train(experiment, knobs, 5 * int(experiment.steps_per_epoch(knobs)))
    assert max(of(rows, "acc/test")) >= 0.95


def test_no_test_digit_is_trained_on_and_the_test_set_stays_when_less_is_trained_on() -> None:
    whole, _ = built()
    part, _ = built(share=5)
    assert torch.equal(whole.test_x, part.test_x)
    assert torch.equal(whole.x[:71], part.x)
    assert len(part.x) == 71
    images = sklearn_digits(8).images.flatten(1)
    total = torch.cat([whole.x, whole.test_x]).sum(0)
    torch.testing.assert_close(total, ((images + 1) / 2).sum(0))


def test_the_panels_on_the_test_set_agree_with_its_accuracy(trained: tuple[MLPDigits, Rows]) -> None:
    experiment, _ = trained
    knobs = DigitsKnobs()
    counts = look(experiment, knobs, "confusion").values
    said = experiment.model(experiment.test_x).argmax(1)
    wrong = int((said != experiment.test_y).sum())
    assert counts.sum() == len(experiment.test_y)
    assert counts.sum() - counts.diag().sum() == wrong
    captions = look(experiment, knobs, "hardest").captions
    assert 0 < sum("→" in caption for caption in captions) <= wrong
    z = experiment.model(experiment.test_x)
    worst = F.cross_entropy(z, experiment.test_y, reduction="none").argmax()
    assert captions[0] == f"{experiment.test_y[worst]} → {said[worst]}"


# --- drawings


def line(*points: tuple[float, float], thick: float = 1.5) -> torch.Tensor:
    """Ink (28, 28) along a polygon of points (x, y) from 0 to 27."""
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    place = torch.stack([x, y], -1)
    ink = torch.zeros(28, 28)
    for start, end in pairwise(points):
        a, b = torch.tensor([start, end], dtype=torch.float32)
        along = (((place - a) @ (b - a)) / (b - a).square().sum()).clamp(0, 1)
        distance = (place - a - along[..., None] * (b - a)).norm(dim=-1)
        ink = torch.maximum(ink, (thick + 0.5 - distance).clamp(0, 1))
    return ink


def text(ink: torch.Tensor) -> str:
    return "".join(f"{round(15 * value):x}" for value in ink.flatten().tolist())


SEVEN = line((6, 5), (21, 5), (12, 24))


def test_a_drawing_is_one_hexadecimal_digit_per_pixel() -> None:
    torch.testing.assert_close(ink_of("0f8003", 2, 3), torch.tensor([[0, 15, 8], [0, 0, 3]]) / 15)
    assert is_drawing("09afAF")
    assert not is_drawing("0g")
    torch.testing.assert_close(ink_of(text(SEVEN), 28, 28), SEVEN, atol=1 / 30, rtol=0)


@pytest.mark.parametrize("prepare", [as_sklearn, as_mnist])
def test_size_and_place_of_a_drawing_do_not_matter(prepare: Any) -> None:
    large = line((3, 2), (25, 2), (12, 26), thick=1.8)
    small = line((13.5, 13.5), (24.5, 13.5), (18, 25.5), thick=0.9)
    difference = (prepare(large) - prepare(small)).abs().mean()
    assert difference < 0.35 * prepare(large).mean()
    assert (large - small).abs().mean() > large.mean()


def test_a_drawing_becomes_as_high_and_as_inked_as_scikit_learns_digits() -> None:
    digits = (sklearn_digits(8).images[:, 0] + 1) / 2
    for ink in (SEVEN, line((13, 4), (13, 23)), line((5, 5), (20, 5), (20, 22), (5, 22), (5, 5))):
        seen = as_sklearn(ink)
        assert seen.shape == (8, 8)
        assert 0 <= seen.min() <= seen.max() <= 1
        assert seen.sum().item() == pytest.approx(digits.sum((1, 2)).mean().item(), rel=0.2)
        assert (seen.amax(1) > 0.1).all()  # all rows, like each of the data set's
    assert (digits.amax(2) > 0.1).all()


def test_a_slanted_stroke_is_set_upright_and_a_1_is_not_stretched() -> None:
    slanted, upright = as_sklearn(line((18, 4), (10, 23))), as_sklearn(line((14, 4), (14, 23)))
    assert (slanted - upright).abs().mean() < 0.25 * upright.mean()
    assert int((slanted.amax(0) > 0.5).sum()) <= 4


def test_a_drawing_is_centred_by_its_mass_like_mnists() -> None:
    seen = as_mnist(line((4, 4), (4, 20), (12, 20), thick=1.2))
    rows = torch.arange(28.0)
    centre = (seen.sum(1) @ rows / seen.sum()).item(), (seen.sum(0) @ rows / seen.sum()).item()
    assert centre == pytest.approx((14, 14), abs=0.6)
    assert max(int((seen.amax(axis) > 0.2).sum()) for axis in (0, 1)) in (19, 20)


def test_the_smallest_drawing_has_a_picture() -> None:
    dot = torch.zeros(28, 28)
    dot[27, 0] = 1 / 15
    assert as_sklearn(dot).isfinite().all()
    assert as_mnist(dot).sum() > 0


@needs_mnist
def test_mnists_own_digits_stay_as_they_are() -> None:
    digits = (mnist(MNIST, 32).images[:200, 0, 2:-2, 2:-2] + 1) / 2
    prepared = torch.stack([as_mnist(digit) for digit in digits])
    assert (prepared - digits).flatten(1).norm(dim=1).mean() < 0.03 * digits.flatten(1).norm(dim=1).mean()


@needs_mnist
def test_prepared_like_the_data_drawings_are_read_and_raw_ones_are_not(
    trained: tuple[MLPDigits, Rows],
) -> None:
    experiment, _ = trained
    digits = mnist(MNIST, 32)
    drawn = (digits.images[:400, 0, 2:-2, 2:-2] + 1) / 2
    prepared = torch.stack([as_sklearn(ink) for ink in drawn])
    raw = F.interpolate(drawn[:, None], (8, 8), mode="bilinear", antialias=True)[:, 0]
    shares = [
        (experiment.model(images.flatten(1)).argmax(1) == digits.labels[:400]).float().mean().item()
        for images in (prepared, raw)
    ]
    assert shares[0] > 0.72
    assert shares[1] < 0.3


def test_without_a_drawing_a_test_digit_is_looked_at(trained: tuple[MLPDigits, Rows]) -> None:
    experiment, _ = trained
    picture = look(experiment, DigitsKnobs(digit=12), "seen")
    assert list(picture.captions) == [f"y = {int(experiment.test_y[12])}"]
    expected = experiment.model(experiment.test_x[12:13]).softmax(1)
    torch.testing.assert_close(look(experiment, DigitsKnobs(digit=12), "probabilities").values, expected)


def test_a_drawn_seven_is_read_as_a_seven(trained: tuple[MLPDigits, Rows]) -> None:
    experiment, _ = trained
    knobs = DigitsKnobs(drawing=text(SEVEN))
    assert look(experiment, knobs, "probabilities").values.argmax() == 7
    assert list(look(experiment, knobs, "seen").captions) == ["drawn", "seen"]
    captions = look(experiment, knobs, "evidence").captions
    assert captions[0] == "x"
    assert captions[8].startswith("7: ")


def test_a_drawing_changes_nothing_in_training() -> None:
    assert train(*built(), steps=3) == train(*built(drawing=PLUS), steps=3)


@pytest.mark.parametrize(
    ("drawing", "expected"),
    [
        ("0" * PAD * PAD, "it is blank; draw a digit"),
        ("f" * 10, "it has 10 pixels, 784 are needed"),
        ("x" * PAD * PAD, "0 to 9 and a to f only"),
    ],
    ids=["blank", "too short", "not hexadecimal"],
)
def test_what_is_no_drawing_is_refused_with_what_to_do(drawing: str, expected: str) -> None:
    with pytest.raises((KnobError, ValidationError), match=expected):
        DigitsKnobs(drawing=drawing)


def test_mnist_without_a_folder_names_the_knob(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESCENT_DATA", raising=False)
    with pytest.raises(KnobError, match="set DESCENT_DATA") as caught:
        built(dataset="mnist")
    assert caught.value.knob == "dataset"


def test_mnist_without_its_files_says_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))
    with pytest.raises(KnobError, match=r"expected train-images-idx3-ubyte\.gz") as caught:
        built(dataset="mnist")
    assert caught.value.knob == "dataset"


# --- what the presets promise


def test_what_is_said_of_the_digits_is_what_the_pictures_show() -> None:
    experiment, knobs = built()
    take(experiment, knobs, 20)
    confusion, said = said_of(experiment, knobs, "confusion")
    right, every = int(confusion.values.trace()), int(confusion.values.sum())
    assert said == {"right": right, "all": every}
    _, said = said_of(experiment, knobs, "hardest")
    assert (said["wrong"], said["all"]) == (every - right, every)
    bars, said_p = said_of(experiment, knobs, "probabilities")[0], said_of(experiment, knobs, "evidence")[1]
    most, place = bars.values[0].max(0)
    assert (said_p["first"], said_p["most"]) == (bars.labels[int(place)], rough(100 * float(most)))
    ranking, said = said_of(experiment, knobs, "parameters")
    counts = ranking.values[:, 0].tolist()
    assert said == {"percent": rough(100 * counts[0] / counts[-1]), "total": int(counts[-1])}


def test_nothing_is_said_of_probabilities_that_are_none() -> None:
    experiment, knobs = built()
    with torch.no_grad():
        experiment.model.first.weight.fill_(float("nan"))
    assert said_of(experiment, knobs, "evidence")[1] == said_of(experiment, knobs, "hardest")[1] == {}


def test_what_is_said_of_the_image_and_the_units_is_what_the_pictures_show() -> None:
    experiment, knobs = built()
    take(experiment, knobs, 20)
    picture, said = said_of(experiment, knobs, "probabilities")
    entropy = torch.distributions.Categorical(torch.as_tensor(picture.values)[0]).entropy()
    assert said == {"n": f"{entropy.exp():.1f}"}
    image = experiment.test_x[knobs.digit % len(experiment.test_x)]
    assert said_of(experiment, knobs, "seen")[1] == {"n": 64, "ink": int(image.count_nonzero())}
    rows = experiment.model.first.weight[:100].detach()
    rows = rows[: len(look(experiment, knobs, "weights").pixels)]
    cosines = F.cosine_similarity(rows[:, None], rows[None], dim=2).fill_diagonal_(-1)
    said = said_of(experiment, knobs, "weights")[1]
    assert cosines[said["one"] - 1, said["other"] - 1] == pytest.approx(float(cosines.max()), abs=1e-6)
    assert float(said["cosine"]) == pytest.approx(float(cosines.max()), rel=0.06)


def test_of_a_network_of_no_numbers_nothing_is_said_but_of_the_image() -> None:
    experiment, knobs = built()
    driving.break_weights(experiment)
    for panel in ("probabilities", "weights", "hardest", "confusion"):
        assert look(experiment, knobs, panel).reading is None, panel
