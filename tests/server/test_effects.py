"""The panels on what the learning rate does, on models small enough to know the answer."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from descent.contract import Objective
from descent.contract.panels import Lines
from descent.engine.checkpoint import Checkpointer
from descent.engine.objectives.effects import (
    ABOVE,
    BELOW,
    BELOW_ROUNDING,
    PANELS,
    SILENT_OVER,
    Effects,
    GaveUp,
)
from descent.engine.objectives.optimizers import bound, preconditioner
from descent.kit.history import REMEMBERED, History
from descent.lessons import read_lesson
from tiny import Parabola, ParabolaKnobs


def looked(**knobs: float) -> tuple[Parabola, Effects, ParabolaKnobs]:
    values = ParabolaKnobs(**knobs)
    experiment = Parabola(0, torch.device("cpu"))
    experiment.build(values)
    return experiment, Effects(experiment, Checkpointer(experiment)), values


def last(picture: Lines) -> list[float]:
    return picture.values[0, :, -1].tolist()


def test_the_anatomy_of_a_step_on_a_parabola_is_exact():
    _, effects, knobs = looked(lr=0.1)
    gradient, step = np.array([4.0, 2.0]), -0.1 * np.array([4.0, 2.0])
    first, second = gradient @ step, step @ (np.array([4.0, 1.0]) * step) / 2
    picture = effects.look("anatomy", knobs)
    assert last(picture) == pytest.approx([first, first + second, first + second], rel=1e-5)
    assert picture.notes == ["ΔL ≈ ∇L·Δθ + ½ΔθᵀHΔθ = (−2) + 0.34 = (−1.66),  ΔL = (−1.66)"]


def test_the_step_is_the_optimizers_own_with_its_momentum():
    experiment, effects, knobs = looked(lr=0.1, momentum=0.9)
    experiment.step(knobs)
    experiment.step_index += 1
    coming = effects._steps(knobs)[""].step[0].clone()
    before = experiment.x.detach().clone()
    experiment.step(knobs)
    assert torch.equal(experiment.x.detach() - before, coming)


@pytest.mark.parametrize("panel", PANELS)
def test_looking_changes_nothing_of_the_training(panel):
    alone, _, knobs = looked(lr=0.1, momentum=0.9)
    watched, effects, _ = looked(lr=0.1, momentum=0.9)
    for _ in range(5):
        effects.look(panel, knobs)
        for experiment in (alone, watched):
            experiment.step(knobs)
            experiment.step_index += 1
    assert torch.equal(alone.x, watched.x)


def test_what_if_marks_the_present_the_best_and_the_critical_rate():
    experiment, effects, knobs = looked(lr=0.1)
    with torch.no_grad():
        experiment.x[1] = 0  # along one axis the critical rate is 2 / curvature
    marks = dict(effects.look("what_if", knobs).marks[0])
    assert marks["now"] == 0.1
    assert marks["best for this one step"] == pytest.approx(1 / 4, rel=0.2)  # the rates are a third apart
    assert marks["critical"] == pytest.approx(2 / 4, rel=0.1)


def test_a_rate_of_zero_has_no_mark_and_says_nothing_of_rounding():
    _, effects, knobs = looked(lr=0.0)
    picture = effects.look("what_if", knobs)
    assert "now" not in dict(picture.marks[0])
    assert picture.notes == [""]


def test_what_if_and_sharpness_tell_the_same_bound():
    """Momentum's is 2(1 + β)/λ: in the one panel of η, in the other of λ."""
    experiment, effects, knobs = looked(lr=0.1, momentum=0.5)
    measured, look = [], effects._sharpness.look
    effects._sharpness.look = lambda *a, **k: measured.append(look(*a, **k)) or measured[-1]
    for _ in range(3):
        marks = dict(effects.look("what_if", knobs).marks[0])
        value, limit = last(effects.look("sharpness", knobs))
        assert marks["η stable below"] == pytest.approx(0.1 * limit / value, rel=1e-5)
        experiment.step(knobs)
        experiment.step_index += 1
    assert marks["η stable below"] == pytest.approx(2 * 1.5 / 4, rel=0.01)
    assert len(measured) == 3  # once a step, for both


def test_the_best_of_one_step_may_lie_beyond_what_is_stable():
    """Along the flat axis the best single step is 1/1, twice what the steep one bears."""
    experiment, effects, knobs = looked(lr=0.1)
    with torch.no_grad():
        experiment.x[0] = 1e-3
    marks = dict(effects.look("what_if", knobs).marks[0])
    assert marks["best for this one step"] == pytest.approx(1, rel=0.2)
    assert marks["η stable below"] == pytest.approx(2 / 4, rel=0.01)


