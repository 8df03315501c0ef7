import math

import pytest
import torch

from descent.engine.scalars import ScalarBatch

both = pytest.mark.parametrize("deferred", [False, True], ids=["at once", "deferred"])


def filled(deferred, *rows):
    batch = ScalarBatch(deferred=deferred)
    known = [batch.add(step, row) for step, row in enumerate(rows)]
    return batch, known


@both
def test_rows_become_columns(deferred):
    batch, _ = filled(deferred, {"a": 1.0, "b": torch.tensor(2.0)}, {"a": 3, "b": torch.tensor(4.0)})
    assert batch.take() == ([0, 1], {"a": [1, 3], "b": [2, 4]}, {})


@both
def test_a_scalar_that_was_not_measured_is_nan_and_does_not_count_as_bad(deferred):
    batch, _ = filled(deferred, {"a": 1.0}, {"a": 2.0, "rare": torch.tensor(9.0)}, {"a": 3.0})
    steps, columns, bad = batch.take()
    assert steps == [0, 1, 2]
    assert columns["a"] == [1, 2, 3]
    assert columns["rare"][1] == 9
    assert math.isnan(columns["rare"][0])
    assert math.isnan(columns["rare"][2])
    assert bad == {}


@both
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_the_first_row_float32_cannot_hold_ends_the_batch(deferred, value):
    batch, known = filled(
        deferred, {"a": 1.0}, {"a": torch.tensor(value, dtype=torch.float64), "b": 1.0}, {"a": 2.0}
    )
    steps, columns, bad = batch.take()
    assert steps == [0, 1]
    assert len(columns["a"]) == 2
    assert list(bad) == ["a"]
    assert known == ([True] * 3 if deferred else [True, False, True])


@both
def test_a_taken_batch_is_empty(deferred):
    batch, _ = filled(deferred, {"a": 1.0})
    batch.take()
    assert len(batch) == 0


def test_deferred_tensors_are_not_read_before_the_batch_is_taken():
    value = torch.tensor(1.0)
    batch, _ = filled(True, {"a": value})
    value.fill_(7)
    assert batch.take()[1] == {"a": [7]}


def test_a_row_that_cannot_be_read_leaves_the_batch_whole():
    batch, _ = filled(False, {"a": 1.0})
    with pytest.raises(RuntimeError):
        batch.add(1, {"a": torch.zeros(2)})
    assert batch.take() == ([0], {"a": [1.0]}, {})
