"""Every finding, provoked on a real model; and healthy runs, which have none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

import driving
from descent.contract import Experiment, Knobs, live
from descent.engine.health import Finding, Health
from descent.engine.health.listening import Listening
from descent.engine.health.state import CONFIRMED, PATIENCE
from descent.registry import experiments
from tiny import Parabola, ParabolaKnobs

pytestmark = pytest.mark.slow


def built(cls: type[Experiment[Any]], values: Mapping[str, Any], seed: int = 0) -> tuple[Any, Any]:
    return driving.built(cls, seed, **values)


def lived(
    experiment: Experiment[Any],
    knobs: Knobs,
    steps: int,
    *,
    every: int,
    enough: Callable[[list[Finding]], bool] = bool,
) -> list[Finding]:
    """What was found in so many steps, looked at after each `every`; no more once it is enough."""
    health = Health(experiment)
    found: list[Finding] = []
    rows: list[Mapping[str, float]] = []
    for _ in range(steps):
        rows.append({name: float(value) for name, value in experiment.step(knobs).items()})
        experiment.step_index += 1
        if experiment.step_index % every == 0:
            names = {name for row in rows for name in row}
            columns = {name: [row.get(name, math.nan) for row in rows] for name in names}
            past = range(experiment.step_index - len(rows), experiment.step_index)
            found += health.hear(past, columns, knobs)
            found += health.examine(knobs)
            rows = []
            if enough(found):
                break
    return found


def preset(id: str, name: str) -> tuple[type[Experiment[Any]], Mapping[str, Any]]:
    cls = experiments()[id].cls
    return cls, cls.presets[name].knobs


def codes(found: list[Finding]) -> set[str]:
    return {finding.code for finding in found}


@pytest.mark.parametrize(("part", "told"), [(0.99, False), (1.01, True)])
def test_a_rate_above_the_edge_is_told_with_its_bound_and_a_remedy(part: float, told: bool) -> None:
    experiment, knobs = built(Parabola, {"lr": part * 2 / 4})
    found = lived(experiment, knobs, 600, every=20, enough=lambda found: "above-edge" in codes(found))
    assert ("above-edge" in codes(found)) is told
    if told:
        (finding,) = [finding for finding in found if finding.code == "above-edge"]
        assert finding.params["value"] == pytest.approx(4, rel=0.01)
        assert finding.params["bound"] == pytest.approx(2 / knobs.lr, rel=0.01)
        assert 0.7 * 2 / 4 < finding.remedy["lr"] < 2 / 4


def test_the_remedy_for_a_rate_above_the_edge_lets_the_run_converge() -> None:
    experiment, knobs = built(Parabola, {"lr": 0.51})
    found = lived(experiment, knobs, 600, every=20, enough=lambda found: "above-edge" in codes(found))
    remedy = next(finding.remedy for finding in found if finding.code == "above-edge")
    before = experiment.loss().item()
    for _ in range(100):
        experiment.step(knobs.model_copy(update=remedy))
    assert experiment.loss().item() < 1e-6 * before


def test_an_exploding_gradient() -> None:
    experiment, knobs = built(Parabola, {"lr": 1.5})  # × 5 a step
    found = lived(experiment, knobs, 80, every=4, enough=lambda found: "exploding" in codes(found))
    finding = next(finding for finding in found if finding.code == "exploding")
    assert finding.params["layer"] == "x"
    assert finding.params["value"] > finding.params["bound"]


def test_what_explodes_is_slowed_down_and_can_be_gone_back_from() -> None:
    experiment, knobs = built(Parabola, {"lr": 1.5})
    found = lived(experiment, knobs, 80, every=4, enough=lambda found: "exploding" in codes(found))
    finding = next(finding for finding in found if finding.code == "exploding")
    assert 0 < finding.remedy["lr"] < 2 / 4
    assert 0 <= finding.params["healthy"] < experiment.step_index


def test_where_gradients_can_be_clipped_that_is_the_remedy() -> None:
    class Clipped(ParabolaKnobs):
        clip: float = live(0.0, name="Clip", help="0: never.", range=(0, 100))

    class Steep(Parabola, Experiment[Clipped]):
        """It descends as before."""

    experiment, knobs = built(Steep, {"lr": 1.5})
    found = lived(experiment, knobs, 80, every=4, enough=lambda found: "exploding" in codes(found))
    finding = next(finding for finding in found if finding.code == "exploding")
    assert finding.remedy.keys() == {"clip"}
    assert 0 < finding.remedy["clip"] < finding.params["value"]


def test_vanishing_gradients_of_five_sigmoid_layers() -> None:
    experiment, knobs = built(*preset("neural-playground", "vanishing"))
    found = lived(experiment, knobs, 4000, every=100)
    finding = found[0]
    assert (finding.code, finding.params["layer"]) == ("vanishing", "layer 1")
    assert finding.params["value"] < finding.params["bound"]


def test_dead_relus() -> None:
    experiment, knobs = built(*preset("neural-playground", "dead-relus"))
    found = lived(experiment, knobs, 8000, every=100, enough=lambda found: "dead-units" in codes(found))
    finding = next(finding for finding in found if finding.code == "dead-units")
    assert finding.params["value"] > 0.5
    assert finding.params["layer"] in ("layer 1", "layer 2")


def test_a_loss_that_is_stuck() -> None:
    """Of three seeds: where a saturated network comes to rest depends on the processor's rounding."""

    def stuck(seed: int) -> bool:
        experiment, knobs = built(*preset("neural-playground", "too-large"), seed=seed)
        found = lived(experiment, knobs, 7000, every=200, enough=lambda found: "stuck" in codes(found))
        return "stuck" in codes(found)

    assert any(stuck(seed) for seed in range(3))


