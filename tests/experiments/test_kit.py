"""What experiments share: thinned histories, rings, layers, and who is out of a race."""

from __future__ import annotations

import math
from math import nan
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from descent.contract import batches_per_epoch
from descent.contract import panels as p
from descent.experiments.optimisation.optimizers import NAMES, TITLES, Optimizers
from descent.experiments.training.activations import Activations
from descent.experiments.training.initialisation import Initialisation
from descent.kit.data.batches import minibatch
from descent.kit.extremes import extremes
from descent.kit.history import latest_rows, room_for_row
from descent.kit.nn.layers import UniformLayers
from descent.kit.reading import (
    beside_their_own,
    choices,
    foremost,
    gaze,
    in_percent,
    means,
    mix_up,
    most_alike,
    peak,
    share_of,
    times_as_large,
)
from descent.kit.text import rough
from driving import built, change, take


def test_a_full_history_drops_every_other_row_and_takes_half_as_many_from_then_on() -> None:
    values, steps = torch.zeros(8, 2), torch.zeros(8)
    kept, stride = 0, 1
    for step in range(40):
        kept, stride = room_for_row(kept, stride, values, steps)
        if step % stride == 0:
            values[kept], steps[kept] = step, step
            kept += 1
    assert stride == 8
    assert steps[:kept].tolist() == [0, 8, 16, 24, 32]
    assert torch.equal(values[:kept, 1], steps[:kept])


@pytest.mark.parametrize("written", [1, 3, 4, 5, 11])
def test_a_ring_gives_its_latest_rows_oldest_first(written: int) -> None:
    ring = torch.zeros(4)
    for n in range(written):
        ring[n % 4] = n
    assert latest_rows(ring, written).tolist() == list(range(max(0, written - 4), written))


def test_layers_begin_like_torchs_linear_ones_and_members_are_networks_side_by_side() -> None:
    layers = UniformLayers([9, 16, 1])
    for (weight, bias), linear in zip(layers.pairs(), (nn.Linear(9, 16), nn.Linear(16, 1)), strict=True):
        assert weight.shape == linear.weight.T.shape
        assert bias.shape == linear.bias.shape
        assert max(weight.abs().max(), bias.abs().max()) <= weight.shape[0] ** -0.5
    assert [tuple(part.shape) for part in UniformLayers([9, 1], 5).pairs()[0]] == [(5, 9, 1), (5, 1, 1)]


@pytest.mark.parametrize("cls", [Activations, Initialisation, Optimizers])
def test_those_who_are_out_are_named_by_title_whether_they_race_by_name_or_by_place(cls: Any) -> None:
    experiment, knobs = built(cls)
    assert experiment.out() == []
    experiment.racing.remove(experiment.racing[1])
    assert experiment.out() == [list(cls.titles.values())[1]]
    assert experiment.gone() == [place == 1 for place in range(len(cls.titles))]
    experiment.racing.clear()
    assert experiment.step(knobs).keys() == {f"loss/{name}" for name in cls.titles}


def test_a_racer_that_is_out_has_no_row() -> None:
    experiment, knobs = built(Optimizers)
    experiment.racing.remove(NAMES.index("adam"))
    assert "loss/adam" not in take(experiment, knobs, 1)[0]
    assert experiment.out() == [TITLES["adam"]]


@pytest.mark.parametrize(("size", "total"), [(64, 512), (50, 400), (7, 20), (30, 20)])
def test_an_epoch_is_as_many_batches_as_its_samples_fill(size: int, total: int) -> None:
    steps = batches_per_epoch(size, total)
    rows = torch.cat([minibatch(0, n, size, total) for n in range(steps)])
    assert sorted(rows.tolist()) == list(range(total))


def test_the_epoch_follows_the_batch_size() -> None:
    experiment, knobs = built(Optimizers)
    assert experiment.steps_per_epoch(knobs) == 8
    knobs = change(experiment, knobs, batch_size=512)
    assert experiment.steps_per_epoch(knobs) == 1
    assert experiment.ends_epoch(knobs)


def test_the_least_and_the_largest_are_named_where_they_look_different() -> None:
    nan, inf = float("nan"), float("inf")
    found = extremes([nan, 3.0, 0.5, inf, 12.0], list("abcde"))
    assert found == {"low": "c", "least": "0.5", "high": "e", "most": "12"}
    for alike in ([1.0, 1.0004], [nan, 2.0], [nan, inf]):
        assert extremes(alike, list("ab")) is None


def test_a_number_is_written_roughly_without_an_exponent_where_it_needs_none() -> None:
    written = {0.0: "0", 0.012345: "0.012", -3.44: "−3.4", 99.4: "99", 99.7: "100", 1234.0: "1234"}
    assert {value: rough(value) for value in written} == written
    assert [rough(value) for value in (1e-9, 12345.0, float("nan"))] == ["1e−9", "1.2e4", "–"]


