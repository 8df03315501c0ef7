import math

import pytest

from descent.contract import Experiment, Grid, KnobError, live
from descent.errors import BadKnob, FixedKnob
from descent.runs.knobs import check
from tiny import Tiny, TinyKnobs, entry_of

TINY = entry_of(Tiny)
DEFAULTS = {"lr": 0.1, "word": "a", "size": 3}


def test_values_go_over_the_defaults():
    assert check(TINY, {"lr": 0.5}) == DEFAULTS | {"lr": 0.5}


def test_values_go_over_those_before():
    assert check(TINY, {"lr": 0.5}, before=DEFAULTS | {"word": "b"}) == DEFAULTS | {"word": "b", "lr": 0.5}


def test_a_whole_number_will_do_for_a_real_one():
    assert check(TINY, {"lr": 1})["lr"] == 1.0


@pytest.mark.parametrize(
    ("knob", "value", "message"),
    [
        ("lr", -1, "greater than or equal to 0"),
        ("lr", 1e10, "less than or equal to 1000000000"),
        ("lr", math.nan, "finite number"),
        ("lr", math.inf, "finite number"),
        ("lr", "0.1", "valid number"),
        ("lr", None, "valid number"),
        ("lr", True, "valid number"),
        ("lr", [0.1], "valid number"),
        ("lr", {"x": 1}, "valid number"),
        ("word", 3, "valid string"),
        ("word", "x" * 1000, "at most 10 characters"),
        ("size", 11, "less than or equal to 10"),
        ("size", 2.5, "valid integer"),
        ("size", "3", "valid integer"),
        ("size", 10**40, "less than or equal to 10"),
    ],
)
def test_a_bad_value_is_refused_naming_knob_and_value(knob, value, message):
    with pytest.raises(BadKnob) as refused:
        check(TINY, {knob: value})
    assert refused.value.field == knob
    assert refused.value.detail.startswith(f"{knob}: ")
    assert message in refused.value.detail
    assert repr(value)[:40] in refused.value.detail
    assert len(refused.value.detail) < 300
    assert refused.value.params["reason"]


def test_an_unknown_knob_is_refused_naming_those_there_are():
    with pytest.raises(BadKnob, match="tiny has no knob 'speed'; it has lr, word, size") as refused:
        check(TINY, {"speed": 1})
    assert refused.value.field == "speed"


def test_a_fixed_knob_cannot_change_while_a_run_goes_on():
    with pytest.raises(FixedKnob, match="size is fixed") as refused:
        check(TINY, {"size": 4}, before=DEFAULTS)
    assert refused.value.field == "size"


def test_a_fixed_knob_may_be_named_with_the_value_it_has():
    assert check(TINY, {"size": 3, "lr": 0.2}, before=DEFAULTS)["lr"] == 0.2


def test_text_that_is_no_unicode_is_refused():
    with pytest.raises(BadKnob):
        check(TINY, {"word": "\ud800"})


class GridKnobs(TinyKnobs):
    """A matrix of one or two rows, and one to three columns."""

    kernel: Grid = live([[1, 2]], name="Kernel", help="", grid=((1, 2), (1, 3)), range=(-2, 2))


class Gridded(Tiny, Experiment[GridKnobs]):
    """It steps as before."""


def test_a_matrix_may_change_its_shape_within_its_limits():
    entry = entry_of(Gridded)
    for kernel in ([[1.0, 2.0]], [[-2.0]], [[0.0, 1.0, 2.0], [0.5, 0.5, 0.5]]):
        assert check(entry, {"kernel": kernel})["kernel"] == kernel
    assert check(entry, {})["kernel"] == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ([[1, 2], [1]], "as many numbers as the first"),
        ([[1], [1], [1]], "1 to 2 rows of 1 to 3 numbers, not 3 of 1"),
        ([[]], "not 1 of 0"),
        ([], "not 0 of 0"),
        ([[0, 3]], "row 1, column 2: use a number from -2 to 2"),
        ([[math.inf]], "finite number"),
        ([["1"]], "valid number"),
        (3, "valid array"),
    ],
)
def test_a_bad_matrix_is_refused_naming_the_number(kernel, message):
    with pytest.raises(BadKnob, match="kernel") as refused:
        check(entry_of(Gridded), {"kernel": kernel})
    assert refused.value.field == "kernel"
    assert message in refused.value.detail
    assert len(refused.value.detail) < 300


class PickyKnobs(TinyKnobs):
    """Two knobs that must fit together."""

    other: str = live("a", name="Other", help="The same as word.")

    def model_post_init(self, context):
        if self.other != self.word:
            raise KnobError("other", "it must be {word}, the same as word", word=self.word)


class Picky(Tiny, Experiment[PickyKnobs]):
    """Its knobs must fit together."""


def test_knobs_that_do_not_fit_together_are_refused_in_the_experiments_words():
    with pytest.raises(BadKnob, match=r"^other: it must be b, the same as word$") as refused:
        check(entry_of(Picky), {"word": "b"})
    assert refused.value.field == "other"
    message = "it must be {word}, the same as word"
    assert refused.value.params == {"reason": "refused", "message": message, "word": "b"}
    assert check(entry_of(Picky), {"word": "b", "other": "b"})["other"] == "b"