class Adaptive(Parabola):
    def build(self, knobs):
        super().build(knobs)
        self.optimizer = torch.optim.Adam([self.x], knobs.lr)


def test_an_adaptive_optimizer_has_no_bound_before_it_rescales():
    knobs = ParabolaKnobs(lr=0.01)
    experiment = Adaptive(0, torch.device("cpu"))
    experiment.build(knobs)
    effects = Effects(experiment, Checkpointer(experiment))
    assert "η stable below" not in dict(effects.look("what_if", knobs).marks[0])
    assert math.isnan(last(effects.look("sharpness", knobs))[0])
    experiment.step(knobs)
    experiment.step_index += 1
    (divided,) = preconditioner(experiment.optimizer, [experiment.x])
    steepest = (experiment.curvature / divided).max().item()
    marks = dict(effects.look("what_if", knobs).marks[0])
    assert marks["η stable below"] == pytest.approx(2 * 1.9 / 0.1 / steepest, rel=0.01)


class Raised(Parabola):
    """A parabola on top of a large loss, in which small changes are lost."""

    def loss(self) -> torch.Tensor:
        return super().loss() + 1.0


def test_what_is_lost_in_rounding_is_neither_best_nor_critical():
    knobs = ParabolaKnobs(lr=0.1)
    experiment = Raised(0, torch.device("cpu"))
    experiment.build(knobs)
    effects = Effects(experiment, Checkpointer(experiment))
    assert effects.look("what_if", knobs).notes == [""]
    with torch.no_grad():
        experiment.x.mul_(1e-4)
    experiment.step_index += 1
    picture = effects.look("what_if", knobs)
    assert [name for name, _ in picture.marks[0]] == ["now", "η stable below"]
    assert picture.notes == [BELOW_ROUNDING]


def test_every_word_of_what_if_and_sharpness_is_translated():
    _, effects, knobs = looked(lr=0.1)
    lesson = read_lesson("ko", "effects")
    what_if, sharpness = effects.look("what_if", knobs), effects.look("sharpness", knobs)
    words = {name for name, _ in what_if.marks[0]} | {*what_if.series, *sharpness.series, BELOW_ROUNDING}
    assert words - {"λ"} <= set(lesson.words["words"])


def test_what_is_read_from_a_panel_follows_the_rate_and_is_translated():
    """The parabola's curvature is 4: steps up to ½ are stable."""
    words = read_lesson("ko", "effects").words["words"]
    for lr, text, times in ((0.1, BELOW, "5"), (1.0, ABOVE, "2")):
        _, effects, knobs = looked(lr=lr)
        assert effects.look("what_if", knobs).reading == (text, {"times": times})
        for panel in PANELS:
            reading = effects.look(panel, knobs).reading
            assert reading is None or reading.text in words


def test_sharpness_against_its_bound():
    _, effects, knobs = looked(lr=0.1)
    assert last(effects.look("sharpness", knobs)) == pytest.approx([4, 20], rel=0.01)


def test_a_line_of_values_grows_with_every_look_and_begins_anew_when_the_step_goes_back():
    experiment, effects, knobs = looked(lr=0.1)
    for expected in ([0], [0, 1], [0, 1, 2]):
        assert effects.look("gradient_norms", knobs).x.tolist() == expected
        experiment.step_index += 1
    experiment.step_index = 1
    assert effects.look("gradient_norms", knobs).x.tolist() == [1]


def test_gradients_that_a_panel_shows_are_not_replaced_by_looking():
    experiment, effects, knobs = looked(lr=0.1)
    experiment.step(knobs)
    shown = experiment.x.grad.clone()
    experiment.step_index += 1
    effects.look("anatomy", knobs)
    assert torch.equal(experiment.x.grad, shown)


def test_update_ratios():
    _, effects, knobs = looked(lr=0.1)
    step, weights = 0.1 * math.hypot(4, 2), math.hypot(1, 2)
    assert last(effects.look("update_ratios", knobs)) == pytest.approx([step / weights])


def test_the_slope_turns_round_above_one_over_the_curvature():
    """Along an axis of curvature c the slope after the step is (1 − ηc) times the one before."""
    for lr, sign in ((0.2, 1), (0.3, -1)):
        experiment, effects, knobs = looked(lr=lr)
        with torch.no_grad():
            experiment.x.copy_(torch.tensor([1.0, 0.0]))
        assert last(effects.look("turn", knobs)) == pytest.approx([sign])


