"""The line: its slopes, its bowl, the three learners, the tables it reads or refuses."""

from __future__ import annotations

import ast
import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from test_contract import messages_in

from descent.contract import KnobError
from descent.engine.observe import look
from descent.errors import BadKnob
from descent.experiments.optimisation.linear_regression import (
    NAMES,
    TRAIL,
    LinearRegression,
    RegressionKnobs,
    by_hand,
    loss_of,
)
from descent.kit.data import points
from descent.kit.data.points import points_of
from descent.kit.nn.line import Line
from descent.kit.text import rough
from descent.registry import experiments
from descent.runs.knobs import check
from driving import built, change, said_of
from driving import take as run


def make(seed: int = 0, **knobs: Any) -> tuple[LinearRegression, RegressionKnobs]:
    return built(LinearRegression, seed, **knobs)


def places(experiment: LinearRegression) -> np.ndarray:
    return np.array([[line.w.item(), line.b.item()] for line in experiment.learners])


# Slopes and bowl


@pytest.mark.parametrize("loss", ["mse", "half"])
def test_the_slopes_by_hand_are_autograds(loss: Any) -> None:
    knobs = RegressionKnobs(loss=loss)
    x, y = torch.randn(2, 20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    line = Line(0.7, -0.3)
    expected = torch.autograd.grad(loss_of(line, x, y, knobs), [line.w, line.b])
    torch.testing.assert_close(by_hand(line, x, y, knobs), expected, rtol=1e-13, atol=1e-14)


def test_each_slip_makes_the_slopes_wrong_in_its_own_way() -> None:
    x, y = torch.tensor([1.0, 2.0, 4.0]).double(), torch.tensor([0.0, 3.0, 1.0]).double()
    line = Line(0.5, 1.0)
    right = by_hand(line, x, y, RegressionKnobs())
    minus = by_hand(line, x, y, RegressionKnobs(derivative="minus"))
    no_x = by_hand(line, x, y, RegressionKnobs(derivative="no-x"))
    assert minus == (-right[0], -right[1])
    assert no_x == (right[1], right[1])


@pytest.mark.slow
def test_slopes_that_are_rounding_are_not_coloured_as_slopes_are() -> None:
    experiment, knobs = make(lr=0.1)
    before = experiment.derivatives(knobs)
    assert before.range is not None
    assert before.range[1] == pytest.approx(float(before.values.detach().abs().max()))
    for _ in range(2000):
        experiment.step(knobs)
    after = experiment.derivatives(knobs)
    assert after.range is not None
    least, most = after.range
    assert least == -most
    assert float(after.values.detach().abs().max()) < 1e-10
    assert float(after.values.detach().abs().max()) < 1e-3 * most


@pytest.mark.parametrize("knobs", [{}, {"data": "hubble"}, {"data": "custom"}, {"standardise": "always"}])
@pytest.mark.parametrize("loss", ["mse", "half"])
def test_the_bowl_is_the_loss(knobs: dict[str, Any], loss: str) -> None:
    experiment, chosen = make(loss=loss, **knobs)
    w, b = np.polyfit(experiment.x.numpy(), experiment.y.numpy(), 1)
    np.testing.assert_allclose(experiment.best, [w, b], rtol=1e-9)
    picture = look(experiment, chosen, "bowl")
    axis = torch.linspace(*picture.x, picture.values.shape[0], dtype=torch.float64)
    for row, column in [(0, 0), (-1, 0), (17, 60)]:
        line = Line(axis[column].item(), axis[row].item())
        expected = loss_of(line, experiment.x, experiment.y, chosen).item()
        assert picture.values[row, column].item() == pytest.approx(expected, rel=1e-9)


def test_batch_follows_the_closed_form_of_a_quadratic() -> None:
    experiment, knobs = make(lr=0.07)
    run(experiment, knobs, 40)
    once = np.eye(2) - 0.07 * experiment.hessian.numpy()
    best = experiment.best.numpy()
    expected = best + np.linalg.matrix_power(once, 40) @ (np.array(knobs.start) - best)
    np.testing.assert_allclose(places(experiment)[0], expected, rtol=1e-9)


@pytest.mark.parametrize("knobs", [{}, {"loss": "half"}, {"offset": 5.0}, {"standardise": "always"}])
def test_batch_converges_below_the_marked_bound_and_diverges_above(knobs: dict[str, Any]) -> None:
    shown = look(*make(**knobs), "shrinking")
    bound = dict(shown.marks[0])["2/λₘₐₓ"]
    below, above = make(lr=0.99 * bound, **knobs), make(lr=1.01 * bound, **knobs)
    before = [
        experiment._above(experiment._places(), chosen)[0].item() for experiment, chosen in (below, above)
    ]
    run(*below, 150)
    run(*above, 150)
    after = [
        experiment._above(experiment._places(), chosen)[0].item() for experiment, chosen in (below, above)
    ]
    assert after[0] < before[0]
    assert after[1] > before[1] or 0 not in above[0].racing


def test_half_the_loss_doubles_the_bound_and_standardising_makes_the_bowl_round() -> None:
    def bound(**knobs: Any) -> float:
        return dict(look(*make(**knobs), "shrinking").marks[0])["2/λₘₐₓ"]

    assert bound(loss="half") == pytest.approx(2 * bound())
    experiment, _ = make(offset=7.0, standardise="always")
    np.testing.assert_allclose(experiment.hessian, 2 * np.eye(2), atol=1e-12)


# The learners


def test_they_look_at_all_at_one_and_at_b_points() -> None:
    experiment, knobs = make(batch_size=7)
    run(experiment, knobs, 60)
    assert experiment.looked_at[:2] == [60 * 60, 60]
    experiment, knobs = make(batch_size=7)
    run(experiment, knobs, 9)  # an epoch: eight batches of 7, one of the 4 left over
    assert experiment.looked_at[2] == 60


def test_the_coloured_points_are_those_the_next_step_looks_at() -> None:
    experiment, knobs = make(batch_size=5)
    run(experiment, knobs, 3)
    dots = look(experiment, knobs, "fit").dots
    (one,) = dots[dots[:, 1] == 1]
    line = experiment.learners[1]
    before = line.w.item(), line.b.item()
    x, y = one[2].item(), one[3].item()
    run(experiment, knobs, 1)
    error = y - before[0] * x - before[1]
    assert line.w.item() == pytest.approx(before[0] + knobs.lr * 2 * error * x)
    assert line.b.item() == pytest.approx(before[1] + knobs.lr * 2 * error)
    assert (dots[:, 1] == 2).sum() == 5


def test_the_scalars_of_batch_are_the_step_it_took() -> None:
    experiment, knobs = make()
    first, second = run(experiment, knobs, 2)
    assert second["w"] == pytest.approx(first["w"] - knobs.lr * first["slope/w"])
    assert second["b"] == pytest.approx(first["b"] - knobs.lr * first["slope/b"])


def test_without_noise_stochastic_comes_to_rest_too() -> None:
    experiment, knobs = make(noise=0.0)
    rows = run(experiment, knobs, 1500)
    assert all(rows[-1][f"loss/{name}"] < 1e-12 for name in NAMES)
    np.testing.assert_allclose(places(experiment), [[2, 1]] * 3, atol=1e-5)


def test_a_new_start_begins_anew_and_a_new_rate_does_not() -> None:
    experiment, knobs = make()
    run(experiment, knobs, 20)
    kept = places(experiment)
    knobs = change(experiment, knobs, lr=0.01)
    assert (places(experiment) == kept).all()
    change(experiment, knobs, start=(3.0, 1.0))
    assert places(experiment).tolist() == [[3.0, 1.0]] * 3
    assert look(experiment, knobs, "bowl").paths.shape == (3, 1, 2)


def test_who_flies_off_is_out_and_after_the_last_the_loss_is_not_finite() -> None:
    experiment, knobs = make(lr=10.0)
    rows = run(experiment, knobs, 20)
    assert all(math.isfinite(value) for row in rows if "w" in row for value in row.values())
    assert rows[-1].keys() == {f"loss/{name}" for name in NAMES}
    assert all(math.isnan(value) for value in rows[-1].values())
    assert look(experiment, knobs, "bowl").out == [True] * 3
    assert experiment.objectives(knobs) == {}


def test_the_path_holds_the_latest_lines_oldest_first() -> None:
    experiment, knobs = make()
    visited = [places(experiment)[1].tolist()]
    for _ in range(TRAIL + 5):
        run(experiment, knobs, 1)
        visited.append(places(experiment)[1].tolist())
    assert look(experiment, knobs, "bowl").paths[1].tolist() == visited[-TRAIL:]


def test_the_cost_of_a_path_is_counted_in_points() -> None:
    experiment, knobs = make()
    rows = run(experiment, knobs, 12)
    picture = look(experiment, knobs, "by_points")
    for i, size in enumerate((60, 1, 8)):
        at = {x: v for x, v in zip(picture.x.tolist(), picture.values[0, i].tolist(), strict=True) if v == v}
        expected = rows[5][f"loss/{NAMES[i]}"] - experiment.floor.item()
        assert at[5 * size] == pytest.approx(expected, rel=1e-6)


def test_the_arrow_is_the_mean_of_what_single_points_want() -> None:
    experiment, knobs = make()
    (row,) = run(experiment, knobs, 1)
    experiment, knobs = make()
    dots = look(experiment, knobs, "singles").dots
    np.testing.assert_allclose(dots[:-1, 2:].mean(0), [row["slope/w"], row["slope/b"]])
    np.testing.assert_allclose(dots[-1, 2:], dots[:-1, 2:].mean(0))


@pytest.mark.parametrize("start", [(-2.0, -2.0), (2.0, 8.0), (-2.0, 8.0), (2.1, 0.8)])
def test_the_arrow_lies_within_its_axes(start: tuple[float, float]) -> None:
    picture = look(*make(start=start), "singles")
    assert (picture.x.diff() >= 0).all()
    assert picture.x[0] < min(picture.dots[:, 2]) < max(picture.dots[:, 2]) < picture.x[-1]


# Tables


@pytest.mark.parametrize(
    "table",
    [
        "x,y\n1,2\n2,3\n4,5",
        "1,2\n2,3\n4,5",
        "\n1 , 2\n\n2,3\n4,5\n\n",
        '"x";"y"\n1;2\n2;3\n4;5',
        "x\ty\n1\t2\n2\t3\n4\t5",
        "1e0,2\n2,+3\n4,5.0",
        "1 2\n 2   3\n4\t5 ",
        "1,2,\n2,3,\n4,5,",
        "x;y;;\n;;;\n1;2;;\n2;3;;\n4;5;;\n;;;",
        "sep=;\n1;2\n2;3\n4;5",
        "\ufeff1,2\n2,3\n4,5",
        "\ufeffhours,score\r\n1,2\r\n2,3\r\n4,5\r\n",
        '"1","2"\n"2","3"\n"4","5"',
        "１，２\n２，３\n４，５",
        "distance (Mpc) velocity (km/s)\n1 2\n2 3\n4 5",
    ],
)
def test_a_table_is_read(table: str) -> None:
    assert points_of(table, "csv") == [(1, 2), (2, 3), (4, 5)]
    assert points_of("1,−2\n2,-3\n4,5", "csv")[0] == (1, -2)


@pytest.mark.parametrize(
    "table",
    [
        "\ufeff0.5,1.25\n1.5,3.75\n2.5,6.25\n3.5,8.75",
        "x;y\n0,5;1,25\n1,5;3,75\n2,5;6,25\n3,5;8,75",
        "x\ty\n0,5\t1,25\n1,5\t3,75\n2,5\t6,25\n3,5\t8,75",
        "0,5 1,25\n1,5 3,75\n2,5 6,25\n3,5 8,75",
        "0,500;1,250\n1,500;3,750\n2,500;6,250\n3,500;8,750",
    ],
)
def test_a_mark_before_the_table_and_decimal_commas_change_no_number(table: str) -> None:
    scaled, _ = make(data="custom", csv=table)
    np.testing.assert_allclose(scaled.best, [2.795085, 5], rtol=1e-6)
    plain, _ = make(data="custom", csv=table, standardise="never")
    np.testing.assert_allclose(plain.best, [2.5, 0], atol=1e-12)


def test_a_table_as_a_program_prints_it_is_read_whole() -> None:
    rows = "\n".join(f"{i:.18e},{2 * i:.18e}" for i in range(450))
    assert len(rows) > 20_000
    experiment, _ = make(data="custom", csv=rows)
    assert len(experiment.x) == 450


def test_a_table_too_long_for_its_box_is_refused_with_the_length_it_may_have() -> None:
    with pytest.raises(BadKnob) as refused:
        check(experiments()["linear-regression"], {"csv": "1,2\n" * 20_000})
    assert refused.value.params["max_length"] == 50_000


ANSCOMBE = "10,8.04 8,6.95 13,7.58 9,8.81 11,8.33 14,9.96 6,7.24 4,4.26 12,10.84 7,4.82 5,5.68"


def test_the_least_squares_line_of_anscombes_first_table_is_his() -> None:
    table = ANSCOMBE.replace(" ", "\n")
    plain, _ = make(data="custom", csv=table, standardise="never")
    np.testing.assert_allclose(plain.best, [0.500091, 3.000091], atol=5e-7)
    assert plain.floor.item() == pytest.approx(1.251154, abs=5e-7)
    scaled, _ = make(data="custom", csv=table)
    np.testing.assert_allclose(scaled.best, [1.581426, 7.500909], atol=5e-7)


def test_an_x_in_large_units_has_an_edge_that_is_named() -> None:
    table = "\n".join(f"{x},{0.1 * x + 0.3:.1f}" for x in range(100))
    experiment, knobs = make(data="custom", csv=table, standardise="never", lr=0.05)
    flat, steep = torch.linalg.eigvalsh(experiment.hessian).tolist()
    assert steep == pytest.approx(6568.49, abs=0.01)
    assert steep / flat == pytest.approx(12945, abs=1)
    shown = look(experiment, knobs, "shrinking")
    assert dict(shown.marks[0])["2/λₘₐₓ"] == pytest.approx(3.0448e-4, abs=5e-9)
    assert "2/λₘₐₓ = 0.0003045" in shown.notes[0]
    run(experiment, knobs, 10)
    assert experiment.racing == []
    below, slow = make(data="custom", csv=table, standardise="never", lr=3e-4)
    rows = run(below, slow, 300)
    assert rows[-1]["loss/batch"] < rows[0]["loss/batch"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("x,y\n1,2\n2,\n3,4\n5,6", "row 3: y is missing"),
        ("x,y\n1,2\n\n,7\n3,4\n5,6", "row 4: x is missing"),
        ("1,2\n2,abc\n3,4", "row 2: y is “abc”"),
        ("1,2\n2,nan\n3,4", "row 2: y is “nan”"),
        ("1,2\n2,inf\n3,4", "row 2: y is “inf”"),
        ("x,y\nn/a,n/a\n1,2\n3,4\n5,6", "row 2: x is “n/a”"),
        ("1,2\n2,3,4\n5,6", "row 2: “2,3,4” can be read in more than one way"),
        ("1\n3\n5", "row 1 has 1 of 2 cells"),
        ("1,2\n3 4\n5,6", "row 2 has 1 of 2 cells"),
        ("date,x,y\n2026-01-02,1,2\n2026-01-03,2,3", "row 2 has 3 of 2 cells"),
        ("1.5,2,3\n1,2,3", "row 1 has 3 of 2 cells"),
        ("NA,1\n1,2\n2,3\n4,5", "row 1: x is “NA”"),
        ("na,nan\n1,2\n2,3\n4,5", "row 1: x is “na”"),
        ("1e400,2\n1,2\n2,3", "row 1: x is “1e400”"),
        ("1_000,2\n1,2\n2,3", "row 1: x is “1_000”"),
        ("0,5,1,25\n1,5,3,75\n2,5,6,25", "row 1: “0,5,1,25” can be read in more than one way"),
        ("1,2\n2,3\n0,5,2\n4,5", "row 3: “0,5,2” can be read in more than one way"),
        ('"1,5","2"\n"2,5","3"\n"3,5","4"', "row 1: x is “1,5”, whose comma can be read in two ways"),
        ("1\t1,234\n2\t5,678\n3\t2,345", "row 1: y is “1,234”, whose comma can be read in two ways"),
        ("1,5;2\n2,5;3.5\n3;4", "row 2: y is “3.5” with a point, but “1,5” in row 1 has a comma"),
        ("1,2\n2,1e9\n3,4", "row 2: y is 1e9, beyond a million"),
        ("x,y\n1,2\n2,3", "it has 2 rows of numbers; give 3 to 500"),
        ("", "it has 0 rows"),
        ("x,y\n5,1\n5,2\n5,3", "x is 5.0 in every row"),
    ],
)
def test_what_is_wrong_with_a_table_is_said_with_its_row(table: str, says: str) -> None:
    with pytest.raises(KnobError) as caught:
        points_of(table, "csv")
    assert says in str(caught.value)
    with pytest.raises(BadKnob) as refused:
        check(experiments()["linear-regression"], {"csv": table})
    assert refused.value.field == "csv"


