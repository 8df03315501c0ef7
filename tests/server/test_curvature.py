"""Taylor's terms, what-if and sharpness, against exact Hessians of small models."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from descent.engine.objectives.curvature import Curvature, critical, dot, norm


class Objective(NamedTuple):
    loss: Callable[[], Tensor]
    parameters: Sequence[Tensor]


def network(*, recurrent: bool = False) -> tuple[nn.Module, Objective]:
    """A small model in float64, and its loss on a fixed batch."""
    torch.manual_seed(0)
    model: nn.Module
    if recurrent:
        model = nn.GRU(3, 4).double()
        x, y = torch.randn(5, 6, 3).double(), torch.randn(5, 6, 4).double()
        return model, Objective(lambda: (model(x)[0] - y).square().mean(), list(model.parameters()))
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    x, y = torch.randn(12, 4).double(), torch.randint(3, (12,))
    return model, Objective(lambda: nn.functional.cross_entropy(model(x), y), list(model.parameters()))


def hessian(model: nn.Module, objective: Objective) -> Tensor:
    """All of it, (P, P)."""
    parameters = list(objective.parameters)
    gradients = torch.autograd.grad(objective.loss(), parameters, create_graph=True)
    flat = torch.cat([g.reshape(-1) for g in gradients])
    rows = [torch.autograd.grad(g, parameters, retain_graph=True) for g in flat]
    return torch.stack([torch.cat([part.reshape(-1) for part in row]) for row in rows])


def flat(vector: list[Tensor]) -> Tensor:
    return torch.cat([part.reshape(-1) for part in vector])


def parts(vector: Tensor, objective: Objective) -> list[Tensor]:
    sizes = [parameter.numel() for parameter in objective.parameters]
    return [
        part.view_as(parameter)
        for part, parameter in zip(vector.split(sizes), objective.parameters, strict=True)
    ]


def test_the_product_is_that_of_the_exact_hessian():
    model, objective = network()
    vector = [torch.randn_like(parameter) for parameter in objective.parameters]
    exact = hessian(model, objective) @ flat(vector)
    found = flat(Curvature(*objective).product(vector))
    assert (found - exact).norm() / exact.norm() < 1e-6


@pytest.mark.parametrize("length", [1e-4, 0.03, 1.0])
def test_the_anatomy_of_a_step(length):
    model, objective = network()
    curvature = Curvature(*objective)
    step = [-length * g + length * torch.randn_like(g) for g in curvature.gradient()]
    delta = flat(step)
    first = float(flat(curvature.gradient()) @ delta)
    second = float(delta @ hessian(model, objective) @ delta / 2)
    moved = dict(zip(dict(model.named_parameters()), objective.parameters, strict=True))
    found = curvature.anatomy(step)
    assert found.first == pytest.approx(first, rel=1e-9)
    assert found.second == pytest.approx(second, rel=1e-3)
    with torch.no_grad():
        for parameter, part in zip(moved.values(), step, strict=True):
            parameter += part
    assert found.loss + found.actual == pytest.approx(objective.loss().item(), rel=1e-12)


def test_the_terms_of_a_quadratic_add_up_to_the_change():
    x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([1.0, 10.0], dtype=torch.float64)
    curvature = Curvature(*Objective(lambda: (scale * x * x).sum() / 2, [x]))
    found = curvature.anatomy([-0.05 * g for g in curvature.gradient()])
    assert found.first + found.second == pytest.approx(found.actual, rel=1e-9)


def test_looking_around_leaves_parameters_and_random_numbers_as_they_were():
    model, objective = network()
    dropping = Objective(
        lambda: nn.functional.dropout(objective.loss()[None], 0.5)[0] + torch.rand(()) * 0,
        objective.parameters,
    )
    before = [parameter.clone() for parameter in model.parameters()]
    chance = torch.get_rng_state()
    curvature = Curvature(*dropping)
    curvature.anatomy(curvature.gradient())
    curvature.what_if(curvature.gradient(), [0.1, 1.0])
    torch.manual_seed(0)
    start = [torch.randn_like(parameter) for parameter in objective.parameters]
    torch.set_rng_state(chance)
    curvature.sharpness(start)
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_every_look_sees_the_same_dropout_mask():
    torch.manual_seed(0)
    weight = torch.ones(1000, requires_grad=True)
    curvature = Curvature(*Objective(lambda: nn.functional.dropout(weight, 0.5).sum(), [weight]))
    assert curvature.loss() == curvature.loss()


@pytest.mark.parametrize("recurrent", [False, True])
def test_sharpness_is_the_top_eigenvalue(recurrent):
    model, objective = network(recurrent=recurrent)
    eigenvalues = torch.linalg.eigvalsh(hessian(model, objective).detach())
    exact = float(eigenvalues[eigenvalues.abs().argmax()])
    found, vector = Curvature(*objective).sharpness(iterations=300, tolerance=1e-6)
    assert found == pytest.approx(exact, rel=0.01)
    assert norm(vector) == pytest.approx(1)


def test_sharpness_of_a_preconditioned_hessian():
    model, objective = network()
    preconditioner = [torch.rand_like(parameter) + 0.1 for parameter in objective.parameters]
    root = flat(preconditioner).sqrt()
    eigenvalues = torch.linalg.eigvalsh(hessian(model, objective).detach() / torch.outer(root, root))
    exact = float(eigenvalues[eigenvalues.abs().argmax()])
    curvature = Curvature(*objective)
    found, _ = curvature.sharpness(preconditioner=preconditioner, iterations=300, tolerance=1e-6)
    assert found == pytest.approx(exact, rel=0.01)


def test_sharpness_goes_on_from_where_it_was():
    _, objective = network()
    curvature = Curvature(*objective)
    _, vector = curvature.sharpness(iterations=300, tolerance=1e-8)
    exact, _ = curvature.sharpness(vector, iterations=300, tolerance=1e-8)
    assert curvature.sharpness(vector, iterations=1)[0] == pytest.approx(exact, rel=1e-3)


def test_what_if_of_a_parabola():
    x = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    curvature = Curvature(*Objective(lambda: 3 * x * x / 2, [x]))  # curvature 3
    rates = torch.logspace(-3, 1, 400).tolist()
    found = curvature.what_if([-g for g in curvature.gradient()], rates)
    assert found.losses == pytest.approx([1.5 * (2 - rate * 6) ** 2 for rate in rates])
    assert found.best == pytest.approx(1 / 3, rel=0.02)
    assert found.critical == pytest.approx(2 / 3, rel=0.01)


def test_there_is_no_critical_rate_where_the_loss_only_falls():
    assert math.isnan(critical([0.1, 1, 10], [3, 2, 1], 4))
    assert math.isnan(critical([0.1, 1, 10], [5, 6, 7], 4))


def test_the_critical_rate_lies_before_a_loss_that_is_infinite():
    assert critical([0.1, 1, 10], [3, 3.5, math.inf], 4) == pytest.approx(1)


@pytest.mark.parametrize("part", [0.99, 1.01])
def test_a_quadratic_converges_just_under_2_over_its_curvature_and_diverges_just_above(part):
    scale = torch.tensor([4.0, 0.5, 1.0], dtype=torch.float64)
    x = torch.ones(3, dtype=torch.float64, requires_grad=True)
    objective = Objective(lambda: (scale * x * x).sum() / 2, [x])
    sharpness, _ = Curvature(*objective).sharpness(iterations=200, tolerance=1e-9)
    assert sharpness == pytest.approx(4, rel=1e-6)
    rate = part * 2 / sharpness
    for _ in range(2000):
        with torch.no_grad():
            x -= rate * Curvature(*objective).gradient()[0]
    assert (objective.loss().item() < 1e-6) is (part < 1)


def test_a_parameter_without_influence_has_no_gradient_and_no_curvature():
    used, unused = (torch.ones(2, requires_grad=True) for _ in range(2))
    curvature = Curvature(*Objective(lambda: 0 + used.square().sum(), [used, unused]))
    assert [g.tolist() for g in curvature.gradient()] == [[2, 2], [0, 0]]
    assert curvature.sharpness(iterations=100)[0] == pytest.approx(2, rel=1e-2)


def test_inner_products_are_summed_in_double_precision():
    large = [torch.full((100_000,), 0.1)]
    assert dot(large, large) == pytest.approx(1000, rel=1e-6)


def test_what_if_at_all_rates_at_once_is_what_it_is_one_by_one():
    torch.manual_seed(0)
    layer, out = nn.Linear(3, 8), nn.Linear(8, 1)
    x = torch.randn(32, 3)

    def loss():
        return nn.functional.dropout(out(layer(x).tanh()), 0.5).square().mean()

    curvature = Curvature(loss, [*layer.parameters(), *out.parameters()])
    direction = [-part for part in curvature.gradient()]
    rates = torch.logspace(-5, 1, 48).tolist()
    at_once = curvature._at_once(direction, rates)
    assert at_once == pytest.approx([curvature._at(direction, rate) for rate in rates], rel=1e-4)


@pytest.mark.parametrize("why", ["a branch on a value", "a large model"])
def test_what_cannot_be_batched_is_looked_at_one_by_one(why):
    weight = torch.ones(2 if why == "a branch on a value" else 1 << 18, requires_grad=True)

    def loss():
        total = weight.square().mean()
        return total if why == "a large model" or total.item() < 100 else total * 2

    curvature = Curvature(loss, [weight])
    direction = [-torch.ones_like(weight)]
    assert curvature._at_once(direction, [0.1, 0.5, 1.0, 2.0] * 12) == []
    assert curvature.what_if(direction, [0.5, 1.0]).losses == pytest.approx([0.25, 0.0])
