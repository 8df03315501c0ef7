"""Points of the plane from a table that someone typed or pasted, and 24 galaxies.

A table comes from a spreadsheet, a program or a hand: with a byte-order mark or without, its cells between
commas, semicolons, tabs or spaces, in quotes or not, with decimal points or, where the separator leaves no
doubt, decimal commas. What can be read in two ways is refused, with its row.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from descent.contract import KnobError

FEWEST, MOST, LARGEST = 3, 500, 1e6  # rows of a table, and the size of its numbers
EXAMS = "hours, score\n1, 52\n2, 55\n2.5, 61\n3, 60\n4, 68\n5, 71\n6, 80\n7.5, 84\n8, 91"  # of nine pupils
MARKS = ("\t", ";", ",", " ")  # between cells; of two that fit equally well, the first
QUOTED = 20  # characters of a cell that a refusal quotes

# Distance in megaparsecs and velocity in km/s. Hubble 1929, "A relation between distance and radial velocity
# among extra-galactic nebulae", PNAS 15(3), table 1.
_HUBBLE = """
0.032 170  0.034 290  0.214 -130  0.263 -70  0.275 -185  0.275 -220  0.45 200  0.5 290  0.5 270  0.63 200
0.8 300  0.9 -30  0.9 650  0.9 150  0.9 500  1.0 920  1.1 450  1.1 500  1.4 500  1.7 960  2.0 500  2.0 850
2.0 800  2.0 1090
"""

_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_COMMA = re.compile(r"[+-]?(\d+,?\d*|,\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)  # 1,234: or a number between 1 and 2
_ABSENT = {"na", "n/a", "nan", "null", "none", "nil", "inf", "infinity"}  # words that are no heading
# What an East Asian keyboard, a typesetter or a spreadsheet writes in place of ASCII.
_PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans(
    "−\u00a0\u202f\u3000", "-   "
)


def hubble() -> list[tuple[float, float]]:
    """(distance in megaparsecs, velocity in km/s) of 24 galaxies."""
    numbers = [float(word) for word in _HUBBLE.split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


class Row(NamedTuple):
    """A line of a table: its number, as an editor counts, and its cells."""

    number: int
    cells: list[str]


def points_of(table: str, knob: str) -> list[tuple[float, float]]:
    """The points of two columns, x and y.

    Empty lines, cells that are empty beyond the second, and a first line of words are skipped. Raises
    `KnobError` for `knob` that names the line, as an editor counts them, and what to do.
    """
    lines = table.removeprefix("\ufeff").translate(_PLAIN).splitlines()
    if lines and lines[0].strip().lower().startswith("sep="):  # Excel's line for the separator
        lines[0] = ""
    mark = max(MARKS, key=lambda mark: sum(_fits(cells_of(line, mark)) for line in lines))
    if not any(_fits(cells_of(line, mark)) for line in lines):
        mark = next((mark for mark in MARKS if any(mark in line.strip() for line in lines)), ",")
    rows = [Row(i, cells) for i, line in enumerate(lines, 1) if any(cells := cells_of(line, mark))]
    if rows and all(map(_is_word, rows[0].cells)):
        rows = rows[1:]
    _refuse_ambiguous(rows, mark, knob)
    points = [_point(row, knob) for row in rows]
    if not FEWEST <= len(points) <= MOST:
        raise KnobError(
            knob,
            "it has {n} rows of numbers; give {fewest} to {most}",
            n=len(points),
            fewest=FEWEST,
            most=MOST,
        )
    if len({x for x, _ in points}) == 1:
        raise KnobError(
            knob, "x is {x} in every row, so any slope fits; give at least two different x", x=points[0][0]
        )
    return points


def cells_of(line: str, mark: str) -> list[str]:
    """The cells of a line between marks, without quotes and those that are empty beyond the second."""
    if mark == " ":
        cells = [cell.strip('"') for cell in line.split()]
    else:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=mark, skipinitialspace=True), [])]
    while len(cells) > 2 and not cells[-1]:
        cells.pop()
    return cells


def number(cell: str) -> float:
    """A cell's number, with a decimal point or a decimal comma; NaN where it is none."""
    if _POINT.fullmatch(cell) or _COMMA.fullmatch(cell):
        return float(cell.replace(",", "."))
    return math.nan


def _fits(cells: Sequence[str]) -> bool:
    return len(cells) == 2 and not any(math.isnan(number(cell)) for cell in cells)


def _is_word(cell: str) -> bool:
    return any(map(str.isalpha, cell)) and cell.lower() not in _ABSENT and math.isnan(number(cell))


def _refuse_ambiguous(rows: Sequence[Row], mark: str, knob: str) -> None:
    """Raise where commas could be decimal commas or something else."""
    commas = [(row, i, cell) for row in rows for i, cell in enumerate(row.cells) if "," in cell]
    points = [(row, i, cell) for row in rows for i, cell in enumerate(row.cells) if "." in cell]
    odd = next((row for row in rows if len(row.cells) != 2), None)
    if mark == "," and not points and odd and _may_hold_decimal_commas(odd.cells):
        raise KnobError(
            knob,
            "row {row}: “{cells}” can be read in more than one way; "
            "write decimals with a point, or put a semicolon between x and y",
            row=odd.number,
            cells=",".join(odd.cells)[:QUOTED],
        )
    doubtful = mark == "," or (mark != ";" and all(_THOUSANDS.fullmatch(cell) for _, _, cell in commas))
    if commas and doubtful:
        row, i, cell = commas[0]
        raise KnobError(
            knob,
            "row {row}: {column} is “{cell}”, whose comma can be read in two ways; "
            "write decimals with a point and thousands without a mark",
            row=row.number,
            column=_column(i),
            cell=cell[:QUOTED],
        )
    if commas and points:
        row, i, cell = points[0]
        raise KnobError(
            knob,
            "row {row}: {column} is “{cell}” with a point, but “{other}” in row {at} has a comma; "
            "write all decimals alike",
            row=row.number,
            column=_column(i),
            cell=cell[:QUOTED],
            other=commas[0][2][:QUOTED],
            at=commas[0][0].number,
        )


def _may_hold_decimal_commas(cells: Sequence[str]) -> bool:
    """Whether cells between commas could be two numbers, one or both with a decimal comma."""
    return len(cells) in (3, 4) and all(cell.lstrip("+-").isdecimal() for cell in cells)


def _column(i: int) -> str:
    return "xy"[min(i, 1)]


def _point(row: Row, knob: str) -> tuple[float, float]:
    if len(row.cells) != 2:
        raise KnobError(
            knob,
            "row {row} has {n} of 2 cells; write x and y with a comma between",
            row=row.number,
            n=len(row.cells),
        )
    for column, cell in zip("xy", row.cells, strict=True):
        if not cell:
            raise KnobError(
                knob,
                "row {row}: {column} is missing; fill it in or delete the row",
                row=row.number,
                column=column,
            )
        if not math.isfinite(number(cell)):
            raise KnobError(
                knob,
                "row {row}: {column} is “{cell}”; write a number such as 3.5, or delete the row",
                row=row.number,
                column=column,
                cell=cell[:QUOTED],
            )
        if abs(number(cell)) > LARGEST:
            raise KnobError(
                knob,
                "row {row}: {column} is {cell}, beyond a million; use a larger unit",
                row=row.number,
                column=column,
                cell=cell[:QUOTED],
            )
    return number(row.cells[0]), number(row.cells[1])