def test_what_is_said_of_tables_is_translated() -> None:
    words = experiments()["linear-regression"].lessons["ko"].words["words"]
    messages = set(messages_in(ast.parse(inspect.getsource(points))))
    assert len(messages) == 9
    assert messages <= set(words)


def test_the_learners_own_points_are_followed() -> None:
    experiment, _ = make(data="custom", csv="a,b\n0,1\n1,3\n2,5", standardise="never")
    np.testing.assert_allclose(experiment.best, [2, 1], rtol=1e-12)
    assert experiment.floor.item() == pytest.approx(0, abs=1e-25)


def test_moving_the_points_begins_anew_unless_they_are_not_those_shown() -> None:
    for data, steps in (("line", 0), ("hubble", 5)):
        experiment, knobs = make(data=data, lr=0.01)
        run(experiment, knobs, 5)
        change(experiment, knobs, offset=3.0)
        assert experiment.race_steps == steps


def test_a_table_of_large_numbers_is_learned_at_the_default_rate() -> None:
    years = "\n".join(f"{1900 + 10 * i},{30000 + 900 * i + 500 * (-1) ** i}" for i in range(12))
    experiment, knobs = make(data="custom", csv=years)
    run(experiment, knobs, 300)
    np.testing.assert_allclose(experiment._places()[0], experiment.best, rtol=1e-9)
    run(*make(data="custom", csv=years, standardise="never"), 2)  # at once out of reach, but finite


