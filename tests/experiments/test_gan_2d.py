"""GANs in the plane: losses by their formulas, the penalty by differences, what panels and scalars say."""

from __future__ import annotations

import copy
import math
from typing import Any, get_args

import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from descent.experiments.generative.gan_2d import (
    ARROW,
    SHOWN,
    SIDE,
    Gan2d,
    GanKnobs,
    Loss,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    perceptron,
)
from descent.kit.data.clouds import (
    CLOUD_EXTENT,
    CLOUD_PAD,
    CLOUDS,
    MODE_SPREAD,
    heart,
    large_sample,
    modes_of,
    sample_cloud,
)
from descent.kit.nn.divergences import cell_counts, jensen_shannon, kullback_leibler
from driving import Driven, built, change, take

CPU = torch.device("cpu")


def outputs() -> tuple[torch.Tensor, torch.Tensor]:
    """a(x) and a(G(z))."""
    generator = torch.Generator().manual_seed(0)
    real, fake = 3 * torch.randn(2, 50, generator=generator, dtype=torch.float64)
    return real, fake


def test_losses_are_those_of_the_papers() -> None:
    a, b = outputs()
    D, E = a.sigmoid(), b.sigmoid()  # D(x) and D(G(z))
    # Goodfellow et al. 2014, equation 1; G descends log(1 − D(G(z))), or −log D(G(z)).
    value = D.log().mean() + (1 - E).log().mean()
    torch.testing.assert_close(discriminator_loss(a, b, "minimax"), -value)
    torch.testing.assert_close(discriminator_loss(a, b, "non-saturating"), -value)
    torch.testing.assert_close(generator_loss(b, "minimax"), (1 - E).log().mean())
    torch.testing.assert_close(generator_loss(b, "non-saturating"), -E.log().mean())
    # Mao et al. 2017, equation 9.
    least_squares = 0.5 * ((a - 1) ** 2).mean() + 0.5 * (b**2).mean()
    torch.testing.assert_close(discriminator_loss(a, b, "least-squares"), least_squares)
    torch.testing.assert_close(generator_loss(b, "least-squares"), 0.5 * ((b - 1) ** 2).mean())
    # Arjovsky et al. 2017, algorithm 1: the critic ascends mean f(x) − mean f(g(z)).
    for wasserstein in ("wasserstein-clip", "wasserstein-penalty"):
        torch.testing.assert_close(discriminator_loss(a, b, wasserstein), -(a.mean() - b.mean()))
        torch.testing.assert_close(generator_loss(b, wasserstein), -b.mean())


@pytest.mark.parametrize("objective", get_args(Loss))
def test_losses_stay_finite_where_d_is_sure(objective: Loss) -> None:
    sure = torch.tensor([200.0])
    assert math.isfinite(discriminator_loss(-sure, sure, objective))
    assert math.isfinite(generator_loss(-sure, objective))


def test_the_penalty_is_that_of_a_slope_measured_by_differences() -> None:
    torch.manual_seed(0)
    D = perceptron(2, 16, 2, 1, torch.nn.Tanh()).double()
    real, fake = torch.randn(2, 20, 2, dtype=torch.float64)
    share = torch.rand(20, 1, dtype=torch.float64)
    between, h = share * real + (1 - share) * fake, 1e-5
    with torch.no_grad():
        steps = h * torch.eye(2, dtype=torch.float64)
        slope = torch.stack([(D(between + e) - D(between - e))[:, 0] / (2 * h) for e in steps], 1)
    expected = ((slope.norm(dim=1) - 1) ** 2).mean()
    penalty = gradient_penalty(D, real, fake, share)
    torch.testing.assert_close(penalty, expected, rtol=1e-7, atol=1e-9)

    # Its gradient by D's weights, through the slope, by differences as well.
    (gradient,) = torch.autograd.grad(penalty, D[0].weight)
    for i, j in ((0, 0), (5, 1)):
        values = []
        for sign in (1, -1):
            moved = copy.deepcopy(D)
            with torch.no_grad():
                moved[0].weight[i, j] += sign * h
            values.append(gradient_penalty(moved, real, fake, share).item())
        assert gradient[i, j].item() == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-5, abs=1e-9)


