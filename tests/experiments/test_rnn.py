"""The recurrent network: its five tasks, NumPy and torch alike, the gradient taken apart by time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from descent.experiments.sequence.rnn import RNN, SHAPES, TESTED
from descent.kit.data.read_and_say import BOTH, HIT, MOVES, SIDE, STROKES, TAGS, TASKS, stroke
from descent.kit.nn.elman import Recurrence, by_step, unrolled_in_numpy
from driving import Driven, break_weights, take


def numbers(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The tasks


def test_letters_are_asked_backwards_after_all_were_read() -> None:
    task = TASKS["after-reading"](5)
    example = task.draw(7, numbers(0))
    assert example.asked.tolist() == [False] * 5 + [True] * 5
    assert not example.x[5:].any()
    assert torch.equal(example.said[5:], example.x[:5].argmax(2).flip(0))
    assert task.read(example.x[:, 0])[5:] == ["·"] * 5


def test_a_word_of_two_kinds_is_what_the_one_before_makes_it() -> None:
    task = TASKS["aligned"](11)
    example = task.draw(200, numbers(1))
    seen = set()
    for row in range(200):
        words, tags = task.read(example.x[:, row]), task.answer(example.said[:, row])
        assert tags[0] == "pronoun"
        for before, word, tag in zip(tags, words[1:], tags[1:], strict=False):
            if word in BOTH:
                assert tag == ("verb" if before == "pronoun" else "noun")
                seen.add((word, tag))
            assert tag != "adjective" or before == "article"
    assert len(seen) == 2 * len(BOTH)
    assert set(example.said.flatten().tolist()) == set(range(len(TAGS)))


def test_a_digit_moves_by_one_pixel_and_neither_its_first_place_nor_its_last_tells_whereto() -> None:
    task = TASKS["many-to-one"](4)
    example = task.draw(300, numbers(2))
    frames = example.x.view(4, 300, SIDE, SIDE)
    for row, move in enumerate(example.said[0].tolist()):
        shift = list(MOVES.values())[move]
        for t in range(3):
            assert torch.equal(frames[t, row].roll(shift, (0, 1)), frames[t + 1, row])
    middle = (frames[-1] * torch.arange(SIDE)).sum((1, 2)) / frames[-1].sum((1, 2))
    by_move = [middle[example.said[0] == move].mean() for move in range(4)]
    assert max(by_move) - min(by_move) < 0.6  # pixels
    assert example.asked.tolist() == [False, False, False, True]


def test_a_stroke_goes_through_its_ends_at_an_even_pace() -> None:
    points = stroke(STROKES[1], 500)
    assert torch.allclose(points[[0, -1]], torch.tensor([STROKES[1][0], STROKES[1][-1]]), atol=1e-5)
    steps = (points[1:] - points[:-1]).norm(dim=1)
    assert steps.max() - steps.median() < 1e-5
    assert (torch.tensor(STROKES[7])[:, None] - stroke(STROKES[7], 500)).norm(dim=2).amin(1).max() < 0.01


def test_a_drawn_class_is_read_once_and_points_near_the_stroke_are_right() -> None:
    task = TASKS["one-to-many"](6)
    example = task.draw(10, numbers(0), test=True)
    assert example.x[0].argmax(1).tolist() == list(range(10))
    assert not example.x[1:].any()
    assert task.right(example.said + 0.05, example).all()
    assert not task.right(example.said + 0.08, example).any()
    assert task.loss(example.said + 0.5, example).item() == pytest.approx(0.5)


def test_digits_of_the_test_are_none_of_those_for_training() -> None:
    task = TASKS["one-to-one"](1)
    train, test = (task.draw(2000, numbers(3), test=test).x[0].unique(dim=0) for test in (False, True))
    assert len(train) > 900
    assert len(test) > 150
    assert len(torch.cat([train, test]).unique(dim=0)) == len(train) + len(test)


# The recurrence


@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_and_torch_unroll_to_the_same(shape: str) -> None:
    driven = Driven(RNN, shape=shape, length=8)
    layer = driven.experiment.model.layers[0]
    x = driven.experiment.test.x
    h_0 = torch.randn(x.shape[1], 48, generator=numbers(0))
    states, _ = layer(x, h_0)
    by_hand = unrolled_in_numpy(*(each.numpy(force=True) for each in (x, h_0, layer.W_x, layer.W_h, layer.b)))
    torch.testing.assert_close(torch.from_numpy(by_hand), states, rtol=0, atol=1e-6)
    driven.train(1)
    assert driven.last("numpy/difference") < 1e-6


def test_the_recurrence_is_pytorchs() -> None:
    layer, theirs = Recurrence(5, 7), nn.RNN(5, 7)
    with torch.no_grad():
        layer.b.normal_()
        theirs.weight_ih_l0.copy_(layer.W_x)
        theirs.weight_hh_l0.copy_(layer.W_h)
        theirs.bias_ih_l0.copy_(layer.b)
        theirs.bias_hh_l0.zero_()
    x, h_0 = torch.randn(9, 3, 5), torch.randn(3, 7)
    torch.testing.assert_close(layer(x, h_0)[0], theirs(x, h_0[None])[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "layers", "first"), [("after-reading", 1, "zero"), ("aligned", 3, "learnt")]
)
def test_the_terms_by_time_add_up_to_autograds_gradient(shape: str, layers: int, first: str) -> None:
    driven = Driven(RNN, shape=shape, layers=layers, first=first)
    driven.train(3)
    experiment = driven.experiment
    model, test = experiment.model, experiment.test
    states, arguments = model.unroll(test.x)
    loss = experiment.task.loss(model.V(states[-1]), test)
    before = [model.h_0[0].expand(TESTED, -1), *states[0][:-1]]
    terms = by_step(loss, arguments, before)
    (whole,) = torch.autograd.grad(loss, [model.layers[0].W_h])
    torch.testing.assert_close(terms.sum(0), whole, rtol=1e-5, atol=1e-6)
    if first == "zero":
        assert not terms[0].any()  # h_0 = 0 has no part in it


def test_a_learnt_first_state_is_trained_and_a_zero_one_stays() -> None:
    for first, moved in (("zero", False), ("learnt", True)):
        driven = Driven(RNN, first=first)
        driven.train(5)
        assert bool(driven.experiment.model.h_0.any()) is moved


@pytest.mark.parametrize("shape", SHAPES)
def test_panels_show_the_sequence_that_was_chosen(shape: str) -> None:
    driven = Driven(RNN, shape=shape, sample=7, layers=2)
    driven.train(2)
    experiment, knobs = driven.experiment, driven.knobs
    x = experiment.test.x[:, 7:8]
    states = experiment.model.unroll(x)[0][-1][:, 0]
    shown = driven.look("states")
    torch.testing.assert_close(torch.as_tensor(shown.values), states.T.detach())
    assert len(shown.columns) == len(x)
    says = driven.look("says")
    assert list(says.rows) == list(experiment.task.names)
    if shape != "one-to-many":
        torch.testing.assert_close(torch.as_tensor(says.values).sum(0), torch.ones(len(x)))
    assert len(driven.look("gradient").pixels) == len(x) + 1
    path = driven.look("path")
    assert len(path.points) == {"one-to-one": TESTED, "one-to-many": 2 * knobs.length}.get(shape, len(x))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = Driven(RNN, 3), Driven(RNN, 3)
    take(other.experiment, other.knobs, 4)
    assert torch.equal(one.experiment._batch(9, one.knobs).x, other.experiment._batch(9, other.knobs).x)


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(RNN).train(3)
    picture = run.look("states")
    full = int((torch.as_tensor(picture.values)[:, -1].abs() > 0.9).sum())
    assert picture.reading.values == {"full": full, "all": len(picture.values), "bound": "0.9"}
    picture = run.look("gradient")
    size = float(picture.reading.values["size"].replace("−", "-"))
    brightest = picture.captions[picture.reading.values["t"] - 1]
    assert brightest == f"t = {picture.reading.values['t']}"
    assert size > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_said_of_a_sequence_is_what_the_pictures_show(shape: str) -> None:
    run = Driven(RNN, shape=shape).train(30)
    picture, one = run.look("says"), run.experiment._one(run.knobs)
    asked = torch.as_tensor(picture.values).T[one.asked]
    if asked.shape[1] == 2 and one.said.ndim == 3:  # where the pen is
        right = (asked - one.said[one.asked, 0]).norm(dim=1) < HIT
    else:
        right = asked.argmax(1) == one.said[one.asked, 0]
    assert picture.reading.values == {"right": int(right.sum()), "all": len(right)}
    picture = run.look("path")
    way = torch.as_tensor(picture.mesh).reshape(-1, 2)
    if not len(way):
        points, groups = torch.as_tensor(picture.points), torch.as_tensor(picture.groups)
        apart = torch.cdist(points, points).fill_diagonal_(torch.inf)
        share = float((groups[apart.argmin(1)] == groups).float().mean())
        assert picture.reading.values == {"beside": f"{100 * share:.0f}"}
    else:
        steps = (way[1:] - way[:-1]).norm(dim=1)
        assert picture.reading.values == {"t": int(steps.argmax()) + 2}
    break_weights(run.experiment)
    assert run.look("says").reading is run.look("path").reading is run.look("states").reading is None
