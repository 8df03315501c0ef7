"""Layers in a list: what the formulas plan is what torch makes, and what cannot be is refused at its row."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn
from torch.nn import functional as F

from descent.contract import KnobError
from descent.kit.nn.stack import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Layers,
    Network,
    Norm,
    Pooling,
    extent,
    listed,
    planned,
)
from descent.kit.nn.units import ALL, Box, onward, seen, within

FIXTURE = Path(__file__).parents[1] / "fixtures" / "layers.json"
rows_adapter: TypeAdapter[list[Any]] = TypeAdapter(list[Layers])


def drawn(seed: int) -> tuple[list[Any], tuple[int, int, int]]:
    """Some rows, and the shape of a picture; not all can follow one another."""
    chance = random.Random(seed)
    side = chance.choice((8, 28, 32))
    rows: list[Any] = []
    for _ in range(chance.randint(0, 7)):
        rows.append(
            chance.choice(
                (
                    Conv(
                        filters=chance.randint(1, 12),
                        kernel=chance.randint(1, 5),
                        stride=chance.randint(1, 2),
                        padding=chance.randint(0, 2),
                    ),
                    Pooling(
                        take=chance.choice(("largest", "mean")),
                        size=chance.randint(2, 3),
                        stride=chance.randint(1, 3),
                    ),
                    BatchNorm(),
                    Activation(function=chance.choice(("relu", "leaky", "tanh", "sigmoid", "gelu"))),
                    Dropout(share=0.5),
                    Dense(units=chance.randint(1, 20)),
                )
            )
        )
    return rows, (chance.choice((1, 3)), side, side)


def planned_of(rows: list[Any], shape: Any) -> list[dict[str, Any]]:
    """The plan up to the first row that cannot be, the classes' layer with it."""
    for most in range(len(rows), -1, -1):
        try:
            plan = planned(rows[:most], shape, 10, "layers")
        except KnobError:
            continue
        plan = plan if most == len(rows) else plan[:most]
        return [{"shape": list(one.shape), "parameters": one.parameters} for one in plan]
    raise AssertionError(rows)


def can_be(seed: int) -> bool:
    rows, shape = drawn(seed)
    return len(planned_of(rows, shape)) == len(rows) + 1


POSSIBLE = [seed for seed in range(60) if can_be(seed)]


def test_the_page_is_tested_with_what_the_server_plans() -> None:
    """`python tests/experiments/test_layers.py` writes the fixture."""
    for case in json.loads(FIXTURE.read_text(encoding="utf-8")):
        assert planned_of(rows_adapter.validate_python(case["rows"]), tuple(case["input"])) == case["plan"]


@pytest.mark.parametrize("seed", POSSIBLE)
def test_sizes_and_parameters_are_those_of_the_network(seed: int) -> None:
    rows, shape = drawn(seed)
    network = Network(rows, shape, 10).eval()
    outputs = network.trace(torch.rand(2, *shape))[1:]
    for layer, output, one in zip(network.layers, outputs, network.plan, strict=True):
        assert (*output.shape[1:], 1, 1)[:3] == one.shape
        assert sum(parameter.numel() for parameter in layer.parameters()) == one.parameters
    torch.testing.assert_close(network(torch.ones(2, *shape)), network.trace(torch.ones(2, *shape))[-1])


@pytest.mark.parametrize("window", range(1, 12))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("padding", range(6))
@pytest.mark.slow
def test_the_formula_of_a_size_is_torchs(window: int, stride: int, padding: int) -> None:
    for side in (8, 28, 32):
        if window <= side + 2 * padding:
            made = F.conv2d(
                torch.zeros(1, 1, side, side), torch.zeros(1, 1, window, window), None, stride, padding
            )
            assert extent(side, window, stride, padding) == made.shape[2] == made.shape[3]


@pytest.mark.slow
def test_a_network_computes_what_torchs_modules_do() -> None:
    rows = (Conv(filters=4), BatchNorm(), Activation(), Pooling(), Dense(units=7))
    network = Network(rows, (1, 8, 8), 10)
    reference = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 7), nn.Linear(7, 10)),
    )
    reference.load_state_dict(dict(zip(reference.state_dict(), network.state_dict().values(), strict=True)))
    x = torch.rand(5, 1, 8, 8)
    for training in (True, False):
        torch.testing.assert_close(network.train(training)(x), reference.train(training)(x))
    torch.testing.assert_close(network.layers[1].running_var, reference[1].running_var)