def test_silent_units_are_those_without_a_gradient_on_several_batches():
    layer, out = nn.Linear(2, 8), nn.Linear(8, 1)
    with torch.no_grad():
        layer.bias[:3] = -100.0
        layer.bias[3:] = 100.0

    def loss():
        return out(layer(torch.randn(16, 2)).relu()).square().mean()

    optimizer = torch.optim.SGD([*layer.parameters(), *out.parameters()], 0.01)
    layers = {"hidden": list(layer.parameters()), "output": list(out.parameters())}

    class Dying(Parabola):
        def objectives(self, knobs):
            return {"": Objective(loss, optimizer.param_groups[0]["params"], optimizer, layers)}

    experiment = Dying(0, torch.device("cpu"))
    experiment.build(ParabolaKnobs())
    effects = Effects(experiment, Checkpointer(experiment))
    for _ in range(SILENT_OVER):
        picture = effects.look("silent_units", ParabolaKnobs())
        experiment.step_index += 1
    assert picture.series == ["hidden"]
    assert last(picture) == [3 / 8]


def test_a_full_history_forgets_every_other_look():
    history = History()
    for step in range(REMEMBERED + 1):
        history.add(step, np.array([[float(step)]]))
    steps, values = history.columns()
    assert len(steps) == REMEMBERED // 2 + 1
    assert steps.tolist() == values[0, 0].tolist()
    assert (steps[0], steps[-1]) == (0, REMEMBERED)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda p: torch.optim.SGD(p, 0.1), 20),
        (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), 38),
        (lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, nesterov=True), 38 / 2.8),
        (lambda p: torch.optim.Adam(p, 0.1), 380),
        (lambda p: torch.optim.RMSprop(p, 0.1), 20),
        (lambda p: torch.optim.SGD(p, 0.0), math.inf),
    ],
)
def test_the_bound_of_each_optimizer(make, expected):
    assert bound(make([nn.Parameter(torch.zeros(1))])) == pytest.approx(expected)


@pytest.mark.parametrize(("part", "converges"), [(0.98, True), (1.02, False)])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.slow
def test_momentum_is_stable_just_under_its_bound_and_not_above(part, converges, nesterov):
    x = nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([x], 1.0, momentum=0.9, nesterov=nesterov)
    optimizer.param_groups[0]["lr"] = part * bound(optimizer) / 5  # the curvature is 5
    for _ in range(2000):
        optimizer.zero_grad()
        (5 * x * x / 2).sum().backward()
        optimizer.step()
    assert (abs(x.item()) < 1e-3) is converges


def test_the_preconditioner_is_what_the_optimizer_divides_by():
    for make in (
        lambda p: torch.optim.Adam(p, 0.1),
        lambda p: torch.optim.RMSprop(p, 0.1),
        lambda p: torch.optim.Adagrad(p, 0.1),
    ):
        x = nn.Parameter(torch.tensor([3.0, -2.0], dtype=torch.float64))
        optimizer = make([x])
        before = x.detach().clone()
        (x * x).sum().backward()
        gradient = x.grad.clone()
        optimizer.step()
        (divided,) = preconditioner(optimizer, [x])
        assert torch.allclose(before - x.detach(), 0.1 * gradient / divided)


def test_plain_descent_has_no_preconditioner():
    x = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([x], 0.1, momentum=0.9)
    x.sum().backward()
    optimizer.step()
    assert preconditioner(optimizer, [x]) is None


def test_a_look_that_is_given_up_changes_nothing_and_the_next_one_is_the_same():
    whole, untouched, knobs = looked(lr=0.1, momentum=0.9)
    experiment, _, _ = looked(lr=0.1, momentum=0.9)
    left = 0

    def pressed() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    effects = Effects(experiment, Checkpointer(experiment), pressed=pressed)
    for panel in PANELS:
        for allowed in (0, 1, 2):
            left = allowed
            before = experiment.x.detach().clone(), torch.get_rng_state()
            try:
                effects.look(panel, knobs)
            except GaveUp:
                assert torch.equal(experiment.x, before[0])
                assert torch.equal(torch.get_rng_state(), before[1])
        left = 1000
        kept, expected = effects.look(panel, knobs), untouched.look(panel, knobs)
        np.testing.assert_array_equal(kept.values[..., -1], expected.values[..., -1])
    assert torch.equal(experiment.x, whole.x)
