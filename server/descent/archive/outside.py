"""Values from outside in a text that is code: each comes in as a literal, and the text is proved to be so.

A knob's text, a scalar's name or a version may be a stranger's: a run can be imported. While a script is put
together each of them is a marker, a name that nothing else has. In the end the markers give way to literals,
and what Python reads must be what it read before, with nothing but the values where the markers were.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from descent.archive.literal import literal

MARKER = re.compile(r"_outside_(\d+)_")


class Outside:
    """The values that a script takes from outside."""

    def __init__(self) -> None:
        self._values: list[Any] = []
        self._indents: list[str] = []

    def put(self, value: Any, indent: str = "") -> str:
        """The marker that stands for a value; its literal's further lines are indented."""
        self._values.append(value)
        self._indents.append(indent)
        return f"_outside_{len(self._values) - 1}_"

    def fill(self, code: str) -> str:
        """The code with the values in it. Raises `ValueError` where it would say anything else."""
        filled = MARKER.sub(self._literal, code)
        try:
            before, after = ast.parse(code), ast.parse(filled)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError(f"Python cannot read it: {error}") from error
        self._compare(before, after)
        return filled

    def _literal(self, marker: re.Match[str]) -> str:
        index = int(marker[1])
        return literal(self._values[index], self._indents[index])

    def _compare(self, before: Any, after: Any) -> None:
        """Raises `ValueError` where two syntax trees differ in anything but the values."""
        if isinstance(before, ast.Name) and (marker := MARKER.fullmatch(before.id)):
            if not _says(after, self._values[int(marker[1])]):
                raise ValueError(f"a value became {ast.unparse(after)[:100]}")
        elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
            for one, other in zip(before, after, strict=True):
                self._compare(one, other)
        elif isinstance(before, ast.AST) and type(before) is type(after):
            for name, value in ast.iter_fields(before):
                self._compare(value, getattr(after, name, None))
        elif type(before) is not type(after) or before != after:
            raise ValueError(f"{before!r} became {after!r}"[:200])


def _says(node: ast.expr, value: Any) -> bool:
    """Whether an expression is a literal of this value."""
    try:
        return bool(ast.literal_eval(node) == value)
    except ValueError:
        return False
