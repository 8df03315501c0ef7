"""Scalars of a long run in few numbers: of each bucket of steps the least, the greatest and the mean value.

A bucket's width in steps is a power of two, and it begins at a multiple of that, so that two neighbours
make one of twice the width, and nothing need be read twice. Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Columns = Mapping[str, np.ndarray]


@dataclass
class Values:
    """One scalar's `low`, `high` and `mean`, float32 (n,), NaN where none was measured; `count`, int32 (n,):
    how many were; `low_first`, uint8 (n,): whether the least came before the greatest.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    count: np.ndarray
    low_first: np.ndarray


PARTS = tuple(Values.__dataclass_fields__)


@dataclass
class Buckets:
    """`first` and `last`, int64 (n,): the steps each bucket is of; `values`: by name."""

    first: np.ndarray
    last: np.ndarray
    values: dict[str, Values] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, steps: np.ndarray, columns: Columns) -> Buckets:
        """One bucket for each step. What is not finite counts as not measured."""
        values = {}
        for name, column in columns.items():
            finite = np.where(np.isfinite(column), column, np.nan).astype(np.float32)
            count = np.isfinite(finite).astype(np.int32)
            values[name] = Values(finite, finite, finite, count, np.ones(len(steps), np.uint8))
        return cls(steps, steps, values)

    @classmethod
    def joined(cls, parts: Sequence[Buckets]) -> Buckets:
        """Consecutive buckets in one piece."""
        names = dict.fromkeys(name for part in parts for name in part.values)
        values = {
            name: Values(
                *(
                    np.concatenate([getattr(part.values.get(name, _none(len(part))), of) for part in parts])
                    for of in PARTS
                )
            )
            for name in names
        }
        empty = [np.zeros(0, np.int64)]
        first = np.concatenate([part.first for part in parts] or empty)
        return cls(first, np.concatenate([part.last for part in parts] or empty), values)

    def widened(self, width: int) -> Buckets:
        """These buckets joined to a width of `width` steps; none may be wider already."""
        if not len(self):
            return self
        number = self.first // width
        starts = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
        ends = np.append(starts[1:], len(self)) - 1
        group = np.repeat(np.arange(len(starts)), ends - starts + 1)
        values = {name: _merged(one, starts, group) for name, one in self.values.items()}
        return Buckets(self.first[starts], self.last[ends], values)

    def part(self, some: slice) -> Buckets:
        """A slice of the buckets."""
        values = {
            name: Values(*(getattr(one, of)[some] for of in PARTS)) for name, one in self.values.items()
        }
        return Buckets(self.first[some], self.last[some], values)

    def rows(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Rows like those of any scalars: steps, int64 (m,), and a float32 (m,) per name.

        A bucket of more than two steps has three rows: at its first and its last step the least and the
        greatest value, in the order in which they came, and between them the mean.
        """
        rows = np.clip(self.last - self.first + 1, 1, 3)
        of = np.repeat(np.arange(len(self)), rows)
        place = np.arange(len(of)) - np.repeat(np.cumsum(rows) - rows, rows)
        begin, end = place == 0, place == rows[of] - 1
        first, last = self.first[of], self.last[of]
        steps = np.where(begin, first, np.where(end, last, first + (last - first) // 2))
        columns = {}
        for name, one in self.values.items():
            low, high, mean = one.low[of], one.high[of], one.mean[of]
            ahead = one.low_first[of] != 0
            lone = one.count[of] == 1  # stands once
            outer = np.where(begin == ahead, low, high)
            outer = np.where(lone & (rows[of] == 3), np.float32(np.nan), outer)
            outer = np.where(lone & (rows[of] == 2) & ~begin, np.float32(np.nan), outer)
            columns[name] = np.where((begin & end) | ~(begin | end), mean, outer)
        return steps, columns

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it by name, for `from_arrays`."""
        parts = {f"{of}/{name}": getattr(one, of) for name, one in self.values.items() for of in PARTS}
        return {"first": self.first, "last": self.last, **parts}

    @classmethod
    def from_arrays(cls, arrays: Columns) -> Buckets:
        """The inverse of `arrays`."""
        names = [name.removeprefix("low/") for name in arrays if name.startswith("low/")]
        values = {name: Values(*(arrays[f"{of}/{name}"] for of in PARTS)) for name in names}
        return cls(arrays["first"], arrays["last"], values)


def _none(n: int) -> Values:
    nan = np.full(n, np.nan, np.float32)
    return Values(nan, nan, nan, np.zeros(n, np.int32), np.ones(n, np.uint8))


def _merged(one: Values, starts: np.ndarray, group: np.ndarray) -> Values:
    low = np.fmin.reduceat(one.low, starts)
    high = np.fmax.reduceat(one.high, starts)
    count = np.add.reduceat(one.count, starts)
    total = np.add.reduceat(np.where(one.count > 0, one.mean.astype(np.float64) * one.count, 0.0), starts)
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    place = np.arange(len(group))
    low_at = np.minimum.reduceat(np.where(one.low == low[group], place, len(group)), starts)
    high_at = np.minimum.reduceat(np.where(one.high == high[group], place, len(group)), starts)
    within = one.low_first[np.minimum(low_at, len(group) - 1)] != 0
    low_first = (low_at < high_at) | ((low_at == high_at) & within)
    return Values(low, high, mean, count.astype(np.int32), low_first.astype(np.uint8))


class Thinner:
    """Takes in scalars, however many, and gives at most `points` rows of them: all, or buckets."""

    def __init__(self, points: int) -> None:
        self._points = points
        self._most = max(1, points // 3)  # buckets
        self._exact: list[tuple[np.ndarray, Columns]] | None = []
        self._waiting: list[Buckets] = []
        self._rows = 0
        self.width = 1

    def add(self, steps: np.ndarray, columns: Columns) -> None:
        """Add the scalars of further steps."""
        self._rows += len(steps)
        if self._exact is not None:
            self._exact.append((steps, columns))
            if self._rows <= self._points:
                return
            self._waiting = [Buckets.of(*some) for some in self._exact]
            self._exact = None
        else:
            self._waiting.append(Buckets.of(steps, columns).widened(self.width))
        if sum(map(len, self._waiting)) > 4 * self._most:
            self._fit()

    def _fit(self) -> None:
        found = Buckets.joined(self._waiting)
        while len(found) > self._most:
            self.width *= 2
            found = found.widened(self.width)
        self._waiting = [found]

    def rows(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """All scalars so far, in at most `points` rows."""
        if self._exact is not None:
            return join(self._exact)
        self._fit()
        return self._waiting[0].rows()


def join(parts: Sequence[tuple[np.ndarray, Columns]]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Steps and columns of consecutive parts in one piece, NaN where none was measured."""
    if not parts:
        return np.zeros(0, np.int64), {}
    names = dict.fromkeys(name for _, columns in parts for name in columns)
    columns = {
        name: np.concatenate(
            [part.get(name, np.full(len(steps), np.nan, np.float32)) for steps, part in parts]
        )
        for name in names
    }
    return np.concatenate([steps for steps, _ in parts]), columns