def test_batch_norm_takes_a_single_value_as_in_a_test() -> None:
    norm = Norm(3)
    assert norm(torch.ones(1, 3)).isfinite().all()
    assert norm.running_mean.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([Pooling(), Pooling(), Pooling(), Pooling()], "row 4: pooling 2 would shrink a map of 1 × 1"),
        (
            [Conv(), Conv(kernel=11, padding=0)],
            "row 2: a kernel of 11 does not fit a map of 8 × 8",
        ),
        ([Dense(), Activation(), Conv()], "row 3: there is no map left after a dense layer"),
        ([Dense(), Pooling()], "row 2: there is no map left after a dense layer"),
        ([Conv(filters=64), Dense(units=512)], "row 2: the network would have 2098304 parameters"),
        ([Conv(filters=64)] * 10, "row 10: a picture would take"),
    ],
)
def test_what_cannot_be_is_refused_at_its_row(rows: list[Any], message: str) -> None:
    with pytest.raises(KnobError, match=message) as caught:
        planned(rows, (1, 8, 8), 10, "layers")
    assert caught.value.knob == "layers"
    assert caught.value.params["row"] == int(message.split()[1].rstrip(":"))


# --- one unit


@pytest.mark.parametrize("seed", POSSIBLE)
def test_a_unit_depends_on_what_it_is_said_to_see_and_on_nothing_else(seed: int) -> None:
    rows, shape = drawn(seed)
    rows = [row.model_copy(update={"take": "mean"}) if isinstance(row, Pooling) else row for row in rows]
    rows = [Activation(function="tanh") if isinstance(row, Activation) else row for row in rows]
    network = Network(rows, shape, 10).eval()
    shapes = [shape, *(one.shape for one in network.plan)]
    chance = random.Random(seed)
    layer = chance.randint(1, len(rows) + 1)
    unit = within([layer, 99, chance.randint(0, 40), chance.randint(0, 40)], shapes)
    x = torch.rand(1, *shape, requires_grad=True)
    found = network.trace(x)
    boxes = seen(network.rows, shapes, Box(*unit, 1, 1))
    assert [box.layer for box in boxes] == list(range(unit[0], -1, -1))
    value = found[unit[0]][0].reshape(shapes[unit[0]])[unit[1:]]
    below = min(unit[0], 2)
    for box in {boxes[-1], boxes[below]} - {boxes[0]}:
        (gradient,) = torch.autograd.grad(value, found[box.layer], retain_graph=True)
        touched = gradient[0].reshape(shapes[box.layer]) != 0
        inside = torch.zeros_like(touched)
        channels = slice(None) if box.channel == ALL else slice(box.channel, box.channel + 1)
        inside[channels, box.top : box.top + box.height, box.left : box.left + box.width] = True
        assert not (touched & ~inside).any()
        row = network.rows[box.layer]
        in_padding = isinstance(row, Conv) and row.padding >= row.kernel  # some see nothing else
        if box.layer == unit[0] - 1 and not in_padding:
            assert touched.any(0)[box.top : box.top + box.height, box.left : box.left + box.width].all()


def test_what_is_made_of_a_unit_alone_ends_before_the_next_sum() -> None:
    rows = (Conv(), Activation(), Pooling(), Conv(), Activation())
    shapes = [(1, 8, 8), *(one.shape for one in planned(rows, (1, 8, 8), 10, "layers"))]
    assert onward(rows, shapes, (1, 2, 5, 4)) == [Box(2, 2, 5, 4, 1, 1), Box(3, 2, 2, 2, 1, 1)]
    assert onward(rows, shapes, (3, 2, 2, 2)) == []


def test_a_unit_between_two_windows_is_in_none() -> None:
    rows = (Activation(), Pooling(size=2, stride=3))
    shapes = [(1, 8, 8), *(one.shape for one in planned(rows, (1, 8, 8), 10, "layers"))]
    assert onward(rows, shapes, (0, 0, 2, 0)) == [Box(1, 0, 2, 0, 1, 1)]
    assert onward(rows, shapes, (0, 0, 3, 1)) == [Box(1, 0, 3, 1, 1, 1), Box(2, 0, 1, 0, 1, 1)]


if __name__ == "__main__":
    cases = [drawn(seed) for seed in range(40)]
    told = [{"input": shape, "rows": listed(rows), "plan": planned_of(rows, shape)} for rows, shape in cases]
    FIXTURE.write_text(json.dumps(told, indent=None) + "\n", encoding="utf-8")