def test_what_stands_out_is_one_finite_number_or_nothing() -> None:
    nan, inf = float("nan"), float("inf")
    assert foremost([1, 3, 2]) == 1
    assert foremost(torch.tensor([nan, -2.0, -inf, -1.0])) == 3
    assert [foremost(values) for values in ([2, 2, 1], [nan, nan], [inf, -inf], [])] == [None] * 4


def test_a_share_is_none_or_all_only_if_it_is() -> None:
    shares = {
        0.0: "0",
        1e-9: "<1",
        0.0099: "<1",
        0.014: "1",
        0.715: "72",
        0.99: "99",
        0.9999: ">99",
        1.0: "100",
    }
    assert {share: in_percent(share) for share in shares} == shares
    assert in_percent(float("nan")) == "–"


def test_points_lie_beside_their_own_where_their_nearest_other_is_of_their_group() -> None:
    points = torch.tensor([[0.0, 0], [1, 0], [3, 0], [3.5, 0]])
    assert beside_their_own(points, torch.tensor([0, 0, 1, 0])) == 0.5
    assert torch.tensor(beside_their_own(points / 0, torch.tensor([0, 0, 1, 0]))).isnan()


def test_no_sentence_holds_a_number_that_is_none() -> None:
    picture = p.Bars(values=torch.zeros(1, 1), labels=["a"])
    assert p.says(picture, "It is {n}.", n=rough(float("nan"))).reading is None
    assert p.says(picture, "It is {n}.", n=rough(1.0)).reading == ("It is {n}.", {"n": "1"})


def test_as_undecided_as_among_so_many_choices() -> None:
    assert choices(torch.full((4,), 0.25)) == "4.0"
    assert choices(torch.tensor([0.0, 1.0])) == "1.0"
    entropy = -(0.7 * math.log(0.7) + 0.3 * math.log(0.3))
    assert choices(torch.tensor([0.7, 0.3])) == f"{math.exp(entropy):.1f}"
    assert choices(torch.tensor([nan, 0.5])) == "–"


def test_a_peak_is_one_place_counted_from_one() -> None:
    values = torch.tensor([[1.0, 2.0, 0.0], [5.25, 1.0, 0.0]])
    assert peak(values) == {"row": 2, "column": 1, "value": "5.2"}
    for none in (torch.ones(2, 2), torch.ones(1, 1), values / 0):
        assert peak(none) is None


def test_the_most_alike_are_those_of_the_largest_cosine() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, -2.0], [3.0, 2.0]])
    cosine = F.cosine_similarity(rows[1], rows[3], dim=0)
    assert most_alike(rows) == {"one": 2, "other": 4, "cosine": f"{cosine:.2g}"}
    for none in (rows[:1], rows / 0, rows * torch.tensor([[1.0], [0], [1], [1]]), rows[[0, 0, 0]]):
        assert most_alike(none) is None


def test_the_commonest_mistake_is_none_without_one_that_stands_out() -> None:
    truth, said = torch.tensor([0, 1, 1, 2, 2]), torch.tensor([0, 2, 2, 0, 2])
    assert mix_up(truth, said, "abc") == {"truth": "b", "said": "c", "count": 2}
    assert mix_up(truth, truth, "abc") is mix_up(truth[2:4], said[2:4], "abc") is None


def test_a_share_among_what_is_no_number_is_none() -> None:
    values = torch.tensor([1.0, 2.0, 6.0, 7.0])
    assert share_of(values > 5, values) == 0.5
    assert math.isnan(share_of(values > 5, values / 0))


def test_means_and_ratios_of_nothing_are_dashes() -> None:
    values = torch.tensor([1.0, 2.0, 6.0])
    assert means(values, torch.tensor([1, 0, 1])) == {"inside": "3.5", "outside": "2"}
    assert means(values, torch.zeros(3))["inside"] == "–"
    assert means(values / 0, torch.tensor([1, 0, 1])) == {"inside": "–", "outside": "–"}
    assert [times_as_large(3, 2), times_as_large(1, 0), times_as_large(nan, 1)] == ["1.5", "–", "–"]


def test_the_gaze_is_the_largest_weight_of_any_head_and_query() -> None:
    weights = torch.full((2, 2, 3), 0.2)
    weights[1, 0, 2] = 0.6
    assert gaze(weights, ["a", "b"], ["x", "y", "z"]) == {"query": "a", "key": "z", "percent": "60"}
    assert gaze(weights / 0 * 0, ["a", "b"], ["x", "y", "z"])["percent"] == "–"
