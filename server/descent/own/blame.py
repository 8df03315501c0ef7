"""The line to blame for what breaks the contract."""

from __future__ import annotations

import ast
import re

AT_LINE = re.compile(r"\(at line (\d+)")  # as tomllib says
NAMES = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


def line_in(text: str, cls: str, detail: str = "") -> int:
    """The line of a Python file with what `detail` names, such as a knob; else that of the class."""
    places: dict[str, int] = {}
    begin = 1
    for node in ast.parse(text).body:
        if not isinstance(node, ast.ClassDef):
            continue
        if node.name == cls:
            begin = node.lineno
        for member in node.body:
            for name in _bound(member):
                places.setdefault(name, member.lineno)
    return next((places[name] for name in _named(detail) if name in places), begin)


def line_of(text: str, detail: str) -> int:
    """The line of a lesson with what `detail` names; 0 where there is none."""
    if found := AT_LINE.search(detail):
        return int(found[1])
    lines = text.splitlines()
    for name in _named(detail):
        for number, line in enumerate(lines, 1):
            if re.search(rf"\b{re.escape(name)}\b", line):
                return number
    return 0


def _named(detail: str) -> list[str]:
    """Names in a sentence: those in quotes first, then parts of dotted ones."""
    quoted = re.findall(r"['`]([A-Za-z_]\w*)[=(]?", detail)
    dotted = [part for path in NAMES.findall(detail) if "." in path for part in path.split(".")[1:]]
    return [*quoted, *dotted]


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [node.target.id] if isinstance(node.target, ast.Name) else []
    if isinstance(node, ast.Assign):
        return [one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)]
    return []