def test_a_plane_of_slope_one_has_no_penalty() -> None:
    D = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(D.bias, 0.3)
    D.weight.data = torch.tensor([[0.6, 0.8]])
    real, fake = torch.randn(2, 9, 2)
    assert gradient_penalty(D, real, fake, torch.rand(9, 1)).item() == pytest.approx(0, abs=1e-12)
    D.weight.data *= 3
    assert gradient_penalty(D, real, fake, torch.rand(9, 1)).item() == pytest.approx(4, rel=1e-5)


def test_minimax_saturates_where_the_others_pull() -> None:
    """Of a sample that D is sure of, a = −8: σ(−8) = 0.0003 against σ(8) = 0.9997."""

    def pull(a: float, objective: Loss) -> float:
        at = torch.tensor([float(a)], requires_grad=True)
        (slope,) = torch.autograd.grad(generator_loss(at, objective), at)
        return -slope.item()

    assert pull(-8, "minimax") == pytest.approx(1 / (1 + math.e**8), rel=1e-4)
    assert pull(-8, "non-saturating") == pytest.approx(1 / (1 + math.e**-8), rel=1e-4)
    assert pull(-8, "least-squares") == 9
    assert pull(-8, "wasserstein-clip") == 1
    for a in (-3.0, 0.0, 2.0):  # the two share their balance, at a = 0, and differ by D / (1 − D)
        ratio = pull(a, "minimax") / pull(a, "non-saturating")
        assert ratio == pytest.approx(math.exp(a), rel=1e-4)


# Divergences


def normal_on_grid(mean: float, sigma: float, x: torch.Tensor) -> torch.Tensor:
    return torch.exp(-((x - mean) ** 2) / (2 * sigma**2))


def test_divergences_of_two_normals_are_those_of_the_closed_form() -> None:
    """KL(N(μ₁, σ₁²)‖N(μ₂, σ₂²)) = log σ₂/σ₁ + (σ₁² + (μ₁ − μ₂)²)/(2σ₂²) − ½, on a fine grid."""
    x = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    for one, two in (((0.0, 1.0), (1.0, 1.0)), ((0.5, 0.7), (-0.5, 1.3))):
        (m1, s1), (m2, s2) = one, two
        expected = math.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - 0.5
        p, q = normal_on_grid(m1, s1, x), normal_on_grid(m2, s2, x)
        assert kullback_leibler(p, q).item() == pytest.approx(expected, rel=1e-6)
        middle = p / p.sum() + q / q.sum()
        by_definition = (kullback_leibler(p, middle) + kullback_leibler(q, middle)) / 2
        assert jensen_shannon(p, q).item() == pytest.approx(by_definition.item(), rel=1e-12)


def test_divergences_at_their_ends() -> None:
    p, q = torch.tensor([1.0, 3, 0, 0]), torch.tensor([0.0, 0, 5, 5])
    assert jensen_shannon(p, q).item() == pytest.approx(math.log(2))
    assert kullback_leibler(p, q).item() == math.inf
    assert kullback_leibler(p, 2 * p).item() == jensen_shannon(p, 2 * p).item() == 0
    assert kullback_leibler(torch.tensor([1.0, 0]), torch.tensor([1.0, 1])).item() == pytest.approx(
        math.log(2)
    )


def test_points_are_counted_in_their_cells_row_by_row_from_the_lowest() -> None:
    points = torch.tensor([[-0.9, -0.9], [0.9, -0.9], [-0.9, 0.9], [-0.8, 0.8], [7.0, 7.0]])
    assert cell_counts(points, 2, 1.0).tolist() == [1, 1, 2, 1]


# Distributions


@pytest.mark.parametrize("name", CLOUDS)
def test_a_distribution_lies_in_the_plane_and_is_near_itself(name: Any) -> None:
    large = large_sample(name, heart(), CPU)
    points = sample_cloud(name, 4096, torch.Generator().manual_seed(1), heart())
    assert points.shape == (4096, 2)
    assert points.abs().max() <= CLOUD_EXTENT
    measured = large.compare(points)
    assert measured["js"] < 0.02
    assert measured["kl"] < 0.08
    assert (points - points.roll(1, 0)).norm(dim=1).mean() / large.spread == pytest.approx(1, abs=0.05)
    if len(modes := modes_of(name)):
        assert measured["modes"] == len(modes)
        assert measured["quality"].item() == pytest.approx(1 - math.exp(-(3**2) / 2), abs=0.01)  # Rayleigh
    else:
        assert "modes" not in measured


