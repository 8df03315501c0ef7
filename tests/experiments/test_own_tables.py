"""Experiments that train on columns of a table of the learner's own."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import driving
from descent.contract import Experiment, KnobError
from descent.datasets.own import OwnFiles
from descent.engine.observe import look
from descent.experiments.optimisation.linear_regression import LinearRegression
from descent.experiments.training.neural_playground import NeuralPlayground
from descent.kit.data import columns as kit
from descent.registry import experiments

Bring = Callable[[str], dict[str, Any]]
ROWS = 60
HEAD = "날짜,이름,키 (cm),몸무게,성별,반"


def table(rows: int = ROWS, missing: tuple[int, ...] = ()) -> str:
    """Weight rises by 0.9 kg per cm; who is above 170 cm is 남, three classes take turns."""
    lines = [HEAD]
    for row in range(rows):
        height = 150 + 40 * row / (rows - 1)
        weight = "" if row in missing else f"{60 + 0.9 * (height - 170) + (row % 5 - 2):.2f}"
        sex, group = ("남" if height > 170 else "여"), "가나다"[row % 3]
        lines.append(f"2024-01-{1 + row % 28:02},학생,{height:.2f},{weight},{sex},{group}")
    return "\n".join(lines)


@pytest.fixture
def bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bring:
    monkeypatch.setenv("DESCENT_DATA", str(tmp_path))

    def bring(text: str) -> dict[str, Any]:
        return {"file": OwnFiles(tmp_path, most=9).add("표.csv", "table", text.encode("cp949")).id}

    return bring


def plane(**knobs: Any) -> tuple[NeuralPlayground, Any]:
    return driving.built(NeuralPlayground, **{"dataset": "file", **knobs})


def line(**knobs: Any) -> tuple[LinearRegression, Any]:
    return driving.built(LinearRegression, **{"data": "file", **knobs})


def assert_all_drawn(experiment: Experiment[Any], knobs: Any) -> None:
    entry = next(one for one in experiments().values() if one.cls is type(experiment))
    for name, panel in entry.panels.items():
        if panel.kind != "scalars" and not panel.group:
            assert look(experiment, knobs, name) is not None


# The playground


def test_two_columns_are_the_axes_and_a_third_the_class(bring: Bring) -> None:
    experiment, knobs = plane(**bring(table(missing=(3, 4))))  # 성별 alone has two values
    picture: Any = look(experiment, knobs, "decision_map")
    assert picture.axes == ("키 (cm)", "몸무게")
    assert len(picture.points) == ROWS - 2
    remarks = {note.text: note.values for note in picture.remarks}
    assert remarks[kit.LEFT_OUT] == {"count": 2}
    (told,) = (values for values in remarks.values() if "positive" in values)
    assert told == {"name": "성별", "positive": "여", "negative": "남"}
    # Who is above 170 cm is 남, so −1: the place of 170 cm, read off the axis' units, parts the classes.
    low, high = picture.units[0]
    x = low + (picture.points[:, 0] + 6) / 12 * (high - low)  # cm
    assert ((x > 170) == (picture.labels < 0)).all()
    assert picture.points.abs().max() < 6
    assert picture.points[:, 0].mean().item() == pytest.approx(0, abs=1e-5)
    last = driving.latest(driving.take(experiment, knobs, 300))
    assert last["acc/train"] > 0.9
    assert_all_drawn(experiment, knobs)
    confusion: Any = look(experiment, knobs, "confusion")
    assert list(confusion.rows) == ["남", "여"]
    assert experiment.steps_per_epoch(knobs) == math.ceil((ROWS - 2) // 2 / 10)


def test_one_of_many_classes_is_told_from_the_rest(bring: Bring) -> None:
    file = bring(table())
    with pytest.raises(KnobError, match="“반” has 3 values, “가”, “나”, “다”") as caught:
        plane(**file, label_column="반")
    assert caught.value.knob == "one_class"
    experiment, _ = plane(**file, label_column="반", one_class="나")
    assert int((experiment.targets > 0).sum()) == ROWS // 3
    assert experiment.source.classes == ("≠ 나", "나")


def test_numbers_may_stand_for_two_classes(bring: Bring) -> None:
    text = "a,b,합격\n" + "\n".join(f"{n},{n % 7},{int(n > 20)}" for n in range(40))
    experiment, _ = plane(**bring(text))
    assert experiment.source.classes == ("0", "1")
    assert int((experiment.targets > 0).sum()) == 19


def test_a_number_is_regression_between_its_least_and_greatest(bring: Bring) -> None:
    text = "a,b,c\n" + "\n".join(f"{n},{n % 7},{100 + 2 * n}" for n in range(51))
    experiment, knobs = plane(**bring(text), dataset="file-regression")
    labels = experiment.samples.labels[:, 0]
    assert (labels.min(), labels.max()) == (-1, 1)
    (told,) = (note.values for note in experiment.source.remarks)
    assert told == {"name": "c", "low": "100", "high": "200"}
    assert driving.latest(driving.take(experiment, knobs, 200))["loss/train"] < 0.05
    assert_all_drawn(experiment, knobs)


def test_of_too_many_rows_a_seeds_draw_is_used(bring: Bring) -> None:
    file = bring(table(700))
    experiment, knobs = plane(**file, label_column="성별")
    assert len(experiment.samples.points) == 500
    picture: Any = look(experiment, knobs, "decision_map")
    assert (kit.SAMPLED, {"count": 500, "rows": 700}) in [
        (note.text, note.values) for note in picture.remarks
    ]
    again, _ = plane(**file, label_column="성별")
    other, _ = plane(**file, label_column="성별", seed=1)
    assert torch.equal(experiment.samples.points, again.samples.points)
    assert not torch.equal(experiment.samples.points, other.samples.points)


@pytest.mark.parametrize(
    ("knobs", "knob", "said"),
    [
        (
            {"x1_column": "성별"},
            "x1_column",
            "“성별” holds words, no numbers; choose one of “키 (cm)”, “몸무게”",
        ),
        ({"x2_column": "날짜"}, "x2_column", "“날짜” holds dates; choose one of “키 (cm)”, “몸무게”"),
        ({"x1_column": "키"}, "x1_column", "no column “키”; choose one of “키 (cm)”, “몸무게”"),
        ({"label_column": "이름"}, "label_column", "“이름” is “학생” in every row; two classes are needed"),
        ({"label_column": "날짜"}, "label_column", "“날짜” holds dates"),
        (
            {"x1_column": "키 (cm)", "x2_column": "키 (cm)", "label_column": "몸무게"},
            "label_column",
            "“몸무게” has 60 different numbers, so it is no class",
        ),
        (
            {"label_column": "성별", "one_class": "녀"},
            "one_class",
            "“성별” has no value “녀”; it has “남”, “여”",
        ),
        (
            {"dataset": "file-regression"},
            "label_column",
            "no other column of numbers beside “키 (cm)”, “몸무게”",
        ),
        (
            {"dataset": "file-regression", "label_column": "성별"},
            "label_column",
            "“성별” holds words, no numbers",
        ),
    ],
)
def test_what_is_no_such_column_is_told_at_its_knob(
    bring: Bring, knobs: dict[str, Any], knob: str, said: str
) -> None:
    with pytest.raises(KnobError) as caught:
        plane(**bring(table()), **knobs)
    assert caught.value.knob == knob
    assert said in str(caught.value)


def test_rows_that_are_all_incomplete_are_told_with_their_columns(bring: Bring) -> None:
    text = "a,b,label\n" + "\n".join(f"{n},,x" if n % 2 else f",{n},y" for n in range(30))
    with pytest.raises(
        KnobError, match="0 of 30 rows have a value in each of “a”, “b”, “label”; 10 are needed"
    ):
        plane(**bring(text))
    with pytest.raises(KnobError, match="5 of 5 rows"):
        plane(**bring(table(5)), label_column="성별")


# The line


def test_a_line_follows_two_columns_in_their_units(bring: Bring) -> None:
    experiment, knobs = line(**bring(table(missing=(0,))), lr=0.1)
    driving.take(experiment, knobs, 200)
    picture: Any = look(experiment, knobs, "fit")
    assert (picture.x_label, picture.y_label) == ("키 (cm)", "몸무게")
    assert [(note.text, note.values) for note in picture.remarks] == [(kit.LEFT_OUT, {"count": 1})]
    batch = picture.values[0, 0]  # y at both ends of x
    slope = float(batch[1] - batch[0]) / float(picture.x[1] - picture.x[0])
    assert slope == pytest.approx(0.9, abs=0.01)  # kg per cm, though x was standardised
    assert knobs.scaled
    assert_all_drawn(experiment, knobs)


def test_the_columns_of_the_line_are_chosen(bring: Bring) -> None:
    experiment, _ = line(**bring(table()), x_column="몸무게", y_column="키 (cm)")
    assert experiment.pairs.names == ("몸무게", "키 (cm)")
    assert experiment.pairs.y.max() == pytest.approx(190)
    empty, _ = line(**bring(table()), y_column="키 (cm)")
    assert empty.pairs.names == ("몸무게", "키 (cm)")


@pytest.mark.parametrize(
    ("text", "knobs", "knob", "said"),
    [
        (table(), {"y_column": "성별"}, "y_column", "“성별” holds words, no numbers; choose one of"),
        (table(), {"x_column": "height"}, "x_column", "no column “height”"),
        ("a\n" + "\n".join(map(str, range(20))), {}, "y_column", "no other column of numbers beside “a”"),
        (
            "a,b\n" + "\n".join(f"3,{n}" for n in range(20)),
            {},
            "y_column",
            "“a” is the same in all rows that can be used",
        ),
        (
            "a,b\n" + "\n".join(f"{n}e12,{n}" for n in range(20)),
            {},
            "x_column",
            "“a” has numbers beyond 1e+12",
        ),
    ],
)
def test_what_is_no_line_is_told_at_its_knob(
    bring: Bring, text: str, knobs: dict[str, Any], knob: str, said: str
) -> None:
    with pytest.raises(KnobError) as caught:
        line(**bring(text), **knobs)
    assert caught.value.knob == knob
    assert said in str(caught.value)


def test_the_page_says_every_refusal_in_both_languages() -> None:
    texts = (Path(__file__).parents[2] / "frontend/src/messages/errors.js").read_text(encoding="utf-8")
    raised = {
        ast.unparse(node.args[1])
        for node in ast.walk(ast.parse(inspect.getsource(kit)))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "KnobError"
    }
    messages = [getattr(kit, name) for name in raised - {"message"}] + [kit.WORDED, kit.DATED]
    assert len(messages) >= 11
    for message in messages:
        assert f"'error.file.{message}':" in texts, message
