"""Captions: scenes and what is said of them, BLEU as in sacrebleu, attention written out, where it looks."""

from __future__ import annotations

import math
import re
from itertools import pairwise, product
from random import Random

import pytest
import torch
from pydantic import ValidationError
from sacrebleu import corpus_bleu as reference_bleu
from torch.nn import functional as F

from descent.experiments.sequence.captioning import Captioner, Captioning, CaptioningKnobs, same
from descent.kit.bleu import corpus_bleu
from descent.kit.data.gapped import Language
from descent.kit.data.scenes import (
    SCENE_COLOURS,
    SCENE_PLACES,
    SCENE_SHAPES,
    SCENE_SIDE,
    SCENE_SIZES,
    SCENE_WORDS,
    UNSEEN_PAIRS,
    SceneCaptions,
    Scenes,
    draw_scenes,
    on_objects,
    scene_of,
)
from descent.kit.data.translation import END, PAD, START
from driving import Driven, break_weights, built

LANGUAGES: list[Language] = ["en", "ko"]


def drawn(n: int = 400, seed: int = 0, *, held_out: bool = False) -> Scenes:
    return draw_scenes(n, torch.Generator().manual_seed(seed), held_out=held_out)


def held(scenes: Scenes) -> torch.Tensor:
    """Which objects have a pair of colour and shape that is held out, (N, 2)."""
    names = [*SCENE_COLOURS]
    return torch.tensor(
        [
            [(names[c], SCENE_SHAPES[s]) in UNSEEN_PAIRS for c, s in zip(*row, strict=True)]
            for row in zip(scenes.colours.tolist(), scenes.shapes.tolist(), strict=True)
        ]
    )


# Scenes


def test_what_is_held_out_is_in_every_scene_to_test_and_in_no_mini_batch() -> None:
    assert held(drawn(held_out=True)).any(1).all()
    assert not held(drawn()).any()
    assert not held(built(Captioning)[0].seen).any()
    run = Driven(Captioning, batch_size=128)
    tokens = {word: i for i, word in enumerate(run.experiment.captions.words)}
    unseen = {(tokens[colour], tokens[shape]) for colour, shape in UNSEEN_PAIRS}
    met = set()
    for n in range(30):
        run.experiment.step_index = n
        _, captions, _ = run.experiment._coming(run.knobs)
        met |= {pair for row in captions.tolist() for pair in pairwise(row)}
    assert not met & unseen
    every = {(tokens[c], tokens[s]) for c, s in product(SCENE_COLOURS, SCENE_SHAPES)}
    assert every - met == unseen, "all others are met"


def test_each_colour_and_each_shape_of_a_pair_that_is_held_out_is_trained_on_in_other_pairs() -> None:
    scenes = drawn(2000)
    assert set(scenes.colours.flatten().tolist()) == set(range(len(SCENE_COLOURS)))
    assert set(scenes.shapes.flatten().tolist()) == set(range(len(SCENE_SHAPES)))


@pytest.mark.parametrize("held_out", [False, True])
def test_the_pixels_show_what_the_scene_says(held_out: bool) -> None:
    scenes = drawn(held_out=held_out)
    pixels, coverage = scenes.pixels(), scenes.coverage()
    assert pixels.shape == (400, 3, SCENE_SIDE, SCENE_SIDE)
    assert float(coverage.sum(1).max()) <= 1, "no pixel is of two objects"
    axis = torch.arange(SCENE_SIDE) + 0.5
    areas, centres = coverage.sum((2, 3)), []
    for sums in (coverage.sum(2), coverage.sum(3)):
        centres.append((sums * axis).sum(2) / areas)
        assert ((sums > 0.05).sum(2) <= 9).all(), "at most 3.5 pixels each way"
    big, small = areas[scenes.sizes == 1], areas[scenes.sizes == 0]
    for shape in range(len(SCENE_SHAPES)):  # of one shape, the big one is the bigger
        of = scenes.shapes == shape
        assert areas[of & (scenes.sizes == 1)].min() > 1.8 * areas[of & (scenes.sizes == 0)].max()
    assert big.mean() > 2 * small.mean()
    across, down = (centre[:, 0] - centre[:, 1] for centre in centres)
    for n, relation in enumerate(scenes.relations().tolist()):
        longer, shorter = (across, down) if relation < 2 else (down, across)
        assert abs(longer[n]) > abs(shorter[n]) + 4
        assert (longer[n] > 0) == (relation in (1, 3)), ("left", "right", "above", "below")[relation]
    colours = torch.tensor([*SCENE_COLOURS.values()])
    for k in (0, 1):  # the fullest pixel of an object has its colour
        at = coverage[:, k].flatten(1).argmax(1)
        found = pixels.flatten(2)[torch.arange(400), :, at]
        assert (torch.cdist(found, colours).argmin(1) == scenes.colours[:, k]).all()


