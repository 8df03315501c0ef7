"""A table from a file's bytes: CSV in any usual encoding, dates, missing cells; or a sentence why not.

Pure: bytes in, a `Table` out. pandas and charset-normalizer are imported when a table is read, not before.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from descent.contract import KnobError
from descent.kit.data.own import ColumnRole, decoded

MOST_BYTES = 16 * 1024 * 1024
MOST_LINES, MOST_COLUMNS = 200_000, 100
ABSENT = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "?", "결측"})  # what stands for no number

VACANT = "the table is empty; it needs a line of names, then numbers"
UNREADABLE = "this is not a text; save the table as CSV"
TOO_BIG = "the table has {bytes} bytes; use {most} at most"
TOO_LONG = "the table has {rows} rows and {columns} columns; use {most_rows} and {most_columns} at most"
OPEN_QUOTE = "a quotation mark opened in row {row} is never closed; close or remove it"
NAMELESS = "column {column} has no name; the first line names the columns"
TWICE = "columns {first} and {second} are both named “{name}”; rename one of them"
UNEVEN = "row {row} has {cells} cells, but the first line names {columns} columns"
NO_NUMBER = "row {row}, column “{name}”: “{cell}” is no number; mend it or leave the cell empty"
NO_DATE = "row {row}, column “{name}”: “{cell}” is no date; write it like 2024-12-31 18:00"
VOID = "column “{name}” has no number in it; remove it"
NO_COLUMN = "the table has no column of numbers"
TWO_DATES = "columns “{first}” and “{second}” cannot both be dates: the rows are put in the order of one"
NO_SUCH_COLUMN = "the table has no column “{name}”"

_DECIMAL_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)?,\d+([eE][+-]?\d+)?")
_TIME = r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST = re.compile(r"(\d{4})\s*[-/.년]\s*(\d{1,2})\s*[-/.월]\s*(\d{1,2})\s*[.일]?" + _TIME)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})" + _TIME)


class Table(NamedTuple):
    """Columns of numbers: `values` (N, K), NaN where a cell is missing, with their `names`.

    `dates` names the column of dates, empty for none. `labels` are the dates, or else the rows' numbers in
    the file. `found` counts what may surprise: rows "sorted" by their dates, "gaps" between dates, "missing"
    cells, "constant" columns. `words` has the cells of each column of words, N each.
    """

    names: Sequence[str]
    values: Tensor
    labels: Sequence[str]
    dates: str
    found: Mapping[str, int]
    words: Mapping[str, Sequence[str]]

    @property
    def roles(self) -> dict[str, ColumnRole]:
        """What each column is."""
        found: dict[str, ColumnRole] = dict.fromkeys(self.names, "number")
        found.update(dict.fromkeys(self.words, "words"))
        return found | ({self.dates: "date"} if self.dates else {})


def read_table(content: bytes, knob: str, types: Mapping[str, ColumnRole] = MappingProxyType({})) -> Table:
    """The table in a file. Raises `KnobError` for `knob`, which names row and column of what cannot be read.

    Rows count as in a spreadsheet, where the line of names is row 1. Encoding and separator are found out.
    Unless the separator is a comma, commas are decimal marks. Rows are put in the order of their dates.
    Where no cell of a column is a number, it is one of words. `types` says otherwise of some columns.
    """
    separator, names, rows = raw_cells(content, knob)
    columns = {name: [(number, row[at]) for number, row in rows] for at, name in enumerate(names)}
    dated = _date_column(columns, types, knob)
    worded = [
        name
        for name, column in columns.items()
        if name != dated and types.get(name, _otherwise(column, bool(types))) == "words"
    ]
    names = [name for name in names if name != dated and name not in worded]
    parsed = [_numbers(name, columns[name], separator != ",", knob) for name in names]
    if not parsed:
        raise KnobError(knob, NO_COLUMN)
    values = torch.tensor(parsed, dtype=torch.float64).T  # (N, K)
    labels, order, gaps = [str(number) for number, _ in rows], list(range(len(rows))), 0
    if dated:
        labels, order, gaps = _in_order(dated, columns[dated], knob)
    low, high = values.nan_to_num(math.inf).amin(0), values.nan_to_num(-math.inf).amax(0)
    found = {
        "sorted": sum(row != place for place, row in enumerate(order)),
        "gaps": gaps,
        "missing": int(values.isnan().sum()),
        "constant": int((low == high).sum()),
    }
    words = {name: [columns[name][row][1] for row in order] for name in worded}
    return Table(names, values[order].float(), labels, dated, found, words)


def raw_cells(content: bytes, knob: str) -> tuple[str, list[str], list[tuple[int, list[str]]]]:
    """The separator, the names of the columns, and the cells of each row with its number, as they stand.

    Raises `KnobError` for `knob`.
    """
    if len(content) > MOST_BYTES:
        raise KnobError(knob, TOO_BIG, bytes=len(content), most=MOST_BYTES)
    text = decoded(content, knob, VACANT, UNREADABLE)
    separator = _separator(text)
    head, rows = _cells(text, separator, knob)
    return separator, _named(head, knob), rows


def carried(values: Tensor) -> Tensor:
    """(N, K) with the value before in place of each missing one; at the beginning, the first there is."""
    import pandas as pd

    frame = pd.DataFrame(values.numpy(force=True)).ffill().bfill()
    return torch.from_numpy(frame.to_numpy(copy=True)).to(values)


def _separator(text: str) -> str:
    """The sign that parts most cells of the first line outside quotes; a semicolon where none does."""
    first = re.sub(r'"[^"]*"', "", text).strip("\r\n").splitlines()[0]
    return max(";\t,", key=first.count)


def _cells(text: str, separator: str, knob: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The cells of the first row, and of each other one with its number. Empty rows are left out."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True
    )
    read: list[list[str]] = []
    try:
        for row in reader:
            read.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise KnobError(knob, OPEN_QUOTE, row=len(read) + 1) from error
    rows = [(number, row) for number, row in enumerate(read, 1) if any(row)]
    if len(rows) < 2:
        raise KnobError(knob, VACANT)
    (_, head), *rest = rows
    while head and not head[-1] and all(len(row) < len(head) or not row[len(head) - 1] for _, row in rest):
        head = head[:-1]  # each line ends with a separator
    if len(rest) > MOST_LINES or len(head) > MOST_COLUMNS:
        raise KnobError(
            knob, TOO_LONG, rows=len(rest), columns=len(head), most_rows=MOST_LINES, most_columns=MOST_COLUMNS
        )
    for number, row in rest:
        if len(row) < len(head) or any(row[len(head) :]):
            raise KnobError(knob, UNEVEN, row=number, cells=len(row), columns=len(head))
    return head, rest


def _named(head: Sequence[str], knob: str) -> list[str]:
    names = [" ".join(name.split()) for name in head]
    for at, name in enumerate(names):
        if not name:
            raise KnobError(knob, NAMELESS, column=at + 1)
        if name in names[:at]:
            raise KnobError(knob, TWICE, name=name, first=names.index(name) + 1, second=at + 1)
    return names


def _numbers(name: str, column: Sequence[tuple[int, str]], decimal_comma: bool, knob: str) -> list[float]:
    """The numbers of a column, NaN where a cell is missing."""
    commas = decimal_comma and any("," in cell for _, cell in column)
    numbers = []
    for row, cell in column:
        found = cell.replace("−", "-")
        if found.lower() in ABSENT:
            numbers.append(math.nan)
            continue
        if commas and (_DECIMAL_COMMA.fullmatch(found) or re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+", found)):
            found = found.replace(".", "").replace(",", ".")
        elif commas and "." in found:
            found = ""  # in a column with decimal commas a point is none
        if not _DECIMAL_POINT.fullmatch(found) or not abs(float(found)) < 1e30:
            raise KnobError(knob, NO_NUMBER, row=row, name=name, cell=cell[:40])
        numbers.append(float(found))
    if all(map(math.isnan, numbers)):
        raise KnobError(knob, VOID, name=name)
    return numbers


def _has_words(column: Sequence[tuple[int, str]]) -> bool:
    """Whether some cells are no numbers, and none is one. A single row is too little to tell."""
    present = [cell for _, cell in column if cell.lower() not in ABSENT]
    return len(present) > 1 and not any(any(map(str.isdecimal, cell)) for cell in present)


def _date_column(
    columns: Mapping[str, Sequence[tuple[int, str]]], types: Mapping[str, ColumnRole], knob: str
) -> str:
    """The column of dates: the one chosen, or else the first that looks like one. Empty for none."""
    if unknown := next((name for name in types if name not in columns), ""):
        raise KnobError(knob, NO_SUCH_COLUMN, name=unknown)
    chosen = [name for name, type in types.items() if type == "date"]
    if len(chosen) > 1:
        raise KnobError(knob, TWO_DATES, first=chosen[0], second=chosen[1])
    free = (name for name, column in columns.items() if name not in types and _has_dates(column))
    return next(iter([*chosen, *free]), "")


def _otherwise(column: Sequence[tuple[int, str]], chosen: bool) -> ColumnRole:
    """What a column is that is not the one of dates. Where types are chosen, further dates are words."""
    return "words" if _has_words(column) or (chosen and _has_dates(column)) else "number"


def _has_dates(column: Sequence[tuple[int, str]]) -> bool:
    """Whether most cells are written like dates."""
    dates = sum(bool(_YEAR_FIRST.fullmatch(cell) or _YEAR_LAST.fullmatch(cell)) for _, cell in column)
    return 2 * dates > len(column)


def _in_order(name: str, column: Sequence[tuple[int, str]], knob: str) -> tuple[list[str], list[int], int]:
    """The dates from the earliest on, the place that each had, and how many steps are longer than usual."""
    import pandas as pd

    last = [match for _, cell in column if (match := _YEAR_LAST.fullmatch(cell))]
    month_first = all(match[2] == "/" and int(match[1]) <= 12 for match in last)  # 1/31/2024
    written = []
    for _, cell in column:
        year, month, day, time = "", "", "", []
        if match := _YEAR_FIRST.fullmatch(cell):
            year, month, day, *time = match.groups()
        elif match := _YEAR_LAST.fullmatch(cell):
            day, _, month, year, *time = match.groups()
            day, month = (month, day) if month_first else (day, month)
        clock = ":".join(f"{part or 0:0>2}" for part in time)
        written.append(f"{year}-{month:0>2}-{day:0>2}T{clock}")
    dates = pd.Series(pd.to_datetime(written, format="ISO8601", errors="coerce"))
    for (row, cell), wrong in zip(column, dates.isna(), strict=True):
        if wrong:
            raise KnobError(knob, NO_DATE, row=row, name=name, cell=cell[:40])
    ordered = dates.sort_values(kind="stable")
    steps = ordered.diff().iloc[1:]
    gaps = int((steps > 1.5 * steps.quantile(interpolation="lower")).sum()) if len(steps) else 0
    midnight = bool((ordered.dt.normalize() == ordered).all())
    labels = ordered.dt.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")
    return labels.tolist(), ordered.index.tolist(), gaps
