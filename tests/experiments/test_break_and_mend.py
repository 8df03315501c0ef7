"""Dragged until it breaks: it is said at once and why, and the way back and the remedies heal."""

from __future__ import annotations

import pytest
import torch
from watched import Watched

from descent.experiments.generative.dcgan import effective_number
from descent.registry import experiments

pytestmark = pytest.mark.slow

SECONDS = {
    "transformer": 12.0,
    "schedules": 5.0,
    "neural-playground": 4.0,
}  # of training before it is dragged


def started(id: str, preset: str = "", seed: int = 0, **knobs: object) -> Watched:
    cls = experiments()[id].cls
    return Watched(cls, seed, **{**(cls.presets[preset].knobs if preset else {}), **knobs})


def main_loss(id: str) -> str:
    return next(name for name, measure in experiments()[id].cls.measures.items() if measure.kind == "loss")


@pytest.mark.parametrize(
    ("id", "knob"),
    [
        ("linear-regression", "lr"),
        ("descent-2d", "lr"),
        ("learning-rate", "lr"),
        ("moving-average", "beta"),
        ("mlp-digits", "lr"),
        ("neural-playground", "lr"),
        ("optimizers", "lr"),
        ("schedules", "lr"),
        ("activations", "lr"),
        ("initialisation", "lr"),
        ("batch-norm", "lr"),
        ("regularisation", "lr"),
        ("ensembles", "lr"),
        ("losses", "lr"),
        ("end-to-end", "lr_ctc"),
        ("convolution", "lr"),
        ("transfer-learning", "lr"),
        ("architectures", "lr"),
        ("lstm-cells", "lr"),
        ("positional-encoding", "lr"),
        ("seq2seq", "lr"),
        ("transformer", "lr"),
        ("dcgan", "lr_g"),
        ("gan-2d", "lr_g"),
        ("diffusion", "lr"),
        ("autoencoder", "lr"),
    ],
)
def test_a_rate_dragged_to_its_end_is_told_within_two_seconds_and_can_be_gone_back_from(
    id: str, knob: str
) -> None:
    run = started(id).live(SECONDS.get(id, 6.0))
    schema = run.knobs.model_json_schema()["properties"]
    before, begin, normal = run.mean(main_loss(id)), run.seconds, getattr(run.knobs, knob)
    at = run.experiment.step_index
    run.drag(knob, schema[knob]["maximum"])
    if not run.over:
        run.live(1.5)
    told = next(found for found in run.found if "back" in found[1].params)
    assert told[0] - begin < 2.0
    assert told[1].params["back"] == {"step": at, "knobs": {knob: normal}}
    again = run.gone_back(told[1]).live(4.0)
    assert again.mean(main_loss(id)) < 1.25 * before
    assert "worse" not in again.codes


def test_where_no_loss_rises_nothing_is_said() -> None:
    for id in ("gradient-check", "next-word"):
        run = started(id).live(6.0).drag("lr", 1.0).live(3.0)
        assert run.mean(main_loss(id)) < 0.1
        assert run.codes == []


def test_harmless_changes_are_not_blamed() -> None:
    run = started("neural-playground", dataset="circle", noise=20).live(3.0)
    run.turn(batch_size=1).live(3.0).turn(lr=0.05).live(2.0)
    assert "worse" not in run.codes


def test_dead_units_are_not_called_well() -> None:
    """They are found some looks after they died, and no step in between is one at which all was well."""
    run = started("mlp-digits").live(4.0)
    at = run.experiment.step_index
    run.drag("lr", 1.0).live(8.0).turn(lr=0.002).live(4.0)
    dead = run.told("dead-units").params
    assert dead["back"]["step"] == at
    assert run.health.well_at <= at
    assert "healthy" not in started("mlp-digits", "too-large").live(8.0).told("dead-units").params


def test_who_is_out_is_named_with_the_way_back() -> None:
    run = started("descent-2d").live(2.0)
    at = run.experiment.step_index
    run.turn(lr_sgd=0.02).live(3.0)
    out = run.told("out").params
    assert (out["racer"], out["racers"]) == ("SGD", ["SGD"])
    assert out["at"] > at
    assert out["back"] == {"step": at, "knobs": {"lr_sgd": 0.0005}}
    run.turn(lr_sgd=0.0005).live(2.0)
    assert run.told("out").params["racers"] == ["SGD"]  # it stays out, and that is said again
    assert run.turn(start=(-2.0, 1.0)).live(0.5).codes[-1] == "recovered"
    assert run.found[-1][1].params["of"] == ["out"]


def test_a_racer_answers_only_for_knobs_that_act_on_it() -> None:
    run = started("descent-2d").live(3.0).turn(lr_adam=100.0).live(2.0)
    blamed = [found.params for _, found in run.found if "changes" in found.params]
    assert all(params["changes"] == {"lr_adam": [0.03, 100.0]} for params in blamed)
    told = run.told("worse").params if "worse" in run.codes else run.told("out").params
    assert "adam" in str(told.get("scalar", told.get("racer"))).lower()