def test_a_drawn_shape_is_that_shape() -> None:
    """Of its bounding box a square fills all, a circle π/4, a triangle a half; a cross has empty corners."""
    filled = {}
    for shape in SCENE_SHAPES:
        scene = scene_of([("big", "red", shape, "middle"), ("small", "blue", "circle", "top left")])
        solid = (scene.coverage()[0, 0] > 0.5).float()
        rows, columns = solid.amax(1).nonzero()[:, 0], solid.amax(0).nonzero()[:, 0]
        box = solid[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        filled[shape] = float(box.mean())
        assert bool(box[0, 0]) == (shape == "square")
        assert box.equal(box.flip(1)), "symmetric"
        assert box.equal(box.flip(0)) == (shape != "triangle"), "a triangle points up"
    assert filled["square"] == 1
    assert 0.7 < filled["circle"] < 0.9
    assert 0.4 < filled["triangle"] < 0.65
    assert filled["cross"] < 0.65


def test_the_bigger_object_is_named_first_and_of_two_alike_the_left_or_upper_one() -> None:
    scenes = drawn(2000)
    sizes, relations = scenes.sizes, scenes.relations()
    assert (sizes[:, 0] >= sizes[:, 1]).all()
    alike = sizes[:, 0] == sizes[:, 1]
    assert set(relations[alike].tolist()) == {0, 2}, "left of, above"
    assert set(relations[~alike].tolist()) == {0, 1, 2, 3}
    one, other = ("small", "red", "cross", "left"), ("big", "blue", "square", "right")
    for order in ((one, other), (other, one)):
        (text,) = SceneCaptions("en").encode(scene_of(list(order))).tolist()  # type: ignore[arg-type]
        assert " ".join(SceneCaptions("en").decode(text)) == "a big blue square right of a small red cross"


# Captions


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_caption_read_back_is_the_scene(language: Language) -> None:
    kinds = SCENE_WORDS[language]
    sizes, colours, shapes, relations = ("|".join(kind) for kind in kinds)
    thing = f"({sizes}) ({colours}) ({shapes})"
    pattern = f"a {thing} ({relations}) a {thing}" if language == "en" else f"{thing} ({relations}) {thing}"
    captions, scenes = SceneCaptions(language), drawn(1000, held_out=True)
    for n, tokens in enumerate(captions.encode(scenes).tolist()):
        assert tokens[0] == START
        assert tokens.count(END) == 1
        assert set(tokens[tokens.index(END) + 1 :]) <= {PAD}
        found = re.fullmatch(pattern, " ".join(captions.decode(tokens)))
        assert found
        first, relation, second = found.groups()[:3], found[4], found.groups()[4:]
        if language == "ko":
            first, second = second, first
        for k, words in enumerate((first, second)):
            parts = scenes.sizes, scenes.colours, scenes.shapes
            assert [kind.index(w) for kind, w in zip(kinds, words, strict=False)] == [p[n, k] for p in parts]
        assert kinds[3].index(relation) == scenes.relations()[n]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_descriptions_have_one_caption(language: Language) -> None:
    table = SceneCaptions(language).table
    assert table.flatten(0, 2).unique(dim=0).shape[0] == (2 * 6 * 4) ** 2 * 4


def test_captions_are_what_one_would_say() -> None:
    scene = scene_of([("big", "red", "circle", "top"), ("small", "blue", "square", "bottom")])
    for language, text in (
        ("en", "a big red circle above a small blue square"),
        ("ko", "작은 파란 사각형 위에 있는 큰 빨간 원"),
    ):
        captions = SceneCaptions(language)  # type: ignore[arg-type]
        assert " ".join(captions.decode(captions.encode(scene)[0].tolist())) == text


# BLEU


def random_corpus(chance: Random) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences of few words, and references that are somewhat like them."""
    wanted = [
        [chance.choice("abcde") for _ in range(chance.randint(1, 14))] for _ in range(chance.randint(1, 9))
    ]
    said = []
    for words in wanted:
        changed = [chance.choice("abcde") if chance.random() < 0.3 else word for word in words]
        said.append(changed[: chance.randint(1, len(changed))] + ["a"] * chance.randint(0, 3))
    return said, wanted


def test_bleu_is_sacrebleus() -> None:
    chance, scores = Random(0), []
    for _ in range(400):
        said, wanted = random_corpus(chance)
        texts = [[" ".join(words) for words in corpus] for corpus in (said, wanted)]
        expected = reference_bleu(
            texts[0], [texts[1]], smooth_method="none", tokenize="none", force=True
        ).score
        scores.append(corpus_bleu(said, wanted))
        assert 100 * scores[-1] == pytest.approx(expected, abs=1e-9)
    assert sum(0 < score < 1 for score in scores) > 250, "most of the cases say something"
    assert scores.count(0.0) > 10


def test_bleu_of_what_is_right_is_1_and_of_nothing_0() -> None:
    captions = [["a", "big", "red", "circle"], ["a", "b", "c", "d", "e"]]
    assert corpus_bleu(captions, captions) == 1
    assert corpus_bleu([[], []], captions) == 0
    assert corpus_bleu([["the"] * 7], [["the", "cat", "is", "on", "the", "mat", "there"]]) == 0


# The network


@torch.no_grad()
def test_soft_attention_is_the_formula_written_out() -> None:
    torch.manual_seed(0)
    network = Captioner(20, 8, 12, attends=True)
    a, h = torch.randn(3, 36, 8), torch.randn(3, 12)
    α, z = network.look(a, network.W_a(a), h)
    W_a, b, W_h, v = network.W_a.weight, network.W_a.bias, network.W_h.weight, network.v.weight[0]
    for n in range(3):
        e = [float(v @ torch.tanh(W_a @ a[n, i] + b + W_h @ h[n])) for i in range(36)]
        total = sum(map(math.exp, e))
        expected = torch.zeros(8)
        for i in range(36):
            assert float(α[n, i]) == pytest.approx(math.exp(e[i]) / total, abs=1e-6)
            expected += float(α[n, i]) * a[n, i]
        torch.testing.assert_close(z[n], expected)
    without = Captioner(20, 8, 12, attends=False)
    α, z = without.look(a, a, h)
    assert (α == 1 / 36).all()
    torch.testing.assert_close(z, a.mean(1))


@pytest.mark.slow
def test_what_it_says_by_itself_is_what_it_finds_likeliest_when_told_its_own_words() -> None:
    run = Driven(Captioning).train(100)
    scenes = run.experiment.unseen
    for network in run.experiment.networks.values():
        said, chances, weights = network.caption(scenes.pixels(), 11)
        told = F.pad(said[:, :-1], (1, 0), value=START)
        logits = network(scenes.pixels(), told).detach()
        assert logits.argmax(2).equal(said)
        torch.testing.assert_close(logits.softmax(2).amax(2), chances)
        torch.testing.assert_close(weights.sum(2), torch.ones_like(chances))
        assert (weights >= 0).all()


def test_the_loss_is_torchs_on_the_words_alone_and_both_see_the_same_scenes() -> None:
    run = Driven(Captioning)
    row = run.train(1).rows[0]
    twin, knobs = built(Captioning)
    pixels, captions, kept = twin._coming(knobs)
    for name, network in twin.networks.items():
        logits = network(pixels, captions[:, :-1], kept)
        there = captions[:, 1:] != PAD
        loss = F.cross_entropy(logits[there], captions[:, 1:][there])
        assert row[f"loss/{name}"] == pytest.approx(loss.item(), rel=1e-5)
        reference = torch.optim.Adam(network.parameters(), knobs.lr)
        loss.backward()
        reference.step()
        for mine, theirs in zip(
            run.experiment.networks[name].parameters(), network.parameters(), strict=True
        ):
            torch.testing.assert_close(mine, theirs)


@torch.no_grad()
def test_half_of_the_memory_is_dropped_on_its_way_to_the_words_in_training_alone() -> None:
    experiment, knobs = built(Captioning)
    pixels, captions, kept = experiment._coming(knobs)
    assert kept.unique().tolist() == [0, 2]
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)
    network, words = experiment.networks["attention"], captions[:, :-1]
    assert torch.equal(network(pixels, words), network(pixels, words, torch.ones_like(kept)))
    a, projected, state = network.start(pixels)
    dropped = network(pixels, words, kept)
    for t, word in enumerate(network.E(words).unbind(1)):
        z = network.look(a, projected, state[0])[1]
        state = network.lstm(torch.cat([word, z], 1), state)  # which remembers all of it
        expected = network.L_h(state[0] * kept[:, t]) + network.L_z(z)
        torch.testing.assert_close(dropped[:, t], expected)


def test_a_caption_counts_as_right_whatever_follows_its_end() -> None:
    wanted = torch.tensor([[5, 6, END, PAD, PAD]] * 3)
    said = torch.tensor([[5, 6, END, 7, 8], [5, 6, 7, END, PAD], [5, 7, END, PAD, PAD]])
    assert same(said, wanted).tolist() == [True, False, False]


# What is shown


def test_shares_are_of_the_cells_that_an_object_covers() -> None:
    scene = scene_of([("big", "red", "square", "top left"), ("small", "blue", "circle", "bottom right")])
    picture = torch.zeros(6, 6)
    picture[0, 0], picture[5, 5], picture[3, 3] = 0.5, 0.3, 0.2
    torch.testing.assert_close(on_objects(picture.view(1, 1, 36), scene)[0, 0], torch.tensor([0.5, 0.3, 0.2]))
    uniform = torch.full((400, 1, 36), 1 / 36)
    shares = on_objects(uniform, drawn())
    torch.testing.assert_close(shares.sum(2), torch.ones(400, 1))
    assert shares.min() > 0, "no two objects share a cell"
    assert 0.08 < float(shares[..., :2].mean()) < 0.15, "what chance reaches"


def test_panels_show_the_scene_the_words_and_the_same_weights() -> None:
    for language in LANGUAGES:
        run = Driven(Captioning, language=language, b_place="bottom right").train(3)
        looks, mass, said = (run.look(name) for name in ("looks", "mass", "said"))
        assert list(looks.captions[1:]) == list(mass.columns) == [word.strip() for word in said.tokens]
        values = torch.as_tensor(mass.values)
        torch.testing.assert_close(values.sum(0), torch.ones(values.shape[1]))
        scene = (run.knobs.scene.pixels()[0].movedim(0, -1) * 255).round().to(torch.uint8)
        assert torch.as_tensor(looks.pixels)[0].equal(scene)
        run.change(shown="mean").look("said")
        assert len(run.look("tested").captions) == 6


@pytest.mark.slow
def test_the_brightest_cell_is_where_it_looks_most() -> None:
    run = Driven(Captioning, a_size="small", b_size="small").train(60)
    words, _, weights = run.experiment._said("attention", run.knobs)
    veiled = torch.as_tensor(run.look("looks").pixels)[1:].float()
    scene = torch.as_tensor(run.look("looks").pixels)[0].float()
    for word, tile, α in zip(words, veiled, weights, strict=True):
        black = (scene.sum(2) == 0).view(6, 4, 6, 4).all(3).all(1).flatten()
        light = tile.sum(2).view(6, 4, 6, 4).mean((1, 3)).flatten()
        order = α[black].argsort()
        assert (light[black][order].diff() >= 0).all(), word


@pytest.mark.parametrize("place", SCENE_PLACES)
def test_two_objects_in_one_place_are_refused_at_the_field(place: str) -> None:
    with pytest.raises(ValidationError, match="b_place: both objects are in one place"):
        CaptioningKnobs(a_place=place, b_place=place)


@pytest.mark.slow
def test_any_other_scene_is_drawn_and_captioned() -> None:
    run = Driven(Captioning)
    for a, b in product(SCENE_PLACES, SCENE_PLACES):
        if a == b:
            continue
        run.change(a_place=a, b_place=b)
        notes = [note.text for note in run.look("said").notes]
        diagonal = run.knobs.scene.diagonal().item()
        assert ("diagonally" in notes[0]) == diagonal
    assert len(SCENE_SIZES) == 2


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(Captioning).train(2)
    words, _, weights = run.experiment._said("attention", run.knobs)
    values = run.look("looks").reading.values
    place = int(weights.amax(1).argmax())
    share = f"{100 * float(weights.max()):.0f}"
    assert values == {"word": words[place], "percent": share, "cells": 36}
    picture = run.look("tested")
    right = sum(text.startswith("✓") for text in picture.captions)
    assert picture.reading.values == {"right": right, "all": len(picture.captions)}


def test_what_is_said_of_the_caption_is_what_the_pictures_show() -> None:
    run = Driven(Captioning).train(3)
    tokens = run.look("said")
    whole = 100 * math.prod(torch.as_tensor(tokens.values).tolist())
    assert tokens.reading.values == {"percent": f"{whole:.0f}" if whole >= 1 else "<1"}
    picture = run.look("mass")
    on = torch.as_tensor(picture.values)[:2]
    row, column = divmod(int(on.argmax()), on.shape[1])
    said = {"query": picture.columns[column], "key": picture.rows[row]}
    assert picture.reading.values == {**said, "percent": f"{100 * float(on.max()):.0f}"}
    break_weights(run.experiment)
    assert run.look("said").reading is run.look("mass").reading is None
