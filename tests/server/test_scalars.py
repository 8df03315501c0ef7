import math

import pytest
import torch

from descent.engine.scalars import ScalarBatch

both = pytest.mark.parametrize("deferred", [False, True], ids=["at once", "deferred"])


def filled(deferred, *rows):
    batch = ScalarBatch(deferred=deferred)
    known = [batch.add(row) for row in rows]
    return batch, known


@both
def test_rows_become_columns(deferred):
    batch, _ = filled(deferred, {"a": 1.0, "b": torch.tensor(2.0)}, {"a": 3, "b": torch.tensor(4.0)})
    assert batch.take(9) == (range(7, 9), {"a": [1, 3], "b": [2, 4]}, {})


@both
def test_a_scalar_that_was_not_measured_is_nan_and_does_not_count_as_bad(deferred):
    batch, _ = filled(deferred, {"a": 1.0}, {"a": 2.0, "rare": torch.tensor(9.0)}, {"a": 3.0})
    steps, columns, bad = batch.take(3)
    assert steps == range(3)
    assert columns["a"] == [1, 2, 3]
    assert columns["rare"][1] == 9
    assert math.isnan(columns["rare"][0])
    assert math.isnan(columns["rare"][2])
    assert bad == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_a_value_that_float32_cannot_hold_is_known_at_once_on_a_cpu(value):
    batch, known = filled(False, {"a": 1.0}, {"a": torch.tensor(value, dtype=torch.float64), "b": 1.0})
    assert known == [True, False]
    steps, columns, bad = batch.take(2)
    assert steps == range(2)
    assert len(columns["a"]) == len(columns["b"]) == 2
    assert list(bad) == ["a"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e39])
def test_where_reading_is_deferred_the_batch_ends_with_the_first_row_float32_cannot_hold(value):
    batch, _ = filled(True, {"a": 1.0}, {"a": torch.tensor(value, dtype=torch.float64), "b": 1.0}, {"a": 2.0})
    steps, columns, bad = batch.take(3)
    assert steps == range(2)
    assert len(columns["a"]) == len(columns["b"]) == 2
    assert list(bad) == ["a"]


@both
def test_a_scalar_of_an_earlier_batch_has_no_column_in_a_later_one(deferred):
    batch, _ = filled(deferred, {"a": 1.0, "rare": 2.0})
    batch.take(1)
    batch.add({"a": 3.0})
    batch.add({"a": 4.0})
    assert batch.take(3) == (range(1, 3), {"a": [3, 4]}, {})


@both
def test_a_taken_batch_is_empty(deferred):
    batch, _ = filled(deferred, {"a": 1.0})
    batch.take(1)
    assert len(batch) == 0


def test_deferred_tensors_are_not_read_before_the_batch_is_taken():
    value = torch.tensor(1.0)
    batch, _ = filled(True, {"a": value})
    value.fill_(7)
    assert batch.take(1)[1] == {"a": [7]}


def test_a_row_that_cannot_be_read_leaves_the_batch_whole():
    batch, _ = filled(False, {"a": 1.0})
    with pytest.raises(RuntimeError):
        batch.add({"a": torch.zeros(2)})
    assert batch.take(1) == (range(1), {"a": [1.0]}, {})


@both
@pytest.mark.parametrize("index", [(), 0])
def test_a_scalar_that_is_part_of_the_model_is_kept_as_it_was_after_its_step(deferred, index):
    weight = torch.nn.Parameter(torch.ones(()) if index == () else torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    batch = ScalarBatch(deferred=deferred)
    for _ in range(3):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        batch.add({"weight": weight[index].detach()})
    assert batch.take(3)[1] == {"weight": [0.5, 0.0, -0.5]}