def test_overfitting() -> None:
    experiment, knobs = built(*preset("neural-playground", "overfitting"))
    found = lived(experiment, knobs, 6000, every=100, enough=lambda found: "overfitting" in codes(found))
    finding = next(finding for finding in found if finding.code == "overfitting")
    assert finding.params["scalar"] == "loss/test"
    assert 0 < finding.params["since"] < experiment.step_index


@pytest.mark.parametrize(
    ("id", "name", "code"),
    [
        ("dcgan", "d-too-strong", "d-overpowers"),
        ("dcgan", "mode-collapse", "mode-collapse"),
        ("gan-2d", "mode-collapse", "mode-collapse"),
    ],
)
def test_what_goes_wrong_between_two_networks(id: str, name: str, code: str) -> None:
    cls, values = preset(id, name)
    experiment, knobs = built(cls, {**values, "batch": 32})
    assert code in codes(lived(experiment, knobs, 700, every=50, enough=lambda found: code in codes(found)))


@pytest.mark.parametrize("id", experiments())
def test_a_healthy_run_raises_no_alarm(id: str) -> None:
    experiment, knobs = built(experiments()[id].cls, {})
    steps = {"descent-2d": 400, "neural-playground": 6000, "next-word": 1000}.get(id, 60)
    found = lived(experiment, knobs, steps, every=steps // 12)
    assert [finding.code for finding in found] == (["out"] if id == "initialisation" else [])  # "large"


def test_a_finding_is_told_once_and_again_when_knobs_were_moved_and_rest() -> None:
    experiment, knobs = built(*preset("neural-playground", "vanishing"))
    driving.take(experiment, knobs, 2000)
    now = [0.0]
    health = Health(experiment, lambda: now[0])
    assert [finding.code for _ in range(6) for finding in health.examine(knobs)] == ["vanishing"]
    health.changed(knobs, knobs.model_copy(update={"lr": 0.02}))
    assert [finding.code for _ in range(3) for finding in health.examine(knobs)] == []
    now[0] += 2
    health.hear([2000], {}, knobs)
    assert [finding.code for _ in range(3) for finding in health.examine(knobs)] == ["vanishing"]


def test_a_finding_that_came_back_must_be_gone_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment, knobs = built(Parabola, {})
    health = Health(experiment)
    signs: list[Finding] = []
    monkeypatch.setattr(health._gradients, "examine", lambda knobs: signs)
    monkeypatch.setattr(health._gradients, "looks_at", lambda objective: True)

    def found(times: int) -> list[str]:
        return [finding.code for _ in range(times) for finding in health.examine(knobs)]

    for wait in (CONFIRMED, CONFIRMED * PATIENCE):
        signs = [Finding("exploding", {})]
        assert found(CONFIRMED) == ["exploding"]
        signs = []
        assert found(wait - 1) == []
        assert found(1) == ["recovered"]


def test_being_examined_changes_nothing() -> None:
    (plain, knobs), (examined, _) = (built(Parabola, {}) for _ in range(2))
    health = Health(examined)
    for _ in range(5):
        health.examine(knobs)
        assert np.float64(plain.step(knobs)["loss/train"]) == np.float64(examined.step(knobs)["loss/train"])
    assert torch.equal(plain.x, examined.x)


def told_of(spreads: Iterable[float]) -> list[bool]:
    """After each thirty steps, at each of these distances of the samples from each other: has G collapsed?"""
    listening = Listening({}, fresh=True)
    found = []
    for number, spread in enumerate(spreads):
        listening.add(30 * number, {"diversity": [spread] * 30}, number / 30)
        found.append(bool(listening.signs(False, False)))
    return found


def test_samples_that_begin_alike_and_come_apart_are_no_collapse() -> None:
    """As minimax does where D is too good: G creeps away from where it began."""
    growing = [min(0.05 * 1.1**bin, 0.9) for bin in range(60)]
    assert not any(told_of(growing))
    assert not any(told_of([0.1] * 40 + [0.9] * 20)[45:])  # long past, though most of what is remembered


def test_samples_that_stay_or_come_to_be_alike_are_a_collapse() -> None:
    assert told_of([0.2] * 60)[-1]
    assert told_of([1.0] * 60 + [0.1] * 60)[-1]
    assert not told_of([1.0] * 60)[-1]


def test_minimax_that_saturates_is_a_discriminator_that_overpowers_and_no_collapse() -> None:
    experiment, knobs = built(*preset("gan-2d", "saturation"), seed=1)
    found = codes(lived(experiment, knobs, 900, every=15, enough=lambda found: False))
    assert "d-overpowers" in found
    assert "mode-collapse" not in found
