"""Architectures: the race's steps, its panels, what health says when shortcuts go, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from watched import Watched

import driving
from descent.contract.entry import Entry
from descent.errors import BadKnob
from descent.experiments.convolution.architectures import (
    BATCH,
    CHAINS,
    CLASSIC,
    RACERS,
    ArchitectureKnobs,
    Architectures,
    layers_of,
)
from descent.registry import experiments
from descent.runs.knobs import check
from driving import Driven

MNIST = Path(os.environ.get("DESCENT_DATA") or Path(__file__).parents[3] / "shared" / "data")


@pytest.fixture(scope="module")
def entry() -> Entry:
    return experiments()["architectures"]


def test_a_step_is_gradient_descent_of_each_network_on_the_same_pictures() -> None:
    run, twin = Driven(Architectures, n=1), Driven(Architectures, n=1).experiment
    optimizers = {name: torch.optim.SGD(net.parameters(), 0.1) for name, net in twin.networks.items()}
    recent: dict[str, torch.Tensor] = {}
    for n in range(3):
        twin.step_index = n
        x, y = twin._coming()
        assert len(y) == BATCH
        run.train(1)
        for name, network in twin.networks.items():
            scores = network(x, shortcuts=name == "residual") if name in CHAINS else network(x)
            loss = F.cross_entropy(scores, y)
            assert run.last(f"loss/{name}") == pytest.approx(loss.item(), rel=1e-4)
            wrong = (scores.argmax(1) != y).float().mean()
            recent[name] = 0.9 * recent[name] + 0.1 * wrong if name in recent else wrong
            optimizers[name].zero_grad()
            loss.backward()
            optimizers[name].step()
    picture = run.look("error")
    assert picture.x.tolist() == [0, 1, 2]
    assert picture.values[0, :, 2].tolist() == pytest.approx([float(recent[name]) for name in RACERS])


def test_the_deep_networks_begin_alike_and_with_as_many_parameters() -> None:
    networks = Driven(Architectures, n=2).experiment.networks
    plain, residual = networks["plain"].state_dict(), networks["residual"].state_dict()
    assert plain.keys() == residual.keys()
    assert all(torch.equal(plain[name], residual[name]) for name in plain)
    assert (networks["plain"].state_dict()["conv1.norm.running_mean"] == 0).all()  # looking was no step


def test_the_chart_shows_the_gradients_of_the_coming_step() -> None:
    run = Driven(Architectures, n=2)
    x, y = run.experiment._coming()
    expected = {}
    for name in CHAINS:
        network = run.experiment.networks[name]
        convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        F.cross_entropy(network(x, shortcuts=name == "residual"), y).backward()
        expected[name] = torch.stack([layer.weight.grad.norm() for layer in convolutions])
        network.zero_grad()
    for group in (0, 1):  # now, and before the first step
        found = run.look("gradient").values[group]
        torch.testing.assert_close(found[0, :7], expected["shallow"], rtol=1e-3, atol=1e-5)
        assert found[0, 7:].isnan().all()
        torch.testing.assert_close(found[2], expected["residual"], rtol=1e-3, atol=1e-5)
    first = run.look("gradient").values[1]
    run.train(5)
    picture = run.look("gradient")
    torch.testing.assert_close(picture.values[1], first, equal_nan=True)
    assert not torch.equal(picture.values[0, 2], first[2])


@pytest.mark.slow
def test_the_layers_are_those_of_the_network_and_size_chosen() -> None:
    run = Driven(Architectures, n=1, network="vgg-16", papers_size=False, side=64)
    picture = run.look("classic")
    assert picture.shapes[0] == (3, 64, 64)
    assert picture.parameters[picture.names.index("fc6")] == (512 * 2 * 2 + 1) * 4096
    assert picture.formulas[0] == "⌊(64 + 2·1 − 3)/1⌋ + 1 = 64"
    totals = run.look("totals")
    millions = totals.values[0, list(CLASSIC).index("resnet-50")]
    assert float(millions) == pytest.approx(25.557032)
    assert sum(run.change(network="resnet-50", papers_size=True).look("classic").parameters) == 25_557_032


def test_what_is_read_from_the_panels_is_what_they_show() -> None:
    run = Driven(Architectures, n=1)
    assert run.look("error").reading is None  # nothing is drawn yet
    run.train(3)
    picture = run.look("error")
    assert picture.reading.values == {
        key: f"{100 * picture.values[0, place, -1]:.0f}" for key, place in (("plain", 1), ("residual", 2))
    }
    picture = run.look("gradient")
    assert float(picture.reading.values["times"]) == pytest.approx(
        float(picture.values[1, 1, 0] / picture.values[1, 1, -1]), rel=0.06
    )
    picture = run.look("tested")
    wrong = (picture.values[0] * 200).round()
    assert picture.reading.values == {"least": int(wrong.min()), "most": int(wrong.max()), "all": 200}
    millions = dict(zip(run.look("totals").labels, run.look("totals").values.T.tolist(), strict=True))
    expected = [f"{100 * a / b:.0f}" for a, b in zip(millions["ResNet-18"], millions["VGG-16"], strict=True)]
    values = run.look("totals").reading.values
    assert [values["parameters"], values["products"], values["largest"]] == [*expected, "VGG-16"]


@pytest.mark.parametrize("gone", [1, 2])
def test_of_a_network_that_is_out_no_error_is_read(gone: int) -> None:
    run = Driven(Architectures, n=1).train(1)
    run.experiment.racing.remove([*RACERS][gone])
    run.train(1)
    assert run.look("error").reading is None


def test_the_largest_layer_is_named_where_there_is_one() -> None:
    run = Driven(Architectures, n=1, network="vgg-16")
    text, values = run.look("classic").reading
    assert (text.split()[0], values["layer"], values["share"]) == ("{layer}", "fc6", "74")
    text, values = run.change(network="resnet-18").look("classic").reading
    counts = [layer.parameters for layer in layers_of("resnet-18")]
    assert counts.count(max(counts)) > 1  # several convolutions of the last stage
    assert (text.split()[0], values["share"]) == ("No", f"{100 * max(counts) / sum(counts):.0f}")


def test_only_dense_layers_on_maps_depend_on_the_input_size() -> None:
    for name in CLASSIC:
        changed = [
            a.name
            for a, b in zip(layers_of(name), layers_of(name, 96), strict=True)
            if a.parameters != b.parameters
        ]
        first = {"lenet-5": ["C5"], "alexnet": ["fc6"], "vgg-16": ["fc6"]}
        assert changed == first.get(name, [])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_first_step_throws_the_plain_networks_first_weights_far(seed: int) -> None:
    run = Driven(Architectures, seed, n=7)

    def weights(name: str) -> list[torch.Tensor]:
        layers = [one for one in run.experiment.networks[name].modules() if isinstance(one, nn.Conv2d)]
        return [layer.weight.detach().clone() for layer in layers[:8]]

    before = {name: weights(name) for name in ("plain", "residual")}
    run.train(1)
    moved = {
        name: [float((w - v).norm() / v.norm()) for w, v in zip(weights(name), old, strict=True)]
        for name, old in before.items()
    }
    assert min(moved["plain"]) > 0.5
    assert max(moved["residual"]) < 0.1


# --- what health says


@pytest.mark.slow
def test_shortcuts_switched_off_are_blamed_and_the_way_back_heals() -> None:
    run = Watched(Architectures, 0, racer="shallow").live(4)  # whose curvature is cheap to look at
    before, at = run.mean("loss/residual"), run.experiment.step_index
    run.turn(shortcuts=False).live(1.5)
    told = run.told("worse")
    assert told.params["scalar"] == "loss/residual"
    assert told.params["changes"] == {"shortcuts": [True, False]}
    assert told.params["back"] == {"step": at, "knobs": {"shortcuts": True}}
    back = run.gone_back(told).live(1)
    assert back.codes == []
    assert back.mean("loss/residual", 20) < 1.2 * before
    again = run.turn(shortcuts=True).live(3)  # in the same run
    assert again.codes[-1] == "recovered"


# --- other pictures, and what is refused


@pytest.mark.skipif(
    not (MNIST / "t10k-images-idx3-ubyte.gz").is_file(), reason=f"no MNIST test files in {MNIST}"
)
def test_larger_pictures_are_halved_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_DATA", str(MNIST))
    run = Driven(Architectures, dataset="mnist", n=1)
    network = run.experiment.networks["residual"]
    assert network.conv1(run.experiment.x[:2].float()).shape == (2, 8, 14, 14)
    run.train(2)
    assert {row.keys() >= {f"loss/{name}" for name in RACERS} for row in run.rows} == {True}


@pytest.mark.parametrize(
    ("knobs", "field", "message"),
    [
        (
            {"network": "alexnet", "papers_size": False, "side": 62},
            "side",
            "AlexNet would shrink a picture of 62 × 62 below 1; use 63",
        ),
        ({"network": "lenet-5", "papers_size": False, "side": 15}, "side", "use 16 or more"),
        ({"side": 7}, "side", "greater than or equal to 8"),
        ({"side": 4096}, "side", "less than or equal to 512"),
        ({"n": 8}, "n", "less than or equal to 7"),
        ({"network": "resnet-1001"}, "network", "resnet-50"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(
    entry: Entry, knobs: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(BadKnob, match=message) as caught:
        check(entry, knobs)
    assert caught.value.field == field


def test_a_size_that_another_network_takes_is_refused_when_the_network_is_changed() -> None:
    run = Driven(Architectures, n=1, network="resnet-18", papers_size=False, side=40)
    assert run.look("classic").shapes[-1] == (1000, 1, 1)
    with pytest.raises(ValueError, match="AlexNet"):
        driving.change(run.experiment, run.knobs, network="alexnet")
    assert ArchitectureKnobs(network="alexnet", papers_size=False, side=63).side == 63
