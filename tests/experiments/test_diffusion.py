"""Diffusion: the way to noise and back by their formulas, the best prediction, guidance at both its ends."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from descent.experiments.generative.diffusion import CLOUD, DIGITS, PICTURES, STRIP, Diffusion
from descent.kit.data.clouds import CLOUDS, MODE_SPREAD, centres_of, cloud_picture, sample_cloud
from descent.kit.nn.diffusion import (
    CLASSES,
    LEVELS,
    PointDenoiser,
    UNet,
    alpha_bars,
    betas_of,
    clean,
    ddim_step,
    density,
    guided,
    mixture,
    noised,
    sample,
    sampling_levels,
    time_embedding,
)
from driving import Driven

SCHEDULES = ("linear", "cosine")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_in_closed_form_is_that_of_the_steps(schedule: str) -> None:
    """x_t = √(1 − β_t) x_{t−1} + √β_t ε (eq. 2), step by step: what becomes of mean and variance."""
    alpha_bar, mean, variance = alpha_bars(schedule), 1.0, 0.0
    for t, beta in enumerate(betas_of(schedule).tolist(), 1):
        mean, variance = math.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert alpha_bar[t].sqrt().item() == pytest.approx(mean, rel=1e-9)
        assert (1 - alpha_bar[t]).item() == pytest.approx(variance, rel=1e-9)
    assert alpha_bar[0] == 1
    assert alpha_bar[-1] < 1e-4, "nothing is left of the data"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_samples_noised_at_once_are_spread_like_those_noised_in_steps(schedule: str) -> None:
    x0, alpha_bar = torch.full((40_000,), 1.5, dtype=torch.float64), alpha_bars(schedule)
    x = x0
    for t, beta in enumerate(betas_of(schedule)[:300]):
        x = (1 - beta).sqrt() * x + beta.sqrt() * normal(40_000, seed=t + 1)
    at_once = noised(x0, normal(40_000), alpha_bar[300])
    assert at_once.mean().item() == pytest.approx(x.mean().item(), abs=0.02)
    assert at_once.std().item() == pytest.approx(x.std().item(), abs=0.02)


def test_the_schedules_are_those_of_the_papers() -> None:
    betas = betas_of("linear")
    assert (betas[0].item(), betas[-1].item()) == pytest.approx((1e-4, 0.02))
    torch.testing.assert_close(betas.diff(), torch.full_like(betas[1:], (0.02 - 1e-4) / 999))
    f = [math.cos((t / LEVELS + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(LEVELS)]
    expected = torch.tensor(f, dtype=torch.float64) / f[0]
    torch.testing.assert_close(alpha_bars("cosine")[:-1], expected)


def test_noised_takes_a_level_for_each_picture() -> None:
    x0, eps, a = normal(3, 1, 8, 8), normal(3, 1, 8, 8, seed=1), alpha_bars("linear")[[1, 500, 1000]]
    x = noised(x0, eps, a)
    for i in range(3):
        torch.testing.assert_close(x[i], a[i].sqrt() * x0[i] + (1 - a[i]).sqrt() * eps[i])
    torch.testing.assert_close(clean(x, eps, a), x0)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_step_back_is_that_of_ddim(eta: float) -> None:
    a, b = alpha_bars("linear")[[400, 350]]
    x, eps, z = normal(3, 20, 2)
    sigma = eta * torch.sqrt((1 - b) / (1 - a)) * torch.sqrt(1 - a / b)
    x0 = (x - torch.sqrt(1 - a) * eps) / torch.sqrt(a)
    expected = torch.sqrt(b) * x0 + torch.sqrt(1 - b - sigma**2) * eps + sigma * z
    torch.testing.assert_close(ddim_step(x, eps, a, b, eta, z, reach=1e9), expected)


def test_with_full_noise_a_step_back_is_that_of_ddpm() -> None:
    """Ho et al., eq. 11, and the variance β̃_t of eq. 7, from t to t − 1."""
    alpha_bar, beta, t = alpha_bars("linear"), betas_of("linear")[399], 400
    x, eps, z = normal(3, 20, 2)
    mean = (x - beta / (1 - alpha_bar[t]).sqrt() * eps) / (1 - beta).sqrt()
    spread = (beta * (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])).sqrt()
    step = ddim_step(x, eps, alpha_bar[t], alpha_bar[t - 1], 1.0, z, reach=1e9)
    torch.testing.assert_close(step, mean + spread * z)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 7, 50])
def test_with_the_true_noise_the_way_back_ends_where_it_began(schedule: str, steps: int) -> None:
    x0, eps, alpha_bar = normal(20, 2).clamp(-1, 1), normal(20, 2, seed=1), alpha_bars(schedule)

    def exact(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return eps

    none = torch.full((20,), CLASSES)
    path = sample(exact, noised(x0, eps, alpha_bar[-1]), none, alpha_bar, steps=steps, reach=1.5)
    torch.testing.assert_close(path[-1], x0, rtol=1e-6, atol=1e-6)
    for x, level in zip(path, sampling_levels(steps), strict=True):
        torch.testing.assert_close(x, noised(x0, eps, alpha_bar[level]), rtol=1e-6, atol=1e-6)


def test_the_way_back_stays_within_the_data() -> None:
    def wild(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return -100 * torch.ones_like(x)

    path = sample(wild, normal(9, 2), torch.zeros(9), alpha_bars("cosine"), steps=10, reach=1.5)
    assert path[-1].abs().max() <= 1.5 + 1e-9


def test_levels_run_from_noise_to_data() -> None:
    assert sampling_levels(1) == [LEVELS, 0]
    assert sampling_levels(4) == [1000, 750, 500, 250, 0]
    assert all(a > b for a, b in zip(sampling_levels(100), sampling_levels(100)[1:], strict=False))


def test_the_score_of_a_mixture_is_its_slope() -> None:
    centres, a = normal(5, 2), torch.tensor([0.9, 0.5, 0.1], dtype=torch.float64)
    x = normal(3, 2, seed=1).requires_grad_()
    log_q, score = mixture(x, centres, 0.3, a)
    (slope,) = torch.autograd.grad(log_q.sum(), x)
    torch.testing.assert_close(score, slope)
    parts = torch.distributions.MultivariateNormal(
        a[1].sqrt() * centres, (a[1] * 0.09 + 1 - a[1]) * torch.eye(2, dtype=torch.float64)
    )
    at = normal(2, 2, seed=2)
    expected = parts.log_prob(at[:, None]).logsumexp(1)
    found = mixture(at, centres, 0.3, a[1])[0]
    torch.testing.assert_close(found[0] - found[1], expected[0] - expected[1])


@pytest.mark.parametrize("name", [name for name in CLOUDS if name != "drawn"])
@pytest.mark.slow
def test_with_the_exact_score_noise_becomes_the_distribution(name: str) -> None:
    """The way back of the best ε possible ends near the centres, and leaves none out."""
    alpha_bar, centres = alpha_bars("cosine"), centres_of(name).double()

    def best(x: Tensor, t: Tensor, c: Tensor) -> Tensor:
        a = alpha_bar[t]
        return -(1 - a).sqrt()[:, None] * mixture(x, centres, MODE_SPREAD, a)[1]

    x = sample(best, normal(600, 2), torch.full((600,), CLASSES), alpha_bar, steps=50, reach=1.5)[-1]
    real = sample_cloud(name, 2000, torch.Generator().manual_seed(0)).double()
    apart = torch.cdist(x, centres)
    assert (apart.min(1).values < 3 * MODE_SPREAD).float().mean() > 0.9
    assert apart.min(0).values.max() < 4 * MODE_SPREAD
    assert torch.pdist(x).mean().item() == pytest.approx(torch.pdist(real).mean().item(), rel=0.1)


def test_the_density_is_highest_at_the_centres_and_the_first_row_is_low() -> None:
    field = density(torch.tensor([[0.5, -1.0]]), 0.1, torch.tensor(1.0), (-2.0, 2.0), 40)
    assert field.max() == 1
    row, column = divmod(int(field.argmax()), 40)
    assert (row, column) in [(10, 25), (9, 24), (10, 24), (9, 25)]


def test_a_cloud_as_a_picture_has_what_is_above_at_the_top() -> None:
    picture = cloud_picture(torch.tensor([[-1.0, 1.9], [-1.0, 1.9], [1.5, -9.0], [1.5, -2.0]]), 4, 2.0)
    expected = torch.zeros(4, 4)
    expected[0, 1], expected[3, 3] = 0.5**0.5, 0.5**0.5
    torch.testing.assert_close(picture, expected)


def test_levels_are_told_apart_by_sines_and_cosines() -> None:
    embedded = time_embedding(torch.tensor([0, 1, 700]), 8)
    angles = [10_000 ** (-i / 4) for i in range(4)]
    for row, t in zip(embedded, (0, 1, 700), strict=True):
        expected = [math.sin(t * a) for a in angles] + [math.cos(t * a) for a in angles]
        torch.testing.assert_close(row, torch.tensor(expected), rtol=1e-4, atol=1e-4)
    every = time_embedding(torch.arange(LEVELS + 1), 32)
    assert torch.pdist(every).min() > 0.1


def test_guidance_at_its_ends_is_either_model() -> None:
    """w = −1 is the unconditional one, w = 0 the conditional one, and w lies on the line through both."""
    torch.manual_seed(0)
    unet = UNet(8)
    x, t, c = torch.randn(5, 1, 8, 8), torch.randint(1, LEVELS, (5,)), torch.arange(5)
    with torch.no_grad():
        given, none = unet(x, t, c), unet(x, t, torch.full((5,), CLASSES))
        torch.testing.assert_close(guided(unet, 0.0)(x, t, c), given)
        torch.testing.assert_close(guided(unet, -1.0)(x, t, c), none)
        torch.testing.assert_close(guided(unet, 3.0)(x, t, c), 4 * given - 3 * none, rtol=1e-4, atol=1e-5)
    assert (given - none).abs().max() > 1e-3


def test_networks_heed_level_and_class() -> None:
    torch.manual_seed(0)
    unet, points = UNet(16), PointDenoiser(16)
    x, t, c = torch.randn(2, 1, 8, 8), torch.tensor([5, 5]), torch.tensor([3, 3])
    assert unet(x, t, c).shape == x.shape
    assert not torch.allclose(unet(x, t, c), unet(x, t + 500, c))
    assert not torch.allclose(unet(x, t, c), unet(x, t, c + 1))
    x = torch.randn(2, 2)
    assert points(x, t, c).shape == x.shape
    assert not torch.allclose(points(x, t, c), points(x, t + 500, c))
    assert torch.equal(points(x, t, c), points(x, t, c + 1))


def test_a_step_descends_the_loss_of_the_paper() -> None:
    driven = Driven(Diffusion)
    experiment = driven.experiment
    x0, c, t, eps = experiment._batch(driven.knobs)
    assert 1 <= t.min() <= t.max() <= LEVELS
    a = experiment.alpha_bar[t][:, None]
    with torch.no_grad():
        error = (eps - experiment.epsilon(a.sqrt() * x0 + (1 - a).sqrt() * eps, t, c)).square().mean()
        objective = experiment.objectives(driven.knobs)[""].loss()
    assert driven.train(1).last("loss/train") == pytest.approx(error.item(), rel=1e-5)
    assert objective.item() == pytest.approx(error.item(), rel=1e-5)


def test_labels_are_left_out_in_the_share_asked_for() -> None:
    for share in (0.0, 0.3, 1.0):
        driven = Driven(Diffusion, **{**DIGITS, "batch_size": 512, "channels": 8}, unlabelled=share)
        c = driven.experiment._batch(driven.knobs)[1]
        assert (c == CLASSES).float().mean().item() == pytest.approx(share, abs=0.07)


def test_pictures_in_the_plane() -> None:
    driven = Driven(Diffusion, level=LEVELS).train(2)
    way_back = driven.look("way_back")
    noise = torch.as_tensor(way_back.points)[CLOUD:]
    torch.testing.assert_close(noise, driven.experiment.noise[:CLOUD])
    tails, level = torch.as_tensor(way_back.tails), torch.full((len(way_back.tails),), LEVELS)
    with torch.no_grad():
        eps = driven.experiment.epsilon(tails, level, level)
    expected = -eps / (1 - driven.experiment.alpha_bar[LEVELS]).sqrt()
    torch.testing.assert_close(torch.as_tensor(way_back.arrows), expected)
    errors = torch.as_tensor(driven.look("by_level").values)[0]
    assert (errors[1] < errors[0]).all(), "no network is better than the best"
    assert driven.look("samples").captions[0] == f"t = {LEVELS}"
    assert len(driven.look("noising").pixels) == 2 * len(STRIP)


def test_pictures_of_digits() -> None:
    driven = Driven(Diffusion, **{**DIGITS, "steps": 2, "channels": 8}).train(1)
    mixed = torch.as_tensor(driven.look("samples").pixels)
    assert mixed.shape == (PICTURES, 8, 8)
    driven.change(digit="3")
    threes = torch.as_tensor(driven.look("samples").pixels)
    assert torch.equal(threes[3::10], mixed[3::10]), "that noise was asked for a 3 before"
    assert not torch.equal(threes, mixed)
    first = torch.as_tensor(driven.look("noising").pixels)[0]
    assert torch.equal(first, ((driven.experiment.digits.images[0, 0] + 1) * 127.5).round().byte())
    way_back = driven.change(level=1).look("way_back")
    real, guessed = torch.as_tensor(way_back.points).split(PICTURES)
    seen = driven.experiment.digits.images[:PICTURES].flatten(1) @ driven.experiment.axes.T
    assert (real - seen).abs().max() < 0.1
    assert (guessed - seen).abs().max() < 0.2, "hardly any noise can be told wrong"
    assert torch.as_tensor(driven.look("by_level").values).shape[1] == 1


def test_looks_touch_no_training() -> None:
    one, other = Driven(Diffusion).train(3), Driven(Diffusion, level=900, steps=3, eta=1.0).train(3)
    assert one.rows == other.rows


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(Diffusion, level=300).train(3)
    left = f"{100 * float(run.experiment.alpha_bar[300].sqrt()):.0f}"
    assert run.look("way_back").reading.values == {"level": 300, "left": left}
    picture = run.look("schedules")
    at = picture.x.tolist().index(300)
    values = {name: f"{100 * float(picture.values[i, 0, at]):.0f}" for i, name in enumerate(picture.groups)}
    assert picture.reading.values == {"level": 300, **values}
    picture = run.look("by_level")
    errors = torch.as_tensor(picture.values).reshape(2, -1)[0].tolist()
    hard, easy = (int(picture.x[errors.index(end(errors))]) for end in (max, min))
    assert picture.reading.values == {"hard": hard, "easy": easy}
    moved = -run.experiment._cloud(run.knobs).excess(run.experiment._back(run.knobs)[-1]).clamp(max=0).sum()
    assert run.look("samples").reading.values == {"percent": f"{100 * float(moved):.0f}"}
    values = run.look("noising").reading.values
    assert 0 < float(values["near"]) < float(values["far"])


def test_samples_of_a_class_are_counted_by_the_real_digit_that_is_nearest() -> None:
    run = Driven(Diffusion, **DIGITS, digit="3")
    values = run.look("samples").reading.values
    digits, back = run.experiment.digits, run.experiment._back(run.knobs)[-1]
    nearest = torch.cdist(back.flatten(1), digits.images.flatten(1)).argmin(1)
    assert values == {"right": int((digits.labels[nearest] == 3).sum()), "all": PICTURES}


def test_of_a_network_that_is_nowhere_no_error_is_read() -> None:
    run = Driven(Diffusion)
    with torch.no_grad():
        for parameter in run.experiment.epsilon.parameters():
            parameter.fill_(math.nan)
    assert run.look("by_level").reading is None