def test_modes_are_found_by_the_share_they_hold() -> None:
    large, modes = large_sample("ring-of-8", "", CPU), modes_of("ring-of-8")
    even = modes.repeat_interleave(100, 0)
    assert large.compare(even)["modes"] == 8
    lost = torch.cat([even[100:], modes[:1].expand(10, 2)])  # one has a tenth of its share
    assert large.compare(lost)["modes"] == 7
    one = modes[:1] + MODE_SPREAD * torch.randn(800, 2, generator=torch.Generator().manual_seed(0))
    assert large.compare(one)["modes"] == 1
    assert large.compare(modes.new_zeros(800, 2) + 0.5)["quality"] == 0


def test_a_drawing_is_where_its_ink_is() -> None:
    rows = ["f" * CLOUD_PAD if row == 0 else "0" * CLOUD_PAD for row in range(CLOUD_PAD)]
    points = sample_cloud("drawn", 1000, torch.Generator().manual_seed(0), "".join(rows))
    assert points[:, 1].min() >= CLOUD_EXTENT * (1 - 2 / CLOUD_PAD)  # the first row is the top
    assert points[:, 0].std().item() == pytest.approx(2 * CLOUD_EXTENT / math.sqrt(12), rel=0.05)
    shades = "8" + "4" + "0" * (CLOUD_PAD**2 - 2)
    points = sample_cloud("drawn", 3000, torch.Generator().manual_seed(0), shades)
    first = points[:, 0] < CLOUD_EXTENT * (2 / CLOUD_PAD - 1)
    assert first.float().mean().item() == pytest.approx(2 / 3, abs=0.03)


def test_a_blank_pad_is_data_everywhere() -> None:
    blank = large_sample("drawn", "", CPU)
    torch.testing.assert_close(
        large_sample("drawn", "0" * CLOUD_PAD**2, CPU).shares, blank.shares, rtol=0, atol=0
    )
    assert blank.shares.max() < 1.3 * blank.shares.mean()


@pytest.mark.parametrize("drawing", ["f", "g" * CLOUD_PAD**2, "f" * (CLOUD_PAD**2 - 1)])
def test_what_is_no_drawing_is_refused(drawing: str) -> None:
    with pytest.raises(ValidationError, match="drawing: it must hold 1024 digits"):
        GanKnobs(drawing=drawing)


# The game


def vector(network: torch.nn.Module) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach().clone()