def test_steps_that_lead_uphill_are_told_and_no_lower_rate_is_advised() -> None:
    run = started("linear-regression", "minus").live(4.0)
    assert run.codes[0] == "uphill"
    assert run.found[0][0] < 1.0
    over = run.told("non-finite").params
    assert over["cause"] == "uphill"
    assert over["remedy"] == {}


BLOWN_UP = {"dataset": "spiral", "regularisation": "l2", "regularisation_rate": 10.0, "noise": 15}


def test_weights_that_a_penalty_blows_up_are_its_doing() -> None:
    run = started("neural-playground", **BLOWN_UP, lr=0.3).live(1.0)
    over = run.told("non-finite").params
    assert 100 < run.experiment.step_index < 200
    assert over["cause"] == "penalty"
    assert over["penalty"] == 10.0
    assert over["below"] <= 2 / 10
    assert 0 < over["remedy"]["lr"] < 2 / 10


@pytest.mark.parametrize(("lr", "holds"), [(0.19, True), (0.21, False)])
def test_the_bound_of_the_penalty(lr: float, holds: bool) -> None:
    """Of the penalty alone it is 2/λ = 0.2; each step multiplies the weights by 1 − ηλ."""
    run = started("neural-playground", **BLOWN_UP, lr=lr).live(4.0)
    assert run.over is not holds
    if holds:
        assert run.mean("loss/train") < 1.2


@pytest.mark.parametrize(
    ("id", "preset", "code", "cause"),
    [
        ("neural-playground", "vanishing", "vanishing", "sigmoid"),
        ("next-word", "too-large", "vanishing", "rate"),
        ("initialisation", "small", "vanishing", "start"),
        ("batch-norm", "batch-of-two", "vanishing", "batch"),
        ("batch-norm", "batch-of-one", "dead-units", "batch"),
        ("neural-playground", "dead-relus", "dead-units", "relu"),
        ("regularisation", "l1", "dead-units", "zeros"),
        ("transformer", "no-warm-up", "vanishing", "rate"),
    ],
)
def test_the_cause_that_is_told(id: str, preset: str, code: str, cause: str) -> None:
    seconds = 40.0 if preset == "l1" else 8.0
    run = started(id, preset).live(seconds, until=lambda found: found.code == code)
    assert run.told(code).params["cause"] == cause
    assert run.codes.count(code) == 1


@pytest.mark.parametrize(
    ("id", "preset", "code"),
    [
        ("linear-regression", "too-large", "above-edge"),
        ("descent-2d", "edge", "above-edge"),
        ("learning-rate", "diverging", "above-edge"),
        ("learning-rate", "too-small", "stuck"),
        ("losses", "few", "overfitting"),
        ("end-to-end", "few", "overfitting"),
        ("lstm-cells", "by-heart", "overfitting"),
    ],
)
def test_what_a_preset_is_made_to_show_is_told(id: str, preset: str, code: str) -> None:
    run = started(id, preset).live(25.0, until=lambda found: found.code == code)
    assert code in run.codes


@pytest.mark.parametrize(
    ("id", "preset"),
    [("linear-regression", "too-large"), ("descent-2d", "edge"), ("learning-rate", "diverging")],
)
def test_the_remedy_for_a_rate_above_the_edge_heals(id: str, preset: str) -> None:
    run = started(id, preset).live(5.0, until=lambda found: found.code == "above-edge")
    finding = run.told("above-edge")
    of = finding.params.get("objective", "")
    scalar = next(n for n, measure in run.experiment.measures.items() if measure.of == of)
    worst = run.last(scalar)
    run.turn(**finding.remedy).live(5.0)
    assert run.last(scalar) < worst / 2
    assert not run.over


def test_the_remedy_for_an_exploding_gradient_heals() -> None:
    run = started("learning-rate", "diverging").live(1.2, until=lambda found: found.code == "above-edge")
    remedy = run.health.slower(run.knobs)
    loss = run.last("loss/train")
    assert run.turn(**remedy).live(10.0).last("loss/train") < loss


def test_a_game_is_lost_when_d_is_too_sure_and_not_when_it_is_slow() -> None:
    run = started("dcgan", lr_g=1e-6, batch=32).live(15.0, until=lambda found: found.code == "d-overpowers")
    assert "d-overpowers" in run.codes


def test_a_few_modes_are_a_collapse() -> None:
    """Of k equally common ones the mean distance is 1 − 1/k of the full: it cannot tell three from ten."""
    labels = torch.arange(64) % 3
    assert effective_number(labels).item() == pytest.approx(3, rel=1e-3)
    assert effective_number(torch.zeros(64, dtype=torch.long)).item() == 1
    assert effective_number(torch.arange(60) % 10).item() == pytest.approx(10)


def test_looking_is_no_change() -> None:
    run = started("mlp-digits").live(2.0)
    before = run.health.well_at
    run.turn(digit=7).live(0.5)
    assert run.health.well_at >= before
    assert run.codes == []


def test_what_comes_and_goes_is_not_told_over_and_over() -> None:
    """Under L1, units die and come back about the bound of half a layer."""
    codes = started("regularisation", "l1").live(60.0).codes
    assert 1 <= codes.count("dead-units") <= 2
    assert codes.count("above-edge") <= 3
