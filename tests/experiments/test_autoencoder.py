"""The autoencoders against PCA, torch's distributions and closed forms."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
import torch
from sklearn.decomposition import PCA

from claims import SEEDS
from descent.experiments.generative.autoencoder import (
    GRID,
    MEASURED_EVERY,
    PIXEL_VARIANCE,
    WALK,
    Autoencoder,
    Autoencoders,
    Kind,
    elbo_loss,
    kl_from_standard,
    principal,
    principal_angles,
    squared_error,
)
from driving import Driven

FULL = {"kind": "linear", "batch_size": 2048, "lr": 0.02}  # every picture in every step


def vae(pixels: int = 6, code: int = 3) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder("variational", torch.rand(pixels), code, [8]).double()


# Formulas


def test_kl_is_that_of_torch() -> None:
    torch.manual_seed(0)
    mean, log_variance = 2 * torch.randn(2, 50, 4, dtype=torch.float64)
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    expected = torch.distributions.kl_divergence(q, p).sum(1)
    torch.testing.assert_close(kl_from_standard(mean, log_variance), expected)
    assert kl_from_standard(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 0


def test_the_loss_is_minus_the_elbo_of_normal_pixels_but_for_a_constant() -> None:
    model, x = vae(), torch.rand(5, 6, dtype=torch.float64)
    epsilon = torch.randn(5, 3, dtype=torch.float64)
    mean, log_variance = model.posterior(x)
    z = mean + (log_variance / 2).exp() * epsilon
    pixels = torch.distributions.Normal(model.decode(z), math.sqrt(PIXEL_VARIANCE))
    constant = 6 / 2 * math.log(2 * math.pi * PIXEL_VARIANCE)
    kl = kl_from_standard(mean, log_variance).mean()
    for beta in (0.0, 1.0, 4.0):
        expected = -pixels.log_prob(x).sum(1).mean() + beta * kl - constant
        loss, told = elbo_loss(model, x, epsilon, beta)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(told, kl)


def test_the_gradient_by_reparametrisation_is_that_of_the_expected_loss() -> None:
    """Of a linear decoder, E‖x − Vz − c‖² = ‖x − Vμ − c‖² + Σ σ_j²‖v_j‖², and all of it is known."""
    model = vae()
    model.g = torch.nn.Linear(3, 6).double()
    x, drawn, beta = torch.rand(1, 6, dtype=torch.float64), 200_000, 0.7
    epsilon = torch.randn(drawn, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    parameters = list(model.parameters())
    loss, _ = elbo_loss(model, x.expand(drawn, 6), epsilon, beta)
    by_draws = torch.autograd.grad(loss, parameters)

    mean, log_variance = model.posterior(x)
    spread = (log_variance.exp() * model.g.weight.square().sum(0)).sum()
    expected = (squared_error(x, model.g(mean)) + spread) / (2 * PIXEL_VARIANCE)
    expected = expected + beta * kl_from_standard(mean, log_variance).mean()
    exact = torch.autograd.grad(expected, parameters)
    assert loss.item() == pytest.approx(expected.item(), rel=0.01)
    for found, gradient in zip(by_draws, exact, strict=True):
        assert (found - gradient).norm() < 0.02 * gradient.norm()


def test_the_gradient_of_a_draw_is_that_of_differences() -> None:
    model, x, h = vae(), torch.rand(4, 6, dtype=torch.float64), 1e-6
    epsilon = torch.randn(4, 3, dtype=torch.float64)
    weight = model.f[2].weight  # type: ignore[index]
    (gradient,) = torch.autograd.grad(elbo_loss(model, x, epsilon, 2.0)[0], weight)
    for i, j in ((0, 1), (4, 6)):  # of a μ and of a log σ²
        values = []
        for sign in (1, -2):
            with torch.no_grad():
                weight[i, j] += sign * h
            values.append(elbo_loss(model, x, epsilon, 2.0)[0].item())
        with torch.no_grad():
            weight[i, j] += h
        assert gradient[i, j].item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-4)


def test_principal_directions_are_those_of_sklearn() -> None:
    x = torch.randn(60, 8, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 9)
    directions = principal(x, 3)
    expected = torch.from_numpy(PCA(3).fit(x.numpy()).components_).float()
    torch.testing.assert_close((directions.T * expected).sum(1).abs(), torch.ones(3))


def test_angles_of_planes_that_are_known() -> None:
    turn = math.radians(30)
    a = torch.eye(4)[:, :2]
    b = torch.tensor([[1, 0], [0, math.cos(turn)], [0, math.sin(turn)], [0, 0]])
    torch.testing.assert_close(principal_angles(a, b), torch.tensor([0.0, 30]), atol=1e-4, rtol=0)
    mixed = b @ torch.tensor([[0.6, -0.8], [0.8, 0.6]])  # other axes of the same plane
    torch.testing.assert_close(principal_angles(a, mixed), torch.tensor([0.0, 30]), atol=1e-2, rtol=0)
    torch.testing.assert_close(principal_angles(a, torch.eye(4)[:, 2:]), torch.full((2,), 90.0))


# Against PCA


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_linear_spans_the_subspace_of_pca_and_is_never_better(seed: int) -> None:
    run = Driven(Autoencoders, seed, **FULL, code=3).train(800)
    experiment = run.experiment
    pca = PCA(3).fit(experiment.x.numpy())
    back = torch.from_numpy(pca.inverse_transform(pca.transform(experiment.x.numpy()))).float()
    least = squared_error(experiment.x, back).item()
    assert run.last("error/pca") == pytest.approx(least, rel=1e-5)

    decoder = torch.linalg.qr(experiment.model.g.weight.detach()).Q
    angles = principal_angles(decoder, torch.from_numpy(pca.components_.T).float())
    assert angles.max() < 1
    torch.testing.assert_close(run.look("angles").values[0], angles, atol=0.1, rtol=0)
    errors = [row["error/train"] for row in run.rows if "error/train" in row]
    assert len(errors) == 800 // MEASURED_EVERY
    assert min(errors) >= least * (1 - 1e-6)
    assert errors[-1] < 1.001 * least


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_deep_beats_pca_with_as_few_numbers(seed: int) -> None:
    run = Driven(Autoencoders, seed).train(500)
    pca = PCA(2).fit(run.experiment.x.numpy())
    x = run.experiment.test_x
    back = torch.from_numpy(pca.inverse_transform(pca.transform(x.numpy()))).float()
    assert run.last("error/train") < 0.8 * run.last("error/pca")
    assert run.last("error/test") < 0.85 * squared_error(x, back).item()


# The experiment


@pytest.mark.parametrize("kind", get_args(Kind))
def test_the_loss_of_a_step_is_its_formula(kind: Any) -> None:
    run = Driven(Autoencoders, kind=kind, code=3, width=16, batch_size=8, noise=0.5, sparsity=0.2, beta=3.0)
    experiment = run.experiment
    experiment.step_index = 7
    torch.manual_seed(99)  # nothing is left to the global stream
    x = experiment.x[coming(experiment)]
    n = torch.randn(x.shape, generator=experiment.step_generator(7))
    with torch.no_grad():
        model = experiment.model
        expected = {
            "plain": lambda: (x - model(x)).square().sum() / 8,
            "linear": lambda: (x - model(x)).square().sum() / 8,
            "denoising": lambda: (x - model(x + 0.5 * n)).square().sum() / 8,
            "sparse": lambda: ((x - model(x)).square().sum() + 0.2 * model.encode(x).sum()) / 8,
            "variational": lambda: elbo_loss(
                model, x, torch.randn(8, 3, generator=experiment.step_generator(7)), 3.0
            )[0],
        }[kind]()
        objective = experiment.objectives(run.knobs)[""].loss()
    assert objective.item() == pytest.approx(expected.item(), rel=1e-5)
    run.train(1)
    assert run.last("loss/train") == pytest.approx(expected.item(), rel=1e-5)


def coming(experiment: Autoencoders) -> torch.Tensor:
    order = torch.randperm(len(experiment.x), generator=experiment.generator(0))
    return order[56:64]  # the eighth batch of eight in the first epoch


def test_what_is_measured() -> None:
    run = Driven(Autoencoders, width=16, noise=0.4)
    experiment = run.experiment
    assert (len(experiment.x), len(experiment.test_x)) == (1438, 359)
    assert 0 <= float(experiment.x.min()) < float(experiment.x.max()) <= 1
    run.train(1)
    with torch.no_grad():
        noisy = experiment.test_x + 0.4 * experiment.test_noise
        expected = {
            "error/train": (experiment.x - experiment.model(experiment.x)).square().sum(1).mean(),
            "error/test": (experiment.test_x - experiment.model(experiment.test_x)).square().sum(1).mean(),
            "error/noisy": (experiment.test_x - experiment.model(noisy)).square().sum(1).mean(),
        }
    for name, value in expected.items():
        assert run.last(name) == pytest.approx(value.item(), rel=1e-5)


@pytest.mark.parametrize("code", [1, 2, 5])
@pytest.mark.parametrize("kind", get_args(Kind))
def test_panels_show_what_they_say_for_every_kind_and_size(kind: Any, code: int) -> None:
    run = Driven(Autoencoders, kind=kind, code=code, width=16, first=3, last=5).train(3)
    experiment = run.experiment
    model, x = experiment.model, experiment.test_x
    bytes_of = lambda pictures: (255 * pictures).round().clamp(0, 255).view(-1, 8, 8)  # noqa: E731

    hero = run.look("reconstructions")
    assert experiment.test_y[experiment.shown].tolist() == list(range(10))
    near = {"atol": 1.0, "rtol": 0.0}
    torch.testing.assert_close(hero.pixels[:10].float(), bytes_of(x[experiment.shown]), **near)
    with torch.no_grad():
        torch.testing.assert_close(hero.pixels[10:20].float(), bytes_of(model(x[experiment.shown])), **near)
        walk = run.look("walk").pixels.float()
        ends = model(x[[3, 5]])
        torch.testing.assert_close(walk[[0, WALK - 1]], bytes_of(ends), **near)
        torch.testing.assert_close(walk[[WALK, -1]], bytes_of(x[[3, 5]]), **near)

        codes, decoded = run.look("codes"), run.look("decoded").pixels
        assert len(codes.points) == len(codes.groups) == 359
        assert torch.equal(codes.pictures.flatten(1).float(), (run.experiment.test_x * 255).round())
        assert torch.isfinite(codes.values).all()
        assert decoded.shape == (GRID**2, 8, 8)
        if code == 2:
            torch.testing.assert_close(codes.points, model.encode(x), atol=1e-4, rtol=1e-4)
            (left, right), (low, high) = codes.x, codes.y
            corner = torch.tensor([left + (right - left) / GRID / 2, high - (high - low) / GRID / 2])
            top_left = bytes_of(model.decode(corner[None]))
            torch.testing.assert_close(decoded[:1].float(), top_left, **near)


def test_the_ground_is_the_slope_of_the_decoder() -> None:
    run = Driven(Autoencoders, kind="linear")
    weight = run.experiment.model.g.weight
    expected = weight.norm().expand(run.look("codes").values.shape)  # the same everywhere
    torch.testing.assert_close(run.look("codes").values, expected, rtol=1e-2, atol=0)


@pytest.mark.parametrize(
    ("kind", "knob", "value"),
    [("denoising", "noise", 0.9), ("sparse", "sparsity", 5.0), ("variational", "beta", 50.0)],
)
def test_a_live_knob_changes_the_very_next_step(kind: Any, knob: str, value: float) -> None:
    run = Driven(Autoencoders, kind=kind, width=16, code=4).train(20)
    before = run.experiment.objectives(run.knobs)[""].loss().item()
    run.change(**{knob: value}, lr=0.05)
    after = run.experiment.objectives(run.knobs)[""].loss().item()
    assert abs(after - before) > 1e-4
    assert run.experiment.optimizer.param_groups[0]["lr"] == 0.05
    assert run.train(1).last("loss/train") == pytest.approx(after, rel=1e-6)


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(Autoencoders, noise=0.5).train(20)
    picture = run.look("reconstructions")
    x, back, _, cleaned = (picture.pixels.float() / 255).view(4, -1)
    for key, rows in (("clean", back), ("noisy", cleaned)):
        assert float(picture.reading.values[key]) == pytest.approx(float((rows - x).abs().mean()), abs=0.006)
    picture = run.look("codes")
    apart = torch.cdist(picture.points, picture.points) + torch.eye(len(picture.points)) * 1e9
    own = (picture.groups[apart.argmin(1)] == picture.groups).float().mean()
    assert picture.reading.values == {"beside": f"{100 * own:.0f}"}
    picture = run.look("decoded")
    tests = run.experiment.test_x
    nearest = torch.cdist((picture.pixels.float() / 255).flatten(1), tests).argmin(1)
    assert abs(picture.reading.values["n"] - len(run.experiment.test_y[nearest].unique())) <= 1  # bytes
    picture = run.look("walk")
    rows = (picture.pixels.float() / 255).view(2, -1, tests.shape[1])
    gap = (rows[0] - rows[1])[rows.shape[1] // 2].abs().mean()
    assert float(picture.reading.values["gap"]) == pytest.approx(float(gap), abs=0.006)
    assert picture.reading.values["first"] == str(int(run.experiment.test_y[run.knobs.first]))


def test_of_a_network_that_is_nowhere_nothing_is_read() -> None:
    run = Driven(Autoencoders)
    with torch.no_grad():
        for parameter in run.experiment.model.parameters():
            parameter.fill_(math.nan)
    for panel in ("reconstructions", "decoded", "walk"):
        assert run.look(panel).reading is None


def test_directions_near_pcas_are_those_of_small_bars() -> None:
    run = Driven(Autoencoders, **FULL).train(60)
    bars = run.look("angles")
    near = sum(angle < 5 for angle in torch.as_tensor(bars.values)[0].tolist())
    assert bars.reading.values == {"near": near, "all": len(bars.labels), "width": 5}