# What is read from the pictures


def test_what_is_said_of_the_race_is_what_the_pictures_show() -> None:
    experiment, knobs = make()
    assert said_of(experiment, knobs, "bowl")[1] == {}  # all at the start
    run(experiment, knobs, 3)
    bowl, said = said_of(experiment, knobs, "bowl")
    above = (bowl.heights[:, -1] - experiment.floor).tolist()
    assert (said["low"], said["least"]) == (NAMES[np.argmin(above)], rough(min(above)))
    assert (said["high"], said["most"]) == (NAMES[np.argmax(above)], rough(max(above)))
    line = experiment.learners[0]
    now = float((line(experiment.x) - experiment.y).detach().square().mean().sqrt())
    best = np.polyval(np.polyfit(experiment.x.numpy(), experiment.y.numpy(), 1), experiment.x.numpy())
    least = float(np.sqrt(np.mean((best - experiment.y.numpy()) ** 2)))
    assert said_of(experiment, knobs, "fit")[1] == {"now": rough(now), "best": rough(least)}
    assert said_of(experiment, knobs, "by_points")[1] == {"batch": 180, "some": 24, "one": 3}
    singles, said = said_of(experiment, knobs, "singles")
    pulls, mean = singles.dots[:-1, 2], singles.dots[-1, 2]
    assert said == {"against": int((pulls.sign() == -mean.sign()).sum()), "all": 60}
    rates, said = said_of(experiment, knobs, "shrinking")
    left = [np.interp(knobs.lr, rates.x.numpy(), row.numpy()) for row in rates.values[0]]
    assert [float(said[name]) for name in ("steep", "flat")] == pytest.approx(100 * np.array(left), rel=0.02)


def test_a_wrong_formula_is_called_wrong_and_who_is_out_is_not_compared() -> None:
    for slip, verdict in (("right", "agree"), ("minus", "wrong"), ("no-x", "wrong")):
        experiment, knobs = make(derivative=slip, lr=0.01)
        run(experiment, knobs, 3)
        assert verdict in look(experiment, knobs, "derivatives").reading.text
    experiment, knobs = make(lr=5.0)
    run(experiment, knobs, 10)
    assert said_of(experiment, knobs, "bowl")[1] == {}
