"""Positional encoding: the formula, its shift in closed form and learnt, rotary's distance, the task."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from descent.experiments.attention.positional_encoding import (
    LONGEST,
    REACH,
    SCHEMES,
    WIDTH,
    PositionalEncoding,
)
from descent.kit.nn.positions import shift_matrix, sinusoids, turned
from descent.kit.nn.transformer import positional_encoding
from driving import Driven, built, take


def test_sinusoids_are_the_papers_formula() -> None:
    found = sinusoids(torch.arange(50), 8, 10_000)
    for place in (0, 1, 7, 49):
        for i in range(4):
            angle = place / 10_000 ** (2 * i / 8)
            assert found[place, 2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[place, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)
    torch.testing.assert_close(found, positional_encoding(50, 8), atol=1e-5, rtol=0)


def test_their_product_depends_on_the_distance_alone() -> None:
    places = sinusoids(torch.arange(64), WIDTH, 10_000)
    product = places @ places.T
    for k in range(10):
        expected = sum(math.cos(k * 10_000 ** (-2 * i / WIDTH)) for i in range(WIDTH // 2))
        torch.testing.assert_close(product.diagonal(k), torch.full((64 - k,), expected), atol=1e-4, rtol=0)


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("base", [2, 10_000])
def test_a_shift_is_a_matrix(k: int, base: int) -> None:
    at = torch.arange(200)
    here, there = sinusoids(at, WIDTH, base), sinusoids(at + k, WIDTH, base)
    torch.testing.assert_close(here @ shift_matrix(k, WIDTH, base).T, there, atol=1e-5, rtol=0)


@pytest.mark.parametrize("back", [1, 3, 7])
@pytest.mark.slow
def test_the_learnt_shift_is_the_closed_form(back: int) -> None:
    run = Driven(PositionalEncoding, back=back).train(150)
    torch.testing.assert_close(
        run.experiment.shift.weight.detach(), shift_matrix(back, WIDTH, 10_000), atol=1e-3, rtol=0
    )


def test_half_the_identity_is_the_mean_of_pe_by_pe() -> None:
    """So that an average step multiplies what M lacks by 1 − η."""
    places = sinusoids(
        torch.randint(REACH, (20_000,), generator=torch.Generator().manual_seed(0)), WIDTH, 10_000
    )
    torch.testing.assert_close(places.T @ places / 20_000, 0.5 * torch.eye(WIDTH), atol=0.05, rtol=0)


def test_a_turned_query_and_key_know_their_distance_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 16, generator=generator)
    at = torch.arange(30)
    score = turned(q.expand(30, -1), at, 100.0) @ turned(k.expand(30, -1), at, 100.0).T
    for distance in range(-20, 21):
        diagonal = score.diagonal(distance)
        (alone,) = turned(k[None], torch.tensor([distance]), 100.0)
        torch.testing.assert_close(diagonal, (q @ alone).expand(len(diagonal)), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(turned(q[None], at[5:6], 100.0).norm(), q.norm())


def test_the_fused_attention_agrees_for_every_scheme() -> None:
    experiment, knobs = built(PositionalEncoding)
    tokens = experiment.test[:4, :20]
    for scheme in SCHEMES:
        network = experiment.networks[scheme]
        x = network.embedding(tokens)
        at = torch.arange(20)
        if scheme == "sinusoidal":
            x = x + sinusoids(at, WIDTH, knobs.base)
        if scheme == "learnt":
            x = x + network.places[:20]
        q, k, v = (f(x).view(4, 20, 2, 16).transpose(1, 2) for f in (network.Q, network.K, network.V))
        if scheme == "rotary":
            q, k = turned(q, at, knobs.base), turned(k, at, knobs.base)
        z = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        torch.testing.assert_close(network(tokens), network.readout(z), atol=1e-5, rtol=1e-4)


def test_without_places_a_shuffled_sequence_is_answered_the_same_but_shuffled() -> None:
    experiment, _ = built(PositionalEncoding)
    tokens = experiment.test[:2, :16]
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    same = {
        scheme: torch.allclose(
            experiment.networks[scheme](tokens[:, order]),
            experiment.networks[scheme](tokens)[:, order],
            atol=1e-5,
        )
        for scheme in SCHEMES
    }
    assert same == {"none": True, "sinusoidal": False, "learnt": False, "rotary": False}


def test_all_begin_alike_and_are_taught_the_token_some_places_back() -> None:
    experiment, knobs = built(PositionalEncoding, back=2, length=10)
    weights = [experiment.networks[scheme].Q.weight for scheme in SCHEMES]
    assert all(torch.equal(weight, weights[0]) for weight in weights)
    tokens = torch.randint(8, (32, 10), generator=experiment.step_generator(0))
    logits = experiment.networks["rotary"](tokens)
    losses = [F.cross_entropy(logits[:, t], tokens[:, t - 2]) for t in range(2, 10)]
    (row,) = take(experiment, knobs, 1)
    assert row["loss/rotary"] == pytest.approx(float(torch.stack(losses).mean().detach()), rel=1e-5)


def test_panels_show_what_the_networks_hold() -> None:
    run = Driven(PositionalEncoding, scheme="learnt").train(30)
    places = run.look("places").values
    assert torch.equal(places, run.experiment.networks["learnt"].places)
    assert run.change(scheme="none").look("places").values.abs().max() == 0
    looks = run.look("looks").weights
    assert looks.shape == (1, 2, 32, 32)
    torch.testing.assert_close(looks.sum(3), torch.ones(1, 2, 32))
    by_length = run.look("by_length").values[0]
    row = run.experiment._scores(run.knobs)
    assert by_length[:, -1].tolist() == [float(row[f"beyond/{scheme}"]) for scheme in SCHEMES]
    assert LONGEST == 64


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(PositionalEncoding).train(3)
    picture = run.look("places")
    for key, place in (("near", 1), ("far", -1)):
        apart = float((picture.values[0] - picture.values[place]).norm())
        assert float(picture.reading.values[key]) == pytest.approx(apart, rel=0.06)
    picture = run.look("matrices")
    gap = float((picture.values[:, :32] - picture.values[:, 34:]).abs().max())
    assert float(picture.reading.values["gap"]) == pytest.approx(gap, rel=0.06)
    picture = run.look("looks")
    last = picture.weights[0][:, -1].amax(0)
    assert picture.reading.values["back"] == len(last) - 1 - int(last.argmax())
    picture = run.look("by_length")
    right = torch.as_tensor(picture.values)[0, :, -1]
    if picture.reading:  # nobody else is as good
        assert picture.series[int(right.argmax())] == picture.reading.values["best"]
    assert bool(picture.reading) == (int((right == right.max()).sum()) == 1)


def test_half_of_the_closeness_is_lost_where_it_is_said() -> None:
    picture = Driven(PositionalEncoding).look("closeness")
    at = dict(
        zip(torch.as_tensor(picture.x).tolist(), torch.as_tensor(picture.values)[0, 0].tolist(), strict=True)
    )
    k = picture.reading.values["k"]
    assert at[k] < at[0] / 2
    assert min(at[n] for n in range(k)) >= at[0] / 2