def test_a_step_is_k_updates_of_d_and_then_those_of_g_against_the_new_d() -> None:
    experiment, knobs = built(Gan2d, d_steps=2, g_steps=1)
    twin, _ = built(Gan2d)
    adam = {
        name: torch.optim.Adam(network.parameters(), 1e-3, (0.0, 0.999))
        for name, network in (("D", twin.D), ("G", twin.G))
    }
    generator = twin.generator(0)
    for _ in range(2):
        real = sample_cloud("ring-of-8", 128, generator)
        z = torch.randn(128, 2, generator=generator)
        torch.rand(128, 1, generator=generator)  # the penalty's
        loss_d = F.softplus(-twin.D(real)).mean() + F.softplus(twin.D(twin.G(z).detach())).mean()
        adam["D"].zero_grad()
        loss_d.backward()
        adam["D"].step()
    loss_g = F.softplus(-twin.D(twin.G(torch.randn(128, 2, generator=twin.step_generator(0))))).mean()
    adam["G"].zero_grad()
    loss_g.backward()
    adam["G"].step()

    (row,) = take(experiment, knobs, 1)
    assert row["loss/d"] == pytest.approx(loss_d.item(), abs=1e-5)
    assert row["loss/g"] == pytest.approx(loss_g.item(), abs=1e-5)
    torch.testing.assert_close(vector(experiment.D), vector(twin.D), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vector(experiment.G), vector(twin.G), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("objective", get_args(Loss))
def test_who_is_frozen_does_not_move_and_the_other_does(objective: Loss) -> None:
    run = Driven(Gan2d, objective=objective, batch=16).train(2)
    for knob, frozen, free in (("d_steps", "D", "G"), ("g_steps", "G", "D")):
        run.change(**{knob: 0})
        before = {name: vector(getattr(run.experiment, name)) for name in "DG"}
        run.train(2)
        assert torch.equal(vector(getattr(run.experiment, frozen)), before[frozen])
        assert not torch.equal(vector(getattr(run.experiment, free)), before[free])
        assert all(math.isfinite(run.last(scalar)) for scalar in ("loss/d", "loss/g"))
        run.change(**{knob: 1})


def test_not_both_can_be_frozen() -> None:
    with pytest.raises(ValidationError, match="g_steps: G and D are both frozen"):
        GanKnobs(d_steps=0, g_steps=0)


def test_rates_and_momentum_change_apart_and_keep_the_moments() -> None:
    experiment, knobs = built(Gan2d, batch=16)
    take(experiment, knobs, 2)
    optimizers = experiment.optimizer_g, experiment.optimizer_d
    before = [copy.deepcopy(list(optimizer.state.values())) for optimizer in optimizers]
    change(experiment, knobs, lr_g=0.05, beta1=0.25)
    groups = [optimizer.param_groups[0] for optimizer in optimizers]
    assert [group["lr"] for group in groups] == [0.05, knobs.lr_d]
    assert [group["betas"] for group in groups] == [(0.25, 0.999)] * 2
    for optimizer, moments in zip(optimizers, before, strict=True):
        for state, expected in zip(optimizer.state.values(), moments, strict=True):
            assert all(torch.equal(state[name], expected[name]) for name in expected)


def test_diversity_is_0_for_copies_and_1_for_samples_as_far_apart_as_the_data() -> None:
    run = Driven(Gan2d).train(1)
    for weight in run.experiment.G.parameters():
        torch.nn.init.zeros_(weight.data)
    assert run.change(g_steps=0).train(1).last("diversity") == 0
    spread = large_sample("ring-of-8", run.knobs.drawing, CPU).spread
    run.experiment.G = torch.nn.Identity()  # two normals: E‖z − z′‖ = √π
    assert run.train(200).rows[-1]["diversity"] > 0
    far = sum(row["diversity"] for row in run.rows[-200:]) / 200
    assert far == pytest.approx(math.sqrt(math.pi) / float(spread), rel=0.02)


def test_clipping_keeps_every_weight_of_d_within_c() -> None:
    run = Driven(Gan2d, objective="wasserstein-clip", clip=0.02, batch=16).train(3)
    assert vector(run.experiment.D).abs().max() <= 0.02
    assert vector(run.experiment.G).abs().max() > 0.02
    assert "d/gap" in run.rows[-1]
    assert "d/real" not in run.rows[-1]


def test_another_loss_or_distribution_takes_effect_at_once() -> None:
    run = Driven(Gan2d, batch=16).train(1).change(objective="least-squares", distribution="grid").train(10)
    experiment, knobs = run.experiment, run.knobs
    real, z, _ = experiment._batch(knobs, experiment.generator(run.experiment.step_index))
    expected = discriminator_loss(
        experiment.D(real)[:, 0], experiment.D(experiment.G(z))[:, 0], "least-squares"
    )
    run.train(1)
    assert run.last("loss/d") == pytest.approx(expected.item(), abs=1e-5)
    assert len(real.unique(dim=0)) == 16
    assert torch.cdist(real, modes_of("grid")).min(1).values.max() < 5 * MODE_SPREAD


@pytest.mark.parametrize("objective", get_args(Loss))
def test_the_field_is_what_d_says(objective: Loss) -> None:
    run = Driven(Gan2d, objective=objective, batch=16).train(3)
    game, D = run.look("game"), run.experiment.D
    centre = lambda i: CLOUD_EXTENT * (2 * (i + 0.5) / SIDE - 1)  # noqa: E731
    for row, column in ((0, 0), (5, 40), (SIDE - 1, 2)):
        with torch.no_grad():
            a = D(torch.tensor([[centre(column), centre(row)]])).item()
        said = 1 / (1 + math.exp(-a)) if objective in ("minimax", "non-saturating") else a
        assert float(game.values[row, column]) == pytest.approx(said, abs=1e-5)
    if objective.startswith("wasserstein"):
        low, high = game.range
        assert low <= float(game.values.min()) <= float(game.values.max()) <= high + 1e-6
    else:
        assert game.range == (0, 1)


@pytest.mark.parametrize("objective", get_args(Loss))
def test_an_arrow_is_the_way_down_the_loss_of_its_sample(objective: Loss) -> None:
    run = Driven(Gan2d, objective=objective, batch=16).train(20)
    game, D, h = run.look("game"), copy.deepcopy(run.experiment.D).double(), 1e-6
    assert torch.equal(game.tails, game.points[SHOWN : SHOWN + len(game.tails)])
    assert game.gain == ARROW
    for i in (0, 7):
        with torch.no_grad():
            tail, steps = game.tails[i].double(), h * torch.eye(2, dtype=torch.float64)
            loss = lambda x: generator_loss(D(x[None])[:, 0], objective)  # noqa: E731
            slope = torch.stack([(loss(tail + e) - loss(tail - e)) / (2 * h) for e in steps])
        torch.testing.assert_close(game.arrows[i].double(), -slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("noise", ["normal", "uniform"])
def test_cells_of_the_grid_are_equally_probable(noise: str) -> None:
    run = Driven(Gan2d, noise=noise)
    run.experiment.G = torch.nn.Identity()  # the grid as it is before it is bent
    lines = run.experiment._mesh(run.knobs)[:, 0, 0]
    z = run.experiment.noise[:, 0]
    shares = torch.histogram(z, lines).hist / len(z)
    assert shares.std() < 0.25 * shares.mean()
    assert shares.sum() > 0.95


def test_panels_before_any_step_in_every_setting() -> None:
    for distribution in CLOUDS:
        for latent in (1, 2):
            run = Driven(Gan2d, distribution=distribution, latent=latent, width=4, layers=1)
            assert run.look("game").mesh.shape[-1] == 2
            assert run.look("density").values.sum().item() == pytest.approx(0, abs=1e-4)
            assert torch.isfinite(run.look("pull").values).all()


def test_the_pull_panel_shows_the_slopes_and_the_samples_on_the_chosen_one() -> None:
    run = Driven(Gan2d, objective="minimax", batch=16).train(3)
    lines = run.look("pull")
    a, (minimax, non_saturating, least_squares, wasserstein) = lines.x, lines.values[0]
    torch.testing.assert_close(minimax, a.sigmoid(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(non_saturating, (-a).sigmoid(), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(least_squares, (a - 1).abs(), atol=1e-5, rtol=1e-4)
    assert (wasserstein == 1).all()
    dots = lines.dots
    assert (dots[:, 1] == 0).all()
    torch.testing.assert_close(dots[:, 3], dots[:, 2].sigmoid(), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("objective", ["non-saturating", "least-squares", "wasserstein-clip"])
def test_what_is_read_from_the_panels_is_what_they_show(objective: Loss) -> None:
    run = Driven(Gan2d, objective=objective).train(5)
    picture = run.look("game")
    real, fake = picture.points.chunk(2)
    with torch.no_grad():
        a, b = run.experiment.D(real)[:, 0], run.experiment.D(fake)[:, 0]
    values = picture.reading.values
    if objective == "wasserstein-clip":
        assert float(values["gap"].replace("−", "-")) == pytest.approx(float(a.mean() - b.mean()), rel=0.06)
    else:
        border = 0.0 if objective == "non-saturating" else 0.5
        assert values["fooled"] == int((b > border).sum())
    picture = run.look("density")
    share = -100 * float(picture.values.clamp(max=0).sum())
    assert picture.reading.values["percent"] == (">99" if 99 < share < 100 else f"{share:.0f}")
    picture = run.look("pull")
    slopes = picture.dots[:, 3]
    for key, place in (("worst", 0), ("best", -1)):
        assert float(picture.reading.values[key]) == pytest.approx(float(slopes[place]), rel=0.06)


def test_of_points_that_are_nowhere_nothing_is_read() -> None:
    run = Driven(Gan2d)
    with torch.no_grad():
        next(run.experiment.G.parameters()).fill_(float("nan"))
    assert run.look("game").reading is None
