"""Ensembles: what averaging is worth, exactly; members trained at once as if alone; the cyclic rate."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import driving
from descent.engine.observe import look
from descent.experiments.training.ensembles import (
    BATCH,
    FEATURES,
    MEMBERS,
    SCORES,
    SIDE,
    EnsembleKnobs,
    Ensembles,
    Stack,
    brier,
    cyclic_rate,
    error,
    log_loss,
    subsets,
)
from descent.kit.data.planar import encode, grid
from descent.kit.text import rough
from driving import built, change, latest, said_of, take


def made(seed: int = 0, **knobs: Any) -> tuple[Ensembles, EnsembleKnobs]:
    return built(Ensembles, seed, **knobs)


def run(experiment: Ensembles, knobs: EnsembleKnobs, steps: int) -> dict[str, float]:
    """Take steps; the last measured scalars."""
    return latest(take(experiment, knobs, steps))


def alone(stack: Stack, member: int) -> nn.Sequential:
    """One member out of torch's own modules."""
    layers: list[nn.Module] = []
    for weight, bias in zip(stack.weights, stack.biases, strict=True):
        linear = nn.Linear(*weight.shape[1:])
        linear.weight.data, linear.bias.data = (
            weight[member].detach().t().clone(),
            bias[member, 0].detach().clone(),
        )
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def probabilities(members: int, points: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    p = (3 * torch.randn(members, points, generator=generator, dtype=torch.float64)).sigmoid()
    return p, (torch.rand(points, generator=generator) < 0.5).double()


# What averaging is worth


@pytest.mark.parametrize("seed", range(5))
def test_the_brier_score_of_the_average_is_the_mean_score_less_the_disagreement(seed: int) -> None:
    p, y = probabilities(6, 200, seed)
    average = p.mean(0)
    disagreement = brier(p, average).mean()
    torch.testing.assert_close(brier(average, y), brier(p, y).mean() - disagreement)
    assert disagreement > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_log_loss_of_the_average_is_never_above_the_mean_log_loss(seed: int) -> None:
    p, y = probabilities(6, 200, seed)
    average = p.mean(0)
    by_point = [-torch.where(y > 0, q, 1 - q).log() for q in (average, *p)]
    assert (by_point[0] <= torch.stack(by_point[1:]).mean(0) + 1e-12).all()  # even point by point
    assert log_loss(average, y) < log_loss(p, y).mean()
    torch.testing.assert_close(log_loss(average, y), F.binary_cross_entropy(average, y))


def test_the_accuracy_of_the_average_may_be_below_that_of_its_members() -> None:
    p = torch.tensor([[0.6], [0.6], [0.05]], dtype=torch.float64)
    y = torch.ones(1, dtype=torch.float64)
    assert error(p.mean(0), y) == 1 > error(p, y).mean()


def test_in_a_run_the_identity_holds_at_every_step_and_for_every_number_of_members() -> None:
    experiment, knobs = made(cycle=20)
    for members, shown in ((6, "seeds"), (3, "seeds"), (4, "snapshots"), (1, "snapshots")):
        knobs = change(experiment, knobs, members=members, shown=shown)
        row = run(experiment, knobs, 30)
        assert row["brier/average"] == pytest.approx(
            row["brier/members"] - row["brier/disagreement"], abs=1e-12
        )
        assert (row["brier/disagreement"] > 1e-5) == (members > 1)


def test_all_subsets_are_averaged_once() -> None:
    weights = subsets(4)
    expected = {
        tuple(1 / size if i in chosen else 0.0 for i in range(4))
        for size in range(1, 5)
        for chosen in itertools.combinations(range(4), size)
    }
    assert len(weights) == 15 == len(expected)
    assert {tuple(row) for row in weights.tolist()} == expected


def test_scores_by_size_are_means_over_all_choices() -> None:
    experiment, knobs = made(cycle=40)
    run(experiment, knobs, 130)
    picture = look(experiment, knobs, "by_size")
    assert picture.groups == ["error", "Brier", "log loss"]
    seeds = experiment.seeds(experiment.test_inputs).detach().double().sigmoid()
    kept = experiment.kept(experiment.test_inputs).detach().double().sigmoid()[-3:]
    y = experiment.test_targets
    for group, score in enumerate(SCORES.values()):
        for series, p in enumerate((seeds, kept)):
            for size in range(1, len(p) + 1):
                found = torch.stack(
                    [
                        score(p[list(chosen)].mean(0), y)
                        for chosen in itertools.combinations(range(len(p)), size)
                    ]
                )
                at = group, series, size - 1
                assert picture.values[at].item() == pytest.approx(found.mean().item(), abs=1e-6)
                assert picture.low[at].item() == pytest.approx(found.min().item(), abs=1e-6)
                assert picture.high[at].item() == pytest.approx(found.max().item(), abs=1e-6)
    assert picture.values[:, 1, 3:].isnan().all()  # there are three snapshots
    convex = picture.values[1:, 0]  # Brier and log loss
    assert (convex[:, 1:] < convex[:, :-1]).all()


# The training


def test_a_stack_computes_what_its_members_compute() -> None:
    torch.manual_seed(0)
    stack = Stack((4, 8, 8, 1), MEMBERS)
    h = torch.randn(MEMBERS, 10, 4)
    z = stack(h)
    for member in range(MEMBERS):
        torch.testing.assert_close(z[member], alone(stack, member)(h[member])[:, 0])
    torch.testing.assert_close(stack(h[0])[1], alone(stack, 1)(h[0])[:, 0])


@pytest.mark.parametrize("differ", ["nothing", "order", "seed", "bootstrap"])
def test_members_trained_at_once_are_those_trained_alone(differ: str) -> None:
    experiment, knobs = made(differ=differ, hidden=8)
    members = [0, 3, 5]
    networks = [alone(experiment.seeds, member) for member in members]
    optimizers = [torch.optim.SGD(network.parameters(), knobs.lr, momentum=0.9) for network in networks]
    for _ in range(25):
        rows = experiment._batch(knobs)
        for member, network, optimizer in zip(members, networks, optimizers, strict=True):
            optimizer.zero_grad()
            z = network(experiment.inputs[rows[member]])[:, 0]
            F.binary_cross_entropy_with_logits(z, experiment.targets[rows[member]]).backward()
            optimizer.step()
        run(experiment, knobs, 1)
    for member, network in zip(members, networks, strict=True):
        mine = alone(experiment.seeds, member)
        for ours, its in zip(mine.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(ours, its, atol=1e-5, rtol=1e-4)


def test_members_differ_in_what_they_are_told_to() -> None:
    found = {}
    for differ in ("nothing", "order", "seed", "bootstrap"):
        experiment, knobs = made(differ=differ)
        weight, rows = experiment.seeds.weights[0], experiment._batch(knobs)
        found[differ] = (
            not torch.equal(weight[0], weight[1]),
            not torch.equal(rows[0], rows[1]),
            len(experiment.bags[1].unique()) < knobs.points,
        )
    assert found == {
        "nothing": (False, False, False),
        "order": (False, True, False),
        "seed": (True, True, False),
        "bootstrap": (True, True, True),
    }


def test_an_epoch_shows_each_member_every_point_once() -> None:
    experiment, knobs = made(points=50)
    per_epoch = int(experiment.steps_per_epoch(knobs))
    assert per_epoch == math.ceil(50 / BATCH)
    seen = []
    for _ in range(per_epoch):
        seen.append(experiment._batch(knobs))
        experiment.step_index += 1
    for row in torch.cat(seen, 1):
        assert sorted(row.tolist()) == list(range(50))


def test_a_bag_leaves_out_about_a_third_of_the_points() -> None:
    experiment, _ = made(differ="bootstrap", points=1000)
    for bag in experiment.bags:
        assert len(bag.unique()) / 1000 == pytest.approx(1 - 1 / math.e, abs=0.05)


# Snapshots


@pytest.mark.parametrize(("total", "cycles"), [(300, 6), (1000, 7)])
def test_the_cyclic_rate_is_its_papers_formula(total: int, cycles: int) -> None:
    length = math.ceil(total / cycles)
    for t in range(1, total + 1):
        expected = 0.2 / 2 * (math.cos(math.pi * ((t - 1) % length) / length) + 1)
        assert cyclic_rate(0.2, t, length) == pytest.approx(expected)
    assert cyclic_rate(0.2, 1, length) == cyclic_rate(0.2, length + 1, length) == 0.2
    assert cyclic_rate(0.2, length // 2 + 1, length) == pytest.approx(0.1, rel=0.05)
    assert cyclic_rate(0.2, length, length) < 0.001


def test_the_cyclic_rate_is_torchs_with_restarts() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 37)
    for t in range(1, 100):
        assert cyclic_rate(0.2, t, 37) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_each_step_is_taken_at_the_rate_of_the_formula() -> None:
    experiment, knobs = made(cycle=12, lr_snapshot=0.3)
    note = None
    for t in range(1, 40):
        note = look(experiment, knobs, "schedule").notes[0]
        run(experiment, knobs, 1)
        rate = experiment.cycled_optimizer.param_groups[0]["lr"]
        assert rate == pytest.approx(cyclic_rate(0.3, t, 12))
        assert float(note.rpartition("= ")[2]) == pytest.approx(rate, rel=0.01)
        assert f"π·{(t - 1) % 12}/12" in note


def test_a_snapshot_is_the_network_at_the_end_of_a_cycle() -> None:
    experiment, knobs = made(cycle=15, hidden=8)
    assert experiment.taken_at == []
    ends = []
    for _ in range(MEMBERS + 2):
        run(experiment, knobs, 15)
        ends.append([parameter.detach().clone() for parameter in experiment.cycled.parameters()])
        for kept, end in zip(experiment.kept.parameters(), ends[-1], strict=True):
            assert torch.equal(kept[-1], end[0])
    assert experiment.taken_at == [15 * number for number in range(3, MEMBERS + 3)]
    for place, end in enumerate(ends[2:]):  # the oldest two are gone
        for kept, its in zip(experiment.kept.parameters(), end, strict=True):
            assert torch.equal(kept[place], its[0])
    assert not any(parameter.requires_grad for parameter in experiment.kept.parameters())


def test_with_its_rate_the_cycled_network_would_be_the_first_seed() -> None:
    experiment, knobs = made(cycle=3000, lr_snapshot=0.1, lr=0.1)
    run(experiment, knobs, 5)  # α(t) is still α₀, nearly
    for mine, its in zip(experiment.cycled.parameters(), experiment.seeds.parameters(), strict=True):
        torch.testing.assert_close(mine[0], its[0], atol=1e-4, rtol=1e-3)


def test_a_shorter_cycle_takes_effect_at_once() -> None:
    experiment, knobs = made(cycle=100)
    run(experiment, knobs, 50)
    knobs = change(experiment, knobs, cycle=30)
    run(experiment, knobs, 1)
    assert experiment.taken_at == [51]
    run(experiment, knobs, 30)
    assert experiment.taken_at == [51, 81]


def test_a_new_rate_keeps_the_momentum() -> None:
    experiment, knobs = made()
    run(experiment, knobs, 5)
    before = [state["momentum_buffer"].clone() for state in experiment.optimizer.state.values()]
    change(experiment, knobs, lr=0.7)
    assert experiment.optimizer.param_groups[0]["lr"] == 0.7
    assert before
    for kept, state in zip(before, experiment.optimizer.state.values(), strict=True):
        assert torch.equal(kept, state["momentum_buffer"])


# What is shown


def test_the_map_is_the_average_of_the_members_that_are_chosen() -> None:
    experiment, knobs = made(members=2)
    run(experiment, knobs, 20)
    inputs = encode(grid(SIDE), FEATURES)
    p = torch.stack([alone(experiment.seeds, member)(inputs)[:, 0].sigmoid() for member in range(2)])
    picture = look(experiment, knobs, "average")
    torch.testing.assert_close(picture.values.flatten(), 2 * p.mean(0).detach() - 1, atol=1e-5, rtol=1e-4)
    spread = look(experiment, knobs, "disagreement").values.flatten()
    torch.testing.assert_close(spread, (p[0] - p[1]).abs().detach() / 2, atol=1e-5, rtol=1e-3)


def test_the_gallery_has_a_place_for_each_snapshot() -> None:
    experiment, knobs = made(cycle=20)
    run(experiment, knobs, 45)
    picture = look(experiment, knobs, "gallery")
    assert len(picture.pixels) == 2 * MEMBERS
    grey = [bool((image == 127).all()) for image in picture.pixels]
    assert grey == [False] * (MEMBERS + 2) + [True] * (MEMBERS - 2)
    accuracy = 1 - error(experiment.kept(experiment.test_inputs).sigmoid()[-1], experiment.test_targets)
    assert picture.captions[MEMBERS + 1] == f"{accuracy:.0%}"
    upper = look(experiment, change(experiment, knobs, members=1), "average").values[-1, 0]  # top left corner
    redder = picture.pixels[0, 0, 0, 0] > picture.pixels[0, 0, 0, 2]
    assert bool(redder) == bool(upper < 0)


def test_pairs_count_different_decisions() -> None:
    experiment, knobs = made(cycle=30)
    run(experiment, knobs, 70)
    picture = look(experiment, knobs, "pairs")
    assert picture.rows == ["1", "2", "3", "4", "5", "6", "t 30", "t 60"]
    said = (
        torch.cat([experiment.seeds(experiment.test_inputs), experiment.kept(experiment.test_inputs)[-2:]])
        > 0
    )
    for i, j in itertools.product(range(8), repeat=2):
        assert picture.values[i, j].item() == pytest.approx((said[i] != said[j]).float().mean().item())


# What the defaults promise


@pytest.mark.slow
def test_by_default_the_average_is_better_than_its_members() -> None:
    row = run(*made(), 601)
    members = [row[f"acc/{member}"] for member in range(1, MEMBERS + 1)]
    assert row["acc/average"] > sum(members) / MEMBERS + 0.005
    assert row["acc/average"] > 0.88


def test_what_is_said_of_the_members_is_what_the_pictures_show() -> None:
    experiment, knobs = built(Ensembles)
    take(experiment, knobs, 20)
    picture, said = said_of(experiment, knobs, "disagreement")
    assert (said["mean"], said["most"]) == (
        rough(float(picture.values.mean())),
        rough(float(picture.values.max())),
    )
    picture, said = said_of(experiment, knobs, "pairs")
    seeds = picture.values[:MEMBERS, :MEMBERS]
    assert said == {"percent": rough(100 * float(seeds.sum()) / (MEMBERS**2 - MEMBERS))}
    picture, said = said_of(experiment, knobs, "by_size")
    assert said["one"] == rough(100 * float(picture.values[0, 0, 0]))
    assert said["all"] == rough(100 * float(picture.values[0, 0, -1]))
    picture, said = said_of(experiment, knobs, "average")
    alike = experiment._shown(knobs, experiment.plane) > 0.5
    assert said["percent"] == rough(100 * float((alike.all(0) | ~alike.any(0)).double().mean()))


def test_a_snapshot_is_taken_when_it_is_said_to_be() -> None:
    experiment, knobs = built(Ensembles, cycle=20)
    take(experiment, knobs, 7)
    _, said = said_of(experiment, knobs, "schedule")
    assert said == {"n": 13, "rate": rough(knobs.lr_snapshot)}
    take(experiment, knobs, 12)
    assert experiment.phase == 19
    take(experiment, knobs, 1)
    assert experiment.phase == 0


def test_no_share_is_told_of_a_network_of_no_numbers() -> None:
    experiment, knobs = driving.built(Ensembles)
    driving.break_weights(experiment)
    for panel in ("average", "pairs"):
        assert driving.look(experiment, knobs, panel).reading is None, panel
