"""Points of the plane from a table that someone typed or pasted, and 24 galaxies."""

from __future__ import annotations

import math

from descent.experiment import KnobError

FEWEST, MOST, LARGEST = 3, 500, 1e6  # rows of a table, and the size of its numbers

# Distance in megaparsecs and velocity in km/s. Hubble 1929, "A relation between distance and radial velocity
# among extra-galactic nebulae", PNAS 15(3), table 1.
_HUBBLE = """
0.032 170  0.034 290  0.214 -130  0.263 -70  0.275 -185  0.275 -220  0.45 200  0.5 290  0.5 270  0.63 200
0.8 300  0.9 -30  0.9 650  0.9 150  0.9 500  1.0 920  1.1 450  1.1 500  1.4 500  1.7 960  2.0 500  2.0 850
2.0 800  2.0 1090
"""


def hubble() -> list[tuple[float, float]]:
    """(distance in megaparsecs, velocity in km/s) of 24 galaxies."""
    numbers = [float(word) for word in _HUBBLE.split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def number(cell: str) -> float:
    """What a cell says; NaN where it is no number."""
    try:
        return float(cell.replace("−", "-"))
    except ValueError:
        return math.nan


def points_of(table: str, knob: str) -> list[tuple[float, float]]:
    """The points of two columns, x and y, between commas, semicolons or tabs.

    A first line without any number is a heading; empty lines are skipped. Raises `KnobError` for `knob` that
    names the line, as an editor counts them, and what to do.
    """
    separator = next((mark for mark in ("\t", ";") if mark in table), ",")
    lines = [
        (row, [cell.strip().strip('"') for cell in line.split(separator)])
        for row, line in enumerate(table.splitlines(), 1)
        if line.strip(f"{separator} ")
    ]
    if lines and len(lines[0][1]) == 2 and all(cell and math.isnan(number(cell)) for cell in lines[0][1]):
        lines = lines[1:]
    points = [_point(cells, row, knob) for row, cells in lines]
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


def _point(cells: list[str], row: int, knob: str) -> tuple[float, float]:
    if len(cells) != 2:
        raise KnobError(
            knob,
            "row {row} has {n} of 2 cells; write x and y with a comma between",
            row=row,
            n=len(cells),
        )
    for column, cell in zip("xy", cells, strict=True):
        if not cell:
            raise KnobError(
                knob, "row {row}: {column} is missing; fill it in or delete the row", row=row, column=column
            )
        if not math.isfinite(number(cell)):
            raise KnobError(
                knob,
                "row {row}: {column} is “{cell}”; write a number such as 3.5, or delete the row",
                row=row,
                column=column,
                cell=cell[:20],
            )
        if abs(number(cell)) > LARGEST:
            raise KnobError(
                knob,
                "row {row}: {column} is {cell}, beyond a million; use a larger unit",
                row=row,
                column=column,
                cell=cell[:20],
            )
    return number(cells[0]), number(cells[1])
