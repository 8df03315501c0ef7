"""Columns of a learner's own table, chosen by name, and the rows that have all of them.

Every refusal names the column and what to do; its texts are the page's.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from descent.contract import KnobError
from descent.contract.panels import Note
from descent.kit.data.own import own_place, types_of
from descent.kit.data.table import ABSENT, Table, read_table
from descent.kit.text import figure

FEWEST_ROWS = 10
MOST_CODES = 12  # different numbers of a column that may stand for classes
LARGEST_CELL = 1e12
LISTED = 6  # values or columns that a refusal names
LETTERS_SHOWN = 24  # of a value

UNKNOWN_COLUMN = "the table has no column “{name}”; choose one of {columns}"
WORDED = "column “{name}” holds words, no numbers; choose one of {columns}"
DATED = "column “{name}” holds dates; choose one of {columns}"
TOO_FEW_COLUMNS = "the table has no other column of numbers beside {columns}; bring one with more"
HUGE = "column “{name}” has numbers beyond {most}; use a larger unit"
SAME = "column “{name}” is the same in all rows that can be used; choose one that changes"
FEW_ROWS = "{have} of {rows} rows have a value in each of {columns}; {least} are needed: fill cells in"
NO_LABEL = "the table has no column of words; choose the label among {columns}"
ONE_VALUE = "column “{name}” is “{value}” in every row; two classes are needed, so choose another"
NO_CLASSES = "column “{name}” has {count} different numbers, so it is no class; choose regression as data set"
MANY_VALUES = "column “{name}” has {count} values, {values}; name the one to tell from all others"
NO_SUCH_VALUE = "column “{name}” has no value “{value}”; it has {values}"

LEFT_OUT = "Rows left out, as a cell is missing: {count}."
SAMPLED = "{count} of {rows} rows, drawn at random, are used."


class Rows(NamedTuple):
    """`values` (N, K) of rows that have all columns, and `remarks` on those that are left out."""

    values: Tensor
    remarks: Sequence[Note]


class PairedData(NamedTuple):
    """Points (N,) `x` and `y`, the `names` of both, and `remarks` on rows that are left out."""

    x: Tensor
    y: Tensor
    names: tuple[str, str] = ("x", "")
    remarks: Sequence[Note] = ()


class Classes(NamedTuple):
    """`labels` (N,), −1 and 1, NaN where missing, and the `names` of these two classes."""

    labels: Tensor
    names: tuple[str, str]


def own_table(digest: str, folders: Sequence[Path]) -> Table:
    """The table that a learner brought. Raises `KnobError` for the knob `file`."""
    place = own_place(digest, folders, "file")
    return read_table(place.read_bytes(), "file", types_of(place))


def number_column(
    table: Table, name: str, knob: str, taken: Collection[str] = (), *, last: bool = False
) -> str:
    """The column of numbers called `name`; where that is empty, the first, or `last`, that is not `taken`.

    Raises `KnobError` for `knob`.
    """
    if not name:
        free = [one for one in table.names if one not in taken]
        if not free:
            raise KnobError(knob, TOO_FEW_COLUMNS, columns=quoted(table.names))
        return free[-1 if last else 0]
    _need_column(table, name, knob, table.names)
    if table.roles[name] != "number":
        message = DATED if name == table.dates else WORDED
        raise KnobError(knob, message, name=name, columns=quoted(table.names))
    return name


def numbers(table: Table, name: str, knob: str) -> Tensor:
    """A column of numbers (N,), NaN where a cell is missing. Raises `KnobError` for `knob`."""
    values = table.values[:, table.names.index(name)].double()
    if values[~values.isnan()].abs().max() > LARGEST_CELL:
        raise KnobError(knob, HUGE, name=name, most=f"{LARGEST_CELL:.0e}")
    return values


def own_pairs(table: Table, columns: tuple[str, str], most: int, generator: torch.Generator) -> PairedData:
    """At most so many rows of the columns for x and y, where empty the first and the last of numbers.

    Raises `KnobError` for `x_column` and `y_column`.
    """
    x = number_column(table, columns[0], "x_column", columns[1:])
    y = number_column(table, columns[1], "y_column", [x], last=True)
    named = [(x, numbers(table, x, "x_column")), (y, numbers(table, y, "y_column"))]
    rows = rows_of(named, most, "y_column", generator)
    first, second = rows.values.T.contiguous()
    return PairedData(first, second, (x, y), rows.remarks)


def label_column(table: Table, name: str, knob: str, taken: Collection[str]) -> str:
    """The column with classes: where `name` is empty, one not `taken`, best of two values, best of words."""
    if name:
        fitting = [*table.words, *table.names]
        _need_column(table, name, knob, fitting)
        if name == table.dates:
            raise KnobError(knob, DATED, name=name, columns=quoted(fitting))
        return name
    free = [*table.words, *(one for one in reversed(table.names) if one not in taken)]
    if not free:
        raise KnobError(knob, NO_LABEL, columns=quoted(table.names))
    return next((one for one in free if len(_values_of(table, one)) == 2), free[0])


def two_classes(table: Table, name: str, one: str, knob: str, one_knob: str) -> Classes:
    """The column `name` as two classes: its two values, or `one` of them (1) and all others (−1).

    Raises `KnobError` for `knob` where these are no classes, and for `one_knob` where one is to be named.
    """
    cells, found = _cells_of(table, name), _values_of(table, name)
    if len(found) < 2:
        raise KnobError(knob, ONE_VALUE, name=name, value=found[0] if found else "–")
    if name in table.names and len(found) > MOST_CODES:
        raise KnobError(knob, NO_CLASSES, name=name, count=len(found))
    one = _as_number(one) if name in table.names else one
    if one and one not in found:
        raise KnobError(one_knob, NO_SUCH_VALUE, name=name, value=one, values=quoted(found))
    if not one and len(found) > 2:
        raise KnobError(one_knob, MANY_VALUES, name=name, count=len(found), values=quoted(found))
    wanted = one or found[1]
    other = next(value for value in found if value != wanted) if len(found) == 2 else f"≠ {wanted}"
    signs = [math.nan if cell is None else 1.0 if cell == wanted else -1.0 for cell in cells]
    return Classes(torch.tensor(signs, dtype=torch.float64), (_short(other), _short(wanted)))


def rows_of(columns: Sequence[tuple[str, Tensor]], most: int, knob: str, generator: torch.Generator) -> Rows:
    """The rows that have a value in each of these named columns (N,); a random draw where they are too many.

    Raises `KnobError` for `knob` where they are too few, or a column never changes.
    """
    names = list(dict.fromkeys(name for name, _ in columns))
    values = torch.stack([column for _, column in columns], 1)  # (N, K)
    complete = values[~values.isnan().any(1)]
    if len(complete) < FEWEST_ROWS:
        told = {"have": len(complete), "rows": len(values), "least": FEWEST_ROWS}
        raise KnobError(knob, FEW_ROWS, columns=quoted(names), **told)
    remarks = []
    if missing := len(values) - len(complete):
        remarks.append(Note(LEFT_OUT, {"count": missing}))
    if len(complete) > most:
        remarks.append(Note(SAMPLED, {"count": most, "rows": len(complete)}))
        complete = complete[torch.randperm(len(complete), generator=generator)[:most]]
    for (name, _), column in zip(columns, complete.T, strict=True):
        if column.min() == column.max():
            raise KnobError(knob, SAME, name=name)
    return Rows(complete, remarks)


def quoted(names: Sequence[str]) -> str:
    """The first names, in quotation marks."""
    shown = ", ".join(f"“{_short(name)}”" for name in names[:LISTED])
    return shown + (", …" if len(names) > LISTED else "")


def _need_column(table: Table, name: str, knob: str, fitting: Sequence[str]) -> None:
    if name not in table.roles:
        raise KnobError(knob, UNKNOWN_COLUMN, name=name, columns=quoted(fitting))


def _cells_of(table: Table, name: str) -> list[str | None]:
    """The cells of a column as they are told apart, None where one is missing."""
    if name in table.words:
        return [None if cell.lower() in ABSENT else cell for cell in table.words[name]]
    values = table.values[:, table.names.index(name)].tolist()
    return [None if math.isnan(value) else figure(value, 6) for value in values]


def _values_of(table: Table, name: str) -> list[str]:
    """The different values of a column, numbers first."""
    return sorted({cell for cell in _cells_of(table, name) if cell is not None}, key=_number_first)


def _as_number(text: str) -> str:
    """A number as `figure` writes it; any other text as it is."""
    try:
        return figure(float(text.replace("−", "-")), 6)
    except ValueError:
        return text


def _number_first(cell: str) -> tuple[float, str]:
    try:
        return float(cell.replace("−", "-")), cell
    except ValueError:
        return math.inf, cell


def _short(text: str) -> str:
    return text if len(text) <= LETTERS_SHOWN else f"{text[: LETTERS_SHOWN - 1]}…"
